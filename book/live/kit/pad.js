// A square to draw on with mouse, finger, pen or keyboard.

import { strokeLine, svgElement } from "./strokes.js";

const STEP = 4; // units an arrow key moves the pen; with Shift one unit

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * A pad of `size` by `size` units. `onChange(strokes)` is called whenever a stroke is finished or
 * taken back. Returns the element and what can be done with it from outside.
 */
export function createPad({ size, label, onChange }) {
  let strokes = [];
  let current = null; // the stroke being drawn
  let pen = [size / 2, size / 2]; // where the keyboard's pen stands

  const element = document.createElement("div");
  element.className = "live-pad";
  const svg = svgElement("svg", {
    viewBox: `0 0 ${size} ${size}`,
    tabindex: 0,
    role: "application",
    "aria-label": label,
    "aria-roledescription": "drawing pad",
    "data-first": "",
  });
  const guides = svgElement("path", {
    class: "live-guides",
    d: `M${size / 2} 4V${size - 4}M4 ${size / 2}H${size - 4}`,
  });
  const lines = svgElement("g");
  const cursor = svgElement("circle", { class: "live-cursor", r: 2.6 });
  svg.append(guides, lines, cursor);
  const said = document.createElement("p");
  said.className = "live-hidden";
  said.setAttribute("aria-live", "polite");
  element.append(svg, said);

  function render() {
    const all = current ? [...strokes, current] : strokes;
    lines.replaceChildren(...all.map((stroke) => strokeLine(stroke, "live-mine")));
    cursor.setAttribute("cx", pen[0]);
    cursor.setAttribute("cy", pen[1]);
    cursor.classList.toggle("live-cursor-down", current !== null);
  }

  function finish() {
    if (!current) return;
    const drawn = current.length > 1; // a tap leaves no line
    if (drawn) strokes = [...strokes, current];
    current = null;
    render();
    if (drawn) onChange(strokes);
  }

  function set(next) {
    current = null;
    strokes = next;
    pen = (strokes.at(-1)?.at(-1) ?? [size / 2, size / 2]).slice();
    render();
    onChange(strokes);
  }

  function toPage(event) {
    const frame = svg.getBoundingClientRect();
    const inside = (value) => Math.min(size, Math.max(0, value));
    return [
      inside(((event.clientX - frame.left) / frame.width) * size),
      inside(((event.clientY - frame.top) / frame.height) * size),
    ];
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    finish();
    svg.setPointerCapture(event.pointerId);
    element.classList.remove("live-by-key");
    pen = toPage(event);
    current = [pen];
    render();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!current || !svg.hasPointerCapture(event.pointerId)) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const moved of events.length ? events : [event]) current.push(toPage(moved));
    pen = current.at(-1);
    render();
  });
  for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, finish);

  function lower() {
    current = [pen.slice()];
    said.textContent = "Pen down.";
  }

  function lift() {
    finish();
    said.textContent = `Pen up. ${strokes.length} strokes.`;
  }

  function move([right, down], step) {
    const inside = (value) => Math.min(size, Math.max(0, value));
    pen = [inside(pen[0] + right * step), inside(pen[1] + down * step)];
    if (current) current.push(pen);
    said.textContent = `${Math.round(pen[0])} across, ${Math.round(pen[1])} down`;
  }

  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in MOVES) move(MOVES[event.key], event.shiftKey ? 1 : STEP);
    else if (event.key === " ") current ? lift() : lower();
    else if (event.key === "Escape") lift();
    else if (event.key === "Backspace") set(strokes.slice(0, -1));
    else return;
    event.preventDefault();
    element.classList.add("live-by-key");
    render();
  });
  svg.addEventListener("blur", finish);
  render();

  return {
    element,
    set,
    undo: () => set(strokes.slice(0, -1)),
    clear: () => set([]),
  };
}
