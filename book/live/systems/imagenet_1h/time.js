// The computed panel: what a step costs by the chapter's cost model, on links that the reader sets.

import { element, fewChoices, slider } from "../../kit/controls.js";
import { report } from "../../kit/session.js";
import { createChart, createStatement, legend } from "./chart.js";
import { ALGORITHMS, allReduceSeconds, efficiency, rounds, stepSeconds } from "./cost.js";
import { bytes, count, percent, seconds } from "./quantities.js";
import {
  CURVE_HEIGHT,
  STEP_HEIGHT,
  WORKERS,
  algorithmsInWords,
  costInWords,
  otherThan,
  paintCurve,
  paintStep,
  trainingSeconds,
} from "./step.js";

const FLOAT = 4; // bytes of a number in single precision
const RESNET_50 = {
  name: "ResNet-50",
  parameters: 25_557_032,
  share: 32, // images a worker and step, as in the paper
  samples: 1_281_167, // ImageNet's training images
  epochs: 90,
  compute: 0.25, // seconds a step, assumed; the reader sets it
};
// Assumed round figures: bytes a second, and seconds a round.
const ETHERNET = [1, 10, 50].map((gigabits) => ({
  name: `${gigabits} Gbit/s`,
  bandwidth: (gigabits * 1e9) / 8,
  latency: 50e-6,
}));
const PAPER = { workers: 256, efficiency: 0.9 };
const LIMITS =
  "Computed, not run: the model knows of no stragglers, no crowded switch and no slow disk, so " +
  "it says what such links would allow.";

/** The chapter's own network and the link between two processes, as they were measured. */
function measuredThings({ parameters, share, compute, latency, bandwidth }, { samples, epochs }) {
  const network = { name: "this chapter’s", parameters, share, samples, epochs, compute };
  return { network, link: { name: "two processes, measured", latency, bandwidth } };
}

/** Where the figures come from. */
function figuresInWords({ network, link, compute }, own, machine) {
  const isOwn = network === own.network;
  const computing = isOwn
    ? `its ${seconds(compute)} of computing were measured (${machine})`
    : "its time of computing is assumed, not the paper’s";
  const source =
    link === own.link
      ? "measured between two processes on one machine; for more workers it is taken as it is"
      : "round figures, assumed, as if each pair of workers had such a link to itself";
  return (
    `${isOwn ? "This chapter’s network" : "ResNet-50"} has ${count(network.parameters)} weights ` +
    `in single precision; ${computing}. The link: ${seconds(link.latency)} a round and ` +
    `${bytes(link.bandwidth)} a second, ${source}. ${LIMITS}`
  );
}

/** What the lines of efficiency are. */
function curveLegend(algorithm, mark) {
  const made = legend([
    ["hour-chosen hour-mean", algorithm],
    ["hour-base hour-mean", otherThan(algorithm)],
  ]);
  if (mark) made.append(element("li", "", "◆ the paper: 90%, 256 workers against 8"));
  return made;
}

/**
 * Fills `stage`; `measured` is link.json, `stored` runs.json. Gives a function of a minibatch that
 * takes as many workers as have it, as long as the network is the chapter's own.
 */
export function timePanel(stage, measured, stored, batch) {
  const own = measuredThings(measured, stored);
  const networks = [own.network, RESNET_50];
  const links = [own.link, ...ETHERNET];
  const chosen = {
    network: own.network,
    link: own.link,
    algorithm: ALGORITHMS[0],
    workers: batch / own.network.share,
    overlap: 0,
    assumed: RESNET_50.compute,
  };
  const said = createStatement();
  const key = element("div");
  const about = element("p", "live-help");

  /** What the reader has set, as the cost model takes it. */
  function currentStep() {
    const { network, assumed } = chosen;
    const compute = network === RESNET_50 ? assumed : network.compute;
    return { ...chosen, compute, bytes: FLOAT * network.parameters };
  }

  /** The paper's mark is ResNet-50's. */
  const mark = () => (chosen.network === RESNET_50 ? PAPER : null);
  const timeline = createChart(STEP_HEIGHT, (width) => paintStep(currentStep(), width));
  const curve = createChart(CURVE_HEIGHT, (width) => paintCurve(currentStep(), mark(), width));

  function update() {
    const step = currentStep();
    const { network, link, algorithm, workers, overlap } = step;
    assumption.hidden = network !== RESNET_50;
    said.say(costInWords(step), algorithmsInWords(step));
    about.textContent = figuresInWords(step, own, measured.machine);
    key.replaceChildren(curveLegend(algorithm, mark()));
    timeline.draw(`One step of ${seconds(stepSeconds(step))}: computing, and sending beside it.`);
    curve.draw(
      `Efficiency from 1 to 256 workers by ${algorithm}: ${percent(efficiency(step))} at ` +
        `${workers}, ${percent(efficiency({ ...step, workers: 256 }))} at 256.`,
    );
    report(stage, {
      kind: "time",
      network: network.name,
      link,
      algorithm,
      workers,
      overlap,
      bytes: step.bytes,
      compute: step.compute,
      minibatch: workers * network.share,
      seconds: stepSeconds(step),
      sending: allReduceSeconds(step),
      efficiency: efficiency(step),
      rounds: rounds(workers, algorithm),
      training: trainingSeconds(step),
    });
  }

  const choose = (key, values) => (value) => {
    chosen[key] = values ? values[value] : value;
    update();
  };
  const workersSlider = slider({
    label: "Workers",
    min: 0,
    max: WORKERS.length - 1,
    step: 1,
    value: WORKERS.indexOf(chosen.workers),
    format: (power) => {
      const [workers, { share }] = [WORKERS[power], chosen.network];
      return `${workers}, minibatch ${workers} × ${share} = ${count(workers * share)}`;
    },
    onInput: choose("workers", WORKERS),
  });
  const handle = workersSlider.querySelector("input");
  const refresh = () => handle.dispatchEvent(new Event("input"));
  const overlapSlider = slider({
    label: "Sending may overlap",
    min: 0,
    max: 0.9,
    step: 0.1,
    value: chosen.overlap,
    format: (share) => `${percent(share)} of computing`,
    onInput: choose("overlap"),
  });
  const assumption = slider({
    label: "Computing, assumed",
    min: 0.05,
    max: 1,
    step: 0.05,
    value: chosen.assumed,
    format: (value) => `${value.toFixed(2)} s for ${RESNET_50.share} images`,
    onInput: choose("assumed"),
  });
  const few = (label, options, onChange) => fewChoices({ label, options, chosen: 0, onChange });
  const names = (things) => things.map(({ name }) => name);
  stage.append(
    element("h4", "", "Time ", element("span", "live-badge", "computed")),
    few("Network", names(networks), (index) => {
      chosen.network = networks[index];
      refresh(); // the minibatch beside the slider is another
    }),
    few("Link", names(links), choose("link", links)),
    few("All-reduce", ALGORITHMS, choose("algorithm", ALGORITHMS)),
    element("div", "hour-sliders", workersSlider, overlapSlider, assumption),
    said.element,
    timeline.element,
    key,
    curve.element,
    about,
  );
  update();
  return (wanted) => {
    if (chosen.network !== own.network) return;
    handle.value = WORKERS.indexOf(wanted / own.network.share);
    refresh();
  };
}
