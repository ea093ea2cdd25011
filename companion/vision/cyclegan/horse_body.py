"""Chapter 3.9, the drawn animals' parts, painted from the far side to the near one, and riders."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from companion.datasets.face_canvas import along, rgb
from companion.vision.cyclegan.horse_bones import GAITS, ahead, direction
from companion.vision.cyclegan.horse_canvas import BLACK, WHITE, Brush, Canvas, Map, Rod, one

COATS = ("bay", "chestnut", "black", "grey", "palomino", "dun", "brown", "white")

_BODY = {
    "bay": "#8a4f2a",
    "chestnut": "#a8602e",
    "black": "#2d2828",
    "grey": "#9a9a9e",
    "palomino": "#d2a45c",
    "dun": "#b89a6c",
    "brown": "#5a3a26",
    "white": "#dcd8d0",
}
_HAIR = {  # mane, tail and, for those with dark legs, what is below the knees
    "bay": "#1d1715",
    "chestnut": "#96532a",
    "black": "#171515",
    "grey": "#606066",
    "palomino": "#f0e4c8",
    "dun": "#3a2e24",
    "brown": "#251a14",
    "white": "#efece6",
}
_DARK_LEGS = {"bay", "dun", "brown", "black"}
_JACKETS = ("#c0342c", "#2f5fa8", "#e0b030", "#2f8a5a", "#7a3f8f", "#d8d4cc", "#d0662a")
_TROUSERS = ("#e6e0d2", "#3a4a66", "#8a7a5c", "#2a2a30")
_SKIN, _LEATHER, _HOOF = rgb("#d9a882"), rgb("#4a2c1c"), rgb("#2f2a26")


def _colours(palette: dict[str, str], index: Tensor) -> Float[Tensor, "n 3 1 1"]:
    return torch.tensor([rgb(code) for code in palette.values()])[index][:, :, None, None]


def paint_animal(canvas: Canvas, brush: Brush) -> None:
    """The whole animal, from its far side to its near side."""
    scenes = brush.scenes
    zebra = scenes.zebra.view(-1, 1, 1, 1)
    body = torch.where(zebra, one(WHITE), _colours(_BODY, scenes.coat))
    hair = torch.where(zebra, one(BLACK), _colours(_HAIR, scenes.coat))
    dark = torch.tensor([coat in _DARK_LEGS for coat in COATS])[scenes.coat].view(-1, 1, 1, 1)
    stocking = torch.where(dark & ~zebra, hair, body)
    white_socks = (scenes.socks > 0.65).view(-1, 1, 1, 1) & ~zebra
    sock = torch.where(white_socks, one(WHITE), stocking)
    for leg in (0, 1):
        _paint_leg(canvas, brush, leg, (body, stocking, sock), dim=0.66)
    _paint_tail(canvas, brush, hair)
    _paint_trunk(canvas, brush, body)
    _paint_neck(canvas, brush, body, hair)
    _paint_head(canvas, brush, body)
    for leg in (2, 3):
        _paint_leg(canvas, brush, leg, (body, stocking, sock), dim=1.0)


def _paint_leg(
    canvas: Canvas, brush: Brush, leg: int, colours: tuple[Tensor, Tensor, Tensor], dim: float
) -> None:
    hip, knee, fetlock, toe = brush.bones.legs[leg]
    body, stocking, sock = colours
    thigh = 0.125 if leg % 2 == 0 else 0.17
    hoof = brush.rod(fetlock, toe, 0.035, 0.055)
    canvas.animal_part(brush.cover(hoof.distance), dim * one(_HOOF))
    lower = brush.rod(knee, fetlock, 0.055, 0.042)
    below = torch.where(lower.along[:, None] > 0.45, sock, stocking)
    canvas.animal_part(
        brush.cover(lower.distance), brush.coat(below, 0.30 * lower.along, 0 * lower.across, dim)
    )
    upper = brush.rod(hip, knee, thigh, 0.062)
    dark = ((upper.along - 0.55) / 0.4).clamp(0, 1)[:, None]
    colour = torch.lerp(body.expand_as(canvas.colour), stocking.expand_as(canvas.colour), dark)
    coat = brush.coat(colour, 0.42 * upper.along, torch.zeros_like(upper.across), dim)
    canvas.animal_part(brush.cover(upper.distance) * _grown_out(brush, upper, 0.2), coat)


def _paint_tail(canvas: Canvas, brush: Brush, hair: Tensor) -> None:
    bones, zebra = brush.bones, brush.scenes.zebra.view(-1, 1, 1)
    root = brush.rod(bones.dock, bones.tail, 0.035, 0.045)
    end = brush.rod(bones.tail, bones.tail_end, 0.05, 0.075)
    # A zebra's tail is thin down to its tuft.
    thin = torch.where(zebra, 0.035 * (1 - ((end.along - 0.5) / 0.3).clamp(0, 1)), 0.0)
    distance = torch.minimum(root.distance, end.distance + thin)
    canvas.animal_part(brush.cover(distance), 0.95 * hair)


def _trunk(brush: Brush) -> Map:
    """Signed distance to the trunk's edge."""
    zero = torch.zeros_like(brush.pixel)
    croup, chest = (zero - 0.37, zero - 0.03), (zero + 0.34, zero - 0.01)
    middle = (zero - 0.02, zero + 0.03)
    back = brush.rod(croup, middle, 0.235, 0.205)
    front = brush.rod(middle, chest, 0.205, 0.225)
    return torch.minimum(back.distance, front.distance)


def _grown_out(brush: Brush, limb: Rod, start: float) -> Map:
    """How much of a limb shows: the trunk's own coat goes on over the place where it begins."""
    return torch.maximum((limb.along - start) / 0.3, 1 - brush.cover(_trunk(brush))).clamp(0, 1)


def _paint_trunk(canvas: Canvas, brush: Brush, body: Tensor) -> None:
    # Stripes stand on the barrel and sweep round a point in the flank to lie on the haunches.
    flank_u, flank_v = -0.06, 0.42
    sweep = 0.45 * torch.atan2(brush.u - flank_u, (flank_v - brush.v).clamp_min(0.02))
    position = torch.where(brush.u < flank_u, sweep, brush.u - flank_u)
    canvas.animal_part(brush.cover(_trunk(brush)), brush.coat(body, position, brush.v / 0.24))


def _paint_neck(canvas: Canvas, brush: Brush, body: Tensor, hair: Tensor) -> None:
    bones, zebra = brush.bones, brush.scenes.zebra.view(-1, 1, 1)
    zero = torch.zeros_like(brush.pixel)
    neck = brush.rod((zero + 0.34, zero - 0.06), bones.poll, 0.19, 0.085)
    upright = torch.where(zebra, 0.06, 0.035)
    crest = brush.cover((neck.distance - upright).maximum(neck.across + 0.55))
    colour = torch.where(zebra[:, None], body, hair)
    mane = brush.coat(colour, 0.40 + 0.5 * neck.along, torch.zeros_like(crest))
    canvas.animal_part(crest * ((neck.along - 0.25) / 0.1).clamp(0, 1), mane)
    covered = brush.cover(neck.distance)
    coat = brush.coat(body, 0.40 + 0.5 * neck.along, neck.across)
    canvas.animal_part(covered * _grown_out(brush, neck, 0.05), coat)
    hanging = brush.cover((neck.across + 0.35) * 0.1) * ((neck.along - 0.3) / 0.1).clamp(0, 1)
    canvas.animal_part(covered * hanging * ~zebra, hair)


def _paint_head(canvas: Canvas, brush: Brush, body: Tensor) -> None:
    bones, scenes = brush.bones, brush.scenes
    zebra = scenes.zebra.view(-1, 1, 1, 1)
    for lean in (-14.0, 10.0):
        tip = ahead(bones.poll, torch.full_like(brush.pixel, -90 + lean), 0.17)
        ear = brush.rod(bones.poll, tip, 0.05, 0.018)
        canvas.animal_part(brush.cover(ear.distance), 0.85 * body)
    head = brush.rod(bones.poll, bones.muzzle, 0.105, 0.062)
    colour = brush.coat(body, 0.32 * head.along, 0.6 * head.across)
    dark_muzzle = torch.where(zebra, 0.9, 0.45) * ((head.along - 0.72) / 0.2).clamp(0, 1)[:, None]
    colour = torch.lerp(colour, one(BLACK), dark_muzzle)
    blaze = (scenes.blaze > 0.6).view(-1, 1, 1) & ~scenes.zebra.view(-1, 1, 1)
    stripe = brush.cover((head.across + 0.45) * 0.08) * blaze * (head.along < 0.85)
    colour = torch.lerp(colour, one(WHITE), stripe[:, None])
    canvas.animal_part(brush.cover(head.distance), colour)
    eye = ahead(bones.poll, direction(bones.poll, bones.muzzle) - 14, 0.115)
    pupil = torch.hypot(brush.u - eye[0], brush.v - eye[1]) - 0.026
    canvas.animal_part(brush.cover(pupil), one(BLACK))


def paint_rider(canvas: Canvas, brush: Brush) -> None:
    """A rider in the saddle, where ``scenes.rider`` says so."""
    scenes = brush.scenes
    there, zero = scenes.rider.view(-1, 1, 1), torch.zeros_like(brush.pixel)
    jacket = along(_JACKETS, scenes.jacket)[:, :, None, None]
    trousers = along(_TROUSERS, scenes.trousers)[:, :, None, None]
    lean = 0.22 * (scenes.gait == GAITS.index("gallop")).view(-1, 1, 1)
    seat, shoulder = (zero + 0.0, zero - 0.26), (zero + 0.03 + lean, zero - 0.66 + lean / 3)
    head = (shoulder[0] + 0.04 + lean / 3, shoulder[1] - 0.19)
    knee, foot = (zero + 0.17, zero + 0.02), (zero + 0.06, zero + 0.30)
    hand = (zero + 0.30 + lean / 2, zero - 0.34)

    def paint(part: Rod | Map, colour: Tensor) -> None:
        distance = part.distance if isinstance(part, Rod) else part
        canvas.rider_part(brush.cover(distance) * there, colour)

    paint(
        brush.rod((zero - 0.14, zero - 0.21), (zero + 0.16, zero - 0.20), 0.055, 0.05),
        one(_LEATHER),
    )
    paint(brush.rod(seat, shoulder, 0.115, 0.12), jacket)
    paint(brush.rod(seat, knee, 0.105, 0.075), trousers)
    paint(brush.rod(knee, foot, 0.065, 0.045), one(BLACK))
    paint(brush.rod(foot, (foot[0] + 0.09, foot[1] + 0.02), 0.04, 0.03), one(BLACK))
    paint(torch.hypot(brush.u - head[0], brush.v - head[1]) - 0.095, one(_SKIN))
    cap = torch.hypot(brush.u - head[0] + 0.01, brush.v - head[1] + 0.01) - 0.105
    paint(cap.maximum(brush.v - head[1] + 0.015), one(BLACK))
    paint(brush.rod((shoulder[0], shoulder[1] + 0.05), hand, 0.06, 0.042), 0.8 * jacket)
    paint(torch.hypot(brush.u - hand[0], brush.v - hand[1]) - 0.04, one(_SKIN))
