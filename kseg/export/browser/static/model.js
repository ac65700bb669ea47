// A LiteRT file with its sidecar: from a picture to scores or class ids.

import { classMap, mirrorBorders, resizeBytes, resizeIds } from "./resize.js";

// More scores than this are not resized: the class map is then smaller than the picture.
const MOST_SCORES = 4e7;

async function get(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`A file must be there. Received: ${answer.status} ` +
    `${answer.statusText} for ${url}. \`kseg demo\` writes it.`);
  return answer;
}

// Returns the sidecar, and the bytes of the model that it describes.
export async function fetchModel(name) {
  const url = new URL(name, document.baseURI);
  const sidecar = await (await get(url)).json();
  const answer = await get(new URL(encodeURIComponent(sidecar.file), url));
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (crypto.subtle) { // which only secure pages have
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const digits = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (digits !== sidecar.sha256)
      throw new Error(`${sidecar.file} must be the file that its sidecar describes. ` +
        `Received: sha256 ${digits}. Run \`kseg demo\` again.`);
  }
  return { sidecar, bytes };
}

const inputArray = (sidecar) =>
  sidecar.input.dtype === "uint8" ? Uint8Array : Float32Array;

// Returns an input of zeros, to try the model with.
export const blank = (sidecar) =>
  new (inputArray(sidecar))(sidecar.input.shape.reduce((a, b) => a * b));

// Returns a picture, RGB bytes, as the model's input.
export function toInput(sidecar, picture) {
  const [, height, width] = sidecar.input.shape;
  const [, seenHeight, seenWidth] = sidecar.output.shape;
  const seen = resizeBytes(picture, 3, seenHeight, seenWidth);
  const values = mirrorBorders(seen, seenHeight, seenWidth, height, width);
  return new (inputArray(sidecar))(values);
}

// Returns the class of each pixel, at a size or at what is left of it.
export function toClassMap(sidecar, values, height, width) {
  const [, fromHeight, fromWidth, channels] = sidecar.output.shape;
  const output = { data: values, height: fromHeight, width: fromWidth, channels };
  if (sidecar.output.kind === "class_map")
    return { ids: resizeIds(output, height, width), height, width };
  if (sidecar.output.scale !== null) output.data = realValues(sidecar.output, values);
  const shrink = Math.min(Math.sqrt(MOST_SCORES / (height * width * channels)), 1);
  height = Math.max(Math.floor(height * shrink), 1);
  width = Math.max(Math.floor(width * shrink), 1);
  return { ids: classMap(output, height, width), height, width };
}

function realValues({ scale, zero_point: zero }, values) {
  const real = new Float32Array(values.length);
  const step = Math.fround(scale);
  for (let i = 0; i < real.length; i++) real[i] = (values[i] - zero) * step;
  return real;
}
