"""Chapter 1.1, the shipped model, and its two halves as ONNX graphs for the page.

``python -m companion.text.gnmt.live train`` trains the shipped model at the ``laptop`` size.
``python -m companion.text.gnmt.live export FOLDER`` writes ``read.onnx``, ``write.onnx`` and
``model.json`` from it.
"""

import json
import sys
from collections import Counter, defaultdict
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.checkpoint import atomic_path
from companion.live import export, round_weights
from companion.text.gnmt.batches import MOST_PIECES, encode_pairs
from companion.text.gnmt.beam import SMALLEST_COVERAGE, Search
from companion.text.gnmt.data import Pairs, load_grammar, tokenize
from companion.text.gnmt.model import Memory, State, Translator
from companion.text.gnmt.train import SETTINGS, Settings, train
from companion.text.gnmt.translate import bleu, load_translator, save_translator, translate
from companion.text.gnmt.wordpieces import (
    BEGIN,
    END,
    PADDING,
    UNKNOWN,
    WORD_START,
    Wordpieces,
    learn_wordpieces,
)

WEIGHTS = Path(__file__).with_name("weights.safetensors")
READ_OUTPUTS = ["encodings", "keys"]
WRITE_OUTPUTS = ["log_probabilities", "attention", "h_next", "c_next"]
SCORED_EVERY = 5  # test sentences; all of them would take a minute to translate
FOLLOWERS = 14  # words that the page offers after a word, at most
# None is a training sentence; the last has words that training does not hold.
EXAMPLES = (
    "these small queens that you saw will try to answer her .",
    "she didn't give the white umbrella to the old doctor .",
    "what did our bakers eat in the garden ?",
    "if he wants to see her , she will throw the shoes .",
    "nobody was looking at the prettiest horse in the village .",
    "the wizard sold a purple robot to his sister .",
)


class Reader(nn.Module):
    """The encoder for the page: a padded source in, all that the decoder needs of it out.

    Raises ``ValueError`` for a network without attention, which the page could not draw.
    """

    def __init__(self, model: Translator):
        super().__init__()
        if not model.architecture.attention:
            raise ValueError(
                "the page shows where the network looks: expected a network with attention"
            )
        self.model = model

    def forward(
        self, sources: Float[Tensor, "batch longest"], length: Float[Tensor, "batch 1"]
    ) -> tuple[Float[Tensor, "batch longest hidden"], Float[Tensor, "batch longest attention"]]:
        """Encodings and keys; those of padding are meaningless.

        Whole numbers as floats, since the page hands over nothing else.
        """
        memory = self.model.encode(sources.long(), length[:, 0].long())
        return memory.encodings, memory.keys


class Writer(nn.Module):
    """One step of the decoder for the page: a row for each hypothesis of the beam."""

    def __init__(self, model: Translator):
        super().__init__()
        self.model = model

    def forward(
        self,
        piece: Float[Tensor, "batch 1"],
        h: Float[Tensor, "batch layers hidden"],
        c: Float[Tensor, "batch layers hidden"],
        encodings: Float[Tensor, "batch longest hidden"],
        keys: Float[Tensor, "batch longest attention"],
        length: Float[Tensor, "batch 1"],
    ) -> tuple[
        Float[Tensor, "batch vocabulary"],
        Float[Tensor, "batch longest"],
        Float[Tensor, "batch layers hidden"],
        Float[Tensor, "batch layers hidden"],
    ]:
        """Log probabilities of the next piece, attention weights (0 at padding), the next state."""
        mask = torch.arange(encodings.shape[1]) < length
        log_probabilities, weights, state = self.model.step(
            piece[:, 0].long(), Memory(encodings, keys, mask), State(h, c)
        )
        return log_probabilities, weights, state.h, state.c


# --- the shipped model -------------------------------------------------------------------------


def shipped_settings() -> Settings:
    """How the shipped model is trained."""
    return SETTINGS["laptop"]


def train_shipped(checkpoint: Path | None = None) -> None:
    """Train the shipped model from seed 0, round it to half precision and write `WEIGHTS`.

    Its BLEU on held-out sentences, measured after rounding, is recorded beside it.
    """
    settings, pairs = shipped_settings(), load_grammar("train")
    size = settings.architecture.vocabulary_size
    vocabulary = learn_wordpieces([*pairs.sources, *pairs.targets], size)
    model, _ = train(encode_pairs(pairs, vocabulary), settings, 0, checkpoint, label="gnmt")
    save_shipped(model, vocabulary, WEIGHTS)


def save_shipped(model: Translator, vocabulary: Wordpieces, path: Path) -> None:
    """Round ``model`` in place and write it to ``path`` with its "test BLEU"."""
    round_weights(model)
    recorded = {"test BLEU": f"{held_out_bleu(model, vocabulary):.2f}"}
    save_translator(path, deepcopy(model).half(), vocabulary, recorded)


def held_out() -> Pairs:
    """The test pairs that the shipped model is scored on."""
    pairs = load_grammar("test")
    return Pairs(pairs.sources[::SCORED_EVERY], pairs.targets[::SCORED_EVERY])


def held_out_bleu(model: Translator, vocabulary: Wordpieces) -> float:
    """BLEU on `held_out`, 0 to 100, with the page's first beam."""
    pairs = held_out()
    return bleu(translate(model.eval(), vocabulary, pairs.sources), pairs.targets)


def load_shipped(path: Path = WEIGHTS) -> tuple[Translator, Wordpieces]:
    """The shipped model, in evaluation mode, and its pieces.

    Raises ``CheckpointError`` for a file that is missing or damaged.
    """
    model, vocabulary, _ = load_translator(path)
    return model.eval(), vocabulary


# --- the page ----------------------------------------------------------------------------------


def export_all(folder: Path, weights: Path = WEIGHTS) -> None:
    """Write both graphs and ``model.json`` into ``folder``."""
    model, vocabulary = load_shipped(weights)
    export_reader(model, folder / "read.onnx")
    export_writer(model, folder / "write.onnx")
    with atomic_path(folder / "model.json") as temporary:
        temporary.write_text(
            json.dumps(describe(model, vocabulary), ensure_ascii=False, separators=(",", ":")),
            encoding="utf-8",
        )


def export_reader(model: Translator, path: Path) -> None:
    """Write the encoder of ``model`` as a graph."""
    inputs = {"sources": torch.full((2, MOST_PIECES), float(PADDING)), "length": torch.ones(2, 1)}
    export(Reader(model), inputs, READ_OUTPUTS, path)


def export_writer(model: Translator, path: Path) -> None:
    """Write the decoder's step of ``model`` as a graph."""
    architecture = model.architecture
    state = torch.zeros(2, architecture.num_layers, architecture.hidden_size)
    inputs = {
        "piece": torch.zeros(2, 1),
        "h": state,
        "c": state.clone(),
        "encodings": torch.zeros(2, MOST_PIECES, architecture.hidden_size),
        "keys": torch.zeros(2, MOST_PIECES, architecture.attention_size),
        "length": torch.ones(2, 1),
    }
    export(Writer(model), inputs, WRITE_OUTPUTS, path)


def describe(model: Translator, vocabulary: Wordpieces) -> dict:
    """What the page needs to know: the network's shape, its pieces, the search, words to offer.

    ``words`` are those of the English training sentences, the most frequent first; ``followers``
    gives for each of them the words, by index, that most often stand after it, and those that most
    often begin a sentence under "".
    """
    architecture, search = model.architecture, Search()
    words, followers = describe_words(load_grammar("train").sources)
    return {
        "layers": architecture.num_layers,
        "hidden": architecture.hidden_size,
        "attention": architecture.attention_size,
        "most_pieces": MOST_PIECES,
        "pieces": list(vocabulary.pieces),
        "word_start": WORD_START,
        "signs": {"padding": PADDING, "begin": BEGIN, "end": END, "unknown": UNKNOWN},
        "search": {
            "width": search.width,
            "alpha": search.alpha,
            "beta": search.beta,
            "longest_factor": search.longest_factor,
            "longest_extra": int(search.longest(torch.tensor(0))),
            "smallest_coverage": SMALLEST_COVERAGE,
        },
        "words": words,
        "followers": followers,
        "examples": list(EXAMPLES),
    }


def describe_words(sentences: list[str]) -> tuple[list[str], dict[str, list[int]]]:
    """``words`` and ``followers`` of `describe`."""
    counts: Counter[str] = Counter()
    pairs: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        words = tokenize(sentence)
        counts.update(words)
        for word, follower in pairwise(["", *words]):
            pairs[word][follower] += 1
    ordered = _most_frequent(counts)
    index = {word: number for number, word in enumerate(ordered)}
    followers = {
        word: [index[follower] for follower in _most_frequent(pairs[word])[:FOLLOWERS]]
        for word in ["", *ordered]
        if word in pairs
    }
    return ordered, followers


def _most_frequent(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))


def main(arguments: list[str]) -> int:
    """The two commands of this module."""
    match arguments:
        case ["train"]:
            train_shipped(Path("gnmt.checkpoint.safetensors"))
        case ["export", folder]:
            export_all(Path(folder))
        case _:
            print("usage: ... live train | export FOLDER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
