"""The glyphs: no partner in training, nothing twice, on one line, centred by their own ink."""

import pytest
import torch

from companion.vision.cyclegan import glyphs

SPLITS = ("train", "validation", "test")


def _rows(pictures: torch.Tensor) -> set[bytes]:
    return {picture.numpy().tobytes() for picture in pictures}


def test_no_character_and_no_drawing_is_in_two_splits_or_twice():
    parts = [glyphs.load_glyphs(split) for split in SPLITS]
    assert [len(part) for part in parts[1:]] == [200, 300] and len(parts[0]) > 1000
    count = sum(map(len, parts))
    assert len({character for part in parts for character in part.characters}) == count
    for side in ("a", "b"):
        assert len(set.union(*(_rows(getattr(part, side)) for part in parts))) == count


def test_no_glyph_has_its_partner_in_the_other_training_set():
    pairs, unpaired = glyphs.load_glyphs("train"), glyphs.unpaired_glyphs()
    assert abs(len(unpaired.a) - len(unpaired.b)) <= 1
    shown_a, shown_b = _rows(unpaired.a), _rows(unpaired.b)
    both = [
        character
        for character, a, b in zip(pairs.characters, pairs.a, pairs.b, strict=True)
        if a.numpy().tobytes() in shown_a and b.numpy().tobytes() in shown_b
    ]
    assert not both


def test_partners_are_the_same_letter_in_another_hand():
    pairs = glyphs.load_glyphs("test")
    assert not (pairs.a == pairs.b).flatten(1).all(dim=1).any()
    own = (pairs.a - pairs.b).abs().mean()
    strangers = (pairs.a - pairs.b.roll(1, dims=0)).abs().mean()
    assert own < 0.7 * strangers


def test_each_is_black_on_white_and_in_the_middle_by_its_own_ink():
    pairs = glyphs.load_glyphs("validation")
    for pictures in (pairs.a, pairs.b):
        assert pictures.shape[1:] == (1, 32, 32) and pictures.dtype == torch.float32
        assert pictures.min() == -1 and pictures.max() == 1
        inked = (pictures < 1).any(dim=2)[:, 0].int()  # (n, width)
        left, right = inked.argmax(dim=1), inked.flip(1).argmax(dim=1)
        assert (left - right).abs().max() <= 1


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="'valid' is not one of train, validation, test"):
        glyphs.load_glyphs("valid")
