// What stands around the easel: colours and brushes, the pictures to begin with, and the results.

import { choices, element, fewChoices } from "../../kit/controls.js";
import { SIDE } from "./cycle.js";

const PALETTE = {
  "bay coat": [138, 79, 42],
  black: [28, 26, 27],
  white: [236, 231, 220],
  "green grass": [111, 148, 64],
  "yellow grass": [176, 146, 78],
  sky: [143, 180, 216],
  "red jacket": [192, 52, 44],
  "blue jacket": [47, 95, 168],
};
const BRUSHES = { thin: 2, middle: 4, thick: 9 }; // pixels across
const [FIRST_COLOUR, FIRST_BRUSH] = ["red jacket", "middle"];
const [PAPER, OFF] = [
  [255, 255, 255],
  [194, 71, 10],
];
const WORST = 0.25; // the difference that is shown in full colour

/** What is painted with at first: {colour, name, width}. */
export function firstTool() {
  return { colour: PALETTE[FIRST_COLOUR], name: FIRST_COLOUR, width: BRUSHES[FIRST_BRUSH] };
}

/** The choice of colour and brush; both are written into `tool`. */
export function createTools(tool) {
  const names = Object.keys(PALETTE);
  const colours = choices({
    label: "Paint with",
    options: names.map((name) => {
      const swatch = element("span", "cycle-swatch");
      swatch.style.background = `rgb(${PALETTE[name].join(" ")})`;
      swatch.title = name;
      return { name, picture: swatch };
    }),
    chosen: names.indexOf(FIRST_COLOUR),
    onChange: (index) => {
      tool.name = names[index];
      tool.colour = PALETTE[tool.name];
    },
  });
  const brushes = Object.keys(BRUSHES);
  const brush = fewChoices({
    label: "Brush",
    options: brushes,
    chosen: brushes.indexOf(FIRST_BRUSH),
    onChange: (index) => {
      tool.width = BRUSHES[brushes[index]];
    },
  });
  return element("div", "cycle-tools", colours, brush);
}

/** A canvas that shows pixels: {canvas, draw(pixels)}. */
function createCanvas(className) {
  const canvas = element("canvas", className);
  Object.assign(canvas, { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d");
  return { canvas, draw: (pixels) => context.putImageData(pixels, 0, 0) };
}

/** The choice among stored pictures, a list of {name, pixels}; `onChange(index)` hears it. */
export function createStarts(pictures, onChange) {
  const options = pictures.map(({ name, pixels }) => {
    const { canvas, draw } = createCanvas("cycle-thumb");
    draw(pixels);
    return { name, picture: canvas };
  });
  const made = choices({ label: "Begin with", options, chosen: 0, onChange });
  made.classList.add("cycle-starts");
  return made;
}

/** A picture with a caption: {element, caption, draw(pixels, label)}. */
export function createPicture() {
  const { canvas, draw } = createCanvas("cycle-picture");
  canvas.setAttribute("role", "img");
  const caption = element("figcaption");
  return {
    element: element("figure", "cycle-figure", canvas, caption),
    caption,
    draw(pixels, label) {
      draw(pixels);
      canvas.setAttribute("aria-label", label);
    },
  };
}

/** Differences from 0 (paper) to `WORST` and more (orange), as pixels. */
export function heat(differences) {
  const pixels = new ImageData(SIDE, SIDE);
  differences.forEach((difference, index) => {
    const share = Math.min(1, difference / WORST);
    const colour = PAPER.map((from, channel) => Math.round(from + share * (OFF[channel] - from)));
    pixels.data.set([...colour, 255], 4 * index);
  });
  return pixels;
}

/** A share in percent, with one digit behind the point. */
export const percent = (share) => `${(100 * share).toFixed(1)}%`;

/** What came of it, as a sentence. */
export function describe({ error, undisturbed, size, moved }) {
  const off = `there and back the picture is ${percent(undisturbed)} off`;
  if (!size) return `${off[0].toUpperCase()}${off.slice(1)}, on average over its pixels.`;
  return (
    `Noise that changes the translation by ${percent(moved)} leaves the way back ${percent(error)} ` +
    `off; without noise ${off}.`
  );
}
