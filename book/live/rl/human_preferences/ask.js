// The first panel: two clips, and the reader's choice between them.

import { button, element, fewChoices } from "../../kit/controls.js";
import { clipOf } from "./bank.js";
import { createGymnast } from "./gymnast.js";
import { TASTES, describe } from "./quantities.js";

const SIDES = ["left", "right"];
const AT_ONCE = 10; // answers that a taste gives

/** What can be answered: the name of a button, its key, and the preference it stands for. */
const ANSWERS = [
  { name: "Left is better", key: "ArrowLeft", sign: "←", preference: 1 },
  { name: "Equal", key: "e", sign: "E", preference: 0.5 },
  { name: "Skip", key: "s", sign: "S", preference: null },
  { name: "Right is better", key: "ArrowRight", sign: "→", preference: 0 },
];
const HELP =
  "Keys: ← the left is better, → the right is better, E equally good, S skip, U undo. Each clip " +
  "lasts 1.5 seconds. Judge by whatever you like, as long as you stay with it.";

/** A button that says its key. */
function keyedButton(name, sign, onPress) {
  const made = button(name, onPress);
  made.append(" ", element("kbd", "", sign));
  return made;
}

/** Whether a key that was pressed there is meant for something else, such as a radio button. */
const isTaken = ({ target }) => target.matches("input, select, textarea");

/**
 * Fills `stage`. `learning` is of createLearning; `onChange()` is called when it has changed. Gives
 * {show}, which shows the question as it now is.
 */
export function askPanel(stage, bank, clock, learning, onChange) {
  const figures = SIDES.map(() => createGymnast(bank.lengths, bank.stepSeconds));
  const said = element("p", "taste-said");
  said.setAttribute("role", "status");
  const chosen = { taste: TASTES[0] };

  function act(change) {
    change();
    onChange();
  }

  const controls = ANSWERS.map(({ name, sign, preference }) =>
    keyedButton(name, sign, () => act(() => learning.answer(preference, "you"))),
  );
  controls[0].setAttribute("data-first", "");
  const undo = keyedButton("Undo", "U", () => act(learning.undo));
  const clear = button("Start over", () => act(learning.clear));
  const play = button("", () => {
    clock.toggle();
    name();
  });
  const name = () => (play.textContent = clock.playing() ? "Pause all clips" : "Play all clips");

  stage.tabIndex = -1; // so that keys are heard after a click beside the buttons
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
    const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const index = ANSWERS.findIndex(({ key }) => key === pressed);
    if (index < 0 && pressed !== "u") return;
    event.preventDefault();
    (index < 0 ? undo : controls[index]).click();
  });

  /** How far the answers have led, in words. */
  function progress() {
    const count = learning.answers().length;
    if (!count) return "Which of the two do you like better? Nothing has been learned yet.";
    const answered = `${count} ${count === 1 ? "answer" : "answers"}`;
    const authors = new Set(learning.answers().map(({ by }) => by));
    const taste = TASTES.find((one) => authors.has(one.name));
    if (authors.size === 1 && taste) {
      const [right, all] = learning.tested(taste);
      return (
        `${answered} by somebody who likes ${taste.name}. Of ${all} pairs that were never asked ` +
        `about, the learned reward orders ${right} (${Math.round((100 * right) / all)}%) as they would.`
      );
    }
    const [right, all] = learning.foreseen();
    const others = authors.size > 1 ? ", of more than one taste" : "";
    return all
      ? `${answered}${others}. The reward foresaw ${right} of ${all} before they were given.`
      : `${answered}${others}.`;
  }

  function show() {
    learning.pair().forEach((clip, side) => {
      const seen = describe(clipOf(bank, clip, "raw"));
      figures[side].take(clipOf(bank, clip, "steps"), `The ${SIDES[side]} clip: ${seen}`);
    });
    undo.disabled = clear.disabled = !learning.asked();
    said.textContent = progress();
  }

  const queries = fewChoices({
    label: "Ask about",
    options: ["the pair it doubts most", "any pair"],
    chosen: 0,
    onChange: (index) => act(() => learning.setDisputed(index === 0)),
  });
  const tastes = fewChoices({
    label: "Or let somebody answer who likes",
    options: TASTES.map((taste) => taste.name),
    chosen: 0,
    onChange: (index) => (chosen.taste = TASTES[index]),
  });
  const others = button(`${AT_ONCE} answers by them`, () =>
    act(() => learning.answerBy(chosen.taste, AT_ONCE)),
  );

  figures.forEach(clock.add);
  name();
  stage.append(
    element("h4", "", "You are the human ", element("span", "live-badge", "learns in this page")),
    said,
    element("div", "taste-pair", ...figures.map((figure) => figure.element)),
    element("div", "taste-answers", ...controls),
    element("div", "live-tools", undo, clear, play),
    queries,
    element("div", "taste-others", tastes, others),
    element("p", "live-help", HELP),
  );
  return { show };
}
