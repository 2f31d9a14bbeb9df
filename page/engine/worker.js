// The engine, in a thread of its own. The first message is { site: { base, manifest, options, known } }; then come
// tasks, the next one after the end of the one before: { id, task, ... }. Answers have the same id: { step, received,
// total } while something is loaded, { opened } when a network is there, with the engine that it uses and its time,
// { frame, frames, done, next, total, expected } for tiles (upscaling.js), then { result } or { error: { kind, text } }.
// Whoever wants to stop a task ends this worker: see ui/client.js.

import { openAnimation } from "./animation.js";
import { Outdated } from "./fetching.js";
import { decode, encode } from "./pixels.js";
import { animatedPng, png } from "./png.js";
import { openTagger, openUpscaler, startEngine, used } from "./runtime.js";
import { prepare, ranked } from "./tagging.js";
import { upscale } from "./upscaling.js";

class Unreadable extends Error {}

let site = null;
let engine = null;
let tagger = null;
let upscaler = null; // { file, network } of the last one used; no other is kept, or memory fills up

const TASKS = { measure, upscale: upscaleFile, tag, convert };

self.addEventListener("message", ({ data }) => {
  if (data.site) site = data.site;
  else perform(data);
});

async function perform({ id, task, ...rest }) {
  const say = (message) => self.postMessage({ id, ...message });
  try {
    say({ result: await TASKS[task](rest, say) });
  } catch (error) {
    say({ error: { kind: kindOf(error), text: String(error?.message ?? error) } });
  }
}

function kindOf(error) {
  if (error instanceof Unreadable) return "unreadable";
  if (error instanceof Outdated) return "outdated";
  if (error instanceof RangeError) return "too_large";
  return "failed";
}

function loading(step, say) {
  return (received, total) => say({ step, received, total });
}

async function started(say) {
  engine ??= await startEngine(site.base, site.manifest, site.options, loading("engine", say));
  return engine;
}

async function network({ name, units }, say) {
  const entry = site.manifest.upscalers.find((one) => one.name === name);
  const speed = entry.speeds.find((one) => one.units === units) ?? entry.speeds[0];
  const running = await started(say);
  if (upscaler?.file !== speed.file) {
    await upscaler?.network.release();
    upscaler = null;
    const opened = await openUpscaler(running, entry, speed, loading("network", say), site.known[speed.file]);
    upscaler = { file: speed.file, network: opened };
    say({ opened: { file: speed.file, pace: opened.pace, ...used(running, opened) } });
  }
  return upscaler.network;
}

async function measure({ choice }, say) {
  const net = await network(choice, say);
  return used(engine, net);
}

async function read(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new Unreadable(String(error?.message ?? error));
  }
}

async function upscaleFile({ file, choice, size, tile }, say) {
  const animation = await read(() => openAnimation(file));
  const still = animation ? null : await read(() => decode(file));
  const net = await network(choice, say);
  const frames = animation?.count ?? 1;
  let took = 0; // seconds, without those for files
  const enlarge = async (picture, frame) => {
    const before = performance.now();
    const result = await upscale(picture, net, { ...size, tile, progress: (step) => say({ frame, frames, ...step }) });
    took += (performance.now() - before) / 1000;
    return result;
  };
  try {
    const made = animation ? await ofFrames(animation, enlarge) : await ofStill(still, enlarge);
    return { ...made, frames, took, ...used(engine, net) };
  } finally {
    animation?.close();
  }
}

async function ofStill(picture, enlarge) {
  const result = await enlarge(picture, 0);
  return { blob: await png(result), ...sides(result), from: sides(picture) };
}

/** One frame after the other, of which two originals and one result are in memory. */
async function ofFrames(animation, enlarge) {
  const file = animatedPng(animation.plays);
  let [last, to] = [null, null];
  for (let i = 0; i < animation.count; i++) {
    const { picture, duration } = await read(() => animation.frame(i));
    if (last && same(picture, last)) file.repeat(duration);
    else {
      const result = await enlarge(picture, i);
      await file.add(result, duration);
      to = sides(result);
    }
    last = picture;
  }
  return { blob: file.blob(), ...to, from: sides(last) };
}

function sides({ width, height }) {
  return { width, height };
}

function same(a, b) {
  return a.planes.length === b.planes.length && a.planes.every((plane, c) => plane.every((v, i) => v === b.planes[c][i]));
}

async function tag({ file }, say) {
  const picture = await read(() => decode(file));
  const running = await started(say);
  tagger ??= await openTagger(running, site.manifest.tagger, loading("tagger", say));
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
