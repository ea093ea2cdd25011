"""Chapter 3.8, losses: those of section 3.1, and how to see that they went wrong.

Symbols of Isola et al. (2016) where our names differ: logits are those of D, ``targets`` are y,
``pictures`` G(x, z). Chapter 3.9 has the same two networks and the same troubles.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

WINDOW = 500  # steps after which a network that always wins has won for good
ALWAYS = 0.999  # share of the patches, over the window


def discriminator_loss(
    real_logits: Float[Tensor, "batch 1 rows columns"],
    fake_logits: Float[Tensor, "batch 1 rows columns"],
) -> Float[Tensor, ""]:
    """Cross-entropy in nats a patch of telling real from generated, halved (equation 1, 3.3).

    -log D(x, y) for real pairs and -log(1 - D(x, G(x, z))) for generated ones. The half slows the
    discriminator down beside the generator.
    """
    softplus = nn.functional.softplus  # -log sigmoid(l) = softplus(-l)
    return (softplus(-real_logits).mean() + softplus(fake_logits).mean()) / 2


def adversarial_loss(fake_logits: Float[Tensor, "batch 1 rows columns"]) -> Float[Tensor, ""]:
    """-log D(x, G(x, z)) in nats a patch: what the generator minimises (3.3).

    Minimising log(1 - D) instead would give no gradient where the discriminator is sure.
    """
    return nn.functional.softplus(-fake_logits).mean()


def l1_loss(pictures: Tensor, targets: Tensor) -> Float[Tensor, ""]:
    """Mean absolute difference of pictures and targets (equation 3, a mean in place of a sum)."""
    return (pictures - targets).abs().mean()


# --- what goes wrong ---------------------------------------------------------------------------


def check_finite(whose: str, loss: Tensor) -> None:
    """Raise ``FloatingPointError`` before a loss that is not finite can spoil any weight."""
    if not torch.isfinite(loss):
        raise FloatingPointError(
            f"the {whose}'s loss is {loss.item()}: lower the learning rate, or look for a pixel "
            "that is not a number."
        )


def winner(history: dict[str, list[float]]) -> str:
    """One sentence on the network that has won for good, by its symptom; empty while none has.

    The discriminator has won when it told practically every patch right, real and generated, for
    `WINDOW` steps; the generator when practically all it drew was taken for real so long.
    """
    if len(history.get("fake", [])) < WINDOW:
        return ""
    real, fake = (sum(history[name][-WINDOW:]) / WINDOW for name in ("real", "fake"))
    if real >= ALWAYS and fake >= ALWAYS:
        return (
            f"the discriminator has won: for {WINDOW} steps it told {real:.1%} of the real and "
            f"{fake:.1%} of the generated patches right, so its verdict is the same whatever the "
            "generator draws. Make it weaker (a smaller width, field or learning rate), or give "
            "the loss beside it more weight."
        )
    if fake <= 1 - ALWAYS:
        return (
            f"the generator has won: for {WINDOW} steps the discriminator took {1 - fake:.1%} of "
            "the generated patches for real, so it teaches nothing. Make it stronger (a larger "
            "width or learning rate), or train it on more varied pairs."
        )
    return ""


def last_good(checkpoint: Path | None) -> str:
    """What a message of trouble ends with: where to go on from."""
    if checkpoint is None or not Path(checkpoint).exists():
        return " No checkpoint is kept: start again, with a checkpoint path."
    return f" {checkpoint} holds the last good state: train with it again to go on from there."
