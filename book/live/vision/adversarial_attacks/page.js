// The controls and the results of the first panel, without what they compute.

import { button, element, fewChoices } from "../../kit/controls.js";
import { picture } from "../../kit/strokes.js";
import { ATTACKS } from "./attack.js";
import { CANVAS, SAMPLES, SIDE } from "./digit.js";
import { colourPixels, createBars, createPicture, diverging, grey, percent } from "./pictures.js";

const DIGITS = SAMPLES.map((_, digit) => String(digit));

/** A menu of named values: {element, set(index)}; `onChange(index)` hears the reader's choice. */
function menu({ label, options, onChange }) {
  const select = element("select", "live-button attack-select");
  select.append(...options.map((name) => element("option", "", name)));
  select.addEventListener("change", () => onChange(select.selectedIndex));
  const words = element("span", "live-caption", label);
  return {
    element: element("label", "attack-menu", words, select),
    set: (index) => {
      select.selectedIndex = index;
    },
  };
}

/** Buttons that put one of our own digits on the pad. */
export function sampleButtons(onPress) {
  const view = [0, 0, CANVAS, CANVAS];
  const group = element("div", "live-starts attack-samples");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "Our own digits");
  SAMPLES.forEach((strokes, digit) => {
    const made = button("", () => onPress(strokes));
    made.classList.add("live-thumb");
    made.setAttribute("aria-label", `Take our ${digit}`);
    made.append(picture([{ strokes, className: "live-mine" }], view, ""));
    group.append(made);
  });
  return group;
}

/**
 * Everything that can be chosen of an attack but epsilon: {attack, more, setDigit(digit or null)},
 * the first the choice of the attack, the second the rest, folded.
 */
export function attackControls(chosen, onChange) {
  let lastSeed = 0;
  const set = (key, value) => {
    chosen[key] = value;
    settle();
    return onChange();
  };
  const attack = fewChoices({
    label: "Attack",
    options: ATTACKS.map(({ name }) => name),
    chosen: chosen.attack,
    onChange: (index) => set("attack", index),
  });
  const start = fewChoices({
    label: "PGD starts",
    options: ["at the digit", "at a random point"],
    chosen: 0,
    onChange: (index) => set("seed", index ? ++lastSeed : null),
  });
  const another = button("Another random point", () => set("seed", ++lastSeed));
  const gradient = fewChoices({
    label: "Gradient of",
    options: ["each network itself", "the plain network, for both"],
    chosen: 0,
    onChange: (index) => set("shared", index === 1),
  });
  const digit = menu({
    label: "The drawing is",
    options: ["what the network says", ...DIGITS],
    onChange: (index) => set("digit", index ? index - 1 : null),
  });
  const target = menu({
    label: "The attack wants",
    options: ["any other answer", ...DIGITS],
    onChange: (index) => set("target", index ? index - 1 : null),
  });

  /** FGSM has no random start. */
  function settle() {
    const single = ATTACKS[chosen.attack].steps === 1;
    start.disabled = single;
    another.disabled = single || chosen.seed === null;
  }

  settle();
  const summary = element("summary", "", "More: where it starts, whose gradient, which answer");
  const menus = element("div", "attack-menus", digit.element, target.element);
  return {
    attack,
    more: element("details", "attack-more", summary, start, another, gradient, menus),
    setDigit: (value) => digit.set(value === null ? 0 : value + 1),
  };
}

/** One network's attacked image, what was added to the drawing, and its answer. */
export function createCard(title) {
  const attacked = createPicture(SIDE, "attacked");
  const added = createPicture(SIDE, "the change");
  const [answer, before] = [element("span", "attack-answer"), element("span", "attack-before")];
  const bars = createBars();
  const heading = element("h5", "", title);
  const made = element(
    "section",
    "attack-card",
    heading,
    element("div", "attack-pictures", attacked.element, added.element),
    element("p", "attack-verdict", answer, " ", before),
    bars.element,
  );
  made.setAttribute("aria-label", title);

  function show(drawing, epsilon, { image, clean, read }) {
    const change = image.map((ink, index) => ink - drawing[index]);
    const scale = epsilon || 1;
    attacked.draw(colourPixels(image, grey), `The attacked drawing, ${title.toLowerCase()}`);
    added.draw(
      colourPixels(change, (value) => diverging(value / scale)),
      epsilon ? `The change, at most ${epsilon.toFixed(2)} a pixel` : "No change",
    );
    answer.textContent = `${read.answer}, ${percent(read.probabilities[read.answer])}`;
    before.textContent = `before: ${clean.answer}, ${percent(clean.probabilities[clean.answer])}`;
    made.classList.toggle("attack-fooled", read.answer !== clean.answer);
    bars.show(clean, read);
  }

  return { element: made, show };
}

/** What happened, as a sentence. */
export function describe(epsilon, [plain, pgd]) {
  const says = ({ clean, read }) => {
    const still = epsilon && read.answer === clean.answer ? "still says" : "says";
    return `${still} ${read.answer} (${percent(read.probabilities[read.answer])})`;
  };
  const when = epsilon ? `At epsilon ${epsilon.toFixed(2)}` : "Untouched,";
  return `${when} the plain network ${says(plain)}; the PGD-trained one ${says(pgd)}.`;
}
