"""Chapter 4.3, what the page shows: a bank of stored behaviour to compare, and a poster.

The page learns a reward from the reader's answers; it does not act. What it ranks was done before:
by random torques, by an untrained policy, and by policies trained for a few hand-made rewards, at
several stages of their training.
``python -m companion.rl.human_preferences.live export FOLDER`` makes it all anew from seed 0.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from companion.live import write_whole
from companion.progress import track
from companion.rl import ppo
from companion.rl.human_preferences import gymnast
from companion.rl.human_preferences.shipped import load_shipped
from companion.rl.human_preferences.train import SETTINGS, train
from companion.rl.policy import Policy
from companion.seeds import generator, numpy_generator

EACH = 4  # trajectories of each kind of behaviour
EPISODES = 3  # of each of the chapter's two policies
POSES = [70, 74, 78]  # steps of the poses on the poster

# A step is stored as whole numbers of these units, of its state and of its action.
COLUMNS = ("trunk", "legs", "trunk's speed", "legs' speed", "hands", "hip")
UNITS = np.array([1e-4, 1e-4, 5e-3, 5e-3, 1e-3, 1e-3])  # rad, rad, rad/s, rad/s, and of 1

Reward = Callable[[Float[Tensor, "*batch 6"]], Float[Tensor, "*batch"]]
Steps = Float[np.ndarray, "trajectories steps 6"]


# --- what the policies are trained for -----------------------------------------------------------


def turning(observations: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch"]:
    """How fast the trunk turns, either way, without the legs flapping."""
    trunk, legs = observations[..., 4:].unbind(-1)
    return trunk.abs() - 0.2 * (legs - trunk).abs()


def folded(observations: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch"]:
    """How far the body is bent: 0 straight, 2 when the legs lie on the trunk."""
    cos_trunk, sin_trunk, cos_legs, sin_legs = observations[..., :4].unbind(-1)
    return 1 - cos_trunk * cos_legs - sin_trunk * sin_legs


def straight_turning(observations: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch"]:
    """Turning with a straight body."""
    return turning(observations) - 2 * folded(observations)


def level(observations: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch"]:
    """How near to level the trunk is held."""
    return -observations[..., 0].abs()


def hanging_still(observations: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch"]:
    """How far down the body hangs, and how little it moves."""
    low = observations[..., 0] + observations[..., 2]
    return low - observations[..., 4].abs() - 0.3 * observations[..., 5].abs()


# Each with the numbers of updates after which the policy is shown. None is the world's own reward.
TRAINED: dict[str, tuple[Reward | None, tuple[int, ...]]] = {
    "the true reward": (None, (10, 20, 30, 60)),
    "turning": (turning, (10, 20, 50)),
    "turning straight": (straight_turning, (15, 50)),
    "folding": (folded, (3, 15)),
    "a level trunk": (level, (20, 60)),
    "hanging still": (hanging_still, (20,)),
}


def stages(
    reward: Reward | None, updates: tuple[int, ...], seed: int
) -> Iterable[tuple[int, Policy]]:
    """A policy trained for ``reward``, after each of the numbers of ``updates``."""
    learner = ppo.Learner(gymnast.Gymnast(SETTINGS["laptop"].worlds), SETTINGS["laptop"].ppo, seed)
    for update in range(1, max(updates) + 1):
        rollout = learner.collect()
        if reward is not None:
            rollout.rewards = reward(rollout.observations)
        learner.update(rollout)
        if update in updates:
            yield update, learner.policy


# --- trajectories --------------------------------------------------------------------------------


def random_torques(strength: float, stream: np.random.Generator) -> Callable:
    """Acts at random, but alike from one step to the next."""
    torques = np.zeros(2)

    def act(observations: Float[np.ndarray, "worlds 6"]) -> Float[np.ndarray, "worlds 2"]:
        nonlocal torques
        noise = stream.standard_normal((len(observations), 2))
        torques = 0.9 * torques + strength * noise
        return torques

    return act


def record(act: Callable, count: int, seed: int) -> tuple[Steps, Float[np.ndarray, " count"]]:
    """``count`` whole episodes in which ``act`` gives the actions; and their true returns.

    A step is the state before the action and the action, as in ``COLUMNS``.
    """
    world = gymnast.Gymnast(count)
    observations, _ = world.reset(seed=seed)
    steps, returns = [], np.zeros(count)
    for _ in range(gymnast.EPISODE_STEPS):
        actions = np.clip(act(observations), -1, 1)
        steps.append(np.concatenate([world.state.T, actions], axis=1))
        observations, rewards, *_ = world.step(actions)
        returns += rewards
    return np.stack(steps, axis=1), returns


@torch.no_grad()
def record_policy(policy: Policy, count: int, seed: int, sampled: bool = False) -> tuple:
    """`record` of a policy's mean actions, or of such as it draws."""
    stream = generator(seed, "actions")

    def act(observations: Float[np.ndarray, "worlds 6"]) -> Float[np.ndarray, "worlds 2"]:
        chosen = policy.act(observations, stream) if sampled else policy.mean_action(observations)
        return chosen.numpy()

    return record(act, count, seed)


def mirrored(steps: Steps, chosen: np.ndarray) -> Steps:
    """The ``chosen`` trajectories as a mirror shows them, which the world allows as well."""
    return np.where(chosen[:, None, None], -steps, steps)


def make_bank(seed: int) -> list[tuple[str, Steps]]:
    """All behaviours, named, ``EACH`` trajectories of each."""
    behaviours = []

    def add(name: str, steps: Steps) -> None:
        stream = numpy_generator(seed, "mirror", name)
        behaviours.append((name, mirrored(steps, stream.permutation(EACH) % 2 == 0)))

    for strength in (0.1, 0.3, 0.9):
        stream = numpy_generator(seed, "torques", str(strength))
        add(
            f"random torques of strength {strength}",
            record(random_torques(strength, stream), EACH, int(stream.integers(2**31)))[0],
        )
    untrained = ppo.Learner(gymnast.Gymnast(1), SETTINGS["laptop"].ppo, seed).policy
    add("an untrained policy", record_policy(untrained, EACH, seed, sampled=True)[0])
    for name, (reward, updates) in track(TRAINED.items(), "policies", total=len(TRAINED)):
        for update, policy in stages(reward, updates, seed):
            episodes = int(numpy_generator(seed, "episodes", name, str(update)).integers(2**31))
            add(f"trained for {name}, {update} updates", record_policy(policy, EACH, episodes)[0])
    return behaviours


def trained_policies(seed: int) -> Iterable[tuple[str, Policy]]:
    """A policy trained on the true reward, and the shipped one, trained on answers."""
    settings = SETTINGS["laptop"]
    name = "trained on the true reward"
    yield name, train(gymnast.Gymnast(settings.worlds), None, settings, seed, label=name).policy
    yield f"trained on {settings.labels} answers", load_shipped()[0]


# --- files ---------------------------------------------------------------------------------------


def encode(steps: Steps) -> str:
    """Whole numbers of ``UNITS`` in two bytes each, little-endian, as base64.

    Angles are taken to −pi … pi. Raises ``ValueError`` for a value that does not fit.
    """
    wrapped = steps.copy()
    wrapped[..., :2] = (steps[..., :2] + np.pi) % (2 * np.pi) - np.pi
    numbers = np.rint(wrapped / UNITS)
    if np.abs(numbers).max() > 32767:
        raise ValueError(
            f"a value of {np.abs(wrapped).max():.3g} does not fit two bytes: make UNITS coarser"
        )
    return base64.b64encode(numbers.astype("<i2").tobytes()).decode("ascii")


def decode(text: str) -> Steps:
    """What `encode` made this of, rounded."""
    numbers = np.frombuffer(base64.b64decode(text), dtype="<i2")
    return numbers.reshape(-1, gymnast.EPISODE_STEPS, len(COLUMNS)) * UNITS


# --- the poster ----------------------------------------------------------------------------------


def poster(bank: Steps) -> str:
    """A still of the page as SVG: the first trajectory of the bank, and that with its feet up."""
    trunk, legs = np.moveaxis(bank[:, POSES, :2], -1, 0)
    height = -gymnast.TRUNK_LENGTH * np.cos(trunk) - gymnast.LEGS_LENGTH * np.cos(legs)
    parts = [_poses(bank[0], 110), _poses(bank[height.sum(axis=1).argmax()], 350)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 460 220" aria-hidden="true" '
        'fill="none" stroke="currentColor" stroke-linecap="round" text-anchor="middle">\n'
        + "\n".join(parts)
        + '\n<text x="230" y="116" font-size="26" fill="currentColor" stroke="none">or</text>'
        + "\n</svg>\n"
    )


def _poses(steps: Float[np.ndarray, "steps 6"], middle: int) -> str:
    """Three poses of a trajectory, from pale to full, around a bar."""
    drawn = [f'<circle cx="{middle}" cy="110" r="4" fill="currentColor"/>']
    for step, opacity in zip(POSES, (0.25, 0.5, 1), strict=True):
        trunk, legs = steps[step, :2]
        hips = 45 * gymnast.TRUNK_LENGTH * np.array([np.sin(trunk), np.cos(trunk)])
        feet = hips + 45 * gymnast.LEGS_LENGTH * np.array([np.sin(legs), np.cos(legs)])
        points = [(middle + x, 110 + y) for x, y in ((0, 0), hips, feet)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        drawn.append(f'<path d="M{path}" stroke-width="7" stroke-opacity="{opacity}"/>')
    return "".join(drawn)


# --- the command ---------------------------------------------------------------------------------


def stored_bank(behaviours: list[tuple[str, Steps]], policies: list[dict]) -> dict:
    """What ``bank.json`` holds: how to read it, the bank, and episodes of the trained policies."""
    return {
        "steps": gymnast.EPISODE_STEPS,
        "clipSteps": SETTINGS["laptop"].clip_steps,
        "stepSeconds": gymnast.STEP_SECONDS,
        "lengths": [gymnast.TRUNK_LENGTH, gymnast.LEGS_LENGTH],
        "columns": COLUMNS,
        "units": UNITS.tolist(),
        "each": EACH,
        "behaviours": [name for name, _ in behaviours],
        "data": encode(np.concatenate([steps for _, steps in behaviours])),
        "policies": policies,
    }


def stored_policy(name: str, policy: Policy, seed: int) -> dict:
    """Whole episodes of a policy with their true returns; the seed decides how they begin."""
    steps, returns = record_policy(policy, EPISODES, seed)
    return {"name": name, "returns": returns.round(1).tolist(), "data": encode(steps)}


def export(folder: Path, seed: int = 0) -> None:
    """Write ``bank.json`` and ``poster.svg`` into ``folder``; the same for the same seed."""
    behaviours = make_bank(seed)
    beginnings = int(numpy_generator(seed, "beginnings").integers(2**31))
    policies = [stored_policy(*each, beginnings) for each in trained_policies(seed)]
    bank = np.concatenate([steps for _, steps in behaviours])
    stored = stored_bank(behaviours, policies)
    write_whole(folder / "bank.json", json.dumps(stored, separators=(",", ":")) + "\n")
    write_whole(folder / "poster.svg", poster(bank))


def main(arguments: list[str]) -> int:
    """The command of this module."""
    match arguments:
        case ["export", folder]:
            torch.set_num_threads(1)  # networks this small are slower on two
            export(Path(folder))
        case _:
            print("usage: ... live export FOLDER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
