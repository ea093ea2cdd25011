"""Chapter 3.11, training: on clean digits, on FGSM's examples, on PGD's, in one explicit loop."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.checkpoint import load_checkpoint, save_checkpoint
from companion.progress import track
from companion.seeds import generator
from companion.vision.adversarial_attacks.attacks import fgsm, pgd
from companion.vision.adversarial_attacks.data import Digits
from companion.vision.adversarial_attacks.model import small_cnn, softmax_regression

SAVE_EVERY = 100  # steps between checkpoints
METHODS = ("plain", "fgsm", "pgd")


@dataclass(frozen=True)
class Settings:
    """One training run.

    ``method`` is what the network learns from: "plain" digits; "fgsm", half the loss of digits and
    half that of their FGSM examples (Goodfellow et al. 2014, section 6, alpha = 0.5); "pgd", PGD's
    examples alone (Madry et al. 2017, section 2.1). ``epsilon`` rises from 0 over the share
    ``warm_up`` of the steps. PGD makes ``attack_steps`` steps of ``reach`` epsilon /
    ``attack_steps``. Without ``channels`` the network is the linear model.
    """

    steps: int
    minutes: float  # expected for all three methods on two cores
    method: str = "plain"
    channels: tuple[int, int] | None = (16, 32)
    hidden: int = 128
    batch_size: int = 50
    learning_rate: float = 4e-3
    epsilon: float = 0.3
    warm_up: float = 0.3
    attack_steps: int = 10
    reach: float = 2.5

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r} is not one of {', '.join(METHODS)}")

    @property
    def passes(self) -> int:
        """Forward and backward passes an image of the batch costs at every step."""
        return {"plain": 1, "fgsm": 3, "pgd": self.attack_steps + 1}[self.method]


SETTINGS = {
    "smoke": Settings(steps=3, minutes=0.1, attack_steps=2),
    "laptop": Settings(steps=1500, minutes=7),
    # Madry et al. 2017, section 5: Adam at 1e-4, batches of 50, 40 steps of 0.01, no warm-up.
    "gpu": Settings(
        steps=100_000,
        minutes=0,
        channels=(32, 64),
        hidden=1024,
        learning_rate=1e-4,
        warm_up=0.0,
        attack_steps=40,
        reach=40 * 0.01 / 0.3,
    ),
}


def epsilon_at(step: int, settings: Settings) -> float:
    """The epsilon of a step: a straight rise, then ``settings.epsilon``."""
    rising = settings.warm_up * settings.steps
    return settings.epsilon * min(1.0, (step + 1) / rising) if rising else settings.epsilon


def training_loss(
    model: nn.Module,
    images: Float[Tensor, "batch 1 28 28"],
    labels: Int[Tensor, " batch"],
    step: int,
    settings: Settings,
    noise: torch.Generator,
) -> tuple[Tensor, Float[Tensor, "batch classes"]]:
    """The loss to minimise, and the logits of the images that the method trains on."""
    epsilon = epsilon_at(step, settings)
    if settings.method == "plain":
        logits = model(images)
        return nn.functional.cross_entropy(logits, labels), logits
    if settings.method == "fgsm":
        model.eval()
        attacked = fgsm(model, images, labels, epsilon)
        model.train()
        logits = model(torch.cat([images, attacked]))
        loss = nn.functional.cross_entropy(logits, labels.repeat(2))  # alpha = 0.5
        return loss, logits[len(images) :]
    model.eval()
    attacked = pgd(
        model,
        images,
        labels,
        epsilon,
        steps=settings.attack_steps,
        step_size=settings.reach * epsilon / settings.attack_steps,
        generator=noise,
    )
    model.train()
    logits = model(attacked)
    return nn.functional.cross_entropy(logits, labels), logits


def training_batches(digits: Digits, batch_size: int, random: torch.Generator) -> Iterator[Digits]:
    """Batches without end, every digit once in each pass. ``ValueError`` if none can be filled."""
    if len(digits) < batch_size:
        raise ValueError(f"{len(digits)} digits do not fill one batch of {batch_size}")
    while True:
        order = torch.randperm(len(digits), generator=random)
        for chosen in order[: len(order) // batch_size * batch_size].split(batch_size):
            yield digits[chosen]


def new_model(settings: Settings, seed: int) -> nn.Module:
    """A network whose first weights depend on ``seed`` alone; the global generator is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if settings.channels is None:
            return softmax_regression()
        return small_cnn(settings.channels, settings.hidden)


def train(
    digits: Digits,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    device: torch.device | str = "cpu",
    label: str = "training",
) -> tuple[nn.Module, dict[str, list[float]]]:
    """Train a network; it comes back in evaluation mode.

    The history holds, by step, ``loss`` and ``error``, the percentage of the batch's examples, as
    the method makes them, that the network got wrong. With a ``checkpoint`` path the run saves
    itself every 100 steps and, if interrupted, goes on from there to the same result. Raises
    ``FloatingPointError`` when the loss is not finite, before the weights are spoiled.
    """
    model = new_model(settings, seed).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    noise = generator(seed, "noise", device=str(device))
    batches = training_batches(digits, settings.batch_size, generator(seed, "batches"))
    history: dict[str, list[float]] = {"loss": [], "error": []}
    first = 0
    if checkpoint is not None and Path(checkpoint).exists():
        first, history = load_checkpoint(
            checkpoint, model=model, optimizer=optimizer, generators={"noise": noise}
        )
        next(islice(batches, first, first), None)  # the batches already seen
    model.train()
    steps = track(range(first, settings.steps), label)
    for step in steps:
        batch = next(batches)
        images, labels = batch.images.to(device), batch.labels.to(device)
        loss, logits = training_loss(model, images, labels, step, settings, noise)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} at step {step}: lower the learning rate "
                f"({settings.learning_rate}) or look for a pixel that is not a number"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wrong = (logits.argmax(dim=1) != labels).double().mean().item()
        history["loss"].append(loss.item())
        history["error"].append(100 * wrong)
        steps.note(f"loss {loss.item():.2f}, {100 * wrong:.0f}% wrong")
        if checkpoint is not None and (step + 1) % SAVE_EVERY == 0:
            save_checkpoint(
                checkpoint,
                model=model,
                optimizer=optimizer,
                step=step + 1,
                generators={"noise": noise},
                history=history,
            )
    return model.eval(), history
