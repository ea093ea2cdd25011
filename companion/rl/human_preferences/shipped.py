"""Chapter 4.3, what is shipped: the policy taught by 700 answers, and the reward it learned from.

``python -m companion.rl.human_preferences.shipped`` trains both: the claim's run of its method with
seed 0, at the learning rate that the claim chose on validation.
"""

from pathlib import Path

import torch
from torch import nn

from companion.checkpoint import load_weights, save_weights
from companion.rl import ppo
from companion.rl.human_preferences.claim import (
    EPISODES,
    METHOD,
    TEST_SEED,
    labeller_for,
    play,
    settings_for,
)
from companion.rl.human_preferences.gymnast import Gymnast
from companion.rl.human_preferences.model import RewardEnsemble
from companion.rl.human_preferences.train import new_ensemble, train

WEIGHTS = Path(__file__).with_name("weights.safetensors")
LEARNING_RATE = 2e-3  # the method's in claim.json


def train_shipped(path: Path = WEIGHTS) -> None:
    """Train and save, with the policy's true return on the test's initial states beside it."""
    settings = settings_for(METHOD, "laptop", LEARNING_RATE)
    run = train(Gymnast(settings.worlds), labeller_for(METHOD), settings, seed=0)
    both = nn.ModuleDict({"policy": run.policy, "ensemble": run.ensemble})
    save_weights(path, both.state_dict(), {"true return": f"{held_out_return(run.policy):.2f}"})


def held_out_return(policy: ppo.Policy) -> float:
    """Points an episode, mean over the test's initial states."""
    return play(Gymnast(EPISODES), policy, TEST_SEED).mean_return


def load_shipped(path: Path = WEIGHTS) -> tuple[ppo.Policy, RewardEnsemble]:
    """The shipped policy and reward. Raises ``CheckpointError`` for a damaged file."""
    world, settings = Gymnast(1), settings_for(METHOD, "laptop", LEARNING_RATE)
    policy = ppo.Learner(world, settings.ppo, seed=0).policy
    both = nn.ModuleDict({"policy": policy, "ensemble": new_ensemble(world, settings, seed=0)})
    state, _ = load_weights(path)
    both.load_state_dict(state)
    return both["policy"], both["ensemble"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_shipped()
