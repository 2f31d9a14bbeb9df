// Runs the parts of the page that talk to a browser, with stand-ins for it: `node runtime.mjs PAGE < cases`.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const load = (name) => import(pathToFileURL(join(process.argv[2], `${name}.js`)));
const given = JSON.parse(readFileSync(0, "utf8")); // standard input
const put = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
let clock = 0; // milliseconds
put("self", globalThis);
put("performance", { now: () => clock });

const runtime = await load("engine/runtime");
const { endingOf, fetchFile, Outdated, wireSize } = await load("engine/fetching");
const { gridFor, upscale } = await load("engine/upscaling");
const { Client } = await load("ui/client");
const { heard, seen } = await load("ui/progress");
const found = {};

// What a graph does not compute at its sides.
found.framed = given.framed.map(({ values, dims, size }) => {
  const data = Float32Array.from(values);
  const made = runtime.framed({ data, dims }, ...size);
  return { values: [...made], same: made === data };
});

// Threads and engines, by what the browser says of itself.
found.threads = given.threads.map(({ agent, isolated, cores, wanted }) => {
  put("navigator", { userAgent: agent, hardwareConcurrency: cores });
  put("crossOriginIsolated", isolated);
  return runtime.threadsFor(wanted);
});
found.kinds = [];
for (const { adapter, wanted } of given.kinds) {
  const requestAdapter = async () => {
    if (adapter === "error") throw new Error("no GPU process");
    return adapter;
  };
  put("navigator", adapter === undefined ? {} : { gpu: { requestAdapter } });
  found.kinds.push(await runtime.bestKind(wanted));
}

// Files of a site, compressed in two ways, on hosts that unpack them or do not.
const bytes = new TextEncoder().encode("weights ".repeat(500));
const gz = gzipSync(bytes);
const facts = { size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex"), gz: gz.length, br: 7 };
const real = DecompressionStream;
class Plain {
  // A browser that knows no Brotli.
  constructor(format) {
    if (format !== "gzip") throw new TypeError(`Unsupported format: ${format}`);
    return new real(format);
  }
}
class Brotli {
  // One that does: the stand-in for a copy has seven bytes.
  constructor(format) {
    if (format !== "brotli") return new real(format);
    return new TransformStream({ transform: (part, out) => out.enqueue(part), flush: (out) => out.enqueue(bytes.slice(7)) });
  }
}
found.fetched = [];
for (const [streams, sent] of [[Plain, gz], [Plain, bytes], [Brotli, bytes.slice(0, 7)], [Brotli, bytes], [Plain, gz.subarray(9)]]) {
  put("DecompressionStream", streams);
  const asked = [];
  put("fetch", async (url) => (asked.push(String(url)), new Response(sent)));
  const steps = [];
  const got = await fetchFile("http://a/b/", { files: { "m.onnx": facts } }, "m.onnx", (...step) => steps.push(step)).catch(
    (error) => error.message,
  );
  const whole = got instanceof ArrayBuffer && Buffer.from(got).equals(Buffer.from(bytes));
  found.fetched.push({ asked, whole, error: whole ? null : got, last: steps.at(-1), ending: endingOf(facts), wire: wireSize(facts) });
}
// Another file than the page's manifest says, on a host whose manifest has this version; the page's is "1".
put("DecompressionStream", Plain);
found.renewed = [];
for (const host of [{ version: "2" }, { version: "1" }, null]) {
  put("fetch", async (url) => {
    if (!String(url).includes("manifest.json")) return new Response(gz.subarray(9));
    if (host === null) throw new TypeError("Failed to fetch");
    return new Response(JSON.stringify(host));
  });
  const error = await fetchFile("http://a/b/", { version: "1", files: { "m.onnx": facts } }, "m.onnx").catch((one) => one);
  found.renewed.push(error instanceof Outdated);
}
put("DecompressionStream", real);
found.plain = [endingOf({ size: 5 }) ?? null, wireSize({ size: 5 })];

// An upscaler: sessions that take a known time for each pixel of work, and leave out the halo as the graphs do.
const HALO = 18;
const seconds = { webgpu: given.pace.webgpu, wasm: given.pace.wasm }; // for a megapixel of work
const log = [];
let lost = []; // providers that cannot run a network
class Tensor {
  constructor(type, data, dims) {
    Object.assign(this, { data, dims });
  }
}
const create = async (model, { executionProviders: [provider] }) => {
  log.push(`open ${provider}`);
  return {
    outputNames: ["upscaled"],
    release: async () => log.push(`release ${provider}`),
    run: async ({ image: { dims: [, , height, width] } }) => {
      log.push(`run ${provider} ${width}x${height}`);
      if (lost.includes(provider)) throw new Error(`${provider} is lost`);
      clock += (1000 * seconds[provider] * (width - HALO) * (height - HALO) * 4) / 1e6;
      const dims = [1, 3, 2 * (height - HALO), 2 * (width - HALO)];
      return { upscaled: new Tensor("float32", new Float32Array(3 * dims[2] * dims[3]).fill(1), dims) };
    },
  };
};
const base = { ort: { Tensor, InferenceSession: { create } }, base: "http://a/b/", manifest: { files: { m: facts } }, threads: 3 };
const entry = { scale: 2, channels: 3 };
const speed = { file: "m", halo: HALO, alignment: 1 };
put("fetch", async () => new Response(gz));
const opened = async (engine, known) => {
  log.length = 0;
  const network = await runtime.openUpscaler({ ...base, ...engine }, entry, speed, () => {}, known);
  return { network, log: [...log], provider: network.provider, pace: network.pace };
};
found.both = await opened({ kind: "webgpu" });
found.forced = await opened({ kind: "webgpu", forced: true });
found.wasm = await opened({ kind: "wasm" });
found.known = await opened({ kind: "webgpu" }, { provider: "wasm", pace: 5 });
seconds.webgpu = 2 * seconds.wasm;
found.slower = await opened({ kind: "webgpu" });
lost = ["webgpu"];
found.lost = await opened({ kind: "webgpu" });
lost = ["webgpu", "wasm"];
found.none = await opened({ kind: "webgpu" }).catch((error) => error.message);
lost = [];
const { network } = found.wasm;
found.told = [runtime.used({ threads: 3 }, network)];
seconds.wasm *= 2; // the device gets slower
await network.run(new Float32Array(3 * 40 * 40), 40, 40);
found.told.push(runtime.used({ threads: 3 }, network));
await network.run(new Float32Array(3 * 548 * 548), 548, 548);
found.told.push(runtime.used({ threads: 3 }, network));
await network.release();
found.released = log.at(-1);

// What a large picture then takes, and what was expected of it.
const side = 1100;
const noise = () => Float32Array.from({ length: side * side }, (_, i) => (i * 7919 % 251) / 251);
const progress = [];
const before = clock;
await upscale({ width: side, height: side, planes: [noise(), noise(), noise()] }, network, {
  scale: 2,
  progress: (step) => progress.push({ ...step, passed: (clock - before) / 1000 }),
});
found.picture = { progress, megapixels: (side * side * 4) / 1e6, told: runtime.used({ threads: 3 }, network).seconds };
for (const one of [found.both, found.forced, found.wasm, found.known, found.slower, found.lost]) delete one.network;

// Grids.
found.grids = given.grids.map(({ size, halo, alignment, largest }) => gridFor(...size, { scale: 2, halo, alignment }, largest));

// Memory that holds windows of so many pixels.
const small = { scale: 2, channels: 3, halo: 2, alignment: 1, pace: 1 };
const sides = [];
let most = given.memory;
small.run = async (values, width, height) => {
  sides.push([width, height]);
  if (width * height > most) throw new Error("failed to allocate a buffer of size 1073741824");
  const out = new Float32Array(values.length * 4);
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < 2 * height; y++)
      for (let x = 0; x < 2 * width; x++) out[(c * height * 2 + y) * width * 2 + x] = values[(c * height + (y >> 1)) * width + (x >> 1)];
  return out;
};
const [w, h] = given.picture.size;
const picture = () => ({ width: w, height: h, planes: given.picture.planes.map((plane) => Float32Array.from(plane)) });
found.memory = [];
for (let i = 0; i < 2; i++) {
  sides.length = 0;
  const { data } = await upscale(picture(), small, { scale: 2 });
  found.memory.push({ data: [...data], sides: [...sides] });
}

// Cores that are larger than those of the smaller grid: 81 pixels in tiles of 80 are 40 and 41, in tiles of 40 they are 27.
most = 44 * 44;
delete small.largest;
found.uneven = [];
for (const [width, height] of [[w, h], [h, w]]) {
  const { data } = await upscale({ ...picture(), width, height }, small, { scale: 2, tile: 80 });
  found.uneven.push([...data]);
}
const tooLarge = () => sides.filter(([width, height]) => width * height > most).length;
sides.length = 0;
await upscale(picture(), small, { scale: 4, tile: 80 });
found.passes = tooLarge();

// A strip is cut along its length; what does not fit at all, and other errors, are thrown.
const strip = () => ({ width: 400, height: 8, planes: [0, 1, 2].map(() => Float32Array.from({ length: 3200 }, (_, i) => (i % 7) / 7)) });
sides.length = 0;
delete small.largest;
found.strip = { size: (await upscale(strip(), small, { scale: 2 })).data.length, tooLarge: tooLarge() };
delete small.largest;
most = 0;
found.full = await upscale(strip(), small, { scale: 2 }).catch((error) => error.message);
delete small.largest;
let runs = 0;
const odd = { ...small, run: async () => (runs++, Promise.reject(new Error("no such operator"))) };
found.odd = { text: await upscale(strip(), odd, { scale: 2 }).catch((error) => error.message), runs };

// Calls to a worker, and stops.
const workers = [];
class Worker {
  constructor(url) {
    Object.assign(this, { url: String(url), got: [], ended: false, on: {} });
    workers.push(this);
  }
  addEventListener(kind, work) {
    this.on[kind] = work;
  }
  postMessage(message) {
    this.got.push(message);
  }
  terminate() {
    this.ended = true;
  }
  say(data) {
    this.on.message({ data });
  }
}
put("Worker", Worker);
const settled = (call) => call.done.then((value) => ({ value }), (error) => ({ kind: error.kind, text: error.message }));
const client = new Client(new URL("http://a/b/"), { manifest: "M", options: "O" });
found.lazy = workers.length;
const heardSteps = [];
const first = client.call("upscale", { file: 1 }, (step) => heardSteps.push(step));
const [second, third] = [client.call("tag", { file: 2 }), client.call("convert", { file: 3 })];
const answers = [first, second, third].map(settled);
workers[0].say({ id: 1, opened: { file: "m", provider: "wasm", pace: 9 } });
workers[0].say({ id: 1, done: 1, total: 2 });
second.cancel(); // it waits: the worker goes on
const kept = !workers[0].ended;
first.cancel();
workers[0].say({ id: 1, result: "too late" });
workers[1].say({ id: 3, result: "third" });
third.cancel(); // it is done
const broken = [client.call("upscale", { file: 4 }), client.call("tag", { file: 5 })];
answers.push(...broken.map(settled));
workers[1].on.error({ message: "it broke" });
workers[0].on.error({ message: "an old one" });
workers[2].say({ id: 5, result: null });
found.calls = {
  kept,
  steps: heardSteps,
  answers: await Promise.all(answers),
  workers: workers.map(({ url, got, ended }) => ({ url, got, ended })),
};

// The bar and the time left, between two tiles too.
let state = null;
found.progress = given.progress.map(({ message, at }) => {
  if (message) state = heard(state, message, at);
  return seen(state, at);
});
console.log(JSON.stringify(found));
