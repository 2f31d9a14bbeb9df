// How long work takes: from the time of one window to what a visitor is told. All functions of numbers.

const SIDE = 512; // of a usual core: a large picture is computed in such parts

/**
 * The work of a window in megapixels of output. Each layer computes a little less than the one before it, from the
 * whole window down to the core: on average, the window without the halo of one side.
 */
export function workOf(width, height, { scale, halo }) {
  return ((width - halo) * (height - halo) * scale ** 2) / 1e6;
}

/** Seconds for a megapixel of a large picture's result, context included. `pace`: those for a megapixel of work. */
export function perMegapixel(pace, { halo }) {
  return pace * ((SIDE + halo) / SIDE) ** 2;
}
