"""Chapter 3.8, training: the turns of the two networks, and one explicit loop (section 3.3).

Symbols of Isola et al. (2016) where our names differ: ``inputs`` are x, ``targets`` y, ``pictures``
G(x, z); ``l1_weight`` is lambda.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.checkpoint import load_checkpoint, save_checkpoint
from companion.progress import track
from companion.seeds import generator
from companion.vision.pix2pix.losses import (
    adversarial_loss,
    check_finite,
    discriminator_loss,
    l1_loss,
    last_good,
    winner,
)
from companion.vision.pix2pix.model import (
    PatchDiscriminator,
    UNet,
    check_images,
    patch_discriminator,
    unet,
)

SAVE_EVERY = 500  # steps between checkpoints
OBJECTIVES = ("L1", "GAN", "cGAN", "L1+GAN", "L1+cGAN")


class Pairs(Protocol):
    """What is learned from: ``TensorDataset(inputs, targets)``, or the chapter's own data."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Int[Tensor, " n"]) -> tuple[Tensor, Tensor]:
        """Inputs and targets ``(n, channels, height, width)`` of the rows, in [-1, 1]."""
        ...


@dataclass(frozen=True)
class Settings:
    """One training run.

    ``objective`` is one of `OBJECTIVES`: the discriminator of a "cGAN" sees inputs and pictures,
    that of a "GAN" pictures alone, and "L1" has none. ``width`` and ``discriminator_width`` are the
    channels after the first convolution. The rate is constant for half of the steps, then falls in
    a straight line to 0.

    Raises ``ValueError`` naming a value that cannot be.
    """

    steps: int
    minutes: float  # expected for these steps on two cores
    objective: str = "L1+cGAN"
    batch_size: int = 4
    learning_rate: float = 2e-4
    l1_weight: float = 100.0
    size: int = 64
    width: int = 32
    skips: bool = True
    discriminator_width: int = 32
    receptive_field: int = 16

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(
                f"objective {self.objective!r} is not one of {', '.join(OBJECTIVES)}: choose one"
            )
        if self.steps < 1 or self.batch_size < 1:
            raise ValueError(
                f"{self.steps} steps of {self.batch_size} pairs: both must be 1 or more"
            )
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning rate {self.learning_rate} must be a number above 0")
        if not 0 <= self.l1_weight < float("inf"):
            raise ValueError(f"L1 weight {self.l1_weight} must be 0 or above")

    @property
    def conditional(self) -> bool:
        """Whether the discriminator sees the inputs."""
        return self.objective.endswith("cGAN")

    @property
    def adversarial(self) -> bool:
        """Whether there is a discriminator."""
        return self.objective != "L1"

    @property
    def weight(self) -> float:
        """lambda, or 0 for an objective without L1."""
        return self.l1_weight if self.objective.startswith("L1") else 0.0


SETTINGS = {
    "smoke": Settings(steps=3, minutes=0.1, width=8, discriminator_width=8),
    "laptop": Settings(steps=4000, minutes=3, width=16, discriminator_width=16),
    # Section 6.2: batches of one, 256 pixels, 70x70 patches; 200 epochs of 400 façades.
    "gpu": Settings(
        steps=80_000,
        minutes=0,
        batch_size=1,
        size=256,
        width=64,
        discriminator_width=64,
        receptive_field=70,
    ),
}


# --- turns -------------------------------------------------------------------------------------


def seen(inputs: Tensor, pictures: Tensor, settings: Settings) -> tuple[Tensor, ...]:
    """What the discriminator is shown: inputs and pictures, or pictures alone."""
    return (inputs, pictures) if settings.conditional else (pictures,)


def discriminator_turn(
    discriminator: PatchDiscriminator,
    optimizer: torch.optim.Optimizer,
    inputs: Float[Tensor, "batch in height width"],
    targets: Float[Tensor, "batch out height width"],
    pictures: Float[Tensor, "batch out height width"],
    settings: Settings,
) -> dict[str, Tensor]:
    """One step of the discriminator: its ``discriminator`` loss, and the shares it got right.

    ``real`` and ``fake`` are the shares of the patches of targets and of pictures.
    """
    real_logits = discriminator(*seen(inputs, targets, settings))
    # Detached, since the generator is not to learn from the discriminator's loss.
    fake_logits = discriminator(*seen(inputs, pictures.detach(), settings))
    loss = discriminator_loss(real_logits, fake_logits)
    check_finite("discriminator", loss)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {
        "discriminator": loss.detach(),
        "real": (real_logits > 0).float().mean(),
        "fake": (fake_logits < 0).float().mean(),
    }


def generator_turn(
    discriminator: PatchDiscriminator | None,
    optimizer: torch.optim.Optimizer,
    inputs: Float[Tensor, "batch in height width"],
    targets: Float[Tensor, "batch out height width"],
    pictures: Float[Tensor, "batch out height width"],
    settings: Settings,
) -> dict[str, Tensor]:
    """One step of the generator that drew ``pictures``: its ``adversarial`` and ``l1`` losses."""
    losses = {"l1": l1_loss(pictures, targets)}
    loss = settings.weight * losses["l1"]
    if discriminator is not None:
        discriminator.requires_grad_(False)  # judge, but compute no gradient of your own weights
        losses["adversarial"] = adversarial_loss(discriminator(*seen(inputs, pictures, settings)))
        loss = loss + losses["adversarial"]
    check_finite("generator", loss)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if discriminator is not None:
        discriminator.requires_grad_(True)
    return {name: value.detach() for name, value in losses.items()}


# --- the loop ----------------------------------------------------------------------------------


def train(
    pairs: Pairs,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    device: torch.device | str = "cpu",
    label: str = "training",
) -> tuple[UNet, PatchDiscriminator | None, dict[str, list[float]]]:
    """Train a generator, and unless the objective is "L1" a discriminator, in turns (3.3).

    The generator comes back in evaluation mode, which draws what training mode draws.

    The history holds, by step, ``l1``, the mean absolute error of the batch, and with a
    discriminator ``adversarial`` and ``discriminator``, the two losses in nats a patch, and
    ``real`` and ``fake``, the shares of patches that the discriminator told right.

    With a ``checkpoint`` path the run saves itself every 500 steps and, if interrupted, goes on
    from there to the same result. When one network has won for good it warns, and saves no more
    until that is over, so that the file stays the last good one. Raises ``FloatingPointError`` when
    a loss is not finite, before the weights are spoiled, and ``ValueError`` for pairs that cannot
    be learned from.
    """
    in_channels, out_channels = check_pairs(pairs, settings)
    network, discriminator = new_networks(settings, in_channels, out_channels, seed)
    both = nn.ModuleDict({"generator": network})
    if discriminator is not None:
        both["discriminator"] = discriminator
    both.to(device)
    # One Adam for both moves only what has a gradient: the network whose turn it is.
    optimizer = torch.optim.Adam(
        [{"params": list(part.parameters())} for part in both.values()],
        lr=settings.learning_rate,
        betas=(0.5, 0.999),
        fused=True,
    )
    noise = generator(seed, "noise", device=str(device))
    batches = training_batches(len(pairs), settings.batch_size, generator(seed, "batches"))
    names = ["l1", "adversarial", "discriminator", "real", "fake"]
    history: dict[str, list[float]] = {name: [] for name in names[: None if discriminator else 1]}
    first, warned = 0, False
    if checkpoint is not None and Path(checkpoint).exists():
        first, history = load_checkpoint(
            checkpoint, model=both, optimizer=optimizer, generators={"noise": noise}
        )
        next(islice(batches, first, first), None)  # the batches already seen
    steps = track(range(first, settings.steps), label)
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        inputs, targets = (images.to(device) for images in pairs[next(batches)])
        try:
            pictures = network(inputs, network.draw_noise(inputs, noise))
            parts = {}
            if discriminator is not None:
                parts |= discriminator_turn(
                    discriminator, optimizer, inputs, targets, pictures, settings
                )
            parts |= generator_turn(discriminator, optimizer, inputs, targets, pictures, settings)
        except FloatingPointError as error:
            raise FloatingPointError(f"step {step}: {error}{last_good(checkpoint)}") from None
        for name, curve in history.items():
            curve.append(parts[name].item())
        steps.note("  ".join(f"{name} {curve[-1]:.2f}" for name, curve in history.items()))
        won = winner(history)
        if won and not warned:
            warnings.warn(
                f"step {step}: {won}{last_good(checkpoint)}", RuntimeWarning, stacklevel=2
            )
        warned = bool(won)
        if checkpoint is not None and not won and (step + 1) % SAVE_EVERY == 0:
            save_checkpoint(
                checkpoint,
                model=both,
                optimizer=optimizer,
                step=step + 1,
                generators={"noise": noise},
                history=history,
            )
    return network.eval(), discriminator, history


def new_networks(
    settings: Settings, in_channels: int, out_channels: int, seed: int
) -> tuple[UNet, PatchDiscriminator | None]:
    """Networks whose first weights depend on ``seed`` alone; the global generator is untouched.

    All objectives begin with the same U-Net.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(generator(seed, "generator").get_state())
        network = unet(in_channels, out_channels, settings.size, settings.width, settings.skips)
        if not settings.adversarial:
            return network, None
        channels = out_channels + (in_channels if settings.conditional else 0)
        torch.default_generator.set_state(generator(seed, "discriminator").get_state())
        discriminator = patch_discriminator(
            channels, settings.receptive_field, settings.discriminator_width
        )
        return network, discriminator


def training_batches(
    count: int, batch_size: int, random: torch.Generator
) -> Iterator[Int[Tensor, " batch"]]:
    """Rows of batches without end, each row once in every pass; a remainder is left out."""
    while True:
        order = torch.randperm(count, generator=random)
        yield from order[: count // batch_size * batch_size].split(batch_size)


def learning_rate_at(step: int, settings: Settings) -> float:
    """Constant for the first half of the steps, then a straight line that would end at 0."""
    left = (settings.steps - step) / settings.steps
    return settings.learning_rate * min(1.0, 2 * left)


def check_pairs(pairs: Pairs, settings: Settings) -> tuple[int, int]:
    """Channels of inputs and of targets; ``ValueError`` for pairs that cannot be learned from."""
    if len(pairs) < settings.batch_size:
        raise ValueError(
            f"{len(pairs)} pairs do not fill one batch of {settings.batch_size}: give more pairs "
            "or choose a smaller batch"
        )
    channels = [images.shape[1] for images in pairs[torch.arange(1)]]
    for rows in torch.arange(len(pairs)).split(256):
        inputs, targets = pairs[rows]
        check_images(inputs, channels[0], settings.size, "inputs")
        check_images(targets, channels[1], settings.size, "targets")
        if inputs.shape[2:] != targets.shape[2:] or len(inputs) != len(targets):
            raise ValueError(
                f"inputs {tuple(inputs.shape)} and targets {tuple(targets.shape)} are not pairs: "
                "both must be equally many and of the same height and width"
            )
    return channels[0], channels[1]
