// Pictures: from a file or the camera to RGB bytes, from class ids to colours.

// What all browsers have room for: 4096 x 4096 pixels.
const MOST_PIXELS = 2 ** 24;

// Returns a picture of a file, upright, its colours as they stand in the file.
export async function openPicture(file) {
  try {
    const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    return await createImageBitmap(file, options);
  } catch {
    throw new Error("A picture must be one that this browser reads, such as PNG, JPEG " +
      `or WebP. Received: ${file.name || "a file"} of type ${file.type || "unknown"}.`);
  }
}

// Draws a picture or a frame of the camera on a canvas, and returns its RGB bytes.
export function drawPicture(picture, canvas) {
  const width = picture.videoWidth ?? picture.width;
  const height = picture.videoHeight ?? picture.height;
  const shrink = Math.min(Math.sqrt(MOST_PIXELS / (width * height)), 1);
  canvas.width = Math.max(Math.floor(width * shrink), 1);
  canvas.height = Math.max(Math.floor(height * shrink), 1);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const colours = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const data = new Uint8ClampedArray(canvas.width * canvas.height * 3);
  for (let from = 0, to = 0; from < colours.length; from += 4) {
    data[to++] = colours[from];
    data[to++] = colours[from + 1];
    data[to++] = colours[from + 2];
  }
  return { data, height: canvas.height, width: canvas.width, shrunk: shrink < 1 };
}

// Paints class ids in their colours, one class alone where `only` is its id.
export function drawClasses({ ids, height, width }, classes, only, canvas) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  ids.forEach((id, index) => {
    if (only !== null && id !== only) return;
    picture.data.set(classes[id].color, index * 4);
    picture.data[index * 4 + 3] = 255;
  });
  context.putImageData(picture, 0, 0);
}

// Returns how many pixels each class has.
export function countPixels(ids, classes) {
  const counts = new Array(classes.length).fill(0);
  for (const id of ids) counts[id] += 1;
  return counts;
}
