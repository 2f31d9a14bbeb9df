// onnxruntime-web: which build is loaded, with how many threads, and networks as functions.

import { fetchFile } from "./fetching.js";
import { perMegapixel, workOf } from "./pace.js";

const PROBE = 96; // pixels, each side, of the core that a network's time is measured on
const MOST_THREADS = 16;

/** How many threads WebAssembly may use here. WebKit's are slower than none. */
export function threadsFor(wanted = 0) {
  const webkit = /AppleWebKit/.test(navigator.userAgent) && !/Chrom(e|ium)|Edg/.test(navigator.userAgent);
  if (!self.crossOriginIsolated || webkit) return 1;
  return wanted || Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
}

/** "webgpu" where the browser has a GPU that is not emulated, else "wasm". */
export async function bestKind(wanted = "") {
  if (wanted) return wanted;
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    return adapter && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ? "webgpu" : "wasm";
  } catch {
    return "wasm";
  }
}

/**
 * Load the build that is used, and no other. options: { kind, threads }; progress(received, total).
 * Promises { ort, kind, threads, forced, base, manifest }; `forced` where the visitor chose the kind.
 */
export async function startEngine(base, manifest, options, progress) {
  const kind = await bestKind(options.kind);
  const threads = threadsFor(options.threads);
  const files = manifest.runtime[kind];
  const binary = await fetchFile(base, manifest, files.binary, progress);
  const ort = await import(new URL(files.module, base).href);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = { mjs: new URL(files.glue, base).href, wasm: new URL(files.binary, base).href };
  ort.env.wasm.wasmBinary = binary;
  return { ort, kind, threads, forced: Boolean(options.kind), base, manifest };
}

async function session(engine, model, provider) {
  return engine.ort.InferenceSession.create(model, { executionProviders: [provider], graphOptimizationLevel: "all" });
}

async function runSession(engine, running, values, shape) {
  const input = new engine.ort.Tensor("float32", values, shape);
  const output = (await running.run({ image: input }))[running.outputNames[0]];
  const data = output.location && output.location !== "cpu" ? await output.getData() : output.data;
  const kept = { data: data.slice(), dims: output.dims }; // the engine may use its memory again
  output.dispose?.();
  return kept;
}

/** The result of a window: what a graph does not compute at its sides is 0, where it is cut away with the halo. */
export function framed({ data, dims: [, channels, h, w] }, width, height) {
  if (h === height && w === width) return data;
  const [top, left] = [(height - h) / 2, (width - w) / 2];
  const out = new Float32Array(channels * height * width);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < h; y++)
      out.set(data.subarray((c * h + y) * w, (c * h + y + 1) * w), (c * height + top + y) * width + left);
  return out;
}

/**
 * An upscaler of the manifest, ready to run. Where there is WebGPU both it and WebAssembly compute one tile, and the
 * faster one is kept, unless the visitor chose. `known` is { provider, pace } where that was measured before.
 * Promises { scale, channels, halo, alignment, run, release, pace, provider }; pace: seconds for a megapixel of work
 * (pace.js); release() gives its memory back.
 */
export async function openUpscaler(engine, entry, speed, progress, known = null) {
  const model = new Uint8Array(await fetchFile(engine.base, engine.manifest, speed.file, progress));
  const network = { scale: entry.scale, channels: entry.channels, halo: speed.halo, alignment: speed.alignment };
  const both = engine.kind === "webgpu" && !engine.forced ? ["webgpu", "wasm"] : [engine.kind];
  const providers = known ? [known.provider] : both;
  let best = null;
  for (const provider of providers) {
    try {
      const running = await session(engine, model, provider);
      const run = runner(engine, running, network);
      const one = { run, release: () => running.release(), provider, pace: known?.pace ?? (await measured(run, network)) };
      if (best !== null && best.pace <= one.pace) await one.release();
      else {
        await best?.release();
        best = one;
      }
    } catch (error) {
      // A GPU may not run the network, or WebAssembly have too little memory: one of the two is enough.
      if (best === null && provider === providers[providers.length - 1]) throw error;
    }
  }
  Object.assign(network, best);
  const least = probeSide(network) ** 2;
  network.run = async (values, width, height) => {
    const before = performance.now();
    const result = await best.run(values, width, height);
    // The first measure was short: that of a whole tile is better.
    if (width * height > least) network.pace = since(before) / workOf(width, height, network);
    return result;
  };
  return network;
}

/** Runs a session on a window of the network's planes. */
function runner(engine, running, { scale, channels }) {
  return async (values, width, height) =>
    framed(await runSession(engine, running, values, [1, channels, height, width]), width * scale, height * scale);
}

function probeSide({ halo, alignment }) {
  return Math.ceil((PROBE + 2 * halo) / alignment) * alignment;
}

async function measured(run, network) {
  const side = probeSide(network);
  const values = new Float32Array(network.channels * side * side).map((_, i) => (i % 251) / 250);
  await run(values, side, side); // memory is reserved, shaders are compiled
  const before = performance.now();
  await run(values, side, side);
  return since(before) / workOf(side, side, network);
}

function since(before) {
  return (performance.now() - before) / 1000;
}

/** What a visitor is told of an upscaler: the engine, and seconds for a megapixel of output. */
export function used(engine, network) {
  return { provider: network.provider, threads: engine.threads, seconds: perMegapixel(network.pace, network) };
}

/** The tagger, ready to run: Float32Array (3, size, size) -> probabilities. Its network is small: WebAssembly alone. */
export async function openTagger(engine, entry, progress) {
  const words = JSON.parse(new TextDecoder().decode(await fetchFile(engine.base, engine.manifest, entry.tags)));
  const model = new Uint8Array(await fetchFile(engine.base, engine.manifest, entry.file, progress));
  const running = await session(engine, model, "wasm");
  const { size } = words.preprocessing;
  return { words, run: async (values) => (await runSession(engine, running, values, [1, 3, size, size])).data };
}
