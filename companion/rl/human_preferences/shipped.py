"""Chapter 4.3, what is shipped: the policy taught by 700 answers, and the reward it learned from.

``python -m companion.rl.human_preferences.shipped`` trains both at the ``laptop`` size from seed 0.
"""

from pathlib import Path

import torch
from torch import nn

from companion.checkpoint import load_weights, save_weights
from companion.rl import ppo
from companion.rl.human_preferences.claim import EPISODES, TEST_SEED, play
from companion.rl.human_preferences.data import SyntheticLabeller
from companion.rl.human_preferences.gymnast import Gymnast, score
from companion.rl.human_preferences.model import RewardEnsemble
from companion.rl.human_preferences.train import SETTINGS, new_ensemble, train

WEIGHTS = Path(__file__).with_name("weights.safetensors")


def train_shipped(path: Path = WEIGHTS) -> None:
    """Train and save, with the policy's true return on the test's initial states beside it."""
    settings = SETTINGS["laptop"]
    run = train(Gymnast(settings.worlds), SyntheticLabeller(score), settings, seed=0)
    both = nn.ModuleDict({"policy": run.policy, "ensemble": run.ensemble})
    save_weights(path, both.state_dict(), {"true return": f"{held_out_return(run.policy):.2f}"})


def held_out_return(policy: ppo.Policy) -> float:
    """Points an episode, mean over the test's initial states."""
    return play(Gymnast(EPISODES), policy, TEST_SEED).mean_return


def load_shipped(path: Path = WEIGHTS) -> tuple[ppo.Policy, RewardEnsemble]:
    """The shipped policy and reward. Raises ``CheckpointError`` for a damaged file."""
    world, settings = Gymnast(1), SETTINGS["laptop"]
    policy = ppo.Learner(world, settings.ppo, seed=0).policy
    both = nn.ModuleDict({"policy": policy, "ensemble": new_ensemble(world, settings, seed=0)})
    state, _ = load_weights(path)
    both.load_state_dict(state)
    return both["policy"], both["ensemble"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_shipped()
