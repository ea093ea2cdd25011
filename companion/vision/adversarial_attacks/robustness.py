"""Chapter 3.11, how robust a network is: its errors under attack, counted over all images.

An image that is wrong before any attack counts as an error, since an attacker has nothing left to
do there; the clean error stands beside every number.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from companion.vision.adversarial_attacks.attacks import pgd
from companion.vision.adversarial_attacks.data import Digits
from companion.vision.adversarial_attacks.model import error, predict

BATCH_SIZE = 250

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]  # model, images, labels -> images


def attack_digits(model: nn.Module, digits: Digits, attack: Attack) -> Digits:
    """The digits as ``attack`` leaves them, in batches."""
    images, labels = digits.images.split(BATCH_SIZE), digits.labels.split(BATCH_SIZE)
    parts = [attack(model, *batch) for batch in zip(images, labels, strict=True)]
    return Digits(torch.cat(parts), digits.labels)


def is_wrong(model: nn.Module, digits: Digits) -> Tensor:
    """For each digit, whether the network gives another label."""
    return predict(model, digits.images).argmax(dim=1) != digits.labels


def error_under(model: nn.Module, digits: Digits, attack: Attack) -> float:
    """`model.error` of the digits that ``attack`` makes."""
    attacked = attack_digits(model, digits, attack)
    return error(model, attacked.images, attacked.labels)


def confidence_on_errors(model: nn.Module, digits: Digits) -> float:
    """Mean probability, in percent, that the network gives its answer where it is wrong.

    NaN where it is never wrong.
    """
    probabilities = predict(model, digits.images)
    confidence, answers = probabilities.max(dim=1)
    return 100 * confidence[answers != digits.labels].mean().item()


def errors_by_restarts(
    model: nn.Module,
    digits: Digits,
    epsilon: float,
    *,
    restarts: int,
    steps: int,
    step_size: float,
    generator: torch.Generator,
) -> list[float]:
    """Error in percent under PGD after 1, 2, ... restarts.

    An image counts from the first restart that fools the network. Those fooled are not attacked
    again, which changes no count and saves most of the work on a network that is easily fooled.
    """
    standing = torch.arange(len(digits))
    errors = []
    for _ in range(restarts):
        if len(standing):
            left = digits[standing]
            attacked = attack_digits(
                model,
                left,
                lambda *batch: pgd(
                    *batch, epsilon, steps=steps, step_size=step_size, generator=generator
                ),
            )
            standing = standing[~is_wrong(model, attacked)]
        errors.append(100 * (1 - len(standing) / len(digits)))
    return errors
