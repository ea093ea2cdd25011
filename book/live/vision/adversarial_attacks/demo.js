// The live model of chapter 3.11: it attacks a drawn digit on two networks, one trained plainly and
// one on PGD's examples, and shows stored attacks on photographs.

import { button, element, slider } from "../../kit/controls.js";
import { createPad } from "../../kit/pad.js";
import { fetchJson, openGraph, openStyle, report } from "../../kit/session.js";
import { inTurn } from "../../kit/turns.js";
import { ATTACKS, attack, read } from "./attack.js";
import { CANVAS, SAMPLES, SIDE, toImage } from "./digit.js";
import { attackControls, createCard, describe, sampleButtons } from "./page.js";
import { photographPanel } from "./photographs.js";
import { colourPixels, createPicture, grey } from "./pictures.js";

const FIRST = 3; // the sample that stands on the pad at the start
const KEYS =
  "arrow keys move the pen, space puts it down and lifts it, backspace takes a stroke back.";
const PAPER = new Float32Array(SIDE * SIDE);
const NOTE =
  "A pixel is 0 for paper and 1 for ink. Where the change is orange the attack added ink, where it " +
  "is blue it took ink away, in full colour where the pixel moved by the whole epsilon. A dash at " +
  "a bar is the probability before the attack. How often each network is wrong is counted in the " +
  "chapter, on held-out handwriting less neat than our ten digits.";

/**
 * Both networks before and after the attack: for each {clean, image, read}. An attack leads away
 * from the digit that the drawing is said to be, or else from the answer of the network that it
 * takes the gradient of.
 */
async function attackBoth(graphs, drawing, { digit, epsilon, steps, seed, target, shared }) {
  const results = [];
  for (const graph of graphs) {
    const victim = shared ? graphs[0] : graph;
    const label = digit ?? (await read(victim, drawing)).answer;
    const image = await attack(victim, drawing, label, { epsilon, steps, seed, target });
    results.push({ clean: await read(graph, drawing), image, read: await read(graph, image) });
  }
  return results;
}

function digitPanel(stage, graphs) {
  const chosen = {
    drawing: null,
    digit: null,
    target: null,
    attack: 0,
    epsilon: 0.3, // what the second network was trained at
    seed: null,
    shared: false,
  };
  const update = inTurn(answer);
  const input = createPicture(SIDE, "as 28 × 28 pixels");
  const cards = ["Trained plainly", "Trained on PGD’s examples"].map(createCard);
  const said = element("p", "attack-said");
  said.setAttribute("role", "status");
  const results = element(
    "div",
    "",
    element("div", "attack-cards", ...cards.map((card) => card.element)),
    element("p", "live-help", NOTE),
  );

  function refuse(why) {
    results.hidden = true;
    said.textContent = why;
    report(stage, { kind: "refusal", why });
  }

  /** Attacks what is on the pad, or says why not. */
  async function answer() {
    const { drawing, attack: index, ...wish } = chosen;
    const { steps } = ATTACKS[index];
    input.draw(colourPixels(drawing ?? PAPER, grey), "Your drawing, 28 by 28 pixels");
    if (!drawing) return refuse("Draw a digit, or take one of ours.");
    try {
      const found = await attackBoth(graphs, drawing, { ...wish, steps });
      cards.forEach((card, which) => card.show(drawing, wish.epsilon, found[which]));
      said.textContent = describe(wish.epsilon, found);
      results.hidden = false;
      const networks = found.map((one) => ({ ...one, image: Array.from(one.image) }));
      report(stage, { kind: "attack", ...wish, steps, drawing: Array.from(drawing), networks });
    } catch (error) {
      refuse(`The model failed: ${error.message}`);
    }
  }

  const controls = attackControls(chosen, update);
  const pad = createPad({
    size: CANVAS,
    label: `Your digit. ${KEYS}`,
    onChange: (strokes) => {
      chosen.drawing = strokes.length ? toImage(strokes) : null;
      const sample = SAMPLES.indexOf(strokes);
      chosen.digit = sample < 0 ? null : sample;
      controls.setDigit(chosen.digit);
      return update();
    },
  });
  const epsilon = slider({
    label: "Epsilon, the most a pixel may change",
    min: 0,
    max: 0.4,
    step: 0.01,
    value: chosen.epsilon,
    format: (value) => value.toFixed(2),
    onInput: (value) => {
      chosen.epsilon = value;
      return update();
    },
  });
  const tools = element("div", "live-tools", button("Undo", pad.undo), button("Clear", pad.clear));
  stage.append(
    element("h4", "", "Draw a digit and attack it"),
    element(
      "div",
      "live-columns",
      element("div", "attack-yours", pad.element, tools),
      element(
        "div",
        "",
        element("span", "live-caption", "Draw on the pad, or take one of our digits"),
        sampleButtons(pad.set),
        element("div", "attack-input", input.element, controls.attack),
        epsilon,
      ),
    ),
    controls.more,
    said,
    results,
    element("p", "live-help", `On the pad by keyboard: ${KEYS}`),
  );
  pad.set(SAMPLES[FIRST]);
  return update();
}

/** Fetches the networks; `folder` is the address of this demo's files, ending in a slash. */
export async function load(folder) {
  const [plain, pgd, stored] = await Promise.all([
    openGraph(`${folder}plain.onnx`),
    openGraph(`${folder}pgd.onnx`),
    fetchJson(`${folder}photographs.json`),
    openStyle(`${folder}demo.css`),
  ]);
  return { graphs: [plain, pgd], stored, folder };
}

/** Fills `stage` with both panels. */
export async function start(stage, { graphs, stored, folder }) {
  const panels = [element("div", "live-panel"), element("div", "live-panel")];
  stage.append(...panels);
  await digitPanel(panels[0], graphs);
  await photographPanel(panels[1], stored, folder);
}
