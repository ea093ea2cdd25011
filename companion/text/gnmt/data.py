"""Chapter 1.1, data: sentence pairs from the grammar, split, and pairs from files.

Sentences are lower-case text in which the closing mark and commas stand apart ("i see the cat .")
and French elisions do not ("je vois l'arbre ."). `tokenize` is the chapter's only word splitter.
"""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from companion.cache import cached_arrays
from companion.seeds import numpy_generator
from companion.text.gnmt.grammar import Pair, derive
from companion.text.gnmt.phrases import Dice

SPLITS = ("train", "validation", "test", "combinations", "rare")
SIZES = {"train": 60_000, "validation": 1_000, "test": 2_000, "combinations": 1_000, "rare": 500}
MOST_TOKENS = 40
TRAINING_SENTENCES_WITH_A_RARE_WORD = 3  # for each of the rare words, at most

_CACHE_VERSION = "3"
# An elided French word; a word with its inner hyphens and apostrophes; a mark.
_TOKEN = re.compile(r"\b(?:[cdjlmnst]|(?:lors|puis|jus|quel)?qu)'(?=\w)|\w+(?:['-]\w+)*|[^\w\s]")


class PairsError(ValueError):
    """Sentence pairs, or a file of them, that cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Pairs:
    """Sentence i of ``sources`` means sentence i of ``targets``."""

    sources: list[str]
    targets: list[str]

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.targets):
            raise PairsError(
                f"{len(self.sources)} source sentences and {len(self.targets)} target sentences "
                "are no pairs: there must be as many of each"
            )

    def __len__(self) -> int:
        return len(self.sources)


def tokenize(sentence: str) -> list[str]:
    """Words and marks; an elided French word is a token of its own: "l'arbre" is "l'", "arbre"."""
    return _TOKEN.findall(sentence)


def untokenize(words: list[str]) -> str:
    """The sentence of these words and marks: an elided word touches the next, "l'arbre"."""
    return " ".join(words).replace("' ", "'")


# --- the grammar's sentences -------------------------------------------------------------------


def is_held_out(combination: tuple[str, str]) -> bool:
    """Whether no training sentence may hold this combination: one in fifty is held out."""
    return _hash(" ".join(combination)) % 50 == 0


def load_grammar(split: str) -> Pairs:
    """Sentence pairs of the grammar: one of `SPLITS`, no English sentence in two of them.

    ``test`` and ``validation`` are drawn like ``train``. In ``combinations`` each sentence holds an
    adjective with a noun, or a verb with an object, that never stand together in the other splits,
    though each stands there with others. In ``rare`` each holds a word that training shows in at
    most `TRAINING_SENTENCES_WITH_A_RARE_WORD` sentences. Built once, then cached.

    Raises ``ValueError`` naming an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
    arrays = cached_arrays("gnmt-grammar", _CACHE_VERSION, _build)
    sides = [
        arrays[f"{split}_{side}"].tobytes().decode().split("\n") for side in ("english", "french")
    ]
    return Pairs(*sides)


def _build() -> dict[str, np.ndarray]:
    arrays = {}
    for split, pairs in split_grammar(SIZES).items():
        for side in ("english", "french"):
            text = "\n".join(getattr(pair, side) for pair in pairs)
            arrays[f"{split}_{side}"] = np.frombuffer(text.encode(), dtype=np.uint8)
    return arrays


def split_grammar(sizes: dict[str, int], seed: int = 0) -> dict[str, list[Pair]]:
    """Draw distinct sentences until every split has its size."""
    dice = Dice(numpy_generator(seed, "gnmt grammar"))
    seen: set[str] = set()
    trained: dict[str, int] = {}
    splits: dict[str, list[Pair]] = {split: [] for split in sizes}
    while True:
        pair = derive(dice)
        if pair.english in seen or len(tokenize(pair.english)) > MOST_TOKENS:
            continue
        seen.add(pair.english)
        split = _split_of(pair, trained)
        if len(splits[split]) < sizes[split]:
            splits[split].append(pair)
            if split == "train":
                for word in pair.rare:
                    trained[word] = trained.get(word, 0) + 1
        if all(len(splits[split]) == size for split, size in sizes.items()):
            return splits


def _split_of(pair: Pair, trained: dict[str, int]) -> str:
    """Where a sentence belongs; ``trained`` counts the training sentences of each rare word."""
    # By the sentence itself: by the order of drawing, common sentences would go to one split.
    share = _hash(pair.english) % 1000
    if any(map(is_held_out, pair.combinations)):
        return "combinations"
    if pair.rare:
        spent = any(
            trained.get(word, 0) >= TRAINING_SENTENCES_WITH_A_RARE_WORD for word in pair.rare
        )
        return "rare" if spent or share < 500 else "train"
    return "test" if share < 40 else "validation" if share < 60 else "train"


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())


# --- pairs from files --------------------------------------------------------------------------


def read_lines(source_path: str | Path, target_path: str | Path) -> Pairs:
    """Two files of which line i of the one translates line i of the other.

    Raises ``FileNotFoundError``, or `PairsError` naming the file and line that is at fault.
    """
    return _checked(Pairs(_lines(source_path), _lines(target_path)), str(source_path))


def read_tabs(path: str | Path) -> Pairs:
    """A file of lines "source, tab, target". Raises as `read_lines` does."""
    rows = [line.split("\t") for line in _lines(path)]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2:
            raise PairsError(f"{path}, line {number}: expected 2 columns, got {len(row)}")
    return _checked(Pairs([row[0] for row in rows], [row[1] for row in rows]), str(path))


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise PairsError(f"{path} is not UTF-8 text: {error}") from error


def _checked(pairs: Pairs, name: str) -> Pairs:
    if not len(pairs):
        raise PairsError(f"{name} is empty: it holds no sentence pair")
    for number, both in enumerate(zip(pairs.sources, pairs.targets, strict=True), start=1):
        if not all(sentence.strip() for sentence in both):
            raise PairsError(f"{name}, line {number}: a sentence is empty")
    return pairs
