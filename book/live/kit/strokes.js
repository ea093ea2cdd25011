// Drawings as strokes: a drawing is a list of strokes, a stroke a list of points [x, y], y down.

const SVG = "http://www.w3.org/2000/svg";
const UNITS_PER_SECOND = 260;
const LIFT_SECONDS = 0.06;

/** An SVG element with attributes. */
export function svgElement(name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Distance of `point` from the line segment between `from` and `to`. */
function distanceToSegment(point, from, to) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const squared = dx * dx + dy * dy;
  const along = squared
    ? ((point[0] - from[0]) * dx + (point[1] - from[1]) * dy) / squared
    : 0;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(point[0] - from[0] - t * dx, point[1] - from[1] - t * dy);
}

/** Ramer-Douglas-Peucker: the points that keep the stroke within `tolerance` of what it was. */
export function simplify(stroke, tolerance) {
  if (stroke.length < 3) return stroke.slice();
  let farthest = 0;
  let distance = 0;
  for (let index = 1; index < stroke.length - 1; index++) {
    const here = distanceToSegment(stroke[index], stroke[0], stroke[stroke.length - 1]);
    if (here > distance) [farthest, distance] = [index, here];
  }
  if (distance <= tolerance) return [stroke[0], stroke[stroke.length - 1]];
  const before = simplify(stroke.slice(0, farthest + 1), tolerance);
  return before.concat(simplify(stroke.slice(farthest), tolerance).slice(1));
}

/** The smallest box {x, y, width, height} around all points; null for a drawing without points. */
export function boundingBox(drawing) {
  const points = drawing.flat();
  if (!points.length) return null;
  const xs = points.map((point) => point[0]);
  const ys = points.map((point) => point[1]);
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

/** A square view box, at least `size` wide, with the drawing in its middle and air around it. */
export function centredView(drawing, size) {
  const box = boundingBox(drawing) ?? { x: 0, y: 0, width: size, height: size };
  const side = Math.max(size, 1.2 * Math.max(box.width, box.height));
  return [box.x + (box.width - side) / 2, box.y + (box.height - side) / 2, side, side];
}

/** A square view box that holds the page from 0 to `size` and all of the drawing. */
export function pageView(drawing, size) {
  const box = boundingBox(drawing) ?? { x: 0, y: 0, width: 0, height: 0 };
  const [left, top] = [Math.min(0, box.x - 4), Math.min(0, box.y - 4)];
  const right = Math.max(size, box.x + box.width + 4);
  const bottom = Math.max(size, box.y + box.height + 4);
  const side = Math.max(right - left, bottom - top);
  return [left, top, side, side];
}

/** One stroke as an SVG line of the given class. */
export function strokeLine(stroke, className) {
  const points = stroke.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ");
  return svgElement("polyline", { points, class: className });
}

/**
 * A picture of drawings `parts`, a list of {strokes, className}. `label` says what it shows; it is
 * empty where the words stand beside the picture.
 */
export function picture(parts, view, label) {
  const spoken = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  const svg = svgElement("svg", { viewBox: view.join(" "), ...spoken });
  svg.classList.add("live-picture");
  svg.style.setProperty("--live-zoom", view[2] / 100); // lines keep their width on the screen
  for (const { strokes, className } of parts) {
    for (const stroke of strokes) svg.append(strokeLine(stroke, className));
  }
  return svg;
}

/** The length of a line made by `strokeLine`. */
function lengthOf(line) {
  const points = line.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number));
  return points.slice(1).reduce(
    (sum, [x, y], index) => sum + Math.hypot(x - points[index][0], y - points[index][1]),
    0,
  );
}

/** Draws the lines of `svg` with class `className` one after the other, as a pen would. */
export function animate(svg, className) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  let delay = 0;
  for (const line of svg.querySelectorAll(`polyline.${className}`)) {
    const length = lengthOf(line);
    const duration = length / UNITS_PER_SECOND;
    const [hidden, drawn] = [length + 5, 0].map((strokeDashoffset) => ({
      strokeDashoffset,
      strokeDasharray: `${length} ${length + 10}`, // one dash as long as the line, then a gap
    }));
    line.animate([hidden, drawn], {
      duration: 1000 * duration,
      delay: 1000 * delay,
      fill: "backwards",
    });
    delay += duration + LIFT_SECONDS;
  }
}
