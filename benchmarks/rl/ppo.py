"""Speed of the policy learner: steps of worlds, learning, and both, beside the peers'.

``python -m benchmarks.rl.ppo``, on an otherwise idle machine, in about two minutes; one thread.
What is compared learns at equal settings and takes turns; each figure is a median. The bar: end to
end ahead of stable-baselines3 and CleanRL, if possible by 1.5 times.

``--returns`` trains ours and stable-baselines3's in Pendulum-v1 instead, over five seeds, in about
ten minutes: the returns must agree within the interval. ``--cleanrl ppo_continuous_action.py``
times CleanRL's script too, which is a file and not a package, and needs
``tyro`` and ``tensorboard``.
"""

import argparse
import io
import runpy
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from benchmarks.timing import processor_seconds, seconds
from companion.claims import interval
from companion.rl import ppo
from companion.rl.human_preferences.cheetah import Cheetah
from companion.rl.human_preferences.gymnast import Gymnast

WORLDS = 8
# All three agree on the rest: two layers of 64, tanh, orthogonal weights, Adam, the same clips.
SETTINGS = ppo.Settings(rollout_steps=256, epochs=10, minibatch=64, learning_rate=3e-4)
ROUND = WORLDS * SETTINGS.rollout_steps  # steps of a rollout
PENDULUM = ppo.Settings(
    rollout_steps=256, epochs=10, minibatch=64, learning_rate=1e-3, gamma=0.9, gae_lambda=0.95
)
PENDULUM_ROUNDS = 50  # 102,400 steps
SEEDS, EPISODES = 5, 80


def gymnasiums(name: str) -> gym.vector.VectorEnv:
    """Gymnasium's own worlds, one after the other."""
    return gym.make_vec(
        name,
        num_envs=WORLDS,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
    )


def peer() -> Any:
    """The module of stable-baselines3, or None where it is not installed."""
    try:
        import stable_baselines3
    except ImportError:
        print("only ours is measured: for the peer, pip install stable-baselines3")
        return None
    return stable_baselines3


def their_learner(library: Any, name: str, settings: ppo.Settings, seed: int) -> Any:
    """stable-baselines3's learner with what ours does: observations and returns normalised."""
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    worlds = make_vec_env(name, n_envs=WORLDS, seed=seed)
    return library.PPO(
        "MlpPolicy",
        VecNormalize(worlds, gamma=settings.gamma),
        n_steps=settings.rollout_steps,
        n_epochs=settings.epochs,
        batch_size=settings.minibatch,
        learning_rate=settings.learning_rate,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip,
        ent_coef=settings.entropy_weight,
        vf_coef=settings.value_weight,
        max_grad_norm=settings.max_gradient_norm,
        policy_kwargs={"net_arch": list(settings.hidden)},
        seed=seed,
        device="cpu",
    )


def time_worlds() -> None:
    """Steps a second of each world with random actions."""
    print("worlds, steps a second")
    cases = {
        "gymnast, 64 at a time": Gymnast(64),
        f"cheetah, {WORLDS} at a time": Cheetah(WORLDS),
        f"cheetah, {WORLDS} at a time, two threads": Cheetah(WORLDS, threads=2),
        f"Gymnasium's cheetah, {WORLDS} at a time": gymnasiums("HalfCheetah-v5"),
    }
    for name, world in cases.items():
        world.reset(seed=0)
        size = (100, world.num_envs, *world.single_action_space.shape)
        actions = np.random.default_rng(0).uniform(-1, 1, size).astype(np.float32)

        def steps(world=world, actions=actions) -> None:
            for each in actions:
                world.step(each)

        print(f"  {name:40s} {100 * world.num_envs / seconds(steps):10,.0f}")
        world.close()


def time_learning(library: Any, cleanrl: Path | None) -> None:
    """Steps learned from a second, end to end and in the update alone."""
    print(f"\nHalfCheetah-v5, {WORLDS} worlds, {SETTINGS}")
    ours = ppo.Learner(Cheetah(WORLDS), SETTINGS, 0)
    plain = ppo.Learner(gymnasiums("HalfCheetah-v5"), SETTINGS, 0)
    rollout = ours.collect()
    works: dict[str, Callable[[], object]] = {
        "ours, end to end": lambda: ours.update(ours.collect()),
        "ours in Gymnasium's worlds, end to end": lambda: plain.update(plain.collect()),
        "ours, update alone": lambda: ours.update(rollout),
    }
    if library is not None:
        theirs = their_learner(library, "HalfCheetah-v5", SETTINGS, 0)
        label = f"stable-baselines3 {library.__version__}, "
        works[label + "end to end"] = lambda: theirs.learn(ROUND, reset_num_timesteps=False)
        works[label + "update alone"] = theirs.train
    for name, taken in processor_seconds(works).items():
        print(f"  {name:45s} {ROUND / taken:8,.0f} steps/s")
    if cleanrl is not None:
        print(f"  {'CleanRL, end to end':45s} {cleanrl_speed(cleanrl):8,.0f} steps/s")


def cleanrl_speed(script: Path) -> float:
    """Steps a second end to end of CleanRL's script: what four more rollouts add to one."""
    source = script.read_text()
    # The one argument that Gymnasium 1 wants and the script, written for an earlier one, lacks.
    source = source.replace("clip(obs, -10, 10))", "clip(obs, -10, 10), env.observation_space)")

    def taken(rounds: int) -> float:
        arguments = ["--env-id", "HalfCheetah-v5", "--no-cuda", "--num-envs", str(WORLDS)]
        arguments += ["--num-steps", str(SETTINGS.rollout_steps)]
        arguments += ["--num-minibatches", str(ROUND // SETTINGS.minibatch)]
        arguments += ["--total-timesteps", str(rounds * ROUND)]
        sys.argv = [script.name, *arguments]
        started = time.process_time()
        with redirect_stdout(io.StringIO()):
            runpy.run_path(script.name, run_name="__main__")
        return time.process_time() - started

    # It writes logs into the folder it is run in.
    with TemporaryDirectory() as folder, chdir(folder):
        Path(script.name).write_text(source)
        taken(1)
        one = taken(1)
        return 4 * ROUND / (taken(5) - one)


class TheirPolicy:
    """stable-baselines3's policy, asked as ours is."""

    def __init__(self, learner: Any):
        self.learner = learner

    def mean_action(self, observations: np.ndarray) -> torch.Tensor:
        """The likeliest actions."""
        normalised = self.learner.env.normalize_obs(observations)
        return torch.as_tensor(self.learner.predict(normalised, deterministic=True)[0])


def compare_returns(library: Any) -> None:
    """Returns in Pendulum-v1 at equal steps and settings, by the same judge."""
    worlds = gymnasiums("Pendulum-v1")
    scores: dict[str, list[float]] = {"ours": [], "theirs": []}
    for seed in range(SEEDS):
        learner = ppo.Learner(gymnasiums("Pendulum-v1"), PENDULUM, seed)
        for _ in range(PENDULUM_ROUNDS):
            learner.update(learner.collect())
        policies = {"ours": learner.policy}
        if library is not None:
            theirs = their_learner(library, "Pendulum-v1", PENDULUM, seed)
            policies["theirs"] = TheirPolicy(theirs.learn(PENDULUM_ROUNDS * ROUND))
        for name, policy in policies.items():
            scores[name].append(ppo.returns(worlds, policy, EPISODES, 1000 + seed).mean())
        line = ", ".join(f"{name} {found[-1]:.1f}" for name, found in scores.items() if found)
        print(f"seed {seed}: {line}", flush=True)
    for name, found in scores.items():
        if found:
            low, high = interval(found)
            print(f"{name}: {statistics.fmean(found):.1f}, 95% interval {low:.1f} to {high:.1f}")
    if library is not None:
        paired = [a - b for a, b in zip(scores["ours"], scores["theirs"], strict=True)]
        low, high = interval(paired)
        mean = statistics.fmean(paired)
        print(f"ours less theirs: {mean:.1f}, 95% interval {low:.1f} to {high:.1f}")


def main() -> None:
    """Print the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--returns", action="store_true", help="compare returns, not speed")
    parser.add_argument("--cleanrl", type=Path, help="path of CleanRL's ppo_continuous_action.py")
    options = parser.parse_args()
    torch.set_num_threads(1)
    library = peer()
    if options.returns:
        compare_returns(library)
    else:
        time_worlds()
        time_learning(library, options.cleanrl)


if __name__ == "__main__":
    main()
