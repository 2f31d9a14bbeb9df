// The engine, in a thread of its own. Messages in: { id, task, ... } and { cancel: id }. Out, with the same id:
// { step, received, total } while something is loaded, { frame, frames, done, total } for tiles, then { result } or
// { error: { kind, text } }.

import { openAnimation } from "./animation.js";
import { decode, encode } from "./pixels.js";
import { animatedPng, png } from "./png.js";
import { openTagger, openUpscaler, startEngine } from "./runtime.js";
import { prepare, ranked } from "./tagging.js";
import { upscale } from "./upscaling.js";

class Cancelled extends Error {}
class Unreadable extends Error {}

let site = null; // { base, manifest, options }
let engine = null;
let tagger = null;
const upscalers = new Map(); // file -> network; the last one used alone, or memory fills up
const cancelled = new Set();
let queue = Promise.resolve();

const TASKS = { open, measure, upscale: upscaleFile, tag, convert };

self.addEventListener("message", ({ data }) => {
  if (data.cancel !== undefined) cancelled.add(data.cancel);
  else queue = queue.then(() => perform(data)); // one after the other: each task uses all threads
});

async function perform({ id, task, ...rest }) {
  const say = (message, transfer = []) => self.postMessage({ id, ...message }, transfer);
  try {
    check(id);
    say({ result: await TASKS[task](rest, { id, say }) });
  } catch (error) {
    say({ error: { kind: kindOf(error), text: String(error?.message ?? error) } });
  } finally {
    cancelled.delete(id);
  }
}

function kindOf(error) {
  if (error instanceof Cancelled) return "cancelled";
  if (error instanceof Unreadable) return "unreadable";
  if (error instanceof RangeError) return "too_large";
  return "failed";
}

function check(id) {
  if (cancelled.has(id)) throw new Cancelled();
}

/** Let messages in, among them a cancel, which a busy thread would not see. */
function breathe(id) {
  return new Promise((resolve) => setTimeout(resolve)).then(() => check(id));
}

async function open({ base, manifest, options }) {
  site = { base, manifest, options };
}

function loading(step, { id, say }) {
  return (received, total) => {
    check(id);
    say({ step, received, total });
  };
}

async function started(call) {
  engine ??= await startEngine(site.base, site.manifest, site.options, loading("engine", call));
  return engine;
}

async function network({ name, units }, call) {
  const entry = site.manifest.upscalers.find((one) => one.name === name);
  const speed = entry.speeds.find((one) => one.units === units) ?? entry.speeds[0];
  const running = await started(call);
  if (!upscalers.has(speed.file)) {
    const opened = await openUpscaler(running, entry, speed, loading("network", call));
    upscalers.clear();
    upscalers.set(speed.file, opened);
  }
  return upscalers.get(speed.file);
}

function used(net) {
  return { provider: net.provider, threads: engine.threads, seconds: net.seconds };
}

async function measure({ choice }, call) {
  return used(await network(choice, call));
}

async function read(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Cancelled || error instanceof RangeError) throw error;
    throw new Unreadable(String(error?.message ?? error));
  }
}

async function upscaleFile({ file, choice, size, tile }, call) {
  const animation = await read(() => openAnimation(file));
  const still = animation ? null : await read(() => decode(file));
  const net = await network(choice, call);
  const before = performance.now();
  const frames = animation?.count ?? 1;
  const options = (frame) => ({
    ...size,
    tile,
    before: () => breathe(call.id),
    progress: (done, total) => call.say({ frame, frames, done, total }),
  });
  try {
    const made = [];
    let from = null;
    for (let i = 0; i < frames; i++) {
      const { picture, duration } = animation ? await animation.frame(i) : { picture: still, duration: 0 };
      from = { width: picture.width, height: picture.height };
      const repeated = i > 0 && same(picture, made[i - 1].from);
      const result = repeated ? made[i - 1] : await upscale(picture, net, options(i));
      made.push({ ...result, duration, from: animation ? picture : null });
      if (i > 0) made[i - 1].from = null;
    }
    const { width, height } = made[0];
    const seconds = (performance.now() - before) / 1000;
    const blob = animation ? await animatedPng(made, animation.plays) : await png(made[0]);
    return { blob, width, height, from, frames, took: seconds, ...used(net) };
  } finally {
    animation?.close();
  }
}

function same(a, b) {
  return a.planes.length === b.planes.length && a.planes.every((plane, c) => plane.every((v, i) => v === b.planes[c][i]));
}

async function tag({ file }, call) {
  const picture = await read(() => decode(file));
  const running = await started(call);
  tagger ??= await openTagger(running, site.manifest.tagger, loading("tagger", call));
  check(call.id);
  const { words } = tagger;
  return ranked(await tagger.run(prepare(picture, words.preprocessing)), words);
}

/** A result as another kind of file. */
async function convert({ blob, type, quality }) {
  const { width, height, planes } = await decode(blob);
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  planes.forEach((plane, c) => plane.forEach((v, i) => (data[4 * i + c] = Math.round(v * 255))));
  return encode({ width, height, data }, type, quality);
}
