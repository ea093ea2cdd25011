// The label map, shown large, to be painted on with mouse, finger, pen or keyboard.

import { element } from "../../kit/controls.js";
import { svgElement } from "../../kit/strokes.js";
import { SIDE, boxAround, boxBetween, brush, fill } from "./labels.js";

const STEP = 4; // pixels an arrow key moves the cursor; with Shift one pixel
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
export const KEYS =
  "arrow keys move the cursor by four pixels, with Shift by one; space begins a rectangle or a " +
  "brush stroke and ends it, Escape gives it up, Backspace takes the last one back.";

const within = (value) => Math.min(SIDE - 1, Math.max(0, value));

/** The pixels of a label map in the labels' colours. */
export function colourMap(labels, palette) {
  const pixels = new ImageData(SIDE, SIDE);
  labels.forEach((label, index) => pixels.data.set([...palette[label], 255], 4 * index));
  return pixels;
}

/**
 * An easel for maps of `names.length` labels with a colour and a usual size each. `tool` is what is
 * painted with, {label, brush}, read anew at each stroke. `onChange(labels)` is called whenever the
 * map has changed, also while a stroke goes on. Returns the element and what can be done from
 * outside; `set` puts up another map, of which nothing can be taken back.
 */
export function createEasel({ names, palette, sizes, tool, onChange }) {
  let labels = new Uint8Array(SIDE * SIDE);
  let earlier = []; // maps to go back to
  let stroke = null; // {label, brush, points} while one is painted
  let cursor = [SIDE / 2, SIDE / 2];

  const canvas = element("canvas");
  Object.assign(canvas, { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d");
  const frame = svgElement("rect", { class: "facade-cursor", width: 1, height: 1 });
  const overlay = svgElement("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, "aria-hidden": "true" });
  overlay.append(frame);
  const surface = element("div", "facade-easel", canvas, overlay);
  surface.tabIndex = 0;
  for (const [name, value] of Object.entries({
    role: "application",
    "aria-label": `Label map of a house front. Keyboard: ${KEYS}`,
    "aria-roledescription": "painting surface",
    "data-first": "",
  })) {
    surface.setAttribute(name, value);
  }
  const said = element("p", "live-hidden");
  said.setAttribute("aria-live", "polite");

  /** The map with the stroke that is being painted. */
  function painted() {
    if (!stroke) return labels;
    const { label, points } = stroke;
    if (stroke.brush) return brush(labels, label, points);
    const [first, last] = [points[0], points.at(-1)];
    const tapped = first[0] === last[0] && first[1] === last[1];
    return fill(labels, label, tapped ? boxAround(first, sizes[label]) : boxBetween(first, last));
  }

  function show() {
    const map = painted();
    context.putImageData(colourMap(map, palette), 0, 0);
    frame.setAttribute("x", cursor[0]);
    frame.setAttribute("y", cursor[1]);
    onChange(map);
  }

  function begin(point) {
    cursor = point;
    stroke = { ...tool, points: [point] };
    show();
  }

  function move(point) {
    cursor = point;
    if (stroke) stroke.points.push(point);
    show();
  }

  function end() {
    if (!stroke) return;
    earlier.push(labels);
    labels = painted();
    stroke = null;
    show();
  }

  function giveUp() {
    stroke = null;
    show();
  }

  function undo() {
    stroke = null;
    labels = earlier.pop() ?? labels;
    show();
  }

  function set(map) {
    [labels, earlier, stroke] = [map, [], null];
    show();
  }

  function toPixel({ clientX, clientY }) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const pixel = (offset, length) => within(Math.floor((offset / length) * SIDE));
    return [pixel(clientX - left, width), pixel(clientY - top, height)];
  }

  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    end();
    surface.setPointerCapture(event.pointerId);
    surface.classList.remove("facade-by-key");
    begin(toPixel(event));
  });
  surface.addEventListener("pointermove", (event) => {
    if (!stroke || !surface.hasPointerCapture(event.pointerId)) return;
    const events = event.getCoalescedEvents?.() ?? [];
    stroke.points.push(...(events.length ? events : [event]).map(toPixel));
    cursor = stroke.points.at(-1);
    show();
  });
  surface.addEventListener("pointerup", end);
  surface.addEventListener("pointercancel", giveUp);
  surface.addEventListener("blur", end);

  surface.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in MOVES) {
      const step = event.shiftKey ? 1 : STEP;
      move(cursor.map((value, axis) => within(value + step * MOVES[event.key][axis])));
    } else if (event.key === " ") stroke ? end() : begin(cursor);
    else if (event.key === "Escape") giveUp();
    else if (event.key === "Backspace") undo();
    else return;
    event.preventDefault();
    surface.classList.add("facade-by-key");
    const [x, y] = cursor;
    const doing = stroke ? `painting ${names[stroke.label]}, ` : "";
    said.textContent = `${doing}${x} across, ${y} down: ${names[labels[y * SIDE + x]]}`;
  });

  return { element: element("div", "facade-large facade-easel-place", surface, said), set, undo };
}
