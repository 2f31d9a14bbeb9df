// A picture as a tagger's input, and from its probabilities to tags: arch/preprocessing.py and arch/tags.py.

import { resizePlane } from "./resize.js";

export const NOT_TRAINED = "not trained";
const LISTED = ["general", "character"];
// Faces such as ^_^, o_o, >_o: at most one letter or digit on each side of the underscore.
const KAOMOJI = /^(?=[^_]+_[^_]+$)[^\p{L}\p{N}_]*[\p{L}\p{N}]?[^\p{L}\p{N}_]*_[^\p{L}\p{N}_]*[\p{L}\p{N}]?[^\p{L}\p{N}_]*$/u;

/**
 * { width, height, planes } in [0, 1] -> Float32Array (3, size, size) in [0, 1]: transparent parts and the rest of the
 * square are the pad colour, the longer side becomes `size`. Normalisation is in the exported graph.
 */
export function prepare({ width, height, planes }, { size, pad_colour: pad, resize }) {
  const longer = Math.max(width, height);
  const fit = (side) => Math.max(1, Math.floor((2 * side * size + longer) / (2 * longer)));
  const [w, h] = [fit(width), fit(height)];
  const [left, top] = [Math.floor((size - w) / 2), Math.floor((size - h) / 2)];
  const out = new Float32Array(3 * size * size);
  const alpha = planes[3];
  for (let c = 0; c < 3; c++) {
    const square = out.subarray(c * size * size, (c + 1) * size * size).fill(pad[c]);
    const ground = alpha ? planes[c].map((v, i) => v * alpha[i] + pad[c] * (1 - alpha[i])) : planes[c];
    const small = resizePlane(ground, width, height, w, h, resize);
    for (let y = 0; y < h; y++) square.set(small.subarray(y * w, (y + 1) * w), (top + y) * size + left);
  }
  return out;
}

/**
 * probabilities, one for each name of `words` { names, categories, untrained, exclusive } ->
 * { rating, general, character }: lists of { name, score }, likeliest first; "not trained" where nothing was learned.
 * And the groups of names that exclude each other.
 */
export function ranked(probabilities, words) {
  const found = { exclusive: words.exclusive };
  for (const category of [...LISTED, "rating"]) {
    const list = words.names
      .map((name, i) => ({ name, score: probabilities[i], category: words.categories[i] }))
      .filter((tag) => tag.category === category)
      .sort((a, b) => b.score - a.score)
      .map(({ name, score }) => ({ name, score }));
    found[category] = list.length && !words.untrained.includes(category) ? list : NOT_TRAINED;
  }
  return found;
}

/**
 * The tags at or above their category's threshold, likeliest first; of tags that exclude each other, the likeliest.
 * thresholds: { general, character }.
 */
export function chosen(found, thresholds) {
  const passed = LISTED.flatMap((category) =>
    found[category] === NOT_TRAINED ? [] : found[category].filter((tag) => tag.score >= thresholds[category]),
  ).sort((a, b) => b.score - a.score);
  const taken = new Set();
  return passed.filter(({ name }) => {
    const own = found.exclusive.filter((group) => group.includes(name));
    if (own.some((group) => taken.has(group))) return false;
    for (const group of own) taken.add(group);
    return true;
  });
}

/** A tag as a caption has it, or, with escaped parentheses, as a prompt does. */
export function written(name, { escape }) {
  const text = KAOMOJI.test(name) ? name : name.replaceAll("_", " ");
  return escape ? text.replaceAll("(", "\\(").replaceAll(")", "\\)") : text;
}

/** All tags as one line. kind: "prompt" or "caption". */
export function asLine(tags, kind) {
  return tags.map((tag) => written(tag.name, { escape: kind === "prompt" })).join(", ");
}
