// Plain charts as SVG, drawn for the width there is, so that their words keep their size.

import { element } from "../../kit/controls.js";
import { svgElement } from "../../kit/strokes.js";

/** Where a value lies: a function from [low, high] to [from, to], in pixels. */
export function linear([low, high], [from, to]) {
  return (value) => from + ((value - low) / (high - low)) * (to - from);
}

/** The same, where equal factors are equally far apart. */
export function logarithmic([low, high], ends) {
  const place = linear([Math.log(low), Math.log(high)], ends);
  return (value) => place(Math.log(value));
}

/**
 * A chart {element, draw(label)} that is drawn again whenever its width changes. `paint(width)`
 * gives its SVG elements; `label` says in words what they show.
 */
export function createChart(height, paint) {
  const svg = svgElement("svg", { role: "img", height, class: "hour-chart" });
  const repaint = () => {
    const width = svg.getBoundingClientRect().width;
    if (!width) return; // not on the page yet
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren(...paint(width));
  };
  new ResizeObserver(repaint).observe(svg);
  return {
    element: svg,
    draw(label) {
      svg.setAttribute("aria-label", label);
      repaint();
    },
  };
}

/** Words at a point; `anchor` is start, middle or end. */
export function words(text, x, y, anchor = "start", className = "hour-words") {
  const made = svgElement("text", { x, y, "text-anchor": anchor, class: className });
  made.textContent = text;
  return made;
}

/** A line through points [x, y]. */
export function line(points, className) {
  const pairs = points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ");
  return svgElement("polyline", { points: pairs, class: className });
}

/** A level line with its name on the left, for each [value, name]. */
export function levels(marks, place, [left, right]) {
  return marks.flatMap(([value, name]) => [
    line([[left, place(value)], [right, place(value)]], "hour-level"),
    words(name, left - 8, place(value) + 4, "end"),
  ]);
}

/** A name below the axis for each [value, name]. */
export function ticks(marks, place, y) {
  return marks.map(([value, name]) => words(name, place(value), y, "middle"));
}

/**
 * Where a panel says what it shows: {element, say(first, second)}. What stands between asterisks in
 * the first paragraph is strong.
 */
export function createStatement() {
  const [first, second] = [element("p", "hour-said"), element("p", "hour-more")];
  const both = element("div", "", first, second);
  both.setAttribute("role", "status");
  return {
    element: both,
    say(text, more) {
      const parts = text.split("*");
      first.replaceChildren(
        ...parts.map((part, index) => (index % 2 ? element("strong", "", part) : part)),
      );
      second.textContent = more;
    },
  };
}

/** What the lines are: a list of [class of the line, words]. */
export function legend(entries) {
  const list = element("ul", "hour-legend");
  list.append(
    ...entries.map(([className, text]) => {
      const svg = svgElement("svg", { width: 28, height: 12, "aria-hidden": "true" });
      svg.append(line([[2, 6], [26, 6]], className));
      return element("li", "", svg, text);
    }),
  );
  return list;
}
