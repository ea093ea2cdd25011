"""Drawn faces: portraits of people who do not exist, with the truth about everything in them.

Chapters on faces use this room. A face is an `Identity` (what stays with a person: bones, colours,
hair, age) in a `Situation` (what changes from picture to picture: pose, expression, mouth, glasses,
light, background). Every parameter is an array with an entry for each face; each is drawn apart
from the others, so one can be changed while all else stays:

    people = identities(generator(0, "people"), 16)
    older = dataclasses.replace(people, age=people.age + 30)
    pictures = draw(older, situations(generator(0, "pictures"), 16), size=64)
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from companion.datasets.face_geometry import (
    EYES,
    HEAD,
    MOUTH,
    NOSE,
    UPPER_SHARE,
    mouth_rise,
    proportions,
    to_picture,
)
from companion.datasets.face_hair import HAIR_STYLES
from companion.datasets.face_painting import BACKGROUNDS, GLASSES_SHAPES, light, paint

__all__ = [
    "BACKGROUNDS",
    "GLASSES_SHAPES",
    "HAIR_STYLES",
    "FaceError",
    "Identity",
    "Landmarks",
    "Situation",
    "draw",
    "identities",
    "landmarks",
    "light",
    "situations",
]

SIZES = (16, 256)  # pixels; the drawing is made for 32 to 96
_PIXELS_AT_ONCE = 2**17  # painted together: few enough to stay in the processor's cache


class FaceError(ValueError):
    """Parameters that no face can have; the message says which, and what they may be."""


def _between(low: float, high: float) -> dict:
    return {"low": low, "high": high}


_SIGNED = _between(-1, 1)
_SHARE = _between(0, 1)


@dataclass(frozen=True)
class Identity:
    """What stays with each person; every field is (faces,).

    ``age`` is in years. Those from -1 to 1 measure a part against the average face; those from 0 to
    1 go from none to full, or along a palette (``skin`` from light to dark, ``hair_colour`` from
    black over brown and red to blond, ``eye_colour`` from brown over green to blue and grey).
    ``hair_style`` is an index into `HAIR_STYLES`. Grey hair, wrinkles, a child's proportions and
    the beard's absence before it grows follow from ``age``.
    """

    age: Tensor = field(metadata=_between(0, 100))
    face_width: Tensor = field(metadata=_SIGNED)
    jaw: Tensor = field(metadata=_SIGNED)
    chin: Tensor = field(metadata=_SIGNED)
    eye_distance: Tensor = field(metadata=_SIGNED)
    eye_size: Tensor = field(metadata=_SIGNED)
    eye_tilt: Tensor = field(metadata=_SIGNED)
    eye_colour: Tensor = field(metadata=_SHARE)
    brow_thickness: Tensor = field(metadata=_SIGNED)
    brow_arch: Tensor = field(metadata=_SIGNED)
    nose_length: Tensor = field(metadata=_SIGNED)
    nose_width: Tensor = field(metadata=_SIGNED)
    mouth_breadth: Tensor = field(metadata=_SIGNED)
    lip_fullness: Tensor = field(metadata=_SIGNED)
    ear_size: Tensor = field(metadata=_SIGNED)
    skin: Tensor = field(metadata=_SHARE)
    freckles: Tensor = field(metadata=_SHARE)
    hair_style: Tensor = field(metadata={"choices": HAIR_STYLES})
    hair_colour: Tensor = field(metadata=_SHARE)
    hairline: Tensor = field(metadata=_SIGNED)
    beard: Tensor = field(metadata=_SHARE)
    moustache: Tensor = field(metadata=_SHARE)

    def __post_init__(self) -> None:
        _check(self)

    def __len__(self) -> int:
        return len(self.age)

    def __getitem__(self, rows: Int64[Tensor, " rows"] | slice) -> Identity:
        """The people of these rows, in this order; a row may come more than once."""
        return Identity(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Situation:
    """What changes from picture to picture; every field is (faces,).

    Angles in degrees: ``yaw`` turns the face to the picture's right, ``pitch`` up, ``roll``
    clockwise; the light stands ``light_azimuth`` to the right of the viewer and ``light_elevation``
    above. ``shift_x`` and ``shift_y`` are in half pictures, to the right and down.

    Of the mouth: ``mouth_opening`` from closed to wide open, ``mouth_width`` from pursed to spread,
    ``mouth_rounding`` from flat to the lips of "oo", ``teeth`` and ``tongue`` from hidden to shown
    in the opening. ``smile`` is -1 for a frown. ``glasses`` is an index into `GLASSES_SHAPES`,
    ``background`` one into `BACKGROUNDS`; ``glasses_colour``, ``background_colour`` and
    ``clothes_colour`` go along palettes; ``background_phase`` moves the background's pattern.
    """

    yaw: Tensor = field(metadata=_between(-40, 40))
    pitch: Tensor = field(metadata=_between(-25, 25))
    roll: Tensor = field(metadata=_between(-30, 30))
    shift_x: Tensor = field(metadata=_between(-0.5, 0.5))
    shift_y: Tensor = field(metadata=_between(-0.5, 0.5))
    scale: Tensor = field(metadata=_between(0.5, 1.5))
    smile: Tensor = field(metadata=_SIGNED)
    brow_raise: Tensor = field(metadata=_SIGNED)
    eye_opening: Tensor = field(metadata=_SHARE)
    gaze: Tensor = field(metadata=_SIGNED)
    mouth_opening: Tensor = field(metadata=_SHARE)
    mouth_width: Tensor = field(metadata=_SIGNED)
    mouth_rounding: Tensor = field(metadata=_SHARE)
    teeth: Tensor = field(metadata=_SHARE)
    tongue: Tensor = field(metadata=_SHARE)
    glasses: Tensor = field(metadata={"choices": GLASSES_SHAPES})
    glasses_colour: Tensor = field(metadata=_SHARE)
    light_azimuth: Tensor = field(metadata=_between(-70, 70))
    light_elevation: Tensor = field(metadata=_between(-30, 70))
    light_strength: Tensor = field(metadata=_SHARE)
    light_warmth: Tensor = field(metadata=_SIGNED)
    background: Tensor = field(metadata={"choices": BACKGROUNDS})
    background_colour: Tensor = field(metadata=_SHARE)
    background_phase: Tensor = field(metadata=_SHARE)
    clothes_colour: Tensor = field(metadata=_SHARE)

    def __post_init__(self) -> None:
        _check(self)

    def __len__(self) -> int:
        return len(self.yaw)

    def __getitem__(self, rows: Int64[Tensor, " rows"] | slice) -> Situation:
        """The situations of these rows, in this order; a row may come more than once."""
        return Situation(**{name: values[rows] for name, values in vars(self).items()})


def _check(parameters: Identity | Situation) -> None:
    kind = type(parameters).__name__
    count = len(getattr(parameters, fields(parameters)[0].name))
    for parameter in fields(parameters):
        values = getattr(parameters, parameter.name)
        if not isinstance(values, Tensor) or values.shape != (count,):
            found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise FaceError(
                f"{kind}.{parameter.name} must be a tensor of shape ({count},), one entry for each "
                f"face as in the first field; got {found}"
            )
        choices = parameter.metadata.get("choices")
        if choices and values.is_floating_point():
            raise FaceError(f"{kind}.{parameter.name} is an index: make it a tensor of integers")
        low = 0 if choices else parameter.metadata["low"]
        high = len(choices) - 1 if choices else parameter.metadata["high"]
        outside = ~((values >= low) & (values <= high))  # a NaN is outside
        if outside.any():
            raise FaceError(
                f"{kind}.{parameter.name} must lie between {low} and {high}; "
                f"got {values[outside][0].item():g}. Clamp it first."
            )


# --- drawing lots ------------------------------------------------------------------------------


def identities(
    generator: torch.Generator, count: int, ages: tuple[float, float] = (18, 80)
) -> Identity:
    """``count`` people of ages spread evenly over ``ages`` (years), all else independent of it.

    Two in five have a beard, a moustache or both; one in four has freckles.
    """
    lots = _lots(Identity, generator, count)
    low, high = ages
    lots["age"] = low + (high - low) * lots["age"] / 100
    for name, share in {"beard": 0.3, "moustache": 0.25, "freckles": 0.25}.items():
        # The lots above 1 - share, spread over [0, 1] again.
        lots[name] = ((lots[name] - (1 - share)) / share).clamp_min(0)
    return Identity(**lots)


def situations(generator: torch.Generator, count: int) -> Situation:
    """``count`` pictures of portrait kind: near the middle, turned by up to 25 degrees.

    A third of the people wear glasses, half have their mouth closed, most look friendly.
    """
    lots = _lots(Situation, generator, count)
    spread = {"yaw": 25, "pitch": 10, "roll": 9, "shift_x": 0.06, "shift_y": 0.05}
    for name, limit in spread.items():
        lots[name] = _stretch(lots[name], Situation, name, -limit, limit)
    lots["scale"] = _stretch(lots["scale"], Situation, "scale", 0.9, 1.1)
    lots["smile"] = 0.35 + 0.65 * lots["smile"]
    lots["eye_opening"] = 0.65 + 0.35 * lots["eye_opening"]
    lots["mouth_opening"] = (1.2 * (lots["mouth_opening"] - 0.5)).clamp_min(0)
    lots["mouth_rounding"] = lots["mouth_rounding"] ** 3
    lots["light_azimuth"] = _stretch(lots["light_azimuth"], Situation, "light_azimuth", -50, 50)
    lots["light_elevation"] = _stretch(lots["light_elevation"], Situation, "light_elevation", 0, 50)
    bare = torch.rand(count, generator=generator) < 2 / 3
    lots["glasses"] = torch.where(bare, 0, lots["glasses"].clamp_min(1))
    return Situation(**lots)


def _lots(
    kind: type[Identity] | type[Situation], generator: torch.Generator, count: int
) -> dict[str, Tensor]:
    """Every parameter uniform over all its range, in the order of the fields."""
    lots = {}
    for parameter in fields(kind):
        uniform = torch.rand(count, generator=generator)
        if "choices" in parameter.metadata:
            lots[parameter.name] = (uniform * len(parameter.metadata["choices"])).long()
        else:
            low, high = parameter.metadata["low"], parameter.metadata["high"]
            lots[parameter.name] = low + (high - low) * uniform
    return lots


def _stretch(values: Tensor, kind: type, name: str, low: float, high: float) -> Tensor:
    """Values spread over the range of the field ``name``, spread over [low, high] instead."""
    bounds = kind.__dataclass_fields__[name].metadata
    return low + (high - low) * (values - bounds["low"]) / (bounds["high"] - bounds["low"])


# --- pictures and the truth about them ---------------------------------------------------------


def draw(identity: Identity, situation: Situation, size: int) -> Float[Tensor, "faces 3 size size"]:
    """The pictures, float32 in [0, 1], some hundreds a second at 64 pixels on one core.

    Raises `FaceError` when people and situations differ in number or ``size`` is not in `SIZES`.
    """
    _check_pair(identity, situation, size)
    some = _PIXELS_AT_ONCE // size**2
    parts = [
        paint(identity[start : start + some], situation[start : start + some], size)
        for start in range(0, len(identity), some)
    ]
    return torch.cat(parts) if parts else torch.zeros(0, 3, size, size)


@dataclass(frozen=True)
class Landmarks:
    """Where parts of each face appear, each (faces, 2): pixels right and down of the upper left.

    Left and right are the picture's. ``upper_lip`` and ``lower_lip`` are the middles of the lips'
    inner edges: they touch when the mouth is closed.
    """

    left_eye: Float[Tensor, "faces 2"]
    right_eye: Float[Tensor, "faces 2"]
    nose: Float[Tensor, "faces 2"]
    left_mouth: Float[Tensor, "faces 2"]
    right_mouth: Float[Tensor, "faces 2"]
    upper_lip: Float[Tensor, "faces 2"]
    lower_lip: Float[Tensor, "faces 2"]
    chin: Float[Tensor, "faces 2"]


def landmarks(identity: Identity, situation: Situation, size: int) -> Landmarks:
    """The landmarks of the pictures that `draw` makes of the same arguments."""
    _check_pair(identity, situation, size)
    shape = proportions(identity, situation)
    smile = situation.smile.view(-1, 1, 1)
    corner = shape.mouth_y - mouth_rise(smile, 1.0)
    middle = shape.mouth_y - mouth_rise(smile, 0.0)
    zero = torch.zeros_like(shape.chin)
    places = {
        "left_eye": (-shape.eye_x, shape.eye_y, EYES),
        "right_eye": (shape.eye_x, shape.eye_y, EYES),
        "nose": (zero, shape.nose_y, NOSE),
        "left_mouth": (-shape.mouth_half_width, corner, MOUTH),
        "right_mouth": (shape.mouth_half_width, corner, MOUTH),
        "upper_lip": (zero, middle - UPPER_SHARE * shape.mouth_gap, MOUTH),
        "lower_lip": (zero, middle + (1 - UPPER_SHARE) * shape.mouth_gap, MOUTH),
        "chin": (zero, shape.chin, HEAD),
    }
    return Landmarks(
        **{
            name: to_picture(situation, torch.cat([u, v], dim=2), depth, size)[:, 0]
            for name, (u, v, depth) in places.items()
        }
    )


def _check_pair(identity: Identity, situation: Situation, size: int) -> None:
    if len(identity) != len(situation):
        raise FaceError(
            f"{len(identity)} people cannot be drawn in {len(situation)} situations: repeat the "
            "rows of one, as in people[rows]"
        )
    if not SIZES[0] <= size <= SIZES[1]:
        raise FaceError(f"size is {size} pixels; it must lie between {SIZES[0]} and {SIZES[1]}")
