"""Chapter 4.3, the claim: does it matter which pairs are shown?

The light world, its score, the clips, the learner and the labels were fixed by looking at two arms
only, the true reward and random queries, with seeds that are not measured here (100 and up): the
first had to learn within half a minute, the second to lie below it and far above doing nothing.
No run with queries by disagreement had a part in it.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from dataclasses import dataclass
from functools import cache

import gymnasium as gym
import numpy as np
import torch
from jaxtyping import Float

from companion.claims import Claim, Metrics, PaperFigure, Study
from companion.rl import ppo
from companion.rl.human_preferences.cheetah import EFFORT_WEIGHT, Cheetah
from companion.rl.human_preferences.data import Reward, SyntheticLabeller
from companion.rl.human_preferences.fitting import correlation
from companion.rl.human_preferences.gymnast import Gymnast, observe, score, score_from_below
from companion.rl.human_preferences.model import RewardEnsemble
from companion.rl.human_preferences.train import SETTINGS, Settings, train

PAPER = "Christiano et al. 2017"
METHOD, BASELINE, CEILING = "disagreement", "random queries", "true reward"
SAME_RATE = f"{BASELINE}, 700 labels"  # the baseline at the method's learning rate, for studies
CHEETAH = "cheetah, "  # begins the name of an arm on HalfCheetah
# What an arm changes in the settings.
CHANGES = {
    METHOD: {},
    BASELINE: {"queries": "random"},
    CEILING: {},
    **{
        f"{queries}, {labels:,} labels": {"queries": short, "labels": labels}
        for labels in (350, 1400)
        for queries, short in ((METHOD, "disagreement"), (BASELINE, "random"))
    },
    SAME_RATE: {"queries": "random"},
    "one predictor": {"queries": "random", "num_members": 1},
    "asked once": {"queries": "random", "first_share": 1.0},
    "no careless answers": {},
    "25% careless answers": {},
    "from below": {},
}
ERROR_RATES = {"no careless answers": 0.0, "25% careless answers": 0.25}
CHEETAH_ARMS = (CHEETAH + METHOD, CHEETAH + CEILING)
CHEETAH_SETTINGS = {
    "smoke": dataclasses.replace(
        SETTINGS["smoke"],
        ppo=dataclasses.replace(SETTINGS["gpu"].ppo, epochs=1),
        worlds=1,
        iterations=2,
    ),
    "laptop": dataclasses.replace(SETTINGS["gpu"], iterations=100, minutes=2.5, labels=700),
}
# Initial states that no run trains on: worlds begin by these seeds. The first chooses the rate.
VALIDATION_SEED, TEST_SEED, POSTURE_SEED = 1, 2, 3
EPISODES = 64
LONGER, REFERENCE_SEED = 4, 100  # the best known: a run so many times as long
CHEETAH_EPISODES = 8


def settings_for(arm: str, size: str, learning_rate: float) -> Settings:
    """The settings of one arm; all arms act for the same number of steps.

    The cheetah's are its own, the learning rate included, which the light world does not choose.
    Raises ``ValueError`` at ``gpu``.
    """
    if size == "gpu":
        raise ValueError(
            "the claim is measured at size smoke or laptop: pass SETTINGS['gpu'] to train.train"
        )
    changes = dict(CHANGES[arm.removeprefix(CHEETAH)])
    if arm in CHEETAH_ARMS:
        return dataclasses.replace(CHEETAH_SETTINGS[size], **changes)
    settings = SETTINGS[size]
    if "labels" in changes:  # at a smaller size as much smaller
        changes["labels"] = changes["labels"] * settings.labels // SETTINGS["laptop"].labels
    learner = dataclasses.replace(settings.ppo, learning_rate=learning_rate)
    return dataclasses.replace(settings, ppo=learner, **changes)


def running(
    observations: Float[np.ndarray, "*batch 17"], actions: Float[np.ndarray, "*batch 6"]
) -> Float[np.ndarray, "*batch"]:
    """The cheetah's reward as a clip shows it: speed forward, metres a second, less the effort.

    The world's own has the mean speed over the step; this one the speed as it begins.
    """
    return observations[..., 8] - EFFORT_WEIGHT * (actions**2).sum(axis=-1)


def labeller_for(arm: str) -> SyntheticLabeller | None:
    """Who answers in this arm; nobody where the true reward is given."""
    if arm.endswith(CEILING):
        return None
    rewards: dict[str, Reward] = {"from below": score_from_below, CHEETAH + METHOD: running}
    return SyntheticLabeller(rewards.get(arm, score), ERROR_RATES.get(arm, 0.1))


def experiment(arm: str, seed: int, size: str, learning_rate: float) -> Metrics:
    """Train one arm; true returns on validation and test episodes, and how the rewards compare."""
    settings = settings_for(arm, size, learning_rate)
    make = Cheetah if arm in CHEETAH_ARMS else Gymnast
    world, labeller = make(settings.worlds), labeller_for(arm)
    run = train(world, labeller, settings, seed, label=f"{arm}, seed {seed}")
    episodes = EPISODES if make is Gymnast else CHEETAH_EPISODES
    validation = play(make(episodes), run.policy, VALIDATION_SEED)
    test = play(make(episodes), run.policy, TEST_SEED)
    metrics = {"validation": validation.mean_return, "test": test.mean_return}
    if labeller is not None:
        seen = labeller.reward(test.observations, test.actions)
        metrics["seen"] = float(seen.sum(axis=0).mean())
        metrics["correlation"] = likeness(
            run.ensemble, test.observations, test.actions, test.rewards
        )
        if make is Gymnast:
            metrics["anywhere"] = likeness(run.ensemble, *postures())
    return metrics


@dataclass(frozen=True)
class Play:
    """One episode in each world, by the policy's mean actions, cut as the world cuts them."""

    observations: Float[np.ndarray, "steps worlds observation"]
    actions: Float[np.ndarray, "steps worlds action"]
    rewards: Float[np.ndarray, "steps worlds"]

    @property
    def mean_return(self) -> float:
        """The true return of an episode, mean over worlds."""
        return float(self.rewards.sum(axis=0).mean())


@torch.no_grad()
def play(world: gym.vector.VectorEnv, policy: ppo.Policy | None, seed: int) -> Play:
    """Play the first episode of each world after a reset by ``seed``; without a policy, at rest."""
    observations, _ = world.reset(seed=seed)
    resting = np.zeros(world.action_space.shape, np.float32)
    steps, truncated = [], np.array([False])
    while not truncated.any():
        mean = resting if policy is None else policy.mean_action(observations).numpy()
        actions = mean.clip(-1, 1)
        following, rewards, _, truncated, _ = world.step(actions)
        steps.append((observations, actions, rewards))
        observations = following
    return Play(*(np.stack(column) for column in zip(*steps, strict=True)))


def likeness(
    ensemble: RewardEnsemble,
    observations: Float[np.ndarray, "*batch observation"],
    actions: Float[np.ndarray, "*batch action"],
    true: Float[np.ndarray, "*batch"],
) -> float:
    """The correlation of the learned reward with the true one."""
    seen, done = (torch.as_tensor(array, dtype=torch.float32) for array in (observations, actions))
    return correlation(ensemble.normalised(seen, done), torch.as_tensor(true))


@cache
def postures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """10,000 states drawn evenly, speeds up to 6 radians a second: seen, done, and true reward."""
    stream = np.random.default_rng(POSTURE_SEED)
    angles, speeds = stream.uniform(-np.pi, np.pi, (2, 10_000)), stream.uniform(-6, 6, (2, 10_000))
    observations = observe(np.concatenate([angles, speeds]))
    actions = stream.uniform(-1, 1, (10_000, 2)).astype(np.float32)
    return observations, actions, score(observations, actions)


@cache
def references(size: str) -> Metrics:
    """True return of doing nothing, of random actions, and the best known."""
    world, stream = Gymnast(EPISODES), np.random.default_rng(0)
    world.reset(seed=TEST_SEED)
    rewards = [world.step(stream.uniform(-1, 1, (EPISODES, 2)))[1] for _ in range(100)]
    settings = SETTINGS[size]
    longer = dataclasses.replace(settings, iterations=LONGER * settings.iterations)
    best = train(Gymnast(settings.worlds), None, longer, REFERENCE_SEED, label="reference")
    return {
        "doing nothing": play(Gymnast(EPISODES), None, TEST_SEED).mean_return,
        "random actions": float(np.sum(rewards, axis=0).mean()),
        "true reward, four times the steps": play(
            Gymnast(EPISODES), best.policy, TEST_SEED
        ).mean_return,
    }


RETURN = {"test": "true return"}
REWARD = {
    "correlation": "correlation, own states",
    "anywhere": "correlation, all postures",
}

CLAIM = Claim(
    chapter="rl/human_preferences",
    title="Human preferences",
    statement=(
        "With 700 labels, a tenth of them careless, a policy taught by queries on which the "
        "ensemble disagrees earns a higher true return than one taught by random queries."
    ),
    kind="recovered",
    metric="test",
    unit="points an episode",
    direction="higher",
    method=METHOD,
    baseline=BASELINE,
    ablations=(CEILING,),
    learning_rates=(2e-3, 4e-3),
    experiment=experiment,
    references=references,
    paper=(
        PaperFigure(
            arm=METHOD,
            text="700 labels nearly match the true reward on 8 simulated robots",
            source=PAPER,
        ),
    ),
    tolerance=20.0,
    studies=(
        Study(
            name="labels",
            seeds=5,
            title="How many answers",
            question="With half as many answers, and with twice as many, in both ways of asking.",
            arms=(
                f"{METHOD}, 350 labels",
                METHOD,
                f"{METHOD}, 1,400 labels",
                f"{BASELINE}, 350 labels",
                SAME_RATE,
                f"{BASELINE}, 1,400 labels",
                CEILING,
            ),
            metrics=RETURN | REWARD,
            paper="1,400 labels do slightly better than the true reward",
        ),
        Study(
            name="ensemble",
            seeds=5,
            title="One predictor or three",
            question=(
                "One predictor cannot disagree with itself, so both arms ask at random: does the "
                "average of three teach better?"
            ),
            arms=("one predictor", SAME_RATE),
            metrics=RETURN | REWARD,
        ),
        Study(
            name="offline",
            seeds=5,
            title="Asked once, or all along",
            question=(
                "All 700 answers about the untrained policy, and the reward frozen, against "
                "answers about what the policy does now. Both ask at random, since nobody has "
                "learned to disagree at first."
            ),
            arms=("asked once", SAME_RATE),
            metrics=RETURN | REWARD,
            paper="direction only: with a reward learned offline, Pong's rallies never end",
        ),
        Study(
            name="noise",
            seeds=5,
            title="Careless answers",
            question="The loss takes a tenth of the answers for random ones. What if more are?",
            arms=("no careless answers", METHOD, "25% careless answers"),
            metrics=RETURN | REWARD,
        ),
        Study(
            name="fooled",
            seeds=5,
            title="A labeller fooled by the camera",
            question=(
                "Seen from below, hanging still looks like a handstand. What does the policy earn "
                "in the labeller's eyes, and in truth?"
            ),
            arms=("from below", METHOD),
            metrics={"seen": "return as the labeller sees it", "test": "true return"},
        ),
        Study(
            name="cheetah",
            title="HalfCheetah",
            question="The same 700 labels for a robot that should run.",
            arms=CHEETAH_ARMS,
            metrics={"test": "true return", "correlation": "correlation, own states"},
            unit="metres a second, summed over 1,000 steps",
            available=lambda: importlib.util.find_spec("mujoco") is not None,
            command="pip install rebuilding-2017[mujoco]",
        ),
    ),
)
