"""Chapter 1.1, batches: encoded sentence pairs, grouped so that little of a batch is padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor

from companion.text.gnmt.data import Pairs
from companion.text.gnmt.wordpieces import BEGIN, END, PADDING, Vocabulary

MOST_PIECES = 100  # of one sentence, the end sign among them
BATCHES_PER_CHUNK = 32


class SentenceError(ValueError):
    """A sentence that cannot be translated; the message names it and says why."""


@dataclass(frozen=True)
class Batch:
    """Sentence pairs side by side. Sources end with the end sign, as in ``targets_out``.

    The decoder reads ``targets_in`` and is to say ``targets_out``; row i of both holds one
    reference, moved by one place. Whatever follows a sentence is `PADDING`.
    """

    sources: Int64[Tensor, "batch source"]
    source_lengths: Int64[Tensor, " batch"]
    targets_in: Int64[Tensor, "batch target"]
    targets_out: Int64[Tensor, "batch target"]

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in vars(self).items()})


@dataclass(frozen=True)
class EncodedPairs:
    """Sentence pairs as lists of numbers, without begin and end."""

    sources: list[list[int]]
    targets: list[list[int]]

    def __len__(self) -> int:
        return len(self.sources)


def encode_pairs(pairs: Pairs, vocabulary: Vocabulary) -> EncodedPairs:
    """Both sides in numbers. Raises `SentenceError` naming a sentence that is empty or too long."""
    return EncodedPairs(
        encode_sentences(pairs.sources, vocabulary), encode_sentences(pairs.targets, vocabulary)
    )


def encode_sentences(sentences: Sequence[str], vocabulary: Vocabulary) -> list[list[int]]:
    """Sentences in numbers. Raises `SentenceError` naming one that is empty or too long."""
    encoded = [vocabulary.encode(sentence) for sentence in sentences]
    for number, numbers in enumerate(encoded):
        if not numbers:
            raise SentenceError(f"sentence {number} is empty: {sentences[number]!r}")
        if len(numbers) + 1 > MOST_PIECES:
            raise SentenceError(
                f"sentence {number} has {len(numbers)} pieces, at most {MOST_PIECES - 1} can be "
                f"translated: {sentences[number][:60]!r}... Split it into shorter sentences"
            )
    return encoded


def pad(rows: Sequence[Sequence[int]]) -> Int64[Tensor, "batch length"]:
    """Rows of different lengths as one tensor, `PADDING` after each."""
    padded = torch.full((len(rows), max(map(len, rows))), PADDING)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = torch.tensor(row)
    return padded


def make_sources(
    sentences: Sequence[Sequence[int]],
) -> tuple[Int64[Tensor, "batch source"], Int64[Tensor, " batch"]]:
    """What the encoder reads: each sentence with its end sign, and its length with it."""
    rows = [[*sentence, END] for sentence in sentences]
    return pad(rows), torch.tensor([len(row) for row in rows])


def make_batch(pairs: EncodedPairs, indices: Sequence[int]) -> Batch:
    """The pairs with these indices, in their order."""
    sources, source_lengths = make_sources([pairs.sources[index] for index in indices])
    targets = [pairs.targets[index] for index in indices]
    return Batch(
        sources,
        source_lengths,
        pad([[BEGIN, *target] for target in targets]),
        pad([[*target, END] for target in targets]),
    )


def by_length(pairs: EncodedPairs, indices: Sequence[int]) -> list[int]:
    """Indices with the shortest source first, of equal sources the one with the shortest target."""
    return sorted(indices, key=lambda i: (len(pairs.sources[i]), len(pairs.targets[i])))


def split_by_pieces(
    pairs: EncodedPairs, indices: Sequence[int], most_pieces: int
) -> list[list[int]]:
    """Neighbours in batches of at most ``most_pieces``, padding included, at least one pair each.

    The pieces of a batch are its sentences times its longest source and longest target together.
    """
    batches: list[list[int]] = []
    source = target = 0
    for index in indices:
        source = max(source, len(pairs.sources[index]) + 1)
        target = max(target, len(pairs.targets[index]) + 1)
        if not batches or (len(batches[-1]) + 1) * (source + target) > most_pieces:
            batches.append([])
            source, target = len(pairs.sources[index]) + 1, len(pairs.targets[index]) + 1
        batches[-1].append(index)
    return batches


def training_batches(
    pairs: EncodedPairs, most_pieces: int, generator: torch.Generator
) -> Iterator[Batch]:
    """Batches without end: every pair once a round, in a new order.

    Pairs are shuffled, sorted by length within chunks of some thirty batches, cut into batches
    of about as many pieces, and the batches of a chunk are shuffled again. Sorting all pairs
    at once would put the same sentences together in every round.
    """
    mean = sum(map(len, pairs.sources + pairs.targets)) / len(pairs) + 2
    chunk = max(1, round(BATCHES_PER_CHUNK * most_pieces / mean))
    while True:
        order = torch.randperm(len(pairs), generator=generator).tolist()
        for start in range(0, len(pairs), chunk):
            some = by_length(pairs, order[start : start + chunk])
            batches = split_by_pieces(pairs, some, most_pieces)
            for position in torch.randperm(len(batches), generator=generator).tolist():
                yield make_batch(pairs, batches[position])


def evaluation_batches(pairs: EncodedPairs, most_pieces: int = 4000) -> Iterator[Batch]:
    """Every pair once, the shortest first."""
    for indices in split_by_pieces(pairs, by_length(pairs, range(len(pairs))), most_pieces):
        yield make_batch(pairs, indices)
