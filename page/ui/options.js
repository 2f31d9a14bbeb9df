// The form: size, network and speed; and what is known of each network's time on this device.

import { wireSize } from "../engine/fetching.js";
import { recall, remember } from "./storage.js";
import { bytes, has, seconds, text } from "./texts.js";

const SPEEDS = "senga.seconds"; // file -> seconds for a megapixel of output, as measured here

export class Options {
  #manifest;
  #form;

  constructor(manifest) {
    this.#manifest = manifest;
    this.#form = document.getElementById("options");
    this.network = document.getElementById("network");
    this.speed = document.getElementById("speed");
    this.network.replaceChildren(...manifest.upscalers.map(({ name, scale }) => new Option(label(name, scale), name)));
    document.getElementById("tags-row").hidden = manifest.tagger === null;
    for (const part of [this.network, this.speed]) part.addEventListener("change", () => this.refresh());
    this.#form.addEventListener("change", () => {
      document.getElementById("exact").hidden = this.#form.elements.scale.value !== "exact";
    });
    this.refresh();
  }

  get entry() {
    return this.#manifest.upscalers.find((one) => one.name === this.network.value);
  }

  /** { choice, size, tags } as they are now. */
  get values() {
    const { scale } = this.#form.elements;
    const number = (id) => Math.max(0, Math.round(document.getElementById(id).valueAsNumber || 0));
    const exact = { width: number("width"), height: number("height") };
    const size = scale.value !== "exact" ? { scale: Number(scale.value) } : exact.width || exact.height ? exact : { scale: 2 };
    const tags = this.#manifest.tagger !== null && document.getElementById("tags").checked;
    return { choice: this.choice, size, tags };
  }

  get choice() {
    return { name: this.network.value, units: Number(this.speed.value) || 0 };
  }

  /** Show what belongs to the chosen network. */
  refresh() {
    const { speeds, name, purpose } = this.entry;
    const chosen = this.speed.value;
    this.speed.replaceChildren(...speeds.map(({ units }, i) => new Option(speedName(i, units), units)));
    if (speeds.some(({ units }) => String(units) === chosen)) this.speed.value = chosen;
    document.getElementById("speed-row").hidden = speeds.length < 2;
    const size = bytes(wireSize(this.#manifest.files[this.#speedOf().file]));
    document.getElementById("about").textContent = `${has(name) ? text(name) : purpose} (${size})`;
    document.getElementById("estimate").textContent = this.#estimate();
  }

  /** Keep what a network took. */
  measured(choice, taken) {
    const known = load();
    const file = this.#speedOf(choice).file;
    remember(SPEEDS, JSON.stringify({ ...known, [file]: taken }));
    this.refresh();
  }

  #speedOf({ name, units } = this.choice) {
    const { speeds } = this.#manifest.upscalers.find((one) => one.name === name);
    return speeds.find((one) => one.units === units) ?? speeds[0];
  }

  #estimate() {
    const known = load();
    const speed = this.#speedOf();
    if (known[speed.file]) return text("estimate_measured", { time: seconds(known[speed.file]) });
    const all = this.#manifest.upscalers.flatMap(({ speeds }) => speeds);
    const other = all.find(({ file }) => known[file]);
    if (!other) return text("estimate_none");
    return text("estimate_near", { time: seconds((known[other.file] * speed.operations) / other.operations) });
  }
}

function label(name, scale) {
  return `${name.replace(/^senga_/, "").replace(/_x\d+$/, "").replaceAll("_", " ")} ×${scale}`;
}

function speedName(place, units) {
  return `${text(place === 0 ? "speed_best" : "speed_faster")}${units ? ` (${units})` : ""}`;
}

function load() {
  try {
    return JSON.parse(recall(SPEEDS)) ?? {};
  } catch {
    return {};
  }
}
