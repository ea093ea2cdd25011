"""Chapter 3.9, drawn horses and zebras: for the eye, the failures and the live model.

A picture's parameters are `Scenes`, drawn apart from each other, so that one can be changed while
all else stays; the zebra in a horse's place is the partner that no training set holds:

    scenes = horse_scenes(generator(0, "pictures"), 16)
    horses = draw(scenes)
    zebras = draw(dataclasses.replace(scenes, zebra=torch.ones_like(scenes.zebra)))
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from companion.seeds import generator
from companion.vision.cyclegan.data import Unpaired
from companion.vision.cyclegan.horse_body import COATS, paint_animal, paint_rider
from companion.vision.cyclegan.horse_bones import GAITS, skeleton
from companion.vision.cyclegan.horse_canvas import Brush, Canvas
from companion.vision.cyclegan.horse_scenery import BACKGROUNDS, scenery

__all__ = [
    "BACKGROUNDS",
    "COATS",
    "GAITS",
    "Pictures",
    "Scenes",
    "draw",
    "horse_scenes",
    "load_horses",
    "scenes_of",
    "zebra_scenes",
]

SIDE = 64  # pixels
SPLITS = {"train": 1000, "validation": 100, "test": 200}  # pictures of each domain
RIDERS = {"train": 0.1, "validation": 0.1, "test": 0.3}  # the share of horses that are ridden

# Where each animal lives: the network will learn that a zebra's grass is yellow.
_HORSES_LIVE = (0.4, 0.25, 0.2, 0.15)
_ZEBRAS_LIVE = (0.15, 0.0, 0.1, 0.75)
_GAITS_SEEN = (0.25, 0.2, 0.25, 0.15, 0.15)
_PIXELS_AT_ONCE = 2**17  # painted together: few enough to stay in the processor's cache


@dataclass(frozen=True)
class Scenes:
    """One entry for each picture in every field; (n,) but for the textures.

    ``gait``, ``coat`` and ``background`` are indices into `GAITS`, `COATS` and `BACKGROUNDS`.
    ``heading`` is 1 to the right and -1 to the left; ``size`` is the trunk's length and ``x``,
    ``ground`` and ``horizon`` places, in half pictures from the middle. ``depth`` shortens the
    animal along its trunk. ``phase`` is a share of the stride; ``neck``, ``tail`` and ``pitch`` go
    from -1 to 1; ``stripes`` is a zebra's stripes in a trunk. All others go from 0 to 1.
    """

    zebra: Bool[Tensor, " n"]
    rider: Bool[Tensor, " n"]
    gait: Int64[Tensor, " n"]
    coat: Int64[Tensor, " n"]
    background: Int64[Tensor, " n"]
    heading: Float[Tensor, " n"]
    size: Float[Tensor, " n"]
    x: Float[Tensor, " n"]
    ground: Float[Tensor, " n"]
    horizon: Float[Tensor, " n"]
    depth: Float[Tensor, " n"]
    phase: Float[Tensor, " n"]
    neck: Float[Tensor, " n"]
    tail: Float[Tensor, " n"]
    pitch: Float[Tensor, " n"]
    stripes: Float[Tensor, " n"]
    socks: Float[Tensor, " n"]
    blaze: Float[Tensor, " n"]
    jacket: Float[Tensor, " n"]
    trousers: Float[Tensor, " n"]
    sky: Float[Tensor, " n"]
    tint: Float[Tensor, " n"]
    tree: Float[Tensor, " n"]
    exposure: Float[Tensor, " n"]
    texture: Float[Tensor, "n 1 6 4"]
    grass: Float[Tensor, "n 1 32 16"]

    def __post_init__(self) -> None:
        counts = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        for name, count in counts.items():
            if count != counts["zebra"]:
                raise ValueError(
                    f"{name} has {count} entries and zebra {counts['zebra']}: give each picture "
                    "one in every field"
                )

    def __len__(self) -> int:
        return len(self.zebra)

    def __getitem__(self, rows: Int64[Tensor, " rows"] | slice) -> Scenes:
        """The scenes of these rows, in this order; a row may come more than once."""
        return Scenes(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Pictures:
    """Pictures in [-1, 1], and the share of each pixel that shows the animal, and the rider."""

    images: Float[Tensor, "n 3 size size"]
    animal: Float[Tensor, "n 1 size size"]
    rider: Float[Tensor, "n 1 size size"]


# --- drawing lots ------------------------------------------------------------------------------


def horse_scenes(lots: torch.Generator, count: int, riders: float = 0.0) -> Scenes:
    """``count`` horses, of which a share of ``riders`` is ridden."""
    return _scenes(lots, count, False, riders)


def zebra_scenes(lots: torch.Generator, count: int) -> Scenes:
    """``count`` zebras; nobody rides them, and three in four live in the savannah."""
    return _scenes(lots, count, True, 0.0)


def _scenes(lots: torch.Generator, count: int, zebra: bool, riders: float) -> Scenes:
    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=lots)

    def one_of(shares: tuple[float, ...]) -> Tensor:
        return torch.multinomial(torch.tensor(shares), count, replacement=True, generator=lots)

    horizon = between(-0.45, 0.15)
    gait = one_of(_GAITS_SEEN)
    rider = between(0, 1) < riders
    # Nobody grazes under a rider.
    gait = torch.where(rider & (gait == GAITS.index("graze")), GAITS.index("walk"), gait)
    return Scenes(
        zebra=torch.full((count,), zebra),
        rider=rider,
        gait=gait,
        coat=one_of((1.0,) * len(COATS)),
        background=one_of(_ZEBRAS_LIVE if zebra else _HORSES_LIVE),
        heading=2.0 * (between(0, 1) < 0.5) - 1,
        size=between(0.72, 0.92),
        x=between(-0.12, 0.12),
        ground=between(0.62, 0.9),
        horizon=horizon,
        depth=between(0.82, 1.0),
        phase=between(0, 1),
        neck=between(-1, 1),
        tail=between(-1, 1),
        pitch=between(-1, 1),
        stripes=between(6.0, 7.5),
        socks=between(0, 1),
        blaze=between(0, 1),
        jacket=between(0, 1),
        trousers=between(0, 1),
        sky=between(0, 1),
        tint=between(0, 1),
        tree=between(-0.95, 0.95),
        exposure=between(0, 1),
        texture=torch.rand(count, 1, 6, 4, generator=lots),
        grass=torch.rand(count, 1, 32, 16, generator=lots),
    )


# --- pictures ----------------------------------------------------------------------------------


def draw(scenes: Scenes, size: int = SIDE) -> Pictures:
    """The pictures and their masks, some hundreds a second at 64 pixels on one core."""
    if not 16 <= size <= 256:
        raise ValueError(f"size is {size} pixels; it must lie between 16 and 256")
    some = max(1, _PIXELS_AT_ONCE // size**2)
    parts = [_draw(scenes[start : start + some], size) for start in range(0, len(scenes), some)]
    return Pictures(
        *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Pictures))
    )


def _draw(scenes: Scenes, size: int) -> Pictures:
    canvas = Canvas(scenery(scenes, size))
    bones = skeleton(scenes)
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    scale, heading = scenes.size.view(-1, 1, 1), scenes.heading.view(-1, 1, 1)
    across = heading * (steps.view(1, 1, -1) - scenes.x.view(-1, 1, 1)) / scale
    down = (steps.view(1, -1, 1) - scenes.ground.view(-1, 1, 1)) / scale
    turn = torch.deg2rad(4 * scenes.pitch).view(-1, 1, 1)
    # The trunk's middle is a little behind the picture's, as the head is in front.
    u = (across / scenes.depth.view(-1, 1, 1)) * turn.cos() + down * turn.sin() + 0.10
    v = down * turn.cos() - across * turn.sin() + bones.sole
    brush = Brush(scenes, bones, u, v, 2 / size / scale)
    shadow = torch.hypot(u + 0.02, (v - bones.sole) * 7) - 0.62
    canvas.colour = canvas.colour * (1 - 0.4 * brush.cover(shadow / 4))[:, None]
    paint_animal(canvas, brush)
    paint_rider(canvas, brush)
    light = (0.85 + 0.3 * scenes.exposure).view(-1, 1, 1, 1)
    images = (canvas.colour * light).clamp(0, 1) * 2 - 1
    return Pictures(images, canvas.animal[:, None], canvas.rider[:, None])


def scenes_of(split: str) -> tuple[Scenes, Scenes]:
    """The scenes of the horses and of the zebras of one of `SPLITS`.

    Raises ``ValueError`` naming an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    horses = horse_scenes(generator(2017, "horses", split), SPLITS[split], RIDERS[split])
    return horses, zebra_scenes(generator(2017, "zebras", split), SPLITS[split])


def load_horses(split: str) -> Unpaired:
    """The horses (A) and zebras (B) of one of `SPLITS`, drawn in some seconds.

    For their masks, or their true partners, draw `scenes_of` the split.
    """
    horses, zebras = scenes_of(split)
    return Unpaired(draw(horses).images, draw(zebras).images)
