// PNG and animated PNG (APNG), written here: a canvas would lose the colour under transparent pixels, and has no frames.
// https://www.w3.org/TR/png-3/

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const UNITS = [1000, 100, 10, 1]; // parts of a second that a frame's time is counted in
const MOST_PARTS = 0xffff;
const PART = 64 * 1024 * 1024; // bytes of filtered lines handed to the compressor at once

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}

function numbers(...pairs) {
  // [value, bytes] pairs, most significant byte first
  return Uint8Array.from(pairs.flatMap(([value, count]) =>
    Array.from({ length: count }, (_, i) => (value >>> (8 * (count - 1 - i))) & 255)));
}

function chunk(name, ...parts) {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const body = new Uint8Array(4 + size);
  body.set([...name].map((letter) => letter.charCodeAt(0)));
  let at = 4;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return [numbers([size, 4]), body, numbers([crc(body), 4])];
}

/** One picture. { width, height, data }: RGBA levels, not premultiplied. Promises a Blob. */
export async function png({ width, height, data }) {
  const clear = hasAlpha(data);
  return file(head(width, height, clear), chunk("IDAT", await deflated({ width, height, data }, clear)));
}

/**
 * An animated PNG that is written frame by frame: each is compressed when it comes, or hundreds of them would fill the
 * memory. All have one size, and alpha, since the last one may be the first to need it. plays: 0 is for ever.
 *
 * add(picture, duration in milliseconds), once at a time; repeat(duration) adds the frame before again; blob().
 */
export function animatedPng(plays) {
  const parts = []; // as blobs, which the browser may keep on its disk
  let [count, sequence, size, last] = [0, 0, null, null];

  function append(duration) {
    const place = [[size.width, 4], [size.height, 4], [0, 4], [0, 4]];
    const control = chunk("fcTL", numbers([sequence++, 4], ...place, ...delay(duration), [0, 2]));
    const pixels = count++ ? chunk("fdAT", numbers([sequence++, 4]), last) : chunk("IDAT", last);
    parts.push(new Blob([...control, ...pixels]));
  }

  return {
    async add(picture, duration) {
      size ??= { width: picture.width, height: picture.height };
      last = await deflated(picture, true);
      append(duration);
    },
    repeat: append,
    blob: () => file(head(size.width, size.height, true), chunk("acTL", numbers([count, 4], [plays, 4])), parts),
  };
}

function head(width, height, clear) {
  return chunk("IHDR", numbers([width, 4], [height, 4], [8, 1], [clear ? 6 : 2, 1], [0, 3])); // 8 bits, RGBA or RGB
}

function file(...chunks) {
  return new Blob([Uint8Array.from(SIGNATURE), ...chunks.flat(), ...chunk("IEND")], { type: "image/png" });
}

/** A time in milliseconds as a fraction of a second of two numbers of 16 bits, as exact as they can be. */
function delay(duration) {
  const parts = UNITS.find((unit) => Math.round((duration * unit) / 1000) <= MOST_PARTS) ?? 1;
  return [[Math.min(MOST_PARTS, Math.round((duration * parts) / 1000)), 2], [parts, 2]];
}

function hasAlpha(data) {
  for (let i = 3; i < data.length; i += 4) if (data[i] < 255) return true;
  return false;
}

async function deflated({ width, height, data }, clear) {
  const stride = 1 + width * (clear ? 4 : 3);
  const rows = Math.max(1, Math.floor(PART / stride));
  const source = new ReadableStream({
    start() {
      this.top = 0;
    },
    pull(controller) {
      if (this.top >= height) return controller.close();
      const stop = Math.min(height, this.top + rows);
      controller.enqueue(filtered(data, width, this.top, stop, clear));
      this.top = stop;
    },
  });
  const packed = await new Response(source.pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
  return new Uint8Array(packed);
}

/** Lines with the filter whose differences are smallest: Sub, Up or Paeth. */
function filtered(data, width, top, stop, clear) {
  const step = clear ? 4 : 3;
  const length = width * step;
  const out = new Uint8Array((stop - top) * (1 + length));
  const tries = [1, 2, 4].map((kind) => ({ kind, line: new Uint8Array(length) }));
  let above = top ? packed(data, width, top - 1, clear) : new Uint8Array(length);
  for (let y = top; y < stop; y++) {
    const line = packed(data, width, y, clear);
    let best = null;
    for (const one of tries) {
      const sum = filterInto(one, line, above, step);
      if (best === null || sum < best.sum) best = { ...one, sum };
    }
    out[(y - top) * (1 + length)] = best.kind;
    out.set(best.line, (y - top) * (1 + length) + 1);
    above = line;
  }
  return out;
}

function packed(data, width, y, clear) {
  const line = data.subarray(y * width * 4, (y + 1) * width * 4);
  if (clear) return line;
  const out = new Uint8Array(width * 3);
  for (let from = 0, to = 0; from < line.length; from += 4, to += 3) {
    out[to] = line[from];
    out[to + 1] = line[from + 1];
    out[to + 2] = line[from + 2];
  }
  return out;
}

function filterInto({ kind, line: out }, line, above, step) {
  let sum = 0;
  for (let i = 0; i < out.length; i++) {
    const left = i < step ? 0 : line[i - step];
    const corner = i < step ? 0 : above[i - step];
    const guess = kind === 1 ? left : kind === 2 ? above[i] : paeth(left, above[i], corner);
    const rest = (line[i] - guess) & 255;
    out[i] = rest;
    sum += rest < 128 ? rest : 256 - rest;
  }
  return sum;
}

function paeth(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
