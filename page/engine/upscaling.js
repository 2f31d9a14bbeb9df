// Upscale a picture tile by tile: what arch/upscaling.py does, with any function that runs the network on one window.

import { bleed, neighbourhood } from "./alpha.js";
import { workOf } from "./pace.js";
import { resizePlane } from "./resize.js";
import { passSizes, targetSize } from "./sizes.js";
import { edges, fixedWindow, makeGrid, MIN_TILE, runTiles, windowOf, windowSides } from "./tiling.js";

// Pixels of the largest window. At a halo of 18, cores of 604 do 1.06 times the work of the whole picture, cores of
// 256 1.15 times; the default network takes 210 MB for the values of two layers.
const LARGEST_WINDOW = 640 ** 2;
const LEAST_HALO = 4; // a transparent tile this far from visible pixels is not mixed into them by the last resize

/**
 * The grid that costs the least work for a picture, in windows of at most `largest` pixels, which need not be square:
 * two rows for a height of 1100, not three; and one tile for a strip, which is long but has few pixels.
 */
export function gridFor(width, height, { scale, halo, alignment }, largest = LARGEST_WINDOW) {
  const part = (length, parts) => Math.ceil(length / parts / alignment) * alignment;
  let best = { grid: makeGrid(height, width, MIN_TILE, halo, alignment), work: Infinity };
  for (let rows = 1; rows === 1 || height / rows >= MIN_TILE; rows++) {
    const tile = part(height, rows);
    const around = 2 * best.grid.halo;
    const room = Math.floor((largest / (tile + around) - around) / alignment) * alignment;
    if (room < Math.min(width, MIN_TILE)) continue;
    const grid = makeGrid(height, width, tile, halo, alignment, part(width, Math.ceil(width / room)));
    const work = workOfAll(grid, { scale, halo });
    if (work < best.work) best = { grid, work };
  }
  return best.grid;
}

function gridOf(width, height, network, tile) {
  if (!tile) return gridFor(width, height, network, network.largest);
  return makeGrid(height, width, tile, network.halo, network.alignment);
}

function workOfAll(grid, network) {
  const parts = (length, tile) => edges(0, length, tile, grid.alignment).length - 1;
  const [height, width] = windowSides(grid);
  return parts(grid.height, grid.tile) * parts(grid.width, grid.wide) * workOf(width, height, network);
}

/**
 * picture: { width, height, planes }, 3 or 4 Float32Arrays in [0, 1]; the fourth is alpha.
 * network: { scale, channels, halo, alignment, pace, run(values, width, height) }; run takes a Float32Array of
 * `channels` planes and promises one whose planes are `scale` times as large each way; `largest` is added to it where
 * memory ran out.
 * options: { scale } or { width, height }; tile; progress({ done, next, total, expected }) before each tile and at the
 * end: input pixels that are done, of the tile that comes, and of all; and the seconds expected for all.
 * Promises { width, height, data }: levels of 255, RGBA, not premultiplied.
 */
export async function upscale(picture, network, options) {
  const { width, height } = picture;
  const target = targetSize(width, height, options);
  const sizes = passSizes(width, height, network.scale, target);
  const alpha = picture.planes.length === 4 && picture.planes[3].some((a) => a < 1) ? picture.planes[3] : null;
  const run = {
    network,
    tile: options.tile,
    progress: (next) => options.progress?.({ done: run.done, next, total: run.total, expected: run.expected }),
    done: 0,
    total: sizes.reduce((sum, [w, h]) => sum + w * h, 0) * (alpha ? 2 : 1),
    flat: new Map(), // colour -> what the network makes of it
    first: { width, height, alpha },
  };
  const work = sizes.map(([w, h]) => workOfAll(gridOf(w, h, network, options.tile), network));
  run.expected = network.pace * work.reduce((sum, one) => sum + one, 0) * (alpha ? 2 : 1);
  let colour = picture.planes.slice(0, 3);
  if (alpha) colour = bleed(colour, alpha, width, height);
  const data = new Uint8ClampedArray(target.width * target.height * 4).fill(255);
  await passes(run, colour, sizes, target, false, (plane, c) => write(data, plane, c));
  if (alpha) await passes(run, [alpha], sizes, target, true, (plane) => write(data, plane, 3));
  run.progress(0);
  return { ...target, data };
}

function write(data, plane, channel) {
  for (let i = 0, to = channel; i < plane.length; i++, to += 4) data[to] = Math.round(plane[i] * 255);
}

/** `held` planes are alpha: they stay between the neighbours of each source pixel, and flat parts as they are. */
async function passes(run, planes, sizes, target, held, done) {
  const { scale } = run.network;
  for (const [width, height] of sizes) planes = await onePass(run, planes, width, height, held);
  const [width, height] = sizes[sizes.length - 1];
  for (let c = 0; c < planes.length; c++) {
    done(resizePlane(planes[c], width * scale, height * scale, target.width, target.height), c);
    planes[c] = null; // its memory is free for the next one
  }
}

async function onePass(run, planes, width, height, held) {
  const { scale } = run.network;
  const out = planes.map(() => new Float32Array(width * height * scale * scale));
  const fill = async (core, grid) => {
    const window = windowOf(grid, core);
    const colour = oneColour(planes, width, window);
    if ((held && colour) || (!held && isInvisible(run.first, window, width, grid.halo)))
      enlarge(planes, width, core, out, scale);
    else if (colour) paint(await ofOneColour(run, colour), core, out, width, scale);
    else await compute(run, planes, width, height, held, core, grid, out);
  };
  const first = gridOf(width, height, run.network, run.tile);
  const last = await runTiles(first, fill, run.progress, (count) => (run.done += count));
  if (last !== first) {
    // What did not fit once is not tried again, not for the next picture either.
    run.network.largest = windowSides(last).reduce((height, width) => height * width);
    run.tile &&= last.tile;
  }
  return out;
}

async function compute(run, planes, width, height, held, core, grid, out) {
  const window = fixedWindow(grid, core);
  const size = [window.right - window.left, window.bottom - window.top];
  const parts = planes.map((plane) => take(plane, width, height, window));
  const found = await call(run.network, parts, ...size);
  place(found, core, window, out, width, run.network.scale);
  if (held) hold(planes[0], width, height, core, out[0], run.network.scale);
}

/** Match the number of planes: grey through a network of colour and back, colour through a network of grey. */
async function call(network, planes, width, height) {
  const count = width * height * network.scale ** 2;
  if (network.channels === 1) {
    const found = [];
    for (const plane of planes) found.push(await network.run(plane, width, height));
    return found;
  }
  const values = new Float32Array(3 * width * height);
  for (let c = 0; c < 3; c++) values.set(planes[planes.length === 1 ? 0 : c], c * width * height);
  const result = await network.run(values, width, height);
  const found = [0, 1, 2].map((c) => result.subarray(c * count, (c + 1) * count));
  return planes.length === 3 ? found : [found[0].map((v, i) => (v + found[1][i] + found[2][i]) / 3)];
}

/** A window of a plane, which may reach beyond the picture: its edge is repeated there. */
function take(plane, width, height, window) {
  const w = window.right - window.left;
  const out = new Float32Array(w * (window.bottom - window.top));
  for (let y = window.top, to = 0; y < window.bottom; y++) {
    const line = Math.min(height - 1, Math.max(0, y)) * width;
    for (let x = window.left; x < window.right; x++) out[to++] = plane[line + Math.min(width - 1, Math.max(0, x))];
  }
  return out;
}

/** Write the core of a computed window into the picture. */
function place(found, core, window, out, width, scale) {
  const stride = (window.right - window.left) * scale;
  const count = (core.right - core.left) * scale;
  found.forEach((plane, c) => {
    for (let y = core.top * scale; y < core.bottom * scale; y++) {
      const from = (y - window.top * scale) * stride + (core.left - window.left) * scale;
      out[c].set(plane.subarray(from, from + count), y * width * scale + core.left * scale);
    }
  });
}

function hold(plane, width, height, core, out, scale) {
  const { least, greatest } = neighbourhood(plane, width, height, core);
  const w = core.right - core.left;
  for (let y = core.top * scale; y < core.bottom * scale; y++)
    for (let x = core.left * scale; x < core.right * scale; x++) {
      const i = (Math.floor(y / scale) - core.top) * w + Math.floor(x / scale) - core.left;
      const at = y * width * scale + x;
      out[at] = Math.min(greatest[i], Math.max(least[i], out[at]));
    }
}

/** Each pixel of a core repeated, for parts that need no network. */
function enlarge(planes, width, core, out, scale) {
  planes.forEach((plane, c) => {
    for (let y = core.top * scale; y < core.bottom * scale; y++) {
      const line = Math.floor(y / scale) * width;
      for (let x = core.left * scale; x < core.right * scale; x++)
        out[c][y * width * scale + x] = plane[line + Math.floor(x / scale)];
    }
  });
}

/** The values of a window that has one colour, else null. */
function oneColour(planes, width, window) {
  const first = planes.map((plane) => plane[window.top * width + window.left]);
  const same = planes.every((plane, c) => {
    for (let y = window.top; y < window.bottom; y++)
      for (let x = window.left; x < window.right; x++) if (plane[y * width + x] !== first[c]) return false;
    return true;
  });
  return same ? first : null;
}

/** What the network makes of one colour: scale x scale pixels, computed once on the smallest picture that shows it. */
async function ofOneColour(run, colour) {
  const { halo, alignment, scale } = run.network;
  const key = colour.join();
  if (!run.flat.has(key)) {
    const reach = Math.ceil(halo / alignment) * alignment;
    const side = 2 * reach + alignment;
    const planes = await call(run.network, colour.map((v) => new Float32Array(side * side).fill(v)), side, side);
    const block = (plane) =>
      Array.from({ length: (alignment * scale) ** 2 }, (_, i) => {
        const [y, x] = [Math.floor(i / (alignment * scale)), i % (alignment * scale)];
        return plane[(reach * scale + y) * side * scale + reach * scale + x];
      });
    run.flat.set(key, planes.map(block));
  }
  return run.flat.get(key);
}

function paint(blocks, core, out, width, scale) {
  blocks.forEach((block, c) => {
    const side = Math.sqrt(block.length);
    for (let y = core.top * scale; y < core.bottom * scale; y++)
      for (let x = core.left * scale; x < core.right * scale; x++)
        out[c][y * width * scale + x] = block[(y % side) * side + (x % side)];
  });
}

/** Whether nothing of a window can be seen, in a pass whose picture may be larger than the first. */
function isInvisible({ width, alpha }, window, passWidth, halo) {
  if (alpha === null) return false;
  const scale = passWidth / width;
  if (halo < LEAST_HALO * scale) return false;
  for (let y = Math.floor(window.top / scale); y < Math.ceil(window.bottom / scale); y++)
    for (let x = Math.floor(window.left / scale); x < Math.ceil(window.right / scale); x++)
      if (alpha[y * width + x] > 0) return false;
  return true;
}
