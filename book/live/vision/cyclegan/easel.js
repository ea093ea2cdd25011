// The reader's picture, to be painted on with mouse, finger, pen or keyboard.

import { element } from "../../kit/controls.js";
import { svgElement } from "../../kit/strokes.js";
import { stroke } from "./brush.js";
import { SIDE } from "./cycle.js";

const STEP = 4; // pixels an arrow key moves the brush; with Shift one pixel
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
export const KEYS =
  "arrow keys move the brush by four pixels, with Shift by one; space puts it down and lifts it, " +
  "Escape gives the stroke up, Backspace takes the last one back.";

/**
 * An easel. `tool` is what is painted with, {colour, name, width}, read anew at each stroke.
 * `onChange(pixels)` is called whenever the picture has changed, also while a stroke goes on.
 * `set` puts up another picture, of which nothing can be taken back.
 */
export function createEasel({ tool, onChange }) {
  let pixels = new ImageData(SIDE, SIDE);
  let earlier = []; // pictures to go back to
  let current = null; // {points, colour, width} while a stroke is painted
  let place = [SIDE / 2, SIDE / 2];

  const canvas = element("canvas");
  Object.assign(canvas, { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d");
  const cursor = svgElement("circle", { class: "cycle-cursor" });
  const overlay = svgElement("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, "aria-hidden": "true" });
  overlay.append(cursor);
  const surface = element("div", "cycle-easel", canvas, overlay);
  surface.tabIndex = 0;
  const attributes = {
    role: "application",
    "aria-label": `Your picture. ${KEYS}`,
    "aria-roledescription": "painting surface",
    "data-first": "",
  };
  for (const [name, value] of Object.entries(attributes)) surface.setAttribute(name, value);
  const said = element("p", "live-hidden");
  said.setAttribute("aria-live", "polite");

  const painted = () =>
    current ? stroke(pixels, current.points, current.colour, current.width) : pixels;

  function aim() {
    cursor.setAttribute("cx", place[0] + 0.5);
    cursor.setAttribute("cy", place[1] + 0.5);
    cursor.setAttribute("r", tool.width / 2);
  }

  function show() {
    aim();
    const picture = painted();
    context.putImageData(picture, 0, 0);
    onChange(picture);
  }

  function begin() {
    current = { points: [place], colour: tool.colour, width: tool.width };
    show();
  }

  /** To some pixels, one after the other. */
  function move(points) {
    place = points.at(-1);
    if (!current) return aim();
    current.points.push(...points);
    show();
  }

  function end() {
    if (!current) return;
    earlier.push(pixels);
    pixels = painted();
    current = null;
    show();
  }

  function giveUp() {
    current = null;
    show();
  }

  function undo() {
    pixels = earlier.pop() ?? pixels;
    giveUp();
  }

  function set(picture) {
    [pixels, earlier, place] = [picture, [], [SIDE / 2, SIDE / 2]];
    giveUp();
  }

  const within = (value) => Math.min(SIDE - 1, Math.max(0, value));

  function toPixel({ clientX, clientY }) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const pixel = (offset, length) => within(Math.floor((offset / length) * SIDE));
    return [pixel(clientX - left, width), pixel(clientY - top, height)];
  }

  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    end();
    surface.setPointerCapture(event.pointerId);
    surface.classList.remove("cycle-by-key");
    place = toPixel(event);
    begin();
  });
  surface.addEventListener("pointermove", (event) => {
    if (!current || !surface.hasPointerCapture(event.pointerId)) return;
    const events = event.getCoalescedEvents?.() ?? [];
    move((events.length ? events : [event]).map(toPixel));
  });
  surface.addEventListener("pointerup", end);
  surface.addEventListener("pointercancel", giveUp);
  surface.addEventListener("blur", end);

  surface.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in MOVES) {
      const step = event.shiftKey ? 1 : STEP;
      move([place.map((value, axis) => within(value + step * MOVES[event.key][axis]))]);
    } else if (event.key === " ") current ? end() : begin();
    else if (event.key === "Escape") giveUp();
    else if (event.key === "Backspace") undo();
    else return;
    event.preventDefault();
    surface.classList.add("cycle-by-key");
    said.textContent = `${current ? `painting ${tool.name}, ` : ""}${place[0]} across, ${place[1]} down`;
  });

  return { element: element("div", "", surface, said), set, undo };
}
