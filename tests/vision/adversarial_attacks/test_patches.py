"""Patches: penalties against closed forms, the mask kept, the attack's direction, bad input."""

import math

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.vision.adversarial_attacks import patches
from companion.vision.adversarial_attacks.photography import PRINTABLE


class Mean(nn.Module):
    """Logits of three classes: ten times the mean red, green and blue."""

    def forward(self, images):
        return 10 * images.mean(dim=(2, 3))


def network():
    return Mean().eval()


MASK = torch.zeros(1, 6, 6)
MASK[:, 2:5, 1:5] = 1


def attack(label=0, target=None, mask=MASK, **settings):
    settings = patches.Settings(**{"steps": 30, "lambda_tv": 0, "lambda_nps": 0} | settings)
    start = torch.full((3, 6, 6), 0.5)
    return patches.optimise_patch(
        network(), lambda patch: patch[None], start, mask, label, target, settings
    )


def test_total_variation_of_a_step_a_ramp_and_a_flat_patch():
    whole = torch.ones(1, 4, 4)
    step = torch.zeros(3, 4, 4)
    step[:, :, 2:] = 0.5
    # Four pixels before the step differ by 0.5 in each of three channels.
    expected = 4 * math.sqrt(3 * 0.25) / 16
    assert patches.total_variation(step, whole).item() == pytest.approx(expected)
    ramp = (torch.arange(4.0)[:, None] + torch.arange(4.0))[None] / 10
    # 9 pixels differ both ways, 3 only down, 3 only right, the last in neither.
    expected = (9 * math.sqrt(0.02) + 6 * 0.1) / 16
    assert patches.total_variation(ramp, whole).item() == pytest.approx(expected, rel=1e-5)
    flat = torch.full((3, 4, 4), 0.3, requires_grad=True)
    variation = patches.total_variation(flat, whole)
    (gradient,) = torch.autograd.grad(variation, flat)
    assert variation == 0 and torch.isfinite(gradient).all()


def test_total_variation_ignores_what_lies_outside_the_mask():
    patch = torch.full((3, 6, 6), 0.5)
    noisy = torch.where(MASK > 0.5, patch, torch.rand(3, 6, 6, generator=generator(0)))
    assert patches.total_variation(noisy, MASK) == 0


def test_non_printability_is_the_product_of_distances_and_zero_for_what_can_be_printed():
    palette = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    whole = torch.ones(1, 1, 2)
    grey = torch.tensor([[[0.5, 0.0]], [[0.5, 0.0]], [[0.5, 0.0]]])
    # The first pixel is sqrt(3)/2 from both colours, the second is one of them.
    assert patches.non_printability(grey, whole, palette).item() == pytest.approx(0.375, abs=1e-5)
    printable = PRINTABLE.T.reshape(3, 3, 3)
    assert patches.non_printability(printable, torch.ones(1, 3, 3)).item() < 1e-4


def test_the_middle_of_eight_colours_is_a_false_minimum_which_a_printable_grey_makes_true():
    """Why `PRINTABLE` has a grey: the score draws pixels there, whether ink can print it or not."""
    eight, whole = PRINTABLE[:8], torch.ones(1, 1, 1)

    def score(offset, palette):
        pixel = 0.5 + 0.1 * torch.tensor(offset).view(3, 1, 1)
        return patches.non_printability(pixel, whole, palette).item()

    around = [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.5, 0.5, 0.5), (0.7, -0.7, 0.0)]
    middle = score((0.0, 0.0, 0.0), eight)
    assert all(score(offset, eight) > middle for offset in around)
    assert middle > 0.01
    assert score((0.0, 0.0, 0.0), PRINTABLE) < 1e-5


def test_dodging_and_impersonation_go_where_they_should_and_stay_in_the_mask():
    patch, losses = attack(label=0)
    inside = MASK[0] > 0
    assert (patch[0, inside] < 0.2).all() and (patch[1:, inside] > 0.8).all()
    assert losses[-1] < losses[0]
    assert torch.equal(patch[:, ~inside], torch.full((3, 24), 0.5))
    assert patch.min() >= PRINTABLE.min() and patch.max() <= PRINTABLE.max()
    targeted, _ = attack(label=0, target=2)
    assert (targeted[2, inside] > 0.8).all() and (targeted[:2, inside] < 0.2).all()


def test_the_first_loss_is_minus_the_log_probability_of_what_is_wanted():
    _, losses = attack(label=1)
    assert losses[0] == pytest.approx(-math.log(2 / 3), abs=1e-5)
    _, losses = attack(label=1, target=0)
    assert losses[0] == pytest.approx(math.log(3), abs=1e-5)


def test_penalties_make_the_patch_smooth_and_printable():
    pixels = torch.rand(3, 6, 6, generator=generator(0, "start"))
    start = torch.where(MASK > 0.5, pixels, 0.5)

    def result(**weights):
        settings = patches.Settings(steps=60, **({"lambda_tv": 0, "lambda_nps": 0} | weights))
        render = lambda patch: 0 * patch[None]  # noqa: E731  the network gives no gradient
        return patches.optimise_patch(network(), render, start, MASK, 0, None, settings)[0]

    torch.testing.assert_close(result(), torch.where(MASK > 0.5, pixels.clamp(0.1, 0.9), 0.5))
    smooth, printable = result(lambda_tv=5), result(lambda_nps=50)
    assert patches.total_variation(smooth, MASK) < 0.3 * patches.total_variation(start, MASK)
    assert patches.non_printability(printable, MASK) < 0.1 * patches.non_printability(start, MASK)


def test_masks_lie_on_their_things():
    outline = torch.zeros(1, 48, 48)
    outline[:, 8:40, 8:40] = 1
    stickers = patches.sticker_mask(outline)
    assert 0.05 < stickers.mean() < 0.25
    assert (stickers <= outline).all()
    assert stickers[:, 22:26].sum() == 0  # the middle of the sign stays free
    frames = patches.glasses_mask(24, 64)
    assert torch.equal(frames, frames.flip(2))
    assert frames[0, 12, 16] == 0 and frames[0, 12, 48] == 0  # the eyes look through
    assert frames[0, 10, 32] == 1  # the bridge


def test_fillings_without_an_attack_stay_in_the_mask():
    start = torch.full((3, 6, 6), 0.3)
    random = patches.random_patch(start, MASK, generator(0, "colours"))
    assert torch.equal(random[:, MASK[0] == 0], start[:, MASK[0] == 0])
    distances = torch.cdist(random[:, MASK[0] > 0].T, PRINTABLE)
    assert distances.amin(dim=1).max() == 0
    plain = patches.plain_patch(start, MASK, 0.9)
    assert torch.equal(plain, torch.where(MASK > 0.5, 0.9, start))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask": torch.zeros(1, 6, 6)}, "mask is empty"),
        ({"mask": torch.ones(1, 5, 6)}, r"mask must be \(1, height, width\)"),
        ({"label": 3}, "label is 3; the network knows the classes 0 to 2"),
        ({"target": -1}, "target is -1"),
        ({"target": 0}, "target 0 is the true label"),
        ({"lambda_tv": -1}, "lambda_tv is -1"),
        ({"lambda_nps": -0.5}, "lambda_nps is -0.5"),
        ({"steps": 0}, "steps is 0"),
    ],
)
def test_what_cannot_be_attacked_is_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        attack(**arguments)


def test_a_network_in_training_mode_and_foreign_colours_are_refused():
    start = torch.full((3, 6, 6), 0.5)
    with pytest.raises(ValueError, match="training mode"):
        patches.optimise_patch(Mean().train(), lambda patch: patch[None], start, MASK, 0)
    with pytest.raises(ValueError, match=r"patch must lie in \[0, 1\]"):
        patches.optimise_patch(network(), lambda patch: patch[None], start - 1, MASK, 0)
