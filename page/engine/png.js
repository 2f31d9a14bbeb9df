// PNG and animated PNG (APNG), written here: a canvas would lose the colour under transparent pixels, and has no frames.
// https://www.w3.org/TR/png-3/

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
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
export async function png(picture) {
  return animatedPng([{ ...picture, duration: 0 }], 0);
}

/**
 * Frames of one size as one file. Each is { width, height, data, duration in milliseconds }; plays: 0 is for ever.
 * One frame gives an ordinary PNG.
 */
export async function animatedPng(frames, plays) {
  const { width, height } = frames[0];
  const clear = frames.some(({ data }) => hasAlpha(data));
  const head = numbers([width, 4], [height, 4], [8, 1], [clear ? 6 : 2, 1], [0, 3]); // 8 bits, RGBA or RGB
  const file = [Uint8Array.from(SIGNATURE), ...chunk("IHDR", head)];
  if (frames.length > 1) file.push(...chunk("acTL", numbers([frames.length, 4], [plays, 4])));
  let sequence = 0;
  for (const [i, frame] of frames.entries()) {
    if (frames.length > 1) {
      const place = [[sequence++, 4], [width, 4], [height, 4], [0, 4], [0, 4]];
      file.push(...chunk("fcTL", numbers(...place, [Math.round(frame.duration), 2], [1000, 2], [0, 2])));
    }
    const packed = await deflated(frame, clear);
    file.push(...(i === 0 ? chunk("IDAT", packed) : chunk("fdAT", numbers([sequence++, 4]), packed)));
  }
  return new Blob([...file, ...chunk("IEND")], { type: "image/png" });
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
