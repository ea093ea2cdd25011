// There and back: what the two generators make of a picture, and how far the way back is off.
//
// Pictures go through the generators as 3 planes of SIDE by SIDE values in [-1, 1], row by row.

import { generator } from "../../kit/random.js";
import { normalPair } from "../../kit/sampling.js";

export const SIDE = 64; // pixels
const PLANE = SIDE * SIDE;
const NOISE_SEED = 1; // of one pattern, which the slider makes stronger or weaker

/** Pixels, as ImageData, as a generator takes them. */
export function toPlanes({ data }) {
  return Float32Array.from(
    { length: 3 * PLANE },
    (_, index) => data[4 * (index % PLANE) + Math.floor(index / PLANE)] / 127.5 - 1,
  );
}

/** What a generator gives, as ImageData. */
export function toPixels(planes) {
  const pixels = new ImageData(SIDE, SIDE);
  for (let index = 0; index < PLANE; index++) {
    for (let colour = 0; colour < 3; colour++) {
      pixels.data[4 * index + colour] = Math.round((planes[colour * PLANE + index] + 1) * 127.5);
    }
    pixels.data[4 * index + 3] = 255;
  }
  return pixels;
}

/** Independent standard normal numbers, the same at every call. */
function drawNoise(length) {
  const random = generator(NOISE_SEED);
  return Float32Array.from(
    Array.from({ length: length / 2 }, () => normalPair(random)).flat(),
  );
}

/** The picture with noise of a standard deviation that is a share of black to white. */
export function disturb(planes, size) {
  if (!size) return planes;
  const noise = drawNoise(planes.length);
  // From -1 to 1 is twice as far as from black to white.
  return planes.map((value, index) => Math.min(1, Math.max(-1, value + 2 * size * noise[index])));
}

/** How far each pixel of one picture is from the other's, as a share of black to white. */
export function differences(first, second) {
  return Float32Array.from({ length: PLANE }, (_, index) => {
    let sum = 0;
    for (let at = index; at < 3 * PLANE; at += PLANE) sum += Math.abs(first[at] - second[at]);
    return sum / 6;
  });
}

/** The mean of an array of numbers. */
export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

async function translate(graph, planes) {
  return (await graph({ picture: { data: planes, shape: [1, 3, SIDE, SIDE] } })).translated;
}

/**
 * The picture through the graph `there`, disturbed by noise of `size`, and through `back`:
 * {translated, shown, returned, undisturbed}, where `shown` is the translation with the noise,
 * `returned` the way back from it, and `undisturbed` the way back from the translation itself.
 */
export async function thereAndBack({ there, back }, picture, size) {
  const translated = await translate(there, picture);
  const undisturbed = await translate(back, translated);
  const shown = disturb(translated, size);
  const returned = size ? await translate(back, shown) : undisturbed;
  return { translated, shown, returned, undisturbed };
}
