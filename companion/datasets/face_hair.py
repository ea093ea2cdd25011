"""The drawn faces' hair: on the head, before and behind the face, and on cheeks and lip."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from companion.datasets import face_geometry as geometry
from companion.datasets.face_canvas import (
    Canvas,
    Colour,
    Map,
    Sitting,
    along,
    band,
    dome,
    ellipse,
    inside,
    rgb,
    spot,
)
from companion.datasets.face_geometry import Proportions, maps, smooth_step

if TYPE_CHECKING:
    from companion.datasets.faces import Identity


class _Style(NamedTuple):
    """What makes a style, in face units."""

    side: Tensor  # how far the hair stands off the sides of the head
    top: Tensor  # and off its crown
    length: Tensor  # the height to which it falls
    flare: Tensor  # how much it widens on the way
    waves: Tensor
    hairline: Tensor
    slant: Tensor  # of the hairline
    free: Tensor  # share of the face's width that stays free
    bun: Tensor  # its radius


_STYLES = {
    "bald": (-0.030, -0.030, -0.10, 0.00, 0.000, -9.00, 0.00, 1.00, 0.00),
    "cropped": (0.020, 0.060, 0.02, 0.00, 0.000, -0.37, 0.00, 0.96, 0.00),
    "side parting": (0.030, 0.120, 0.02, 0.00, 0.000, -0.33, 0.32, 0.94, 0.00),
    "curly": (0.110, 0.190, 0.12, 0.00, 0.035, -0.33, 0.00, 0.92, 0.00),
    "bob": (0.080, 0.110, 0.52, 0.12, 0.000, -0.36, -0.20, 0.86, 0.00),
    "fringe": (0.070, 0.100, 0.44, 0.08, 0.000, -0.22, 0.00, 0.88, 0.00),
    "long": (0.060, 0.090, 1.10, 0.16, 0.000, -0.38, 0.14, 0.88, 0.00),
    "wavy": (0.100, 0.130, 1.00, 0.22, 0.030, -0.35, -0.10, 0.88, 0.00),
    "bun": (0.020, 0.060, -0.02, 0.00, 0.000, -0.39, 0.00, 0.95, 0.19),
}
HAIR_STYLES = tuple(_STYLES)
_STYLE_TABLE = torch.tensor(list(_STYLES.values()))
_OUTSIDE = 10.0  # a distance that covers nothing

_COLOURS = ("#1f1a1b", "#3a251b", "#69432a", "#9c4d27", "#c98a45", "#e6c886")
_GREY = "#dcdad6"


def hair_colour(identity: Identity) -> Colour:
    """The colour of each one's hair, which turns grey from 34 to 74 years."""
    grey = smooth_step(identity.age, 34, 74)[:, None]
    return torch.lerp(along(_COLOURS, identity.hair_colour), torch.tensor([rgb(_GREY)]), grey)


def head_outline(u: Map, v: Map, shape: Proportions) -> Map:
    """Signed distance: half an ellipse above the eyes, a tapering one down to the chin."""
    below = (v / shape.chin).clamp(0, 1)
    width = shape.half_width * (1 - shape.taper * below * below)
    height = torch.where(v < 0, shape.crown, shape.chin)
    return ellipse(u, v, width, height)


def _style(identity: Identity) -> _Style:
    return _Style(*(maps(column) for column in _STYLE_TABLE[identity.hair_style].T))


def _hair_outline(u: Map, v: Map, identity: Identity, shape: Proportions) -> Map:
    style = _style(identity)
    width = shape.half_width + style.side
    above = ellipse(u, v, width, shape.crown + style.top)
    falling = torch.maximum(u.abs() - width * (1 + style.flare * v), v - style.length)
    return torch.where(v < 0, above, falling) + style.waves * (21 * u).sin() * (19 * v).sin()


def paint_back_hair(canvas: Canvas, sitting: Sitting) -> None:
    """Hair that falls behind the neck, and the bun; in the head's shade."""
    person, shape, hair, pixel = sitting.identity, sitting.shape, sitting.hair, sitting.pixel
    u, v = sitting.plane(geometry.BACK_HAIR)
    style = _style(person)
    outline = _hair_outline(u, v, person, shape)
    outline = torch.where(style.length > 0.1, outline, _OUTSIDE)
    knot = (u * u + (v + shape.crown + 0.12) ** 2).sqrt() - style.bun
    outline = torch.minimum(outline, torch.where(style.bun > 0, knot, _OUTSIDE))
    canvas.paint(inside(outline, pixel), 0.72 * hair)


def paint_front_hair(canvas: Canvas, sitting: Sitting) -> None:
    """The hair around the face: all its outline except where the face shows."""
    person, shape, hair, pixel = sitting.identity, sitting.shape, sitting.hair, sitting.pixel
    u, v = sitting.plane(geometry.FRONT_HAIR)
    style, line = _style(person), maps(person.hairline)
    receding = 0.03 * line + 0.13 * shape.old * line.clamp_min(0)
    width = style.free * shape.half_width
    t = u / width
    edge = style.hairline - receding + style.slant * u + 0.16 * t**4
    edge = edge + 0.6 * style.waves * (27 * u).sin()
    face = torch.maximum(edge - v, u.abs() - width)
    coverage = inside(_hair_outline(u, v, person, shape), pixel) * (1 - inside(face, pixel))
    canvas.paint(coverage, hair)
    strands = 0.5 + 0.5 * (38 * u * (1 - 0.5 * v) + 3 * (5 * v).sin()).sin()
    sheen = spot((v + 0.45 - 0.3 * u * u) / 0.12, torch.zeros_like(u), 1.0)
    canvas.tint(coverage * (0.18 * strands + 0.22 * sheen), 1 - 0.75 * (1 - hair))


def paint_beard(canvas: Canvas, sitting: Sitting) -> None:
    """Hair on jaw, chin and upper lip; it comes with age 15 to 20."""
    person, shape, hair, pixel = sitting.identity, sitting.shape, sitting.hair, sitting.pixel
    u, v = sitting.plane(geometry.BEARD)
    grown = smooth_step(maps(person.age), 15, 20)
    beard, moustache = maps(person.beard) * grown, maps(person.moustache) * grown
    share = (u / shape.half_width).abs().clamp(max=1)
    top = shape.mouth_y + 0.08 - 0.10 * smooth_step(share, 0, 0.5)
    top = top - 0.26 * smooth_step(share, 0.6, 1)  # the sideburns
    strands = 0.9 + 0.1 * (75 * u + 6 * (23 * v).sin()).sin()
    outline = head_outline(u, v / (1 + 0.07 * beard), shape)
    cheeks = inside(outline - 0.015 * beard, pixel) * smooth_step(v - top, -0.03, 0.03)
    canvas.paint(cheeks * strands * (1.5 * beard).clamp(max=0.92), 0.85 * hair)
    t = u / (shape.mouth_half_width + 0.05)
    middle = (shape.nose_y + shape.mouth_y) / 2 + 0.01 + 0.05 * t * t
    thickness = 0.03 * dome(t).sqrt() * (0.6 + 0.6 * moustache)
    lip = band(v, middle - thickness, middle + thickness, pixel)
    canvas.tint(lip * strands * (2 * moustache).clamp(max=0.95), 0.8 * hair)
