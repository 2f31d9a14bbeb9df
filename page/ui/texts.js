// The page's words in three languages, and numbers as each language writes them.

import { recall } from "./storage.js";

export const LANGUAGES = ["en", "ja", "zh"];
let words = {};
let language = "en";

/** The visitor's language among ours: the one chosen before, else the browser's first that we have. */
export function preferred() {
  const wanted = [recall("senga.language"), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

/** Load a language and write it into every element that names a text. */
export async function setLanguage(chosen, base) {
  words = await (await fetch(new URL(`texts/${chosen}.json`, base))).json();
  language = chosen;
  document.documentElement.lang = chosen;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]"))
    element.setAttribute("aria-label", text(element.dataset.label));
}

/** A text with its {names} filled in. */
export function text(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function has(key) {
  return key in words;
}

export function bytes(count) {
  const [value, unit] = count >= 1e6 ? [count / 1e6, "megabyte"] : [count / 1e3, "kilobyte"];
  return measure(value, unit, value < 10 ? 1 : 0);
}

export function seconds(count) {
  if (count >= 90) return measure(Math.round(count / 60), "minute", 0);
  return measure(count, "second", count < 10 ? 1 : 0);
}

export function number(value) {
  return new Intl.NumberFormat(language).format(value);
}

/** Several texts as one: "a, b or c". */
export function listed(texts) {
  return new Intl.ListFormat(language, { type: "disjunction" }).format(texts);
}

export function size({ width, height }) {
  return `${width}×${height}`;
}

function measure(value, unit, digits) {
  const style = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits };
  return new Intl.NumberFormat(language, style).format(value);
}
