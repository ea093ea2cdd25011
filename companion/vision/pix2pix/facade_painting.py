"""Chapter 3.8, façades: the picture of a plan, seen once, by one light, in one set of colours.

Parts are painted in the plan's order, each over what is behind it. A part's randomness is its own
row of lots, so that moving one part leaves all others as they are.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from companion.vision.pix2pix import facades
from companion.vision.pix2pix.facade_canvas import Easel, Look, fade, on_canvas, ramp
from companion.vision.pix2pix.facade_openings import (
    paint_balcony,
    paint_door,
    paint_shop,
    paint_shutter,
    paint_window,
)
from companion.vision.pix2pix.facade_surfaces import (
    CANVAS,
    ROOFS,
    SCALE,
    WALLS,
    masonry,
    mix,
    pick,
)
from companion.vision.pix2pix.facades import SIDE, Part, Plan

_DOWN = fade(0, 1.6, CANVAS)
_ROUND = (0.82, 1.15, 1.0, 0.62)  # how light a pillar is, from the sunny side to the other
_PAVEMENTS = ("#9a968e", "#8a8682", "#aaa396", "#7b7a7c", "#a58f7c")


# --- around the house --------------------------------------------------------------------------


def _paint_sky(easel: Easel) -> None:
    """From the zenith's colour to the horizon's, with clouds that cover more or less of it."""
    sky = easel.glow(easel.zenith + (easel.horizon - easel.zenith) * np.minimum(_DOWN, 1))
    cloud = easel.glow(mix(easel.horizon, np.ones(3, dtype=np.float32), 0.55 * easel.sunshine))
    cover = np.clip(2.2 * (easel.clouds + 1.6 * easel.look.clouds - 1.1), 0, 0.85)
    np.multiply(cover[:, :, None], cloud - sky, out=easel.canvas)
    easel.canvas += sky


def _paint_neighbour(easel: Easel, part: Part, lots: list[float]) -> None:
    """Another house in other colours, a little darker, some with windows at their own heights."""
    lot = easel.look.neighbour_left if part.left == 0 else easel.look.neighbour_right
    region = easel.region(part)
    height, width, _ = region.shape
    material = list(WALLS.values())[int(lot * 997) % len(WALLS)]
    colour = pick(material.colours, lot * 31 % 1) * 0.72
    phase = int(lot * 128), int(lot * 77)
    region[:] = masonry(material, phase, easel.tones, height, width)[:, :, None] * colour
    region[:3] *= 0.7
    if lots[0] < 0.6:
        pane = 0.25 * mix(easel.zenith, easel.horizon, lots[1]) + 0.05
        for top in range(6 + int(8 * lots[2]), height - 12, 20 + int(6 * lots[3])):
            region[top : top + 11, width // 2 - 4 : width // 2 + 4] = pane
            region[top : top + 11, width // 2] = 0.7 * easel.trim
    beside = slice(0, 2) if part.left > 0 else slice(-2, None)
    region[:, beside] *= 0.85


def _paint_ground(easel: Easel, part: Part, lots: list[float]) -> None:
    """Slabs before the house, a kerb, and the road."""
    region = easel.region(part)
    height, width, _ = region.shape
    pavement = pick(_PAVEMENTS, easel.look.pavement)
    kerb = max(4, height // 2 + 1)
    road = 0.42 * pavement + 0.06
    region[:kerb] = pavement
    region[kerb:] = road
    slab = 10 + int(lots[0] * 10)
    columns = (np.arange(width) + int(lots[1] * slab)) % slab == 0
    region[:kerb, columns] *= 0.8
    region[kerb - 1 : kerb] = pavement * 1.2
    region[kerb : kerb + 1] *= 0.7
    region[0] *= 0.6
    region *= 1 + 0.1 * easel.stains[:height, :width, None]


# --- the house ---------------------------------------------------------------------------------


def _paint_wall(easel: Easel, part: Part, lots: list[float]) -> None:
    region = easel.region(part)
    top, left, bottom, right = on_canvas(part)
    np.copyto(region, easel.wall[top:bottom, left:right], where=part.mask(SCALE)[:, :, None])
    if len(region) > 12 * SCALE:  # rain splashes up to the knee
        region[-5 * SCALE :] *= fade(1, 1 - 0.25 * easel.look.weather, 5 * SCALE)


def _paint_roof(easel: Easel, part: Part, lots: list[float]) -> None:
    look = easel.look
    region = easel.region(part)
    height, width, _ = region.shape
    if part.right - part.left <= 4:  # a chimney
        region[:] = pick(WALLS["brick"].colours, look.roof_colour) * 0.9
        region[:, : width // 2] *= 1.12 if easel.sun < 0 else 0.75
        region[:2] = 0.6 * easel.trim
        return
    material = list(ROOFS.values())[int(look.roof * len(ROOFS))]
    phase = int(look.phase_y * 16), int(look.phase_x * 16)
    colour = pick(material.colours, look.roof_colour) * fade(1.12, 0.9, height)
    surface = masonry(material, phase, easel.tones, height, width)[:, :, None] * colour
    surface[:2] *= 1.15
    surface[-2:] *= 0.6
    np.copyto(region, surface, where=part.mask(SCALE)[:, :, None])


def _paint_pillar(easel: Easel, part: Part, lots: list[float]) -> None:
    region = easel.region(part)
    round_shade = _ROUND if easel.sun < 0 else _ROUND[::-1]
    shade = np.interp(ramp(region.shape[1]), ramp(len(_ROUND)), round_shade)
    region[:] = easel.trim * shade[:, None]
    region[:3] = easel.trim * 1.08
    region[3:4] *= 0.7
    region[-3:] *= 0.92
    top, left, bottom, right = on_canvas(part)
    shadow = left - 2 if easel.sun > 0 else right
    easel.shade(top, shadow, bottom, shadow + 2, 0.7)


def _paint_cornice(easel: Easel, part: Part, lots: list[float]) -> None:
    region = easel.region(part)
    height, width, _ = region.shape
    region[:] = easel.trim
    region[0] *= 1.12
    region[-1] *= 0.7
    if height >= 5:
        teeth = np.arange(width) % 4 < 2
        region[2:-1, teeth] *= 0.8
    easel.cast(part, depth=height - 1 if height > 2 else 1)


_PAINTERS: dict[int, Callable[[Easel, Part, list[float]], None]] = {
    facades.NEIGHBOUR: _paint_neighbour,
    facades.ROOF: _paint_roof,
    facades.WALL: _paint_wall,
    facades.CORNICE: _paint_cornice,
    facades.PILLAR: _paint_pillar,
    facades.WINDOW: paint_window,
    facades.SHUTTER: paint_shutter,
    facades.BALCONY: paint_balcony,
    facades.DOOR: paint_door,
    facades.SHOP: paint_shop,
    facades.GROUND: _paint_ground,
}


# --- the picture -------------------------------------------------------------------------------


def paint(plan: Plan, look: Look) -> UInt8[np.ndarray, "64 64 3"]:
    """The photograph of a plan with this look; the same bytes for the same arguments."""
    easel = Easel(look)
    _paint_sky(easel)
    for number, part in enumerate(plan.parts):
        _PAINTERS[part.label](easel, part, easel.lots[number % len(easel.lots)])
    return _photograph(easel)


def _photograph(easel: Easel) -> UInt8[np.ndarray, "64 64 3"]:
    """Light laid over all, haze, the mean of each pixel's area, exposure, noise, bytes."""
    look = easel.look
    rows = easel.canvas[::SCALE] + easel.canvas[1::SCALE]
    scene = (rows[:, ::SCALE] + rows[:, 1::SCALE]) / SCALE**2
    slope = (2 * ramp(SIDE) - 1)[:, None]
    scene *= easel.light * (1 + (0.1 * easel.sun * easel.sunshine) * slope)
    scene += (0.22 * look.haze**2) * (easel.horizon - scene)
    scene *= 0.85 + 0.3 * look.exposure
    scene += 0.012 * easel.noise
    return (np.clip(scene, 0, 1) * 255 + 0.5).astype(np.uint8)
