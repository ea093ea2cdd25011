// The live model of chapter 3.9: a picture, painted on by the reader, is translated from horse to
// zebra and back, or from zebra to horse and back, and compared with what it was.

import { button, element, fewChoices, slider } from "../../kit/controls.js";
import { openGraph, openStyle, report } from "../../kit/session.js";
import { inTurn } from "../../kit/turns.js";
import { SIDE, differences, mean, thereAndBack, toPixels, toPlanes } from "./cycle.js";
import { KEYS, createEasel } from "./easel.js";
import { createPicture, createStarts, createTools, describe, firstTool, heat } from "./page.js";

const STORED = 6; // horses, then as many zebras, then a landscape with neither
const DIRECTIONS = [
  { there: "zebra", back: "horse", words: "horse to zebra and back" },
  { there: "horse", back: "zebra", words: "zebra to horse and back" },
];
const NOTE =
  "Computed here, in your browser, by the chapter’s two generators. The animals are the first six " +
  "horses and the first six zebras of the test set, which neither has seen. Both directions take " +
  "any picture: a zebra that is translated to a zebra should stay as it is. Off by 100% would be " +
  "black in place of white at every pixel; in the last picture full orange is 25% or more.";

const nameOf = (index) => {
  if (index === 2 * STORED) return "landscape without an animal";
  return index < STORED ? `horse ${index + 1}` : `zebra ${index - STORED + 1}`;
};

/** The stored pictures, {name, pixels} each, from a file in which they lie one below the other. */
async function openPictures(url) {
  const strip = new Image();
  strip.src = url;
  await strip.decode().catch(() => {
    throw new Error(`${url} could not be fetched.`);
  });
  const canvas = element("canvas");
  Object.assign(canvas, { width: SIDE, height: strip.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(strip, 0, 0);
  return Array.from({ length: strip.naturalHeight / SIDE }, (_, index) => ({
    name: nameOf(index),
    pixels: context.getImageData(0, index * SIDE, SIDE, SIDE),
  }));
}

/** Fetches the generators; `folder` is the address of this demo's files, ending in a slash. */
export async function load(folder) {
  const [zebra, horse, pictures] = await Promise.all([
    openGraph(`${folder}to_zebra.onnx`),
    openGraph(`${folder}to_horse.onnx`),
    openPictures(`${folder}pictures.png`),
    openStyle(`${folder}demo.css`),
  ]);
  return { graphs: { zebra, horse }, pictures };
}

/** Fills `stage`. */
export async function start(stage, { graphs, pictures }) {
  const chosen = { start: 0, direction: 0, noise: 0, pixels: pictures[0].pixels };
  const tool = firstTool();
  const [there, back, where] = [createPicture(), createPicture(), createPicture()];
  const said = element("p", "cycle-said");
  said.setAttribute("role", "status");
  const update = inTurn(answer);

  async function answer() {
    const { start: index, direction, noise: size, pixels } = chosen;
    const way = DIRECTIONS[direction];
    const picture = toPlanes(pixels);
    try {
      const pair = { there: graphs[way.there], back: graphs[way.back] };
      show({ index, way, size, picture }, await thereAndBack(pair, picture, size));
    } catch (error) {
      said.textContent = `The model failed: ${error.message}`;
    }
  }

  function show({ index, way, size, picture }, { translated, shown, returned, undisturbed }) {
    const off = differences(picture, returned);
    const numbers = {
      size,
      error: mean(off),
      undisturbed: mean(differences(picture, undisturbed)),
      moved: mean(differences(translated, shown)),
    };
    there.draw(toPixels(shown), `Your picture translated to a ${way.there}`);
    there.caption.textContent = `there: to ${way.there}${size ? ", with noise" : ""}`;
    back.draw(toPixels(returned), `The translation translated back to a ${way.back}`);
    back.caption.textContent = `and back: to ${way.back}`;
    where.draw(heat(off), "Where your picture and the way back differ");
    said.textContent = describe(numbers);
    report(stage, {
      kind: "cycle",
      start: index,
      direction: way.words,
      ...numbers,
      picture: Array.from(picture),
      translated: Array.from(translated),
      shown: Array.from(shown),
      returned: Array.from(returned),
    });
  }

  const easel = createEasel({
    tool,
    onChange: (pixels) => {
      chosen.pixels = pixels;
      return update();
    },
  });
  const directions = fewChoices({
    label: "Translate",
    options: DIRECTIONS.map(({ words }) => words),
    chosen: 0,
    onChange: (index) => {
      chosen.direction = index;
      return update();
    },
  });
  const begin = (index) => {
    chosen.start = index;
    chosen.direction = Number(index >= STORED && index < 2 * STORED);
    directions.querySelectorAll("input")[chosen.direction].checked = true;
    easel.set(pictures[index].pixels);
  };
  const noise = slider({
    label: "Noise added to the translation before the way back",
    min: 0,
    max: 0.2,
    step: 0.01,
    value: 0,
    format: (value) => `${Math.round(100 * value)}%`,
    onInput: (value) => {
      chosen.noise = value;
      return update();
    },
  });
  const tools = element(
    "div",
    "live-tools",
    button("Undo", easel.undo),
    button("Start over", () => begin(chosen.start)),
  );
  where.caption.textContent = "where the two ends differ";
  stage.append(
    createStarts(pictures, begin),
    createTools(tool),
    directions,
    element(
      "div",
      "cycle-board",
      element("div", "", easel.element, tools),
      element("div", "cycle-results", there.element, back.element, where.element, said),
    ),
    noise,
    element("p", "live-help", `Paint on the large picture. By keyboard: ${KEYS}`),
    element("p", "live-help", NOTE),
  );
  begin(0);
  return update();
}
