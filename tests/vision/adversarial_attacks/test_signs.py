"""Signs: drawn alike each time, told apart, cut out by their masks; roadsides differ."""

import pytest
import torch

from companion.seeds import generator
from companion.vision.adversarial_attacks import signs


def test_every_sign_is_there_and_none_looks_like_another():
    canvases, masks = signs.draw_signs()
    assert canvases.shape == (10, 3, 48, 48) and masks.shape == (10, 1, 48, 48)
    assert canvases.min() >= 0 and canvases.max() <= 1
    assert ((masks == 0) | (masks == 1)).float().mean() > 0.9
    shown = (canvases * masks).flatten(1)
    distances = torch.cdist(shown, shown) + 1e3 * torch.eye(10)
    assert distances.min() > 3


def test_a_sign_has_the_area_of_its_shape():
    _, masks = signs.draw_signs(96)
    share = {name: masks[signs.sign_index(name)].mean().item() for name in signs.SIGNS}
    radius = 0.98  # a regular octagon has the area 2 sqrt(2) r^2, of a canvas of area 4
    assert share["stop"] == pytest.approx(2 * 2**0.5 * radius**2 / 4, abs=0.01)
    assert share["no entry"] == pytest.approx(torch.pi * 0.96**2 / 4, abs=0.01)
    assert share["priority road"] == pytest.approx(0.5, abs=0.02)


def test_the_stop_sign_is_red_at_its_rim_and_says_so_in_white():
    canvases, _ = signs.draw_signs()
    stop = canvases[signs.sign_index("stop")]
    assert stop[0, 5, 24] > 0.6 and stop[1, 5, 24] < 0.2
    words = stop[:, 20:28, 8:40]
    white = (words.amin(dim=0) > 0.8).float().mean()
    assert 0.2 < white < 0.8


def test_pictures_keep_to_their_seed_and_show_the_sign():
    canvases, masks = signs.draw_signs()
    first = signs.take_signs(canvases, masks, generator(0, "pictures"))
    assert torch.equal(first, signs.take_signs(canvases, masks, generator(0, "pictures")))
    assert first.shape == (10, 3, 48, 48)
    other = signs.take_signs(canvases, masks, generator(1, "pictures"))
    assert (first - other).abs().mean() > 0.05
    without = signs.take_signs(canvases, torch.zeros_like(masks), generator(0, "pictures"))
    changed = (first - without).abs().amax(dim=1) > 0.02
    assert (changed[:, 21:27, 21:27].float().mean(dim=(1, 2)) > 0.8).all()


def test_half_of_the_signs_are_stuck_over_and_their_shape_stays():
    canvases, _ = signs.draw_signs()
    many = canvases.repeat(20, 1, 1, 1)
    stuck = signs.stick_over(many, generator(0, "stickers"))
    changed = (stuck != many).flatten(1).float().mean(dim=1)
    assert 0.35 < (changed > 0).float().mean() < 0.65
    assert changed.max() < 0.5
    assert stuck.min() >= 0 and stuck.max() <= 1


def test_an_unknown_sign_and_a_tiny_canvas_are_refused():
    with pytest.raises(ValueError, match=r"'halt'.*stop"):
        signs.sign_index("halt")
    with pytest.raises(ValueError, match="at least 16 pixels, got 8"):
        signs.draw_signs(8)
