"""Photographs to colour: real, in range, split by photograph."""

import pytest
import torch

from companion.vision.pix2pix import photographs


def test_patches_are_the_photograph_and_their_grey_is_its_brightness():
    patches = photographs.load_patches(("cat", "coffee"))
    assert patches.colour.shape == (len(patches), 3, 64, 64)
    assert patches.grey.shape == (len(patches), 1, 64, 64)
    assert patches.colour.min() == -1 and 0.9 < patches.colour.max() <= 1
    red, green, blue = patches.colour.unbind(dim=1)
    torch.testing.assert_close(patches.grey[:, 0], 0.299 * red + 0.587 * green + 0.114 * blue)
    # The cat is 451 by 300 pixels: 13 by 8 patches, and 6 by 3 of half its size.
    assert patches.photographs.bincount().tolist() == [13 * 8 + 6 * 3, 17 * 11 + 8 * 5]
    # Neighbours overlap by half.
    assert torch.equal(patches.colour[0, :, :, 32:], patches.colour[1, :, :, :32])
    assert torch.equal(patches.colour[0, :, 32:], patches.colour[13, :, :32])


def test_no_photograph_is_in_two_splits_and_all_are_used():
    names = [name for split in photographs.SPLITS.values() for name in split]
    assert sorted(names) == sorted(photographs.PHOTOGRAPHS)


def test_a_photograph_is_in_colour():
    for name in photographs.PHOTOGRAPHS:
        colour = photographs.load_patches((name,)).colour
        assert (colour - photographs.to_grey(colour)).abs().mean() > 0.03, name


@pytest.mark.parametrize("names", [("cat", "dog"), ()])
def test_an_unknown_photograph_is_refused(names):
    with pytest.raises(ValueError, match="choose from astronaut, coffee"):
        photographs.load_patches(names)
