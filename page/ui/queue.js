// The pictures: what was added, what is being done with each, one after the other. No document here.

import { heard, seen } from "./progress.js";

const TICK = 500; // milliseconds between two looks at the clock
let nextId = 1;

export class Queue extends EventTarget {
  items = [];
  shown = null;
  running = false;
  #client;
  #call = null;
  #stopped = false;
  #progress = null; // of the picture that runs

  constructor(client) {
    super();
    this.#client = client;
  }

  add(files) {
    for (const file of files) {
      const url = URL.createObjectURL(file);
      this.items.push({ id: nextId++, file, url, name: file.name || "picture.png", state: "waiting" });
    }
    this.#changed();
  }

  remove(item) {
    if (item.state === "running") this.cancel(item);
    this.items = this.items.filter((one) => one !== item);
    for (const url of [item.url, item.result?.url]) if (url) URL.revokeObjectURL(url);
    if (this.shown === item) this.shown = this.items.find((one) => one.result) ?? null;
    this.#changed();
  }

  show(item) {
    this.shown = item;
    this.#changed();
  }

  again(item) {
    item.state = "waiting";
    this.#changed();
  }

  cancel(item) {
    if (item.state === "running") this.#call?.cancel();
    else if (item.state === "waiting") this.#set(item, { state: "cancelled" });
  }

  stop() {
    this.#stopped = true;
    this.#call?.cancel();
  }

  /** Do what is waiting. options(item) are the choices at that moment: { choice, size, tags }. */
  async run(options) {
    if (this.running) return;
    this.running = true;
    this.#stopped = false;
    this.#changed();
    const clock = setInterval(() => this.#tick(), TICK);
    for (let item = this.#waiting(); item && !this.#stopped; item = this.#waiting()) await this.#perform(item, options());
    clearInterval(clock);
    this.running = false;
    this.#changed();
  }

  #waiting() {
    return this.items.find((item) => item.state === "waiting");
  }

  async #perform(item, { choice, size, tags }) {
    this.#progress = null;
    this.#set(item, { state: "running", progress: null, error: null });
    const measured = (used) => this.dispatchEvent(new CustomEvent("measured", { detail: { choice, used } }));
    const progress = (step) => (step.opened ? measured(step.opened) : this.#hear(item, step));
    try {
      const made = await this.#start("upscale", { file: item.file, choice, size }, progress);
      if (item.result) URL.revokeObjectURL(item.result.url);
      item.result = { ...made, url: URL.createObjectURL(made.blob) };
      measured(made);
      if (this.items.includes(item)) this.shown ??= item;
      this.#changed(); // the result can be seen before there are tags
      if (tags) item.tags = await this.#start("tag", { file: item.file }, progress);
      this.#set(item, { state: "done" });
    } catch (error) {
      const state = error.kind === "cancelled" ? "cancelled" : "failed";
      this.#set(item, { state, error: { kind: error.kind ?? "failed", text: error.message } });
    }
    this.dispatchEvent(new CustomEvent("loaded"));
  }

  #start(task, values, progress) {
    this.#call = this.#client.call(task, values, progress);
    return this.#call.done;
  }

  #hear(item, step) {
    if (step.step) {
      this.dispatchEvent(new CustomEvent("loading", { detail: step }));
      return;
    }
    this.dispatchEvent(new CustomEvent("loaded"));
    this.#progress = { item, ...heard(this.#progress, step, performance.now()) };
    this.#tick();
  }

  #tick() {
    const { item } = this.#progress ?? {};
    if (item?.state === "running") this.#set(item, { progress: seen(this.#progress, performance.now()) });
  }

  #set(item, values) {
    Object.assign(item, values);
    this.dispatchEvent(new CustomEvent("item", { detail: item }));
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("list"));
  }
}
