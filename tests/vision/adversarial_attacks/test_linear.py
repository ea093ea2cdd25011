"""The linear worst case against attacks and brute force, and what more pixels do not change."""

import itertools

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.vision.adversarial_attacks import attacks, data, linear

WEIGHTS = torch.tensor([1.5, -0.5, 0.25])
BIAS = torch.tensor(0.3)


def _corners(images, epsilon):
    """Every image with each pixel moved by plus or minus epsilon: (corners, n, pixels)."""
    moves = torch.tensor(list(itertools.product((-epsilon, epsilon), repeat=images.shape[1])))
    return images + moves[:, None]


def test_the_worst_case_loss_equals_the_worst_of_all_corners():
    """With y before the bracket, as printed in the paper, this fails for y = -1."""
    images = torch.rand(8, 3, generator=generator(0))
    signs = torch.tensor([1, -1] * 4)
    margins = signs * (_corners(images, 0.2) @ WEIGHTS + BIAS)
    worst = nn.functional.softplus(-margins).max(dim=0).values
    found = linear.worst_case_loss(WEIGHTS, BIAS, images, signs, 0.2)
    torch.testing.assert_close(found, worst)


def test_with_pixels_in_range_the_change_is_what_fgsm_reaches():
    images = torch.rand(50, 1, 1, 3, generator=generator(0)).round(decimals=1)
    signs = torch.where(torch.arange(50) % 2 == 0, 1, -1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 2)).eval()
    with torch.no_grad():
        network[1].weight.copy_(torch.stack([torch.zeros(3), WEIGHTS]))
    attacked = attacks.fgsm(network, images, (signs + 1) // 2, 0.2)
    reached = signs * ((images - attacked).flatten(1) @ WEIGHTS)
    bound = linear.logit_change_in_range(WEIGHTS, images.flatten(1), signs, 0.2)
    torch.testing.assert_close(bound, reached)
    assert (bound <= linear.logit_change(WEIGHTS, 0.2) + 1e-6).all()
    assert linear.logit_change(WEIGHTS, 0.2) == pytest.approx(0.2 * 2.25)


def test_two_digits_have_signs():
    images, signs = linear.two_digits(data.load_digits("test"))
    assert images.shape == (200, 1, 28, 28)
    assert (signs.sum(), signs.abs().sum()) == (0, 200)


def test_resampling_keeps_the_picture():
    images = data.load_digits("validation").images[:5]
    assert linear.resample(images, 7)[0, 0, 3, 2] == images[0, 0, 12:16, 8:12].mean()
    finer = linear.resample(images, 56)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(finer, 2), images)
    assert torch.equal(finer[..., ::2, ::2], finer[..., 1::2, 1::2])
    assert torch.equal(linear.resample(images, 28), images)
    with pytest.raises(ValueError, match="divide 28"):
        linear.resample(images, 20)


def test_training_lowers_the_loss_from_either_start():
    images, signs = linear.two_digits(data.load_digits("train"))
    for random_start in (False, True):
        weights, bias = linear.train_logistic(images.flatten(1), signs, 0, random_start, steps=200)
        margins = signs * (images.flatten(1) @ weights + bias)
        assert (margins > 0).double().mean() > 0.95


def test_repeated_pixels_change_nothing_but_the_number_of_weights():
    """The same logits and the same damage: a rate that is not lowered with pixels would differ."""
    train, test = data.load_digits("train"), data.load_digits("validation")
    coarse, fine = (linear.measure_side(side, 0, False, train, test, 0.1) for side in (28, 56))
    for name in ("change", "margin", "attacked"):
        assert fine[name] == pytest.approx(coarse[name], rel=1e-3)
    assert fine["weight"] == pytest.approx(coarse["weight"] / 4, rel=1e-3)
    random = linear.measure_side(56, 0, True, train, test, 0.1)
    assert random["change"] > fine["change"] + 1
