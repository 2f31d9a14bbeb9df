// How far a picture is: what the worker says before each tile, and until the next one what the clock says.

const MOST = 0.95; // of a tile, until the worker says that it is done

/**
 * Progress after a message of the worker: { frame, frames, done, next, total, expected }, pixels of the frame and seconds
 * for all of it. `before`: what this gave for the message before, or null; now: milliseconds.
 */
export function heard(before, { frame, frames, done, next, total, expected }, now) {
  const share = (frame + done / total) / frames;
  const began = before?.began ?? now;
  const whole = share > 0 ? (now - began) / share : expected * frames * 1000;
  return { began, at: now, share, tile: next / total / frames, whole };
}

/** { share, left in seconds } at a moment. */
export function seen({ at, share, tile, whole }, now) {
  const passed = whole > 0 ? (now - at) / whole : 0;
  const likely = share + Math.min(MOST * tile, passed);
  return { share: likely, left: (whole * (1 - likely)) / 1000 };
}
