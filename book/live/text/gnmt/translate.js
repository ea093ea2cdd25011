// A sentence in, translations out; or why there is none.

import { beamSearch } from "./beam.js";
import { firstState, readSource, writer } from "./network.js";
import { decode } from "./pieces.js";

/** Why a cleaned sentence cannot be translated, or null. */
export function refusal(sentence, { numbers }, { settings, vocabulary }) {
  if (!numbers.length) return "Write an English sentence first.";
  if (numbers.length + 1 > settings.most_pieces) {
    return (
      `The sentence has ${numbers.length} pieces, and the model reads at most ` +
      `${settings.most_pieces - 1}. Split it into shorter sentences.`
    );
  }
  // A lone word start is spelled before a character that is unknown.
  const isStrange = (number) =>
    number === settings.signs.unknown || !decode([number], vocabulary);
  if (numbers.every(isStrange)) {
    return `“${sentence}” is in no script or words that the model knows. Write it in English.`;
  }
  return null;
}

/** A list of quoted words. */
function quoted(words) {
  return words.map((word) => `“${word}”`).join(", ");
}

/** What the reader should know of words that training did not hold; empty if it held them all. */
export function warning(words, { strange }, known) {
  const unseen = [...new Set(words.filter((word) => !known.has(word)))];
  if (!unseen.length) return "";
  const lost = strange.length ? ` It cannot even read ${quoted(strange)}.` : "";
  return `Training held no ${quoted(unseen)}: the model reads such a word in pieces.${lost}`;
}

/**
 * Searches translations of piece numbers, which have no end sign yet: {source, hypotheses, steps},
 * where `source` has it, and the others are those of `beamSearch`.
 */
export async function translate(model, numbers, { width, alpha, beta }) {
  const { search, signs } = model.settings;
  const source = [...numbers, signs.end];
  const memory = await readSource(model, source);
  const found = await beamSearch(writer(model, memory), firstState(model.settings), {
    width,
    alpha,
    beta,
    smallestCoverage: search.smallest_coverage,
    begin: signs.begin,
    end: signs.end,
    longest: search.longest_factor * source.length + search.longest_extra,
    sourceLength: source.length,
  });
  return { source, ...found };
}
