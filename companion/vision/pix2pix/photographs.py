"""Chapter 3.8, photographs to colour: patches of those that two wheels ship, grey and in colour.

Nothing is downloaded. The licences are the packages' own notes, in scikit-image's docstrings and
scikit-learn's ``datasets/images/README.txt``:

- astronaut: Eileen Collins, by NASA; public domain
- coffee: by Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0
- cat: Chelsea, by Stefan van der Walt; CC0
- rocket: Falcon 9, by SpaceX; public domain
- palace: by danielbuechele; CC BY 2.0
- flower: by vultilion; CC BY 2.0
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from PIL import Image
from torch import Tensor

from companion.datasets.digits import shipped_file

SIDE = 64  # pixels

_FILES = {
    "astronaut": ("scikit-image", "skimage/data/astronaut.png"),
    "coffee": ("scikit-image", "skimage/data/coffee.png"),
    "cat": ("scikit-image", "skimage/data/chelsea.png"),
    "rocket": ("scikit-image", "skimage/data/rocket.jpg"),
    "palace": ("scikit-learn", "sklearn/datasets/images/china.jpg"),
    "flower": ("scikit-learn", "sklearn/datasets/images/flower.jpg"),
}
PHOTOGRAPHS = tuple(_FILES)
# By photograph: a patch of one that was trained on would show what colour its neighbours have.
SPLITS = {
    "train": ("astronaut", "coffee", "palace", "flower"),
    "validation": ("rocket",),
    "test": ("cat",),
}

_STEP = 32  # pixels between patches
_REDUCTIONS = (1, 2)  # each photograph is cut at its own size and at half of it
_LUMA = torch.tensor([0.299, 0.587, 0.114])  # of red, green, blue in ITU-R BT.601


@dataclass(frozen=True)
class Patches:
    """Patches in [-1, 1], and of which photograph each is, an index into the names asked for."""

    grey: Float[Tensor, "n 1 64 64"]
    colour: Float[Tensor, "n 3 64 64"]
    photographs: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.grey)


def load_patches(names: tuple[str, ...]) -> Patches:
    """Overlapping patches of these of `PHOTOGRAPHS`, such as ``SPLITS["train"]``.

    ``grey`` is the brightness of ``colour`` (BT.601). Patches of one photograph overlap by half,
    so two splits must share none; `SPLITS` keeps to that.

    Raises ``ValueError`` naming an unknown photograph, ``ModuleNotFoundError`` naming the package
    that is missing.
    """
    unknown = [name for name in names if name not in _FILES]
    if unknown or not names:
        raise ValueError(
            f"photographs {unknown or names!r} are not there: choose from {', '.join(PHOTOGRAPHS)}"
        )
    patches = [_cut(*_FILES[name]) for name in names]
    colour = torch.cat(patches)
    numbers = torch.arange(len(names)).repeat_interleave(torch.tensor([len(p) for p in patches]))
    return Patches(to_grey(colour), colour, numbers)


def to_grey(colour: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 1 height width"]:
    """Brightness (BT.601), in the range of the colours."""
    return (colour * _LUMA[:, None, None]).sum(dim=1, keepdim=True)


def _cut(package: str, file: str) -> Float[Tensor, "n 3 64 64"]:
    with Image.open(shipped_file(package, file)) as opened:
        photograph = opened.convert("RGB")
    patches = []
    for reduction in _REDUCTIONS:
        pixels = torch.from_numpy(np.array(photograph.reduce(reduction))).permute(2, 0, 1)
        cut = pixels.unfold(1, SIDE, _STEP).unfold(2, SIDE, _STEP)  # (3, down, across, 64, 64)
        patches.append(cut.flatten(1, 2).transpose(0, 1))
    return (torch.cat(patches).float() / 127.5 - 1).contiguous()
