// Antialiased bicubic resizing, as torch's and Pillow's: a separable filter, widened where a picture is made smaller.

const A = -0.5; // Keys 1981, the value that both libraries use with antialiasing
const SUPPORT = 2;

function cubic(x) {
  const t = Math.abs(x);
  if (t < 1) return ((A + 2) * t - (A + 3)) * t * t + 1;
  return t < 2 ? A * (((t - 5) * t + 8) * t - 4) : 0;
}

function triangle(x) {
  return Math.max(0, 1 - Math.abs(x));
}

const FILTERS = { bicubic: [cubic, SUPPORT], bilinear: [triangle, 1] };

/** For each output position: the first input position, and the weights from there on, which sum to 1. */
export function weights(from, to, mode = "bicubic") {
  const [filter, support] = FILTERS[mode];
  const ratio = from / to;
  const stretch = Math.max(1, ratio);
  const reach = support * stretch;
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * ratio;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const stop = Math.min(from, Math.trunc(centre + reach + 0.5));
    const row = new Float32Array(stop - start);
    let sum = 0;
    for (let k = start; k < stop; k++) sum += row[k - start] = filter((k - centre + 0.5) / stretch);
    for (let k = 0; k < row.length; k++) row[k] /= sum;
    return { start, row };
  });
}

/** One plane: Float32Array of width x height in [0, 1] -> newWidth x newHeight, clamped. The same size: itself. */
export function resizePlane(plane, width, height, newWidth, newHeight, mode = "bicubic") {
  if (width === newWidth && height === newHeight) return plane;
  const wide = width === newWidth ? plane : resizeRows(plane, width, height, weights(width, newWidth, mode));
  const result = height === newHeight ? wide : resizeColumns(wide, newWidth, weights(height, newHeight, mode));
  for (let i = 0; i < result.length; i++) result[i] = Math.min(1, Math.max(0, result[i]));
  return result;
}

function resizeRows(plane, width, height, columns) {
  const out = new Float32Array(columns.length * height);
  for (let y = 0, to = 0; y < height; y++)
    for (const { start, row } of columns) {
      let sum = 0;
      for (let k = 0, from = y * width + start; k < row.length; k++, from++) sum += row[k] * plane[from];
      out[to++] = sum;
    }
  return out;
}

function resizeColumns(plane, width, rows) {
  const out = new Float32Array(width * rows.length);
  rows.forEach(({ start, row }, y) => {
    const line = out.subarray(y * width, (y + 1) * width);
    for (let k = 0; k < row.length; k++) {
      const weight = row[k];
      const from = (start + k) * width;
      for (let x = 0; x < width; x++) line[x] += weight * plane[from + x];
    }
  });
  return out;
}
