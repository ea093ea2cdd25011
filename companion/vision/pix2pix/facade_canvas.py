"""Chapter 3.8, façades: how a plan is seen, and the canvas it is painted on.

Nothing here moves an outline: what a `Look` decides, the label map does not know.
"""

from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from jaxtyping import Float

from companion.vision.pix2pix.facade_surfaces import (
    CANVAS,
    SCALE,
    WALLS,
    Colour,
    cloudy,
    masonry,
    pick,
    rgb,
)
from companion.vision.pix2pix.facades import SIDE, Part

# Of each hour: the sky overhead and at the horizon, and the light that falls on the front.
_HOURS = {
    "noon": ("#4f8fd6", "#b9d8ee", "#fffaf0"),
    "morning": ("#86b4dd", "#f1e3cf", "#f7ead6"),
    "overcast": ("#a9b1b8", "#d3d7d9", "#d8dce0"),
    "evening": ("#6e86b8", "#f0b98a", "#f2c79a"),
    "dusk": ("#27365f", "#8b7f9c", "#79809f"),
}
_SUNSHINE = {"overcast": 0.25, "dusk": 0.35}  # elsewhere 1: how dark the shadows are
_LIT_WINDOWS = {"dusk": 0.5, "evening": 0.15}  # elsewhere 0.04: the share of them
_TRIMS = ("#efe9dc", "#d8cfbb", "#c3bcae", "#a79f92", "#e4d6b4", "#8f8274")
_FRAMES = ("#f4f2ec", "#f4f2ec", "#e3ddd0", "#5b4030", "#2f3b3a", "#3b4f68", "#7d2f2a")


@dataclass(frozen=True)
class Look:
    """What the label map does not say. All but ``texture`` are lots in [0, 1).

    ``hour`` chooses the time of day, ``sun`` where the light comes from (0 left, 1 right);
    ``material``, ``colour`` and so on choose from palettes; ``phase_x`` and ``phase_y`` move the
    masonry; ``weather`` is how much rain and dirt show. ``texture`` seeds what is too small to
    name: every block's tone, clouds, stains, what stands in each window, the camera's noise.
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

    def __post_init__(self) -> None:
        for parameter in fields(self)[:-1]:
            value = getattr(self, parameter.name)
            if not 0 <= value < 1:
                raise ValueError(f"Look.{parameter.name} is {value}; it must lie in [0, 1)")


def sample_look(random: np.random.Generator) -> Look:
    """A look by lots, each apart from the others."""
    lots = random.random(len(fields(Look)) - 1).tolist()
    return Look(*lots, texture=int(random.integers(2**31)))


@cache
def ramp(count: int) -> Float[np.ndarray, " count"]:
    """From 0 to 1 in ``count`` equal steps; shared, so not to be written to."""
    steps = np.linspace(0, 1, count, dtype=np.float32)
    steps.setflags(write=False)
    return steps


def fade(first: float, last: float, count: int) -> Float[np.ndarray, "count 1 1"]:
    """From the first value to the last, down a region of ``count`` rows."""
    return (first + (last - first) * ramp(count))[:, None, None]


class Easel:
    """The canvas, (128, 128, 3), and all that the painting of one part has to know."""

    def __init__(self, look: Look):
        random = np.random.default_rng(look.texture)
        hour = list(_HOURS)[int(look.hour * len(_HOURS))]
        self.look = look
        self.canvas = np.empty((CANVAS, CANVAS, 3), dtype=np.float32)
        self.tones = random.random((64, 64), dtype=np.float32) * 2 - 1
        self.lots = random.random((128, 8)).tolist()  # each part's own
        self.stains = cloudy(random, 3, 6, 3)
        self.clouds = cloudy(random, 4, 2, 4)
        self.noise = random.standard_normal((SIDE, SIDE, 3), dtype=np.float32)
        self.zenith, self.horizon, self.light = (rgb(code) for code in _HOURS[hour])
        self.sunshine = _SUNSHINE.get(hour, 1.0)
        self.lit_windows = _LIT_WINDOWS.get(hour, 0.04)
        self.sun = 2 * look.sun - 1  # from -1, left, to 1, right
        self.trim = pick(_TRIMS, look.trim)
        self.frame = pick(_FRAMES, look.frame)
        self.wall = self._wall()

    def _wall(self) -> Float[np.ndarray, "128 128 3"]:
        """The wall as if it filled the canvas, so that parts of it fit together."""
        look = self.look
        material = list(WALLS.values())[int(look.material * len(WALLS))]
        colour = pick(material.colours, look.colour) * (0.85 + 0.25 * look.tint)
        phase = int(look.phase_y * 128), int(look.phase_x * 128)
        weather = 1 + (0.04 + 0.1 * look.weather) * self.stains
        return (masonry(material, phase, self.tones) * weather)[:, :, None] * colour

    def region(self, part: Part) -> Float[np.ndarray, "height width 3"]:
        """The canvas's pixels in the part's rectangle, to be painted in place."""
        top, left, bottom, right = on_canvas(part)
        return self.canvas[top:bottom, left:right]

    def shade(self, top: int, left: int, bottom: int, right: int, factor: float) -> None:
        """Darken a rectangle of canvas pixels as far as the light is strong enough for shadows."""
        factor = 1 - (1 - factor) * (0.35 + 0.65 * self.sunshine)
        self.canvas[max(top, 0) : bottom, max(left, 0) : right] *= factor

    def cast(self, part: Part, depth: int) -> None:
        """The shadow, ``depth`` canvas pixels deep, of a part that stands out from the wall."""
        _, left, bottom, right = on_canvas(part)
        aside = -round(self.sun * depth * 0.6)
        left, right = left + min(aside, 0), right + max(aside, 0)
        self.shade(bottom, left, bottom + depth, right, 0.55)
        self.shade(bottom + depth, left, bottom + depth + 1, right, 0.8)

    def glow(self, colour: Colour) -> Colour:
        """A colour that comes out as it is, although the light is laid over all in the end."""
        return colour / self.light


def on_canvas(part: Part) -> tuple[int, int, int, int]:
    """A part's top, left, bottom and right in canvas pixels."""
    return part.top * SCALE, part.left * SCALE, part.bottom * SCALE, part.right * SCALE
