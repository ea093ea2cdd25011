// A waveform that grows, with the phonemes under it at their times.

import { element } from "../../kit/controls.js";

const COLUMNS = 500;
const HEIGHT = 200;
const THINNEST = 1.2; // so that silence is a line
const STYLES = {
  wave: "display: block; width: 100%; height: 10rem",
  shape: "fill: var(--live-model)",
  axis: "stroke: var(--live-line)",
  head: "stroke: var(--live-on); stroke-width: 2px; visibility: hidden",
  symbols: "position: relative; height: 1.9rem; border-top: 1px solid var(--live-line)",
  symbol:
    "position: absolute; border-left: 1px solid var(--live-line); height: 100%; " +
    "text-align: center; line-height: 1.9rem; font-size: 0.9rem; color: var(--live-ink)",
};

/** An SVG element with attributes. */
function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The outline of `samples`, the first of `total`, as the points of a polygon. */
export function outline(samples, total) {
  const upper = [];
  const lower = [];
  const height = (sample) => (HEIGHT / 2) * (1 - sample);
  for (let column = 0; column < COLUMNS; column++) {
    const first = Math.floor((column * total) / COLUMNS);
    const last = Math.floor(((column + 1) * total) / COLUMNS);
    if (last > samples.length) break;
    // One sample more than the column's own, so that neighbours touch.
    const piece = samples.slice(first, last + 1);
    const middle = (Math.min(...piece) + Math.max(...piece)) / 2;
    const half = Math.max((Math.max(...piece) - Math.min(...piece)) / 2, THINNEST / HEIGHT);
    upper.push([column, height(middle + half)], [column + 1, height(middle + half)]);
    lower.push([column, height(middle - half)], [column + 1, height(middle - half)]);
  }
  const points = [...upper, ...lower.reverse()];
  return points.map(([x, y]) => `${x},${y.toFixed(1)}`).join(" ");
}

/** Where each run that is not silence lies, as shares of the whole: {symbol, start, length}. */
export function places(runs, phonemes) {
  const total = runs.reduce((sum, [, samples]) => sum + samples, 0);
  let start = 0;
  return runs
    .map(([index, samples]) => {
      const place = { symbol: phonemes[index], start: start / total, length: samples / total };
      start += samples;
      return place;
    })
    .filter(({ symbol }) => symbol);
}

/** A frame for one waveform after the other. */
export function createWaveform() {
  const [middle, thin] = [HEIGHT / 2, { "vector-effect": "non-scaling-stroke" }];
  const shape = drawn("polygon", { style: STYLES.shape });
  const head = drawn("line", { y1: 0, y2: HEIGHT, style: STYLES.head, ...thin });
  const axis = drawn("line", { x2: COLUMNS, y1: middle, y2: middle, style: STYLES.axis, ...thin });
  const svg = drawn("svg", {
    style: STYLES.wave,
    viewBox: `0 0 ${COLUMNS} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": "Waveform: nothing said yet",
  });
  svg.append(axis, shape, head);
  const symbols = element("div");
  symbols.style = STYLES.symbols;
  symbols.setAttribute("aria-hidden", "true"); // the waveform's label says them
  const frame = element("div", "live-tile", svg, symbols);
  frame.style.aspectRatio = "auto";
  let total = 1;
  let samples = [];

  return {
    element: frame,

    /** Makes room for a word; `label` says what it will be. */
    begin(runs, phonemes, label) {
      total = runs.reduce((sum, [, count]) => sum + count, 0);
      samples = [];
      shape.setAttribute("points", "");
      head.style.visibility = "hidden";
      const found = places(runs, phonemes);
      svg.setAttribute("aria-label", `${label}; phonemes ${found.map((p) => p.symbol).join(" ")}`);
      symbols.replaceChildren(
        ...found.map(({ symbol, start, length }) => {
          const made = element("span", "", symbol);
          made.style = `${STYLES.symbol}; left: ${100 * start}%; width: ${100 * length}%`;
          return made;
        }),
      );
    },

    /** Adds samples at the end. */
    add(more) {
      samples = samples.concat(more);
      shape.setAttribute("points", outline(samples, total));
    },

    /** All samples so far. */
    samples: () => samples,

    /** Shows which sample sounds now; null when none does. */
    point(sample) {
      head.style.visibility = sample === null ? "hidden" : "visible";
      const x = (COLUMNS * (sample ?? 0)) / total;
      head.setAttribute("x1", x);
      head.setAttribute("x2", x);
    },
  };
}
