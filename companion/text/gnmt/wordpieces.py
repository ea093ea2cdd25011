"""Chapter 1.1, vocabularies: wordpieces shared by both languages, and words with an unknown sign.

A wordpiece vocabulary is its list of pieces in the order they were learned, nothing more, so it is
kept as text. A piece that starts a word starts with `WORD_START`.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import pairwise
from typing import Protocol

from companion.text.gnmt.data import tokenize, untokenize

PADDING, BEGIN, END, UNKNOWN = range(4)
SIGNS = ("<pad>", "<s>", "</s>", "<unk>")
WORD_START = "▁"


class VocabularyError(ValueError):
    """A list of pieces or words that is no vocabulary; the message says why."""


class Vocabulary(Protocol):
    """What the rest of the chapter asks of a vocabulary."""

    @property
    def size(self) -> int:
        """How many numbers there are, the four `SIGNS` among them."""

    def encode(self, sentence: str) -> list[int]:
        """The numbers of a sentence, without begin or end."""

    def decode(self, numbers: Sequence[int]) -> str:
        """The sentence that numbers spell, up to the first end sign."""


def clean(text: str) -> str:
    """What a reader wrote, in the grammar's form: lower case, marks apart, one apostrophe."""
    return untokenize(tokenize(unicodedata.normalize("NFC", text).lower().replace("\u2019", "'")))


# --- merges by hand ----------------------------------------------------------------------------


def learn_merges(counts: dict[str, int], number: int) -> list[tuple[str, str]]:
    """The first ``number`` byte-pair merges of the words of a corpus, each with its count.

    A word starts as `WORD_START` and its letters. Each round joins the most frequent pair of
    neighbours everywhere; of equals the one whose joined text is shortest, then first in order of
    code points (sentencepiece's rule). Fewer merges when no pair is left.
    """
    spelled = {word: [WORD_START, *word] for word in counts}
    merges: list[tuple[str, str]] = []
    while len(merges) < number:
        frequency: Counter[tuple[str, str]] = Counter()
        for word, symbols in spelled.items():
            for pair in pairwise(symbols):
                frequency[pair] += counts[word]
        if not frequency:
            break
        best = min(
            frequency, key=lambda pair: (-frequency[pair], len("".join(pair)), "".join(pair))
        )
        merges.append(best)
        spelled = {word: join(symbols, best) for word, symbols in spelled.items()}
    return merges


def join(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    """The symbols with each occurrence of the pair made one, from left to right."""
    joined: list[str] = []
    for symbol in symbols:
        # A symbol that a pair was just joined into is longer than the pair's first.
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined


# --- vocabularies ------------------------------------------------------------------------------


class Wordpieces:
    """Pieces of words; ``pieces[number]`` is a piece's text, the `SIGNS` first.

    After the signs stand the joined pieces in the order they were learned, then single characters.
    A character that training never showed becomes `UNKNOWN`; everything else can be spelled.
    """

    def __init__(self, pieces: Sequence[str]):
        self.pieces = _checked(pieces)
        self._numbers = {piece: number for number, piece in enumerate(self.pieces)}
        self._spell = lru_cache(maxsize=None)(self._spelled)

    @property
    def size(self) -> int:
        """How many numbers there are, the four `SIGNS` among them."""
        return len(self.pieces)

    def encode(self, sentence: str) -> list[int]:
        """The numbers of a sentence's pieces, without begin or end."""
        return [number for word in sentence.split() for number in self._spell(word)]

    def decode(self, numbers: Sequence[int]) -> str:
        """The sentence that numbers spell, up to the first end sign."""
        return "".join(_texts(self.pieces, numbers)).replace(WORD_START, " ").strip()

    def _spelled(self, word: str) -> tuple[int, ...]:
        """Join neighbours while they form a piece, the piece learned first before all others."""
        symbols = [WORD_START, *word]
        while len(symbols) > 1:
            joined = [self._numbers.get(a + b, self.size) for a, b in pairwise(symbols)]
            first = min(joined)
            if first == self.size:
                break
            place = joined.index(first)
            symbols[place : place + 2] = [self.pieces[first]]
        return tuple(self._numbers.get(symbol, UNKNOWN) for symbol in symbols)


class WordVocabulary:
    """Whole words and marks; a word that is not among ``words`` becomes `UNKNOWN`."""

    def __init__(self, words: Sequence[str]):
        self.words = _checked(words)
        self._numbers = {word: number for number, word in enumerate(self.words)}

    @property
    def size(self) -> int:
        """How many numbers there are, the four `SIGNS` among them."""
        return len(self.words)

    def encode(self, sentence: str) -> list[int]:
        """The numbers of a sentence's words and marks, without begin or end."""
        return [self._numbers.get(word, UNKNOWN) for word in tokenize(sentence)]

    def decode(self, numbers: Sequence[int]) -> str:
        """The sentence of these words, up to the first end sign; elided words touch the next."""
        return untokenize(_texts(self.words, numbers))


def learn_wordpieces(sentences: Iterable[str], size: int) -> Wordpieces:
    """``size`` pieces learned by sentencepiece's byte-pair merges; the same for the same sentences.

    Raises `VocabularyError` when the sentences cannot give that many, or hold more characters.
    """
    import sentencepiece

    written = BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=written,
            model_type="bpe",
            vocab_size=size,
            character_coverage=1.0,
            normalization_rule_name="identity",
            # Otherwise no piece could hold an apostrophe and letters, such as "n't" or "l'".
            split_by_unicode_script=False,
            num_threads=1,
            pad_id=PADDING,
            bos_id=BEGIN,
            eos_id=END,
            unk_id=UNKNOWN,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise VocabularyError(f"no {size} wordpieces could be learned: {error}") from error
    learned = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    return Wordpieces([learned.id_to_piece(number) for number in range(learned.get_piece_size())])


def learn_words(sentences: Iterable[str], size: int) -> WordVocabulary:
    """The most frequent words, ``size`` numbers with the signs; of equals the first in order."""
    counts = Counter(word for sentence in sentences for word in tokenize(sentence))
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return WordVocabulary([*SIGNS, *words[: size - len(SIGNS)]])


def _checked(entries: Sequence[str]) -> tuple[str, ...]:
    if tuple(entries[: len(SIGNS)]) != SIGNS:
        raise VocabularyError(
            f"a vocabulary starts with {SIGNS}, this one with {tuple(entries[: len(SIGNS)])}"
        )
    if len(set(entries)) != len(entries):
        twice = next(entry for entry, number in Counter(entries).items() if number > 1)
        raise VocabularyError(f"{twice!r} stands in the vocabulary more than once")
    return tuple(entries)


def _texts(entries: Sequence[str], numbers: Sequence[int]) -> list[str]:
    """The entries up to the first end sign; an unknown stays visible, the other signs do not."""
    numbers = list(numbers)
    if END in numbers:
        numbers = numbers[: numbers.index(END)]
    return [entries[number] for number in numbers if number not in (PADDING, BEGIN)]
