"""Chapter 3.11, attacks: perturbations of at most epsilon a pixel that raise the loss.

All of them take images in [0, 1] and return images in [0, 1], so a network that wants normalised
images must hold its normalisation inside (`model.Normalised`). All want a model in evaluation mode.
``targets`` asks for a class instead of an error: the loss of the targets is then lowered.

What each refuses, with a ``ValueError``: pixels outside [0, 1], an epsilon outside [0, 1], labels
that are not classes, steps or restarts below 1, a negative step size, and a model in training
mode.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Images = Float[Tensor, "batch channels height width"]
Labels = Int[Tensor, " batch"]

# Images to a pass on a processor: what the layers of more hold at once does not fit its cache, and
# a batch of 256 takes a third longer.
SLICE = 64


def input_gradient(model: nn.Module, images: Images, labels: Labels) -> Images:
    """Gradient of every image's cross-entropy with respect to its own pixels.

    The losses are summed, not averaged: an image's gradient does not depend on what else is in the
    batch, and small ones are not made smaller still. No gradient of a weight is computed.
    """
    slices = SLICE if images.device.type == "cpu" else len(images)
    parts = zip(images.detach().split(slices), labels.split(slices), strict=True)
    return torch.cat([_slice_gradient(model, *part) for part in parts])


def _slice_gradient(model: nn.Module, images: Images, labels: Labels) -> Images:
    pixels = images.requires_grad_()
    with torch.enable_grad():
        logits = model(pixels)
        _check_labels(labels, logits)
        loss = cross_entropy(logits, labels).sum()
    return torch.autograd.grad(loss, pixels)[0]


def cross_entropy(
    logits: Float[Tensor, "batch classes"], labels: Labels
) -> Float[Tensor, " batch"]:
    """Each image's cross-entropy, in a form whose gradient stays right where a network is sure.

    The usual form's gradient by the label's logit is p - 1. Single precision rounds that to a few
    values or to 0 once p is within 1e-6 of 1, while the other logits' parts keep their digits: the
    sum then has the wrong sign at many pixels, and the network looks harder to fool than it is.
    """
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(dim=1)
    return nn.functional.softplus(others - own)


def fgsm(
    model: nn.Module,
    images: Images,
    labels: Labels,
    epsilon: float,
    *,
    targets: Labels | None = None,
) -> Images:
    """The fast gradient sign method, x + epsilon sign(gradient).

    Section 4 of Goodfellow et al. (2014). With targets it is the one-step target class method,
    which steps down the targets' loss.
    """
    _check(model, images, labels, epsilon, targets)
    return _ascend(model, images, images, labels, epsilon, 1, epsilon, targets)


def iterated_fgsm(
    model: nn.Module,
    images: Images,
    labels: Labels,
    epsilon: float,
    *,
    steps: int,
    step_size: float,
    targets: Labels | None = None,
) -> Images:
    """Several smaller steps, each followed by a projection, from the image itself.

    Known as the basic iterative method; `pgd` without its random start.
    """
    _check(model, images, labels, epsilon, targets)
    _check_steps(steps, step_size)
    return _ascend(model, images, images, labels, epsilon, steps, step_size, targets)


def pgd(
    model: nn.Module,
    images: Images,
    labels: Labels,
    epsilon: float,
    *,
    steps: int,
    step_size: float,
    generator: torch.Generator,
    restarts: int = 1,
    targets: Labels | None = None,
) -> Images:
    """Projected gradient descent on the negative loss (Madry et al. 2017, section 2.1).

    Each restart begins at a point drawn uniformly from the box of side 2 epsilon around the image,
    cut to [0, 1]. Of an image's restarts the one with the least `margin` is kept, so an image that
    any of them fools comes back fooled. The first r of more restarts are those that ``restarts=r``
    makes with the same generator, so the error never falls as restarts are added.
    """
    _check(model, images, labels, epsilon, targets)
    _check_steps(steps, step_size)
    if restarts < 1:
        raise ValueError(f"restarts must be at least 1, got {restarts}")
    strongest, least = images, torch.full_like(labels, torch.inf, dtype=images.dtype)
    for _ in range(restarts):
        noise = torch.rand(images.shape, generator=generator, device=generator.device)
        noise = (2 * noise - 1).to(images)
        start = (images + epsilon * noise).clamp_(0, 1)
        found = _ascend(model, images, start, labels, epsilon, steps, step_size, targets)
        if restarts == 1:
            return found
        margins = _attacked_margin(model, found, labels, targets)
        better = margins < least
        strongest = torch.where(better[:, None, None, None], found, strongest)
        least = torch.where(better, margins, least)
    return strongest


def margin(logits: Float[Tensor, "batch classes"], labels: Labels) -> Float[Tensor, " batch"]:
    """Logit of the label less the largest other logit: negative where the label does not win."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return own[:, 0] - others.max(dim=1).values


@torch.no_grad()
def _attacked_margin(
    model: nn.Module, images: Images, labels: Labels, targets: Labels | None
) -> Float[Tensor, " batch"]:
    """What the attacker lowers: the label's margin, or minus that of the target."""
    logits = model(images)
    return margin(logits, labels) if targets is None else -margin(logits, targets)


def _ascend(
    model: nn.Module,
    images: Images,
    start: Images,
    labels: Labels,
    epsilon: float,
    steps: int,
    step_size: float,
    targets: Labels | None,
) -> Images:
    """Signed gradient steps from ``start``, each projected to epsilon around ``images`` and [0, 1].

    The bounds are made once: projecting is then one clamp, and at epsilon 0 it is exact.
    """
    low, high = (images - epsilon).clamp_(min=0), (images + epsilon).clamp_(max=1)
    stride = step_size if targets is None else -step_size
    aim = labels if targets is None else targets
    current = start.detach().clone()
    for _ in range(steps):
        direction = input_gradient(model, current, aim).sign_()
        current.add_(direction, alpha=stride).clamp_(low, high)
    return current


# --- what is refused ---------------------------------------------------------------------------


def _check(
    model: nn.Module, images: Images, labels: Labels, epsilon: float, targets: Labels | None
) -> None:
    if any(module.training for module in model.modules()):
        raise ValueError(
            "the model is in training mode, where dropout and batch statistics would give the "
            "attack another network's gradient: call model.eval() first"
        )
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):  # also refuses NaN
        raise ValueError(
            f"images must be pixels in [0, 1], got {low:g} to {high:g}: divide bytes by 255, and "
            "leave normalisation to the model (Normalised)"
        )
    if not 0 <= epsilon <= 1:
        raise ValueError(
            f"epsilon must be in [0, 1], as pixels are, got {epsilon}: divide one in bytes by 255"
        )
    for name, classes in (("labels", labels), ("targets", targets)):
        if classes is not None and classes.shape != images.shape[:1]:
            raise ValueError(
                f"{name} must be one class an image, ({len(images)},), got {tuple(classes.shape)}"
            )


def _check_steps(steps: int, step_size: float) -> None:
    if steps < 1 or not step_size >= 0:
        raise ValueError(
            f"expected at least one step and a step size of 0 or more, got steps={steps} and "
            f"step_size={step_size}"
        )


def _check_labels(labels: Labels, logits: Float[Tensor, "batch classes"]) -> None:
    low, high = labels.aminmax()
    if low < 0 or high >= logits.shape[1]:
        raise ValueError(
            f"labels and targets must be classes from 0 to {logits.shape[1] - 1}, got {low} to "
            f"{high}: count them from 0, and check that the model is the data's"
        )
