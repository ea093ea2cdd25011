"""Chapter 3.8, façades: what the painted surfaces are made of, and the noise that ages them.

Colours are red, green and blue in [0, 1]. A canvas has `SCALE` pixels in each side of a picture's
pixel, so that mortar and glazing bars thinner than a pixel come out as the pale lines they are.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from companion.vision.pix2pix.facades import SIDE

SCALE = 2
CANVAS = SCALE * SIDE

Colour = Float[np.ndarray, "3"]


@dataclass(frozen=True)
class Masonry:
    """A wall's or a roof's material: blocks of one size in rows, each of its own tone.

    ``course`` is a block's height and ``length`` its width in canvas pixels, ``bond`` how far every
    second row is moved along, as a share of the length; ``variation`` spreads the blocks' tones,
    ``joint`` multiplies the colour between them. A surface without blocks has one that fills it.
    """

    colours: tuple[str, ...]
    course: int
    length: int
    bond: float
    variation: float
    joint: float
    joint_shows: str = "both"  # or "rows" or "columns"


WALLS = {
    "brick": Masonry(
        ("#8e4634", "#a9614a", "#6f4038", "#bd8d68", "#d3b88c", "#93594d"), 4, 10, 0.5, 0.16, 1.3
    ),
    "plaster": Masonry(
        ("#eae0c9", "#e3c285", "#d4926b", "#c4d0be", "#b3c4d4", "#e6c3bb", "#f2eee4", "#a9b78f"),
        2 * CANVAS,
        2 * CANVAS,
        0,
        0,
        1,
    ),
    "stone": Masonry(
        ("#cfc4ab", "#b5ad9c", "#9c9385", "#d9ccae", "#8b867e"), 9, 18, 0.5, 0.10, 0.72
    ),
    "panel": Masonry(("#b9bdbf", "#a1a7ad", "#d0d2cf", "#8797a3", "#c6b699"), 22, 30, 0, 0.05, 0.7),
    "boards": Masonry(
        ("#e9e6de", "#7b92a3", "#97483b", "#58765f", "#cbb176", "#67554a"),
        5,
        60,
        0.4,
        0.05,
        0.68,
        "rows",
    ),
}
ROOFS = {
    "tiles": Masonry(("#a4523a", "#8c4634", "#b96d4c", "#7a4a3c"), 4, 5, 0.5, 0.14, 0.72),
    "slate": Masonry(("#4c535d", "#5d6068", "#6f747b", "#3f444f"), 4, 7, 0.5, 0.14, 0.75),
    "metal": Masonry(("#6f9488", "#7d858c", "#5d7d78"), 2 * CANVAS, 7, 0, 0.05, 0.75, "columns"),
}


@cache
def rgb(code: str) -> Colour:
    """The colour of a code such as "#f0c4a2"; shared, so not to be written to."""
    colour = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float32) / 255
    colour.setflags(write=False)
    return colour


def pick(codes: tuple[str, ...], lot: float) -> Colour:
    """One of the colours, by a lot in [0, 1)."""
    return rgb(codes[int(lot * len(codes))])


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour at ``share`` of the way from the first to the second."""
    return first + share * (second - first)


def masonry(
    material: Masonry,
    phase: tuple[int, int],
    tones: Float[np.ndarray, "64 64"],
    height: int = CANVAS,
    width: int = CANVAS,
) -> Float[np.ndarray, "height width"]:
    """What a material's colour is multiplied by, in every canvas pixel.

    ``tones`` in [-1, 1] are the blocks' own, by row and column; ``phase`` moves the blocks up and
    to the left, in canvas pixels.
    """
    y = np.arange(height) + phase[0]
    row = y // material.course
    x = np.arange(width) + phase[1]
    shade = np.ones((height, width), dtype=np.float32)
    # Rows come in two kinds, by how far they are moved along.
    for odd in (0, 1):
        moved = x + odd * round(material.bond * material.length)
        rows = np.flatnonzero(row % 2 == odd)
        blocks = 1 + material.variation * tones[:, moved // material.length % 64]
        if material.joint_shows != "rows":
            blocks[:, moved % material.length == 0] = material.joint
        shade[rows] = blocks[row[rows] % 64]
    if material.joint_shows != "columns":
        shade[y % material.course == 0] = material.joint
        if material.joint < 1:  # below a groove the block's edge catches the light
            shade[y % material.course == 1] *= 1.05
    return shade


# --- noise -------------------------------------------------------------------------------------


@cache
def _spread(cells: int) -> Float[np.ndarray, "128 cells+1"]:
    """The weights that spread ``cells`` + 1 values along a canvas's side, with smooth steps."""
    place = (np.arange(CANVAS) + 0.5) * (cells / CANVAS)
    before = place.astype(int)
    share = place - before
    share = share * share * (3 - 2 * share)
    weights = np.zeros((CANVAS, cells + 1), dtype=np.float32)
    weights[np.arange(CANVAS), before] = 1 - share
    weights[np.arange(CANVAS), before + 1] = share
    return weights


def cloudy(
    random: np.random.Generator, down: int, across: int, octaves: int
) -> Float[np.ndarray, "128 128"]:
    """Smooth noise about zero, some -1 to 1: ``down`` by ``across`` cells, then ever finer."""
    total = np.zeros((CANVAS, CANVAS), dtype=np.float32)
    for octave in range(octaves):
        rows, columns = down << octave, across << octave
        values = random.random((rows + 1, columns + 1), dtype=np.float32) * 2 - 1
        total += (_spread(rows) @ values @ _spread(columns).T) * (0.5**octave)
    return total
