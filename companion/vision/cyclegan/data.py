"""Chapter 3.9, data: two collections without pairs, the authors' folders, and scores.

Pictures are float32 in [-1, 1], (n, channels, height, width), as the generators take and give them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from companion.datasets.digits import DataError

ENDINGS = (".jpg", ".jpeg", ".png")
SPLITS = ("train", "test")
MULTIPLE = 4  # pixels: the generators halve a picture twice


@dataclass(frozen=True)
class Unpaired:
    """Pictures of two domains, not in any common order nor of the same number."""

    a: Float[Tensor, "n channels height width"]
    b: Float[Tensor, "m channels height width"]

    def __post_init__(self) -> None:
        if self.a.shape[1:] != self.b.shape[1:]:
            raise ValueError(
                f"pictures of A are {_size(self.a)}, those of B {_size(self.b)}: a cycle needs the "
                "same channels, height and width in both, so resize one"
            )


def _size(pictures: Tensor) -> str:
    channels, height, width = pictures.shape[1:]
    return f"{width}x{height} pixels with {channels} channels"


# --- the authors' folders ----------------------------------------------------------------------


def load_folders(folder: str | Path, split: str, size: int = 256) -> Unpaired:
    """The pictures of ``folder``'s trainA and trainB, or testA and testB, as the authors laid out.

    Square colour pictures, in the order of their names, resized to ``size`` pixels a side: at 256
    each takes 0.8 MB of memory.

    Raises ``FileNotFoundError`` when a folder is missing; `DataError` when one has no picture in it
    or, naming the file, when a picture is unreadable, grey, transparent or not square;
    ``ValueError`` for an unknown split or a ``size`` that the generators cannot halve twice.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    if size < MULTIPLE or size % MULTIPLE:
        raise ValueError(
            f"size is {size} pixels; the generators halve it twice, so take a multiple of "
            f"{MULTIPLE}"
        )
    a, b = (_load_folder(Path(folder) / f"{split}{domain}", size) for domain in "AB")
    return Unpaired(a, b)


def _load_folder(folder: Path, size: int) -> Float[Tensor, "n 3 size size"]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {folder}: expected trainA, trainB, testA and testB side by side"
        )
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if not paths:
        raise DataError(
            f"{folder} has no picture in it: expected files that end in {', '.join(ENDINGS)}"
        )
    pixels = np.stack([_load_picture(path, size) for path in paths])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1


def _load_picture(path: Path, size: int) -> np.ndarray:
    """Bytes (size, size, 3)."""
    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read ({error}): download it again") from error
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        raise DataError(
            f"{path} is transparent in places (mode {picture.mode}): lay it on a background and "
            "save it without the alpha channel"
        )
    if picture.mode != "RGB":
        raise DataError(
            f"{path} has the mode {picture.mode}, expected RGB: save it in colour, or take it out"
        )
    if picture.width != picture.height:
        raise DataError(
            f"{path} has {picture.width}x{picture.height} pixels, expected a square: crop it first"
        )
    if picture.width != size:
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture)


# --- scores ------------------------------------------------------------------------------------


def picture_errors(
    pictures: Float[Tensor, "n channels height width"],
    partners: Float[Tensor, "n channels height width"],
    where: Float[Tensor, "n 1 height width"] | Bool[Tensor, "n 1 height width"] | None = None,
) -> Float[Tensor, " n"]:
    """Mean absolute difference of each picture from its partner, as a share of black to white.

    With ``where``, each pixel counts as much as it says; a picture in which none counts is NaN.
    """
    if pictures.shape != partners.shape:
        raise ValueError(
            f"pictures of shape {tuple(pictures.shape)} cannot be compared with partners of shape "
            f"{tuple(partners.shape)}: each needs its own"
        )
    differences = (pictures - partners).abs().mean(dim=1, keepdim=True) / 2
    if where is None:
        return differences.flatten(1).mean(dim=1)
    return (differences * where).flatten(1).sum(dim=1) / where.flatten(1).sum(dim=1)


def share_found(
    pictures: Float[Tensor, "n channels height width"],
    partners: Float[Tensor, "n channels height width"],
) -> float:
    """The share of pictures that are closer to their own partner than to every other's.

    Guessing finds 1/n. A picture as close to another's as to its own is not found.
    """
    distances = torch.cdist(pictures.flatten(1), partners.flatten(1), p=1)
    own = distances.diagonal().clone()
    distances.fill_diagonal_(torch.inf)
    return (own < distances.amin(dim=1)).double().mean().item()


def baselines(
    unpaired: Unpaired, pictures: Float[Tensor, "n channels height width"]
) -> dict[str, Float[Tensor, "n channels height width"]]:
    """What three answers without a network make of ``pictures`` of A, from the training set alone.

    ``copy``: the picture itself. ``constant``: the median of each pixel over B, of all constant
    pictures the one of the least error. ``nearest``: the picture of B that is most like it.
    """
    median = unpaired.b.median(dim=0, keepdim=True).values
    distances = torch.cdist(pictures.flatten(1), unpaired.b.flatten(1), p=1)
    return {
        "copy": pictures,
        "constant": median.expand_as(pictures),
        "nearest": unpaired.b[distances.argmin(dim=1)],
    }
