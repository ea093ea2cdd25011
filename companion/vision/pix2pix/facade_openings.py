"""Chapter 3.8, façades: painting windows, shutters, doors, shops and balconies."""

import numpy as np
from jaxtyping import Float

from companion.vision.pix2pix.facade_canvas import Easel, fade, on_canvas, ramp
from companion.vision.pix2pix.facade_surfaces import Colour, mix, pick, rgb
from companion.vision.pix2pix.facades import Part

_SHUTTERS = ("#2f5d50", "#4f7a5a", "#3f5f8a", "#8b3a2f", "#e8e4d8", "#6b4a35", "#87a0ae", "#55585c")
_DOORS = ("#5a3a26", "#7d2a25", "#23412f", "#26405f", "#3a3a3d", "#8a6236", "#c9a93f")
_AWNINGS = ("#b23a34", "#2f6b4f", "#2f4f86", "#d9a23c", "#7a3b5e", "#454a50", "#c9692f")
_CURTAINS = ("#f1ede2", "#d9cdb8", "#c98f7f", "#9fb0b8", "#e5d08f")

Region = Float[np.ndarray, "height width 3"]


def paint_window(easel: Easel, part: Part, lots: list[float]) -> None:
    """Surround and sill on the wall, what is behind the glass, its reflection, frame and bars."""
    _paint_surround(easel, part)
    region = easel.region(part)
    region[:] = _glass(easel, *region.shape[:2], lots)
    if lots[5] < 0.45:
        _hang_curtain(region, lots)
    # The reveal: the wall's thickness throws a shadow from above and from the sun's side.
    region[1:3] *= 1 - 0.5 * easel.sunshine
    shaded = slice(1, 2) if easel.sun < 0 else slice(-2, -1)
    region[:, shaded] *= 1 - 0.4 * easel.sunshine
    frame = easel.frame
    region[0], region[-1] = 0.75 * frame, frame
    region[:, 0], region[:, -1] = frame, 0.9 * frame
    _paint_bars(region, frame, easel.look.bars)


def _glass(easel: Easel, height: int, width: int, lots: list[float]) -> Region:
    """A lit room; or a dark one and, more or less strong above a slanted line, the sky in it."""
    down, across = ramp(height)[:, None, None], ramp(width)[None, :, None]
    if lots[0] < easel.lit_windows:
        lamp = easel.glow(np.array([1, 0.82 - 0.15 * lots[1], 0.5], dtype=np.float32))
        return np.repeat(lamp * (0.75 + 0.25 * lots[2] + 0.2 * down), width, axis=1)
    room = np.array([0.08, 0.09, 0.11], dtype=np.float32) + 0.1 * lots[1]
    sky = easel.glow(mix(easel.zenith, easel.horizon, lots[3])) * (0.15 + 0.6 * lots[2])
    above = 1.2 * down + (lots[4] - 0.5) * across < 0.35 + 0.9 * lots[3]
    return room + sky * ((0.35 + 0.65 * above) * (1 - 0.5 * down))


def _hang_curtain(region: Region, lots: list[float]) -> None:
    """Two drawn aside, or one before the lower half, with folds."""
    height, width, _ = region.shape
    folds = (0.85 + 0.1 * (np.arange(width, dtype=np.float32) % 3 - 1))[:, None]
    cloth = pick(_CURTAINS, lots[6]) * folds
    if lots[7] < 0.6:
        share = max(2, round(width * (0.15 + 0.35 * lots[5])))
        region[:, :share], region[:, -share:] = cloth[:share], cloth[-share:]
    else:
        region[height // 2 :] = cloth


def _paint_bars(region: Region, frame: Colour, lot: float) -> None:
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


def _paint_surround(easel: Easel, part: Part) -> None:
    """A moulded frame, a lintel, or nothing; and the sill with the streak that rain left below."""
    top, left, bottom, right = on_canvas(part)
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


def paint_shutter(easel: Easel, part: Part, lots: list[float]) -> None:
    """Louvres: beside a window a wing, over one a blind."""
    region = easel.region(part)
    colour = pick(_SHUTTERS, easel.look.shutter) * (0.95 + 0.1 * lots[0])
    region[:] = colour
    region[2::4] *= 0.7
    region[3::4] *= 0.7
    region[:, 0] = region[:, -1] = colour
    region[-1] = 0.6 * colour
    if part.right - part.left > 2:
        region[:2] *= 1 - 0.4 * easel.sunshine
    else:
        edge = -1 if easel.sun < 0 else 0
        region[:, edge] *= 0.7


def paint_door(easel: Easel, part: Part, lots: list[float]) -> None:
    """A frame, a light above, two leaves or one with panels, a handle, a step."""
    region = easel.region(part)
    height, width, _ = region.shape
    colour = pick(_DOORS, easel.look.door)
    region[:] = colour
    lit = lots[0] < 2 * easel.lit_windows
    pane = easel.glow(rgb("#ffd98a")) if lit else mix(rgb("#20242a"), easel.zenith, 0.4 * lots[1])
    region[2:5, 1:-1] = pane
    for top, bottom in ((0.35, 0.6), (0.68, 0.92)):
        panel = region[round(top * height) : round(bottom * height), 2:-2]
        panel *= 0.75
        panel[-1:] = 1.25 * colour
    if width >= 10:
        region[5:, width // 2] *= 0.5
    region[round(0.62 * height), min(width // 2 + 1, width - 1)] = rgb("#e8d48a")
    region[:2] *= 1 - 0.6 * easel.sunshine
    region[0] = region[:, 0] = region[:, -1] = easel.trim
    region[-2:] = easel.trim * 0.85


def paint_shop(easel: Easel, part: Part, lots: list[float]) -> None:
    """A sign with letters, an awning over some, and a window with goods above a low wall."""
    region = easel.region(part)
    height, width, _ = region.shape
    colour = pick(_AWNINGS, easel.look.shop)
    region[:] = 0.55 * colour + 0.05
    sign, foot = min(max(4, height // 5), height), max(3, height // 7)
    _paint_shop_window(easel, region[sign + 1 : -foot, 1:-1], lots)
    region[:sign] = 0.8 * colour
    letters = easel.tones[int(lots[0] * 60), : width // 3] > 0
    start = width // 6 + int(lots[1] * (width // 3))
    ink = np.repeat(letters, 2)[: max(0, width - start - 2)]
    region[1 : sign - 1, start : start + len(ink)][:, ink] = rgb("#f6efdb")
    if easel.look.awning < 0.6:
        drop = min(sign + max(4, height // 4), height)
        cloth = pick(_AWNINGS, easel.look.awning * 5.3 % 1)
        stripes = (np.arange(width) // 4 % 2 == 0)[None, :, None]
        cloth = np.where(stripes, cloth, rgb("#f1ece0"))
        region[sign:drop] = cloth * fade(1.1, 0.85, drop - sign)
        region[drop - 1 : drop] *= 0.7
        region[drop : drop + 3] *= 1 - 0.5 * easel.sunshine
    region[-1] *= 0.6


def _paint_shop_window(easel: Easel, region: Region, lots: list[float]) -> None:
    height, width, _ = region.shape
    lit = lots[2] < 0.3 + easel.lit_windows
    inside = easel.glow(rgb("#f3dba4")) if lit else rgb("#2c3138") + (0.12 * lots[3])
    region[:] = inside * fade(1, 0.75, height)
    goods = easel.tones[int(lots[4] * 64)]
    for place in range(0, width - 3, 5):
        level = 2 + int((goods[place % 64] + 1) * height / 5)
        hue = easel.tones[place % 64, :3] * 0.3 + 0.45
        region[height - level :, place + 1 : place + 4] = hue * (1.1 if lit else 0.7)
    # A slanted reflection of the sky.
    slant = np.arange(width)[None] + np.arange(height)[:, None] - int(lots[5] * width)
    gleam = (slant % max(width, 1) < width // 4)[:, :, None] * (0.16 * easel.sunshine)
    region += gleam * (easel.horizon - region)
    region[:, :: max(10, width // 3)] = 0.8 * easel.frame


def paint_balcony(easel: Easel, part: Part, lots: list[float]) -> None:
    """A slab and its shadow; before what is behind, bars, a lattice, glass or a stone parapet."""
    easel.cast(part, depth=5)
    region = easel.region(part)
    height, width, _ = region.shape
    kind = int(easel.look.railing * 4)
    iron = rgb("#22262a") if easel.look.frame < 0.7 else rgb("#e7e3d8")
    region[:] *= 0.8
    if kind == 0:
        region[1:-2, ::4] = iron
    elif kind == 1:
        cross = (np.arange(width)[None] + np.arange(height)[:, None]) % 4 == 0
        region[cross | cross[::-1]] = iron
    elif kind == 2:
        region += 0.45 * (mix(easel.horizon, easel.zenith, 0.4) - region)
        region[:, ::8] = iron
    else:
        region[:] = easel.trim * 0.95
        region[2:-3, 1::3] *= 0.65
    region[0] = region[1] = easel.trim if kind == 3 else iron
    region[:, 0] = region[:, -1] = easel.trim if kind == 3 else iron
    region[-2] = easel.trim * 1.1
    region[-1] = easel.trim * 0.75
