// Transparency: colour under transparent pixels, and an upscaled alpha that keeps its flat parts. As arch/image.py.

/**
 * Fill the colour of fully transparent pixels from the nearest visible ones, or a network would mix what editors leave
 * there into the edges. A pyramid of alpha-weighted means is built; its levels then fill the holes.
 *
 * colour: three planes in [0, 1]; alpha: one plane. Returns three planes; those of visible pixels are unchanged.
 */
export function bleed(colour, alpha, width, height) {
  const hole = alpha.some((a) => a <= 0);
  if (!hole || !alpha.some((a) => a > 0)) return colour;
  const levels = [{ width, height, weight: alpha, planes: colour.map((plane) => plane.map((v, i) => v * alpha[i])) }];
  for (let at = levels[0]; Math.max(at.width, at.height) > 1; at = levels[levels.length - 1]) levels.push(halfOf(at));
  const top = levels.pop();
  let filled = top.planes.map((plane) => plane.map((v, i) => v / Math.max(top.weight[i], 1e-12)));
  let [fromWidth, fromHeight] = [top.width, top.height];
  while (levels.length) {
    const level = levels.pop();
    filled = level.planes.map((plane, c) => {
      const coarse = doubled(filled[c], fromWidth, fromHeight, level.width, level.height);
      return coarse.map((v, i) => (level.weight[i] > 1e-6 ? plane[i] / level.weight[i] : v));
    });
    [fromWidth, fromHeight] = [level.width, level.height];
  }
  return colour.map((plane, c) =>
    plane.map((v, i) => (alpha[i] <= 0 ? Math.min(1, Math.max(0, filled[c][i])) : v)),
  );
}

/** Means over 2 x 2; odd sizes are filled up with weight 0, so that only real pixels count. */
function halfOf({ width, height, weight, planes }) {
  const [w, h] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const mean = (plane) => {
    const out = new Float32Array(w * h);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) out[(y >> 1) * w + (x >> 1)] += plane[y * width + x] / 4;
    return out;
  };
  return { width: w, height: h, weight: mean(weight), planes: planes.map(mean) };
}

/** Twice as large by linear interpolation, cropped to the size. */
function doubled(plane, fromWidth, fromHeight, width, height) {
  const out = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const v = Math.max(0, (y + 0.5) / 2 - 0.5);
    const y0 = Math.floor(v);
    const y1 = Math.min(fromHeight - 1, y0 + 1);
    for (let x = 0; x < width; x++) {
      const u = Math.max(0, (x + 0.5) / 2 - 0.5);
      const x0 = Math.floor(u);
      const x1 = Math.min(fromWidth - 1, x0 + 1);
      const above = plane[y0 * fromWidth + x0] * (1 - u + x0) + plane[y0 * fromWidth + x1] * (u - x0);
      const below = plane[y1 * fromWidth + x0] * (1 - u + x0) + plane[y1 * fromWidth + x1] * (u - x0);
      out[y * width + x] = above * (1 - v + y0) + below * (v - y0);
    }
  }
  return out;
}

/**
 * The least and the greatest of each pixel's 3 x 3 neighbourhood, in the part of a plane that a tile covers: between
 * them an upscaled alpha stays, so that the inside of a sprite stays opaque and the outside transparent.
 */
export function neighbourhood(plane, width, height, tile) {
  const w = tile.right - tile.left;
  const least = new Float32Array(w * (tile.bottom - tile.top)).fill(1);
  const greatest = new Float32Array(least.length);
  for (let y = tile.top, i = 0; y < tile.bottom; y++)
    for (let x = tile.left; x < tile.right; x++, i++)
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++)
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const value = plane[v * width + u];
          if (value < least[i]) least[i] = value;
          if (value > greatest[i]) greatest[i] = value;
        }
  return { least, greatest };
}
