// How the beam grew: its hypotheses after each piece, with their scores.

import { button, element, slider } from "../../kit/controls.js";
import { scrolling } from "./page.js";

const FRAME = 140; // milliseconds a piece, while the beam grows before the reader's eyes
const TITLES = ["Hypothesis", "Score", "= log P", "÷ length penalty", "+ coverage"];
const EXPLAINED =
  "A hypothesis lives while it is among the most probable, and the ended one with the best score " +
  "is the translation. While it grows, coverage also counts what it has not come to yet.";

/** A number with a real minus sign and two digits. */
export function signed(value) {
  const text = value.toFixed(2);
  return Number(text) === 0 ? "0.00" : text.replace("-", "−");
}

function scoped(cell, scope) {
  cell.scope = scope;
  return cell;
}

/** A row of the table; `read(pieces)` is how a hypothesis reads. */
function beamRow(one, read) {
  const text = element("span", "", read(one.pieces) || "…");
  text.lang = "fr";
  const name = scoped(element("th", "", text), "row");
  if (one.ended) name.append(" ", element("span", "live-badge", "ended"));
  const numbers = [
    signed(one.score),
    signed(one.logProbability),
    one.penalty.toFixed(2),
    signed(one.covered),
  ];
  return element("tr", "", name, ...numbers.map((number) => element("td", "", number)));
}

function beamTable({ live, ended }, count, read) {
  const all = [...live, ...ended.map((one) => ({ ...one, ended: true }))];
  all.sort((one, other) => other.score - one.score);
  const head = element("tr", "", ...TITLES.map((title) => scoped(element("th", "", title), "col")));
  const caption = `After ${count} ${count === 1 ? "piece" : "pieces"}, best score first`;
  return element(
    "table",
    "live-beam",
    element("caption", "", caption),
    element("thead", "", head),
    element("tbody", "", ...all.map((one) => beamRow(one, read))),
  );
}

/** `controls`, and the table with a slider through its steps; `show(steps)` lets a beam grow. */
export function createGrowth(read, controls) {
  const frame = scrolling("Hypotheses");
  const place = element("div");
  let growing = 0;
  let restart = () => {};
  const stop = () => clearInterval(growing);

  function show(steps) {
    const last = steps.length;
    const position = slider({
      label: "Pieces written",
      min: 1,
      max: last,
      step: 1,
      value: last,
      format: (value) => `${value} of ${last}`,
      onInput: (value) => frame.replaceChildren(beamTable(steps[value - 1], value, read)),
    });
    const handle = position.querySelector("input");
    handle.addEventListener("pointerdown", stop);
    handle.addEventListener("keydown", stop);
    place.replaceChildren(position);
    const go = (count) => {
      handle.value = count;
      handle.dispatchEvent(new Event("input"));
    };
    restart = () => {
      stop();
      // At once where motion is unwanted.
      let count = matchMedia("(prefers-reduced-motion: reduce)").matches ? last : 1;
      go(count);
      growing = setInterval(() => (count < last ? go(++count) : stop()), FRAME);
    };
    restart();
  }

  const again = button("Grow again", () => restart());
  const title = element("h4", "", "How the beam grew");
  const parts = [title, controls, place, again, element("p", "live-help", EXPLAINED), frame];
  return { element: element("div", "live-panel", ...parts), show };
}
