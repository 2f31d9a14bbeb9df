// Results as files: in the chosen format, with the picture's name, one by one or as a zip.

import { zipSync } from "../libraries/fflate.js";

const TYPES = { png: "image/png", webp: "image/webp", jpeg: "image/jpeg" };
const ENDINGS = { png: ".png", webp: ".webp", jpeg: ".jpg" };
const QUALITY = 0.92;

/** The picture's name with the ending of the format. */
export function nameFor(name, format) {
  return `${name.replace(/\.[^.]*$/, "") || "picture"}${ENDINGS[format]}`;
}

/** Names that differ: a second a.png is `a (2).png`. */
export function distinct(names) {
  const seen = new Map();
  return names.map((name) => {
    const count = (seen.get(name.toLowerCase()) ?? 0) + 1;
    seen.set(name.toLowerCase(), count);
    return count === 1 ? name : name.replace(/(\.[^.]*)?$/, (ending) => ` (${count})${ending}`);
  });
}

/** A result in a format. Animations stay PNG, which is the one that has frames. */
async function asFile(client, item, format) {
  const kept = item.result.frames > 1 ? "png" : format;
  const { blob } = item.result;
  const made = kept === "png" ? blob : await client.call("convert", { blob, type: TYPES[kept], quality: QUALITY }).done;
  return { name: nameFor(item.name, kept), blob: made };
}

export async function download(client, item, format) {
  const { name, blob } = await asFile(client, item, format);
  save(name, blob);
}

export async function downloadAll(client, items, format) {
  const files = [];
  for (const item of items) files.push(await asFile(client, item, format));
  const names = distinct(files.map(({ name }) => name));
  const entries = {};
  for (const [i, { blob }] of files.entries()) entries[names[i]] = new Uint8Array(await blob.arrayBuffer());
  // Pictures are compressed already.
  save("senga.zip", new Blob([zipSync(entries, { level: 0 })], { type: "application/zip" }));
}

function save(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
