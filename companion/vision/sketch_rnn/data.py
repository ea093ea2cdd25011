"""Chapter 3.4, data: pen strokes of KanjiVG, stroke-3 and stroke-5, and Quick, Draw! files.

A *polyline* is an array ``(points, 2)`` of canvas coordinates, y pointing down. A *drawing* is a
list of polylines in the order the pen made them. *Stroke-3* is an array ``(steps, 3)`` of rows
``(dx, dy, lift)``: the pen moves by ``(dx, dy)`` and is then lifted (1) or stays down (0). It
starts, pen down, at the drawing's first point, so the first row is the step to the second point.
*Stroke-5* (Ha and Eck 2017, section 3.1) has rows ``(dx, dy, p1, p2, p3)`` with a one-hot pen
state: down, lifted, end of drawing.

The strokes are those of KanjiVG (Ulrich Apel, CC BY-SA 3.0), read from the ``kanjivg`` wheel.
"""

import importlib.metadata
import unicodedata
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
import torch
from jaxtyping import Float, Int
from svgelements import CubicBezier, Line, Move
from svgelements import Path as SvgPath
from torch import Tensor

from companion.cache import cached_arrays

CANVAS = 109.0  # side of KanjiVG's square canvas, in its units
TOLERANCE = 1.0  # of Ramer-Douglas-Peucker, in canvas units
MAX_LENGTH = 64  # N_max: rows of stroke-5, the end of the drawing among them
START = (0.0, 0.0, 1.0, 0.0, 0.0)  # S_0 of section 3.1
SPLITS = ("train", "validation", "test")

_SVG = "{http://www.w3.org/2000/svg}"
_KVG = "{http://kanjivg.tagaini.net}"  # the name that the files' own DTD gives the prefix kvg
_CACHE_VERSION = "2"


class DrawingError(ValueError):
    """A drawing, or a file of drawings, that cannot be used; the message says which and why."""


# --- from SVG to polylines ---------------------------------------------------------------------


def kanjivg_folder() -> Path:
    """The folder of KanjiVG's SVG files inside the installed ``kanjivg`` wheel.

    Raises ``ModuleNotFoundError`` with the remedy when the wheel is missing.
    """
    try:
        distribution = importlib.metadata.distribution("kanjivg")
    except importlib.metadata.PackageNotFoundError:
        raise ModuleNotFoundError(
            "the stroke data comes from the package 'kanjivg', which is not installed: "
            "run `pip install kanjivg`"
        ) from None
    return Path(str(distribution.locate_file("kanji")))


def sample_path(commands: str, points_per_curve: int = 10) -> Float[np.ndarray, "points 2"]:
    """An SVG path of one pen stroke as a dense polyline, ``points_per_curve`` points a curve."""
    points: list[np.ndarray] = []
    ratio = np.linspace(0, 1, points_per_curve + 1)[1:, None]
    try:
        segments = list(SvgPath(commands))
    except Exception as error:
        raise DrawingError(f"not an SVG path: {commands[:60]!r} ({error})") from error
    for segment in segments:
        if isinstance(segment, Move):
            if points:
                raise DrawingError(f"one pen stroke expected, a second begins in {commands[:60]!r}")
            points.append(np.array([[segment.end.x, segment.end.y]]))
        elif isinstance(segment, CubicBezier):
            corners = (segment.start, segment.control1, segment.control2, segment.end)
            a, b, c, d = (np.array([corner.x, corner.y]) for corner in corners)
            rest = 1 - ratio
            points.append(
                rest**3 * a + 3 * rest**2 * ratio * b + 3 * rest * ratio**2 * c + ratio**3 * d
            )
        elif isinstance(segment, Line):
            points.append(np.array([[segment.end.x, segment.end.y]]))
        else:
            raise DrawingError(f"unexpected {type(segment).__name__} in path {commands[:60]!r}")
    if len(points) < 2:
        raise DrawingError(f"a pen stroke needs at least two points: {commands[:60]!r}")
    return np.concatenate(points)


def simplify(
    polyline: Float[np.ndarray, "points 2"], tolerance: float = TOLERANCE
) -> Float[np.ndarray, "fewer 2"]:
    """Drop points by Ramer-Douglas-Peucker; no dropped one lies further than ``tolerance`` away."""
    line = shapely.LineString(polyline).simplify(tolerance, preserve_topology=False)
    return np.asarray(line.coords)


def read_character(path: Path) -> tuple[list[np.ndarray], str]:
    """The dense polylines of one KanjiVG file, and the name of its left part, "" if it has none.

    The left part is the ``kvg:element`` of the first group directly inside the character whose
    ``kvg:position`` is ``left``: the water radical of a character that has it on its left, say.
    Raises `DrawingError` naming the file when it is not XML or holds no stroke.
    """
    try:
        root = ElementTree.parse(path).getroot()
        polylines = [sample_path(stroke.get("d", "")) for stroke in root.iter(f"{_SVG}path")]
    except (ElementTree.ParseError, DrawingError) as error:
        raise DrawingError(f"{path}: not a KanjiVG drawing: {error}") from error
    if not polylines:
        raise DrawingError(f"{path}: the drawing is empty, it has no <path>")
    parts = root.findall(f"{_SVG}g/{_SVG}g/{_SVG}g")
    left = [part for part in parts if part.get(f"{_KVG}position") == "left"]
    return polylines, (left[0].get(f"{_KVG}element") or "") if left else ""


# --- stroke-3 and stroke-5 ---------------------------------------------------------------------


def to_stroke3(polylines: list[np.ndarray]) -> Float[np.ndarray, "steps 3"]:
    """A drawing as stroke-3, in the units of its polylines. Raises `DrawingError` when empty."""
    polylines = [np.asarray(polyline, dtype=np.float64) for polyline in polylines]
    if sum(len(polyline) for polyline in polylines) < 2:
        raise DrawingError("the drawing is empty: it needs a stroke of at least two points")
    for index, polyline in enumerate(polylines):
        if polyline.ndim != 2 or polyline.shape[1] != 2 or not np.isfinite(polyline).all():
            raise DrawingError(f"stroke {index} must be finite points (n, 2), got {polyline.shape}")
    points = np.concatenate(polylines)
    lift = np.zeros(len(points))
    lift[np.cumsum([len(polyline) for polyline in polylines]) - 1] = 1
    return np.column_stack([np.diff(points, axis=0), lift[1:]]).astype(np.float32)


def to_polylines(
    stroke3: Float[np.ndarray, "steps 3"], start: tuple[float, float] = (0.0, 0.0)
) -> list[np.ndarray]:
    """The polylines that `to_stroke3` made ``stroke3`` from, beginning at ``start``."""
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(stroke3[:, :2], axis=0)]) + start
    ends = np.flatnonzero(stroke3[:, 2]) + 2  # row i moves to point i + 1
    return [piece for piece in np.split(points, ends) if len(piece)]


def to_stroke5(
    stroke3: Float[np.ndarray, "steps 3"], length: int = MAX_LENGTH
) -> Float[np.ndarray, "length 5"]:
    """Stroke-3 as stroke-5, padded to ``length`` rows with the end-of-drawing state.

    Raises `DrawingError` when no row would be left for the end of the drawing.
    """
    steps = len(stroke3)
    if steps >= length:
        raise DrawingError(f"a drawing of {steps} steps and its end do not fit {length} rows")
    stroke5 = np.zeros((length, 5), dtype=np.float32)
    stroke5[:steps, :2] = stroke3[:, :2]
    stroke5[:steps, 2] = 1 - stroke3[:, 2]
    stroke5[:steps, 3] = stroke3[:, 2]
    stroke5[steps:, 4] = 1
    return stroke5


def from_stroke5(stroke5: Float[np.ndarray, "length 5"]) -> np.ndarray:
    """The rows of stroke-5 before its first end-of-drawing state, as stroke-3."""
    ended = np.flatnonzero(stroke5[:, 4] == 1)
    steps = ended[0] if len(ended) else len(stroke5)
    return np.column_stack([stroke5[:steps, :2], stroke5[:steps, 3]]).astype(np.float32)


# --- the data sets -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawings:
    """Drawings of one split: names, stroke-3 arrays divided by ``scale``, left parts, first points.

    ``scale`` is the standard deviation of the *training* offsets, in canvas units; every split is
    divided by the same one, so that likelihoods of different splits can be compared.
    """

    names: list[str]
    strokes: list[np.ndarray]
    left_parts: list[str]
    starts: np.ndarray
    scale: float

    def __len__(self) -> int:
        return len(self.strokes)

    def index(self, name: str) -> int:
        """Position of the drawing called ``name``; ``KeyError`` with the name if it is not here."""
        if name not in self.names:
            raise KeyError(f"no drawing called {name!r} among these {len(self)}")
        return self.names.index(name)


def _is_wanted(path: Path) -> bool:
    """A kanji or a kana in its standard form: no variant, Latin letter, digit or sign."""
    if "-" in path.stem:
        return False
    name = unicodedata.name(chr(int(path.stem, 16)), "")
    return name.startswith(("CJK UNIFIED", "HIRAGANA LETTER", "KATAKANA LETTER"))


def _build_kanji() -> dict[str, np.ndarray]:
    names, strokes, left_parts, starts = [], [], [], []
    for path in sorted(kanjivg_folder().glob("*.svg")):
        if not _is_wanted(path):
            continue
        polylines, left_part = read_character(path)
        stroke3 = to_stroke3([simplify(polyline) for polyline in polylines])
        if len(stroke3) < MAX_LENGTH:
            names.append(chr(int(path.stem, 16)))
            strokes.append(stroke3)
            left_parts.append(left_part)
            starts.append(polylines[0][0])
    return {
        "names": np.array(names),
        "strokes": np.concatenate(strokes),
        "lengths": np.array([len(stroke3) for stroke3 in strokes]),
        "left_parts": np.array(left_parts),
        "starts": np.array(starts, dtype=np.float32),
    }


def load_kanji(split: str) -> Drawings:
    """KanjiVG's kanji and kana of fewer than `MAX_LENGTH` steps: one of `SPLITS`.

    The split is by character (a fixed shuffle, 80 : 10 : 10), so no held-out character was seen in
    training, though its parts were. Built once in some ten seconds, then cached.
    Raises ``ValueError`` naming an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    arrays = cached_arrays("kanjivg", _CACHE_VERSION, _build_kanji)
    strokes = np.split(arrays["strokes"], np.cumsum(arrays["lengths"])[:-1])
    order = np.random.default_rng(2017).permutation(len(strokes))
    tenth = len(order) // 10
    parts = {
        "test": order[:tenth],
        "validation": order[tenth : 2 * tenth],
        "train": order[2 * tenth :],
    }
    offsets = np.concatenate([strokes[i][:, :2] for i in parts["train"]])
    scale = float(offsets.std())
    chosen = np.sort(parts[split])
    return Drawings(
        names=[str(arrays["names"][i]) for i in chosen],
        strokes=[strokes[i] / np.float32([scale, scale, 1]) for i in chosen],
        left_parts=[str(arrays["left_parts"][i]) for i in chosen],
        starts=arrays["starts"][chosen],
        scale=scale,
    )


def load_quickdraw(
    path: str | Path,
    split: str,
    max_length: int = 250,
    limit: int | None = None,
    allow_pickle: bool = False,
) -> Drawings:
    """Quick, Draw! drawings from a ``.npz`` in the format the paper's authors published.

    Such a file holds ``train``, ``valid`` and ``test``, each an *object* array of int16 stroke-3
    arrays. NumPy stores object arrays as pickles, and unpickling can run any code, so they are
    refused unless you say ``allow_pickle=True`` for a file whose origin you trust. Drawings of
    ``max_length`` steps or more are dropped; ``limit`` keeps the first so many.

    Raises ``FileNotFoundError``, `DrawingError` (malformed), or ``ValueError`` (unknown split).
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no Quick, Draw! file at {path}: download one category's .npz")
    key = {"validation": "valid"}.get(split, split)
    try:
        with np.load(path, allow_pickle=allow_pickle, encoding="latin1") as archive:
            raw, training = list(archive[key]), list(archive["train"])
    except KeyError:
        raise DrawingError(f"{path} has no array {key!r}: expected train, valid, test") from None
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise DrawingError(f"{path} is not a readable .npz: {error}") from error
    except ValueError as error:
        if allow_pickle or "pickle" not in str(error):
            raise DrawingError(f"{path} is not a readable .npz: {error}") from error
        raise DrawingError(
            f"{path} holds pickled object arrays, and unpickling can run any code. If you trust "
            "where the file comes from, pass allow_pickle=True"
        ) from None
    scale = float(np.concatenate([_check_stroke3(s, path)[:, :2] for s in training]).std())
    strokes = [_check_stroke3(stroke3, path) for stroke3 in raw]
    strokes = [stroke3 for stroke3 in strokes if len(stroke3) < max_length][:limit]
    return Drawings(
        names=[f"{path.stem} {index}" for index in range(len(strokes))],
        strokes=[stroke3 / np.float32([scale, scale, 1]) for stroke3 in strokes],
        left_parts=[""] * len(strokes),
        starts=np.zeros((len(strokes), 2), dtype=np.float32),
        scale=scale,
    )


def _check_stroke3(stroke3: object, path: Path) -> Float[np.ndarray, "steps 3"]:
    array = np.asarray(stroke3)
    if array.ndim != 2 or array.shape[1] != 3 or not len(array) or array.dtype == object:
        raise DrawingError(f"{path}: a drawing must be (steps, 3) numbers, got {array.shape}")
    if not np.isin(array[:, 2], (0, 1)).all():
        raise DrawingError(f"{path}: the third column (pen lift) must be 0 or 1")
    return array.astype(np.float32)


# --- batches -----------------------------------------------------------------------------------


def drop_points(
    stroke3: Float[np.ndarray, "steps 3"], keep: Float[np.ndarray, "steps"]
) -> Float[np.ndarray, "fewer 3"]:
    """Drop the points where ``keep`` is False, except where a stroke begins or ends.

    A dropped point's step is added to the next, so the rest of the drawing stays in its place.
    """
    lift = stroke3[:, 2] == 1
    begins = np.concatenate([[False], lift[:-1]])
    keep = keep | lift | begins
    points = np.cumsum(stroke3[:, :2], axis=0)[keep]
    steps = np.diff(points, axis=0, prepend=np.zeros((1, 2), dtype=np.float32))
    return np.column_stack([steps, stroke3[keep, 2]]).astype(np.float32)


def augment(
    strokes: list[np.ndarray],
    generator: torch.Generator,
    max_stretch: float = 0.15,
    drop_probability: float = 0.1,
) -> list[np.ndarray]:
    """Stretch each drawing by up to 15% along x and y apart, and drop points at random.

    Section 4 of the paper names the stretch; dropping points follows its released code.
    """
    stretch = 1 + max_stretch * (2 * torch.rand(len(strokes), 2, generator=generator) - 1)
    longest = max(len(stroke3) for stroke3 in strokes)
    keep = torch.rand(len(strokes), longest, generator=generator) >= drop_probability
    factors = np.column_stack([stretch.numpy(), np.ones(len(strokes), dtype=np.float32)])
    return [
        drop_points(stroke3 * factor, kept[: len(stroke3)])
        for stroke3, factor, kept in zip(strokes, factors, keep.numpy(), strict=True)
    ]


@dataclass(frozen=True)
class Batch:
    """``strokes`` (batch, 1 + time, 5), first row S_0; ``lengths`` (batch,), steps before the end.

    ``time`` is the longest drawing of the batch plus one row for its end.
    """

    strokes: Float[Tensor, "batch time+1 5"]
    lengths: Int[Tensor, " batch"]

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on ``device``; lengths stay on the CPU, where packing needs them."""
        return Batch(self.strokes.to(device), self.lengths)


def make_batch(strokes: list[np.ndarray], length: int | None = None) -> Batch:
    """Pad drawings to ``length`` rows, by default to the longest and its end (no wasted rows)."""
    if not strokes:
        raise DrawingError("a batch needs at least one drawing")
    lengths = [len(stroke3) for stroke3 in strokes]
    rows = length or max(lengths) + 1
    stroke5 = np.stack([to_stroke5(stroke3, rows) for stroke3 in strokes])
    start = np.broadcast_to(np.float32(START), (len(strokes), 1, 5))
    return Batch(torch.from_numpy(np.concatenate([start, stroke5], axis=1)), torch.tensor(lengths))


def training_batches(
    drawings: Drawings, batch_size: int, generator: torch.Generator, length: int | None = None
) -> Iterator[Batch]:
    """Augmented batches without end, each of drawings of similar length.

    Drawings are shuffled, sorted by length within pools of 16 batches, and the batches shuffled
    again: little padding, and still another composition every time. ``length`` pads every batch
    to that many rows instead, as the paper does.
    """
    if len(drawings) < batch_size:
        raise ValueError(f"{len(drawings)} drawings do not fill one batch of {batch_size}")
    while True:
        order = torch.randperm(len(drawings), generator=generator).tolist()
        for first in range(0, len(order) - batch_size + 1, 16 * batch_size):
            pool = order[first : first + 16 * batch_size]
            pool = pool[: len(pool) // batch_size * batch_size]
            pool.sort(key=lambda i: len(drawings.strokes[i]))
            groups = [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
            for group in torch.randperm(len(groups), generator=generator).tolist():
                chosen = [drawings.strokes[i] for i in groups[group]]
                yield make_batch(augment(chosen, generator), length)


def evaluation_batches(drawings: Drawings, batch_size: int = 200) -> Iterator[Batch]:
    """Every drawing once, as it is, in order of length."""
    order = sorted(range(len(drawings)), key=lambda i: len(drawings.strokes[i]))
    for first in range(0, len(order), batch_size):
        yield make_batch([drawings.strokes[i] for i in order[first : first + batch_size]])
