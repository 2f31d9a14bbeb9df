// The site's large files: fetched once, with progress, checked by their hash, and kept in the browser's cache.

export const CACHE = "senga-files"; // the service worker removes what a newer site no longer has

const FORMATS = { br: "brotli", gz: "gzip" }; // ending of a compressed copy -> its format; the smallest first

/** The ending of the copy that is fetched: one that this browser can unpack; undefined where there is none. */
export function endingOf(facts) {
  return Object.keys(FORMATS).find((ending) => facts[ending] !== undefined && canUnpack(FORMATS[ending]));
}

function canUnpack(format) {
  try {
    return Boolean(new DecompressionStream(format));
  } catch {
    return false; // brotli is new
  }
}

/** Bytes of a file of the manifest on the wire. */
export function wireSize(facts) {
  return facts[endingOf(facts)] ?? facts.size;
}

/** The host has a newer site than the page that asks. */
export class Outdated extends Error {}

/**
 * A file of the manifest as an ArrayBuffer. progress(received, total bytes on the wire). Throws Error where it cannot
 * be had or is not what the manifest says, Outdated where that is because of a newer site.
 */
export async function fetchFile(base, manifest, place, progress = () => {}) {
  const facts = manifest.files[place];
  const key = new URL(`${place}?sha256=${facts.sha256.slice(0, 16)}`, base).href;
  const store = await openCache();
  const kept = await store?.match(key);
  if (kept) {
    progress(1, 1);
    return kept.arrayBuffer();
  }
  const bytes = await checked(base, manifest, place, progress);
  try {
    await store?.put(key, new Response(bytes));
  } catch {
    // No room left: it works without, and is fetched again next time.
  }
  return bytes.buffer;
}

async function checked(base, manifest, place, progress) {
  const facts = manifest.files[place];
  try {
    const bytes = await download(base, place, facts, progress);
    if (await isWhole(bytes, facts)) return bytes;
    throw new Error(`${place}: the file is not what the site's manifest says`);
  } catch (error) {
    throw (await isOutdated(base, manifest)) ? new Outdated(error.message) : error;
  }
}

/** Whether the host has another version than the page, which a service worker may keep for long. */
async function isOutdated(base, { version }) {
  try {
    const response = await fetch(new URL("manifest.json?fresh", base), { cache: "no-cache" });
    return (await response.json()).version !== version;
  } catch {
    return false; // offline
  }
}

async function openCache() {
  try {
    return await caches.open(CACHE);
  } catch {
    return null; // private windows of some browsers
  }
}

async function download(base, place, facts, progress) {
  const ending = endingOf(facts); // large files are on the host in compressed form alone
  const total = wireSize(facts);
  progress(0, total);
  const response = await fetch(new URL(ending ? `${place}.${ending}` : place, base));
  if (!response.ok) throw new Error(`${place}: the server answers ${response.status}`);
  const parts = [];
  let received = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    received += part.value.length;
    progress(Math.min(received, total), total);
  }
  const bytes = joined(parts, received);
  // Some hosts say that the ending is an encoding, and the browser has then unpacked it already.
  return ending && received === facts[ending] ? unpacked(bytes, FORMATS[ending]) : bytes;
}

function joined(parts, size) {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function unpacked(bytes, format) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function isWhole(bytes, facts) {
  if (bytes.length !== facts.size) return false;
  if (!self.crypto?.subtle) return true; // plain http: there are no hashes there
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((value) => value.toString(16).padStart(2, "0")).join("") === facts.sha256;
}
