"""Chapter 4.3, the paper's kind of world: MuJoCo's HalfCheetah, many at a time.

The same cheetah, step by step, as Gymnasium's ``HalfCheetah-v5``, whose model file it reads; faster
since observations and rewards of all worlds are computed at once, and no wrapper looks at each.
It never falls out of an episode, so that the length of one says nothing of the reward. MuJoCo is an
extra: ``pip install rebuilding-2017[mujoco]``.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from jaxtyping import Float

SUBSTEPS = 5  # of the simulation, 0.01 s each, between two actions
STEP_SECONDS = 0.05
EPISODE_STEPS = 1000
EFFORT_WEIGHT = 0.1  # what the squared actions cost, metres a second
POSITIONS = 9  # coordinates of the body; its way forward, the first, is not observed
OBSERVATION_NAMES = (
    "height",  # of the trunk, metres from its start
    *(f"angle of {part}" for part in ("trunk", "back thigh", "back shin", "back foot")),
    *(f"angle of {part}" for part in ("front thigh", "front shin", "front foot")),
    "forward speed",  # metres a second, as the one that follows
    "upward speed",
    *(f"speed of {part}" for part in ("trunk", "back thigh", "back shin", "back foot")),
    *(f"speed of {part}" for part in ("front thigh", "front shin", "front foot")),
)  # angles in radians, their speeds in radians a second


class Cheetah(gym.vector.VectorEnv):
    """``num_envs`` cheetahs. Actions ``(worlds, 6)``, a torque at each joint, are cut to −1 … 1.

    Observations ``(worlds, 17)`` are named in ``OBSERVATION_NAMES``. All worlds begin and end an
    episode of 1,000 steps together; the step that ends one returns the first observations of the
    next, and the last of the old in ``infos["final_obs"]``. Episodes are cut, never terminated.
    ``threads`` share the worlds between them and change nothing but the time.

    Raises ``ImportError`` naming the extra where MuJoCo is missing.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, num_envs: int = 1, threads: int = 1):
        if num_envs < 1 or threads < 1:
            raise ValueError(
                f"{num_envs} worlds in {threads} threads were asked for: at least 1 is needed"
            )
        self.mujoco = import_mujoco()
        assets = Path(gym.__file__).parent / "envs" / "mujoco" / "assets"
        self.model = self.mujoco.MjModel.from_xml_path(str(assets / "half_cheetah.xml"))
        self.worlds = [self.mujoco.MjData(self.model) for _ in range(num_envs)]
        self.num_envs = num_envs
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (17,), np.float32)
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (6,), np.float32)
        batch = gym.vector.utils.batch_space
        self.observation_space = batch(self.single_observation_space, num_envs)
        self.action_space = batch(self.single_action_space, num_envs)
        self.steps: int | None = None
        self.shares = [slice(first, None, threads) for first in range(threads)]
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float[np.ndarray, "worlds 17"], dict[str, Any]]:
        """Put all cheetahs on their feet, a little disturbed; a ``seed`` begins a new stream."""
        super().reset(seed=seed)
        disturbance = self.np_random.uniform(-0.1, 0.1, (self.num_envs, POSITIONS))
        speeds = 0.1 * self.np_random.standard_normal((self.num_envs, POSITIONS))
        return self.begin(self.model.qpos0 + disturbance, speeds), {}

    def begin(
        self, positions: Float[np.ndarray, "worlds 9"], speeds: Float[np.ndarray, "worlds 9"]
    ) -> Float[np.ndarray, "worlds 17"]:
        """Begin an episode from these coordinates and speeds."""
        for data, position, speed in zip(self.worlds, positions, speeds, strict=True):
            self.mujoco.mj_resetData(self.model, data)
            data.qpos[:], data.qvel[:] = position, speed
            self.mujoco.mj_forward(self.model, data)
        self.steps = 0
        self.ways = np.array(positions[:, 0])  # metres gone forward
        return self.observe()

    def step(self, actions: Float[np.ndarray, "worlds 6"]) -> tuple:
        """Let 0.05 s pass: observations, rewards, terminated, truncated, infos.

        The reward is the mean forward speed, in metres a second, less the cost of the effort.
        Raises ``ValueError`` for actions of another shape or not finite, ``RuntimeError`` before
        the first ``reset``.
        """
        if self.steps is None:
            raise RuntimeError("the cheetahs are nowhere yet: call reset() before step()")
        actions = np.asarray(actions, dtype=np.float64)
        if actions.shape != (self.num_envs, 6) or not np.isfinite(actions).all():
            raise ValueError(
                f"actions of shape {actions.shape} for {self.num_envs} worlds: give finite numbers "
                f"of shape ({self.num_envs}, 6)"
            )
        actions = actions.clip(-1, 1)
        self.advance(actions)
        self.steps += 1
        observations = self.observe()
        before, self.ways = self.ways, np.array([data.qpos[0] for data in self.worlds])
        rewards = (self.ways - before) / STEP_SECONDS - EFFORT_WEIGHT * (actions**2).sum(axis=1)
        ended = self.steps == EPISODE_STEPS
        infos = {}
        if ended:
            infos["final_obs"] = observations
            observations, _ = self.reset()
        never, cut = np.zeros(self.num_envs, bool), np.full(self.num_envs, ended)
        return observations, rewards, never, cut, infos

    def advance(self, actions: Float[np.ndarray, "worlds 6"]) -> None:
        """Move every world by 0.05 s, in all threads."""

        def move(share: slice) -> None:
            for data, action in zip(self.worlds[share], actions[share], strict=True):
                data.ctrl[:] = action
                self.mujoco.mj_step(self.model, data, SUBSTEPS)  # others may run meanwhile

        if self.pool is None:
            move(self.shares[0])
        else:
            list(self.pool.map(move, self.shares))

    def observe(self) -> Float[np.ndarray, "worlds 17"]:
        """All coordinates but the way forward, and all speeds."""
        seen = [np.concatenate([data.qpos[1:], data.qvel]) for data in self.worlds]
        return np.array(seen, dtype=np.float32)

    def close_extras(self, **options: Any) -> None:
        """End the threads."""
        if self.pool is not None:
            self.pool.shutdown()


def import_mujoco() -> Any:
    """The module ``mujoco``, or one sentence that says what to install."""
    try:
        import mujoco
    except ImportError as error:
        raise ImportError(
            "HalfCheetah is simulated by MuJoCo, an extra: `pip install 'rebuilding-2017[mujoco]'`"
        ) from error
    return mujoco
