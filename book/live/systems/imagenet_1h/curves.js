// The stored panel: the mean training loss by epoch of runs that the chapter's claim made.

import { element, fewChoices } from "../../kit/controls.js";
import { report } from "../../kit/session.js";
import { svgElement } from "../../kit/strokes.js";
import {
  createChart,
  createStatement,
  legend,
  levels,
  line,
  linear,
  logarithmic,
  ticks,
  words,
} from "./chart.js";
import { count } from "./quantities.js";

const TOP = 5; // nats; what is above is cut
const GUESSING = Math.log(10); // nats, of ten digits that are equally likely
const [LOSS_HEAD, LOSS_FOOT, RATE_HEAD, RATE_FOOT, HEIGHT] = [28, 280, 322, 402, 446]; // pixels
const [LEFT, RIGHT] = [46, 10]; // pixels beside the plots
const NOTE =
  "Stored, not computed here: these are the runs behind the chapter’s claim. Thin: one seed; " +
  "thick: the mean of the seeds, as far as all of them have a loss. A point is the mean over an " +
  "epoch and stands at its middle. Both scales are logarithmic.";

/** The stored runs of a minibatch by a recipe. At the base minibatch all recipes are one. */
function find({ base, recipes, curves }, batch, recipe) {
  return curves.find(
    (one) => one.batch === batch && (batch === base || one.recipe === recipes[recipe]),
  );
}

/** The mean over seeds by epoch, up to the first epoch that not all of them have. */
function meanLoss(seeds) {
  const epochs = Math.min(...seeds.map(({ loss }) => loss.length));
  return Array.from(
    { length: epochs },
    (_, epoch) => seeds.reduce((sum, { loss }) => sum + loss[epoch], 0) / seeds.length,
  );
}

/** An error, or what the seeds' errors have between them. */
function errorsInWords(seeds) {
  const errors = seeds.map(({ error }) => error);
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const [low, high] = [Math.min(...errors), Math.max(...errors)].map((error) => error.toFixed(1));
  return `*${mean.toFixed(1)}%* (${low} to ${high} over ${seeds.length} seeds)`;
}

/** What the recipe asks of the rate; a line of the rate begins with its first value. */
function rateInWords({ base, curves }, { batch, rate }) {
  const [eta, first] = [curves[0], { rate }].map((one) => one.rate[0][1]);
  const highest = Math.max(...rate.map(([, value]) => value));
  if (batch === base) return `The rate is ${eta} at first: at ${base} all recipes are one.`;
  if (highest === eta) return `The rate is ${eta} at first, as at ${base}.`;
  const scaled = `${eta} × ${batch / base} = ${highest}`;
  if (first === highest) return `The rate is ${scaled} from the first step.`;
  return `The rate rises to ${scaled} over the first ${rate[1][0]} epochs.`;
}

/** What the chart cannot show of the runs. */
function troubleInWords(seeds, epochs) {
  const stopped = seeds.filter(({ loss }) => loss.length < epochs).length;
  const cut = seeds.filter(({ loss }) => loss.some((value) => value > TOP)).length;
  const said = [];
  const of = `of ${seeds.length} runs the loss`;
  if (stopped) said.push(`In ${stopped} ${of} overflowed (×), which counts as 90% wrong.`);
  if (cut) said.push(`In ${cut} ${of} exceeds ${TOP} nats and is cut (▲).`);
  return said;
}

/** Powers of ten, and with `parts` also twice and five times as much, from low to high. */
function marksBetween([low, high], parts) {
  const marks = [];
  for (let power = -6; power <= 3; power++) {
    for (const part of parts) {
      const value = Number(`${part}e${power}`);
      if (value >= low && value <= high) marks.push([value, String(value)]);
    }
  }
  return marks;
}

const everySecond = (marks) => marks.filter((_, index) => index % 2 === 0);

/** The least and greatest positive value of lists of numbers, the least a little lower. */
function range(values) {
  return [0.9 * Math.min(...values), 1.1 * Math.max(...values)];
}

/** One minibatch's lines: each seed, their mean, a mark where a run is cut and where it stops. */
function drawRuns({ seeds }, epochs, x, y, className) {
  const at = (value, epoch) => [x(epoch + 0.5), y(Math.min(value, TOP))];
  const each = seeds.flatMap(({ loss }) => {
    const made = [line(loss.map(at), `${className} hour-seed`)];
    const cut = loss.findIndex((value) => value > TOP);
    const mark = (sign, left, top) => words(sign, left, top, "middle", `hour-mark ${className}`);
    if (cut >= 0) made.push(mark("▲", x(cut + 0.5), y(TOP) + 10));
    if (loss.length < epochs) {
      const [left, top] = loss.length ? at(loss.at(-1), loss.length - 1) : [x(0), y(GUESSING)];
      made.push(mark("×", left, top + 5));
    }
    return made;
  });
  return [...each, line(meanLoss(seeds).map(at), `${className} hour-mean`)];
}

/**
 * Fills `stage`; `stored` is runs.json, `batch` the minibatch shown first, and `onBatch(batch)`
 * hears which one the reader chooses.
 */
export function curvesPanel(stage, stored, batch, onBatch) {
  const { base, epochs, recipes, curves } = stored;
  const batches = [...new Set(curves.map(({ batch }) => batch))].sort((a, b) => a - b);
  const chosen = { batch, recipe: 0 };
  const losses = curves.flatMap(({ seeds }) => seeds.flatMap(({ loss }) => loss));
  const lossRange = [range(losses)[0], TOP];
  const rateRange = range(curves.flatMap(({ rate }) => rate.map(([, value]) => value)));
  const said = createStatement();
  const key = element("div");

  function paint(width) {
    const one = find(stored, chosen.batch, chosen.recipe);
    const reference = find(stored, base, 0);
    const sides = [LEFT, width - RIGHT];
    const x = linear([0, epochs], sides);
    const y = logarithmic(lossRange, [LOSS_FOOT, LOSS_HEAD]);
    const rateAt = logarithmic(rateRange, [RATE_FOOT, RATE_HEAD]);
    const thirds = [0, 1, 2, 3].map((third) => Math.round((third * epochs) / 3));
    const rate = (runs) => runs.rate.map(([epoch, value]) => [x(epoch), rateAt(value)]);
    return [
      ...levels(marksBetween(lossRange, [1, 2, 5]), y, sides),
      line([[LEFT, y(GUESSING)], [width - RIGHT, y(GUESSING)]], "hour-guide"),
      words("guessing: 2.3", width - RIGHT, y(GUESSING) - 6, "end"),
      ...levels(everySecond(marksBetween(rateRange, [1])), rateAt, sides),
      ...(one === reference ? [] : drawRuns(reference, epochs, x, y, "hour-base")),
      ...drawRuns(one, epochs, x, y, one === reference ? "hour-base" : "hour-chosen"),
      line(rate(reference), "hour-base hour-mean"),
      ...(one === reference ? [] : [line(rate(one), "hour-chosen hour-mean")]),
      words("training loss, nats", 0, LOSS_HEAD - 14, "start", "hour-title"),
      words("learning rate", 0, RATE_HEAD - 14, "start", "hour-title"),
      ...ticks(thirds.map((epoch) => [epoch, String(epoch)]), x, RATE_FOOT + 18),
      words("epoch", (LEFT + width - RIGHT) / 2, RATE_FOOT + 36, "middle", "hour-title"),
    ];
  }

  const chart = createChart(HEIGHT, paint);

  function update() {
    const { batch, recipe } = chosen;
    const one = find(stored, batch, recipe);
    const isBase = batch === base;
    const name = `minibatch ${count(batch)}${isBase ? "" : `, ${recipes[recipe]}`}`;
    const atBase = errorsInWords(find(stored, base, 0).seeds);
    said.say(
      `M${name.slice(1)}: the test error is ` +
        `${errorsInWords(one.seeds)}${isBase ? "" : `; at ${base} it is ${atBase}`}.`,
      [rateInWords(stored, one), ...troubleInWords(one.seeds, epochs)].join(" "),
    );
    key.replaceChildren(
      legend([
        ...(isBase ? [] : [["hour-chosen hour-mean", name]]),
        ["hour-base hour-mean", `minibatch ${base}`],
      ]),
    );
    const mean = meanLoss(one.seeds);
    const [first, last] = [mean[0], mean.at(-1)].map((value) => value?.toPrecision(2));
    const course = mean.length
      ? `${first} nats in the first epoch, ${last} in epoch ${mean.length}`
      : "not a number from the first epoch on";
    chart.draw(`Training loss by epoch, ${name}: the mean is ${course}.`);
    report(stage, { kind: "curves", batch, recipe: recipes[recipe], mean, seeds: one.seeds });
  }

  const batchChoice = fewChoices({
    label: "Minibatch",
    options: batches.map(count),
    chosen: batches.indexOf(chosen.batch),
    onChange: (index) => {
      chosen.batch = batches[index];
      update();
      onBatch(chosen.batch);
    },
  });
  batchChoice.querySelector(":checked").setAttribute("data-first", "");
  const recipeChoice = fewChoices({
    label: "Recipe",
    options: recipes,
    chosen: chosen.recipe,
    onChange: (index) => {
      chosen.recipe = index;
      update();
    },
  });
  stage.append(
    element("h4", "", "Learning curves ", element("span", "live-badge", "stored")),
    batchChoice,
    recipeChoice,
    said.element,
    key,
    chart.element,
    element("p", "live-help", NOTE),
  );
  update();
}
