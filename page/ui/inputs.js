// The ways in which pictures come: dropped, pasted, opened, or the sample.

const PICTURE = /^image\//;
const NAMED = /\.(png|apng|jpe?g|gif|webp|avif|bmp|svg|ico)$/i;

/** add(files) is called with what comes; empty() where a paste holds no picture. */
export function watchInputs(add, empty, sample) {
  const files = document.getElementById("files");
  document.getElementById("open").addEventListener("click", () => files.click());
  files.addEventListener("change", () => {
    add([...files.files]);
    files.value = ""; // the same file may be opened again
  });
  document.getElementById("sample").addEventListener("click", async () => {
    const blob = await (await fetch(sample)).blob();
    add([new File([blob], "sample.png", { type: "image/png" })]);
  });
  document.getElementById("paste").addEventListener("click", () => pasteByButton(add, empty));
  document.addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files].filter((file) => PICTURE.test(file.type));
    if (pasted.length) add(pasted);
  });
  watchDrops(add);
}

async function pasteByButton(add, empty) {
  try {
    const found = [];
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((one) => PICTURE.test(one));
      if (type) found.push(new File([await item.getType(type)], `pasted.${type.split("/")[1]}`, { type }));
    }
    if (found.length) return add(found);
  } catch {
    // The visitor or the browser said no.
  }
  empty();
}

function watchDrops(add) {
  const mark = (on) => document.body.classList.toggle("dropping", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) mark(false);
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    const dropped = [...event.dataTransfer.files];
    add(dropped.filter((file) => PICTURE.test(file.type) || NAMED.test(file.name) || dropped.length === 1));
  });
}
