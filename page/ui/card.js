// A picture's card in the list: thumbnail, name, state, and what can be done with it.

import { seconds, size, text } from "./texts.js";

/** An <li> for a picture. actions: { show, cancel, again, remove }, each called with the picture. */
export function makeCard(item, actions) {
  const card = element("li", { className: "card" });
  card.dataset.id = item.id;
  const thumbnail = element("button", { type: "button", className: "thumbnail" });
  const image = element("img", { src: item.url, alt: "" });
  image.addEventListener("error", () => (image.hidden = true)); // it cannot be read: nothing, rather than a broken one
  thumbnail.append(image);
  thumbnail.addEventListener("click", () => actions.show(item));
  const buttons = element("div", { className: "row" });
  for (const name of ["cancel", "again", "remove"]) {
    const button = element("button", { type: "button", className: name });
    button.addEventListener("click", () => actions[name](item));
    buttons.append(button);
  }
  const note = element("p", { className: "note" });
  card.append(thumbnail, element("p", { className: "name", textContent: item.name }), note, element("progress", { max: 1 }), buttons);
  return card;
}

/** Bring a card up to date. */
export function updateCard(card, item, shown) {
  const running = item.state === "running";
  card.dataset.state = item.state;
  card.dataset.shown = shown;
  card.querySelector(".note").textContent = note(item);
  const thumbnail = card.querySelector(".thumbnail");
  thumbnail.setAttribute("aria-label", text("show", { name: item.name }));
  thumbnail.disabled = !item.result;
  const bar = card.querySelector("progress");
  bar.hidden = !running;
  bar.setAttribute("aria-label", text("progress", { name: item.name }));
  if (item.progress) bar.value = item.progress.share;
  else bar.removeAttribute("value");
  const states = { cancel: running || item.state === "waiting", again: !running && item.state !== "waiting", remove: !running };
  for (const [name, visible] of Object.entries(states)) {
    const button = card.querySelector(`.${name}`);
    button.hidden = !visible;
    button.textContent = text(name);
    button.setAttribute("aria-label", `${text(name)}: ${item.name}`);
  }
}

function note(item) {
  if (item.state === "running") {
    if (!item.progress) return text("state_starting");
    const percent = Math.floor(100 * item.progress.share);
    return text("state_running", { percent, left: seconds(item.progress.left) });
  }
  if (item.state === "failed") return text(item.error.kind, { text: item.error.text });
  if (item.state !== "done") return text(`state_${item.state}`);
  const { result } = item;
  return text("state_done", { from: size(result.from), to: size(result), time: seconds(result.took) });
}

function element(name, properties) {
  return Object.assign(document.createElement(name), properties);
}
