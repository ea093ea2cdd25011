"""Chapter 3.11, patches: attacks that may change a few pixels of a thing, but these at will.

Eyeglass frames (Sharif et al. 2016) and stickers on signs (RP2, Evtimov et al. 2017) are the same
problem: find the colours inside a mask that mislead the network in expectation over the pictures
that may be taken, smooth enough for a camera to see and printable by a printer.

    minimise over the masked pixels  E[loss(picture)] + lambda_tv TV + lambda_nps NPS
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.vision.adversarial_attacks.photography import PRINTABLE, check_colours

Patch = Float[Tensor, "3 height width"]
Mask = Float[Tensor, "1 height width"]
Render = Callable[[Patch], Float[Tensor, "batch 3 size size"]]


@dataclass(frozen=True)
class Settings:
    """How a patch is optimised: Adam for ``steps``, each on one batch of pictures from ``render``.

    ``lambda_tv`` and ``lambda_nps`` weigh smoothness and printability; both penalties are means
    over the mask's pixels here, so that a weight means the same for masks of any size.
    """

    steps: int = 60
    learning_rate: float = 0.05
    lambda_tv: float = 0.3
    lambda_nps: float = 1.0

    def __post_init__(self) -> None:
        for name in ("lambda_tv", "lambda_nps"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; a penalty's weight must be 0 or more"
                )
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}; at least one is needed")


# --- penalties ---------------------------------------------------------------------------------


def total_variation(patch: Patch, mask: Mask) -> Float[Tensor, ""]:
    """Mean over the mask of sqrt((p_ij - p_i+1,j)^2 + (p_ij - p_i,j+1)^2), colours within the root.

    TV of Sharif et al. 2016, who sum. A difference counts where both pixels lie inside the mask:
    the patch's own outline is not penalised.
    """
    inside = (mask > 0.5).to(patch.dtype)
    down = (patch[:, 1:] - patch[:, :-1]) * inside[:, 1:] * inside[:, :-1]
    right = (patch[:, :, 1:] - patch[:, :, :-1]) * inside[:, :, 1:] * inside[:, :, :-1]
    down = nn.functional.pad(down, (0, 0, 0, 1))
    right = nn.functional.pad(right, (0, 1))
    squares = (down.square() + right.square()).sum(dim=0)
    # The root's slope at zero is infinite, so flat places are left out.
    roots = torch.where(squares > 0, squares, 1).sqrt() * (squares > 0)
    return roots.sum() / inside.sum()


def non_printability(
    patch: Patch, mask: Mask, palette: Float[Tensor, "colours 3"] = PRINTABLE
) -> Float[Tensor, ""]:
    """Mean over the mask of the product over the palette of a pixel's distances to its colours.

    NPS(p) = prod over printable q of |p - q| (Sharif et al. 2016, who sum over pixels): zero
    exactly where a pixel has a colour that the printer can print.
    """
    pixels = patch[:, mask[0] > 0.5].T  # (pixels, 3)
    squares = (pixels[:, None] - palette[None]).square().sum(dim=2)
    return (squares + 1e-12).sqrt().prod(dim=1).mean()


# --- the attack --------------------------------------------------------------------------------


def optimise_patch(
    network: nn.Module,
    render: Render,
    start: Patch,
    mask: Mask,
    label: int,
    target: int | None = None,
    settings: Settings = Settings(),
) -> tuple[Patch, list[float]]:
    """Colours inside ``mask`` by which ``render``'s pictures are misread, and the loss by step.

    ``render(patch)`` gives a batch of pictures of the thing with ``patch`` on it: fresh random
    views at every call (expectation over transformations), or always the same one. Without a
    ``target`` it raises the probability of all classes but ``label`` (dodging), with one that of
    ``target`` (impersonation). Colours stay within the printer's range; pixels outside
    the mask stay those of ``start``.

    Raises ``ValueError`` for an empty mask, colours outside [0, 1], a label that is no class, or a
    network in training mode.
    """
    _check(network, start, mask)
    free = mask > 0.5
    low, high = PRINTABLE.min(), PRINTABLE.max()
    patch = torch.where(free, start.clamp(low, high), start).requires_grad_()
    optimizer = torch.optim.Adam([patch], lr=settings.learning_rate)
    losses = []
    for _ in range(settings.steps):
        logits = network(render(patch))
        wanted = _wanted(logits, label, target)
        loss = (
            wanted
            + settings.lambda_tv * total_variation(patch, mask)
            + settings.lambda_nps * non_printability(patch, mask)
        )
        (gradient,) = torch.autograd.grad(loss, patch)
        patch.grad = gradient * free
        optimizer.step()
        with torch.no_grad():
            patch.copy_(torch.where(free, patch.clamp(low, high), start))
        losses.append(wanted.item())
    return patch.detach(), losses


def _wanted(logits: Float[Tensor, "batch classes"], label: int, target: int | None) -> Tensor:
    """Minus the log probability of what the attacker wants: any class but the label, or the target.

    Unlike the label's own log probability, whose slope is zero where the network is sure, this
    pulls hardest on the pictures that are still read rightly.
    """
    classes = logits.shape[1]
    for name, value in (("label", label), ("target", target)):
        if value is not None and not 0 <= value < classes:
            raise ValueError(f"{name} is {value}; the network knows the classes 0 to {classes - 1}")
    if target == label:
        raise ValueError(f"the target {target} is the true label: choose another class")
    log_probabilities = logits.log_softmax(dim=1)
    if target is not None:
        return -log_probabilities[:, target].mean()
    others = torch.arange(classes) != label
    return -torch.logsumexp(log_probabilities[:, others], dim=1).mean()


def _check(network: nn.Module, start: Patch, mask: Mask) -> None:
    if network.training:
        raise ValueError("the network is in training mode: call network.eval() before attacking it")
    if mask.shape != (1, *start.shape[1:]):
        raise ValueError(
            f"the mask must be (1, height, width) of the patch {tuple(start.shape)}, "
            f"got {tuple(mask.shape)}"
        )
    if not (mask > 0.5).any():
        raise ValueError("the mask is empty: it leaves the attacker no pixel to change")
    check_colours(start, "the patch")


# --- masks and what fills them without an attack -----------------------------------------------


def sticker_mask(sign_mask: Mask) -> Mask:
    """Two bars across the sign, above and below its middle, where the sign is."""
    _, height, width = sign_mask.shape
    y = _steps(height).view(-1, 1)
    x = _steps(width).view(1, -1)
    bars = ((y.abs() - 0.46).abs() < 0.12) & (x.abs() < 0.56)
    return (bars & (sign_mask[0] > 0.99)).float()[None]


def glasses_mask(height: int, width: int) -> Mask:
    """The frames of a pair of glasses on a canvas whose lenses' middles are half a half-width out.

    The canvas is what `portraits.wear` puts before the eyes.
    """
    x = _steps(width).view(1, -1).abs()
    y = _steps(height).view(-1, 1) * height / width  # in the units of x
    outer = _rounded_box(x - 0.5, y, 0.46, 0.33, 0.14)
    inner = _rounded_box(x - 0.5, y, 0.29, 0.18, 0.10)
    bridge = (x < 0.1) & ((y + 0.06).abs() < 0.08)
    return (((outer < 0) & (inner > 0)) | bridge).float()[None]


def _steps(count: int) -> Float[Tensor, " count"]:
    return (torch.arange(count) + 0.5) * (2 / count) - 1


def _rounded_box(x: Tensor, y: Tensor, half_width: float, half_height: float, corner: float):
    """Signed distance to a box with round corners about the origin."""
    across, down = x.abs() - half_width + corner, y.abs() - half_height + corner
    outside = (across.clamp_min(0) ** 2 + down.clamp_min(0) ** 2).sqrt()
    return outside + torch.maximum(across, down).clamp(max=0) - corner


def random_patch(
    start: Patch,
    mask: Mask,
    generator: torch.Generator,
    block: int = 4,
) -> Patch:
    """Blocks of random printable colours inside the mask: what an attack must beat."""
    _, height, width = start.shape
    rows, columns = -(-height // block), -(-width // block)
    chosen = torch.randint(len(PRINTABLE), (rows, columns), generator=generator)
    blocks = PRINTABLE[chosen].permute(2, 0, 1)
    blocks = blocks.repeat_interleave(block, dim=1).repeat_interleave(block, dim=2)
    return torch.where(mask > 0.5, blocks[:, :height, :width], start)


def plain_patch(start: Patch, mask: Mask, level: float) -> Patch:
    """One grey inside the mask: 1 for white stickers, 0 for black frames."""
    if not 0 <= level <= 1:
        raise ValueError(f"level is {level}; it must lie in [0, 1]")
    return torch.where(mask > 0.5, torch.full_like(start, level), start)
