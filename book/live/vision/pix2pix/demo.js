// The live model of chapter 3.8: the reader paints walls, windows and doors, and two networks paint
// the façade, one trained with a discriminator beside L1, one with L1 alone.

import { button, element, fewChoices } from "../../kit/controls.js";
import { fetchJson, openGraph, openStyle, report } from "../../kit/session.js";
import { inTurn } from "../../kit/turns.js";
import { KEYS, createEasel } from "./easel.js";
import { createPicture, createTools, noiseWords, sharpnessWords } from "./page.js";
import { difference, drawNoise, fromBytes, paint, sharpness, toPixels } from "./painter.js";

const NAMES = ["L1 + cGAN", "L1 alone"];
const FIRST_LABEL = "window";
const NOTE =
  "Computed here, in your browser, by the chapter’s two networks, trained alike but for their loss. " +
  "The houses are the first eight of the test set, which neither has seen. The true picture is one " +
  "of many that fit its label map: colours, materials and light are not in it. A level is one step " +
  "of a colour’s 255. The noise is the paper’s: dropout that stays on.";

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const same = (first, second) => first.every((value, index) => value === second[index]);

/** Fetches the networks; `folder` is the address of this demo's files, ending in a slash. */
export async function load(folder) {
  const [cgan, l1, stored] = await Promise.all([
    openGraph(`${folder}l1_cgan.onnx`),
    openGraph(`${folder}l1.onnx`),
    fetchJson(`${folder}houses.json`),
    openStyle(`${folder}demo.css`),
  ]);
  const houses = stored.houses.map(({ number, labels, picture }) => ({
    number,
    labels: bytesOf(labels),
    picture: fromBytes(bytesOf(picture)),
  }));
  return { graphs: [cgan, l1], stored: { ...stored, houses } };
}

/** Fills `stage`. */
export async function start(stage, { graphs, stored }) {
  const { labels: names, palette, sizes, houses } = stored;
  const tool = { label: names.indexOf(FIRST_LABEL), brush: false };
  const chosen = { house: 0, labels: houses[0].labels, seed: null };
  let last = null; // what was painted before: {labels, seed, pictures}
  let lastSeed = 0;

  const painted = NAMES.map((name, which) =>
    createPicture(which ? "facade-small" : "facade-large", name),
  );
  const truth = createPicture("facade-small", "True picture");
  const said = element("p", "facade-said");
  said.setAttribute("role", "status");
  const update = inTurn(repaint);

  async function repaint() {
    const { house, labels, seed } = chosen;
    try {
      const noise = drawNoise(seed);
      const pictures = [];
      for (const graph of graphs) pictures.push(await paint(graph, labels, palette, noise));
      showAll(houses[house], labels, seed, pictures);
    } catch (error) {
      said.textContent = `The model failed: ${error.message}`;
    }
  }

  function showAll(house, labels, seed, pictures) {
    const noiseAlone = last && last.seed !== seed && same(last.labels, labels);
    const moved = noiseAlone ? pictures.map((one, at) => difference(one, last.pictures[at])) : null;
    const apart = difference(...pictures);
    const sharp = [...pictures, house.picture].map(sharpness);
    painted.forEach((picture, which) => {
      const what = `The façade painted by the network trained with ${NAMES[which]}`;
      picture.draw(toPixels(pictures[which]), what);
      picture.note.textContent = sharpnessWords(sharp[which]);
    });
    const changed = !same(labels, house.labels);
    truth.draw(toPixels(house.picture), `The true picture of test house ${house.number}`);
    truth.note.textContent = `${sharpnessWords(sharp[2])}${changed ? "; before your changes" : ""}`;
    said.textContent = noiseWords(seed, moved, apart);
    last = { labels, seed, pictures };
    report(stage, {
      kind: "painted",
      house: house.number,
      seed,
      changed,
      moved,
      apart,
      sharp,
      labels: Array.from(labels),
      pictures: pictures.map((picture) => Array.from(picture)),
    });
  }

  const easel = createEasel({
    names,
    palette,
    sizes,
    tool,
    onChange: (labels) => {
      chosen.labels = labels;
      return update();
    },
  });
  const moveIn = (house) => {
    chosen.house = house;
    easel.set(houses[house].labels);
  };
  const setSeed = (seed) => {
    chosen.seed = seed;
    another.disabled = seed === null;
    return update();
  };
  const noise = fewChoices({
    label: "Noise",
    options: ["off", "on"],
    chosen: 0,
    onChange: (index) => setSeed(index ? ++lastSeed : null),
  });
  const another = button("Draw the noise again", () => setSeed(++lastSeed));
  another.disabled = true;

  const tools = element(
    "div",
    "live-tools",
    button("Undo", easel.undo),
    button("Start over", () => moveIn(chosen.house)),
    button("Another house", () => moveIn((chosen.house + 1) % houses.length)),
  );
  const controls = element(
    "div",
    "facade-controls",
    tools,
    element("div", "live-tools", noise, another),
    said,
  );
  const pictures = [...painted, truth].map((picture) => picture.element);
  stage.append(
    createTools({ names, palette, tool }),
    element("div", "facade-board", easel.element, ...pictures, controls),
    element("p", "live-help", `To remove a window, paint wall over it. By keyboard: ${KEYS}`),
    element("p", "live-help", NOTE),
  );
  moveIn(0);
  return update();
}
