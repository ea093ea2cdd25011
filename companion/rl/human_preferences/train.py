"""Chapter 4.3, training: the policy and the reward that it is trained for, learned in turn.

`train` reads from top to bottom: act, ask, fit the reward to all answers, act on that reward.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import gymnasium as gym
import numpy as np
import torch
from jaxtyping import Int
from torch import nn

from companion.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from companion.progress import track
from companion.rl import ppo
from companion.rl.human_preferences.data import Clips, Comparisons, cut_clips
from companion.rl.human_preferences.fitting import (
    bootstrap,
    correlation,
    fit,
    losses,
    stacked,
    tensors,
)
from companion.rl.human_preferences.model import RewardEnsemble, disagreement
from companion.seeds import generator, numpy_generator

QUERIES = ("disagreement", "random")
SAVE_EVERY = 10  # iterations between checkpoints
RATE_HALVES = 0.2  # the share of the run after which answers are asked for half as often


@dataclass(frozen=True)
class Settings:
    """One run: ``iterations`` of acting, asking, fitting the reward and improving the policy.

    ``labels`` answers are asked for in all, ``first_share`` of them of the untrained policy; 1
    freezes the reward after that. ``queries`` says which of ``candidates`` times as many pairs are
    shown: those that the members dispute most, or the first. Raises ``ValueError`` naming a value
    that cannot be.
    """

    ppo: ppo.Settings
    worlds: int
    iterations: int
    minutes: float  # expected on one core
    labels: int = 700
    first_share: float = 0.25
    queries: str = "disagreement"
    candidates: int = 10
    clip_steps: int = 30
    num_members: int = 3
    first_fit_steps: int = 200
    fit_steps: int = 20
    batch: int = 16
    learning_rate: float = 1e-3  # of the reward

    def __post_init__(self) -> None:
        if self.queries not in QUERIES:
            raise ValueError(f"queries {self.queries!r} are unknown: {' or '.join(QUERIES)}")
        if not 0 < self.first_share <= 1:
            raise ValueError(f"first_share is {self.first_share}: give a share above 0, up to 1")
        if self.labels * self.first_share < 10:
            raise ValueError(
                f"{self.labels} labels of which {self.first_share:.0%} come first are too few to "
                "begin with: ask for at least 10 first"
            )


@dataclass
class Run:
    """What a run leaves: the policy, the reward it learned from, the answers, and curves.

    ``history`` holds for each iteration ``return`` (the true one, mean of the episodes acted),
    ``labels`` so far and, where a reward was learned, its ``correlation`` with the true one on the
    steps acted; and for each time of asking ``loss`` and ``validation``, in nats a comparison.
    """

    policy: ppo.Policy
    ensemble: RewardEnsemble
    comparisons: Comparisons
    history: dict[str, list[float]]


class Labeller(Protocol):
    """Whoever answers; pairs that are skipped are left out."""

    def compare(self, first: Clips, second: Clips, stream: np.random.Generator) -> Comparisons: ...


_LAPTOP = Settings(
    ppo=ppo.Settings(rollout_steps=100, epochs=5, minibatch=1600, learning_rate=4e-3),
    worlds=64,
    iterations=60,
    minutes=0.5,
)

SETTINGS = {
    "smoke": dataclasses.replace(
        _LAPTOP, worlds=16, iterations=3, minutes=0.1, labels=80, first_fit_steps=5, fit_steps=5
    ),
    "laptop": _LAPTOP,
    # For HalfCheetah, with the paper's networks and clips and its larger number of labels.
    "gpu": Settings(
        ppo=ppo.Settings(rollout_steps=1000, epochs=10, minibatch=250, learning_rate=1e-3),
        worlds=4,
        iterations=2500,
        minutes=0,
        labels=1400,
    ),
}


# --- asking ---------------------------------------------------------------------------------------


def labels_by(progress: float, settings: Settings) -> int:
    """How many answers are asked for by when the share ``progress`` of the run is done.

    ``first_share`` of them at once, the others at a rate proportional to h / (progress + h), which
    has halved at h = `RATE_HALVES`. In the paper that is at 2,000,000 steps (appendix A).
    """
    later = math.log1p(progress / RATE_HALVES) / math.log1p(1 / RATE_HALVES)  # integral of the rate
    return round(settings.labels * (settings.first_share + (1 - settings.first_share) * later))


def questions(
    ensemble: RewardEnsemble,
    rollout: ppo.Rollout,
    count: int,
    disputed: bool,
    settings: Settings,
    stream: np.random.Generator,
) -> tuple[Clips, Clips]:
    """``count`` pairs of clips of what the policy did: the most disputed, or such as they come."""
    drawn = count * settings.candidates if disputed else count
    ended = (rollout.terminated | rollout.truncated).numpy()
    observations, actions = rollout.observations.numpy(), rollout.actions.clamp(-1, 1).numpy()
    clips = cut_clips(observations, actions, ended, settings.clip_steps, 2 * drawn, stream)
    first, second = clips[:drawn], clips[drawn:]
    return most_disputed(ensemble, first, second, count) if disputed else (first, second)


def most_disputed(
    ensemble: RewardEnsemble, first: Clips, second: Clips, count: int
) -> tuple[Clips, Clips]:
    """The ``count`` pairs on which the members' predictions vary most (section 2.2.4)."""
    variance = disagreement(ensemble, tensors(first), tensors(second))
    chosen = variance.topk(count).indices.numpy()
    return first[chosen], second[chosen]


# --- the loop -------------------------------------------------------------------------------------


def train(
    world: gym.vector.VectorEnv,
    labeller: Labeller | None,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    label: str = "training",
) -> Run:
    """Learn a policy from a labeller's choices (section 2.2), or, without one, from true rewards.

    A rollout of ``settings.ppo`` must be whole episodes. With a ``checkpoint`` path the run saves
    itself every 10 iterations and, if interrupted, goes on from there to the same result.
    """
    learner = ppo.Learner(world, settings.ppo, seed)
    ensemble = new_ensemble(world, settings, seed)
    comparisons, counts = nothing_asked(world, settings)
    history: dict[str, list[float]] = {}
    if checkpoint is not None and Path(checkpoint).exists():
        comparisons, counts, history = resume(Path(checkpoint), learner, ensemble)

    iterations = track(range(learner.updates, settings.iterations), label)
    for iteration in iterations:
        rollout = learner.collect()
        episodes = whole_episodes(rollout)
        true_rewards = rollout.rewards
        report = {"return": (true_rewards.sum() / episodes).item()}
        if labeller is not None:
            progress = iteration / max(settings.iterations - 1, 1)
            wanted = labels_by(progress, settings) - len(comparisons)
            if wanted > 0:
                stream = numpy_generator(seed, "questions", str(iteration))
                disputed = settings.queries == "disagreement" and iteration > 0
                pairs = questions(ensemble, rollout, wanted, disputed, settings, stream)
                answers = labeller.compare(*pairs, stream)
                comparisons = comparisons.joined(answers)
                if not len(comparisons):
                    raise ValueError(f"none of {wanted} pairs got an answer: answer some of them")
                drawn = bootstrap(len(answers), settings.num_members, stream)
                counts = np.concatenate([counts, drawn], axis=1)
                fit(
                    ensemble,
                    comparisons,
                    counts,
                    settings.fit_steps if iteration else settings.first_fit_steps,
                    settings.batch,
                    settings.learning_rate,
                    generator(seed, "fit", str(iteration)),
                )
                report["loss"], report["validation"] = losses(ensemble, comparisons, counts)
            ensemble.normalise(rollout.observations, rollout.actions)
            rollout.rewards = ensemble.normalised(rollout.observations, rollout.actions)
            report["labels"] = len(comparisons)
            report["correlation"] = correlation(rollout.rewards, true_rewards)
        learner.update(rollout)
        for name, value in report.items():
            history.setdefault(name, []).append(value)
        iterations.note(f"true return {report['return']:.1f}, {len(comparisons)} answers")
        if checkpoint is not None and (iteration + 1) % SAVE_EVERY == 0:
            save(Path(checkpoint), learner, ensemble, comparisons, counts, history)
    return Run(learner.policy, ensemble, comparisons, history)


def whole_episodes(rollout: ppo.Rollout) -> int:
    """How many episodes there are; raises ``ValueError`` if one goes on after the rollout."""
    ended = rollout.terminated | rollout.truncated
    if not ended[-1].all():
        raise ValueError(
            f"a rollout of {len(ended)} steps ends within an episode: let rollout_steps be a "
            "multiple of an episode's length"
        )
    return int(ended.sum())


def new_ensemble(world: gym.vector.VectorEnv, settings: Settings, seed: int) -> RewardEnsemble:
    """An ensemble for this world whose initial weights depend on ``seed`` alone."""
    sizes = *world.single_observation_space.shape, *world.single_action_space.shape
    return RewardEnsemble(*sizes, settings.num_members, generator=generator(seed, "ensemble"))


def nothing_asked(
    world: gym.vector.VectorEnv, settings: Settings
) -> tuple[Comparisons, Int[np.ndarray, "members 0"]]:
    """No comparisons of this world's clips, and so no bootstrap samples of them."""
    shapes = world.single_observation_space.shape, world.single_action_space.shape
    empty = Clips(*(np.empty((0, settings.clip_steps, *shape), np.float32) for shape in shapes))
    return Comparisons(empty, empty, np.empty(0)), np.empty((settings.num_members, 0), np.int64)


# --- stopping and going on ------------------------------------------------------------------------


def answers_path(checkpoint: Path) -> Path:
    """Where the answers are kept: beside the checkpoint, in a file of their own."""
    return checkpoint.with_name(f"{checkpoint.stem}-answers.safetensors")


def save(
    checkpoint: Path,
    learner: ppo.Learner,
    ensemble: RewardEnsemble,
    comparisons: Comparisons,
    counts: Int[np.ndarray, "members comparisons"],
    history: dict[str, list[float]],
) -> None:
    """Keep the answers, and then what was learned from them."""
    observations, actions, preferences = stacked(comparisons)
    answers = {
        "observations": observations,
        "actions": actions,
        "preferences": preferences,
        "counts": torch.from_numpy(counts),
    }
    save_weights(answers_path(checkpoint), answers)
    save_checkpoint(
        checkpoint,
        model=nn.ModuleDict({"policy": learner.policy, "ensemble": ensemble}),
        optimizer=learner.optimizer,
        step=learner.updates,
        generators={"learner": learner.random},
        history=history,
    )


def resume(
    checkpoint: Path, learner: ppo.Learner, ensemble: RewardEnsemble
) -> tuple[Comparisons, Int[np.ndarray, "members comparisons"], dict[str, list[float]]]:
    """Put learner and ensemble back to where `save` found them; answers, bootstrap and history."""
    learner.updates, history = load_checkpoint(
        checkpoint,
        model=nn.ModuleDict({"policy": learner.policy, "ensemble": ensemble}),
        optimizer=learner.optimizer,
        generators={"learner": learner.random},
    )
    answers, _ = load_weights(answers_path(checkpoint))
    # Cut off between the two files, the answers are ahead: what was not learned from is asked anew.
    known = int(history.get("labels", [0])[-1])
    observations, actions = answers["observations"].numpy(), answers["actions"].numpy()
    first, second = (Clips(observations[:known, side], actions[:known, side]) for side in (0, 1))
    preferences = answers["preferences"].numpy()[:known]
    return Comparisons(first, second, preferences), answers["counts"].numpy()[:, :known], history
