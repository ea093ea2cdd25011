"""Chapter 3.8, the authors' files: a picture A and a picture B side by side in one image.

Their data sets (facades, maps, cityscapes, edges2shoes, …) are folders ``train``, ``val`` and
``test`` of such images. Most are JPEGs, label maps too: colours of labels are a few units off.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from companion.datasets.digits import DataError

DIRECTIONS = ("AtoB", "BtoA")
_ENDINGS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Pairs:
    """What the network is given and what it shall make of it, both in [-1, 1], row by row."""

    inputs: Float[Tensor, "n 3 size size"]
    targets: Float[Tensor, "n 3 size size"]

    def __len__(self) -> int:
        return len(self.inputs)


def load_side_by_side(folder: str | Path, direction: str = "AtoB", size: int = 256) -> Pairs:
    """All A|B images (.png, .jpg) of a folder, in the order of their names.

    ``direction`` is "AtoB" when the left half is the input and "BtoA" when the right one is; the
    authors' façades have the photograph on the left. Each half is resized to ``size`` by ``size``.
    The pairs take 24 ``size``² bytes each: the 400 façades 0.6 GB, Cityscapes' 2,975 4.7 GB.

    Raises ``FileNotFoundError`` (no such folder), `DataError` (a folder without images, or an image
    that cannot be read, is grey or has an alpha channel, or has an odd width), or ``ValueError``
    (unknown direction; a size that a U-Net cannot halve down to one pixel).
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction {direction!r} is not one of {', '.join(DIRECTIONS)}")
    if size < 4 or size & (size - 1):
        raise ValueError(
            f"size is {size}; the U-Net halves it until one pixel is left, so it must be a power "
            "of two from 4 on, such as 64 or 256"
        )
    halves = [_read_halves(path, size) for path in _image_files(Path(folder))]
    left, right = (_to_pictures([pair[side] for pair in halves]) for side in (0, 1))
    return Pairs(left, right) if direction == "AtoB" else Pairs(right, left)


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}: unpack the authors' archive there")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)
    if not files:
        inner = sorted(path.name for path in folder.iterdir() if path.is_dir())
        hint = f"; it has folders {', '.join(inner)}, so name one of them" if inner else ""
        raise DataError(f"{folder} has no image that ends in {', '.join(_ENDINGS)}{hint}")
    return files


def _read_halves(path: Path, size: int) -> list[np.ndarray]:
    """The left and the right half, bytes of ``(size, size, 3)``."""
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image ({error}): copy it again") from error
    if image.mode != "RGB":
        kind = {"L": "grey", "RGBA": "an image with an alpha channel"}.get(image.mode, "not RGB")
        raise DataError(
            f"{path} is {kind} (mode {image.mode}), expected RGB: save image.convert('RGB')"
        )
    width, height = image.size
    if width % 2 or width < 2:
        raise DataError(
            f"{path} is {width} pixels wide, which is odd, expected two halves of equal width: "
            "put A and B side by side at one size"
        )
    # Cut first: a resize that is given a box mixes in what lies beside it.
    boxes = (0, 0, width // 2, height), (width // 2, 0, width, height)
    halves = [image.crop(box).resize((size, size), Image.Resampling.BICUBIC) for box in boxes]
    return [np.asarray(half) for half in halves]


def _to_pictures(images: list[np.ndarray]) -> Float[Tensor, "n 3 size size"]:
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return (pixels.float() / 127.5 - 1).contiguous()


# --- jitter ------------------------------------------------------------------------------------


def jitter(
    inputs: Float[Tensor, "n inputs size size"],
    targets: Float[Tensor, "n targets size size"],
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n inputs size size"], Float[Tensor, "n targets size size"]]:
    """The paper's random jitter and mirroring (appendix, training details), a pair's halves alike.

    Every pair is enlarged by 286/256, cut to its size again at a place of its own and mirrored in
    half of the cases. Enlarging mixes neighbours, so that one-hot labels become shares of 1.

    Raises ``ValueError`` when inputs and targets differ in number or size.
    """
    if len(inputs) != len(targets) or inputs.shape[2:] != targets.shape[2:]:
        raise ValueError(
            f"inputs of shape {tuple(inputs.shape)} and targets of shape {tuple(targets.shape)} "
            "are no pairs: they must agree in number, height and width"
        )
    count, channels, height, width = inputs.shape
    both = torch.cat([inputs, targets], dim=1)
    enlarged_size = round(height * 286 / 256), round(width * 286 / 256)
    enlarged = torch.nn.functional.interpolate(both, enlarged_size, mode="bilinear")
    tops = torch.randint(enlarged_size[0] - height + 1, (count,), generator=generator).tolist()
    lefts = torch.randint(enlarged_size[1] - width + 1, (count,), generator=generator).tolist()
    mirrored = torch.rand(count, generator=generator) < 0.5
    cut = torch.stack(
        [
            image[:, top : top + height, left : left + width]
            for image, top, left in zip(enlarged, tops, lefts, strict=True)
        ]
    )
    cut = torch.where(mirrored[:, None, None, None], cut.flip(3), cut)
    return cut[:, :channels], cut[:, channels:]
