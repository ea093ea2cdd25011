// The live model of chapter 1.1: it translates a sentence, beam by beam, and shows its attention.

import { button, element, slider } from "../../kit/controls.js";
import { fetchJson, openGraph, report } from "../../kit/session.js";
import { beamSearch } from "./beam.js";
import { byWords, groups, heatTable } from "./heat.js";
import { emptyState, readSentence, writer } from "./network.js";
import {
  beamTable,
  fewChoices,
  scrolling,
  sentenceField,
  suggestions,
  wordList,
  wordRow,
} from "./page.js";
import { decode, encode, openVocabulary, words } from "./pieces.js";

const LONGEST = 400; // characters
const FRAME = 140; // milliseconds a piece, while the beam grows before the reader's eyes

// ---------------------------------------------------------------- translating

/** Why a sentence cannot be translated, or null. */
export function refusal(list, { numbers, strange }, settings) {
  if (!list.length) return "Write an English sentence first.";
  if (numbers.length > settings.longestSource) {
    return (
      `This sentence has ${numbers.length} pieces; the model reads at most ` +
      `${settings.longestSource}. Shorten it.`
    );
  }
  const letters = list.join("").replaceAll(/[^\p{L}]/gu, "");
  if (letters && [...letters].every((letter) => strange.includes(letter))) {
    return `The model reads English only: it has never seen the letters “${letters.slice(0, 12)}”.`;
  }
  if (!letters) return "There is no word in this sentence.";
  return null;
}

/** What the reader should know about the words of a sentence that training did not hold. */
function warning(list, { strange }, settings) {
  const unseen = [...new Set(list.filter((word) => !settings.known.has(word)))];
  if (!unseen.length) return "";
  const named = unseen.map((word) => `“${word}”`).join(", ");
  const lost = strange.length ? ` It cannot read ${strange.map((s) => `“${s}”`).join(", ")}.` : "";
  return `The model has never seen ${named}: it spells and guesses.${lost}`;
}

/** Translates piece numbers: everything that is shown and reported. */
export async function translate(model, numbers, { width, alpha, beta }) {
  const { settings } = model;
  const encodings = await readSentence(model, numbers);
  return beamSearch(writer(model, encodings), emptyState(settings), {
    width,
    alpha,
    beta,
    begin: settings.begin,
    end: settings.end,
    maxLength: Math.min(settings.longestTarget, 2 * numbers.length + 10),
    sourceLength: numbers.length,
  });
}

// ---------------------------------------------------------------- the panel

function panel(stage, model) {
  const { settings, vocabulary } = model;
  const chosen = { width: settings.width, alpha: settings.alpha, beta: settings.beta, whole: 1 };
  let asked = 0;
  let shown = null; // {sources, hypotheses, steps} of the translation on the page

  const said = element("p", "live-translation");
  said.lang = "fr";
  const note = element("p", "live-help");
  const answer = element("div", "", said, note);
  answer.setAttribute("role", "status");
  const heat = scrolling("Attention map");
  const beam = scrolling("Hypotheses");
  const results = element("div", "live-results");
  results.hidden = true;

  const readPieces = (pieces) => {
    const inner = pieces.at(-1) === settings.end ? pieces.slice(0, -1) : pieces;
    return settings.elisions.reduce(
      (text, elision) => text.replaceAll(`${elision} `, elision),
      decode(inner, vocabulary),
    );
  };

  async function update() {
    const request = ++asked;
    const { width, alpha, beta } = chosen;
    const list = words(field.input.value);
    const encoded = encode(list, vocabulary);
    const why = refusal(list, encoded, settings);
    if (why) {
      results.hidden = true;
      said.textContent = "";
      note.textContent = why;
      report(stage, { kind: "refusal", sentence: field.input.value, why });
      return;
    }
    const { hypotheses, steps } = await translate(model, encoded.numbers, chosen);
    if (request !== asked) return; // the reader has gone on in the meantime
    const translation = readPieces(hypotheses[0].pieces);
    said.textContent = translation;
    note.textContent = warning(list, encoded, settings);
    shown = { numbers: encoded.numbers, hypotheses, steps };
    results.hidden = false;
    showAttention();
    grow();
    report(stage, {
      kind: "translation",
      sentence: field.input.value,
      words: list,
      numbers: encoded.numbers,
      width,
      alpha,
      beta,
      translation,
      steps: steps.length,
      hypotheses: hypotheses.map(({ pieces, logProbability, covered, score, attention }) => ({
        pieces,
        logProbability,
        covered,
        score,
        attention,
      })),
    });
  }

  function showAttention() {
    const name = (number) => vocabulary.pieces[number];
    const [best] = shown.hypotheses;
    let [sources, targets] = [shown.numbers.map(name), best.pieces.map(name)];
    let weights = best.attention;
    if (chosen.whole) {
      const [columns, rows] = [groups(sources, settings.mark), groups(targets, settings.mark)];
      weights = byWords(weights, rows, columns);
      const join = (parts, all) => parts.map((index) => all[index]).join("");
      sources = columns.map((column) => join(column, sources));
      targets = rows.map((row) => join(row, targets));
    }
    const clean = (text) => (chosen.whole ? text.replaceAll(settings.mark, "") : text);
    const readable = (text) => (text === settings.endPiece ? "(end)" : clean(text));
    heat.replaceChildren(
      heatTable({
        weights,
        sources: sources.map(readable),
        targets: targets.map(readable),
        caption: "Where the model looked (columns) as it wrote each line",
      }),
    );
  }

  let growing = 0;
  const position = slider({
    label: "Pieces written",
    min: 1,
    max: 1,
    step: 1,
    value: 1,
    format: (value) => String(value),
    onInput: (value) => {
      clearInterval(growing);
      showBeam(value);
    },
  });
  const handle = position.querySelector("input");

  function showBeam(count) {
    const { live, ended } = shown.steps[count - 1];
    const all = [...live, ...ended.map((one) => ({ ...one, ended: true }))];
    all.sort((one, other) => other.score - one.score);
    const caption = `After ${count} ${count === 1 ? "piece" : "pieces"}, best score first`;
    beam.replaceChildren(beamTable(all, readPieces, caption));
  }

  /** Shows the beam after one piece, after two, and so on; at once where motion is unwanted. */
  function grow() {
    clearInterval(growing);
    const last = shown.steps.length;
    handle.max = last;
    const go = (count) => {
      handle.value = count;
      position.querySelector("output").textContent = `${count} of ${last}`;
      handle.setAttribute("aria-valuetext", `${count} of ${last}`);
      showBeam(count);
    };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return go(last);
    let count = 1;
    go(count);
    growing = setInterval(() => {
      if (count >= last) clearInterval(growing);
      else go(++count);
    }, FRAME);
  }

  const again = button("Grow again", () => shown && grow());

  // ------------------------------------------------------------ the sentence

  const next = wordRow("Words to add", add);
  const suggest = () => next.show(suggestions(field.input.value, settings));
  const field = sentenceField({
    value: settings.examples[0],
    longest: LONGEST,
    onInput: suggest,
    onSubmit: update,
  });

  /** Puts a word at the end of the sentence, in place of what is begun of it. */
  function add(word) {
    const before = field.input.value.replace(/\S*$/, "");
    field.input.value = `${before}${word} `;
    suggest();
    if (word === "." || word === "?") return update();
  }

  const examples = wordRow("Example sentences", (sentence) => {
    field.input.value = sentence;
    suggest();
    return update();
  });
  examples.show(settings.examples);
  const clear = button("Clear", () => {
    field.input.value = "";
    suggest();
    field.input.focus();
  });
  field.form.querySelector(".live-row").append(clear);
  suggest();

  // ------------------------------------------------------------ the controls

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
        return update();
      },
    });
  const controls = element(
    "div",
    "live-controls",
    control("Beam width", "width", 1, 8, 1, 0),
    control("Length α", "alpha", 0, 1.5, 0.1, 1),
    control("Coverage β", "beta", 0, 1, 0.1, 1),
  );
  const unit = fewChoices({
    label: "Shown by",
    options: ["pieces", "words"],
    chosen: chosen.whole,
    onChange: (index) => {
      chosen.whole = index;
      if (shown) showAttention();
    },
  });
  results.append(
    element("div", "live-panel", element("h4", "", "Where it looked"), unit, heat),
    element("div", "live-panel", element("h4", "", "How the beam grew"), position, again, beam),
  );
  stage.append(
    field.form,
    next.element,
    wordList(settings.words, add),
    element("p", "live-help", "Or take one of these:"),
    examples.element,
    controls,
    answer,
    results,
  );
  return update();
}

/** Fetches the model; `folder` is the address of this demo's files, ending in a slash. */
export async function load(folder) {
  const [settings, bottom, top, decoder] = await Promise.all([
    fetchJson(`${folder}model.json`),
    openGraph(`${folder}bottom.onnx`),
    openGraph(`${folder}top.onnx`),
    openGraph(`${folder}decoder.onnx`),
  ]);
  settings.known = new Set(settings.words);
  return { settings, vocabulary: openVocabulary(settings), bottom, top, decoder };
}

/** Fills `stage` with the translator. */
export async function start(stage, model) {
  const made = element("div", "live-panel");
  stage.append(made);
  await panel(made, model);
}
