"""Chapter 3.8, façades: the plan of a house front, which is all that its label map says.

A `Plan` is a list of `Part`s, each a label and a place, laid over one another in order. The label
map and the picture (`facade_painting.paint`) both come from that list, so they agree to the pixel;
colours, materials, weather and what stands in each window belong to `facade_painting.Look` and
leave the label map as it is.

The classes are in the spirit of the CMP façades that the paper used (Tyleček and Šára 2013). All
places are whole pixels of a picture of `SIDE` by `SIDE`, down and to the right of its upper left.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

SIDE = 64  # pixels

LABELS = (
    "sky",
    "neighbour",
    "roof",
    "wall",
    "cornice",
    "pillar",
    "window",
    "shutter",
    "balcony",
    "door",
    "shop",
    "ground",
)
(
    SKY,
    NEIGHBOUR,
    ROOF,
    WALL,
    CORNICE,
    PILLAR,
    WINDOW,
    SHUTTER,
    BALCONY,
    DOOR,
    SHOP,
    GROUND,
) = range(len(LABELS))


@dataclass(frozen=True)
class Part:
    """A rectangle with a label: rows ``top`` to ``bottom``, columns ``left`` to ``right``.

    Its last row and column are those before ``bottom`` and ``right``. ``narrowing`` moves each
    upper corner inwards by so many pixels, as a roof needs.
    """

    label: int
    top: int
    left: int
    bottom: int
    right: int
    narrowing: float = 0

    def __post_init__(self) -> None:
        if not 0 <= self.label < len(LABELS):
            raise ValueError(f"label is {self.label}; it must lie between 0 and {len(LABELS) - 1}")
        inside = 0 <= self.top < self.bottom <= SIDE and 0 <= self.left < self.right <= SIDE
        if not inside or not 0 <= 2 * self.narrowing <= self.right - self.left:
            raise ValueError(f"{self} is empty or leaves the picture of {SIDE} by {SIDE} pixels")

    def moved(self, down: int, right: int) -> "Part":
        """The same part elsewhere. Raises ``ValueError`` when it leaves the picture."""
        return replace(
            self,
            top=self.top + down,
            bottom=self.bottom + down,
            left=self.left + right,
            right=self.right + right,
        )

    def mask(self, scale: int = 1) -> np.ndarray:
        """Which pixels of the part's rectangle belong to it, ``scale`` in each pixel's side."""
        rows = (np.arange((self.bottom - self.top) * scale) + 0.5) / scale
        columns = (np.arange((self.right - self.left) * scale) + 0.5) / scale
        edge = self.narrowing * (1 - rows / (self.bottom - self.top))
        width = self.right - self.left
        return (columns >= edge[:, None]) & (columns <= width - edge[:, None])


@dataclass(frozen=True)
class Plan:
    """The parts of one house front and its surroundings, from the back to the front."""

    parts: tuple[Part, ...]


def label_map(plan: Plan) -> UInt8[np.ndarray, "64 64"]:
    """The label of every pixel, an index into `LABELS`; sky where no part is."""
    labels = np.full((SIDE, SIDE), SKY, dtype=np.uint8)
    for part in plan.parts:
        region = labels[part.top : part.bottom, part.left : part.right]
        if part.narrowing:
            region[part.mask()] = part.label
        else:
            region[:] = part.label
    return labels
