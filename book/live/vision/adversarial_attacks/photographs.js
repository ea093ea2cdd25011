// The second panel: attacks on photographs that the chapter's code made, shown step by step.

import { element, fewChoices, slider } from "../../kit/controls.js";
import { report } from "../../kit/session.js";
import { createPicture, percent } from "./pictures.js";

const STORED =
  "Stored, not computed here: EfficientNet-Lite0 is too heavy for a page, so the chapter’s code " +
  "attacked it beforehand. The pictures are exactly what it was shown, byte for byte; of its 1,000 " +
  "classes the three likeliest stand here.";

/** A photograph's strip as pixels: `await openStrip(url, side)` gives a function of the index. */
async function openStrip(url, side) {
  const picture = new Image();
  picture.src = url;
  await picture.decode().catch(() => {
    throw new Error(`${url} could not be fetched.`);
  });
  const canvas = element("canvas");
  Object.assign(canvas, { width: side, height: picture.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return (index) => context.getImageData(0, index * side, side, side);
}

/** The photograph with a change added that was stored stretched from epsilon to a whole byte. */
function add(photograph, stretched, epsilon) {
  const sum = new ImageData(photograph.width, photograph.height);
  for (let index = 0; index < sum.data.length; index++) {
    const change = Math.round(((stretched.data[index] - 128) * epsilon) / 127);
    sum.data[index] = index % 4 === 3 ? 255 : photograph.data[index] + change;
  }
  return sum;
}

/** Pixels of one grey, for a change that is none. */
function flat(side) {
  const pixels = new ImageData(side, side);
  new Uint32Array(pixels.data.buffer).fill(0xff808080);
  return pixels;
}

/** The likeliest classes of a picture, as bars with their names. */
function createAnswers() {
  const list = element("ol", "attack-classes");
  function show(answers) {
    list.replaceChildren(
      ...answers.map(([name, probability]) => {
        const bar = element("span", "attack-class-bar");
        bar.style.width = `${100 * probability}%`;
        const row = element("span", "live-label", name, element("span", "", percent(probability)));
        return element("li", "", row, bar);
      }),
    );
  }
  return { element: list, show };
}

/** What happened, as a sentence; both answers are [class, probability]. */
function describe(epsilon, [before, share], [answer, probability]) {
  const now = percent(probability);
  if (!epsilon) return `Untouched, the network says “${answer}” (${now}).`;
  const start = `At epsilon ${epsilon}/255 the network`;
  return answer === before
    ? `${start} still says “${answer}” (${now}, untouched ${percent(share)}).`
    : `${start} says “${answer}” (${now}); untouched it says “${before}” (${percent(share)}).`;
}

/** Fills `stage`; `stored` is photographs.json, `folder` the address of the strips. */
export function photographPanel(stage, stored, folder) {
  const { side, epsilons, photographs } = stored;
  const attacks = Object.keys(stored.attacks);
  const chosen = { photograph: 0, attack: 1, step: 0 };
  const strips = new Map();
  let asked = 0;

  const shown = createPicture(side, "what the network was shown");
  const change = createPicture(side, "");
  const answers = createAnswers();
  const said = element("p", "attack-said");
  said.setAttribute("role", "status");
  const credit = element("p", "live-help");

  /** The strip of the chosen photograph; one that did not arrive is asked for again. */
  async function strip(name) {
    if (!strips.has(name)) strips.set(name, await openStrip(`${folder}${name}.webp`, side));
    return strips.get(name);
  }

  function show(tile, { photograph, attack, step }) {
    const { name, clean, attacked } = photographs[photograph];
    const epsilon = step ? epsilons[step - 1] : 0;
    const found = step ? attacked[attacks[attack]][step - 1] : clean;
    const stretched = step ? tile(attack * epsilons.length + step) : flat(side);
    const words = step ? `at most ${epsilon}/255 a pixel` : "untouched";
    shown.draw(step ? add(tile(0), stretched, epsilon) : tile(0), `The ${name}, ${words}`);
    change.draw(stretched, step ? `What was added to the ${name}` : "Nothing was added");
    change.caption.textContent = step
      ? `what was added, ${Math.round(127 / epsilon)} times stronger`
      : "nothing was added";
    answers.show(found);
    said.textContent = describe(epsilon, clean[0], found[0]);
    return { name, attack: attacks[attack], epsilon, answers: found };
  }

  async function update() {
    const request = ++asked;
    const { name, credit: author } = photographs[chosen.photograph];
    try {
      const tile = await strip(name);
      if (request !== asked) return; // the reader has chosen something else
      credit.textContent = `Photograph: ${author}. ${STORED}`;
      report(stage, { kind: "photograph", ...show(tile, chosen) });
    } catch (error) {
      said.textContent = error.message;
    }
  }

  const choose = (key) => (value) => {
    chosen[key] = value;
    return update();
  };
  const photograph = fewChoices({
    label: "Photograph",
    options: photographs.map(({ name }) => name),
    chosen: chosen.photograph,
    onChange: choose("photograph"),
  });
  const attack = fewChoices({
    label: "Stored attack",
    options: Object.values(stored.attacks),
    chosen: chosen.attack,
    onChange: choose("attack"),
  });
  const step = slider({
    label: "Stored step: epsilon",
    min: 0,
    max: epsilons.length,
    step: 1,
    value: chosen.step,
    format: (value) => (value ? `${epsilons[value - 1]}/255` : "0"),
    onInput: choose("step"),
  });
  stage.append(
    element("h4", "", "Photographs: stored steps of an attack on an ImageNet network"),
    photograph,
    attack,
    step,
    said,
    element("div", "attack-photographs", shown.element, change.element, answers.element),
    credit,
  );
  return update();
}
