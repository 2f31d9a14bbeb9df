// The page: makes the parts and passes between them what happens.

import { wireSize } from "../engine/fetching.js";
import { makeCard, updateCard } from "./card.js";
import { Client } from "./client.js";
import { download, downloadAll } from "./download.js";
import { watchInputs } from "./inputs.js";
import { goOffline } from "./offline.js";
import { Options } from "./options.js";
import { Queue } from "./queue.js";
import { recall, remember } from "./storage.js";
import { Tags } from "./tags.js";
import { bytes, preferred, setLanguage, text } from "./texts.js";
import { Viewer } from "./viewer.js";

const base = new URL("..", import.meta.url);
const by = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search); // ?engine=wasm&threads=1: for measuring

const MESSAGE_TIME = 5000; // milliseconds
let silence = 0;
let used = null; // { provider, threads } of the last network

async function start() {
  setTheme(recall("senga.theme") ?? "auto");
  await setLanguage(preferred(), base);
  const manifest = await (await fetch(new URL("manifest.json", base))).json();
  const options = { kind: query.get("engine") ?? "", threads: Number(query.get("threads")) || 0 };
  const client = new Client(base, { manifest, options });
  const parts = {
    manifest,
    client,
    writer: new Client(base, { manifest, options }), // what is done can be saved while others are computed
    options: new Options(manifest),
    queue: new Queue(client),
    viewer: new Viewer(),
    tags: new Tags(manifest.tagger, say),
  };
  connect(parts);
  goOffline(base, () => !parts.queue.items.length);
  document.documentElement.dataset.ready = "true";
}

function connect(parts) {
  const { queue, options, writer } = parts;
  watchInputs((files) => queue.add(files), () => say(text("no_picture_pasted")), new URL(parts.manifest.sample, base));
  by("options").addEventListener("submit", (event) => {
    event.preventDefault();
    queue.run(() => options.values);
  });
  by("stop").addEventListener("click", () => queue.stop());
  by("measure").addEventListener("click", () => measure(parts));
  by("download").addEventListener("click", () => saving([queue.shown], ([item], format) => download(writer, item, format)));
  by("download-all").addEventListener("click", () =>
    saving(queue.items.filter((item) => item.result), (items, format) => downloadAll(writer, items, format)),
  );
  by("language").value = document.documentElement.lang;
  by("language").addEventListener("change", async ({ target }) => {
    remember("senga.language", target.value);
    await setLanguage(target.value, base);
    options.refresh();
    draw(parts);
  });
  by("theme").addEventListener("change", ({ target }) => setTheme(target.value));
  queue.addEventListener("list", () => draw(parts));
  queue.addEventListener("item", ({ detail }) => drawItem(parts, detail));
  queue.addEventListener("loading", ({ detail }) => loading(detail));
  queue.addEventListener("loaded", () => (by("loading").hidden = true));
  queue.addEventListener("measured", ({ detail }) => measured(parts, detail.choice, detail.used));
  draw(parts);
}

async function measure(parts) {
  const { choice } = parts.options;
  by("measure").disabled = true;
  try {
    measured(parts, choice, await parts.client.call("measure", { choice }, (step) => step.step && loading(step)).done);
  } catch (error) {
    say(text(error.kind ?? "failed", { text: error.message }));
  }
  by("loading").hidden = true;
  by("measure").disabled = false;
}

function measured(parts, choice, found) {
  used = found;
  parts.options.measured(choice, found.seconds);
  drawEngine(parts);
}

async function saving(items, work) {
  try {
    await work(items, by("format").value);
    if (by("format").value !== "png" && items.some(({ result }) => result.frames > 1)) say(text("animation_png"));
  } catch (error) {
    const format = by("format").selectedOptions[0].textContent;
    say(text(/cannot write/.test(error.message) ? "no_write" : "failed", { format, text: error.message }));
  }
}

function draw(parts) {
  const { queue } = parts;
  const list = by("queue");
  const known = new Map([...list.children].map((card) => [Number(card.dataset.id), card]));
  const actions = {
    show: (item) => queue.show(item),
    cancel: (item) => queue.cancel(item),
    again: (item) => queue.again(item),
    remove: (item) => queue.remove(item),
  };
  // Cards that are there stay: replacing one would take the focus away.
  for (const [id, card] of known) if (!queue.items.some((item) => item.id === id)) card.remove();
  for (const item of queue.items) if (!known.has(item.id)) list.append(makeCard(item, actions));
  for (const item of queue.items) drawItem(parts, item);
  drawShown(parts);
  drawButtons(parts);
  drawEngine(parts);
}

function drawItem(parts, item) {
  const { queue } = parts;
  const card = by("queue").querySelector(`[data-id="${item.id}"]`);
  if (!card) return;
  const before = card.dataset.state;
  updateCard(card, item, queue.shown === item);
  if (item.state === before || !before) return;
  if (item.state === "done") say(text("done_said", { name: item.name }));
  if (item.state === "failed") say(`${item.name}: ${text(item.error.kind, { text: item.error.text })}`);
  if (item.error?.kind === "outdated") goOffline(base, () => false); // the newer site is installed until the next visit
  drawShown(parts);
  drawButtons(parts);
}

function drawShown({ queue, viewer, tags }) {
  viewer.show(queue.shown);
  tags.show(queue.shown);
  for (const card of by("queue").children) card.dataset.shown = queue.shown?.id === Number(card.dataset.id);
}

function drawButtons({ queue }) {
  by("empty").hidden = queue.items.length > 0;
  by("start").disabled = queue.running || !queue.items.some((item) => item.state === "waiting");
  by("stop").hidden = !queue.running;
  by("measure").disabled = queue.running;
  by("download-all").disabled = queue.items.filter((item) => item.result).length < 2;
}

function drawEngine({ manifest }) {
  if (used === null) {
    const binary = manifest.files[manifest.runtime.wasm.binary];
    by("engine").textContent = text("engine_none", { size: bytes(wireSize(binary)) });
    return;
  }
  const kind = used.provider === "wasm" && used.threads === 1 ? "engine_wasm_one" : `engine_${used.provider}`;
  by("engine").textContent = text("engine", { engine: text(kind, { threads: used.threads }) });
}

function loading({ step, received, total }) {
  by("loading").hidden = false;
  const ready = received >= total;
  by("loading-text").textContent = text(ready ? "loading_ready" : `loading_${step}`, { done: bytes(received), total: bytes(total) });
  const bar = by("loading-bar");
  if (ready) bar.removeAttribute("value");
  else bar.value = received / total;
}

function setTheme(theme) {
  remember("senga.theme", theme);
  document.documentElement.dataset.theme = theme;
  by("theme").value = theme;
}

/** A short message, seen and heard. */
function say(words) {
  by("status").textContent = words;
  clearTimeout(silence);
  silence = setTimeout(() => (by("status").textContent = ""), MESSAGE_TIME);
}

start().catch((error) => {
  const words = text("site_failed", { text: error.message });
  say(words);
  by("empty").textContent = words;
  throw error;
});
