"""Chapter 3.9, training: least squares, the cycles, the turns of the networks, one explicit loop.

Symbols of Zhu et al. (2017) where our names differ: ``forward_cycle`` and ``backward_cycle`` are
lambda, once for each direction: F(G(x)) ~ x, which is A to B and back, and G(F(y)) ~ y.
"""

import warnings
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.checkpoint import load_checkpoint, save_checkpoint
from companion.progress import track
from companion.seeds import generator
from companion.vision.cyclegan.data import MULTIPLE, Unpaired
from companion.vision.cyclegan.model import Architecture, CycleGAN, new_cyclegan
from companion.vision.cyclegan.pool import Pool
from companion.vision.pix2pix.losses import check_finite, l1_loss, last_good, winner
from companion.vision.pix2pix.model import check_images
from companion.vision.pix2pix.train import learning_rate_at, training_batches

SAVE_EVERY = 500  # steps between checkpoints


@dataclass(frozen=True)
class Weights:
    """What the generators' loss is made of; a part of weight 0 is not computed.

    The paper's identity loss, of half the cycles' weight, is for some of its tasks only.
    Raises ``ValueError`` for a weight below 0, or when there is nothing to learn from.
    """

    adversarial: float = 1.0
    forward_cycle: float = 10.0
    backward_cycle: float = 10.0
    identity: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"the weight {name} is {weight}: it must be 0 or above")
        if not any(vars(self).values()):
            raise ValueError("all weights are 0: give one loss a weight above 0")


OBJECTIVES = {
    "full": Weights(),
    "GAN alone": Weights(forward_cycle=0, backward_cycle=0),
    "cycle alone": Weights(adversarial=0),
    "GAN + forward cycle": Weights(backward_cycle=0),
    "GAN + backward cycle": Weights(forward_cycle=0),
    "full + identity": Weights(identity=5.0),
}


@dataclass(frozen=True)
class Settings:
    """One training run.

    ``pool`` is how many past translations of each domain the discriminators may be shown again. The
    rate is constant for half of the steps, then falls in a straight line to 0.
    """

    architecture: Architecture
    steps: int
    minutes: float  # expected for these steps on two cores
    weights: Weights = field(default_factory=Weights)
    batch_size: int = 1
    learning_rate: float = 2e-4
    pool: int = 50

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise ValueError(
                f"{self.steps} steps of {self.batch_size} pictures teach nothing: both must be 1 "
                "or more"
            )
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning rate {self.learning_rate} must be a number above 0")


SMALL = Architecture(channels=1, width=16, num_blocks=3, discriminator_width=16, receptive_field=16)

SETTINGS = {
    # Five times the paper's rate: at 5e-4, 2,000 steps did not beat copying the input.
    "smoke": Settings(SMALL, steps=3, minutes=0.1, learning_rate=1e-3),
    "laptop": Settings(SMALL, steps=2000, minutes=2, learning_rate=1e-3),
    # Section 4: batches of one, 256 pixels, 200 epochs of horse2zebra's 1,177 pictures.
    "gpu": Settings(Architecture(), steps=235_400, minutes=0),
}


# --- losses ------------------------------------------------------------------------------------


def least_squares(
    scores: Float[Tensor, "batch 1 rows columns"], target: float
) -> Float[Tensor, ""]:
    """Mean squared distance of a discriminator's scores from 1 (real) or 0 (generated)."""
    return (scores - target).square().mean()


def discriminator_loss(
    real_scores: Float[Tensor, "batch 1 rows columns"],
    fake_scores: Float[Tensor, "batch 1 rows columns"],
) -> Float[Tensor, ""]:
    """E[(D(y) - 1)^2] + E[D(G(x))^2], halved: it slows the discriminator down (section 4)."""
    return (least_squares(real_scores, 1) + least_squares(fake_scores, 0)) / 2


def generator_losses(
    networks: CycleGAN,
    a: Float[Tensor, "batch channels height width"],
    b: Float[Tensor, "batch channels height width"],
    weights: Weights,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parts of the generators' loss before they are weighted, and the translations.

    Parts: ``adversarial_a`` and ``_b``, by the discriminator that judges; ``forward_cycle`` and
    ``backward_cycle`` (equation 2); ``identity``, of both generators (section 5.2). Those of weight
    0 are absent. Translations: ``a``, made of b, and ``b``, made of a.
    """
    fakes = {"b": networks.a_to_b(a), "a": networks.b_to_a(b)}
    parts = {}
    if weights.adversarial:
        parts["adversarial_a"] = least_squares(networks.judge_a(fakes["a"]), 1)
        parts["adversarial_b"] = least_squares(networks.judge_b(fakes["b"]), 1)
    if weights.forward_cycle:
        parts["forward_cycle"] = l1_loss(networks.b_to_a(fakes["b"]), a)
    if weights.backward_cycle:
        parts["backward_cycle"] = l1_loss(networks.a_to_b(fakes["a"]), b)
    if weights.identity:
        parts["identity"] = l1_loss(networks.a_to_b(b), b) + l1_loss(networks.b_to_a(a), a)
    return parts, fakes


# --- turns -------------------------------------------------------------------------------------


def generators_turn(
    networks: CycleGAN,
    optimizer: torch.optim.Optimizer,
    a: Float[Tensor, "batch channels height width"],
    b: Float[Tensor, "batch channels height width"],
    weights: Weights,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """One step of both generators: the parts of their loss, and the translations without graph."""
    judges = (networks.judge_a, networks.judge_b)
    for judge in judges:
        judge.requires_grad_(False)  # judge, but compute no gradient of your own weights
    parts, fakes = generator_losses(networks, a, b, weights)
    loss = sum(
        getattr(weights, name.removesuffix("_a").removesuffix("_b")) * part
        for name, part in parts.items()
    )
    check_finite("generator", loss)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    for judge in judges:
        judge.requires_grad_(True)
    detached = {name: part.detach() for name, part in parts.items()}
    return detached, {domain: fake.detach() for domain, fake in fakes.items()}


def discriminators_turn(
    networks: CycleGAN,
    optimizer: torch.optim.Optimizer,
    reals: dict[str, Tensor],
    fakes: dict[str, Tensor],
) -> dict[str, Tensor]:
    """One step of both discriminators, on pictures by domain: of each its loss and its shares.

    ``real_a`` and ``fake_a`` are the shares of patches that the one of A told right: nearer to 1
    than to 0 for real ones. The pictures in ``fakes`` must be detached from their generators.
    """
    parts, loss = {}, 0.0
    for domain, judge in (("a", networks.judge_a), ("b", networks.judge_b)):
        # Normalised picture by picture, so real and generated ones may go through together.
        both = torch.cat([reals[domain], fakes[domain]])
        real_scores, fake_scores = judge(both).split([len(reals[domain]), len(fakes[domain])])
        parts[f"discriminator_{domain}"] = discriminator_loss(real_scores, fake_scores)
        loss = loss + parts[f"discriminator_{domain}"]
        parts[f"real_{domain}"] = (real_scores > 0.5).float().mean()
        parts[f"fake_{domain}"] = (fake_scores < 0.5).float().mean()
    check_finite("discriminator", loss)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {name: part.detach() for name, part in parts.items()}


# --- the loop ----------------------------------------------------------------------------------


def train(
    unpaired: Unpaired,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    device: torch.device | str = "cpu",
    label: str = "training",
) -> tuple[CycleGAN, dict[str, list[float]]]:
    """Train both generators, and both discriminators unless the adversarial weight is 0.

    The history holds, by step, what `generators_turn` and `discriminators_turn` give. With a
    ``checkpoint`` path the run saves itself every 500 steps and, if interrupted, goes on from there
    to the same result. When one network has won for good it warns, and saves no more until that is
    over, so that the file stays the last good one. Raises ``FloatingPointError`` when a loss is not
    finite, before the weights are spoiled, and ``ValueError`` for pictures that cannot be learned
    from.
    """
    check_unpaired(unpaired, settings)
    networks = new_cyclegan(settings.architecture, seed)
    shape = tuple(unpaired.a.shape[1:])
    pools = nn.ModuleDict({domain: Pool(settings.pool, shape) for domain in "ab"})
    whole = nn.ModuleDict({"networks": networks, "pools": pools}).to(device)
    # One Adam for all moves only what has a gradient: the networks whose turn it is.
    optimizer = torch.optim.Adam(
        networks.parameters(), lr=settings.learning_rate, betas=(0.5, 0.999), fused=True
    )
    lots = generator(seed, "pool")
    rows = zip(
        training_batches(len(unpaired.a), settings.batch_size, generator(seed, "batches", "a")),
        training_batches(len(unpaired.b), settings.batch_size, generator(seed, "batches", "b")),
        strict=True,
    )
    history: dict[str, list[float]] = {}
    first, warned = 0, False
    if checkpoint is not None and Path(checkpoint).exists():
        first, history = load_checkpoint(
            checkpoint, model=whole, optimizer=optimizer, generators={"pool": lots}
        )
        next(islice(rows, first, first), None)  # the batches already seen
    steps = track(range(first, settings.steps), label)
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        rows_a, rows_b = next(rows)
        a, b = unpaired.a[rows_a].to(device), unpaired.b[rows_b].to(device)
        try:
            parts, fakes = generators_turn(networks, optimizer, a, b, settings.weights)
            if settings.weights.adversarial:
                shown = {domain: pools[domain].exchange(fakes[domain], lots) for domain in "ab"}
                parts |= discriminators_turn(networks, optimizer, {"a": a, "b": b}, shown)
        except FloatingPointError as error:
            raise FloatingPointError(f"step {step}: {error}{last_good(checkpoint)}") from None
        for name, part in parts.items():
            history.setdefault(name, []).append(part.item())
        steps.note(_note(history))
        won = _winner(history)
        if won and not warned:
            warnings.warn(
                f"step {step}: {won}{last_good(checkpoint)}", RuntimeWarning, stacklevel=2
            )
        warned = bool(won)
        if checkpoint is not None and not won and (step + 1) % SAVE_EVERY == 0:
            save_checkpoint(
                checkpoint,
                model=whole,
                optimizer=optimizer,
                step=step + 1,
                generators={"pool": lots},
                history=history,
            )
    return networks, history


def train_oracle(
    a: Float[Tensor, "n channels height width"],
    b: Float[Tensor, "n channels height width"],
    settings: Settings,
    seed: int,
) -> nn.Sequential:
    """A generator from A to B that is shown the pairs, row by row, and learns their L1.

    What a CycleGAN cannot know: the oracle that its error is measured against. It has the same
    architecture, first weights, batches and steps.
    """
    network = new_cyclegan(settings.architecture, seed).a_to_b
    optimizer = torch.optim.Adam(
        network.parameters(), lr=settings.learning_rate, betas=(0.5, 0.999), fused=True
    )
    batches = training_batches(len(a), settings.batch_size, generator(seed, "batches", "a"))
    for step in track(range(settings.steps), "oracle"):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        rows = next(batches)
        loss = l1_loss(network(a[rows]), b[rows])
        check_finite("oracle", loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def check_unpaired(unpaired: Unpaired, settings: Settings) -> None:
    """Raise ``ValueError`` in words for pictures that these settings cannot learn from."""
    for domain in "ab":
        pictures = getattr(unpaired, domain)
        check_images(
            pictures, settings.architecture.channels, MULTIPLE, f"pictures of {domain.upper()}"
        )
        if len(pictures) < settings.batch_size:
            raise ValueError(
                f"{len(pictures)} pictures of {domain.upper()} do not fill one batch of "
                f"{settings.batch_size}: give more pictures or choose a smaller batch"
            )


def _note(history: dict[str, list[float]]) -> str:
    shown = ("adversarial_b", "discriminator_b", "forward_cycle", "backward_cycle", "identity")
    return "  ".join(f"{name} {history[name][-1]:.2f}" for name in shown if name in history)


def _winner(history: dict[str, list[float]]) -> str:
    """A sentence on the domain in which one network has won for good; empty while there is none."""
    for domain in "ab":
        shares = {name: history.get(f"{name}_{domain}", []) for name in ("real", "fake")}
        if won := winner(shares):
            return f"in domain {domain.upper()} {won}"
    return ""
