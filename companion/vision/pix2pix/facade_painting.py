"""Chapter 3.8, façades: the picture of a plan, seen once, by one light, in one set of colours.

Nothing here moves an outline: what a `Look` decides, the label map does not know.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, UInt8

from companion.vision.pix2pix import facades
from companion.vision.pix2pix.facade_surfaces import (
    CANVAS,
    ROOFS,
    SCALE,
    WALLS,
    Colour,
    cloudy,
    masonry,
    mix,
    pick,
    rgb,
)
from companion.vision.pix2pix.facades import SIDE, Part, Plan

# Of each hour: the sky overhead and at the horizon, and the light that falls on the front.
_HOURS = {
    "noon": ("#4f8fd6", "#b9d8ee", "#fffaf0"),
    "morning": ("#86b4dd", "#f1e3cf", "#f7ead6"),
    "overcast": ("#a9b1b8", "#d3d7d9", "#d8dce0"),
    "evening": ("#6e86b8", "#f0b98a", "#f2c79a"),
    "dusk": ("#27365f", "#8b7f9c", "#79809f"),
}
_TRIMS = ("#efe9dc", "#d8cfbb", "#c3bcae", "#a79f92", "#e4d6b4", "#8f8274")
_FRAMES = ("#f4f2ec", "#f4f2ec", "#e3ddd0", "#5b4030", "#2f3b3a", "#3b4f68", "#7d2f2a")
_SHUTTERS = ("#2f5d50", "#4f7a5a", "#3f5f8a", "#8b3a2f", "#e8e4d8", "#6b4a35", "#87a0ae", "#55585c")
_DOORS = ("#5a3a26", "#7d2a25", "#23412f", "#26405f", "#3a3a3d", "#8a6236", "#c9a93f")
_AWNINGS = ("#b23a34", "#2f6b4f", "#2f4f86", "#d9a23c", "#7a3b5e", "#454a50", "#c9692f")
_CURTAINS = ("#f1ede2", "#d9cdb8", "#c98f7f", "#9fb0b8", "#e5d08f")
_PAVEMENTS = ("#9a968e", "#8a8682", "#aaa396", "#7b7a7c", "#a58f7c")


@dataclass(frozen=True)
class Look:
    """What the label map does not say. All but ``texture`` are lots in [0, 1).

    ``hour`` chooses the time of day, ``sun`` where the light comes from (0 left, 1 right); material,
    colour and so on choose from the palettes; ``phase_x`` and ``phase_y`` move the masonry.
    ``texture`` seeds what is too small to name: every block's tone, clouds, stains, what stands in
    each window, the camera's noise.
    """

    hour: float
    sun: float
    haze: float
    exposure: float
    clouds: float
    material: float
    colour: float
    tint: float
    phase_x: float
    phase_y: float
    weather: float
    trim: float
    roof: float
    roof_colour: float
    frame: float
    bars: float
    surround: float
    shutter: float
    door: float
    railing: float
    awning: float
    shop: float
    pavement: float
    neighbour_left: float
    neighbour_right: float
    texture: int


def sample_look(random: np.random.Generator) -> Look:
    """A look by lots, each apart from the others."""
    lots = random.random(len(fields(Look)) - 1).tolist()
    return Look(*lots, texture=int(random.integers(2**31)))


class _Easel:
    """The canvas, and all that the painting of one part has to know."""

    def __init__(self, look: Look):
        random = np.random.default_rng(look.texture)
        self.look = look
        self.canvas = np.empty((CANVAS, CANVAS, 3), dtype=np.float32)
        self.tones = random.random((64, 64), dtype=np.float32) * 2 - 1
        self.lots = random.random((128, 8)).tolist()  # each part's own
        self.stains = cloudy(random, 3, 6, 3)
        self.clouds = cloudy(random, 4, 2, 4)
        self.noise = random.standard_normal((SIDE, SIDE, 3), dtype=np.float32)
        hour = list(_HOURS)[int(look.hour * len(_HOURS))]
        self.zenith, self.horizon, self.light = (rgb(code) for code in _HOURS[hour])
        self.sunny = {"overcast": 0.25, "dusk": 0.35}.get(hour, 1.0)
        self.lit_share = {"dusk": 0.5, "evening": 0.15}.get(hour, 0.04)
        self.sun = 2 * look.sun - 1
        self.trim = pick(_TRIMS, look.trim)
        self.frame = pick(_FRAMES, look.frame)
        self.wall = self._wall(look.material, look.colour, look.tint)

    def _wall(self, material: float, colour: float, tint: float) -> np.ndarray:
        masonry_of = list(WALLS.values())[int(material * len(WALLS))]
        base = pick(masonry_of.colours, colour) * np.float32(0.85 + 0.25 * tint)
        phase = int(self.look.phase_y * 128), int(self.look.phase_x * 128)
        weather = 1 + np.float32(0.04 + 0.1 * self.look.weather) * self.stains
        return masonry(masonry_of, base, phase, self.tones) * weather[:, :, None]

    def region(self, part: Part) -> np.ndarray:
        """The canvas's pixels in the part's rectangle, to be painted in place."""
        return self.canvas[
            part.top * SCALE : part.bottom * SCALE, part.left * SCALE : part.right * SCALE
        ]

    def shade(self, top: int, left: int, bottom: int, right: int, factor: float) -> None:
        """Darken a rectangle of canvas pixels as far as the light is strong enough for shadows."""
        factor = 1 - (1 - factor) * (0.35 + 0.65 * self.sunny)
        self.canvas[max(top, 0) : bottom, max(left, 0) : right] *= np.float32(factor)

    def cast(self, part: Part, depth: int) -> None:
        """The shadow, ``depth`` canvas pixels deep, of a part that stands out from the wall."""
        aside = -round(self.sun * depth * 0.6)
        bottom, left, right = part.bottom * SCALE, part.left * SCALE, part.right * SCALE
        left, right = max(left + min(aside, 0), 0), right + max(aside, 0)
        self.shade(bottom, left, bottom + depth, right, 0.55)
        self.shade(bottom + depth, left, bottom + depth + 1, right, 0.8)

    def glow(self, colour: Colour) -> Colour:
        """A colour that comes out as it is, although the light is laid over all in the end."""
        return colour / self.light


# --- around the house --------------------------------------------------------------------------


def _paint_sky(easel: _Easel) -> None:
    height = np.linspace(0, 1, CANVAS, dtype=np.float32)[:, None, None]
    sky = easel.zenith + (easel.horizon - easel.zenith) * np.minimum(1.6 * height, 1)
    cover = np.clip(2.2 * (easel.clouds + 1.6 * easel.look.clouds - 1.1), 0, 0.85)[:, :, None]
    cloud = mix(easel.horizon, np.ones(3, dtype=np.float32), 0.55 * easel.sunny)
    easel.canvas[:] = easel.glow(sky + (cloud - sky) * cover)


def _paint_neighbour(easel: _Easel, part: Part, lots: list[float]) -> None:
    """Another house in other colours, a little darker, with dark windows at its own heights."""
    lot = easel.look.neighbour_left if part.left == 0 else easel.look.neighbour_right
    region = easel.region(part)
    material = list(WALLS.values())[int(lot * 997) % len(WALLS)]
    colour = pick(material.colours, lot * 31 % 1) * np.float32(0.72)
    phase = int(lot * 128), int(lot * 77)
    rows, columns = slice(part.top * SCALE, part.bottom * SCALE), region.shape[1]
    region[:] = masonry(material, colour, phase, easel.tones)[rows, :columns]
    region[:3] *= np.float32(0.7)
    inner = slice(0, 2) if part.left > 0 else slice(-2, None)
    region[:, inner] *= np.float32(0.85)


def _paint_ground(easel: _Easel, part: Part, lots: list[float]) -> None:
    """Slabs before the house, a kerb, and the road."""
    region = easel.region(part)
    height, width, _ = region.shape
    pavement = pick(_PAVEMENTS, easel.look.pavement)
    kerb = max(4, height // 2 + 1)
    road = np.float32(0.42) * pavement + np.float32(0.06)
    region[:kerb] = pavement
    region[kerb:] = road
    slab = 10 + int(lots[0] * 10)
    columns = (np.arange(width) + int(lots[1] * slab)) % slab == 0
    region[:kerb, columns] *= np.float32(0.8)
    region[kerb - 1] = pavement * np.float32(1.2)
    region[kerb] *= np.float32(0.7)
    region[0] *= np.float32(0.6)
    speckle = easel.stains[-height:, ::-1, None] * np.float32(0.1)
    region *= 1 + speckle


# --- the house ---------------------------------------------------------------------------------


def _paint_wall(easel: _Easel, part: Part, lots: list[float]) -> None:
    region = easel.region(part)
    rows = slice(part.top * SCALE, part.bottom * SCALE)
    wall = easel.wall[rows, part.left * SCALE : part.right * SCALE]
    if part.narrowing:
        region[part.mask(SCALE)] = wall[part.mask(SCALE)]
        return
    region[:] = wall
    height = len(region)
    if height > 12 * SCALE:  # rain splashes up to the knee
        damp = np.linspace(1, 1 - 0.25 * easel.look.weather, 5 * SCALE, dtype=np.float32)
        region[-5 * SCALE :] *= damp[:, None, None]


def _paint_roof(easel: _Easel, part: Part, lots: list[float]) -> None:
    look = easel.look
    region = easel.region(part)
    height, width, _ = region.shape
    if part.right - part.left <= 4:  # a chimney
        region[:] = pick(WALLS["brick"].colours, look.roof_colour) * np.float32(0.9)
        region[:, : width // 2] *= np.float32(1.12 if easel.sun < 0 else 0.75)
        region[:2] = np.float32(0.6) * easel.trim
        return
    material = list(ROOFS.values())[int(look.roof * len(ROOFS))]
    phase = int(look.phase_y * 16), int(look.phase_x * 16)
    surface = masonry(material, pick(material.colours, look.roof_colour), phase, easel.tones)
    surface = surface[:height, part.left * SCALE : part.right * SCALE]
    surface = surface * np.linspace(1.12, 0.9, height, dtype=np.float32)[:, None, None]
    surface[:2] *= np.float32(1.15)
    surface[-2:] *= np.float32(0.6)
    mask = part.mask(SCALE)
    region[mask] = surface[mask]


def _paint_window(easel: _Easel, part: Part, lots: list[float]) -> None:
    """Surround and sill on the wall, what is behind the glass, its reflection, frame and bars."""
    _paint_surround(easel, part)
    region = easel.region(part)
    height, width, _ = region.shape
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    if lots[0] < easel.lit_share:
        glass = easel.glow(np.array([1.0, 0.82 - 0.15 * lots[1], 0.5], np.float32)) * (
            np.float32(0.75 + 0.25 * lots[2]) + 0.2 * down
        )
        glass = np.repeat(glass, width, axis=1)
    else:
        room = np.array([0.08, 0.09, 0.11], np.float32) + np.float32(0.10 * lots[1])
        strength = np.float32(0.15 + 0.6 * lots[2])
        sky = easel.glow(mix(easel.zenith, easel.horizon, lots[3]))
        slant = (down * np.float32(1.2) + across * np.float32(lots[4] - 0.5)) < 0.35 + 0.9 * lots[3]
        glass = room + sky * (strength * (0.35 + 0.65 * slant) * (1 - 0.5 * down))
    if lots[5] < 0.45:
        _hang_curtain(easel, glass, lots)
    region[:] = glass
    # The reveal: the wall's thickness throws a shadow from above and from the sun's side.
    region[1:3] *= np.float32(1 - 0.5 * easel.sunny)
    shaded = slice(1, 2) if easel.sun < 0 else slice(-2, -1)
    region[:, shaded] *= np.float32(1 - 0.4 * easel.sunny)
    frame = easel.frame
    region[0], region[-1] = np.float32(0.75) * frame, frame
    region[:, 0], region[:, -1] = frame, np.float32(0.9) * frame
    _paint_bars(region, frame, easel.look.bars)


def _hang_curtain(easel: _Easel, glass: np.ndarray, lots: list[float]) -> None:
    """Two drawn aside, or a half-length one, with folds."""
    width = glass.shape[1]
    cloth = pick(_CURTAINS, lots[6]) * np.float32(0.85)
    folds = (1 + np.float32(0.12) * (np.arange(width) % 3 - 1))[:, None]
    if lots[7] < 0.6:
        share = max(2, round(width * (0.15 + 0.35 * lots[5])))
        glass[:, :share] = cloth * folds[:share]
        glass[:, -share:] = cloth * folds[-share:]
    else:
        glass[round(len(glass) * 0.5) :] = cloth * folds


def _paint_bars(region: np.ndarray, frame: Colour, lot: float) -> None:
    """One upright bar, a cross, a cross above the middle, six panes, or none."""
    height, width, _ = region.shape
    kind = int(lot * 5)
    if kind < 4 and width >= 8:
        region[:, width // 2 - width % 2 : width // 2 + 1] = frame
    if kind in (1, 2):
        row = height // 2 if kind == 1 else height // 3
        region[row] = frame
    if kind == 3:
        region[height // 3] = region[2 * height // 3] = frame


def _paint_surround(easel: _Easel, part: Part) -> None:
    """A moulded frame, a lintel, or nothing; and the sill with the streak that rain left below."""
    top, left = part.top * SCALE, part.left * SCALE
    bottom, right = part.bottom * SCALE, part.right * SCALE
    kind = int(easel.look.surround * 4)
    if kind == 1:
        easel.canvas[max(top - 2, 0) : bottom, max(left - 2, 0) : right + 2] = easel.trim
    if kind == 2:
        easel.canvas[max(top - 3, 0) : top, max(left - 1, 0) : right + 1] = easel.trim
    easel.canvas[bottom : bottom + 1, max(left - 1, 0) : right + 1] = easel.trim
    easel.shade(bottom + 1, left - 1, bottom + 2, right + 1, 0.6)
    streak = 1 - 0.18 * easel.look.weather
    easel.shade(bottom + 2, left, bottom + 6, left + 2, streak)
    easel.shade(bottom + 2, right - 2, bottom + 7, right, streak)


def _paint_shutter(easel: _Easel, part: Part, lots: list[float]) -> None:
    """Louvres: beside a window a wing, over one a blind."""
    region = easel.region(part)
    colour = pick(_SHUTTERS, easel.look.shutter) * np.float32(0.95 + 0.1 * lots[0])
    region[:] = colour
    region[1::2] *= np.float32(0.74)
    region[:, 0] = region[:, -1] = colour
    region[-1] = np.float32(0.6) * colour
    if part.right - part.left > 2:
        region[:2] *= np.float32(1 - 0.4 * easel.sunny)
    else:
        edge = -1 if easel.sun < 0 else 0
        region[:, edge] *= np.float32(0.7)


def _paint_door(easel: _Easel, part: Part, lots: list[float]) -> None:
    """A frame, a light above, two leaves or one with panels, a handle, a step."""
    region = easel.region(part)
    height, width, _ = region.shape
    colour = pick(_DOORS, easel.look.door)
    region[:] = colour
    lit = lots[0] < 2 * easel.lit_share
    pane = easel.glow(rgb("#ffd98a")) if lit else mix(rgb("#20242a"), easel.zenith, 0.4 * lots[1])
    region[2:5, 1:-1] = pane
    for top, bottom in ((0.35, 0.6), (0.68, 0.92)):
        panel = region[round(top * height) : round(bottom * height), 2:-2]
        panel *= np.float32(0.75)
        panel[-1:] = np.float32(1.25) * colour
    if width >= 10:
        region[5:, width // 2] *= np.float32(0.5)
    region[round(0.62 * height), width // 2 + 1] = rgb("#e8d48a")
    region[:2] *= np.float32(1 - 0.6 * easel.sunny)
    region[0] = region[:, 0] = region[:, -1] = easel.trim
    region[-2:] = easel.trim * np.float32(0.85)


def _paint_shop(easel: _Easel, part: Part, lots: list[float]) -> None:
    """A sign with letters, an awning over some, and a window with goods above a low wall."""
    region = easel.region(part)
    height, width, _ = region.shape
    colour = pick(_AWNINGS, easel.look.shop)
    region[:] = np.float32(0.55) * colour + np.float32(0.05)
    sign, foot = max(4, height // 5), max(3, height // 7)
    _paint_shop_window(easel, region[sign + 1 : -foot, 1:-1], lots)
    region[:sign] = np.float32(0.8) * colour
    letters = easel.tones[int(lots[0] * 60), : width // 3] > 0
    start = width // 6 + int(lots[1] * (width // 3))
    ink = np.repeat(letters, 2)[: max(0, width - start - 2)]
    region[1 : sign - 1, start : start + len(ink)][:, ink] = rgb("#f6efdb")
    if easel.look.awning < 0.6:
        drop = sign + max(4, height // 4)
        cloth = pick(_AWNINGS, easel.look.awning * 5.3 % 1)
        stripes = (np.arange(width) // 4 % 2 == 0)[None, :, None]
        slope = np.linspace(1.1, 0.85, drop - sign, dtype=np.float32)[:, None, None]
        region[sign:drop] = np.where(stripes, cloth, rgb("#f1ece0")) * slope
        region[drop - 1] *= np.float32(0.7)
        region[drop : drop + 3] *= np.float32(1 - 0.5 * easel.sunny)
    region[-1] *= np.float32(0.6)


def _paint_shop_window(easel: _Easel, region: np.ndarray, lots: list[float]) -> None:
    height, width, _ = region.shape
    lit = lots[2] < 0.3 + easel.lit_share
    inside = easel.glow(rgb("#f3dba4")) if lit else rgb("#2c3138") + np.float32(0.12 * lots[3])
    region[:] = inside * np.linspace(1.0, 0.75, height, dtype=np.float32)[:, None, None]
    goods = easel.tones[int(lots[4] * 64)]
    for place in range(0, width - 3, 5):
        level = 2 + int((goods[place % 64] + 1) * height / 5)
        hue = easel.tones[place % 64, :3] * np.float32(0.3) + np.float32(0.45)
        region[height - level :, place + 1 : place + 4] = hue * (1.1 if lit else 0.7)
    # A slanted reflection of the sky.
    slant = (np.arange(width)[None] + np.arange(height)[:, None] - int(lots[5] * width)) % width
    gleam = (slant < width // 4)[:, :, None] * np.float32(0.16 * easel.sunny)
    region += gleam * (easel.horizon - region)
    region[:, :: max(10, width // 3)] = np.float32(0.8) * easel.frame


def _paint_pillar(easel: _Easel, part: Part, lots: list[float]) -> None:
    region = easel.region(part)
    round_shade = np.array([0.85, 1.1, 1.0, 0.72], dtype=np.float32)
    if easel.sun > 0:
        round_shade = round_shade[::-1]
    region[:] = easel.trim * round_shade[: region.shape[1], None]
    region[:3] = easel.trim * np.float32(1.08)
    region[3] *= np.float32(0.7)
    region[-3:] *= np.float32(0.92)
    left = part.left * SCALE - 2 if easel.sun > 0 else part.right * SCALE
    if 0 < part.left and part.right < SIDE:
        easel.shade(part.top * SCALE, left, part.bottom * SCALE, left + 2, 0.7)


def _paint_cornice(easel: _Easel, part: Part, lots: list[float]) -> None:
    region = easel.region(part)
    height, width, _ = region.shape
    region[:] = easel.trim
    region[0] *= np.float32(1.12)
    region[-1] *= np.float32(0.7)
    if height >= 5:
        teeth = np.arange(width) % 4 < 2
        region[2:-1, teeth] *= np.float32(0.8)
    easel.cast(part, depth=height - 1 if height > 2 else 1)


def _paint_balcony(easel: _Easel, part: Part, lots: list[float]) -> None:
    """A slab and its shadow; before what is behind, bars, a lattice, glass or a stone parapet."""
    easel.cast(part, depth=5)
    region = easel.region(part)
    height, width, _ = region.shape
    kind = int(easel.look.railing * 4)
    iron = rgb("#22262a") if easel.look.frame < 0.7 else rgb("#e7e3d8")
    region[:] *= np.float32(0.8)
    if kind == 0:
        region[1:-2, ::2] = iron
    elif kind == 1:
        cross = (np.arange(width)[None] + np.arange(height)[:, None]) % 4 == 0
        region[cross | cross[::-1]] = iron
    elif kind == 2:
        region += np.float32(0.45) * (mix(easel.horizon, easel.zenith, 0.4) - region)
        region[:, ::8] = iron
    else:
        region[:] = easel.trim * np.float32(0.95)
        region[2:-3, 1::3] *= np.float32(0.65)
    region[0] = region[1] = easel.trim if kind == 3 else iron
    region[:, 0] = region[:, -1] = easel.trim if kind == 3 else iron
    region[-2] = easel.trim * np.float32(1.1)
    region[-1] = easel.trim * np.float32(0.75)


_PAINTERS: dict[int, Callable[[_Easel, Part, list[float]], None]] = {
    facades.NEIGHBOUR: _paint_neighbour,
    facades.ROOF: _paint_roof,
    facades.WALL: _paint_wall,
    facades.CORNICE: _paint_cornice,
    facades.PILLAR: _paint_pillar,
    facades.WINDOW: _paint_window,
    facades.SHUTTER: _paint_shutter,
    facades.BALCONY: _paint_balcony,
    facades.DOOR: _paint_door,
    facades.SHOP: _paint_shop,
    facades.GROUND: _paint_ground,
}


# --- the picture -------------------------------------------------------------------------------


def paint(plan: Plan, look: Look) -> UInt8[np.ndarray, "64 64 3"]:
    """The photograph of a plan with this look; the same bytes for the same arguments."""
    easel = _Easel(look)
    _paint_sky(easel)
    for part, lots in zip(plan.parts, easel.lots, strict=False):
        _PAINTERS[part.label](easel, part, lots)
    return _photograph(easel)


def _photograph(easel: _Easel) -> UInt8[np.ndarray, "64 64 3"]:
    """Light laid over all, haze, the mean of each pixel's area, exposure, noise, bytes."""
    look = easel.look
    scene = easel.canvas.reshape(SIDE, SCALE, SIDE, SCALE, 3).mean(axis=(1, 3))
    slope = np.linspace(-1, 1, SIDE, dtype=np.float32)[:, None]
    scene *= easel.light * (1 + np.float32(0.1 * easel.sun * easel.sunny) * slope)
    scene += np.float32(0.22 * look.haze**2) * (easel.horizon - scene)
    scene *= np.float32(0.85 + 0.3 * look.exposure)
    scene += np.float32(0.012) * easel.noise
    return (np.clip(scene, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
