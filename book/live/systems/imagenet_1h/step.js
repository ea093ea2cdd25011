// One step of many workers: what it costs in words, and two pictures of it. A step is what the cost
// model takes, {compute, bytes, workers, link, algorithm, overlap}, and the network it is of.

import { svgElement } from "../../kit/strokes.js";
import { levels, line, linear, logarithmic, ticks, words } from "./chart.js";
import {
  ALGORITHMS,
  allReduceSeconds,
  bytesSent,
  efficiency,
  rounds,
  stepSeconds,
} from "./cost.js";
import { bytes, count, percent, seconds } from "./quantities.js";

export const WORKERS = Array.from({ length: 9 }, (_, power) => 2 ** power); // 1 to 256
const [BAR_LEFT, RIGHT, BAR] = [88, 18, 24]; // pixels
const [LEFT, HEAD, FOOT] = [52, 34, 258];
export const [STEP_HEIGHT, CURVE_HEIGHT] = [104, 300];

/** Of the two algorithms the one that is not `algorithm`. */
export const otherThan = (algorithm) => ALGORITHMS.find((name) => name !== algorithm);

/** Seconds of a whole training: its epochs, as many whole minibatches as each has. */
export function trainingSeconds(step) {
  const { epochs, samples, share } = step.network;
  return epochs * Math.floor(samples / (step.workers * share)) * stepSeconds(step);
}

/** What one step and all of them take. */
export function costInWords(step) {
  const { workers, compute, overlap, network } = step;
  const [whole, sending] = [stepSeconds(step), allReduceSeconds(step)];
  const epochs = `All ${network.epochs} epochs of ${count(network.samples)} images`;
  const training = `${epochs} take *${seconds(trainingSeconds(step))}*.`;
  if (workers === 1) {
    return `One worker sends nothing: a step takes *${seconds(whole)}*. ${training}`;
  }
  const hidden = overlap ? `, of which computing hides ${seconds(sending + compute - whole)}` : "";
  return (
    `With ${workers} workers a step takes *${seconds(whole)}*: computing takes ` +
    `${seconds(compute)}, sending ${seconds(sending)}${hidden}. They are ` +
    `*${percent(efficiency(step))}* efficient. ${training}`
  );
}

/** How the algorithms differ for as many workers. */
export function algorithmsInWords(step) {
  const { workers, algorithm } = step;
  if (workers === 1) return "";
  const other = { ...step, algorithm: otherThan(algorithm) };
  return (
    `Each worker sends ${bytes(bytesSent(step.bytes, workers))} in ` +
    `${rounds(workers, algorithm)} rounds, by the ${algorithm}; by ${other.algorithm} as much in ` +
    `${rounds(workers, other.algorithm)} rounds, ${percent(efficiency(other))} efficient.`
  );
}

/** Computing above, sending below, as they lie in time; what computing hides is pale. */
export function paintStep(step, width) {
  const right = width - RIGHT;
  const whole = stepSeconds(step);
  const x = linear([0, whole], [BAR_LEFT, right]);
  const bar = (from, to, y, className) => {
    const size = { width: Math.max(0, x(to) - x(from)), height: BAR };
    return svgElement("rect", { x: x(from), y, ...size, class: className });
  };
  const begins = (1 - step.overlap) * step.compute;
  const ends = begins + allReduceSeconds(step);
  const made = [
    words("computing", BAR_LEFT - 10, 25, "end"),
    words("sending", BAR_LEFT - 10, 57, "end"),
    bar(0, step.compute, 8, "hour-computing"),
    line([[BAR_LEFT, 76], [right, 76]], "hour-axis"),
    words("0", BAR_LEFT, 94, "middle"),
    words(seconds(whole), right, 94, "end"),
  ];
  if (ends > begins) {
    made.push(
      bar(begins, Math.min(ends, step.compute), 40, "hour-hidden"),
      bar(step.compute, Math.max(ends, step.compute), 40, "hour-waiting"),
      line([[x(step.compute), 4], [x(step.compute), 76]], "hour-guide"),
    );
  }
  return made;
}

/** The paper's mark: a diamond. */
function diamond(x, y) {
  const points = `${x},${y - 7} ${x + 7},${y} ${x},${y + 7} ${x - 7},${y}`;
  return svgElement("polygon", { points, class: "hour-paper" });
}

/** Efficiency by workers, by both algorithms; `mark` is {workers, efficiency} or null. */
export function paintCurve(step, mark, width) {
  const sides = [LEFT, width - RIGHT];
  const x = logarithmic([WORKERS[0], WORKERS.at(-1)], sides);
  const y = linear([0, 1], [FOOT, HEAD]);
  const curve = (algorithm) =>
    WORKERS.map((workers) => [x(workers), y(efficiency({ ...step, workers, algorithm }))]);
  const [left, top] = [x(step.workers), y(efficiency(step))];
  const anchor = step.workers < 4 ? "start" : step.workers > 64 ? "end" : "middle";
  const beside = top > HEAD + 40 ? top - 14 : top + 24; // below where there is no room above
  const shares = [0, 0.25, 0.5, 0.75, 1].map((share) => [share, percent(share)]);
  const names = WORKERS.map((workers) => [workers, String(workers)]);
  return [
    words("efficiency", 0, HEAD - 18, "start", "hour-title"),
    ...levels(shares, y, sides),
    ...ticks(names, x, FOOT + 18),
    words("workers", (sides[0] + sides[1]) / 2, FOOT + 38, "middle", "hour-title"),
    line(curve(otherThan(step.algorithm)), "hour-base hour-mean"),
    line(curve(step.algorithm), "hour-chosen hour-mean"),
    ...(mark ? [diamond(x(mark.workers), y(mark.efficiency))] : []),
    svgElement("circle", { cx: left, cy: top, r: 6, class: "hour-point" }),
    words(percent(efficiency(step)), left, beside, anchor, "hour-value"),
  ];
}
