// What stands around the easel: the labels to paint with, the pictures, and their words.

import { choices, element, fewChoices } from "../../kit/controls.js";
import { SIDE } from "./labels.js";

/** The choice of the label and of the tool; both are written into `tool`. */
export function createTools({ names, palette, tool }) {
  const options = names.map((name, label) => {
    const swatch = element("span", "facade-swatch");
    swatch.style.background = `rgb(${palette[label].join(" ")})`;
    return { name, picture: element("span", "facade-label", swatch, name) };
  });
  const labels = choices({
    label: "Paint",
    options,
    chosen: tool.label,
    onChange: (index) => {
      tool.label = index;
    },
  });
  labels.classList.add("facade-labels");
  const kind = fewChoices({
    label: "With",
    options: ["rectangles (a tap gives the usual size)", "a brush"],
    chosen: Number(tool.brush),
    onChange: (index) => {
      tool.brush = index === 1;
    },
  });
  return element("div", "", labels, kind);
}

/** A picture with its name above and a note below: {element, note, draw(pixels, label)}. */
export function createPicture(className, title) {
  const canvas = element("canvas", "facade-picture");
  Object.assign(canvas, { width: SIDE, height: SIDE });
  canvas.setAttribute("role", "img");
  const note = element("span", "facade-note");
  const caption = element("figcaption", "", element("strong", "", title), " ", note);
  const context = canvas.getContext("2d");
  return {
    element: element("figure", `facade-figure ${className}`, canvas, caption),
    note,
    draw(pixels, label) {
      context.putImageData(pixels, 0, 0);
      canvas.setAttribute("aria-label", label);
    },
  };
}

const levels = (value) => value.toFixed(1);

/** What stands under a picture. */
export function sharpnessWords(value) {
  return `neighbouring pixels differ by ${levels(value)} levels`;
}

/** How far the noise moves the pictures; `moved` is by network, or null when it had no part. */
export function noiseWords(seed, moved, apart) {
  const networks = `L1 + cGAN’s picture differs from L1’s by ${levels(apart)} levels a pixel.`;
  const now = seed === null ? "The noise is off." : `Noise drawn with seed ${seed}.`;
  if (!moved) return `${now} ${networks}`;
  const change = moved.map(levels);
  return (
    `${now} Against the picture before, that moved L1 + cGAN’s by ${change[0]} levels a pixel, ` +
    `L1’s by ${change[1]}. ${networks}`
  );
}
