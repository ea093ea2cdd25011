"""Chapter 1.1, training: the likelihood of the references, Adam then SGD, and one explicit loop."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from companion.checkpoint import load_checkpoint, save_checkpoint
from companion.progress import track
from companion.seeds import generator
from companion.text.gnmt.batches import (
    Batch,
    EncodedPairs,
    evaluation_batches,
    training_batches,
)
from companion.text.gnmt.model import Architecture, Translator, new_model
from companion.text.gnmt.wordpieces import PADDING

SAVE_EVERY = 200  # steps between checkpoints


@dataclass(frozen=True)
class Settings:
    """One training run: ``adam_steps``, then ``sgd_steps`` (sections 3.3 and 8.2 of the paper).

    Adam's learning rate falls exponentially, to ``adam_decay`` times its start (the paper's is
    constant: 1); SGD's is halved ``halvings`` times, at equal distances.
    ``most_pieces`` bounds a batch, sources and targets together; ``gradient_clip`` bounds the norm
    of all gradients together.
    """

    architecture: Architecture
    adam_steps: int
    sgd_steps: int
    minutes: float  # expected for these steps on two cores
    most_pieces: int = 1500
    adam_learning_rate: float = 6e-3
    adam_decay: float = 0.05
    sgd_learning_rate: float = 0.5
    halvings: int = 6
    gradient_clip: float = 5.0
    weight_range: float = 0.18
    # Embeddings of the weights' range drown in the biases of so small a network, and its attention
    # finds nothing for thousands of steps.
    embedding_range: float = 1.7

    @property
    def steps(self) -> int:
        """Of both optimizers together."""
        return self.adam_steps + self.sgd_steps


_LAPTOP = Architecture(
    vocabulary_size=1500,
    embedding_size=128,
    hidden_size=128,
    attention_size=128,
    num_layers=2,
    dropout=0.0,
)

SETTINGS = {
    "smoke": Settings(architecture=_LAPTOP, adam_steps=3, sgd_steps=2, minutes=0.1),
    "laptop": Settings(architecture=_LAPTOP, adam_steps=3600, sgd_steps=200, minutes=9),
    "gpu": Settings(
        architecture=Architecture(vocabulary_size=32_000),
        adam_steps=60_000,
        sgd_steps=2_000_000,
        minutes=0,
        most_pieces=128 * 60,
        adam_learning_rate=2e-4,
        adam_decay=1.0,
        halvings=4,
        weight_range=0.04,
        embedding_range=0.04,
    ),
}


def piece_loss(
    logits: Float[Tensor, "batch target vocabulary"], targets: Int64[Tensor, "batch target"]
) -> Float[Tensor, ""]:
    """Mean of -log p(piece) in nats over all pieces but padding; the labels are not smoothed."""
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=PADDING
    )


def batch_loss(
    model: Translator, batch: Batch, noise: torch.Generator | None = None
) -> Float[Tensor, ""]:
    """Nats per target piece of a batch, each piece predicted from those before it."""
    logits = model(batch.sources, batch.source_lengths, batch.targets_in, noise)
    return piece_loss(logits, batch.targets_out)


@torch.no_grad()
def evaluate(model: Translator, pairs: EncodedPairs) -> float:
    """Nats per target piece, end signs included, over all pairs."""
    device = next(model.parameters()).device
    total, pieces = 0.0, 0
    for batch in evaluation_batches(pairs):
        count = int((batch.targets_out != PADDING).sum())
        total += batch_loss(model, batch.to(device)).item() * count
        pieces += count
    return total / pieces


def learning_rate_at(step: int, settings: Settings) -> float:
    """Of Adam before ``adam_steps``, of SGD from there on."""
    if step < settings.adam_steps:
        return settings.adam_learning_rate * settings.adam_decay ** (step / settings.adam_steps)
    done = (step - settings.adam_steps) / settings.sgd_steps
    return settings.sgd_learning_rate * 0.5 ** int(done * (settings.halvings + 1))


def train(
    pairs: EncodedPairs,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    device: torch.device | str = "cpu",
    label: str = "training",
) -> tuple[Translator, dict[str, list[float]]]:
    """A trained network, and its loss in nats per target piece at every step.

    With a ``checkpoint`` path an interrupted run goes on where it was last saved, with the numbers
    it would have had. Raises ``FloatingPointError`` when the loss is not finite.
    """
    model = new_model(
        settings.architecture, seed, settings.weight_range, settings.embedding_range
    ).to(device)
    adam = torch.optim.Adam(model.parameters(), lr=settings.adam_learning_rate, fused=True)
    sgd = torch.optim.SGD(model.parameters(), lr=settings.sgd_learning_rate)
    noise = generator(seed, "dropout", device=str(device))
    batches = training_batches(pairs, settings.most_pieces, generator(seed, "batches"))
    history: dict[str, list[float]] = {"loss": []}
    first = 0
    if checkpoint is not None and Path(checkpoint).exists():
        # Plain SGD keeps nothing from step to step, so Adam's state is all there is to restore.
        first, history = load_checkpoint(
            checkpoint, model=model, optimizer=adam, generators={"noise": noise}
        )
        next(islice(batches, first, first), None)  # the batches already seen
    steps = track(range(first, settings.steps), label)
    for step in steps:
        optimizer = adam if step < settings.adam_steps else sgd
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        loss = batch_loss(model, next(batches).to(device), noise)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} at step {step}: lower the learning rate "
                f"({learning_rate_at(step, settings)})"
            )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        optimizer.step()
        history["loss"].append(loss.item())
        steps.note(f"{loss.item():.2f} nats a piece")
        if checkpoint is not None and (step + 1) % SAVE_EVERY == 0:
            save_checkpoint(
                checkpoint,
                model=model,
                optimizer=adam,
                step=step + 1,
                generators={"noise": noise},
                history=history,
            )
    return model, history
