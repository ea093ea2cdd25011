"""Chapter 3.9, the drawn animals' canvas: rods, the brush that knows where they are, and masks.

A limb is a tapered rod, thick at one end, in the frame of the animal's skeleton.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from companion.datasets.face_canvas import inside, rgb
from companion.vision.cyclegan.horse_bones import Each, Point, Skeleton

if TYPE_CHECKING:
    from companion.vision.cyclegan.horses import Scenes

Map = Float[Tensor, "n height width"]

WHITE, BLACK = rgb("#ece7dc"), rgb("#1c1a1b")


def one(colour: tuple[float, float, float]) -> Float[Tensor, "1 3 1 1"]:
    """A colour for every pixel of every picture."""
    return torch.tensor(colour).view(1, 3, 1, 1)


class Canvas:
    """Pictures under the brush, and how much of each pixel is animal and how much rider."""

    def __init__(self, background: Float[Tensor, "n 3 height width"]):
        self.colour = background
        self.animal = torch.zeros_like(background[:, 0])
        self.rider = torch.zeros_like(background[:, 0])

    def animal_part(self, coverage: Map, colour: Tensor) -> None:
        """Lay a part of the animal on; ``colour`` broadcasts to (n, 3, height, width)."""
        self.colour = torch.lerp(self.colour, colour.expand_as(self.colour), coverage[:, None])
        self.animal = self.animal + coverage * (1 - self.animal)

    def rider_part(self, coverage: Map, colour: Tensor) -> None:
        """Lay a part of the rider or the saddle on, over the animal."""
        self.colour = torch.lerp(self.colour, colour.expand_as(self.colour), coverage[:, None])
        self.rider = self.rider + coverage * (1 - self.rider)
        self.animal = self.animal * (1 - coverage)


@dataclass(frozen=True)
class Rod:
    """A tapered rod seen by every pixel: signed distance, place along it (0 to 1) and across.

    ``across`` goes from -1 to 1 between its edges, and grows to the right of its direction.
    """

    distance: Map
    along: Map
    across: Map


@dataclass(frozen=True)
class Brush:
    """What painting an animal has to know. ``u``, ``v``: its frame's coordinates of each pixel."""

    scenes: Scenes
    bones: Skeleton
    u: Map
    v: Map
    pixel: Each  # trunks

    def rod(self, start: Point, end: Point, start_radius: float, end_radius: float) -> Rod:
        """The tapered rod between two points."""
        length_u, length_v = end[0] - start[0], end[1] - start[1]
        square = length_u**2 + length_v**2
        to_u, to_v = self.u - start[0], self.v - start[1]
        place = ((to_u * length_u + to_v * length_v) / square).clamp(0, 1)
        radius = start_radius + (end_radius - start_radius) * place
        distance = torch.hypot(to_u - place * length_u, to_v - place * length_v) - radius
        across = (length_u * to_v - length_v * to_u) / square.sqrt() / radius
        return Rod(distance, place, across)

    def cover(self, distance: Map) -> Map:
        """The share of each pixel within an edge."""
        return inside(distance, self.pixel)

    def coat(self, ground: Tensor, position: Map, across: Map, dim: float = 1.0) -> Tensor:
        """A part's colour: ``ground``, or a zebra's stripes over it, lit from above.

        ``position`` (trunks) counts the stripes; across them a part is round.
        """
        scenes = self.scenes
        frequency = scenes.stripes.view(-1, 1, 1)
        wave = (2 * math.pi * (frequency * position) + 0.5 * across**2).sin()
        stripes = (0.5 + 1.1 * wave + 0.15).clamp(0, 1) * scenes.zebra.view(-1, 1, 1)
        striped = torch.lerp(ground, one(BLACK), stripes[:, None])
        shade = dim * (1.04 - 0.22 * across.clamp(-1, 1))
        return striped * shade[:, None]
