"""Chapter 3.4, training: the losses of section 3.4, the KL schedule and one explicit loop."""

import math
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from companion.checkpoint import load_checkpoint, save_checkpoint
from companion.progress import track
from companion.seeds import generator
from companion.vision.sketch_rnn.data import (
    MAX_LENGTH,
    Batch,
    Drawings,
    evaluation_batches,
    training_batches,
)
from companion.vision.sketch_rnn.model import Architecture, Prediction, SketchRNN

SAVE_EVERY = 200  # steps between checkpoints


@dataclass(frozen=True)
class Settings:
    """One training run. ``trim`` pads a batch to its longest drawing instead of ``max_length``.

    ``kl_decay`` is the paper's R, ``kl_start`` its eta_min; ``gradient_clip`` bounds every single
    gradient entry, as in the authors' code. The learning rate is multiplied by
    ``learning_rate_decay`` at every step, down to ``learning_rate_floor``.
    """

    architecture: Architecture
    steps: int
    minutes: float  # expected for these steps on two cores
    batch_size: int = 100
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.9999
    learning_rate_floor: float = 1e-5
    kl_weight: float = 0.5
    kl_start: float = 0.01
    kl_decay: float = 0.99995
    kl_floor: float = 0.2
    gradient_clip: float = 1.0
    max_length: int = MAX_LENGTH
    trim: bool = True


def kl_decay_for(steps: int, start: float = 0.01, reached: float = 0.95) -> float:
    """The R at which the annealed KL weight passes ``reached`` of its end after half the steps."""
    return ((1 - reached) / (1 - start)) ** (2 / steps)


# The paper's floor of 0.2 would be 0.2 * 64 = 13 nats here: more than a code is worth on this data.
_LAPTOP = Architecture(
    encoder_size=128, decoder_size=256, latent_size=64, num_mixtures=20, recurrent_keep=1.0
)

SETTINGS = {
    "smoke": Settings(
        architecture=_LAPTOP,
        steps=5,
        minutes=0.1,
        batch_size=50,
        learning_rate=3e-3,
        kl_decay=kl_decay_for(5),
        kl_floor=0.02,
    ),
    "laptop": Settings(
        architecture=_LAPTOP,
        steps=2000,
        minutes=6,
        learning_rate=3e-3,
        learning_rate_decay=0.1 ** (1 / 2000),
        kl_decay=kl_decay_for(2000),
        kl_floor=0.02,
    ),
    "gpu": Settings(
        architecture=Architecture(),
        steps=100_000,
        minutes=0,
        max_length=250,
        trim=False,
    ),
}


# --- losses ------------------------------------------------------------------------------------


def offset_log_likelihood(
    prediction: Prediction, offsets: Float[Tensor, "*any 2"]
) -> Float[Tensor, "*any"]:
    """Log density in nats of ``offsets`` under the mixture of bivariate Gaussians."""
    standard = (offsets.unsqueeze(-2) - prediction.means) / prediction.deviations
    x, y = standard.unbind(dim=-1)
    rho = prediction.correlations
    # tanh reaches exactly 1 in float32; the floor keeps the density finite there.
    rest = (1 - rho**2).clamp_min(1e-6)
    squared_distance = (x**2 + y**2 - 2 * rho * x * y) / rest
    log_density = (
        -squared_distance / 2
        - math.log(2 * math.pi)
        - prediction.deviations.log().sum(dim=-1)
        - rest.log() / 2
    )
    return torch.logsumexp(prediction.mixture_logits.log_softmax(dim=-1) + log_density, dim=-1)


def reconstruction_nats(
    prediction: Prediction,
    targets: Float[Tensor, "batch time 5"],
    lengths: Int[Tensor, " batch"],
    all_pen_states: bool,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Negative log likelihood of each drawing in nats: of its offsets, and of its pen states.

    Offsets count for the drawing's own steps only (section 3.4). Pen states count for all rows in
    training (``all_pen_states``); otherwise for the steps and one end of the drawing, which is the
    likelihood of the drawing itself.
    """
    steps = torch.arange(targets.shape[1], device=targets.device)
    lengths = lengths.to(targets.device)[:, None]
    offset_nats = -offset_log_likelihood(prediction, targets[..., :2])
    pen_nats = -(targets[..., 2:] * prediction.pen_logits.log_softmax(dim=-1)).sum(dim=-1)
    if not all_pen_states:
        pen_nats = pen_nats * (steps <= lengths)
    return (offset_nats * (steps < lengths)).sum(dim=1), pen_nats.sum(dim=1)


def kl_nats(
    mean: Float[Tensor, "batch latent"], log_variance: Float[Tensor, "batch latent"]
) -> Float[Tensor, " batch"]:
    """KL(q(z | drawing) || N(0, I)) of each drawing in nats (section 3.4, not divided by N_z)."""
    return -(1 + log_variance - mean**2 - log_variance.exp()).sum(dim=-1) / 2


def kl_weight_at(step: int, settings: Settings) -> float:
    """w_KL * eta_step, with eta_step = 1 - (1 - eta_min) R^step (appendix)."""
    eta = 1 - (1 - settings.kl_start) * settings.kl_decay**step
    return settings.kl_weight * eta


def training_loss(
    model: SketchRNN, batch: Batch, step: int, settings: Settings, noise: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """The loss to minimise, L_R + w_KL eta max(L_KL, KL_min), and its parts in nats a drawing.

    L_R is divided by N_max and L_KL by N_z, as in the paper. Only where N_max = N_z, as at the
    ``laptop`` size, is the sum at w_KL = 1 proportional to the bound on the log likelihood.
    """
    prediction, mean, log_variance = model(batch.strokes, batch.lengths, noise)
    offset, pen = reconstruction_nats(prediction, batch.strokes[:, 1:], batch.lengths, True)
    reconstruction = (offset + pen).mean()
    kl = kl_nats(mean, log_variance).mean()
    loss = reconstruction / settings.max_length
    if model.encoder is not None:
        mean_kl = (kl / settings.architecture.latent_size).clamp_min(settings.kl_floor)
        loss = loss + kl_weight_at(step, settings) * mean_kl
    return loss, {"reconstruction": reconstruction.item(), "kl": kl.item()}


@torch.no_grad()
def evaluate(model: SketchRNN, drawings: Drawings, noise: torch.Generator) -> dict[str, float]:
    """Mean nats a drawing: ``reconstruction``, ``kl``, and ``bound``, their sum.

    The bound is at most the log likelihood's negative from above: -log p(drawing) <= bound, with
    equality for the decoder-only model, whose KL is zero. One sample of z a drawing.
    """
    model.eval()
    device = next(model.parameters()).device
    reconstruction = kl = 0.0
    for batch in evaluation_batches(drawings):
        batch = batch.to(device)
        prediction, mean, log_variance = model(batch.strokes, batch.lengths, noise)
        parts = reconstruction_nats(prediction, batch.strokes[:, 1:], batch.lengths, False)
        reconstruction += sum(part.double().sum().item() for part in parts)
        kl += kl_nats(mean, log_variance).double().sum().item()
    count = len(drawings)
    return {
        "reconstruction": reconstruction / count,
        "kl": kl / count,
        "bound": (reconstruction + kl) / count,
    }


# --- the loop ----------------------------------------------------------------------------------


def train(
    drawings: Drawings,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    device: torch.device | str = "cpu",
    label: str = "training",
) -> tuple[SketchRNN, dict[str, list[float]]]:
    """Train a model; the history holds ``loss``, ``reconstruction``, ``kl``, ``kl_weight`` by step.

    With a ``checkpoint`` path the run saves itself every 200 steps and, if interrupted, goes on
    from there to the same result. Raises ``FloatingPointError`` when the loss is not finite, before
    the weights are spoiled.
    """
    model = new_model(settings.architecture, seed).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    noise = generator(seed, "noise", device=str(device))
    batches = training_batches(
        drawings,
        settings.batch_size,
        generator(seed, "batches"),
        None if settings.trim else settings.max_length,
    )
    history: dict[str, list[float]] = {"loss": [], "reconstruction": [], "kl": [], "kl_weight": []}
    first = 0
    if checkpoint is not None and Path(checkpoint).exists():
        first, history = load_checkpoint(
            checkpoint, model=model, optimizer=optimizer, generators={"noise": noise}
        )
        next(islice(batches, first, first), None)  # the batches already seen
    steps = track(range(first, settings.steps), label)
    for step in steps:
        batch = next(batches).to(device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        model.train()
        loss, parts = training_loss(model, batch, step, settings, noise)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} at step {step}: lower the learning rate "
                f"({settings.learning_rate}) or look for a malformed drawing in the batch"
            )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), settings.gradient_clip)
        optimizer.step()
        parts |= {"loss": loss.item(), "kl_weight": kl_weight_at(step, settings)}
        for name, values in history.items():
            values.append(parts[name])
        steps.note(f"{parts['reconstruction']:.1f} + {parts['kl']:.1f} nats a drawing")
        if checkpoint is not None and (step + 1) % SAVE_EVERY == 0:
            save_checkpoint(
                checkpoint,
                model=model,
                optimizer=optimizer,
                step=step + 1,
                generators={"noise": noise},
                history=history,
            )
    return model, history


def new_model(architecture: Architecture, seed: int) -> SketchRNN:
    """A model whose initial weights depend on ``seed`` alone; the global generator is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SketchRNN(architecture)


def learning_rate_at(step: int, settings: Settings) -> float:
    """Exponential decay towards a floor."""
    decayed = settings.learning_rate * settings.learning_rate_decay**step
    return max(decayed, settings.learning_rate_floor)
