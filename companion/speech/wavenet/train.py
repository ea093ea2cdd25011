"""Chapter 2.1, training: bits per sample, and one explicit loop."""

import math
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from companion.checkpoint import load_checkpoint, save_checkpoint
from companion.datasets.speech import VOICES
from companion.progress import track
from companion.seeds import generator
from companion.speech.wavenet.data import (
    PHONEMES,
    Batch,
    Clips,
    evaluation_batches,
    training_batches,
)
from companion.speech.wavenet.model import Architecture, WaveNet, new_model, shift

SAVE_EVERY = 200  # steps between checkpoints


@dataclass(frozen=True)
class Settings:
    """One training run: ``steps`` of ``batch_size`` crops of ``length`` samples, by Adam.

    The learning rate falls exponentially, to a tenth at the last step. ``gradient_clip`` bounds
    the norm of all gradients together.
    """

    architecture: Architecture
    steps: int
    minutes: float  # expected for these steps on two cores
    batch_size: int = 4
    length: int = 1000
    learning_rate: float = 1e-2
    gradient_clip: float = 1.0


_LAPTOP = Architecture(
    num_blocks=2,
    layers_per_block=8,
    residual_channels=32,
    skip_channels=64,
    num_speakers=len(VOICES),
    num_phonemes=len(PHONEMES),
)

SETTINGS = {
    "smoke": Settings(architecture=_LAPTOP, steps=3, minutes=0.1, batch_size=2, length=600),
    "laptop": Settings(architecture=_LAPTOP, steps=4000, minutes=10),
    # Blocks as in the paper's example of a receptive field; widths and training are not in it.
    "gpu": Settings(
        architecture=Architecture(num_speakers=109, num_phonemes=len(PHONEMES)),
        steps=200_000,
        minutes=0,  # not measured
        batch_size=8,
        length=16_000,
        learning_rate=1e-3,
    ),
}


def bits_per_sample(
    logits: Float[Tensor, "batch codes time"],
    codes: Int64[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"],
) -> Float[Tensor, ""]:
    """Mean of -log2 p(code) over the samples where ``mask`` is True."""
    nats = torch.nn.functional.cross_entropy(logits, codes, reduction="none")  # (batch, time)
    return nats[mask].mean() / math.log(2)


def batch_bits(model: WaveNet, batch: Batch) -> Float[Tensor, ""]:
    """Bits per sample of a batch: each sample predicted from those before it."""
    logits = model(shift(batch.codes), batch.speakers, batch.phonemes)
    return bits_per_sample(logits, batch.codes, batch.mask)


@torch.no_grad()
def evaluate(model: WaveNet, clips: Clips) -> float:
    """Bits per sample over whole clips, each predicted from silence on. Higher than 8 is noise."""
    model.eval()
    device = next(model.parameters()).device
    total, samples = 0.0, 0
    for batch in evaluation_batches(clips):
        count = int(batch.mask.sum())
        total += batch_bits(model, batch.to(device)).item() * count
        samples += count
    return total / samples


def learning_rate_at(step: int, settings: Settings) -> float:
    """From ``learning_rate`` at the first step to a tenth of it after the last."""
    return settings.learning_rate * 0.1 ** (step / settings.steps)


def train(
    clips: Clips,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    label: str = "training",
    device: torch.device | str = "cpu",
) -> tuple[WaveNet, dict[str, list[float]]]:
    """A trained network, and its bits per sample at every step.

    With a ``checkpoint`` path an interrupted run goes on where it was last saved, with the numbers
    it would have had. Raises ``FloatingPointError`` when the loss is not finite.
    """
    model = new_model(settings.architecture, seed).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    batches = training_batches(
        clips, settings.batch_size, settings.length, generator(seed, "batches")
    )
    history: dict[str, list[float]] = {"bits": []}
    first = 0
    if checkpoint is not None and Path(checkpoint).exists():
        first, history = load_checkpoint(
            checkpoint, model=model, optimizer=optimizer, generators={}
        )
        next(islice(batches, first, first), None)  # the batches already seen
    steps = track(range(first, settings.steps), label)
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        model.train()
        bits = batch_bits(model, next(batches).to(device))
        if not torch.isfinite(bits):
            raise FloatingPointError(
                f"the loss is {bits.item()} at step {step}: lower the learning rate "
                f"({settings.learning_rate})"
            )
        optimizer.zero_grad()
        bits.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        optimizer.step()
        history["bits"].append(bits.item())
        steps.note(f"{bits.item():.2f} bits a sample")
        if checkpoint is not None and (step + 1) % SAVE_EVERY == 0:
            save_checkpoint(
                checkpoint,
                model=model,
                optimizer=optimizer,
                step=step + 1,
                generators={},
                history=history,
            )
    return model, history
