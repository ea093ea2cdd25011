// Sentences as the model reads them: cleaned, then in pieces of words, as wordpieces.py does it.

// Python's \w and \s; JavaScript's own differ outside ASCII.
const LETTER = "[\\p{L}\\p{N}_]";
const SPACE =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
// An elided French word; a word with its inner hyphens and apostrophes; a mark.
const ELIDED = `(?<!${LETTER})(?:[cdjlmnst]|(?:lors|puis|jus|quel)?qu)'(?=${LETTER})`;
const TOKEN = new RegExp(
  `${ELIDED}|${LETTER}+(?:['-]${LETTER}+)*|[^\\p{L}\\p{N}_${SPACE}]`,
  "gu",
);

/** Words and marks of a sentence. */
export function tokenize(sentence) {
  return sentence.match(TOKEN) ?? [];
}

/** What a reader wrote, in the grammar's form: lower case, marks apart, one kind of apostrophe. */
export function clean(text) {
  const plain = text.normalize("NFC").toLowerCase().replaceAll("\u2019", "'");
  return tokenize(plain).join(" ").replaceAll("' ", "'");
}

/** What the functions below need, from `model.json`. */
export function openVocabulary({ pieces, word_start: wordStart, signs }) {
  const numbers = new Map(pieces.map((piece, number) => [piece, number]));
  return { pieces, wordStart, signs, numbers };
}

/** One word as pieces: neighbours are joined, the piece that was learned first before others. */
function spell(word, { wordStart, numbers, pieces }) {
  const symbols = [wordStart, ...word];
  for (;;) {
    let [first, place] = [pieces.length, -1];
    for (let index = 0; index + 1 < symbols.length; index++) {
      const number = numbers.get(symbols[index] + symbols[index + 1]) ?? pieces.length;
      if (number < first) [first, place] = [number, index];
    }
    if (place < 0) return symbols;
    symbols.splice(place, 2, pieces[first]);
  }
}

/** The numbers of a cleaned sentence, and the characters that the vocabulary lacks. */
export function encode(sentence, vocabulary) {
  const symbols = sentence
    .split(" ")
    .filter(Boolean)
    .flatMap((word) => spell(word, vocabulary));
  const numberOf = (symbol) => vocabulary.numbers.get(symbol);
  return {
    numbers: symbols.map((symbol) => numberOf(symbol) ?? vocabulary.signs.unknown),
    strange: [...new Set(symbols.filter((symbol) => numberOf(symbol) === undefined))],
  };
}

/** The sentence that numbers spell, up to the first end sign. */
export function decode(numbers, { pieces, wordStart, signs }) {
  const end = numbers.indexOf(signs.end);
  const kept = (end < 0 ? numbers : numbers.slice(0, end)).filter(
    (number) => number !== signs.padding && number !== signs.begin,
  );
  return kept.map((number) => pieces[number]).join("").replaceAll(wordStart, " ").trim();
}
