"""Chapter 5.3, data: digits drawn fresh for every sample, and folders of photographs.

An epoch is a stated number of samples in one shuffled order, of which each worker takes its share
(the paper's remark 4). What a sample looks like depends on the seed, the epoch and the sample's
place in that order alone, so that any number of workers learns from the same images.

The digits are those of `companion.datasets.digits` at half their size. ImageNet itself is read from
its folders, ``train/<class>/<image>`` and ``val/<class>/<image>``.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn

from companion.cache import cache_folder
from companion.datasets import digits as handwritten
from companion.datasets.digits import FASHION_MNIST, SPLITS, DataError, Digits
from companion.seeds import generator

SIDE = 14  # pixels of a digit
NUM_DRAWS = 5  # random numbers that decide what one sample looks like

FASHION_HELD_OUT = 5_000  # of Fashion-MNIST's training images, for validation

PHOTOGRAPH_SIDE = 224
RESIZED_SIDE = 256  # the shorter side before the crop that is tested
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours in [0, 1]

_MOST_SHIFT = 1.5  # pixels, either way
_MOST_ROTATION = math.radians(12)
_MOST_STRETCH = 0.12  # of each axis by itself, either way
_AREA = (0.08, 1.0)  # of the photograph
_ASPECT = (3 / 4, 4 / 3)


# --- an epoch and its shares -------------------------------------------------------------------


@dataclass(frozen=True)
class Samples:
    """Which image each sample is of, and the numbers in [0, 1) that decide how it is changed."""

    indices: Int[Tensor, " n"]
    draws: Float[Tensor, "n 5"]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, chosen: slice) -> "Samples":
        return Samples(self.indices[chosen], self.draws[chosen])


def draw_epoch(seed: int, epoch: int, num_samples: int, num_images: int) -> Samples:
    """The samples of an epoch in the one order that all workers share (remark 4).

    Every image appears equally often, to within one, over any whole number of epochs from the
    first. Raises ``ValueError`` when there are no images or no samples.
    """
    if num_samples < 1 or num_images < 1:
        raise ValueError(
            f"an epoch of {num_samples} samples from {num_images} images: both must be at least 1"
        )
    order = torch.randperm(num_samples, generator=generator(seed, "shuffle", str(epoch)))
    # Counted on from the epoch before: else the first images would be seen more often for good.
    indices = (order + epoch * num_samples) % num_images
    draws = torch.rand(num_samples, NUM_DRAWS, generator=generator(seed, "augment", str(epoch)))
    return Samples(indices, draws)


def worker_share(samples: Samples, rank: int, world_size: int) -> Samples:
    """The share of worker ``rank``, every ``world_size``-th sample, as DistributedSampler deals.

    Of an epoch or of a minibatch: both give the same, since the shares of a minibatch are the
    minibatches of the shares. Raises ``ValueError`` when the samples do not divide among the
    workers, or when there is no such rank.
    """
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} is not one of 0 to {world_size - 1}")
    if len(samples) % world_size:
        raise ValueError(
            f"{len(samples)} samples do not divide among {world_size} workers: leave out "
            f"{len(samples) % world_size} of them, or change the number of workers"
        )
    return samples[rank::world_size]


# --- digits ------------------------------------------------------------------------------------


@cache
def load_digits(split: str) -> Digits:
    """The digits of one of `SPLITS` at 14x14: 3,500 to train, 500 to validate, 1,000 to test.

    Raises ``ValueError`` naming an unknown split.
    """
    return halve(handwritten.load_digits(split))


def halve(digits: Digits) -> Digits:
    """Images at half their height and width: each pixel is the mean of four."""
    return Digits(nn.functional.avg_pool2d(digits.images, 2), digits.labels)


class AugmentedDigits:
    """Digits that are shifted, turned and stretched afresh for every sample."""

    def __init__(self, digits: Digits):
        self.digits = digits

    def __len__(self) -> int:
        return len(self.digits)

    def draw(self, samples: Samples) -> tuple[Float[Tensor, "n 1 height width"], Int[Tensor, " n"]]:
        """The samples' images and labels."""
        chosen = self.digits[samples.indices]
        # affine_grid wants the way back: from a place in the new image to one in the old.
        grid = nn.functional.affine_grid(
            affine_maps(samples.draws, chosen.images.shape[-1]),
            list(chosen.images.shape),
            align_corners=False,
        )
        images = nn.functional.grid_sample(chosen.images, grid, align_corners=False)
        return images, chosen.labels


def affine_maps(draws: Float[Tensor, "n 5"], side: int) -> Float[Tensor, "n 2 3"]:
    """Maps of the image plane, whose sides run from -1 to 1: stretch, rotation, then shift."""
    centred = 2 * draws - 1
    angle = centred[:, 0] * _MOST_ROTATION
    stretch_x, stretch_y = (1 + centred[:, 1:3] * _MOST_STRETCH).unbind(dim=1)
    shift = centred[:, 3:] * _MOST_SHIFT * 2 / side  # (n, 2)
    rows = [
        torch.stack([stretch_x * angle.cos(), -stretch_y * angle.sin(), shift[:, 0]], dim=1),
        torch.stack([stretch_x * angle.sin(), stretch_y * angle.cos(), shift[:, 1]], dim=1),
    ]
    return torch.stack(rows, dim=1)


def fashion_folder() -> Path | None:
    """Where Fashion-MNIST's files are on this machine: Debian's place, or torchvision's.

    ``torchvision.datasets.FashionMNIST(cache_folder(), download=True)`` puts them there too.
    """
    places = (FASHION_MNIST, cache_folder() / "FashionMNIST" / "raw")
    return next((place for place in places if place.is_dir()), None)


@cache
def load_fashion(split: str, folder: Path | None = None) -> Digits:
    """Fashion-MNIST at 14x14: one of `SPLITS`, the last 5,000 training images for validation.

    Raises ``FileNotFoundError`` with the remedy when no ``folder`` is given and none is here, and
    what `companion.datasets.digits.read_idx` raises.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    folder = folder or fashion_folder()
    if folder is None:
        raise FileNotFoundError(
            "Fashion-MNIST is not on this machine: run `apt install dataset-fashion-mnist`, or "
            "name the folder that holds its files"
        )
    if split == "test":
        return halve(handwritten.read_idx(folder, "test"))
    kept = slice(None, -FASHION_HELD_OUT) if split == "train" else slice(-FASHION_HELD_OUT, None)
    return halve(handwritten.read_idx(folder, "train"))[kept]


# --- photographs in folders --------------------------------------------------------------------


class Photographs:
    """The images of ``folder/<class>/``, as ImageNet's ``train`` and ``val`` folders hold them.

    `draw` gives the paper's training images: a part of random area and aspect at 224x224, half of
    them mirrored, each colour normalised (section 5.1). Classes are numbered in the order of their
    names. Raises ``FileNotFoundError`` for a folder without classes or a class without images.
    """

    def __init__(self, folder: str | Path, threads: int = 4):
        try:
            from torchvision.datasets import ImageFolder
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "folders of photographs are listed by torchvision, which is not installed: run "
                "`pip install rebuilding-2017[photographs]`"
            ) from error
        if not Path(folder).is_dir():
            raise FileNotFoundError(
                f"no folder {folder}: name the one that holds a folder of images for each class, "
                "such as ILSVRC's train"
            )
        try:
            listed = ImageFolder(str(folder))
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{folder} must hold one folder of images for each class: {error}"
            ) from error
        self.classes = listed.classes
        self.threads = threads
        self._samples = listed.samples

    def __len__(self) -> int:
        return len(self._samples)

    def draw(self, samples: Samples) -> tuple[Float[Tensor, "n 3 224 224"], Int[Tensor, " n"]]:
        """The samples' images, cropped and mirrored as their draws say, and their labels."""
        return self._read(
            samples.indices.tolist(),
            [
                lambda image, draws=draws: random_crop(image, draws)
                for draws in samples.draws.numpy()
            ],
        )

    def centre(self, indices: list[int]) -> tuple[Float[Tensor, "n 3 224 224"], Int[Tensor, " n"]]:
        """The images that are tested: the shorter side at 256 pixels, the middle 224x224."""
        return self._read(indices, [centre_crop] * len(indices))

    def _read(self, indices: list[int], crops: list) -> tuple[Tensor, Tensor]:
        with ThreadPoolExecutor(self.threads) as pool:
            images = list(pool.map(self._image, indices, crops))
        labels = [self._samples[index][1] for index in indices]
        return torch.stack(images), torch.tensor(labels)

    def _image(self, index: int, crop) -> Float[Tensor, "3 224 224"]:
        path = self._samples[index][0]
        try:
            with Image.open(path) as image:
                pixels = np.asarray(crop(image.convert("RGB")), dtype=np.float32) / 255
        except (UnidentifiedImageError, OSError) as error:
            raise DataError(f"{path} is not an image that can be read: {error}") from error
        normalised = (pixels - np.float32(MEAN)) / np.float32(DEVIATION)
        return torch.from_numpy(normalised).permute(2, 0, 1)


def random_crop(image: Image.Image, draws: Float[np.ndarray, " 5"]) -> Image.Image:
    """A part of 8% to 100% of the area and aspect 3:4 to 4:3, scaled to 224x224, perhaps mirrored.

    A part that would be wider or higher than the photograph is cut to it, where torchvision's
    ``RandomResizedCrop`` would draw again: one sample takes as many random numbers as another.
    """
    area = image.width * image.height * (_AREA[0] + draws[0] * (_AREA[1] - _AREA[0]))
    low, high = (math.log(bound) for bound in _ASPECT)
    aspect = math.exp(low + draws[1] * (high - low))
    width = min(image.width, math.sqrt(area * aspect))
    height = min(image.height, math.sqrt(area / aspect))
    left, top = draws[2] * (image.width - width), draws[3] * (image.height - height)
    part = image.resize(
        (PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE),
        Image.Resampling.BILINEAR,
        box=(left, top, left + width, top + height),
    )
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draws[4] < 0.5 else part


def centre_crop(image: Image.Image) -> Image.Image:
    """The middle 224x224 of the photograph whose shorter side was scaled to 256."""
    side = min(image.size) * PHOTOGRAPH_SIDE / RESIZED_SIDE
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize(
        (PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE),
        Image.Resampling.BILINEAR,
        box=(left, top, left + side, top + side),
    )
