"""Chapter 4.3, poses: where the limbs of a gymnast or a cheetah are, from what its policy sees.

MuJoCo's own pictures need a graphics card or a display; positions need neither. A pose is an array
``(segments, 2, 2)``: for each limb its two ends, for each end its place to the right and upwards,
in metres. A limb is drawn as a line with round ends, which is what MuJoCo calls a capsule.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from companion.rl.human_preferences.gymnast import LEGS_LENGTH, STEP_SECONDS, TRUNK_LENGTH

View = Literal["front", "below"]
Segments = Float[np.ndarray, "*batch segments 2 2"]

# --- the gymnast -------------------------------------------------------------------------------

GYMNAST_PARTS = ("arms", "torso", "head", "legs")
SHOULDERS = 0.55  # metres from the bar along the trunk
HEAD = 0.43, 0.11  # metres from the bar along the trunk, and forward of it


def gymnast_poses(
    observations: Float[np.ndarray, "*batch 6"], view: View = "front"
) -> Float[np.ndarray, "*batch 4 2 2"]:
    """The limbs ``GYMNAST_PARTS`` of the gymnast; the bar is at the origin.

    From ``"below"`` a camera looks straight up: how far a limb is to the right is all that it sees,
    and a handstand looks like hanging. Raises ``ValueError`` for another view.
    """
    if view not in ("front", "below"):
        raise ValueError(f"the view {view!r} is unknown: choose 'front' or 'below'")
    cos_trunk, sin_trunk, cos_legs, sin_legs = np.moveaxis(observations[..., :4], -1, 0)
    along = np.stack([sin_trunk, -cos_trunk], axis=-1)  # from the bar to the hip
    forward = np.stack([cos_trunk, sin_trunk], axis=-1)
    hip = TRUNK_LENGTH * along
    feet = hip + LEGS_LENGTH * np.stack([sin_legs, -cos_legs], axis=-1)
    shoulders = SHOULDERS * along
    head = HEAD[0] * along + HEAD[1] * forward
    ends = [
        (np.zeros_like(hip), shoulders),
        (shoulders, hip),
        (head, head + 0.03 * along),
        (hip, feet),
    ]
    segments = np.stack([np.stack(pair, axis=-2) for pair in ends], axis=-3)
    return segments * [1, 0] if view == "below" else segments


# --- the cheetah -------------------------------------------------------------------------------


class Limb(NamedTuple):
    """A capsule of HalfCheetah's model, in metres and radians, x forward and z upwards.

    A limb turns about ``joint``, a point in its parent's frame. Its capsule's middle is ``centre``,
    in its own frame, and reaches ``half_length`` both ways along an axis ``tilt`` away from z.
    """

    name: str
    parent: str
    joint: tuple[float, float]
    centre: tuple[float, float]
    tilt: float
    half_length: float


# Read from the model of MuJoCo's HalfCheetah. The head is a part of the torso and does not turn.
CHEETAH_LIMBS = (
    Limb("torso", "", (0, 0), (0, 0), -np.pi / 2, 0.5),
    Limb("head", "torso", (0, 0), (0.6, 0.1), 0.87, 0.15),
    Limb("back thigh", "torso", (-0.5, 0), (0.1, -0.13), -3.8, 0.145),
    Limb("back shin", "back thigh", (0.16, -0.25), (-0.14, -0.07), -2.03, 0.15),
    Limb("back foot", "back shin", (-0.28, -0.14), (0.03, -0.097), -0.27, 0.094),
    Limb("front thigh", "torso", (0.5, 0), (-0.07, -0.12), 0.52, 0.133),
    Limb("front shin", "front thigh", (-0.14, -0.24), (0.065, -0.09), -0.6, 0.106),
    Limb("front foot", "front shin", (0.13, -0.18), (0.045, -0.07), -0.6, 0.07),
)
CHEETAH_PARTS = tuple(limb.name for limb in CHEETAH_LIMBS)
LIMB_RADIUS = 0.046
TORSO_HEIGHT = 0.7  # metres above the ground when the observation's height is 0


def cheetah_poses(
    observations: Float[np.ndarray, "*batch 17"],
) -> Float[np.ndarray, "*batch 8 2 2"]:
    """The limbs ``CHEETAH_PARTS``: 0 to the right is the torso's middle, 0 upwards the ground.

    Observations are HalfCheetah-v5's: the torso's height and pitch and six angles come first. How
    far the cheetah has run is not among them: see ``cheetah_travel``.
    """
    height, pitch, *turns = np.moveaxis(observations[..., :8].astype(np.float64), -1, 0)
    angles = {"": pitch}
    origins = {"": np.stack([np.zeros_like(height), height + TORSO_HEIGHT], axis=-1)}
    segments = []
    for limb, turn in zip(CHEETAH_LIMBS, [0, 0, *turns], strict=True):
        parent = angles[limb.parent]
        origin = origins[limb.parent] + _turned(limb.joint, parent)
        angle = parent + turn
        middle = origin + _turned(limb.centre, angle)
        axis = angle + limb.tilt
        half = limb.half_length * np.stack([np.sin(axis), np.cos(axis)], axis=-1)
        segments.append(np.stack([middle - half, middle + half], axis=-2))
        angles[limb.name], origins[limb.name] = angle, origin
    return np.stack(segments, axis=-3)


def cheetah_travel(
    observations: Float[np.ndarray, "*batch steps 17"],
) -> Float[np.ndarray, "*batch steps"]:
    """How far the cheetah has run since the first step, in metres: its speed, added up.

    Between two steps it counts as running at the mean of both speeds.
    """
    speeds = observations[..., 8].astype(np.float64)
    strides = STEP_SECONDS * (speeds[..., 1:] + speeds[..., :-1]) / 2
    start = np.zeros_like(speeds[..., :1])
    return np.concatenate([start, strides.cumsum(axis=-1)], axis=-1)


def _turned(
    point: tuple[float, float], angle: Float[np.ndarray, "*batch"]
) -> Float[np.ndarray, "*batch 2"]:
    """A point ``(x, z)`` turned about the axis y, by which a positive pitch lowers the nose."""
    x, z = point
    return np.stack(
        [x * np.cos(angle) + z * np.sin(angle), z * np.cos(angle) - x * np.sin(angle)], axis=-1
    )
