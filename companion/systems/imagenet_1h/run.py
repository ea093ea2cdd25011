"""Chapter 5.3, a worker's run: what it trains, where it stands, and how it is saved."""

import argparse
import dataclasses
import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from companion.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from companion.systems.imagenet_1h import data, train
from companion.systems.imagenet_1h.train import Settings

CURVES = ("learning_rate", "loss", "error")
OVERRIDES = ("batch", "epochs", "samples", "warm_up", "rule")  # settings that have an option


@dataclasses.dataclass
class Run:
    """What a worker trains: where it stands is ``step``, what was so far is ``history``."""

    settings: Settings
    seed: int
    source: train.Source
    network: nn.Module
    optimizer: torch.optim.Optimizer
    checkpoint: Path | None
    step: int = 0
    history: dict[str, list[float]] = dataclasses.field(
        default_factory=lambda: {name: [] for name in CURVES}
    )

    def description(self) -> dict[str, list[float]]:
        """Seed and settings as lists of numbers, the form in which a checkpoint can hold them."""
        values = dataclasses.asdict(self.settings) | {"seed": self.seed}
        del values["minutes"]
        values["channels"] = values["channels"] or ()
        return {
            f"setting {name}": [float(v) for v in (value if name == "channels" else [value])]
            for name, value in values.items()
        }

    def save(self) -> None:
        """Write the checkpoint, when there is a path for it."""
        if self.checkpoint is not None:
            save_checkpoint(
                self.checkpoint,
                model=self.network,
                optimizer=self.optimizer,
                step=self.step,
                generators={},
                history=self.history | self.description(),
            )

    def resume(self) -> None:
        """Go on from the checkpoint, when there is one.

        Raises ``CheckpointError`` when it is damaged, or of another network, seed or settings.
        """
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        self.step, history = load_checkpoint(
            self.checkpoint, model=self.network, optimizer=self.optimizer, generators={}
        )
        for name, value in self.description().items():
            saved = history.pop(name, None)
            if saved != value:
                raise CheckpointError(
                    f"{self.checkpoint} is of another run: {name} is {saved or 'absent'} in the "
                    f"file and {value} here. Give the same arguments, or another --checkpoint."
                )
        self.history = history


def prepared(options: argparse.Namespace) -> Run:
    """The run that the options ask for, at its checkpoint's step.

    Raises ``ValueError`` or ``CheckpointError`` saying which option cannot be, before any training.
    """
    settings = dataclasses.replace(
        train.SETTINGS[options.size],
        **{name: getattr(options, name) for name in OVERRIDES if name in options},
    )
    world_size = dist.get_world_size()
    if settings.workers % world_size:
        raise ValueError(
            f"a batch of {settings.batch} is {settings.workers} shares of {settings.share} "
            f"samples, which {world_size} processes cannot divide among them; start another number "
            f"of processes, or give --batch a multiple of {world_size * settings.share}"
        )
    if options.all_reduce == "halving-doubling" and world_size & (world_size - 1):
        raise ValueError(
            f"halving-doubling needs a power of two, not {world_size} processes; choose the ring"
        )
    if settings.channels is None and options.images is None:
        raise ValueError(
            f"size {options.size} trains ResNet-50 on photographs; name their folder with --images"
        )
    device = own_device(options.device)
    network = train.new_network(settings, options.seed).to(device)
    run = Run(
        settings=settings,
        seed=options.seed,
        source=(
            data.AugmentedDigits(data.load_digits("train"))
            if settings.channels is not None
            else data.Photographs(options.images)
        ),
        network=network,
        optimizer=train.make_optimizer(network, settings),
        checkpoint=options.checkpoint,
    )
    run.resume()
    return run


def own_device(name: str) -> torch.device:
    """The processor, or this process's own graphics card.

    Raises ``ValueError`` when there is no card for it.
    """
    if name == "cpu":
        return torch.device("cpu")
    cards, place = torch.cuda.device_count(), int(os.environ.get("LOCAL_RANK", 0))
    if not torch.cuda.is_available():
        raise ValueError(
            "--device cuda was asked for, and PyTorch finds no CUDA device here; leave it out to "
            "train on the processor"
        )
    if place >= cards:
        raise ValueError(
            f"this machine has {cards} CUDA devices, and this is its process number {place + 1}; "
            f"start at most --nproc-per-node {cards}"
        )
    torch.cuda.set_device(place)
    return torch.device("cuda", place)


def load_trained(path: Path, settings: Settings) -> tuple[nn.Module, dict[str, list[float]]]:
    """The network of a worker's checkpoint, in evaluation mode, and its curves by step.

    Raises ``CheckpointError`` when the file is missing, damaged or of another network.
    """
    network = train.new_network(settings, 0)
    _, history = load_checkpoint(
        path, model=network, optimizer=train.make_optimizer(network, settings), generators={}
    )
    return network.eval(), {name: history[name] for name in CURVES}
