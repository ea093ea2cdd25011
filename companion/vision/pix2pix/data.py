"""Chapter 3.8, data: drawn house fronts, each a label map, an edge map and a photo-like picture.

Pictures are float32 in [-1, 1], the range of the generator's tanh. The rooms beside this one have
the drawing (`facades`, `facade_plans`, `facade_painting`), the authors' own files (`side_by_side`)
and photographs to colour (`photographs`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from torch import Tensor

from companion.cache import cached_arrays
from companion.seeds import numpy_generator
from companion.vision.pix2pix.facade_canvas import sample_look
from companion.vision.pix2pix.facade_painting import paint
from companion.vision.pix2pix.facade_plans import sample_plan
from companion.vision.pix2pix.facades import LABELS, SIDE, label_map

__all__ = [
    "LABELS",
    "PALETTE",
    "SIDE",
    "SPLITS",
    "Facades",
    "colour_labels",
    "draw_facades",
    "edge_maps",
    "edge_pictures",
    "load_facades",
    "one_hot",
    "to_bytes",
]

# The houses of each split, by number: a house has one picture, so no split has seen another's.
SPLITS = {
    "train": range(4000),
    "validation": range(4000, 4500),
    "test": range(4500, 5000),
}

# Each label's colour, in the order of `LABELS`.
PALETTE = torch.tensor(
    [
        (135, 190, 230),
        (110, 110, 130),
        (150, 60, 50),
        (235, 220, 180),
        (160, 150, 120),
        (120, 100, 70),
        (40, 70, 140),
        (60, 150, 80),
        (200, 80, 160),
        (110, 60, 30),
        (240, 150, 30),
        (90, 90, 90),
    ],
    dtype=torch.uint8,
)

_CACHE_VERSION = "1"
_STRONG_LINE = 0.14  # change of brightness over two pixels, of the whole range
_SHORTEST_LINE = 6  # pixels


@dataclass(frozen=True)
class Facades:
    """Label maps, indices into `LABELS`, and the pictures that go with them, in [-1, 1]."""

    labels: UInt8[Tensor, "n 64 64"]
    pictures: Float[Tensor, "n 3 64 64"]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: slice | Tensor) -> "Facades":
        """Those at ``chosen``, a slice or a tensor of indices or truth values."""
        return Facades(self.labels[chosen], self.pictures[chosen])


def draw_facades(houses: range) -> Facades:
    """The houses of these numbers, drawn now, some hundreds a second; nothing is cached.

    House 7 is the same in every range: ``draw_facades(SPLITS["train"][:64])`` are the first 64 of
    ``load_facades("train")``.
    """
    return _facades(_draw(houses))


def load_facades(split: str) -> Facades:
    """The houses of one of `SPLITS`: 4,000 to train, 500 to validate, 500 to test.

    Drawn once, in half a minute for the training set, then cached.
    Raises ``ValueError`` naming an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    return _facades(cached_arrays(f"facades-{split}", _CACHE_VERSION, lambda: _draw(SPLITS[split])))


def _draw(houses: range) -> dict[str, np.ndarray]:
    labels = np.empty((len(houses), SIDE, SIDE), dtype=np.uint8)
    pictures = np.empty((len(houses), SIDE, SIDE, 3), dtype=np.uint8)
    for row, house in enumerate(houses):
        plan = sample_plan(numpy_generator(house, "facade", "plan"))
        labels[row] = label_map(plan)
        pictures[row] = paint(plan, sample_look(numpy_generator(house, "facade", "look")))
    return {"labels": labels, "pictures": pictures}


def _facades(arrays: dict[str, np.ndarray]) -> Facades:
    pictures = torch.from_numpy(arrays["pictures"]).permute(0, 3, 1, 2)
    return Facades(torch.from_numpy(arrays["labels"]), _to_signed(pictures))


# --- what a network is shown -------------------------------------------------------------------


def one_hot(labels: UInt8[Tensor, "n height width"]) -> Float[Tensor, "n 12 height width"]:
    """A channel for each of `LABELS`, 1 where the label is and 0 elsewhere."""
    _check_labels(labels)
    return torch.nn.functional.one_hot(labels.long(), len(LABELS)).permute(0, 3, 1, 2).float()


def colour_labels(labels: UInt8[Tensor, "n height width"]) -> Float[Tensor, "n 3 height width"]:
    """The label maps in the colours of `PALETTE`, in [-1, 1], as the paper shows its networks."""
    _check_labels(labels)
    return _to_signed(PALETTE[labels.long()].permute(0, 3, 1, 2))


def _check_labels(labels: Tensor) -> None:
    if labels.dim() != 3 or labels.is_floating_point():
        raise ValueError(
            f"labels must be whole numbers of shape (n, height, width), got {labels.dtype} of "
            f"shape {tuple(labels.shape)}: pass the index map, not a picture of it"
        )
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < len(LABELS):
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}; they must lie between 0 and "
            f"{len(LABELS) - 1}, the indices of LABELS"
        )


def _to_signed(pictures: UInt8[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 height width"]:
    """Bytes as float32 in [-1, 1]."""
    return (pictures.float() / 127.5 - 1).contiguous()


def to_bytes(pictures: Float[Tensor, "n 3 height width"]) -> UInt8[Tensor, "n height width 3"]:
    """Pictures in [-1, 1] as bytes with the colours last, to be shown; what lies outside is cut."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous()


# --- edges -------------------------------------------------------------------------------------


def edge_maps(facades: Facades) -> Bool[Tensor, "n 64 64"]:
    """Thin lines: the label maps' outlines, and the strong lines of the pictures between them.

    An outline is on the upper or the left of two pixels whose labels differ. A line of the picture
    is where brightness changes by a seventh of its range over two pixels and changes most of its
    neighbours across; beside an outline, whose own change of brightness it would be, there is none,
    and pieces of fewer than six pixels are left out.
    """
    labels = facades.labels
    outlines = torch.zeros_like(labels, dtype=torch.bool)
    outlines[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    outlines[:, :, :-1] |= labels[:, :, :-1] != labels[:, :, 1:]
    near = torch.nn.functional.max_pool2d(outlines[:, None].float(), 3, stride=1, padding=1)
    return outlines | (_strong_lines(facades.pictures) & (near[:, 0] == 0))


def edge_pictures(edges: Bool[Tensor, "n height width"]) -> Float[Tensor, "n 1 height width"]:
    """Edges as a network's input: black lines, -1, on white, 1."""
    return 1 - 2 * edges[:, None].float()


def _strong_lines(pictures: Float[Tensor, "n 3 64 64"]) -> Bool[Tensor, "n 64 64"]:
    """Where brightness changes strongly, thinned to one pixel across the direction of change."""
    brightness = torch.nn.functional.pad(pictures.mean(dim=1) / 2, [1] * 4, mode="replicate")
    down = (brightness[:, 2:, 1:-1] - brightness[:, :-2, 1:-1]).abs()
    across = (brightness[:, 1:-1, 2:] - brightness[:, 1:-1, :-2]).abs()
    level = (down >= across) & _is_largest(down)
    upright = (across > down) & _is_largest(across.transpose(1, 2)).transpose(1, 2)
    lines = (level | upright) & (torch.maximum(down, across) > _STRONG_LINE)
    # Connected within an image along sides and corners.
    pieces, _ = ndimage.label(lines.numpy(), structure=np.ones((1, 3, 3)) * [[[0]], [[1]], [[0]]])
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0  # what is no line
    return torch.from_numpy((sizes >= _SHORTEST_LINE)[pieces])


def _is_largest(change: Float[Tensor, "n 64 64"]) -> Bool[Tensor, "n 64 64"]:
    """Where a value exceeds the one above and is no less than the one below."""
    largest = torch.zeros_like(change, dtype=torch.bool)
    middle = change[:, 1:-1]
    # Of two equal ones, as on the two sides of a step, the first is kept.
    largest[:, 1:-1] = (middle > change[:, :-2]) & (middle >= change[:, 2:])
    return largest
