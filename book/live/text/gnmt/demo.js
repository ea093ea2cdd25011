// The live model of chapter 1.1: it translates a sentence, beam by beam, and shows its attention.

import { element } from "../../kit/controls.js";
import { report } from "../../kit/session.js";
import { inTurn } from "../../kit/turns.js";
import { createGrowth } from "./growth.js";
import { createHeat } from "./heat.js";
import { openNetwork } from "./network.js";
import { createForm, searchControls } from "./page.js";
import { clean, decode, encode, openVocabulary, tokenize } from "./pieces.js";
import { refusal, translate, warning } from "./translate.js";

function panel(stage, model) {
  const { settings, vocabulary } = model;
  const { width, alpha, beta } = settings.search;
  const chosen = { text: settings.examples[0], width, alpha, beta };
  const known = new Set(settings.words);
  const heat = createHeat(vocabulary);
  const update = inTurn(answerForm);
  const controls = searchControls(chosen, update);
  const growth = createGrowth((pieces) => decode(pieces, vocabulary), controls);
  const results = element("div", "live-panel", heat.element, growth.element);
  const said = element("p", "live-translation");
  said.lang = "fr";
  const note = element("p", "live-help");
  const answer = element("div", "", said, note);
  answer.setAttribute("role", "status");

  function refuse(text, why) {
    results.hidden = true;
    said.textContent = "";
    note.textContent = why;
    report(stage, { kind: "refusal", text, why });
  }

  /** Translates what is in the form, or says why not. */
  async function answerForm() {
    const asked = { ...chosen };
    const sentence = clean(asked.text);
    const encoded = encode(sentence, vocabulary);
    const why = refusal(sentence, encoded, model);
    if (why) return refuse(asked.text, why);
    try {
      const { source, hypotheses, steps } = await translate(model, encoded.numbers, asked);
      const translation = decode(hypotheses[0].pieces, vocabulary);
      said.textContent = translation;
      note.textContent = warning(tokenize(sentence), encoded, known);
      results.hidden = false;
      heat.show(source, hypotheses[0]);
      growth.show(steps);
      const count = steps.length;
      report(stage, { kind: "translation", ...asked, source, translation, hypotheses, count });
    } catch (error) {
      refuse(asked.text, `The model failed: ${error.message}`);
    }
  }

  const form = createForm(settings, chosen, async () => {
    await update();
    answer.scrollIntoView({ block: "nearest" }); // on a phone it may be out of sight
  });
  stage.append(
    element("h4", "", "Have the network translate a sentence"),
    form,
    answer,
    results,
  );
  return update();
}

/** Fetches the model; `folder` is the address of this demo's files, ending in a slash. */
export async function load(folder) {
  const network = await openNetwork(folder);
  return { ...network, vocabulary: openVocabulary(network.settings) };
}

/** Fills `stage` with the translator. */
export async function start(stage, model) {
  const made = element("div", "live-panel");
  stage.append(made);
  await panel(made, model);
}
