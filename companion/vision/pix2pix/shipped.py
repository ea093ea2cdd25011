"""Chapter 3.8, what is shipped: two networks that paint façades, one taught by L1 and a
discriminator, one by L1 alone.

``python -m companion.vision.pix2pix.shipped`` trains both with seed 0 and equal settings, in
a quarter of an hour on one core; those shipped were trained with ``--device cuda``, in four
minutes. It keeps a checkpoint of each where it is run, and goes on from it when it was interrupted.
"""

import argparse
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from companion.checkpoint import load_weights, save_weights
from companion.live import round_weights
from companion.vision.pix2pix.claim import BASELINE, METHOD, measure
from companion.vision.pix2pix.data import colour_labels, load_facades
from companion.vision.pix2pix.model import UNet, unet
from companion.vision.pix2pix.train import Settings, train

SHIPPED = (METHOD, BASELINE)  # the objectives: "L1+cGAN" and "L1"
WEIGHTS = Path(__file__).with_name("weights.safetensors")
# The widest U-Nets of which two, in half precision, are no more than a page may load.
WIDTH = 11


def shipped_settings(objective: str) -> Settings:
    """How a shipped network is trained; ``ValueError`` names one that there is not."""
    if objective not in SHIPPED:
        raise ValueError(f"no network of {objective!r} is shipped: choose {' or '.join(SHIPPED)}")
    return Settings(
        steps=12_000,
        minutes=12,
        objective=objective,
        learning_rate=1e-3,  # what the claim chose on validation houses, for both objectives
        width=WIDTH,
        discriminator_width=16,
    )


def train_shipped(
    objective: str, checkpoint: Path | None = None, device: str = "cpu", path: Path = WEIGHTS
) -> None:
    """Train one network on the training façades, round it to half precision, put it into a file.

    Its `held_out_scores`, after rounding, are recorded beside it. The other network stays.
    """
    houses = load_facades("train")
    pairs = TensorDataset(colour_labels(houses.labels), houses.pictures)
    settings = shipped_settings(objective)
    network, _, _ = train(pairs, settings, 0, checkpoint, device, label=objective)
    round_weights(network.cpu())
    state, texts = load_weights(path) if path.exists() else ({}, {})
    state |= {f"{objective}/{name}": part.half() for name, part in network.state_dict().items()}
    for name, value in held_out_scores(network).items():
        texts[f"{objective} {name}"] = f"{value:.4f}"
    save_weights(path, state, texts)


def held_out_scores(network: UNet) -> dict[str, float]:
    """All that the claim measures, of pictures drawn for the test houses."""
    return measure(network, load_facades("test"), seed=0)


def load_shipped(objective: str, path: Path = WEIGHTS) -> UNet:
    """The shipped network of ``"L1+cGAN"`` or ``"L1"``, in evaluation mode.

    Raises ``CheckpointError`` for a damaged file.
    """
    settings = shipped_settings(objective)
    network = unet(3, 3, settings.size, settings.width)
    state, _ = load_weights(path)
    mine = {name: part.float() for name, part in state.items() if name.startswith(f"{objective}/")}
    network.load_state_dict({name.removeprefix(f"{objective}/"): mine[name] for name in mine})
    return network.eval()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the networks that are shipped.")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    device = parser.parse_args().device
    torch.set_num_threads(1)  # networks this small are slower on two
    for objective in SHIPPED:
        train_shipped(objective, Path(f"{objective}.checkpoint.safetensors"), device)
