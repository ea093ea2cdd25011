"""Chapter 3.11, data: handwritten digits, photographs, and the files of other people's digits.

Images are float32 in [0, 1], ``(channels, height, width)``: no one else's normalisation is in them,
so that a perturbation of epsilon means the same for every network.

The digits are those of `companion.datasets.digits`; the photographs are those that the
``scikit-image`` and ``scikit-learn`` wheels ship.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from companion.datasets.digits import (
    CLASSES,
    SIDE,
    SPLITS,
    DataError,
    Digits,
    load_digits,
    read_idx,
    shipped_file,
)

# The digits' names too: the chapter's other rooms take all data from this one.
__all__ = [
    "CLASSES",
    "IMAGENET_SIDE",
    "SIDE",
    "SPLITS",
    "DataError",
    "Digits",
    "Photograph",
    "crop",
    "load_digits",
    "load_photographs",
    "read_attack_file",
    "read_idx",
    "shipped_file",
]

IMAGENET_SIDE = 224

# File inside the wheel, and ImageNet's class: what the picture shows, or for the rocket the nearest
# class there is. Chosen by these clean contents alone, before anything was attacked.
_PHOTOGRAPHS = {
    "coffee": ("scikit-image", "skimage/data/coffee.png", 967),  # espresso
    "cat": ("scikit-image", "skimage/data/chelsea.png", 282),  # tiger cat
    "palace": ("scikit-learn", "sklearn/datasets/images/china.jpg", 698),  # palace
    "rocket": ("scikit-image", "skimage/data/rocket.jpg", 657),  # missile
}


# --- an attack on the digits ---------------------------------------------------------------------


def read_attack_file(path: str | Path) -> Float[Tensor, "n 1 28 28"]:
    """Attacked test digits in the format of Madry's MNIST challenge.

    Such a file is a ``.npy`` of ``(10000, 784)`` numbers in [0, 1], in the test set's order. Any
    number of rows is read here. Raises ``FileNotFoundError`` or `DataError`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no attack file at {path}: save one with numpy.save")
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} is not a .npy file of numbers: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.shape[1] != SIDE * SIDE:
        shape = getattr(array, "shape", "several arrays")
        raise DataError(
            f"{path} must hold (n, {SIDE * SIDE}) numbers, one row a digit, got {shape}"
        )
    if not np.isfinite(array).all() or array.min(initial=0) < 0 or array.max(initial=0) > 1:
        raise DataError(
            f"{path} has pixels from {array.min():g} to {array.max():g}, expected [0, 1]: divide "
            "bytes by 255, and clip after adding a perturbation"
        )
    images = torch.from_numpy(array.astype(np.float32))
    return images.reshape(-1, 1, SIDE, SIDE)


# --- the photographs ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Photograph:
    """A photograph in [0, 1] and the index of its class in ImageNet."""

    name: str
    label: int
    image: Float[Tensor, "3 224 224"]


def load_photographs() -> tuple[Photograph, ...]:
    """Four photographs that show something ImageNet has a class for, cropped as the network wants.

    Coffee (Rachel Michetti) and the cat Chelsea (Stefan van der Walt) are under CC0, the rocket
    (SpaceX) is in the public domain, the palace (danielbuechele) is under CC BY 2.0. ImageNet has
    no class for a rocket; "missile" is the nearest. No file is downloaded.

    Raises ``ModuleNotFoundError`` naming the package that is missing.
    """
    return tuple(
        Photograph(name, label, crop(Image.open(shipped_file(package, file))))
        for name, (package, file, label) in _PHOTOGRAPHS.items()
    )


def crop(photograph: Image.Image, side: int = IMAGENET_SIDE) -> Float[Tensor, "3 side side"]:
    """The middle square, less a margin of an eighth, at ``side`` pixels, in [0, 1].

    The margin of 32 in 256 is what EfficientNet's authors evaluate with.
    """
    width, height = photograph.size
    length = min(width, height) * side / (side + 32)
    box = ((width - length) / 2, (height - length) / 2, (width + length) / 2, (height + length) / 2)
    square = photograph.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box=box)
    return (
        torch.from_numpy(np.asarray(square, dtype=np.float32) / 255).permute(2, 0, 1).contiguous()
    )
