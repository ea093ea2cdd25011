"""Chapter 5.3, training: the large-minibatch recipe, with all workers played by one process.

Symbols of Goyal et al. (2017): a minibatch of ``batch`` = kn samples is dealt to ``workers`` = k
workers that see ``share`` = n each; ``learning_rate`` is eta, that of a minibatch of
``base_batch`` samples.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Int
from torch import Tensor, nn

from companion.checkpoint import load_checkpoint, save_checkpoint
from companion.progress import track
from companion.seeds import generator
from companion.systems.imagenet_1h.data import Samples, draw_epoch, worker_share
from companion.systems.imagenet_1h.model import batch_norms, resnet, resnet50

SAVE_EVERY = 100  # steps between checkpoints
DECAYS = (3, 6, 8)  # ninths of the run after which the rate falls tenfold: epochs 30, 60, 80 of 90


class Source(Protocol):
    """Images to learn from: `data.AugmentedDigits`, `data.Photographs`."""

    def __len__(self) -> int: ...

    def draw(self, samples: Samples) -> tuple[Tensor, Int[Tensor, " n"]]:
        """Images ``(n, channels, height, width)`` and labels of the samples."""
        ...


@dataclass(frozen=True)
class Settings:
    """One training run.

    An epoch is ``samples`` samples; a remainder that fills no minibatch is left out, another one in
    every epoch. ``rule`` scales the rate by batch / base_batch (section 2.1); over the first
    ``warm_up`` epochs it rises from ``learning_rate`` to that (section 2.2). ``weight_decay`` is
    lambda. Without ``channels`` the network is ResNet-50.

    Raises ``ValueError`` naming a value that cannot be.
    """

    epochs: int
    samples: int
    minutes: float  # expected at a batch of 2,048 on two cores
    batch: int = 2048
    share: int = 64
    base_batch: int = 64
    learning_rate: float = 0.1
    rule: bool = True
    warm_up: int = 2
    momentum: float = 0.9
    weight_decay: float = 1e-4
    channels: tuple[int, ...] | None = (8, 16, 32)

    def __post_init__(self) -> None:
        if self.share < 2 or self.batch < 1 or self.batch % self.share:
            raise ValueError(
                f"a batch of {self.batch} does not divide into shares of {self.share}: choose a "
                "multiple of the share, which needs at least 2 samples to normalise by"
            )
        if self.batch > self.samples:
            raise ValueError(
                f"a batch of {self.batch} is more than the epoch's {self.samples} samples: choose "
                "a smaller batch or a longer epoch"
            )
        if not 0 <= self.warm_up <= self.epochs * DECAYS[0] / 9:
            raise ValueError(
                f"a warm-up of {self.warm_up} epochs must end before the first decay of the rate, "
                f"after {self.epochs * DECAYS[0] / 9:g} of {self.epochs} epochs"
            )
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning rate {self.learning_rate} must be a number above 0")
        if not 0 < self.momentum < 1:  # Nesterov's needs some
            raise ValueError(f"momentum {self.momentum} must lie between 0 and 1")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight decay {self.weight_decay} must be 0 or above")

    @property
    def workers(self) -> int:
        """k."""
        return self.batch // self.share

    @property
    def steps_per_epoch(self) -> int:
        """Minibatches an epoch."""
        return self.samples // self.batch

    @property
    def steps(self) -> int:
        """Minibatches of the whole run."""
        return self.epochs * self.steps_per_epoch


SETTINGS = {
    "smoke": Settings(epochs=3, samples=256, minutes=0.1, batch=128, warm_up=1),
    # The rate is the number that the paper has for 256 samples; here it is that of 64.
    "laptop": Settings(epochs=36, samples=16_384, minutes=1.5),
    "gpu": Settings(
        epochs=90,
        samples=1_281_167,
        minutes=0,
        batch=8192,
        share=32,
        base_batch=256,
        learning_rate=0.1,
        warm_up=5,
        channels=None,
    ),
}


def learning_rate_at(step: int, settings: Settings) -> float:
    """The rate of one step: the linear rule, gradual warm-up, three falls to a tenth.

    Warm-up adds the same amount at every step, from eta at the first to the scaled rate at the
    first after the warm-up (section 2.2).
    """
    eta = settings.learning_rate
    scaled = eta * settings.batch / settings.base_batch if settings.rule else eta
    rising = settings.warm_up * settings.steps_per_epoch
    if step < rising:
        return eta + (scaled - eta) * step / rising
    falls = sum(9 * step >= ninths * settings.steps for ninths in DECAYS)
    return scaled / 10**falls


def make_optimizer(network: nn.Module, settings: Settings) -> torch.optim.SGD:
    """Nesterov momentum, and weight decay on weights alone: none on gamma, beta and biases.

    PyTorch keeps the rate outside v, the sum of gradients, so that a change of rate needs no
    correction of the momentum (remark 2).
    """
    parameters = list(network.parameters())
    return torch.optim.SGD(
        [
            {"params": [weight for weight in parameters if weight.ndim > 1]},
            {"params": [weight for weight in parameters if weight.ndim == 1], "weight_decay": 0.0},
        ],
        lr=learning_rate_at(0, settings),
        momentum=settings.momentum,
        nesterov=True,
        weight_decay=settings.weight_decay,
    )


def follow_statistics(network: nn.Module, follow: bool) -> None:
    """Whether training moves the running means and variances of batch normalisation.

    A worker's share is normalised by its own statistics either way. The running ones, by which the
    trained network is tested, are those of worker 0, as DistributedDataParallel keeps them.
    """
    for layer in batch_norms(network):
        layer.track_running_stats = follow


def share_gradients(
    network: nn.Module,
    images: Tensor,
    labels: Int[Tensor, " n"],
    workers: int,
) -> tuple[float, int]:
    """Add one worker's gradients to the network's; its part of the loss, and its wrong answers.

    The share's mean loss is divided by the number of workers, so that the gradients of all
    workers add up to those of the mean over the whole minibatch, kn samples (remark 3).
    """
    logits = network(images)
    loss = nn.functional.cross_entropy(logits, labels) / workers
    loss.backward()
    return loss.item(), int((logits.argmax(dim=1) != labels).sum())


def minibatch_gradients(
    network: nn.Module, source: Source, minibatch: Samples, workers: int
) -> tuple[float, float]:
    """Put the gradients of a minibatch into the network: its mean loss, and its error in percent.

    Each share goes through the network by itself, so that batch normalisation sees n samples
    whatever the number of workers (section 3). Only worker 0's share moves the running statistics.
    """
    device = next(network.parameters()).device
    network.train()
    network.zero_grad()
    loss, wrong = 0.0, 0
    for rank in range(workers):
        images, labels = source.draw(worker_share(minibatch, rank, workers))
        follow_statistics(network, rank == 0)
        part, mistakes = share_gradients(network, images.to(device), labels.to(device), workers)
        loss, wrong = loss + part, wrong + mistakes
    follow_statistics(network, True)
    return loss, 100 * wrong / len(minibatch)


def new_network(settings: Settings, seed: int) -> nn.Module:
    """A network whose first weights depend on ``seed`` alone; the global generator is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(generator(seed, "weights").get_state())
        return resnet50() if settings.channels is None else resnet(settings.channels)


def train(
    source: Source,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    device: torch.device | str = "cpu",
    label: str = "training",
) -> tuple[nn.Module, dict[str, list[float]]]:
    """Train a network; it comes back in evaluation mode.

    The history holds, by step, ``learning_rate``, the minibatch's mean ``loss`` in nats, and its
    ``error`` in percent. With a ``checkpoint`` path the run saves itself every 100 steps and, if
    interrupted, goes on from there to the same result. Raises ``FloatingPointError`` when the loss
    is not finite, before the weights are changed by it.
    """
    network = new_network(settings, seed).to(device)
    optimizer = make_optimizer(network, settings)
    history: dict[str, list[float]] = {"learning_rate": [], "loss": [], "error": []}
    first = 0
    if checkpoint is not None and Path(checkpoint).exists():
        first, history = load_checkpoint(
            checkpoint, model=network, optimizer=optimizer, generators={}
        )
    steps = track(range(first, settings.steps), label)
    epoch, samples = -1, None
    for step in steps:
        if step // settings.steps_per_epoch != epoch:
            epoch = step // settings.steps_per_epoch
            samples = draw_epoch(seed, epoch, settings.samples, len(source))
        begin = step % settings.steps_per_epoch * settings.batch
        minibatch = samples[begin : begin + settings.batch]
        rate = learning_rate_at(step, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, error = minibatch_gradients(network, source, minibatch, settings.workers)
        check_finite(loss, step, rate)
        optimizer.step()
        for name, value in (("learning_rate", rate), ("loss", loss), ("error", error)):
            history[name].append(value)
        steps.note(f"loss {loss:.2f}, {error:.0f}% wrong")
        if checkpoint is not None and (step + 1) % SAVE_EVERY == 0:
            save_checkpoint(
                checkpoint,
                model=network,
                optimizer=optimizer,
                step=step + 1,
                generators={},
                history=history,
            )
    return network.eval(), history


def check_finite(loss: float, step: int, rate: float) -> None:
    """Raise ``FloatingPointError`` when the run has diverged."""
    if not torch.isfinite(torch.tensor(loss)):
        raise FloatingPointError(
            f"the loss is {loss} at step {step}, at a rate of {rate:g}: lower the base rate, warm "
            "up longer, or look for a pixel that is not a number"
        )
