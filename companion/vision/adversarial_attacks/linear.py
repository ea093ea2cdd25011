"""Chapter 3.11, the linear explanation: a small change of every pixel adds up.

A linear model's logit is w x + b. Moved by epsilon each, the pixels change it by at most
epsilon ||w||_1, which grows with their number as long as the weights do not shrink (Goodfellow et
al. 2014, section 3). For two classes this gives the exact worst case (section 5), which no attack
on any other network has. Labels are y = -1 or +1 here.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.seeds import generator
from companion.vision.adversarial_attacks.data import SIDE, Digits

Weights = Float[Tensor, " pixels"]
Signs = Int[Tensor, " n"]  # -1 or +1


def logit_change(weights: Weights, epsilon: float) -> float:
    """The most that epsilon a pixel changes the logit: epsilon ||w||_1."""
    return epsilon * weights.abs().sum().item()


def logit_change_in_range(
    weights: Weights, images: Float[Tensor, "n pixels"], signs: Signs, epsilon: float
) -> Float[Tensor, " n"]:
    """The same for each image when its pixels must stay in [0, 1]: at most epsilon ||w||_1.

    A black pixel can only become lighter, so a weight that asks for the opposite is out of reach.
    """
    rises = (weights * -signs[:, None]) > 0
    room = torch.where(rises, 1 - images, images).clamp(max=epsilon)
    return room @ weights.abs()


def worst_case_loss(
    weights: Weights,
    bias: Float[Tensor, ""],
    images: Float[Tensor, "n pixels"],
    signs: Signs,
    epsilon: float,
) -> Float[Tensor, " n"]:
    """The largest logistic loss within epsilon a pixel: softplus(epsilon ||w||_1 - y (w x + b)).

    Section 5. Pixels may leave [0, 1] here.
    """
    margins = signs * (images @ weights + bias)
    return nn.functional.softplus(logit_change(weights, epsilon) - margins)


# --- two digits at several resolutions ---------------------------------------------------------


def two_digits(digits: Digits, negative: int = 3, positive: int = 7) -> tuple[Tensor, Signs]:
    """The images ``(n, 1, 28, 28)`` of two classes, and -1 or +1 for each.

    Section 5 takes 3 and 7.
    """
    chosen = (digits.labels == negative) | (digits.labels == positive)
    signs = torch.where(digits.labels[chosen] == positive, 1, -1)
    return digits.images[chosen], signs


def resample(images: Float[Tensor, "n 1 28 28"], side: int) -> Float[Tensor, "n 1 side side"]:
    """The same pictures with ``side`` pixels a side: means of pixels, or each pixel repeated.

    Raises ``ValueError`` unless one of 28 and ``side`` divides the other.
    """
    if side >= 1 and SIDE % side == 0:
        return nn.functional.avg_pool2d(images, SIDE // side)
    if side >= 1 and side % SIDE == 0:
        times = side // SIDE
        return images.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)
    raise ValueError(f"side must divide {SIDE} or be a multiple of it, got {side}")


def train_logistic(
    images: Float[Tensor, "n pixels"],
    signs: Signs,
    seed: int,
    random_start: bool,
    steps: int = 1000,
    batch_size: int = 50,
    learning_rate: float = 0.1,
) -> tuple[Weights, Float[Tensor, ""]]:
    """Weights and bias by gradient descent on the logistic loss.

    They start at zero, or (``random_start``) where a layer of a network does, uniformly within
    1 / sqrt(pixels). The rate of the weights is for 28x28 pixels, and is lowered as pixels are
    added: four copies of a pixel would otherwise learn four times as fast as one.
    """
    pixels = images.shape[1]
    random = generator(seed, "logistic")
    weights, bias = torch.zeros(pixels), torch.zeros(())
    if random_start:
        start = torch.rand(pixels, generator=generator(seed, "logistic", "weights"))
        weights = (2 * start - 1) / pixels**0.5
    for _ in range(steps):
        chosen = torch.randint(len(images), (batch_size,), generator=random)
        x, y = images[chosen], signs[chosen]
        slope = -y * torch.sigmoid(-y * (x @ weights + bias)) / batch_size  # d loss / d logit
        weights = weights - learning_rate * SIDE**2 / pixels * (slope @ x)
        bias = bias - learning_rate * slope.sum()
    return weights, bias


def measure_side(
    side: int, seed: int, random_start: bool, train: Digits, test: Digits, epsilon: float
) -> dict[str, float]:
    """What epsilon a pixel does to a logistic model of 3 against 7 at ``side`` pixels a side.

    ``change`` is epsilon ||w||_1 and ``weight`` a thousand times the mean of |w|; ``margin`` is the
    mean y (w x + b) of the test digits; ``clean`` and ``attacked`` are errors in percent, the
    latter of the exact worst case with pixels in [0, 1].
    """
    images, signs = two_digits(train)
    images = resample(images, side).flatten(1)
    weights, bias = train_logistic(images, signs, seed, random_start)
    images, signs = two_digits(test)
    images = resample(images, side).flatten(1)
    margins = signs * (images @ weights + bias)
    worst = margins - logit_change_in_range(weights, images, signs, epsilon)
    return {
        "change": logit_change(weights, epsilon),
        "weight": 1000 * weights.abs().mean().item(),
        "margin": margins.mean().item(),
        "clean": 100 * (margins <= 0).double().mean().item(),
        "attacked": 100 * (worst <= 0).double().mean().item(),
    }
