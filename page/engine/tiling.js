// Tiles whose halo is cut away, in integers: the arithmetic of arch/tiling.py, held to it by one table of cases.
//
// A tile is { top, left, bottom, right } in input pixels, `bottom` and `right` exclusive. A grid is
// { height, width, tile, halo, alignment }: the picture, the largest side of a core, and the context on each side.

export const MIN_TILE = 16;

/** Cut [start, stop) into the fewest parts of at most `tile`, equal to within one step of the alignment. */
export function edges(start, stop, tile, alignment) {
  const steps = Math.ceil((stop - start) / alignment);
  const parts = Math.ceil(steps / Math.max(1, Math.floor(tile / alignment)));
  const found = Array.from({ length: parts }, (_, i) => start + Math.floor((i * steps) / parts) * alignment);
  return [...found, stop];
}

/** The balanced grid over an area, row by row. */
export function cut(area, tile, alignment) {
  const rows = edges(area.top, area.bottom, tile, alignment);
  const columns = edges(area.left, area.right, tile, alignment);
  const tiles = [];
  for (let i = 0; i + 1 < rows.length; i++)
    for (let j = 0; j + 1 < columns.length; j++)
      tiles.push({ top: rows[i], left: columns[j], bottom: rows[i + 1], right: columns[j + 1] });
  return tiles;
}

/** A grid whose halo is rounded up to the alignment. */
export function makeGrid(height, width, tile, halo, alignment = 1) {
  return { height, width, tile, halo: Math.ceil(halo / alignment) * alignment, alignment };
}

export function cores(grid) {
  return cut({ top: 0, left: 0, bottom: grid.height, right: grid.width }, grid.tile, grid.alignment);
}

/** A core with its context, clipped to the picture. */
export function windowOf(grid, core) {
  return {
    top: Math.max(0, core.top - grid.halo),
    left: Math.max(0, core.left - grid.halo),
    bottom: Math.min(grid.height, core.bottom + grid.halo),
    right: Math.min(grid.width, core.right + grid.halo),
  };
}

/**
 * The part of the picture that the network is given for a core: its context on all sides, beyond the picture's edge
 * too, where the edge is repeated; and of one size for all tiles of the grid, so that an engine prepares once.
 */
export function fixedWindow(grid, core) {
  const step = (length) => Math.ceil(length / grid.alignment) * grid.alignment;
  const side = (length) => step(largestPart(length, grid.tile, grid.alignment)) + 2 * grid.halo;
  const top = core.top - grid.halo;
  const left = core.left - grid.halo;
  return { top, left, bottom: top + side(grid.height), right: left + side(grid.width) };
}

function largestPart(length, tile, alignment) {
  const found = edges(0, length, tile, alignment);
  return Math.max(...found.slice(1).map((edge, i) => edge - found[i]));
}

export function isSmallest(grid) {
  return grid.tile <= Math.max(MIN_TILE, grid.alignment);
}

export function halved(grid) {
  return { ...grid, tile: Math.max(MIN_TILE, grid.alignment, Math.floor(grid.tile / 2)) };
}

export function pixels(tile) {
  return (tile.bottom - tile.top) * (tile.right - tile.left);
}

const OUT_OF_MEMORY = ["out of memory", "bad_alloc", "failed to allocate", "can't allocate", "allocation failed"];

/** Whether an error means that no memory was left; engines have no common class for it. */
export function isOutOfMemory(error) {
  const text = String(error?.message ?? error).toLowerCase();
  return error instanceof RangeError || OUT_OF_MEMORY.some((phrase) => text.includes(phrase));
}

/**
 * Go through the tiles; where memory runs out, halve the tile and go on with the rest.
 *
 * fill(core, grid) computes and writes a core; before() may throw to stop; after(pixels) follows each tile. Returns the
 * grid that fitted. Throws the engine's error where the tile cannot be halved any further.
 */
export async function runTiles(grid, fill, before, after) {
  let pending = cores(grid).reverse();
  while (pending.length) {
    await before();
    const core = pending.pop();
    try {
      await fill(core, grid);
    } catch (error) {
      if (isSmallest(grid) || !isOutOfMemory(error)) throw error;
      grid = halved(grid);
      // Finished tiles stay; only the pending ones are cut again.
      pending = [...pending, core].flatMap((tile) => cut(tile, grid.tile, grid.alignment).reverse());
      continue;
    }
    after(pixels(core));
  }
  return grid;
}
