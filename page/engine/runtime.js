// onnxruntime-web: which build is loaded, with how many threads, and networks as functions.

import { fetchFile } from "./fetching.js";

const PROBE = 128; // pixels, each side, of the picture that a network's time is measured on
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
 * faster one is kept, unless the visitor chose. Promises { scale, channels, halo, alignment, run, seconds, provider }; seconds are for a megapixel of output.
 */
export async function openUpscaler(engine, entry, speed, progress) {
  const model = new Uint8Array(await fetchFile(engine.base, engine.manifest, speed.file, progress));
  const { scale, channels } = entry;
  const providers = engine.kind === "webgpu" && !engine.forced ? ["webgpu", "wasm"] : [engine.kind];
  let best = null;
  for (const provider of providers) {
    try {
      const running = await session(engine, model, provider);
      const run = async (values, width, height) =>
        framed(await runSession(engine, running, values, [1, channels, height, width]), width * scale, height * scale);
      const seconds = await measured(run, entry);
      if (best === null || seconds < best.seconds) best = { run, seconds, provider };
    } catch (error) {
      // A GPU may not run the network, or WebAssembly have too little memory: one of the two is enough.
      if (best === null && provider === providers[providers.length - 1]) throw error;
    }
  }
  const network = { scale, channels, halo: speed.halo, alignment: speed.alignment, ...best };
  network.run = async (values, width, height) => {
    const before = performance.now();
    const result = await best.run(values, width, height);
    // The first measure was short: that of a whole tile is better.
    if (width * height > PROBE ** 2) network.seconds = since(before) / megapixels(width, height, scale);
    return result;
  };
  return network;
}

async function measured(run, entry) {
  const values = new Float32Array(entry.channels * PROBE * PROBE).map((_, i) => (i % 251) / 250);
  await run(values, PROBE, PROBE); // memory is reserved, shaders are compiled
  const before = performance.now();
  await run(values, PROBE, PROBE);
  return since(before) / megapixels(PROBE, PROBE, entry.scale);
}

function since(before) {
  return (performance.now() - before) / 1000;
}

function megapixels(width, height, scale) {
  return (width * height * scale ** 2) / 1e6;
}

/** The tagger, ready to run: Float32Array (3, size, size) -> probabilities. Its network is small: WebAssembly alone. */
export async function openTagger(engine, entry, progress) {
  const words = JSON.parse(new TextDecoder().decode(await fetchFile(engine.base, engine.manifest, entry.tags)));
  const model = new Uint8Array(await fetchFile(engine.base, engine.manifest, entry.file, progress));
  const running = await session(engine, model, "wasm");
  const { size } = words.preprocessing;
  return { words, run: async (values) => (await runSession(engine, running, values, [1, 3, size, size])).data };
}
