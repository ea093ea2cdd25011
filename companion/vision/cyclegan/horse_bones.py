"""Chapter 3.9, the drawn animals' skeletons: where the joints are in every pose.

Lengths are in trunks: the animal's frame has its origin in the middle of the trunk, u forwards and
v down; from chest to croup it is 1 long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from companion.vision.cyclegan.horses import Scenes

Each = Float[Tensor, "n 1 1"]  # a number for each picture
Point = tuple[Each, Each]

GAITS = ("stand", "graze", "walk", "trot", "gallop")

# Swing of the legs in degrees, and of its flexion; the neck's angle above the horizon; the tail's.
_SWING = {"stand": 4, "graze": 7, "walk": 19, "trot": 26, "gallop": 40}
_FLEXION = {"stand": 0, "graze": 0, "walk": 26, "trot": 55, "gallop": 75}
_NECK = {"stand": 52, "graze": -38, "walk": 40, "trot": 50, "gallop": 28}
_TAIL = {"stand": 8, "graze": 6, "walk": 16, "trot": 32, "gallop": 58}
# When each leg swings, as a share of the stride: near fore, far fore, near hind, far hind.
_TIMING = {
    "stand": (0.0, 0.6, 0.3, 0.8),
    "graze": (0.0, 0.5, 0.25, 0.75),
    "walk": (0.0, 0.5, 0.75, 0.25),
    "trot": (0.0, 0.5, 0.5, 0.0),
    "gallop": (0.0, 0.13, 0.55, 0.66),
}


def _table(values: dict[str, float], index: Tensor) -> Each:
    return torch.tensor([float(value) for value in values.values()])[index].view(-1, 1, 1)


def ahead(start: Point, angle: Each, length: float) -> Point:
    """The point ``length`` from ``start``, ``angle`` in degrees: 0 forwards, 90 down."""
    turn = torch.deg2rad(angle)
    return start[0] + length * turn.cos(), start[1] + length * turn.sin()


def direction(start: Point, end: Point) -> Each:
    """The angle in degrees from one point to another, as `ahead` counts it."""
    return torch.rad2deg(torch.atan2(end[1] - start[1], end[0] - start[0]))


@dataclass(frozen=True)
class Skeleton:
    """Where the joints are. ``legs``: each one's hip, knee, fetlock and toe, far legs first."""

    poll: Point
    muzzle: Point
    dock: Point
    tail: Point
    tail_end: Point
    legs: list[list[Point]]
    sole: Each  # the lowest toe's height: the ground


def skeleton(scenes: Scenes) -> Skeleton:
    """The animals in the poses of ``scenes``."""
    neck = _table(_NECK, scenes.gait) + 9 * scenes.neck.view(-1, 1, 1)
    zero = torch.zeros_like(neck)
    poll = ahead((zero + 0.40, zero - 0.13), -neck, 0.56)
    # Held high the head points down and forwards; grazing it hangs.
    muzzle = ahead(poll, 38 - 0.45 * (neck - 45).clamp(-90, 0), 0.36)
    droop = _table(_TAIL, scenes.gait) + 8 * scenes.tail.view(-1, 1, 1)
    dock = (zero - 0.56, zero - 0.14)
    tail = ahead(dock, 150 - 0.9 * (40 - droop), 0.22)
    tail_end = ahead(tail, 92 + droop, 0.42)
    timing = torch.tensor(list(_TIMING.values()))[scenes.gait]  # (n, 4)
    swing, flexion = _table(_SWING, scenes.gait), _table(_FLEXION, scenes.gait)
    legs = []
    for leg in (1, 3, 0, 2):
        stride = 2 * math.pi * (scenes.phase + timing[:, leg]).view(-1, 1, 1)
        turn, bend = swing * stride.sin(), flexion * stride.cos().clamp_min(0)
        if leg < 2:
            legs.append(_leg((zero + 0.35, zero + 0.10), 90 - turn, 90 - turn + bend, 0.38))
        else:
            legs.append(_leg((zero - 0.38, zero + 0.06), 104 - turn, 84 - turn - bend / 2, 0.44))
    sole = torch.stack([leg[-1][1] for leg in legs]).amax(dim=0) + 0.03
    return Skeleton(poll, muzzle, dock, tail, tail_end, legs, sole)


def _leg(hip: Point, upper: Each, lower: Each, length: float) -> list[Point]:
    knee = ahead(hip, upper, length)
    fetlock = ahead(knee, lower, 0.30)
    return [hip, knee, fetlock, ahead(fetlock, lower - 18, 0.10)]
