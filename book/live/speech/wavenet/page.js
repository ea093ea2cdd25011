// The parts of the page: what to say and how, and what is said about it.

import { button, element, fewChoices, slider, wordButtons } from "../../kit/controls.js";

/** What a reader wrote, as the lexicon writes it. */
export function plain(text) {
  return text.trim().toLowerCase().replace(/\s+/g, " ");
}

/** Which texts there are, as the end of a sentence. */
function allTexts(groups) {
  const name = ({ name, texts }) =>
    texts.length > 9 ? `the ${name} ${texts[0]} to ${texts.at(-1)}` : texts.join(", ");
  return groups.map(name).join("; ");
}

/** Why a text cannot be said, or null. */
export function refusal(text, { groups, tracks }) {
  const known = `It knows ${allTexts(groups)}.`;
  if (!text) return `Write a word first. ${known}`;
  if (Object.hasOwn(tracks, text)) return null;
  return `The model cannot say “${text}”: nobody gave it the phonemes. ${known}`;
}

/** How fast samples came, in words, beside the `sampleRate` of real time. */
export function speed(rate, sampleRate) {
  const [slower, ratio] =
    rate < sampleRate ? ["slower", sampleRate / rate] : ["faster", rate / sampleRate];
  const count = (number) => Math.round(number).toLocaleString("en");
  return (
    `${count(rate)} samples a second: ${ratio.toFixed(1)} times ${slower} than real time ` +
    `(${count(sampleRate)}).`
  );
}

/** The field for the word, with all words at hand. */
function wordField(settings, value) {
  const input = element("input", "live-text-input");
  Object.assign(input, { type: "text", id: "wavenet-word", value, maxLength: 40 });
  Object.assign(input, { autocomplete: "off", spellcheck: false, lang: "en" });
  input.setAttribute("autocapitalize", "none");
  const list = element("datalist");
  list.id = "wavenet-lexicon";
  list.append(
    ...Object.keys(settings.tracks).map((text) => Object.assign(element("option"), { value: text })),
  );
  input.setAttribute("list", list.id);
  const label = element("label", "live-caption", "A word of the lexicon");
  label.htmlFor = input.id;
  return { input, list, label };
}

/** The field for the seed. */
function seedField(value) {
  const input = element("input", "live-text-input");
  Object.assign(input, { type: "number", id: "wavenet-seed", value, required: true });
  Object.assign(input, { min: 0, max: 999999, step: 1 });
  input.style.width = "100%";
  const label = element("label", "live-caption", "Seed");
  label.htmlFor = input.id;
  const field = element("div", "", label, input);
  field.style.marginTop = "0.9rem";
  return { input, field };
}

/**
 * The form: voice, word, temperature, seed. `chosen` is {voice, text, temperature, seed} and is
 * kept up to date; `onSay()` hears that a word is wanted, `onStop()` that it no longer is.
 * `running(is)` says whether a word is being made.
 */
export function createForm(settings, chosen, { onSay, onStop }) {
  const voice = fewChoices({
    label: "Voice",
    options: settings.voices.map(({ name }) => name),
    chosen: chosen.voice,
    onChange: (index) => (chosen.voice = index),
  });
  const word = wordField(settings, chosen.text);
  const seed = seedField(chosen.seed);
  const go = element("button", "live-button", "Say it");
  go.type = "submit";
  go.setAttribute("data-first", "");
  const stop = button("Stop", onStop);
  stop.disabled = true;
  const temperature = slider({
    label: "Temperature",
    min: 0.3,
    max: 1.2,
    step: 0.05,
    value: chosen.temperature,
    format: (value) => value.toFixed(2),
    onInput: (value) => (chosen.temperature = value),
  });
  const another = button("Another take", () => {
    seed.input.value = Number(seed.input.value) + 1;
    form.requestSubmit();
  });
  const pick = (text) => {
    word.input.value = text;
    form.requestSubmit();
  };
  const rows = settings.groups.map(({ name, texts }) => wordButtons(name, texts, pick));
  const count = Object.keys(settings.tracks).length;
  const all = element(
    "details",
    "live-all-words",
    element("summary", "", `All ${count} words of the lexicon`),
    ...rows,
  );
  const form = element(
    "form",
    "",
    voice,
    word.label,
    element("div", "live-row", word.input, word.list, go, stop, another),
    all,
    element("div", "live-controls", temperature, seed.field),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    chosen.text = plain(word.input.value);
    chosen.seed = Number(seed.input.value);
    onSay();
  });
  return {
    element: form,
    running(is) {
      if (!is && document.activeElement === stop) go.focus();
      stop.disabled = !is;
    },
  };
}
