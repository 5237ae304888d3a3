/** Draw a photo's file, sized for display; the file itself stays as it is. */

const [MIN_SIDE, MAX_SIDE] = [800, 1400]; // pixels of a drawn photo: small ones fill their place, large ones are sharp

/** Return a canvas with the photo in `file`, upright; null where the browser cannot show this kind of file. */
export async function drawn(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
  const side = Math.max(bitmap.width, bitmap.height);
  const scale = Math.min(MAX_SIDE, Math.max(MIN_SIDE, side)) / side;
  const canvas = blank(bitmap.width * scale, bitmap.height * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/** Return an empty canvas. */
export function blank(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(side)));
  return canvas;
}
