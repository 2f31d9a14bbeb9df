// The sizes of a result, and of the passes through a network that lead to it: the arithmetic of arch/pictures/sizes.py.

export const LARGEST_SIDE = 65536;

/** Python's rounding: halves go to the even neighbour. */
export function round(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * { width, height } of the result. `wanted` is { scale } or { width, height }, in which 0 means that the other side
 * decides. Throws RangeError for sizes that cannot be made.
 */
export function targetSize(width, height, wanted) {
  let target;
  if (wanted.scale) {
    target = [Math.max(1, round(width * wanted.scale)), Math.max(1, round(height * wanted.scale))];
  } else {
    target = [
      wanted.width || Math.max(1, round((width * wanted.height) / height)),
      wanted.height || Math.max(1, round((height * wanted.width) / width)),
    ];
  }
  if (!target.every((side) => Number.isInteger(side) && side >= 1 && side <= LARGEST_SIDE))
    throw new RangeError(`${target[0]}x${target[1]}`);
  return { width: target[0], height: target[1] };
}

/** Input [width, height] of each pass: as many as are needed to reach the target, at least one. */
export function passSizes(width, height, scale, target) {
  const sizes = [[width, height]];
  const last = () => sizes[sizes.length - 1];
  if (scale > 1)
    while (last()[0] * scale < target.width || last()[1] * scale < target.height)
      sizes.push([last()[0] * scale, last()[1] * scale]);
  const [w, h] = last();
  const strays = sizes.length > 1 && w * h > target.width * target.height; // only where the shapes differ
  if (Math.max(w, h) * scale > LARGEST_SIDE && strays) throw new RangeError(`${target.width}x${target.height}`);
  return sizes;
}
