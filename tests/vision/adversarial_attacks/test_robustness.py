"""What is counted as an error, and restarts."""

import math

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.vision.adversarial_attacks import attacks, data, model, robustness

OPTIONS = {"steps": 3, "step_size": 0.1}


def _threshold_network(at):
    """Class 1 where the only pixel is above ``at``."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 2)).eval()
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[0.0], [10.0]]))
        network[1].bias.copy_(torch.tensor([10.0 * at, 0.0]))
    return network


def _pixels(values):
    images = torch.tensor(values).reshape(-1, 1, 1, 1)
    return data.Digits(images, torch.zeros(len(values), dtype=torch.int64))


def test_what_was_wrong_before_the_attack_counts():
    digits = _pixels([0.1, 0.4, 0.45, 0.9])
    network = _threshold_network(0.5)
    assert model.error(network, digits.images, digits.labels) == 25
    under = robustness.error_under(network, digits, lambda *batch: attacks.fgsm(*batch, 0.2))
    assert under == 75
    noise = generator(0)
    errors = robustness.errors_by_restarts(
        network, digits, 0.2, restarts=2, generator=noise, **OPTIONS
    )
    assert errors == [75, 75]


def test_errors_by_restarts_count_every_image_that_any_restart_fools():
    """Steps of size 0 leave the random start, which here is on the wrong side one time in four."""
    digits = _pixels([0.45] * 2000)
    network = _threshold_network(0.5)
    options = {"epsilon": 0.1, "steps": 1, "step_size": 0.0}
    errors = robustness.errors_by_restarts(
        network, digits, restarts=5, generator=generator(0), **options
    )
    assert errors == pytest.approx([100 * (1 - 0.75**count) for count in range(1, 6)], abs=3)
    kept = attacks.pgd(
        network, digits.images, digits.labels, restarts=5, generator=generator(1), **options
    )
    found = model.error(network, kept, digits.labels)
    assert found == pytest.approx(100 * (1 - 0.75**5), abs=3)


def test_restarts_go_on_when_nothing_is_left_standing():
    digits = _pixels([0.45, 0.49])
    errors = robustness.errors_by_restarts(
        _threshold_network(0.5), digits, 0.3, restarts=3, generator=generator(0), **OPTIONS
    )
    assert errors == [100, 100, 100]


def test_confidence_is_the_mean_over_errors_alone():
    network = _threshold_network(0.5)
    digits = _pixels([0.1, 0.6, 0.9])
    expected = [1 / (1 + math.exp(-10 * (value - 0.5))) for value in (0.6, 0.9)]
    assert robustness.confidence_on_errors(network, digits) == pytest.approx(50 * sum(expected))
    assert math.isnan(robustness.confidence_on_errors(network, _pixels([0.1])))


def test_batches_leave_no_digit_out(monkeypatch):
    monkeypatch.setattr(robustness, "BATCH_SIZE", 7)
    digits = data.load_digits("validation")[:20]
    attacked = robustness.attack_digits(None, digits, lambda model, images, labels: 1 - images)
    assert torch.equal(attacked.images, 1 - digits.images)
    assert torch.equal(attacked.labels, digits.labels)
