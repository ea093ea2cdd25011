// The second panel: the learned reward, and the stored trajectories in its order.

import { choices, element } from "../../kit/controls.js";
import { svgElement } from "../../kit/strokes.js";
import { createGymnast } from "./gymnast.js";
import { QUANTITIES, describe } from "./quantities.js";

const PLACES = ["best", "second", "third", "worst"];
const NOTE =
  "The trajectories are stored; their order is computed here. The reward is linear in nine " +
  "quantities of a step, three times over, each fitted to its own sample of your answers; the " +
  "chapter’s are networks that see the state. It is scaled to mean 0 and standard deviation 1 over " +
  "all stored steps, as the paper’s is, since answers say nothing of zero or unit. No policy is " +
  "trained in this page: it picks the stored trajectory that your reward likes best.";
const RANGE = 4; // standard deviations that the curve shows

const signed = (value) => value.toFixed(2).replace("-", "−");

/** A bar to the left or to the right of the middle, as long as the weight, for each quantity. */
function createWeights() {
  const rows = QUANTITIES.map((name) => {
    const bar = element("span", "taste-weight");
    const value = element("td", "taste-number");
    const track = element("td", "taste-track", bar);
    const head = element("th", "", name);
    head.scope = "row";
    return { bar, value, row: element("tr", "", head, track, value) };
  });
  const table = element("table", "taste-weights", element("caption", "", "What it values"));
  table.append(element("tbody", "", ...rows.map(({ row }) => row)));
  return {
    element: table,
    show(weights) {
      const most = Math.max(...weights.map(Math.abs)) || 1;
      rows.forEach(({ bar, value }, at) => {
        const share = (50 * weights[at]) / most;
        bar.style.width = `${Math.abs(share)}%`;
        bar.style.left = `${50 + Math.min(0, share)}%`;
        bar.classList.toggle("taste-disliked", share < 0);
        value.textContent = signed(weights[at]);
      });
    },
  };
}

/** The reward along a trajectory, with a line where it is being played. */
function createCurve(steps, stepSeconds) {
  const svg = svgElement("svg", {
    role: "img",
    class: "taste-curve",
    viewBox: `0 ${-RANGE} ${steps - 1} ${2 * RANGE}`,
    preserveAspectRatio: "none",
  });
  const now = svgElement("line", { class: "taste-now", y1: -RANGE, y2: RANGE });
  const zero = svgElement("line", { class: "taste-zero", x2: steps - 1 });
  const lines = svgElement("g");
  svg.append(zero, now, lines);
  const line = (values, className) => {
    const points = values.map((value, step) => `${step},${-Math.max(-RANGE, Math.min(RANGE, value))}`);
    return svgElement("polyline", { class: className, points: points.join(" ") });
  };
  const scale = element("div", "taste-scale", element("span", "", `+${RANGE}`), element("span", "", "0"));
  scale.append(element("span", "", `−${RANGE}`));
  const times = element("div", "taste-times", element("span", "", "0 s"), element("span", "", "time"));
  times.append(element("span", "", `${steps * stepSeconds} s`));
  return {
    element: element("div", "taste-plot", scale, svg, times),
    show({ mean, members }, label) {
      lines.replaceChildren(
        ...members.map((values) => line(values, "taste-member")),
        line(mean, "taste-mean"),
      );
      svg.setAttribute("aria-label", label);
    },
    mark(step) {
      now.setAttribute("x1", step);
      now.setAttribute("x2", step);
    },
  };
}

/** Fills `stage`. Gives {show}, which ranks all trajectories by the reward as it now is. */
export function learnedPanel(stage, bank, clock, learning) {
  const figures = PLACES.map(() => createGymnast(bank.lengths, bank.stepSeconds));
  const captions = PLACES.map(() => element("span", "taste-caption"));
  const weights = createWeights();
  const curve = createCurve(bank.steps, bank.stepSeconds);
  const title = element("p", "live-caption");
  let ranked = [];
  let chosen = 0; // the place whose reward is drawn

  const shown = () => [...ranked.slice(0, PLACES.length - 1), ranked.at(-1)];

  function drawCurve() {
    const { trajectory, reward } = shown()[chosen];
    const along = learning.along(bank.trajectories[trajectory].seen);
    const mean = signed(reward);
    const words = `The learned reward along the ${PLACES[chosen]}: ${mean} a step on average.`;
    title.textContent = `${words} Thin: its three members.`;
    curve.show(along, words);
  }

  function show() {
    ranked = learning.ranking();
    shown().forEach(({ trajectory, reward }, place) => {
      const { steps, raw, behaviour } = bank.trajectories[trajectory];
      figures[place].take(steps, `The ${PLACES[place]}: ${describe(raw)}`);
      captions[place].replaceChildren(
        element("strong", "", PLACES[place]),
        ` ${signed(reward)} `,
        element("span", "taste-source", behaviour),
      );
    });
    weights.show(learning.weights().mean);
    drawCurve();
    return shown().map(({ trajectory }) => trajectory);
  }

  figures.forEach((figure, place) => {
    const draw = (seconds) => {
      const time = figure.draw(seconds);
      if (place === chosen) curve.mark(time);
    };
    clock.add({ draw, still: figure.still });
  });
  const places = choices({
    label: `The best three and the worst of ${bank.trajectories.length}; choose one to see its reward`,
    options: PLACES.map((name, place) => ({
      name: `the ${name}`,
      picture: element("span", "taste-place", figures[place].element, captions[place]),
    })),
    chosen,
    onChange: (place) => {
      chosen = place;
      drawCurve();
    },
  });
  places.classList.add("taste-places");
  stage.append(
    element("h4", "", "What it has learned ", element("span", "live-badge", "computed")),
    places,
    element("div", "taste-figures", weights.element, element("div", "", title, curve.element)),
    element("p", "live-help", NOTE),
  );
  return { show };
}
