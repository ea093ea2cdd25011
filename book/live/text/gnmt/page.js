// The parts of the page for the reader's sentence: the field, and words to put into it.

import { button, element, slider, wordButtons } from "../../kit/controls.js";
import { clean, tokenize } from "./pieces.js";

const LONGEST = 400; // characters
const OFFERED = 14; // words at a time
const BEGUN = /(?:[\p{L}\p{N}][\p{L}\p{N}'’-]*)?$/u; // the word that is being written

/** A frame that scrolls sideways, also by keyboard. */
export function scrolling(label) {
  const frame = element("div", "live-scroll");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", label);
  return frame;
}

/**
 * The words that may come next in `text`: those that begin as the word that is being written, or
 * that followed the last word in the training sentences; the most frequent first.
 */
export function suggestions(text, { words, followers }) {
  const written = tokenize(clean(text));
  const begun = BEGUN.exec(text)[0] ? written.pop() : "";
  const before = written.at(-1) ?? "";
  const likely = Object.hasOwn(followers, before) ? followers[before].map((i) => words[i]) : [];
  const fitting = (begun ? [...likely, ...words] : likely).filter((word) => word.startsWith(begun));
  return [...new Set(fitting)].slice(0, OFFERED);
}

/** All words of the grammar by their first letter, folded away until they are asked for. */
function wordList(words, onPress) {
  const all = words.filter((word) => /^\p{L}/u.test(word)).sort();
  const shown = element("div");
  const show = (letter) => {
    const some = all.filter((word) => word[0] === letter);
    shown.replaceChildren(wordButtons(`Words with ${letter}`, some, onPress));
  };
  const letters = [...new Set(all.map((word) => word[0]))];
  const count = all.length.toLocaleString("en");
  const summary = element("summary", "", `All ${count} words of the training sentences`);
  const index = wordButtons("First letters", letters, show);
  return element("details", "live-all-words", summary, index, shown);
}

/** The text field with its label and buttons. */
function sentenceField(value) {
  const input = element("input", "live-text-input");
  Object.assign(input, { type: "text", id: "gnmt-sentence", value, maxLength: LONGEST });
  Object.assign(input, { autocomplete: "off", spellcheck: false, lang: "en" });
  input.setAttribute("autocapitalize", "none");
  const label = element("label", "live-caption", "An English sentence");
  label.htmlFor = input.id;
  const go = element("button", "live-button", "Translate");
  go.type = "submit";
  go.setAttribute("data-first", "");
  return { input, label, go };
}

/**
 * Sliders for the search; `chosen` has {width, alpha, beta} and is kept up to date, `onChange()`
 * hears that it is another search.
 */
export function searchControls(chosen, onChange) {
  const control = (label, key, min, max, step, digits) =>
    slider({
      label,
      min,
      max,
      step,
      value: chosen[key],
      format: (value) => value.toFixed(digits),
      onInput: (value) => {
        chosen[key] = value;
        onChange();
      },
    });
  return element(
    "div",
    "live-controls",
    control("Beam width", "width", 1, 8, 1, 0),
    control("Length penalty α", "alpha", 0, 1.5, 0.1, 1),
    control("Coverage penalty β", "beta", 0, 1, 0.1, 1),
  );
}

/**
 * The form for a sentence; `chosen.text` is kept up to date, and `onTranslate()` hears that a
 * translation is wanted.
 */
export function createForm(settings, chosen, onTranslate) {
  const { input, label, go } = sentenceField(chosen.text);
  const offered = element("div");

  function offer() {
    chosen.text = input.value;
    const hadFocus = offered.contains(document.activeElement);
    const words = suggestions(input.value, settings);
    offered.replaceChildren(wordButtons("Words that may come next", words, add));
    offered.hidden = !words.length;
    if (hadFocus) (offered.querySelector("button") ?? input).focus();
  }

  function write(text) {
    input.value = text;
    offer();
  }

  /** Puts a word at the end of the sentence, in place of what is begun of it. */
  function add(word) {
    const before = input.value.replace(BEGUN, "");
    write(`${before.replace(/\S$/, "$& ")}${word} `);
    if (word === "." || word === "?") onTranslate();
  }

  const clear = button("Clear", () => {
    write("");
    input.focus();
  });
  const form = element(
    "form",
    "",
    label,
    element("div", "live-row", input, go, clear),
    offered,
    wordList(settings.words, add),
    element("p", "live-help", "Or take one of these:"),
    wordButtons("Example sentences", settings.examples, (sentence) => {
      write(sentence);
      onTranslate();
    }),
  );
  input.addEventListener("input", offer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    onTranslate();
  });
  offer();
  return form;
}
