"""Chapter 3.8, measures of a set of pictures beside those of the judge (`segmenter`).

How sharp they are, how their colours are spread (section 4.2), how much the noise changes, and
whether different inputs get different pictures at all.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from companion.vision.pix2pix.photographs import to_grey

BINS = 64  # along each of the two axes of colour


def sharpness(pictures: Float[Tensor, "n channels height width"]) -> float:
    """Mean absolute difference of a pixel from those to its right and below.

    Divided by that of the true pictures it says how much of their detail is there, right or wrong:
    1 is as much, and a blur has less.
    """
    across = (pictures[..., :, 1:] - pictures[..., :, :-1]).abs().mean()
    down = (pictures[..., 1:, :] - pictures[..., :-1, :]).abs().mean()
    return ((across + down) / 2).item()


def spread(
    first: Float[Tensor, "n channels height width"],
    second: Float[Tensor, "n channels height width"],
) -> float:
    """Mean absolute difference of two drawings of the same inputs, or of two sets of pictures.

    Raises ``ValueError`` unless both have the same shape.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"pictures of {tuple(first.shape)} and {tuple(second.shape)} cannot be compared: give "
            "the same number of the same size"
        )
    return (first - second).abs().mean().item()


def variety(pictures: Float[Tensor, "n channels height width"]) -> float:
    """Mean absolute difference of each picture from the next one, the last from the first.

    Near 0 when the same picture is drawn whatever the input.
    """
    return spread(pictures, pictures.roll(1, dims=0))


def shared_colours(
    pictures: Float[Tensor, "n 3 height width"], targets: Float[Tensor, "m 3 height width"]
) -> float:
    """Intersection of the histograms of colours: 1 for the same share of each, 0 for none.

    The paper's figure 7 compares such histograms along the axes of Lab; these are of the plane.
    """
    return torch.minimum(_colour_histogram(pictures), _colour_histogram(targets)).sum().item()


def colourfulness(pictures: Float[Tensor, "n 3 height width"]) -> float:
    """Mean distance from grey in the plane of colours: 0 for grey pictures."""
    return _colour_plane(pictures).norm(dim=1).mean().item()


def _colour_plane(pictures: Tensor) -> Float[Tensor, "pixels 2"]:
    """The colour of every pixel whatever its brightness: Cb and Cr (BT.601), -0.5 to 0.5."""
    red, _, blue = (pictures / 2).unbind(dim=1)
    brightness = to_grey(pictures / 2)[:, 0]
    return torch.stack([(blue - brightness) / 1.772, (red - brightness) / 1.402], dim=-1).flatten(
        0, 2
    )


def _colour_histogram(pictures: Tensor) -> Float[Tensor, "Cb Cr"]:
    """Shares of the pixels by their colour."""
    cells = ((_colour_plane(pictures) + 0.5) * BINS).long().clamp(0, BINS - 1)
    counts = torch.bincount(cells[:, 0] * BINS + cells[:, 1], minlength=BINS**2)
    return counts.reshape(BINS, BINS) / counts.sum()
