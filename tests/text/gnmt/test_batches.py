"""Every pair once a round, nothing but padding beside it, and sentences that are refused."""

from itertools import islice

import pytest
import torch

from companion.seeds import generator
from companion.text.gnmt.batches import (
    MOST_PIECES,
    EncodedPairs,
    SentenceError,
    encode_pairs,
    encode_sentences,
    evaluation_batches,
    make_batch,
    split_by_pieces,
    training_batches,
)
from companion.text.gnmt.data import Pairs
from companion.text.gnmt.wordpieces import PADDING, SIGNS, WordVocabulary

WORDS = WordVocabulary([*SIGNS, "the", "cat", "le", "chat", "."])


def _pairs(count: int) -> EncodedPairs:
    draw = generator(0, "lengths")
    lengths = torch.randint(1, 20, (count, 2), generator=draw).tolist()
    # Pair i is made of the number 4 + i, so that it can be recognised.
    return EncodedPairs(
        [[4 + index] * source for index, (source, _) in enumerate(lengths)],
        [[4 + index] * target for index, (_, target) in enumerate(lengths)],
    )


def test_the_decoder_reads_the_reference_one_place_later_than_it_says_it():
    batch = make_batch(EncodedPairs([[5, 6], [5]], [[7, 8, 9], [5]]), [0, 1])
    assert batch.sources.tolist() == [[5, 6, 2], [5, 2, 0]]
    assert batch.source_lengths.tolist() == [3, 2]
    assert batch.targets_in.tolist() == [[1, 7, 8, 9], [1, 5, 0, 0]]
    assert batch.targets_out.tolist() == [[7, 8, 9, 2], [5, 2, 0, 0]]


def test_a_round_holds_every_pair_once_in_an_order_of_its_own():
    pairs = _pairs(300)
    batches = training_batches(pairs, 200, generator(0, "batches"))
    rounds = []
    for _ in range(2):
        seen: list[int] = []
        while len(seen) < len(pairs):
            seen += next(batches).sources[:, 0].tolist()
        assert sorted(seen) == [4 + index for index in range(len(pairs))]
        rounds.append(seen)
    assert rounds[0] != rounds[1]


def test_source_and_target_of_a_row_belong_together():
    for batch in islice(training_batches(_pairs(50), 100, generator(0, "batches")), 20):
        assert torch.equal(batch.sources[:, 0], batch.targets_out[:, 0])


def test_batches_keep_to_their_pieces_and_hold_little_padding():
    cells = padding = 0
    for batch in islice(training_batches(_pairs(2000), 1000, generator(0, "batches")), 100):
        size = batch.sources.numel() + batch.targets_in.numel()
        assert size <= 1000
        cells += batch.sources.numel()
        padding += (batch.sources == PADDING).sum().item()
    assert padding / cells < 0.05


def test_a_pair_larger_than_a_batch_is_a_batch():
    pairs = EncodedPairs([[4] * 30, [5]], [[4] * 30, [5]])
    assert split_by_pieces(pairs, [0, 1], 20) == [[0], [1]]


def test_the_same_generator_the_same_batches():
    first, again, other = (
        next(training_batches(_pairs(50), 100, generator(seed, "batches"))).sources
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_evaluation_meets_every_pair_once():
    pairs = _pairs(57)
    seen = [row for batch in evaluation_batches(pairs, 90) for row in batch.sources[:, 0].tolist()]
    assert sorted(seen) == [4 + index for index in range(57)]


def test_sentences_that_are_refused():
    with pytest.raises(SentenceError, match="sentence 1 is empty: '  '"):
        encode_sentences(["the cat", "  "], WORDS)
    with pytest.raises(SentenceError, match=f"{MOST_PIECES} pieces, at most {MOST_PIECES - 1}"):
        encode_pairs(Pairs(["the cat"], ["le " * MOST_PIECES]), WORDS)
    assert len(encode_sentences(["the " * (MOST_PIECES - 1)], WORDS)[0]) == MOST_PIECES - 1
