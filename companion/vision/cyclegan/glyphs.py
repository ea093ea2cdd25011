"""Chapter 3.9, glyphs: letters of two typefaces, whose true partners are known and hidden.

Domain A is DejaVu Sans, domain B DejaVu Serif Bold Italic: serifs, slant and weight are to be
learned. Both are in the matplotlib wheel, under the licences of Bitstream Vera and Arev, and in the
public domain where the DejaVu project changed them (``LICENSE_DEJAVU`` beside the files).
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from companion.cache import cached_arrays
from companion.seeds import numpy_generator
from companion.vision.cyclegan.data import Unpaired

TYPEFACES = ("DejaVuSans.ttf", "DejaVuSerif-BoldItalic.ttf")  # of domain A and of domain B
SIDE = 32  # pixels
PARTS = {"validation": 200, "test": 300}  # pairs; the others are for training

_FINE = 4  # drawn so much larger, then averaged
_EM, _BASELINE = 24, 24  # pixels: the type's size, and its line from above
_KINDS = ("L", "N", "P", "Sc")  # letters, numbers, punctuation, currencies: what is read
_LEAST_INK = 12.0  # pixels of black: less is a dot or a hairline
_CACHE_VERSION = "1"


@dataclass(frozen=True)
class Glyphs:
    """The same characters in both typefaces: row i of ``a`` and of ``b`` are partners.

    Pictures (n, 1, 32, 32) of black ink (-1) on white paper (1).
    """

    characters: tuple[str, ...]
    a: Float[Tensor, "n 1 32 32"]
    b: Float[Tensor, "n 1 32 32"]

    def __len__(self) -> int:
        return len(self.characters)


@cache
def load_glyphs(split: str) -> Glyphs:
    """The pairs of ``split``: train, validation or test. No character is in two of them.

    Only an oracle may learn from the pairs of ``train``; a CycleGAN learns from `unpaired_glyphs`.
    Drawn once in some seconds, then cached. Raises ``ValueError`` naming an unknown split.
    """
    if split not in ("train", *PARTS):
        raise ValueError(f"split {split!r} is not one of train, {', '.join(PARTS)}")
    arrays = cached_arrays("glyphs", _CACHE_VERSION, _build)
    order = numpy_generator(2017, "glyphs").permutation(len(arrays["code_points"]))
    cuts = np.cumsum(list(PARTS.values()))
    rows = dict(zip((*PARTS, "train"), np.split(order, cuts), strict=True))[split]
    a, b = (torch.from_numpy(1 - arrays[side][rows] / np.float32(127.5))[:, None] for side in "ab")
    return Glyphs(tuple(chr(point) for point in arrays["code_points"][rows]), a, b)


def unpaired_glyphs() -> Unpaired:
    """What a CycleGAN learns from: half the training characters in A, the other half in B.

    So no glyph has its partner in the other set, and a network cannot learn which it is.
    """
    glyphs = load_glyphs("train")
    half = len(glyphs) // 2
    return Unpaired(glyphs.a[:half], glyphs.b[half:])


# --- drawing -----------------------------------------------------------------------------------


def _build() -> dict[str, np.ndarray]:
    """Code points, and the ink (0 to 255) of their glyphs in both typefaces."""
    points, drawings = [], []
    fonts = [_font(name) for name in TYPEFACES]
    for point in sorted(set.intersection(*(_code_points(name) for name in TYPEFACES))):
        pair = [_draw(chr(point), font) for font in fonts]
        if all(drawing is not None for drawing in pair):
            points.append(point)
            drawings.append(pair)
    a, b = np.stack(drawings, axis=1)
    kept = _unlike_those_before(a) & _unlike_those_before(b) & (a != b).any(axis=(1, 2))
    return {"code_points": np.array(points, np.int32)[kept], "a": a[kept], "b": b[kept]}


def _path(name: str) -> Path:
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    if not path.is_file():
        raise FileNotFoundError(
            f"matplotlib's wheel brings {name}, and this installation lacks it: run "
            "`pip install --force-reinstall matplotlib`"
        )
    return path


def _font(name: str) -> ImageFont.FreeTypeFont:
    # The basic layout is in every Pillow; the other needs a library of the system's.
    return ImageFont.truetype(_path(name), _FINE * _EM, layout_engine=ImageFont.Layout.BASIC)


def _code_points(name: str) -> set[int]:
    """Those that the typeface draws, of the kinds wanted."""
    from matplotlib.ft2font import FT2Font

    return {
        point
        for point in FT2Font(str(_path(name))).get_charmap()
        if unicodedata.category(chr(point)).startswith(_KINDS)
    }


def _draw(character: str, font: ImageFont.FreeTypeFont) -> np.ndarray | None:
    """The glyph's ink on a common baseline, its middle in the picture's; None if it does not fit.

    Each glyph is centred by its own ink alone, so that its place tells nothing of its partner's.
    """
    side, margin = _FINE * SIDE, _FINE * SIDE // 2
    sheet = Image.new("L", (2 * side, 2 * side), 0)
    place = (margin, margin + _FINE * _BASELINE)
    ImageDraw.Draw(sheet).text(place, character, font=font, fill=255, anchor="ls")
    box = sheet.getbbox()
    if box is None:
        return None
    left, top, right, bottom = box
    if right - left > side or top < margin or bottom > margin + side:
        return None
    x = (left + right - side) // 2
    fine = np.asarray(sheet.crop((x, margin, x + side, margin + side)), dtype=np.float32)
    ink = fine.reshape(SIDE, _FINE, SIDE, _FINE).mean(axis=(1, 3))
    return ink.round().astype(np.uint8) if ink.sum() >= 255 * _LEAST_INK else None


def _unlike_those_before(drawings: np.ndarray) -> np.ndarray:
    """Which drawings are the first of their kind: A is a letter of three alphabets, drawn alike."""
    _, first = np.unique(drawings.reshape(len(drawings), -1), axis=0, return_index=True)
    unlike = np.zeros(len(drawings), dtype=bool)
    unlike[first] = True
    return unlike
