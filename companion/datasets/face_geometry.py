"""The drawn faces' geometry: where the parts of a face lie, and where they appear in a picture.

*Face units*: the origin is the middle of the head, ``u`` points to the picture's right, ``v`` down;
an adult head is some 0.9 wide and 1.2 high. *Picture units*: the picture is [-1, 1] x [-1, 1].

A head is a stack of planes, from the back hair to the tip of the nose, which turns about its
middle and is seen from far away (orthographic projection). So each plane appears as an affine
image of itself, near planes move further than far ones, and the inverse map is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from companion.datasets.faces import Identity, Situation

# Depth of each plane in face units, positive towards the viewer.
BACK_HAIR, EARS, HEAD, BEARD, FRONT_HAIR = -0.20, -0.08, 0.0, 0.06, 0.08
EYES, MOUTH, GLASSES, NOSE = 0.20, 0.22, 0.26, 0.34

UPPER_SHARE = 0.3  # of an open mouth lies above the line on which the lips meet when closed


@dataclass(frozen=True)
class Proportions:
    """Measures of each face in face units, each (faces, 1, 1); age has done its work on them.

    ``child`` falls to 0 at 20 years, ``old`` rises from 0 at 25 to 1 at 88.
    """

    child: Tensor
    old: Tensor
    half_width: Tensor
    crown: Tensor
    chin: Tensor
    taper: Tensor
    eye_x: Tensor
    eye_y: Tensor
    eye_half_width: Tensor
    eye_height: Tensor
    brow_y: Tensor
    nose_y: Tensor
    nose_half_width: Tensor
    mouth_y: Tensor
    mouth_half_width: Tensor
    mouth_gap: Tensor
    lip: Tensor
    ear: Tensor


def maps(values: Tensor) -> Float[Tensor, "faces 1 1"]:
    """A parameter (faces,) as maps that broadcast over pixels."""
    return values.view(-1, 1, 1)


def smooth_step(values: Tensor, low: float, high: float) -> Tensor:
    """0 below ``low``, 1 above ``high``, a cubic with level ends between."""
    ratio = ((values - low) / (high - low)).clamp(0, 1)
    return ratio * ratio * (3 - 2 * ratio)


def proportions(identity: Identity, situation: Situation) -> Proportions:
    """The measures of each face: those of an adult, changed by age and by what the mouth does."""
    person = {name: maps(values) for name, values in vars(identity).items()}
    now = {name: maps(values) for name, values in vars(situation).items()}
    child = 1 - smooth_step(person["age"], -2, 20)
    old = smooth_step(person["age"], 25, 88)
    eye_scale = (1 + 0.16 * person["eye_size"]) * (1 + 0.34 * child) * (1 - 0.1 * old)
    eye_y = -0.02 + 0.10 * child
    nose_length = 0.21 * (1 + 0.14 * person["nose_length"]) * (1 - 0.38 * child) * (1 + 0.08 * old)
    nose_y = eye_y + nose_length
    gap = 0.17 * now["mouth_opening"]
    wide = 1 + 0.1 * now["smile"].clamp_min(0) + 0.2 * now["mouth_width"]
    mouth_half_width = 0.155 * (1 + 0.14 * person["mouth_breadth"]) * (1 - 0.22 * child)
    return Proportions(
        child=child,
        old=old,
        half_width=0.44 * (1 + 0.1 * person["face_width"]) * (1 + 0.06 * child),
        crown=torch.full_like(child, 0.60),
        # An open mouth lowers the jaw.
        chin=0.58 * (1 + 0.07 * person["chin"]) * (1 - 0.14 * child) + 0.35 * gap,
        taper=0.34 - 0.16 * person["jaw"] - 0.16 * child - 0.08 * old,
        eye_x=0.185 * (1 + 0.12 * person["eye_distance"]) * (1 + 0.08 * child),
        eye_y=eye_y,
        eye_half_width=0.100 * eye_scale,
        eye_height=0.060 * eye_scale * (1 + 0.15 * child),
        brow_y=eye_y - 0.140 - 0.03 * child + 0.015 * old,
        nose_y=nose_y,
        nose_half_width=0.066
        * (1 + 0.25 * person["nose_width"])
        * (1 - 0.2 * child)
        * (1 + 0.1 * old),
        mouth_y=nose_y + 0.15 * (1 - 0.2 * child),
        mouth_half_width=mouth_half_width * wide * (1 - 0.4 * now["mouth_rounding"]),
        mouth_gap=gap,
        lip=0.036 * (1 + 0.4 * person["lip_fullness"]) * (1 - 0.3 * old) * (1 - 0.15 * child),
        ear=(1 + 0.18 * person["ear_size"]) * (1 + 0.15 * old),
    )


def mouth_rise(smile: Tensor, across: Tensor | float) -> Tensor:
    """How far a smile lifts the mouth's line, ``across`` from its middle (0) to its corners (1).

    In face units; the corners rise and the middle sinks.
    """
    return smile * (0.06 * across * across - 0.02)


def picture_grid(size: int) -> tuple[Float[Tensor, "1 1 size"], Float[Tensor, "1 size 1"]]:
    """Picture units of the pixels' centres: ``x`` of each column, ``y`` of each row."""
    steps = (torch.arange(size) + 0.5) * (2 / size) - 1
    return steps.view(1, 1, -1), steps.view(1, -1, 1)


def body_coordinates(
    situation: Situation, size: int
) -> tuple[Float[Tensor, "faces 1 size"], Float[Tensor, "faces size 1"]]:
    """Face units of every pixel for what moves but does not turn: neck and shoulders."""
    x, y = picture_grid(size)
    scale = maps(situation.scale)
    return (x - maps(situation.shift_x)) / scale, (y - maps(situation.shift_y)) / scale


def plane_coordinates(
    situation: Situation, depth: float, size: int
) -> tuple[Float[Tensor, "faces size size"], Float[Tensor, "faces size size"]]:
    """Face units (``u``, ``v``) that every pixel shows of the head's plane at ``depth``."""
    x, y = body_coordinates(situation, size)
    yaw, pitch, roll = (maps(angle) for angle in _radians(situation))
    u = roll.cos() * x + roll.sin() * y
    v = roll.cos() * y - roll.sin() * x
    return (u - depth * yaw.sin()) / yaw.cos(), (v + depth * pitch.sin()) / pitch.cos()


def to_picture(
    situation: Situation, points: Float[Tensor, "faces points 2"], depth: float, size: int
) -> Float[Tensor, "faces points 2"]:
    """Pixel coordinates of points of the plane at ``depth``: the inverse of `plane_coordinates`.

    ``x`` to the right and ``y`` down from the picture's upper left corner; the first pixel's centre
    is (0.5, 0.5).
    """
    yaw, pitch, roll = (angle[:, None] for angle in _radians(situation))
    u = points[..., 0] * yaw.cos() + depth * yaw.sin()
    v = points[..., 1] * pitch.cos() - depth * pitch.sin()
    scale = situation.scale[:, None]
    x = (roll.cos() * u - roll.sin() * v) * scale + situation.shift_x[:, None]
    y = (roll.sin() * u + roll.cos() * v) * scale + situation.shift_y[:, None]
    return (torch.stack([x, y], dim=-1) + 1) * (size / 2)


def _radians(situation: Situation) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(
        angle * (math.pi / 180) for angle in (situation.yaw, situation.pitch, situation.roll)
    )
