// Runs page/engine/*.js and prints what they did as JSON: `node engine.mjs ENGINE CASES < pictures`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, casesFile] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(folder, `${name}.js`)));
const tiling = await load("tiling");
const sizes = await load("sizes");
const { resizePlane } = await load("resize");
const { bleed } = await load("alpha");
const { upscale } = await load("upscaling");
const tagging = await load("tagging");
const { animatedPng, png } = await load("png");

const cases = JSON.parse(readFileSync(casesFile, "utf8"));
const given = JSON.parse(readFileSync(0, "utf8")); // standard input
const corners = ({ top, left, bottom, right }) => [top, left, bottom, right];
const found = { edges: [], grids: [], halved: [], memory: [], sizes: [], fixed: [] };

for (const { in: values } of cases.edges) found.edges.push(tiling.edges(...values));
for (const { height, width, tile, wide, halo, alignment } of cases.grids) {
  const grid = tiling.makeGrid(height, width, tile, halo, alignment, wide);
  const cores = tiling.cores(grid);
  found.grids.push({
    rounded: grid.halo,
    cores: cores.map(corners),
    windows: cores.map((core) => corners(tiling.windowOf(grid, core))),
  });
  found.fixed.push(cores.map((core) => corners(tiling.fixedWindow(grid, core))));
}
for (const { in: [tile, wide, alignment] } of cases.halved) {
  const half = tiling.halved({ tile, wide, alignment });
  found.halved.push([half.tile, half.wide]);
}

// `fits`: after so many tiles, no tile larger than this fits into the memory.
for (const { height, width, tile, alignment, fits: [before, side] } of cases.memory) {
  const seen = [];
  const fill = async (core) => {
    if (seen.length >= before && Math.max(core.bottom - core.top, core.right - core.left) > side)
      throw new RangeError("Array buffer allocation failed");
    seen.push(corners(core));
  };
  const pixels = [];
  const grid = await tiling.runTiles(tiling.makeGrid(height, width, tile, 0, alignment), fill, () => {}, (n) => pixels.push(n));
  found.memory.push({ tile: grid.tile, cores: seen, pixels });
}
for (const { in: [width, height, scale, factor] } of cases.sizes) {
  const target = sizes.targetSize(width, height, { scale: factor });
  found.sizes.push({ target: [target.width, target.height], passes: sizes.passSizes(width, height, scale, target) });
}

const plane = (values) => Float32Array.from(values);
found.resized = given.resize.map(({ values, from, to, mode }) => [...resizePlane(plane(values), ...from, ...to, mode)]);
found.bled = bleed(given.bleed.colour.map(plane), plane(given.bleed.alpha), ...given.bleed.size).map((p) => [...p]);
found.prepared = given.prepare.map(({ planes, size, preprocessing }) => [
  ...tagging.prepare({ width: size[0], height: size[1], planes: planes.map(plane) }, preprocessing),
]);

// A network whose every output pixel is the mean over a square of its input, so that context matters.
const MEAN = { scale: 2, channels: 3, halo: 2, alignment: 1, pace: 1 };
const calls = [];
MEAN.run = async (values, width, height) => {
  calls.push([width, height]);
  const out = new Float32Array(values.length * 4);
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let v = y - 2; v <= y + 2; v++)
          for (let u = x - 2; u <= x + 2; u++)
            if (v >= 0 && u >= 0 && v < height && u < width) sum += values[(c * height + v) * width + u];
        for (const [b, a] of [[0, 0], [0, 1], [1, 0], [1, 1]])
          out[(c * height * 2 + 2 * y + b) * width * 2 + 2 * x + a] = sum / 25;
      }
  return out;
};
const levels = async (picture, options) => [...(await upscale(picture, MEAN, options)).data];
found.upscaled = [];
for (const { size: [width, height], planes, options } of given.upscale) {
  const picture = { width, height, planes: planes.map(plane) };
  const progress = [];
  calls.length = 0;
  const data = await levels(picture, { ...options, progress: ({ done, total }) => progress.push([done, total]) });
  found.upscaled.push({ data, calls: [...calls], progress });
}

const words = { names: ["1girl", "long_hair", "^_^", "cat_(animal)", "miku", "safe"], untrained: ["rating"] };
words.exclusive = [["1girl", "long_hair"]];
words.categories = ["general", "general", "general", "general", "character", "rating"];
const ranked = tagging.ranked([0.5, 0.9, 0.4, 0.36, 0.95, 0.2], words);
const chosen = tagging.chosen(ranked, { general: 0.38, character: 0.85 });
found.tags = {
  ranked,
  chosen: chosen.map(({ name }) => name),
  prompt: tagging.asLine(tagging.chosen(ranked, { general: 0.3, character: 0.85 }), "prompt"),
  caption: tagging.asLine(tagging.chosen(ranked, { general: 0.3, character: 0.99 }), "caption"),
};

// Frames that change after they were added: each must be compressed by then.
const { size: [width, height], frames, times, plays } = given.animation;
const file = animatedPng(plays);
let next = 0;
for (const { time, repeated } of times) {
  if (repeated) file.repeat(time);
  else {
    const data = Uint8ClampedArray.from(frames[next++]);
    await file.add({ width, height, data }, time);
    data.fill(7);
  }
}
const base64 = async (blob) => Buffer.from(await blob.arrayBuffer()).toString("base64");
found.animation = await base64(file.blob());
const still = (data) => png({ width, height, data: Uint8ClampedArray.from(data) });
found.stills = await Promise.all(frames.map(async (data) => base64(await still(data))));
console.log(JSON.stringify(found));
