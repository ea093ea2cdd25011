"""Chapter 5.3, the shipped network: a batch of 2,048 with the rule and warm-up.

``python -m companion.systems.imagenet_1h.shipped`` trains it at the ``laptop`` size from seed 0.
"""

from pathlib import Path

from torch import nn

from companion.checkpoint import load_weights, save_weights
from companion.systems.imagenet_1h.data import AugmentedDigits, load_digits
from companion.systems.imagenet_1h.model import error
from companion.systems.imagenet_1h.train import SETTINGS, new_network, train

WEIGHTS = Path(__file__).with_name("weights.safetensors")


def train_shipped(path: Path = WEIGHTS) -> None:
    """Train the network and save it, with its error on the test digits beside it."""
    network, _ = train(AugmentedDigits(load_digits("train")), SETTINGS["laptop"], 0)
    save_weights(path, network.state_dict(), {"test error": f"{held_out_error(network):.1f}"})


def held_out_error(network: nn.Module) -> float:
    """In percent, of all test digits."""
    test = load_digits("test")
    return error(network, test.images, test.labels)


def load_shipped(path: Path = WEIGHTS) -> nn.Module:
    """The shipped network in evaluation mode. Raises ``CheckpointError`` for a damaged file."""
    network = new_network(SETTINGS["laptop"], 0)
    state, _ = load_weights(path)
    network.load_state_dict(state)
    return network.eval()


if __name__ == "__main__":
    train_shipped()
