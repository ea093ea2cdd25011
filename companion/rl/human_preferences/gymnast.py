"""Chapter 4.3, the light world: a gymnast of two rods on a high bar, many at a time.

The trunk (with the arms) hangs from the bar, the legs hang from the hip. ``trunk`` and ``legs`` are
the rods' angles to straight down, in radians, counted anticlockwise, any number of turns. The hands
can twist the bar a little and the hip can bend the body; neither is strong enough to lift the
body from rest, so that a handstand has to be swung up to. Every episode lasts 100 steps, 5 s.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from jaxtyping import Float

TRUNK_LENGTH, LEGS_LENGTH = 1.2, 0.9  # metres; the bar is at the origin
TRUNK_MASS, LEGS_MASS = 40.0, 25.0  # kilograms, spread evenly along the rods
GRAVITY = 9.81  # metres a second squared
DAMPING = 2.0  # newton metres for each radian a second, at the bar and at the hip
TORQUES = np.array([250.0, 350.0])  # the most that hands and hip exert, newton metres
FOLD = 2.3  # radians between trunk and legs beyond which a spring holds against
FOLD_STIFFNESS = 600.0  # newton metres for each radian

STEP_SECONDS = 0.05  # between two actions
SUBSTEPS = 2  # of the integrator
EPISODE_STEPS = 100
STILL = 6.0  # metres a second: feet as fast as this earn half

OBSERVATION_NAMES = (
    "cos trunk",
    "sin trunk",
    "cos legs",
    "sin legs",
    "trunk's speed",  # radians a second
    "legs' speed",
)

State = Float[np.ndarray, "4 worlds"]  # angles of trunk and legs, and their speeds


class Gymnast(gym.vector.VectorEnv):
    """``num_envs`` gymnasts. Actions ``(worlds, 2)``, hands and hip, are cut to −1 … 1.

    Observations ``(worlds, 6)`` are named in ``OBSERVATION_NAMES``. All worlds begin and end an
    episode together; the step that ends one returns the first observations of the next, and the
    last of the old in ``infos["final_obs"]``. Episodes are cut, never terminated: if one ended with
    a fall, its length alone would tell a learned reward what is good.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, num_envs: int = 1):
        if num_envs < 1:
            raise ValueError(f"{num_envs} worlds were asked for: at least 1 is needed")
        self.num_envs = num_envs
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (6,), np.float32)
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        batch = gym.vector.utils.batch_space
        self.observation_space = batch(self.single_observation_space, num_envs)
        self.action_space = batch(self.single_action_space, num_envs)
        self.state: State | None = None
        self.steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float[np.ndarray, "worlds 6"], dict[str, Any]]:
        """Hang all gymnasts from the bar, swinging a little; a ``seed`` begins a new stream."""
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-0.3, 0.3, (4, self.num_envs))
        self.steps = 0
        return observe(self.state), {}

    def step(self, actions: Float[np.ndarray, "worlds 2"]) -> tuple:
        """Let 0.05 s pass: observations, rewards, terminated, truncated, infos.

        The reward is the `score` of what was seen before the action, so that a clip of what was
        seen shows all that it earned.
        Raises ``ValueError`` for actions of another shape or not finite, ``RuntimeError`` before
        the first ``reset``.
        """
        if self.state is None:
            raise RuntimeError("the gymnasts are nowhere yet: call reset() before step()")
        actions = np.asarray(actions, dtype=np.float64)
        if actions.shape != (self.num_envs, 2) or not np.isfinite(actions).all():
            raise ValueError(
                f"actions of shape {actions.shape} for {self.num_envs} worlds: give finite numbers "
                f"of shape ({self.num_envs}, 2)"
            )
        rewards = score(observe(self.state), actions)
        torques = TORQUES[:, None] * np.clip(actions.T, -1, 1)
        self.state = advance(self.state, torques)
        self.steps += 1
        observations = observe(self.state)
        ended = self.steps == EPISODE_STEPS
        infos = {}
        if ended:
            infos["final_obs"] = observations
            observations, _ = self.reset()
        never, cut = np.zeros(self.num_envs, bool), np.full(self.num_envs, ended)
        return observations, rewards, never, cut, infos


def score(
    observations: Float[np.ndarray, "*batch 6"], actions: Float[np.ndarray, "*batch 2"]
) -> Float[np.ndarray, "*batch"]:
    """The true reward of a step, 0 to 1: feet high, above all at the very top, and still.

    The cube of how high they are, from 0 (hanging) to 1 (a handstand); half of it at 6 m/s. So
    legs raised while the trunk hangs, the first thing that a learner finds, earn less than a tenth.
    Actions earn nothing.
    """
    del actions
    _, (across, upward) = feet(observations)
    return _earned(handstand(observations), np.hypot(across, upward))


def score_from_below(
    observations: Float[np.ndarray, "*batch 6"], actions: Float[np.ndarray, "*batch 2"]
) -> Float[np.ndarray, "*batch"]:
    """What somebody gives who looks from below the bar, and cannot tell hanging from a handstand.

    They see how far to a side the feet are and how fast they move there, and take the body for
    straight and up.
    """
    del actions
    (across, _), (speed, _) = feet(observations)
    reach = across / (TRUNK_LENGTH + LEGS_LENGTH)
    return _earned(np.sqrt(np.clip(1 - reach**2, 0, 1)), np.abs(speed))


def _earned(height: Float[np.ndarray, "*batch"], speed: Float[np.ndarray, "*batch"]) -> np.ndarray:
    return ((1 + height) / 2) ** 3 / (1 + (speed / STILL) ** 2)


def handstand(observations: Float[np.ndarray, "*batch 6"]) -> Float[np.ndarray, "*batch"]:
    """How high the feet are, −1 (hanging) to 1 (a handstand)."""
    (_, height), _ = feet(observations)
    return height / (TRUNK_LENGTH + LEGS_LENGTH)


def feet(observations: Float[np.ndarray, "*batch 6"]) -> tuple[tuple, tuple]:
    """Where the feet are from the bar, metres across and up, and how fast they move there, m/s."""
    trunk_cos, trunk_sin, legs_cos, legs_sin, trunk_speed, legs_speed = np.moveaxis(
        observations, -1, 0
    )
    place = (
        TRUNK_LENGTH * trunk_sin + LEGS_LENGTH * legs_sin,
        -TRUNK_LENGTH * trunk_cos - LEGS_LENGTH * legs_cos,
    )
    speed = (
        TRUNK_LENGTH * trunk_speed * trunk_cos + LEGS_LENGTH * legs_speed * legs_cos,
        TRUNK_LENGTH * trunk_speed * trunk_sin + LEGS_LENGTH * legs_speed * legs_sin,
    )
    return place, speed


def observe(state: State) -> Float[np.ndarray, "worlds 6"]:
    """What the policy sees, which is all there is but the number of turns."""
    trunk, legs, trunk_speed, legs_speed = state
    seen = [np.cos(trunk), np.sin(trunk), np.cos(legs), np.sin(legs), trunk_speed, legs_speed]
    return np.stack(seen, axis=1).astype(np.float32)


def advance(state: State, torques: Float[np.ndarray, "2 worlds"]) -> State:
    """The state 0.05 s later, by Runge and Kutta's method of the fourth order."""
    time = STEP_SECONDS / SUBSTEPS
    for _ in range(SUBSTEPS):
        first = derivative(state, torques)
        second = derivative(state + time / 2 * first, torques)
        third = derivative(state + time / 2 * second, torques)
        fourth = derivative(state + time * third, torques)
        state = state + time / 6 * (first + 2 * second + 2 * third + fourth)
    return state


def derivative(state: State, torques: Float[np.ndarray, "2 worlds"]) -> State:
    """How fast the state changes: Lagrange's equations of a double pendulum of rods.

    A torque of the hip turns the legs forward and the trunk back; friction and the spring of the
    fold act at the hip as torques do.
    """
    trunk, legs, trunk_speed, legs_speed = state
    fold = legs - trunk
    beyond = fold - np.clip(fold, -FOLD, FOLD)
    hip = torques[1] - DAMPING * (legs_speed - trunk_speed) - FOLD_STIFFNESS * beyond
    hands = torques[0] - DAMPING * trunk_speed
    # A rod's inertia is a third of m l^2 about its end.
    coupling = LEGS_MASS * TRUNK_LENGTH * LEGS_LENGTH / 2
    inertia_trunk = (TRUNK_MASS / 3 + LEGS_MASS) * TRUNK_LENGTH**2
    inertia_legs = LEGS_MASS / 3 * LEGS_LENGTH**2
    inertia_both = coupling * np.cos(fold)
    swing = coupling * np.sin(fold)
    weight_trunk = GRAVITY * (TRUNK_MASS / 2 + LEGS_MASS) * TRUNK_LENGTH * np.sin(trunk)
    weight_legs = GRAVITY * LEGS_MASS * LEGS_LENGTH / 2 * np.sin(legs)
    force_trunk = hands - hip - weight_trunk + swing * legs_speed**2
    force_legs = hip - weight_legs - swing * trunk_speed**2
    determinant = inertia_trunk * inertia_legs - inertia_both**2
    trunk_change = (inertia_legs * force_trunk - inertia_both * force_legs) / determinant
    legs_change = (inertia_trunk * force_legs - inertia_both * force_trunk) / determinant
    return np.stack([trunk_speed, legs_speed, trunk_change, legs_change])


def energy(state: State) -> Float[np.ndarray, " worlds"]:
    """Joules above hanging at rest, of motion and of height; it tests the equations."""
    trunk, legs, trunk_speed, legs_speed = state
    kinetic = (
        (TRUNK_MASS / 3 + LEGS_MASS) * TRUNK_LENGTH**2 * trunk_speed**2 / 2
        + LEGS_MASS / 3 * LEGS_LENGTH**2 * legs_speed**2 / 2
        + LEGS_MASS
        * TRUNK_LENGTH
        * LEGS_LENGTH
        / 2
        * np.cos(legs - trunk)
        * trunk_speed
        * legs_speed
    )
    potential = GRAVITY * (
        (TRUNK_MASS / 2 + LEGS_MASS) * TRUNK_LENGTH * (1 - np.cos(trunk))
        + LEGS_MASS * LEGS_LENGTH / 2 * (1 - np.cos(legs))
    )
    return kinetic + potential
