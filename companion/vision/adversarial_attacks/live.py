"""Chapter 3.11, the shipped digit networks, and their input gradients as graphs for the page.

``python -m companion.vision.adversarial_attacks.live train plain`` (or ``fgsm``, ``pgd``) trains
one of the shipped networks at the ``laptop`` size. ``python -m
companion.vision.adversarial_attacks.live export FOLDER`` writes ``plain.onnx`` and ``pgd.onnx``.
"""

import dataclasses
import sys
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from companion.checkpoint import load_weights, save_weights
from companion.live import export, round_weights
from companion.seeds import generator
from companion.vision.adversarial_attacks.attacks import pgd
from companion.vision.adversarial_attacks.data import load_digits
from companion.vision.adversarial_attacks.model import error, small_cnn
from companion.vision.adversarial_attacks.robustness import error_under
from companion.vision.adversarial_attacks.train import METHODS, SETTINGS, Settings, train

SHIPPED = METHODS
WEIGHTS = Path(__file__).with_name("weights.safetensors")
OUTPUTS = ["logits", "gradient"]
PAGE = ("plain", "pgd")  # the networks that the page attacks side by side
RECORDED_DIGITS = 250  # test digits that the recorded error under PGD is of


class NetworkWithGradient(nn.Module):
    """A small CNN's logits and the gradient of its loss by pixels, written out without autograd.

    A backward pass does not export, so each layer's is written as a forward operation: that of a
    convolution is a transposed convolution with the same weights.
    """

    def __init__(self, network: nn.Sequential):
        super().__init__()
        self.first, self.second = network[0], network[3]
        self.hidden, self.output = network[7], network[9]

    def forward(
        self, image: Float[Tensor, "batch 1 28 28"], label: Float[Tensor, "batch 10"]
    ) -> tuple[Float[Tensor, "batch 10"], Float[Tensor, "batch 1 28 28"]]:
        """Logits, and d cross-entropy / d image for a one-hot ``label``."""
        pooled_1, winners_1 = pool(self.first(image))  # (batch, first, 14, 14)
        pooled_2, winners_2 = pool(self.second(pooled_1.relu()))  # (batch, second, 7, 7)
        hidden = self.hidden(pooled_2.relu().flatten(1))
        logits = self.output(hidden.relu())

        # Of the label the part p - 1 is written as minus the others' sum: single precision would
        # round it away where the network is sure.
        others = logits.softmax(dim=1) * (1 - label)
        gradient = others - label * others.sum(dim=1, keepdim=True)
        gradient = (gradient @ self.output.weight) * (hidden > 0)
        gradient = (gradient @ self.hidden.weight).unflatten(1, pooled_2.shape[1:])
        gradient = unpool(gradient * (pooled_2 > 0), winners_2)
        gradient = nn.functional.conv_transpose2d(gradient, self.second.weight, padding=2)
        gradient = unpool(gradient * (pooled_1 > 0), winners_1)
        return logits, nn.functional.conv_transpose2d(gradient, self.first.weight, padding=2)


def pool(
    values: Float[Tensor, "batch channels height width"],
) -> tuple[Tensor, Bool[Tensor, "batch channels half_height half_width 4"]]:
    """Maxima of windows of 2x2, ``(batch, channels, height / 2, width / 2)``, and who won each.

    Of equals the first wins, as in PyTorch: a blank background is full of them.
    """
    height, width = values.shape[2:]
    windows = values.unflatten(3, (width // 2, 2)).unflatten(2, (height // 2, 2))
    windows = windows.transpose(3, 4).flatten(4)  # (batch, channels, half, half, 4)
    winner = windows.argmax(dim=4, keepdim=True)
    return windows.amax(dim=4), winner == torch.arange(4)


def unpool(
    gradient: Float[Tensor, "batch channels half_height half_width"],
    winners: Bool[Tensor, "batch channels half_height half_width 4"],
) -> Float[Tensor, "batch channels height width"]:
    """Each window's gradient handed to its winner."""
    spread = (gradient[..., None] * winners).unflatten(4, (2, 2)).transpose(3, 4)
    return spread.flatten(4).flatten(2, 3)


# --- the shipped networks ----------------------------------------------------------------------


def shipped_settings(name: str) -> Settings:
    """How a shipped network is trained; ``ValueError`` names one that there is not."""
    if name not in SHIPPED:
        raise ValueError(f"no shipped network {name!r}: there are {', '.join(SHIPPED)}")
    return dataclasses.replace(SETTINGS["laptop"], method=name)


def train_shipped(name: str, checkpoint: Path | None = None) -> None:
    """Train one network from seed 0, round it to half precision and put it into `WEIGHTS`.

    Its held-out errors, measured after rounding, are recorded beside it.
    """
    model, _ = train(load_digits("train"), shipped_settings(name), 0, checkpoint, label=name)
    round_weights(model)
    state, metadata = load_weights(WEIGHTS) if WEIGHTS.exists() else ({}, {})
    state = {key: part for key, part in state.items() if not key.startswith(f"{name}.")}
    state |= {f"{name}.{key}": part.half() for key, part in model.state_dict().items()}
    for kind, value in held_out_errors(model).items():
        metadata[f"{name} {kind}"] = f"{value:.1f}"
    save_weights(WEIGHTS, state, metadata)


def held_out_errors(model: nn.Module) -> dict[str, float]:
    """In percent: of all test digits, and of the first 250 under PGD at epsilon 0.3, one start."""

    def attack(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        noise = generator(0, "recorded")
        return pgd(model, images, labels, 0.3, steps=40, step_size=0.01, generator=noise)

    test = load_digits("test")
    return {
        "test error": error(model, test.images, test.labels),
        "test error under PGD": error_under(model, test[:RECORDED_DIGITS], attack),
    }


def load_shipped(name: str, path: Path = WEIGHTS) -> nn.Sequential:
    """The shipped ``plain``, ``fgsm`` or ``pgd`` network, in evaluation mode."""
    settings = shipped_settings(name)
    model = small_cnn(settings.channels, settings.hidden)
    state, _ = load_weights(path)
    mine = {key: part.float() for key, part in state.items() if key.startswith(f"{name}.")}
    model.load_state_dict({key.removeprefix(f"{name}."): part for key, part in mine.items()})
    return model.eval()


# --- the page ----------------------------------------------------------------------------------


def export_all(folder: Path, weights: Path = WEIGHTS) -> None:
    """Write the graphs into ``folder``."""
    inputs = {"image": torch.zeros(2, 1, 28, 28), "label": torch.zeros(2, 10)}
    for name in PAGE:
        graph = NetworkWithGradient(load_shipped(name, weights))
        export(graph, inputs, OUTPUTS, folder / f"{name}.onnx")


def main(arguments: list[str]) -> int:
    """The two commands of this module."""
    match arguments:
        case ["train", name]:
            train_shipped(name, Path(f"{name}.checkpoint.safetensors"))
        case ["export", folder]:
            export_all(Path(folder))
        case _:
            print(f"usage: ... live train {'|'.join(SHIPPED)} | export FOLDER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
