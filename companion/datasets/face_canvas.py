"""The drawn faces' canvas: who sits for the pictures, what shapes cover, and laying paint on.

A shape's edge is its approximate signed distance in face units (negative inside), or a band between
two curves, turned into the share of each pixel that it covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from companion.datasets.face_geometry import Proportions, plane_coordinates

if TYPE_CHECKING:
    from companion.datasets.faces import Identity, Situation

Map = Float[Tensor, "faces height width"]
Colour = Float[Tensor, "faces 3"]


@dataclass(frozen=True)
class Sitting:
    """All that the painting of one part has to know; ``pixel`` (faces, 1, 1) is in face units."""

    identity: Identity
    situation: Situation
    shape: Proportions
    skin: Colour
    hair: Colour
    pixel: Tensor
    size: int

    def plane(self, depth: float) -> tuple[Map, Map]:
        """Face units of the head's plane at ``depth`` at every pixel."""
        return plane_coordinates(self.situation, depth, self.size)

    def colour(self, red: float, green: float, blue: float) -> Colour:
        """One colour for all."""
        return torch.tensor([[red, green, blue]]).expand(len(self.skin), 3)


def rgb(code: str) -> tuple[float, float, float]:
    """The colour of a code such as "#f0c4a2", in [0, 1]."""
    return tuple(int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))


def along(palette: tuple[str, ...], place: Float[Tensor, " faces"]) -> Colour:
    """The colour at ``place`` in [0, 1] on the way through a palette."""
    stops = torch.tensor([rgb(code) for code in palette])
    position = place * (len(palette) - 1)
    before = position.long().clamp(max=len(palette) - 2)
    return torch.lerp(stops[before], stops[before + 1], (position - before)[:, None])


def inside(distance: Map, pixel: Tensor) -> Map:
    """The share of each pixel, ``pixel`` face units wide, where ``distance`` is negative."""
    return (0.5 - distance / pixel).clamp(0, 1)


def band(v: Map, top: Tensor, bottom: Tensor, pixel: Tensor) -> Map:
    """The share of each pixel that lies between two heights; exact where they are level."""
    half = pixel / 2
    return (torch.minimum(bottom, v + half) - torch.maximum(top, v - half)).clamp_min(0) / pixel


def ellipse(u: Map, v: Map, half_width: Tensor | float, half_height: Tensor | float) -> Map:
    """Signed distance to an ellipse about the origin, exact on its edge to first order."""
    a, b = u / half_width, v / half_height
    radius = (a * a + b * b).sqrt()
    slope = ((a / half_width) ** 2 + (b / half_height) ** 2).sqrt()
    return radius * (radius - 1) / (slope + 1e-6)


def dome(t: Map) -> Map:
    """1 in the middle, 0 at ``t`` = -1 and 1 and beyond: a parabola."""
    return (1 - t * t).clamp_min(0)


def spot(u: Map, v: Map, radius: float) -> Map:
    """A soft spot about the origin: close to exp(-distance^2 / radius^2), zero from 2 radii on."""
    return (1 - (u * u + v * v) / (4 * radius * radius)).clamp_min(0).square().square()


class Canvas:
    """Pictures that are painted over, and how much of each pixel has been covered so far.

    Colours are multiplied by what is covered, so that edges mix with the background rightly.
    """

    def __init__(self, count: int, size: int):
        self.colour = torch.zeros(count, 3, size, size)
        self.covered = torch.zeros(count, size, size)

    def paint(self, coverage: Map, colour: Colour) -> None:
        """Lay ``colour`` over the pixels, as opaque as their coverage says."""
        self.colour = torch.lerp(self.colour, colour[:, :, None, None], coverage[:, None])
        self.covered = self.covered + coverage * (1 - self.covered)

    def tint(self, coverage: Map, colour: Colour) -> None:
        """Paint on what is there already: the picture's outline stays."""
        there = colour[:, :, None, None] * self.covered[:, None]
        self.colour = torch.lerp(self.colour, there, coverage[:, None])
