// What is shown: images as pixels on a light card in both themes, and probabilities as bars.

import { element } from "../../kit/controls.js";
import { SIDE } from "./digit.js";

const [TAKEN, KEPT, ADDED] = [
  [11, 93, 130],
  [255, 255, 255],
  [194, 71, 10],
]; // blue, white and orange, which the colour-blind tell apart

/** The colour of an amount of ink from 0 to 1: paper is white, as on the pad. */
export function grey(ink) {
  return Array(3).fill(Math.round(255 * (1 - ink)));
}

/** The colour of a change from -1 to 1: blue takes ink away, orange adds it. */
export function diverging(change) {
  const end = change < 0 ? TAKEN : ADDED;
  const share = Math.min(1, Math.abs(change));
  return KEPT.map((from, channel) => Math.round(from + share * (end[channel] - from)));
}

/** A probability in words. No network is ever quite sure, so none is said to be. */
export function percent(probability) {
  if (probability > 0.99) return "over 99%";
  if (probability < 0.01) return "under 1%";
  return `${Math.round(100 * probability)}%`;
}

/** A square of `side` pixels with a caption: {element, draw(imageData, label)}. */
export function createPicture(side, caption) {
  const canvas = element("canvas", "attack-picture");
  Object.assign(canvas, { width: side, height: side });
  canvas.setAttribute("role", "img");
  const words = element("figcaption", "", caption);
  const context = canvas.getContext("2d");
  return {
    element: element("figure", "attack-figure", canvas, words),
    caption: words,
    draw(pixels, label) {
      context.putImageData(pixels, 0, 0);
      canvas.setAttribute("aria-label", label);
    },
  };
}

/** The pixels of 28 by 28 values, each in the colour that `colour` gives it. */
export function colourPixels(values, colour) {
  const pixels = new ImageData(SIDE, SIDE);
  values.forEach((value, index) => pixels.data.set([...colour(value), 255], 4 * index));
  return pixels;
}

/** The probabilities of the ten digits as bars, with a mark at what they were before the attack. */
export function createBars() {
  const columns = Array.from({ length: 10 }, (_, digit) => {
    const [bar, mark] = [element("div", "attack-bar"), element("div", "attack-mark")];
    const track = element("div", "attack-track", bar, mark);
    return { bar, mark, element: element("div", "attack-column", track, String(digit)) };
  });
  const made = element("div", "attack-bars", ...columns.map((column) => column.element));
  made.setAttribute("role", "img");

  function show(clean, attacked) {
    columns.forEach((column, digit) => {
      column.bar.style.height = `${100 * attacked.probabilities[digit]}%`;
      column.mark.hidden = clean.probabilities[digit] < 0.01; // it would look like the axis
      column.mark.style.bottom = `${100 * clean.probabilities[digit]}%`;
      column.element.classList.toggle("attack-top", digit === attacked.answer);
    });
    made.classList.toggle("attack-changed", attacked.answer !== clean.answer);
    const words = attacked.probabilities.map((share, digit) => `${digit} ${percent(share)}`);
    made.setAttribute("aria-label", `Probabilities after the attack: ${words.join(", ")}`);
  }

  return { element: made, show };
}
