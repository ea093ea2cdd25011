"""Chapter 3.11, signs: ten road signs of our own drawing, and roadsides to put them in.

The shapes follow the common European ones; letters and digits are strokes, not a typeface.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from companion.vision.adversarial_attacks.photography import Camera, photograph, sample_views

SIGNS = (
    "stop",
    "yield",
    "no entry",
    "speed limit 30",
    "speed limit 50",
    "priority road",
    "roundabout",
    "pedestrian crossing",
    "keep right",
    "ahead only",
)
CAMERA = Camera()
SIZE = 48  # pixels: a sign's canvas, and a picture of it
_FINE = 8  # drawn so much larger, then averaged

_RED, _BLUE, _YELLOW = (190, 30, 45), (30, 80, 160), (245, 190, 40)
_WHITE, _BLACK = (245, 245, 240), (25, 25, 28)

# Each stroke is a polyline in the box [0, 1] x [0, 1], y down.
_BOW = [(0.1, 0.08), (0.6, 0.0), (0.95, 0.14), (0.9, 0.38), (0.45, 0.46)]
_BELLY = [(0.45, 0.46), (0.9, 0.54), (1.0, 0.78), (0.6, 1.0), (0.05, 0.92)]
_RING = [(0.5 + 0.5 * math.sin(a), 0.5 - 0.5 * math.cos(a)) for a in np.linspace(0, 2 * np.pi, 25)]
_STROKES = {
    "S": [
        [
            (0.95, 0.1),
            (0.5, 0.0),
            (0.05, 0.2),
            (0.2, 0.42),
            (0.8, 0.56),
            (0.95, 0.8),
            (0.5, 1.0),
            (0.05, 0.9),
        ]
    ],
    "T": [[(0.0, 0.0), (1.0, 0.0)], [(0.5, 0.0), (0.5, 1.0)]],
    "O": [_RING],
    "P": [[(0.1, 1.0), (0.1, 0.0), (0.7, 0.0), (1.0, 0.25), (0.7, 0.52), (0.1, 0.52)]],
    "3": [_BOW, _BELLY],
    "5": [
        [(0.9, 0.0), (0.2, 0.0), (0.12, 0.45), (0.6, 0.38), (1.0, 0.66), (0.7, 0.98), (0.05, 0.92)]
    ],
    "0": [_RING],
}


def draw_signs(
    size: int = SIZE,
) -> tuple[Float[Tensor, "signs 3 size size"], Float[Tensor, "signs 1 size size"]]:
    """Every one of `SIGNS` straight on, in [0, 1], and the share of each pixel that is sign."""
    if size < 16:
        raise ValueError(f"a sign needs at least 16 pixels, got {size}")
    drawn = [_draw(name, size) for name in SIGNS]
    return torch.stack([colour for colour, _ in drawn]), torch.stack([mask for _, mask in drawn])


def sign_index(name: str) -> int:
    """The class of the sign called ``name``; ``ValueError`` with all names when there is none."""
    if name not in SIGNS:
        raise ValueError(f"no sign is called {name!r}; there are: {', '.join(SIGNS)}")
    return SIGNS.index(name)


def _draw(name: str, size: int) -> tuple[Tensor, Tensor]:
    side = _FINE * size
    plate, picture = Image.new("L", (side, side), 0), Image.new("RGB", (side, side), _WHITE)
    shape, paint = _Pen(plate, side), _Pen(picture, side)
    _PAINTERS[name](shape, paint)
    mask = _reduced(np.asarray(plate, dtype=np.float32)[:, :, None], size)
    return _reduced(np.asarray(picture, dtype=np.float32), size), mask


def _reduced(pixels: np.ndarray, size: int) -> Float[Tensor, "channels size size"]:
    blocks = pixels.reshape(size, _FINE, size, _FINE, -1).mean(axis=(1, 3))
    return torch.from_numpy(blocks / 255).permute(2, 0, 1).contiguous()


class _Pen:
    """Draws on one image in coordinates [-1, 1] x [-1, 1], x to the right and y down."""

    def __init__(self, image: Image.Image, side: int):
        self.draw = ImageDraw.Draw(image)
        self.side = side

    def _pixels(self, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [((x + 1) / 2 * self.side, (y + 1) / 2 * self.side) for x, y in points]

    def polygon(self, points: list[tuple[float, float]], colour) -> None:
        self.draw.polygon(self._pixels(points), fill=colour)

    def disc(self, radius: float, colour, x: float = 0, y: float = 0) -> None:
        (left, top), (right, bottom) = self._pixels(
            [(x - radius, y - radius), (x + radius, y + radius)]
        )
        self.draw.ellipse((left, top, right, bottom), fill=colour)

    def line(self, points: list[tuple[float, float]], width: float, colour) -> None:
        """A polyline with round ends."""
        pixels = self._pixels(points)
        self.draw.line(pixels, fill=colour, width=round(width / 2 * self.side), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(width / 2, colour, x, y)

    def text(self, text: str, width: float, height: float, thickness: float, colour) -> None:
        """Strokes of ``text`` in the middle, over ``width`` by ``height``."""
        step = width / (len(text) - 0.3)  # a letter, and 30% of its step as a gap
        for index, letter in enumerate(text):
            left = -width / 2 + index * step
            for stroke in _STROKES[letter]:
                placed = [(left + 0.7 * step * x, height * (y - 0.5)) for x, y in stroke]
                self.line(placed, thickness, colour)

    def arrow(self, angle: float, length: float, colour, width: float = 0.2) -> None:
        """An arrow through the middle; ``angle`` in degrees clockwise from upwards."""
        turn = math.radians(angle)

        def at(along: float, aside: float) -> tuple[float, float]:
            return (
                along * math.sin(turn) + aside * math.cos(turn),
                -along * math.cos(turn) + aside * math.sin(turn),
            )

        self.polygon(
            [
                at(-length, -width / 2),
                at(-length, width / 2),
                at(0.2, width / 2),
                at(0.2, -width / 2),
            ],
            colour,
        )
        self.polygon([at(0.1, -0.38), at(length, 0), at(0.1, 0.38)], colour)


def _regular(corners: int, radius: float, start: float) -> list[tuple[float, float]]:
    """Corners of a regular polygon; ``start`` in degrees clockwise from upwards."""
    angles = [math.radians(start + 360 * i / corners) for i in range(corners)]
    return [(radius * math.sin(a), -radius * math.cos(a)) for a in angles]


def _stop(shape: _Pen, paint: _Pen) -> None:
    shape.polygon(_regular(8, 0.98, 22.5), 255)
    paint.polygon(_regular(8, 0.88, 22.5), _RED)
    paint.text("STOP", 1.32, 0.5, 0.12, _WHITE)


def _yield(shape: _Pen, paint: _Pen) -> None:
    for pen, radius, colour in ((shape, 1.12, 255), (paint, 1.06, _RED), (paint, 0.58, _WHITE)):
        pen.polygon([(x, y - 0.25) for x, y in _regular(3, radius, 180)], colour)


def _no_entry(shape: _Pen, paint: _Pen) -> None:
    shape.disc(0.96, 255)
    paint.disc(0.9, _RED)
    paint.polygon([(-0.62, -0.16), (0.62, -0.16), (0.62, 0.16), (-0.62, 0.16)], _WHITE)


def _limit(text: str):
    def paint_limit(shape: _Pen, paint: _Pen) -> None:
        shape.disc(0.96, 255)
        paint.disc(0.94, _RED)
        paint.disc(0.7, _WHITE)
        paint.text(text, 0.92, 0.66, 0.15, _BLACK)

    return paint_limit


def _priority(shape: _Pen, paint: _Pen) -> None:
    shape.polygon(_regular(4, 1.0, 0), 255)
    paint.polygon(_regular(4, 0.98, 0), _BLACK)
    paint.polygon(_regular(4, 0.92, 0), _WHITE)
    paint.polygon(_regular(4, 0.62, 0), _YELLOW)


def _blue_disc(shape: _Pen, paint: _Pen) -> None:
    shape.disc(0.96, 255)
    paint.disc(0.9, _BLUE)


def _roundabout(shape: _Pen, paint: _Pen) -> None:
    _blue_disc(shape, paint)
    for start in (20, 140, 260):
        angles = [math.radians(start + step) for step in range(0, 71, 5)]
        paint.line([(0.5 * math.sin(a), -0.5 * math.cos(a)) for a in angles], 0.16, _WHITE)
        tip, x, y = math.radians(start + 105), math.sin(angles[-1]), -math.cos(angles[-1])
        head = [(0.28 * x, 0.28 * y), (0.74 * x, 0.74 * y)]
        paint.polygon([*head, (0.52 * math.sin(tip), -0.52 * math.cos(tip))], _WHITE)


def _crossing(shape: _Pen, paint: _Pen) -> None:
    square = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    shape.polygon([(0.94 * x, 0.94 * y) for x, y in square], 255)
    paint.polygon([(0.88 * x, 0.88 * y) for x, y in square], _BLUE)
    paint.polygon([(0, -0.74), (0.78, 0.7), (-0.78, 0.7)], _WHITE)
    paint.disc(0.1, _BLACK, 0, -0.32)
    paint.line([(0.0, -0.16), (0.0, 0.14)], 0.14, _BLACK)
    paint.line([(-0.24, 0.58), (0.0, 0.16), (0.24, 0.58)], 0.11, _BLACK)
    paint.line([(-0.2, 0.06), (0.0, -0.12), (0.2, 0.06)], 0.08, _BLACK)


def _keep_right(shape: _Pen, paint: _Pen) -> None:
    _blue_disc(shape, paint)
    paint.arrow(135, 0.7, _WHITE)


def _ahead(shape: _Pen, paint: _Pen) -> None:
    _blue_disc(shape, paint)
    paint.arrow(0, 0.7, _WHITE)


_PAINTERS = {
    "stop": _stop,
    "yield": _yield,
    "no entry": _no_entry,
    "speed limit 30": _limit("30"),
    "speed limit 50": _limit("50"),
    "priority road": _priority,
    "roundabout": _roundabout,
    "pedestrian crossing": _crossing,
    "keep right": _keep_right,
    "ahead only": _ahead,
}


def roadsides(
    count: int, generator: torch.Generator, size: int = SIZE
) -> Float[Tensor, "count 3 size size"]:
    """Blurred surroundings: sky, a skyline of trees or houses, ground; all in random colours."""

    def random(*shape: int) -> Tensor:
        return torch.rand(count, *shape, 1, 1, generator=generator)

    def texture(cells: int) -> Float[Tensor, "count 1 size size"]:
        coarse = torch.rand(count, 1, cells, cells, generator=generator)
        return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic") - 0.5

    y = torch.linspace(-1, 1, size).view(1, 1, size, 1)
    sky = torch.tensor([0.62, 0.74, 0.9]).view(1, 3, 1, 1) * (0.7 + 0.4 * random(1))
    wood = torch.tensor([0.35, 0.45, 0.25]).view(1, 3, 1, 1)
    house = torch.tensor([0.6, 0.5, 0.45]).view(1, 3, 1, 1)
    middle = torch.lerp(wood, house, random(1)) * (0.5 + 0.8 * random(1)) + 0.15 * (random(3) - 0.5)
    ground = torch.lerp(wood, torch.full((1, 3, 1, 1), 0.5), random(1)) * (0.7 + 0.5 * random(1))
    skyline = -0.5 + 0.8 * random(1) + 1.2 * texture(6)
    kerb = 0.3 + 0.5 * random(1)
    scene = torch.lerp(sky, middle, ((y - skyline) * size / 6).clamp(0, 1))
    scene = torch.lerp(scene, ground, ((y - kerb) * size / 6).clamp(0, 1))
    grain = 0.25 * texture(size // 6) + 0.2 * texture(size // 2)
    return (scene * (1 + grain)).clamp(0, 1)


def stick_over(
    canvases: Float[Tensor, "n 3 size size"], generator: torch.Generator
) -> Float[Tensor, "n 3 size size"]:
    """Half of the signs with two rectangles of random colours on each, as old signs are."""
    count, _, size, _ = canvases.shape
    steps = torch.linspace(-1, 1, size)
    covered = torch.zeros(count, 1, size, size, dtype=torch.bool)
    for _ in range(2):
        x, y, width, height = torch.rand(4, count, 1, 1, generator=generator)
        across = (steps.view(1, 1, -1) - 1.6 * x + 0.8).abs() < 0.1 + 0.5 * width
        down = (steps.view(1, -1, 1) - 1.6 * y + 0.8).abs() < 0.05 + 0.2 * height
        covered |= (across & down)[:, None]
    covered &= torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    colours = torch.rand(count, 3, size // 4, size // 4, generator=generator)
    return torch.where(covered, torch.nn.functional.interpolate(colours, size), canvases)


def take_signs(
    canvases: Float[Tensor, "#n 3 size size"],
    masks: Float[Tensor, "n 1 size size"],
    generator: torch.Generator,
    camera: Camera = CAMERA,
) -> Float[Tensor, "n 3 size size"]:
    """Signs at random roadsides from random places, as a driver's camera takes them."""
    backgrounds = roadsides(len(masks), generator, canvases.shape[-1])
    views = sample_views(camera, len(masks), generator)
    return photograph(canvases, masks, backgrounds, views, generator)
