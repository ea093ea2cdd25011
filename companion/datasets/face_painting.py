"""The drawn faces' parts: each is a coverage of pixels and a colour, laid on from the back.

A part is painted on all faces at once; a paired part once, in the mirrored coordinate ``|u|``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from companion.datasets import face_geometry as geometry
from companion.datasets.face_canvas import (
    Canvas,
    Map,
    Sitting,
    along,
    band,
    dome,
    ellipse,
    inside,
    spot,
)
from companion.datasets.face_geometry import Proportions, maps, plane_coordinates, smooth_step
from companion.datasets.face_hair import (
    hair_colour,
    head_outline,
    paint_back_hair,
    paint_beard,
    paint_front_hair,
)

if TYPE_CHECKING:
    from companion.datasets.faces import Identity, Situation

GLASSES_SHAPES = ("none", "round", "square", "wide")
BACKGROUNDS = ("plain", "stripes", "dots", "horizon")

_SKIN = ("#f9dcc8", "#f0c4a2", "#dba47a", "#b97c52", "#8f5a3a", "#633f2a")
_EYES = ("#553722", "#7d6636", "#5f8f5f", "#5a92c8", "#8796a3")
_BACKGROUNDS = ("#a9c9dd", "#b7d6c2", "#ecd9b0", "#e9b9a6", "#c7b6dc", "#8fa3b5", "#a9c9dd")
_CLOTHES = ("#31506e", "#4d7c6f", "#a5543f", "#d9a441", "#7a5480", "#3b3b45", "#c9c4bb")
_FRAMES = ("#1b1b1f", "#5b3a29", "#7d2e3a", "#2f4d70", "#8d8f94")


# --- the parts ---------------------------------------------------------------------------------


def paint(
    identity: Identity, situation: Situation, size: int
) -> Float[Tensor, "faces 3 size size"]:
    """The pictures of these people in these situations, in [0, 1]."""
    sitting = Sitting(
        identity,
        situation,
        shape=geometry.proportions(identity, situation),
        skin=along(_SKIN, identity.skin),
        hair=hair_colour(identity),
        pixel=maps(2 / size / situation.scale),
        size=size,
    )
    canvas = Canvas(len(identity), size)
    paint_back_hair(canvas, sitting)
    _paint_body(canvas, sitting)
    _paint_ears(canvas, sitting)
    _paint_head(canvas, sitting)
    paint_beard(canvas, sitting)
    _paint_mouth(canvas, sitting)
    _paint_nose(canvas, sitting)
    _paint_eyes(canvas, sitting)
    _paint_brows(canvas, sitting)
    paint_front_hair(canvas, sitting)
    _paint_glasses(canvas, sitting)
    lit = canvas.colour * light(situation, size)
    return (lit + (1 - canvas.covered[:, None]) * _background(situation, size)).clamp(0, 1)


def _paint_body(canvas: Canvas, sitting: Sitting) -> None:
    """Neck, its shadow under the chin, and shoulders, which keep still when the head turns."""
    now, shape, skin, pixel = sitting.situation, sitting.shape, sitting.skin, sitting.pixel
    u, v = torch.broadcast_tensors(*geometry.body_coordinates(now, sitting.size))
    neck_width = shape.half_width * (0.56 - 0.16 * shape.child)
    neck = inside(torch.maximum(u.abs() - neck_width, 0.2 - v), pixel)
    canvas.paint(neck, 0.93 * skin)
    canvas.tint(neck * smooth_step(0.78 - v, 0, 0.25) * 0.55, 0.62 * skin)
    shoulder = 0.80 + 0.30 * (u.abs() / 0.9) ** 2
    collar = shoulder + 0.16 * dome(u / (neck_width * 1.25))
    clothes = along(_CLOTHES, now.clothes_colour)
    canvas.paint(inside(collar - v, pixel) * inside(u.abs() - 0.92, pixel), clothes)
    canvas.tint(
        band(v, collar, collar + 0.035, pixel) * (u.abs() < neck_width * 1.25), 0.8 * clothes
    )


def _paint_ears(canvas: Canvas, sitting: Sitting) -> None:
    shape, skin, pixel = sitting.shape, sitting.skin, sitting.pixel
    u, v = sitting.plane(geometry.EARS)
    across, down = u.abs() - shape.half_width, v - shape.eye_y - 0.07
    canvas.paint(
        inside(ellipse(across, down, 0.075 * shape.ear, 0.12 * shape.ear), pixel), 0.95 * skin
    )
    inner = ellipse(across - 0.015, down, 0.035 * shape.ear, 0.07 * shape.ear)
    canvas.tint(0.5 * inside(inner, pixel), 0.72 * skin)


def _paint_head(canvas: Canvas, sitting: Sitting) -> None:
    """The head, and on it rosy cheeks, freckles and the lines of age."""
    person, shape, skin, pixel = sitting.identity, sitting.shape, sitting.skin, sitting.pixel
    u, v = sitting.plane(geometry.HEAD)
    canvas.paint(inside(head_outline(u, v, shape), pixel), skin)
    across = u.abs()
    blush = skin * torch.tensor([1.0, 0.70, 0.66])
    cheek = spot(across - 0.25, v - shape.eye_y - 0.2, 0.13)
    canvas.tint(cheek * (0.45 + 0.2 * shape.child), blush)
    speckles = smooth_step((61 * u + 9 * v).sin() * (53 * v - 7 * u).sin(), 0.45, 0.8)
    cheeks = spot((across - 0.17) / 1.4, v - shape.eye_y - 0.15, 0.12)
    canvas.tint(0.6 * maps(person.freckles) * cheeks * speckles, 0.62 * skin)
    canvas.tint(0.55 * shape.old * _wrinkles(across, v, shape, pixel), 0.5 * skin)


def _wrinkles(across: Map, v: Map, shape: Proportions, pixel: Tensor) -> Map:
    """Lines on the forehead, at the eyes' corners, under them, and from nose to mouth."""
    lines = torch.zeros_like(v)
    for height, reach in ((-0.16, 0.22), (-0.23, 0.25), (-0.30, 0.2)):
        middle = shape.eye_y + height - 0.02 * dome(across / reach)
        lines = lines + band(v, middle - 0.007, middle + 0.007, pixel) * (across < reach)
    corner = shape.eye_x + shape.eye_half_width
    beside = across - corner
    for slope in (-0.5, 0.1, 0.6):
        middle = shape.eye_y + slope * beside
        lines = lines + band(v, middle - 0.006, middle + 0.006, pixel) * dome(
            (beside - 0.06) / 0.05
        )
    bag = (across - shape.eye_x) / (1.1 * shape.eye_half_width)
    middle = shape.eye_y + 0.05 + 0.05 * dome(bag)
    lines = lines + band(v, middle - 0.008, middle + 0.008, pixel) * (bag.abs() < 1)
    fold_ratio = ((v - shape.nose_y + 0.03) / (shape.mouth_y - shape.nose_y + 0.05)).clamp(0, 1)
    fold = shape.nose_half_width + 0.02 + 0.11 * fold_ratio.sqrt()
    return lines + band(across, fold - 0.008, fold + 0.008, pixel) * dome(2 * fold_ratio - 1).sqrt()


def _paint_mouth(canvas: Canvas, sitting: Sitting) -> None:
    """Lips, and in the opening between them the dark, the tongue and the teeth."""
    now, shape, skin, pixel = sitting.situation, sitting.shape, sitting.skin, sitting.pixel
    u, v = sitting.plane(geometry.MOUTH)
    t = u / shape.mouth_half_width
    arch = torch.lerp(dome(t), dome(t).sqrt(), 0.35 + 0.65 * maps(now.mouth_rounding))
    line = shape.mouth_y - geometry.mouth_rise(maps(now.smile), t.clamp(-1, 1))
    above = line - geometry.UPPER_SHARE * shape.mouth_gap * arch
    below = line + (1 - geometry.UPPER_SHARE) * shape.mouth_gap * arch
    pout = shape.lip * (1 + 0.35 * maps(now.mouth_rounding))
    lips = skin * torch.tensor([0.86, 0.58, 0.57]) + torch.tensor([0.04, 0.0, 0.01])
    bow = 0.8 * arch * (0.85 + 0.5 * t.abs() - 0.35 * t * t)
    canvas.tint(band(v, above - pout * bow, line, pixel), 0.93 * lips)
    canvas.tint(band(v, line, below + 1.1 * pout * arch, pixel), lips)
    dark = sitting.colour(0.24, 0.07, 0.08)
    canvas.tint(band(v, above, below, pixel), dark)
    tongue = below - maps(now.tongue) * 0.55 * (below - above) * dome(t / 0.8)
    canvas.tint(band(v, tongue, below, pixel), sitting.colour(0.80, 0.38, 0.38))
    teeth = torch.minimum(above + 0.055 * maps(now.teeth) * dome(t / 0.9), below)
    canvas.tint(band(v, above, teeth, pixel), sitting.colour(0.97, 0.95, 0.91))
    crease = 0.007 * arch.sqrt()
    closed = 1 - smooth_step(shape.mouth_gap, 0, 0.03)
    canvas.tint(closed * band(v, line - crease, line + crease, pixel), 0.45 * lips)


def _paint_nose(canvas: Canvas, sitting: Sitting) -> None:
    now, shape, skin, pixel = sitting.situation, sitting.shape, sitting.skin, sitting.pixel
    u, v = sitting.plane(geometry.NOSE)
    side = -maps(now.light_azimuth).sign()
    bridge = spot((u - side * 0.045) / 0.035, (v - shape.nose_y + 0.09) / 0.12, 1.0)
    canvas.tint(0.25 * bridge, 0.72 * skin)
    canvas.tint(0.35 * spot(u, v - shape.nose_y + 0.035, 0.035), 1 - 0.6 * (1 - skin))
    t = u / shape.nose_half_width
    tip = shape.nose_y + 0.022 - 0.045 * t * t
    thickness = 0.011 * dome(t / 1.1).sqrt()
    canvas.tint(0.75 * band(v, tip - thickness, tip + thickness, pixel), 0.55 * skin)
    nostril = ellipse(u.abs() - 0.5 * shape.nose_half_width, v - shape.nose_y - 0.006, 0.017, 0.011)
    canvas.tint(0.7 * inside(nostril, pixel), 0.4 * skin)


def _paint_eyes(canvas: Canvas, sitting: Sitting) -> None:
    person, now = sitting.identity, sitting.situation
    shape, skin, pixel = sitting.shape, sitting.skin, sitting.pixel
    u, v = sitting.plane(geometry.EYES)
    across, side = u.abs() - shape.eye_x, u.sign()
    down = v - shape.eye_y + 0.14 * maps(person.eye_tilt) * across
    t = across / shape.eye_half_width
    arch = dome(t)
    lower = 0.5 * shape.eye_height * arch
    upper = lower - 1.6 * shape.eye_height * maps(now.eye_opening) * arch
    white = band(down, upper, lower, pixel)
    canvas.tint(white, sitting.colour(0.98, 0.97, 0.95))
    radius = 0.56 * shape.eye_half_width
    sideways = across - 0.35 * radius * maps(now.gaze) * side
    upwards = down + 0.25 * shape.eye_height
    distance = (sideways**2 + upwards**2).sqrt()
    iris = along(_EYES, person.eye_colour)
    canvas.tint(white * inside(distance - radius, pixel), iris)
    canvas.tint(white * inside(distance - 0.55 * radius, pixel), 0.12 * iris)
    gleam = ((sideways + 0.35 * radius * side) ** 2 + (upwards + 0.35 * radius) ** 2).sqrt()
    canvas.tint(white * inside(gleam - 0.3 * radius, pixel), torch.ones_like(iris))
    lash = 0.013 * arch.sqrt()
    canvas.tint(band(down, upper - lash, upper + 0.4 * lash, pixel), 0.22 * skin)


def _paint_brows(canvas: Canvas, sitting: Sitting) -> None:
    person, now = sitting.identity, sitting.situation
    shape, pixel = sitting.shape, sitting.pixel
    u, v = sitting.plane(geometry.EYES)
    t = (u.abs() - shape.eye_x) / (1.25 * shape.eye_half_width)
    brow = shape.brow_y - 0.035 * maps(now.brow_raise) + 0.012
    brow = brow - (0.03 + 0.02 * maps(person.brow_arch)) * dome(0.8 * t) + 0.008 * t
    thickness = 0.02 * (1 + 0.4 * maps(person.brow_thickness)) * (1 - 0.45 * shape.child)
    thickness = thickness * dome(t).sqrt() * (1 - 0.25 * t)
    canvas.tint(0.9 * band(v, brow - thickness, brow + thickness, pixel), 0.75 * sitting.hair)


def _paint_glasses(canvas: Canvas, sitting: Sitting) -> None:
    now, shape, pixel = sitting.situation, sitting.shape, sitting.pixel
    u, v = sitting.plane(geometry.GLASSES)
    kind = maps(now.glasses)
    across, down = u.abs() - shape.eye_x, v - shape.eye_y - 0.015
    half_width = torch.where(kind == 3, 0.155, 0.135)
    half_height = torch.where(kind == 1, 0.135, torch.where(kind == 2, 0.11, 0.085))
    corner = 0.04
    outside = torch.stack([across.abs() - half_width, down.abs() - half_height]) + corner
    box = outside.clamp_min(0).square().sum(0).sqrt() + outside.amax(0).clamp(max=0) - corner
    lens = torch.where(kind == 1, ellipse(across, down, half_width, half_height), box)
    frame = inside(lens.abs() - 0.016, pixel)
    bridge = band(v, shape.eye_y - 0.025, shape.eye_y + 0.01, pixel) * (across < -half_width)
    temple = band(v, shape.eye_y - 0.03, shape.eye_y + 0.0, pixel) * (across > half_width)
    temple = temple * (u.abs() < shape.half_width)
    worn = (kind > 0).float()
    canvas.tint(worn * 0.10 * inside(lens, pixel), torch.ones(len(worn), 3))
    solid = torch.maximum(frame, torch.maximum(bridge, temple))
    canvas.tint(worn * solid, along(_FRAMES, now.glasses_colour))


# --- light and background ----------------------------------------------------------------------


def light(situation: Situation, size: int) -> Float[Tensor, "faces 3 size size"]:
    """How much of each colour the light leaves, as if each head were a smooth egg."""
    u, v = plane_coordinates(situation, geometry.HEAD, size)
    x, y = (u / 0.75).clamp(-0.9, 0.9), (v / 1.0).clamp(-0.9, 0.9)
    z = (1 - x * x - y * y).clamp_min(0.1).sqrt()
    azimuth = maps(situation.light_azimuth) * (math.pi / 180)
    elevation = maps(situation.light_elevation) * (math.pi / 180)
    towards = azimuth.sin() * elevation.cos() * x - elevation.sin() * y
    facing = (towards + azimuth.cos() * elevation.cos() * z).clamp_min(0)
    strength = 0.2 + 0.4 * maps(situation.light_strength)
    shade = 1 - strength + 1.25 * strength * facing
    warmth = situation.light_warmth[:, None] * torch.tensor([[0.06, 0.0, -0.08]]) + 1
    return shade[:, None] * warmth[:, :, None, None]


def _background(situation: Situation, size: int) -> Float[Tensor, "faces 3 size size"]:
    x, y = geometry.picture_grid(size)
    kind, phase = maps(situation.background), 2 * math.pi * maps(situation.background_phase)
    stripes = smooth_step((7 * x + 4 * y + phase).sin(), -0.3, 0.3)
    dots = smooth_step((9 * x + phase).sin() + (9 * y - 2 * phase).sin(), 0.9, 1.3)
    horizon = smooth_step(y - 0.25 * (2 * x + phase).sin(), 0.05, 0.15)
    pattern = torch.where(kind == 1, stripes, torch.where(kind == 2, dots, horizon))
    pattern = torch.where(kind == 0, torch.zeros_like(pattern), pattern)
    light = 1.05 - 0.14 * (y + 1) / 2 - 0.18 * pattern
    return along(_BACKGROUNDS, situation.background_colour)[:, :, None, None] * light[:, None]
