"""Chapter 4.3, scenes: what a camera sees of clips, in metres, before it becomes a drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from companion.figures import INK, PALETTE
from companion.rl.human_preferences import poses
from companion.rl.human_preferences.data import Clips

UNITS = 200  # of the drawing for each metre: a coordinate is a whole number, 5 mm fine
FAINT = "#8a867a"  # scenery: three to one against the card


class Stroke(NamedTuple):
    """Limbs drawn with one pen: its colour, its width in metres, and which segments they are."""

    colour: str
    width: float
    limbs: list[int]


_BLUE, _VERMILION = PALETTE[:2]
_LIMB_WIDTH = 2 * poses.LIMB_RADIUS
GYMNAST_STROKES = [
    Stroke(_BLUE, 0.1, [0]),  # arms
    Stroke(_BLUE, 0.18, [1]),  # torso
    Stroke(_BLUE, 0.26, [2]),  # head
    Stroke(_VERMILION, 0.14, [3]),  # legs
]
CHEETAH_STROKES = [
    Stroke(_BLUE, _LIMB_WIDTH, [2, 3, 4]),  # back leg
    Stroke(INK, _LIMB_WIDTH, [0, 1]),  # torso and head
    Stroke(_VERMILION, _LIMB_WIDTH, [5, 6, 7]),  # front leg
]

BAR = (
    f'<path d="M0,0V456M-460,456H460" stroke="{FAINT}" stroke-width="4"/>'
    f'<circle r="14" fill="{INK}"/>'
)
BAR_FROM_BELOW = f'<path d="M0,-100V100" stroke="{INK}" stroke-width="14"/>'
GROUND = f'<path d="M-300,0H300" stroke="{FAINT}" stroke-width="4"/>'


@dataclass(frozen=True)
class Scene:
    """What a camera sees of some clips, in metres, to the right and upwards."""

    segments: Float[np.ndarray, "clips steps segments 2 2"]
    strokes: list[Stroke]  # from the farthest to the nearest
    window: tuple[float, float, float, float]  # left, bottom, right and top
    backdrop: str  # SVG that does not move
    travel: Float[np.ndarray, "clips steps"] | None = None  # of the camera along the ground


def scene_of(clips: Clips, view: poses.View = "front") -> Scene:
    """The clips' scene, told by the size of an observation: 6 a gymnast, 17 HalfCheetah-v5.

    The camera stands still before the gymnast, or below, and goes along with the cheetah.
    Raises ``ValueError`` for no clips, observations of another size, and a view that does not exist
    for the figure.
    """
    if not len(clips) or not clips.length:
        raise ValueError("there are no clips to draw: give at least one, of at least one step")
    observations = clips.observations
    if observations.shape[2] == 6:
        segments = poses.gymnast_poses(observations, view)
        if view == "below":
            return Scene(segments, GYMNAST_STROKES, (-2.3, -0.6, 2.3, 0.6), BAR_FROM_BELOW)
        return Scene(segments, GYMNAST_STROKES, (-2.3, -2.3, 2.3, 2.3), BAR)
    if observations.shape[2] != 17:
        raise ValueError(
            f"observations of {observations.shape[2]} numbers cannot be drawn: give the gymnast's "
            "(6) or HalfCheetah-v5's (17)"
        )
    if view != "front":
        raise ValueError(f"a cheetah cannot be drawn from the view {view!r}: choose 'front'")
    segments, travel = poses.cheetah_poses(observations), poses.cheetah_travel(observations)
    return Scene(segments, CHEETAH_STROKES, (-1.2, -0.2, 1.2, 1.8), GROUND, travel)
