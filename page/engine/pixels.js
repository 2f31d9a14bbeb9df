// From picture files to planes of numbers and back. Colour under transparency is kept: nothing is premultiplied.

const PART = 4096; // pixels, each side, of what is read at once: larger canvases fail in some browsers
const ASIS = { premultiplyAlpha: "none" };
const WHITE = "#fff";

/** A file as { width, height, planes }: 3 or 4 Float32Arrays in [0, 1]. Throws what the browser throws. */
export async function decode(blob) {
  const bitmap = await createImageBitmap(blob, { ...ASIS, imageOrientation: "from-image" });
  try {
    return await fromBitmap(bitmap);
  } finally {
    bitmap.close();
  }
}

/** The same of a decoded picture. */
export async function fromBitmap(bitmap) {
  const { width, height } = bitmap;
  const planes = [0, 1, 2, 3].map(() => new Float32Array(width * height));
  let clear = false;
  for (let top = 0; top < height; top += PART)
    for (let left = 0; left < width; left += PART) {
      const [w, h] = [Math.min(PART, width - left), Math.min(PART, height - top)];
      let data = drawn(bitmap, left, top, w, h);
      if (data.some((value, i) => i % 4 === 3 && value < 255)) {
        clear = true;
        data = (await uploaded(bitmap, left, top, w, h)) ?? data;
      }
      for (let y = 0, from = 0; y < h; y++)
        for (let to = (top + y) * width + left, end = to + w; to < end; to++, from += 4)
          for (let c = 0; c < 4; c++) planes[c][to] = data[from + c] / 255;
    }
  return { width, height, planes: clear ? planes : planes.slice(0, 3) };
}

/** Levels of an opaque part, exactly; of a transparent one, rounded where alpha is low. */
function drawn(bitmap, left, top, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, left, top, width, height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** Levels of a transparent part, exactly, by way of a texture; null where the browser has no WebGL here. */
async function uploaded(bitmap, left, top, width, height) {
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (gl === null) return null;
  const whole = width === bitmap.width && height === bitmap.height;
  const part = whole ? bitmap : await createImageBitmap(bitmap, left, top, width, height, ASIS);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, part);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
  const data = new Uint8Array(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
  const failed = gl.getError() !== gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  if (!whole) part.close();
  return failed ? null : data;
}

/** { width, height, data } of RGBA levels as a WebP or JPEG file. Throws Error where the browser cannot write it. */
export async function encode({ width, height, data }, type, quality) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const bitmap = await createImageBitmap(new ImageData(data, width, height), ASIS);
  if (type === "image/jpeg") {
    context.fillStyle = WHITE;
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const blob = await canvas.convertToBlob({ type, quality });
  if (blob.type !== type) throw new Error(`this browser cannot write ${type}`);
  return blob;
}
