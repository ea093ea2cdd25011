"""Chapter 3.8, façades: plans of houses by lots."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from companion.vision.pix2pix.facades import (
    BALCONY,
    CORNICE,
    DOOR,
    GROUND,
    NEIGHBOUR,
    PILLAR,
    ROOF,
    SHOP,
    SHUTTER,
    SIDE,
    WALL,
    WINDOW,
    Part,
    Plan,
)

_ROOFS = ("flat", "slope", "mansard", "gable", "steps")
_ROOF_SHARES = (0.25, 0.25, 0.2, 0.2, 0.1)


@dataclass
class _Front:
    """The measures that the parts of one front share, in pixels, and the lots that are left."""

    random: np.random.Generator
    roof: str
    left: int
    right: int
    top: int  # of the wall, under the roof
    floors: list[int]  # each storey's upper edge, from the top down, then the pavement's
    bays: list[tuple[int, int]]  # each bay's columns
    blank: int | None  # the bay that has no windows above the ground floor
    window_width: int
    window_height: int

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both possible."""
        return int(self.random.integers(low, high + 1))


def sample_plan(random: np.random.Generator) -> Plan:
    """A house: neighbours, a roof, one to four upper storeys of two to five bays, a ground floor.

    Three in four are symmetric, all have windows, a door and a pavement; shutters, balconies,
    cornices, pillars and shops come and go.
    """
    front = _sample_front(random)
    parts = [
        *_neighbours(front),
        *_roof(front),
        Part(WALL, front.top, front.left, front.floors[-1], front.right),
        *_upper_storeys(front),
        *_ground_floor(front),
        *_pillars(front),
        *_cornices(front),
        *_balconies(front),
        Part(GROUND, front.floors[-1], 0, SIDE, SIDE),
    ]
    return Plan(tuple(parts))


def _sample_front(random: np.random.Generator) -> _Front:
    roof = str(random.choice(_ROOFS, p=_ROOF_SHARES))
    margins = [0 if random.random() < 0.3 else int(random.integers(3, 15)) for _ in range(2)]
    left, right = margins[0], SIDE - margins[1]
    pavement = SIDE - int(random.integers(4, 9))
    ground_height = int(random.integers(11, 16))
    storey_height = int(random.integers(9, 14))
    roof_height = {"flat": 0, "slope": 8, "mansard": 10, "gable": 13, "steps": 10}[roof]
    room = pavement - ground_height - roof_height - 3
    storeys = max(1, room // storey_height - int(random.random() < 0.25))
    top = pavement - ground_height - storeys * storey_height
    floors = [top + storey * storey_height for storey in range(storeys + 1)] + [pavement]
    bays = _sample_bays(random, left, right)
    narrowest = min(bay_right - bay_left for bay_left, bay_right in bays)
    window_width = max(4, round(narrowest * random.uniform(0.4, 0.65)))
    window_width -= (narrowest - window_width) % 2  # so that it can stand in the bay's middle
    window_height = round(storey_height * random.uniform(0.55, 0.75))
    blank = int(random.integers(len(bays))) if random.random() < 0.12 else None
    return _Front(random, roof, left, right, top, floors, bays, blank, window_width, window_height)


def _sample_bays(random: np.random.Generator, left: int, right: int) -> list[tuple[int, int]]:
    count = (right - left) // int(random.integers(10, 17))
    count = max(2, min(5, count))
    width = (right - left) // count
    start = left + (right - left - count * width) // 2
    edges = [start + width * bay for bay in range(count + 1)]
    if random.random() < 0.25:
        shift = int(random.integers(2, 4))
        edges[1:-1] = [edge + shift for edge in edges[1:-1]]
    return list(pairwise(edges))


def _neighbours(front: _Front) -> list[Part]:
    """Houses beside ours where there is room, lower or higher, some not at all."""
    parts = []
    for left, right in ((0, front.left), (front.right, SIDE)):
        if right > left and front.chance(0.75):
            top = max(2, min(front.top + front.between(-9, 14), front.floors[-1] - 8))
            parts.append(Part(NEIGHBOUR, top, left, front.floors[-1], right))
    return parts


def _roof(front: _Front) -> list[Part]:
    left, right, top, width = front.left, front.right, front.top, front.right - front.left
    if front.roof == "flat":
        return _chimneys(front, top) if front.chance(0.4) else []
    if front.roof == "steps":
        steps = 3
        inset = width // (2 * steps + 1)
        return [
            Part(WALL, top - 3 * step, left + inset * step, top, right - inset * step)
            for step in range(1, steps + 1)
        ]
    height = {
        "slope": front.between(5, 8),
        "mansard": front.between(8, 10),
        "gable": front.between(9, 13),
    }
    ridge = max(1, top - height[front.roof])
    if front.roof == "gable":
        roof = Part(ROOF, ridge, max(0, left - 1), top + 1, min(SIDE, right + 1), width / 2)
        wall = Part(WALL, min(ridge + 3, top - 2), left + 2, top + 1, right - 2, (width - 4) / 2)
        middle = (left + right) // 2
        attic = [Part(WINDOW, top - 4, middle - 2, top + 1, middle + 2)]
        chimneys = _chimneys(front, ridge + 4) if front.chance(0.5) else []
        return [*chimneys, roof, wall, *(attic if width > 40 and front.chance(0.7) else [])]
    narrowing = front.between(0, 6) if front.roof == "slope" else front.between(0, 3)
    roof = Part(ROOF, ridge, left, top, right, narrowing)
    dormers = []
    if front.chance(0.9 if front.roof == "mansard" else 0.3) and top - ridge >= 7:
        for bay_left, bay_right in front.bays:
            middle = (bay_left + bay_right) // 2
            dormers.append(Part(WALL, ridge + 1, middle - 3, top, middle + 3))
            dormers.append(Part(WINDOW, ridge + 2, middle - 2, top - 1, middle + 2))
    chimneys = _chimneys(front, ridge + 1) if front.chance(0.6) else []
    return [*chimneys, roof, *dormers]


def _chimneys(front: _Front, foot: int) -> list[Part]:
    """One or two chimneys that rise from ``foot``."""
    width = front.right - front.left
    places = [front.left + width // 5, front.right - width // 5 - 4]
    chosen = places[: front.between(1, 2)] if front.chance(0.5) else places[1:]
    height = min(front.between(3, 5), foot)
    return [Part(ROOF, foot - height, left, foot + 2, left + 4) for left in chosen]


def _upper_storeys(front: _Front) -> list[Part]:
    """The windows above the ground floor, with shutters beside them or blinds within."""
    parts = []
    shutters = front.chance(0.4)
    blinds = front.chance(0.4)
    closed = 0.15 if shutters else 0
    for storey, (top, bottom) in enumerate(pairwise(front.floors[:-1])):
        height = front.window_height - int(storey == 0 and front.chance(0.3))
        for bay, (left, right) in enumerate(front.bays):
            if bay == front.blank:
                continue
            start = (left + right - front.window_width) // 2
            sill = bottom - max(1, (bottom - top - height) // 2)
            window = Part(WINDOW, sill - height, start, sill, start + front.window_width)
            parts += _window(front, window, shutters, blinds, closed)
    return parts


def _window(front: _Front, window: Part, shutters: bool, blinds: bool, closed: float) -> list[Part]:
    parts = [window]
    if closed and front.chance(closed):
        parts.append(replace(window, label=SHUTTER))
    elif shutters:
        for left in (window.left - 2, window.right):
            if left >= front.left and left + 2 <= front.right:
                parts.append(replace(window, label=SHUTTER, left=left, right=left + 2))
    elif blinds and front.chance(0.5):
        drop = front.between(2, window.bottom - window.top)
        parts.append(replace(window, label=SHUTTER, bottom=window.top + drop))
    return parts


def _ground_floor(front: _Front) -> list[Part]:
    """A door in one bay; in the others windows, or shop fronts that run over several bays."""
    top, bottom = front.floors[-2:]
    door_bay = int(front.random.choice(len(front.bays)))
    if front.chance(0.5):
        door_bay = len(front.bays) // 2
    left, right = front.bays[door_bay]
    half_width = front.between(2, 3)
    middle = (left + right) // 2
    door = Part(DOOR, top + front.between(3, 4), middle - half_width, bottom, middle + half_width)
    if front.chance(0.5):
        runs = [front.bays[:door_bay], front.bays[door_bay + 1 :]]
        return [door] + [
            Part(SHOP, top + 2, run[0][0] + 1, bottom, run[-1][1] - 1) for run in runs if run
        ]
    parts = [door]
    for bay, (left, right) in enumerate(front.bays):
        if bay != door_bay:
            start = (left + right - front.window_width) // 2
            parts.append(Part(WINDOW, top + 3, start, bottom - 4, start + front.window_width))
    return parts


def _pillars(front: _Front) -> list[Part]:
    """Pilasters two pixels wide: none, at both corners, or between all bays."""
    top, bottom = front.top, front.floors[-1]
    kind = front.random.choice(["none", "corners", "bays"], p=[0.55, 0.25, 0.2])
    if kind == "none":
        return []
    places = [front.left, front.right - 2]
    if kind == "bays" and front.window_width <= front.bays[0][1] - front.bays[0][0] - 6:
        places += [left - 1 for left, _ in front.bays[1:]]
        bottom = front.floors[-2]
    return [Part(PILLAR, top, left, bottom, left + 2) for left in places]


def _cornices(front: _Front) -> list[Part]:
    parts = []
    if front.roof != "gable" and front.chance(0.85):
        height = front.between(2, 3)
        parts.append(Part(CORNICE, front.top - 1, front.left, front.top - 1 + height, front.right))
    if front.chance(0.6):
        floor = front.floors[-2]
        parts.append(Part(CORNICE, floor - 1, front.left, floor + 1, front.right))
    if front.chance(0.25):
        parts += [
            Part(CORNICE, floor, front.left, floor + 1, front.right) for floor in front.floors[1:-2]
        ]
    return parts


def _balconies(front: _Front) -> list[Part]:
    """None, one along a whole storey, or one for some of the windows."""
    kind = front.random.choice(["none", "row", "single"], p=[0.4, 0.25, 0.35])
    if kind == "none":
        return []
    bottoms = front.floors[1:-1]
    if kind == "row":
        bottom = int(front.random.choice(bottoms))
        left, right = front.bays[0][0] + 1, front.bays[-1][1] - 1
        return [Part(BALCONY, bottom - 4, left, bottom, right)]
    parts = []
    share = front.random.uniform(0.3, 1)
    half_width = front.window_width // 2 + 1
    chosen = [front.chance(share) and bay != front.blank for bay in range(len(front.bays))]
    for bottom in bottoms:
        for (left, right), has_one in zip(front.bays, chosen, strict=True):
            middle = (left + right) // 2
            if has_one:
                place = (bottom - 4, middle - half_width, bottom, middle + half_width)
                parts.append(Part(BALCONY, *place))
    return parts
