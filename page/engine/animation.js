// Frames of animated GIF, WebP, PNG and AVIF files, by the browser's own ImageDecoder where it has one.

import { fromBitmap } from "./pixels.js";

const KINDS = ["image/gif", "image/webp", "image/png", "image/apng", "image/avif"];
const SHORTEST = 100; // milliseconds that browsers show a frame for which a file names 10 or less

/**
 * The animation in a file, or null for a still picture or a browser without ImageDecoder:
 * { count, plays (0 is for ever), frame(i) -> { picture, duration in milliseconds }, close() }.
 */
export async function openAnimation(blob) {
  if (!("ImageDecoder" in self) || !KINDS.includes(blob.type) || !(await ImageDecoder.isTypeSupported(blob.type)))
    return null;
  const decoder = new ImageDecoder({ data: await blob.arrayBuffer(), type: blob.type, premultiplyAlpha: "none" });
  await decoder.tracks.ready;
  await decoder.completed;
  const track = decoder.tracks.selectedTrack;
  if (!track || track.frameCount < 2) {
    decoder.close();
    return null;
  }
  return {
    count: track.frameCount,
    plays: Number.isFinite(track.repetitionCount) ? track.repetitionCount + 1 : 0,
    frame: async (index) => {
      const { image } = await decoder.decode({ frameIndex: index });
      const duration = (image.duration ?? 0) / 1000;
      const picture = await fromFrame(image);
      image.close();
      return { picture, duration: duration <= 10 ? SHORTEST : duration };
    },
    close: () => decoder.close(),
  };
}

async function fromFrame(image) {
  const bitmap = await createImageBitmap(image, { premultiplyAlpha: "none" });
  try {
    return await fromBitmap(bitmap);
  } finally {
    bitmap.close();
  }
}
