// The networks: what they are shown, the noise that they multiply by, and measures of what they
// paint. Pictures are arrays of three planes of SIDE by SIDE, in [-1, 1].

import { generator } from "../../kit/random.js";
import { SIDE } from "./labels.js";

const PIXELS = SIDE * SIDE;
// The three innermost blocks of the way up: channels, and pixels a side.
const BLOCKS = [[88, 2], [88, 4], [44, 8]];
const KEPT = 0.5;
const LEVELS = 127.5; // of 255 a byte has, in one unit

/**
 * z, by the graph's names: 0 or 2 for every activation of three blocks. The seed `null` switches it
 * off: ones drop nothing.
 */
export function drawNoise(seed) {
  const random = seed === null ? null : generator(seed);
  const draw = () => (random === null ? 1 : random() < KEPT ? 1 / KEPT : 0);
  const mask = (channels, side) => ({
    data: Float32Array.from({ length: channels * side * side }, draw),
    shape: [1, channels, side, side],
  });
  return Object.fromEntries(
    BLOCKS.map(([channels, side]) => [`noise_${side}`, mask(channels, side)]),
  );
}

/** A label map as the networks are shown it: its colours in [-1, 1]. */
export function colourInput(labels, palette) {
  const data = new Float32Array(3 * PIXELS);
  labels.forEach((label, pixel) =>
    palette[label].forEach((value, channel) => {
      data[channel * PIXELS + pixel] = value / LEVELS - 1;
    }),
  );
  return { data, shape: [1, 3, SIDE, SIDE] };
}

/** The picture that a graph paints for a label map. */
export async function paint(graph, labels, palette, noise) {
  const { picture } = await graph({ colours: colourInput(labels, palette), ...noise });
  return picture;
}

/** A stored picture, three bytes a pixel, as one of ours. */
export function fromBytes(bytes) {
  return Float32Array.from({ length: 3 * PIXELS }, (_, index) => {
    const [channel, pixel] = [Math.floor(index / PIXELS), index % PIXELS];
    return bytes[3 * pixel + channel] / LEVELS - 1;
  });
}

/** A picture's pixels, to be shown. */
export function toPixels(picture) {
  const pixels = new ImageData(SIDE, SIDE);
  pixels.data.fill(255);
  picture.forEach((value, index) => {
    const [channel, pixel] = [Math.floor(index / PIXELS), index % PIXELS];
    pixels.data[4 * pixel + channel] = Math.round((value + 1) * LEVELS);
  });
  return pixels;
}

/** Mean absolute difference of a pixel from those to its right and below, in levels of 255. */
export function sharpness(picture) {
  let [across, down] = [0, 0];
  for (let index = 0; index < picture.length; index++) {
    const [row, column] = [Math.floor((index % PIXELS) / SIDE), index % SIDE];
    if (column < SIDE - 1) across += Math.abs(picture[index + 1] - picture[index]);
    if (row < SIDE - 1) down += Math.abs(picture[index + SIDE] - picture[index]);
  }
  return (LEVELS * (across + down)) / (2 * 3 * SIDE * (SIDE - 1));
}

/** Mean absolute difference of two pictures, in levels of 255. */
export function difference(first, second) {
  const total = first.reduce((sum, value, index) => sum + Math.abs(value - second[index]), 0);
  return (LEVELS * total) / first.length;
}
