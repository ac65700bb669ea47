// Bilinear resizing as Pillow does it, to the bit, so that a picture becomes the same
// input and scores become the same class map as in Python.
//
// A result is a weighted mean of the neighbours that lie below it, more of them where
// the picture shrinks. Bytes are weighed in fixed point and rounded after each of the
// two passes, along the width and along the height.

const BITS = 22;

// For each of `to` results along an axis of `from` values: the first neighbour, and
// how much it and the next ones weigh.
function neighbours(from, to) {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), from);
    const weights = [];
    let sum = 0;
    for (let at = first; at < last; at++) {
      const weight = Math.max(1 - Math.abs((at - centre + 0.5) / reach), 0);
      weights.push(weight);
      sum += weight;
    }
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

const inFixedPoint = ({ first, weights }) => ({
  first,
  weights: weights.map((weight) => Math.trunc(0.5 + weight * (1 << BITS))),
});

// Writes the weighted mean of runs of `size` values, the first of them at `start`.
function mean(source, start, { first, weights }, size, target, at) {
  const bytes = target instanceof Uint8ClampedArray;
  for (let i = 0; i < size; i++) {
    let sum = bytes ? 1 << (BITS - 1) : 0;
    let from = start + first * size + i;
    for (let k = 0; k < weights.length; k++, from += size)
      sum += source[from] * weights[k];
    target[at + i] = bytes ? sum >> BITS : sum;
  }
}

// Resizes along the width what has `channels` values at each of `height` x `width`.
function alongWidth(source, height, width, channels, columns, target) {
  for (let y = 0; y < height; y++)
    columns.forEach((column, x) =>
      mean(source, y * width * channels, column, channels, target,
        (y * columns.length + x) * channels));
  return target;
}

// Returns bytes (height, width, channels) as bytes of another size.
export function resizeBytes({ data, height, width }, channels, toHeight, toWidth) {
  if (height === toHeight && width === toWidth) return data;
  const columns = neighbours(width, toWidth).map(inFixedPoint);
  const wide = alongWidth(data, height, width, channels, columns,
    new Uint8ClampedArray(height * toWidth * channels));
  const result = new Uint8ClampedArray(toHeight * toWidth * channels);
  const size = toWidth * channels;
  neighbours(height, toHeight).map(inFixedPoint).forEach((row, y) =>
    mean(wide, 0, row, size, result, y * size));
  return result;
}

// Returns the class of each pixel of another size: that of the highest resized score.
// One score a pixel is the logit of class 1 against class 0.
export function classMap({ data, height, width, channels }, toHeight, toWidth) {
  const ids = new Uint8Array(toHeight * toWidth);
  const wide = width === toWidth ? data : alongWidth(data, height, width, channels,
    neighbours(width, toWidth), new Float32Array(height * toWidth * channels));
  const size = toWidth * channels;
  const line = new Float32Array(size);
  neighbours(height, toHeight).forEach((row, y) => {
    mean(wide, 0, row, size, line, 0);
    for (let x = 0; x < toWidth; x++) ids[y * toWidth + x] = highest(line, x, channels);
  });
  return ids;
}

function highest(line, x, channels) {
  if (channels === 1) return line[x] > 0 ? 1 : 0;
  const start = x * channels;
  let best = 0;
  for (let i = 1; i < channels; i++) if (line[start + i] > line[start + best]) best = i;
  return best;
}

// Returns class ids of another size, by nearest neighbours.
export function resizeIds({ data, height, width }, toHeight, toWidth) {
  const ids = new Uint8Array(toHeight * toWidth);
  const columns = nearest(width, toWidth);
  nearest(height, toHeight).forEach((row, y) => columns.forEach((column, x) => {
    ids[y * toWidth + x] = data[row * width + column];
  }));
  return ids;
}

// Sums, as Pillow does, which decide where a centre falls between two neighbours.
function nearest(from, to) {
  let at = (from / to) * 0.5;
  return Array.from({ length: to }, () => {
    const found = Math.min(Math.trunc(at), from - 1);
    at += from / to;
    return found;
  });
}

// Returns bytes (height, width, 3) with mirrored borders, as a network wants them that
// gives the middle of what it sees.
export function mirrorBorders(data, height, width, toHeight, toWidth) {
  if (height === toHeight && width === toWidth) return data;
  const mirrored = (from, to) => Array.from({ length: to }, (_, index) => {
    const turn = 2 * (from - 1);
    const at = Math.abs(index - Math.floor((to - from) / 2)) % turn;
    return at < from ? at : turn - at;
  });
  const result = new Uint8ClampedArray(toHeight * toWidth * 3);
  const columns = mirrored(width, toWidth);
  mirrored(height, toHeight).forEach((row, y) => columns.forEach((column, x) => {
    for (let i = 0; i < 3; i++)
      result[(y * toWidth + x) * 3 + i] = data[(row * width + column) * 3 + i];
  }));
  return result;
}
