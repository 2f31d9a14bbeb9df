// Tiles whose halo is cut away, in integers: the arithmetic of arch/tiling.py, held to it by one table of cases.
//
// A tile is { top, left, bottom, right } in input pixels, `bottom` and `right` exclusive. A grid is
// { height, width, tile, wide, halo, alignment }: the picture, the largest height and width of a core, and the context
// on each side.

export const MIN_TILE = 16;

/** Cut [start, stop) into the fewest parts of at most `tile`, equal to within one step of the alignment. */
export function edges(start, stop, tile, alignment) {
  const steps = Math.ceil((stop - start) / alignment);
  const parts = Math.ceil(steps / Math.max(1, Math.floor(tile / alignment)));
  const found = Array.from({ length: parts }, (_, i) => start + Math.floor((i * steps) / parts) * alignment);
  return [...found, stop];
}

/** The balanced cores of an area, row by row. */
export function cut(area, { tile, wide, alignment }) {
  const rows = edges(area.top, area.bottom, tile, alignment);
  const columns = edges(area.left, area.right, wide, alignment);
  const tiles = [];
  for (let i = 0; i + 1 < rows.length; i++)
    for (let j = 0; j + 1 < columns.length; j++)
      tiles.push({ top: rows[i], left: columns[j], bottom: rows[i + 1], right: columns[j + 1] });
  return tiles;
}

/** A grid whose halo is rounded up to the alignment. */
export function makeGrid(height, width, tile, halo, alignment = 1, wide = tile) {
  return { height, width, tile, wide, halo: Math.ceil(halo / alignment) * alignment, alignment };
}

export function cores(grid) {
  return cut({ top: 0, left: 0, bottom: grid.height, right: grid.width }, grid);
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

/** Height and width of the windows of a grid. */
export function windowSides(grid) {
  const side = (length, tile) => roundedUp(largestPart(length, tile, grid.alignment), grid.alignment) + 2 * grid.halo;
  return [side(grid.height, grid.tile), side(grid.width, grid.wide)];
}

/**
 * The part of the picture that the network is given for a core: its context on all sides, beyond the picture's edge
 * too, where the edge is repeated; and of one size for all cores of the grid, so that an engine prepares once. Cores that
 * were cut from those of a grid that did not fit may be a little larger than the grid's own, and their windows are, too.
 */
export function fixedWindow(grid, core) {
  const [height, width] = windowSides(grid);
  const around = (start, stop) => roundedUp(stop - start, grid.alignment) + 2 * grid.halo;
  const top = core.top - grid.halo;
  const left = core.left - grid.halo;
  return {
    top,
    left,
    bottom: top + Math.max(height, around(core.top, core.bottom)),
    right: left + Math.max(width, around(core.left, core.right)),
  };
}

function roundedUp(length, step) {
  return Math.ceil(length / step) * step;
}

function largestPart(length, tile, alignment) {
  const found = edges(0, length, tile, alignment);
  return Math.max(...found.slice(1).map((edge, i) => edge - found[i]));
}

export function isSmallest(grid) {
  return Math.max(grid.tile, grid.wide) <= Math.max(MIN_TILE, grid.alignment);
}

export function halved(grid) {
  const half = (side) => Math.max(MIN_TILE, grid.alignment, Math.floor(side / 2));
  return { ...grid, tile: half(grid.tile), wide: half(grid.wide) };
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
 * fill(core, grid) computes and writes a core; before(pixels) comes before each tile, after(pixels) follows it. Returns
 * the grid that fitted. Throws the engine's error where the tile cannot be halved any further.
 */
export async function runTiles(grid, fill, before, after) {
  let pending = cores(grid).reverse();
  while (pending.length) {
    const core = pending.pop();
    before(pixels(core));
    try {
      await fill(core, grid);
    } catch (error) {
      if (isSmallest(grid) || !isOutOfMemory(error)) throw error;
      grid = halved(grid);
      // Finished tiles stay; only the pending ones are cut again.
      pending = [...pending, core].flatMap((tile) => cut(tile, grid).reverse());
      continue;
    }
    after(pixels(core));
  }
  return grid;
}
