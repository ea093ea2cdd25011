// The parts of the page: the sentence, words to add to it, the growing beam.

import { button, element } from "../../kit/controls.js";

const SUGGESTIONS = 14;

/** A text field with its label and a button; `onSubmit` hears Enter and the button. */
export function sentenceField({ value, longest, onInput, onSubmit }) {
  const input = element("input", "live-text-input");
  Object.assign(input, { type: "text", id: "gnmt-sentence", value, maxLength: longest });
  Object.assign(input, { autocomplete: "off", spellcheck: false, lang: "en" });
  input.setAttribute("autocapitalize", "none");
  const label = element("label", "live-caption", "An English sentence");
  label.htmlFor = input.id;
  const go = element("button", "live-button", "Translate");
  go.type = "submit";
  const form = element("form", "live-sentence", label, element("div", "live-row", input, go));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    onSubmit();
  });
  input.addEventListener("input", onInput);
  return { form, input };
}

/**
 * The words that may come next: those that begin as the reader has begun to write, or that followed
 * the last word in the training sentences, most frequent first.
 */
export function suggestions(text, { words, next }) {
  const parts = text.toLowerCase().split(/\s+/);
  const begun = parts.at(-1);
  const before = parts.at(-2) ?? "";
  const likely = (next[before] ?? []).map((number) => words[number]);
  const rest = begun ? words : [];
  const fitting = [...new Set([...likely, ...rest])].filter((word) => word.startsWith(begun));
  return fitting.slice(0, SUGGESTIONS);
}

/** A row of buttons that is filled again and again; pressing one calls `onPress(word)`. */
export function wordRow(label, onPress) {
  const row = element("div", "live-words");
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", label);
  return {
    element: row,
    show: (words) => row.replaceChildren(...words.map((word) => button(word, () => onPress(word)))),
  };
}

/** All words of the grammar, folded away until they are asked for. */
export function wordList(words, onPress) {
  const row = wordRow("All words of the grammar", onPress);
  const summary = element("summary", "", `All ${words.length} words of the training sentences`);
  const details = element("details", "live-all-words", summary, row.element);
  details.addEventListener("toggle", () => row.show(words), { once: true });
  return details;
}

/** A number with a real minus sign and two digits. */
export function signed(value) {
  return value.toFixed(2).replace("-", "−");
}

/** A table of hypotheses, best score first; `read(pieces)` is how one reads. */
export function beamTable(hypotheses, read, caption) {
  const titles = ["Hypothesis", "Score", "= log P", "÷ length penalty", "+ coverage"];
  const head = element("tr", "", ...titles.map((title) => scoped(element("th", "", title), "col")));
  const rows = hypotheses.map((one) => {
    const text = element("span", "", read(one.pieces) || "…");
    text.lang = "fr";
    const name = scoped(element("th", "", text), "row");
    if (one.ended) name.append(" ", element("span", "live-badge", "ended"));
    const numbers = [
      signed(one.score),
      signed(one.logProbability),
      one.penalty.toFixed(2),
      signed(one.covered),
    ];
    return element("tr", "", name, ...numbers.map((number) => element("td", "", number)));
  });
  return element(
    "table",
    "live-beam",
    element("caption", "", caption),
    element("thead", "", head),
    element("tbody", "", ...rows),
  );
}

function scoped(cell, scope) {
  cell.scope = scope;
  return cell;
}

/** A frame that scrolls sideways, also by keyboard. */
export function scrolling(label) {
  const frame = element("div", "live-scroll");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", label);
  return frame;
}

/** A choice between a few named values, as radio buttons. */
export function fewChoices({ label, options, chosen, onChange }) {
  const field = element("fieldset", "live-few", element("legend", "", label));
  options.forEach((name, index) => {
    const input = element("input");
    Object.assign(input, { type: "radio", name: `few-${label}`, checked: index === chosen });
    input.addEventListener("change", () => onChange(index));
    field.append(element("label", "", input, ` ${name}`));
  });
  return field;
}
