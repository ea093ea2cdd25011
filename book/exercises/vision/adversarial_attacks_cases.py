"""Cases of the exercises on adversarial attacks: inputs drawn from a seed, tolerances, wrong answers."""

import numpy as np
import torch

from companion.exercises import Exercise


def worst_case_loss_inputs(rng: np.random.Generator) -> list[dict]:
    """Both classes, with pixels at the ends of their range, and one score of thousands."""
    cases = []
    for label, scale in ((1, 1.0), (-1, 1.0), (1, 3.0), (-1, 5000.0)):
        image = rng.uniform(0, 1, 12)
        image[:4] = [0, 0, 1, 1]
        weights = scale * rng.normal(0, 1, 12)
        # The first four ask the attacker to leave [0, 1].
        weights[:4] = np.abs(weights[:4]) * [label, label, -label, -label]
        score = rng.uniform(-1, 1) if scale < 10 else 10_000.0
        cases.append(
            {
                "weights": weights,
                "bias": float(score - weights @ image),
                "image": image,
                "label": label,
                "epsilon": float(rng.uniform(0.05, 0.3)),
            }
        )
    return cases


WORST_CASE_LOSS = Exercise(
    function="worst_case_loss",
    kind="number",
    level=1,
    points=2,
    minutes=10,
    inputs=worst_case_loss_inputs,
    wrong={
        "pixels kept between 0 and 1": """
def worst_case_loss(weights, bias, image, label, epsilon):
    worst = np.clip(image - epsilon * label * np.sign(weights), 0, 1)
    return float(np.logaddexp(0, -label * (weights @ worst + bias)))
""",
        "the label before the norm as well": """
def worst_case_loss(weights, bias, image, label, epsilon):
    score = weights @ image + bias
    return float(np.logaddexp(0, label * (epsilon * np.abs(weights).sum() - score)))
""",
        "the weights' Euclidean norm": """
def worst_case_loss(weights, bias, image, label, epsilon):
    worst = label * (weights @ image + bias) - epsilon * np.linalg.norm(weights)
    return float(np.logaddexp(0, -worst))
""",
        "weights of opposite signs cancel": """
def worst_case_loss(weights, bias, image, label, epsilon):
    worst = label * (weights @ image + bias) - epsilon * abs(weights.sum())
    return float(np.logaddexp(0, -worst))
""",
        "overflows": """
def worst_case_loss(weights, bias, image, label, epsilon):
    worst = label * (weights @ image + bias) - epsilon * np.abs(weights).sum()
    return float(np.log(1 + np.exp(-worst)))
""",
    },
)


def success_rate_inputs(rng: np.random.Generator) -> list[dict]:
    """Attacks that also turn some wrong answers right; and a model that had no answer right."""
    cases = []
    for images, skill in ((60, 1.2), (45, 2.0), (12, -9.0)):
        labels = rng.integers(0, 5, images)
        own = np.eye(5)[labels]
        cases.append(
            {
                "clean_logits": torch.from_numpy(
                    rng.normal(0, 1, (images, 5)) + skill * own
                ),
                "attacked_logits": torch.from_numpy(
                    rng.normal(0, 1, (images, 5)) + 0.5 * own
                ),
                "labels": torch.from_numpy(labels),
            }
        )
    return cases


SUCCESS_RATE = Exercise(
    function="success_rate",
    kind="bug",
    level=1,
    points=2,
    minutes=10,
    inputs=success_rate_inputs,
    wrong={
        "the loss of accuracy, as a share of it": """
def success_rate(clean_logits, attacked_logits, labels):
    before = (clean_logits.argmax(dim=1) == labels).double().mean().item()
    after = (attacked_logits.argmax(dim=1) == labels).double().mean().item()
    return max(0.0, (before - after) / before) if before else 0.0
""",
        "the share of all images, not of those that were right": """
def success_rate(clean_logits, attacked_logits, labels):
    right_before = clean_logits.argmax(dim=1) == labels
    wrong_after = attacked_logits.argmax(dim=1) != labels
    return (right_before & wrong_after).double().mean().item()
""",
        "every changed answer": """
def success_rate(clean_logits, attacked_logits, labels):
    changed = clean_logits.argmax(dim=1) != attacked_logits.argmax(dim=1)
    return changed.double().mean().item()
""",
        "as found": """
success_rate = success_rate_as_found
""",
    },
)


def softmax_fgsm_inputs(rng: np.random.Generator) -> list[dict]:
    """Models that are often wrong; pixels at both ends of the range; once with logits of thousands."""
    cases = []
    for targeted, scale in ((False, 1.0), (True, 1.0), (False, 3000.0)):
        images = rng.uniform(0, 1, (30, 9))
        images[:, 0], images[:, 1] = 0, 1
        weights = rng.normal(0, 1, (9, 4)) * scale
        biases = rng.normal(0, 2, 4)
        logits = images @ weights + biases
        labels = rng.integers(0, 4, 30)
        if scale > 1:
            # Right answers so confident have no gradient left.
            labels = logits.argmin(axis=1)
        cases.append(
            {
                "images": images,
                "labels": labels,
                "weights": weights,
                "biases": biases,
                "epsilon": float(rng.uniform(0.05, 0.3)),
                "targeted": targeted,
            }
        )
    return cases


SOFTMAX_FGSM = """
def softmax_fgsm(images, labels, weights, biases, epsilon, targeted):
    logits = images @ weights + biases
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    slopes = odds / odds.sum(axis=1, keepdims=True)
    slopes[np.arange(len(labels)), labels] -= 1
    gradient = slopes @ weights.T
    step = -epsilon if targeted else epsilon
    return np.clip(images + step * np.sign(gradient), 0, 1)
"""
WRONG_FGSM = {
    "the model's answer in the place of the label": SOFTMAX_FGSM.replace(
        "    odds =",
        "    labels = labels if targeted else logits.argmax(axis=1)\n    odds =",
    ),
    "away from the class aimed at": SOFTMAX_FGSM.replace(
        "-epsilon if targeted else epsilon", "epsilon"
    ),
    "the batch's largest logit subtracted": SOFTMAX_FGSM.replace(
        "logits.max(axis=1, keepdims=True)", "logits.max()"
    ),
    "the softmax over the whole batch": SOFTMAX_FGSM.replace(
        "odds.sum(axis=1, keepdims=True)", "odds.sum()"
    ),
    "biases forgotten": SOFTMAX_FGSM.replace(" + biases", ""),
    "against the label's own weights alone": SOFTMAX_FGSM.replace(
        "slopes @ weights.T", "-weights[:, labels].T"
    ),
    "pixels leave the range": SOFTMAX_FGSM.replace(
        "np.clip(images + step * np.sign(gradient), 0, 1)",
        "images + step * np.sign(gradient)",
    ),
    "the gradient, not its sign": SOFTMAX_FGSM.replace(
        "np.sign(gradient)", "gradient"
    ),
}

FAST_GRADIENT_SIGN = Exercise(
    function="softmax_fgsm",
    kind="write",
    level=2,
    points=4,
    minutes=20,
    inputs=softmax_fgsm_inputs,
    wrong=WRONG_FGSM,
)


def pgd_inputs(rng: np.random.Generator) -> list[dict]:
    """Curved networks, pixels at the ends of their range, steps that overshoot; once epsilon is 0."""
    cases = []
    for epsilon in (float(rng.uniform(0.1, 0.3)), 0.25, 0.0):
        images = rng.uniform(0, 1, (8, 12))
        images[:, 0], images[:, 1] = 0, 1
        cases.append(
            {
                "images": torch.from_numpy(images),
                "labels": torch.from_numpy(rng.integers(0, 4, 8)),
                "noise": torch.from_numpy(rng.uniform(-1, 1, (8, 12))),
                "epsilon": epsilon,
                "step_size": epsilon / 2 if epsilon else 0.1,
                "steps": 7,
                "first": torch.from_numpy(rng.normal(0, 1.2, (12, 16))),
                "second": torch.from_numpy(rng.normal(0, 0.5, (16, 4))),
            }
        )
    return cases


PGD_LOOP = """
def pgd(images, labels, noise, epsilon, step_size, steps, first, second):
    low, high = (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)
    current = (images + epsilon * noise).clamp(low, high)
    for _ in range(steps):
        direction = input_gradient(current, labels, first, second).sign()
        current = (current + step_size * direction).clamp(low, high)
    return current
"""
WRONG_PGD = {
    "projected once, at the end": PGD_LOOP.replace(
        "(current + step_size * direction).clamp(low, high)",
        "current + step_size * direction",
    ).replace("return current", "return current.clamp(low, high)"),
    "the gradient of the original image at every step": PGD_LOOP.replace(
        "input_gradient(current,", "input_gradient(images,"
    ),
    "projected around the last point": PGD_LOOP.replace(
        "        current = (current",
        "        low, high = (current - epsilon).clamp(min=0), (current + epsilon).clamp(max=1)\n"
        "        current = (current",
    ),
    "kept in the range, not near the image": PGD_LOOP.replace(
        "(low, high)", "(0, 1)"
    ),
    "near the image, not in the range": PGD_LOOP.replace(
        ".clamp(min=0), ", ", "
    ).replace(".clamp(max=1)", ""),
    "the noise not scaled": PGD_LOOP.replace("epsilon * noise", "noise"),
    "no random start": PGD_LOOP.replace(" + epsilon * noise", ""),
}

PGD = Exercise(
    function="pgd",
    kind="write",
    level=2,
    points=4,
    minutes=20,
    inputs=pgd_inputs,
    wrong=WRONG_PGD,
)


def keep_strongest_inputs(rng: np.random.Generator) -> list[dict]:
    """Images of many fates: margin and loss disagree for some, others are fooled once and then not."""
    cases = []
    for restarts, images, classes in ((5, 30, 4), (7, 20, 6)):
        labels = rng.integers(0, classes, images)
        logits = rng.normal(0, 1, (restarts, images, classes))
        logits += rng.uniform(0, 3, (images, 1)) * np.eye(classes)[labels]
        cases.append(
            {
                "candidates": torch.from_numpy(
                    rng.uniform(0, 1, (restarts, images, 3))
                ),
                "logits": torch.from_numpy(logits),
                "labels": torch.from_numpy(labels),
            }
        )
    return cases


KEEP_STRONGEST = """
def keep_strongest(candidates, logits, labels):
    is_label = torch.arange(logits.shape[2]) == labels[:, None]
    own = logits.masked_fill(~is_label, -math.inf).amax(dim=2)
    others = logits.masked_fill(is_label, -math.inf).amax(dim=2)
    margins = own - others
    kept = candidates[margins.argmin(dim=0), torch.arange(len(labels))]
    least = margins.cummin(dim=0).values
    return kept, (least > 0).double().mean(dim=1)
"""

STRONGEST = Exercise(
    function="keep_strongest",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=keep_strongest_inputs,
    wrong={
        "the candidate with the highest loss": KEEP_STRONGEST.replace(
            "margins.argmin(dim=0)",
            "(own - logits.logsumexp(dim=2)).argmin(dim=0)",
        ),
        "each restart's own accuracy": KEEP_STRONGEST.replace(
            "margins.cummin(dim=0).values", "margins"
        ),
        "the lowest accuracy so far": KEEP_STRONGEST.replace(
            "return kept, (least > 0).double().mean(dim=1)",
            "return kept, (margins > 0).double().mean(dim=1).cummin(dim=0).values",
        ),
        "one restart for all images": KEEP_STRONGEST.replace(
            "margins.argmin(dim=0)", "margins.mean(dim=1).argmin()"
        ),
        "the label's logit is one of the others": KEEP_STRONGEST.replace(
            "logits.masked_fill(is_label, -math.inf).amax(dim=2)",
            "logits.amax(dim=2)",
        ).replace("least > 0", "least >= 0"),
    },
)


def normalised_fgsm_inputs(rng: np.random.Generator) -> list[dict]:
    """Networks that answer differently to pixels as they are; channels with unlike deviations."""
    cases = []
    for epsilon in (0.02, float(rng.uniform(0.05, 0.2))):
        images = rng.uniform(0, 1, (6, 3, 4, 4))
        images[:, :, 0, 0], images[:, :, 0, 1] = 0, 1
        cases.append(
            {
                "images": torch.from_numpy(images),
                "labels": torch.from_numpy(rng.integers(0, 4, 6)),
                "mean": torch.from_numpy(rng.uniform(0.3, 0.6, 3)),
                "std": torch.from_numpy(rng.permutation([0.15, 0.22, 0.3])),
                "epsilon": epsilon,
                "first": torch.from_numpy(rng.normal(0, 0.3, (48, 16))),
                "second": torch.from_numpy(rng.normal(0, 0.5, (16, 4))),
            }
        )
    return cases


NORMALISED_FGSM = Exercise(
    function="normalised_fgsm",
    kind="bug",
    level=2,
    points=3,
    minutes=15,
    inputs=normalised_fgsm_inputs,
    wrong={
        "the normalisation thrown out": """
def normalised_fgsm(images, labels, mean, std, epsilon, first, second):
    gradient = input_gradient(images.flatten(1), labels, first, second)
    return (images + epsilon * gradient.sign().view_as(images)).clamp(0, 1)
""",
        "one deviation for all channels": """
def normalised_fgsm(images, labels, mean, std, epsilon, first, second):
    return normalised_fgsm_as_found(images, labels, mean, std, epsilon / std.mean(), first, second)
""",
        "multiplied instead of divided": """
def normalised_fgsm(images, labels, mean, std, epsilon, first, second):
    mean, std = mean[:, None, None], std[:, None, None]
    inputs = (images - mean) / std
    gradient = input_gradient(inputs.flatten(1), labels, first, second)
    attacked = inputs + epsilon * std * gradient.sign().view_as(inputs)
    return (attacked * std + mean).clamp(0, 1)
""",
        "normalised values cut to pixels' range": """
def normalised_fgsm(images, labels, mean, std, epsilon, first, second):
    mean, std = mean[:, None, None], std[:, None, None]
    inputs = (images - mean) / std
    gradient = input_gradient(inputs.flatten(1), labels, first, second)
    attacked = (inputs + epsilon / std * gradient.sign().view_as(inputs)).clamp(0, 1)
    return attacked * std + mean
""",
        "as found": """
normalised_fgsm = normalised_fgsm_as_found
""",
    },
)


def expected_gradient_inputs(rng: np.random.Generator) -> list[dict]:
    """Photographs that differ so much that the network says different things to them."""
    cases = []
    for count in (3, 6):
        mask = rng.random((5, 6)) < 0.4
        mask[2, 3] = True
        cases.append(
            {
                "sticker": torch.from_numpy(rng.uniform(0, 1, (5, 6))),
                "mask": torch.from_numpy(mask),
                "sign": torch.from_numpy(rng.uniform(0, 1, (5, 6))),
                "target": int(rng.integers(0, 4)),
                "shifts": [
                    (int(down), int(right))
                    for down, right in rng.integers(-2, 3, (count, 2))
                ],
                "lights": rng.uniform(0.3, 1.0, count).tolist(),
                "first": torch.from_numpy(rng.normal(0, 0.5, (30, 12))),
                "second": torch.from_numpy(rng.normal(0, 1, (12, 4))),
            }
        )
    return cases


BY_HAND = """
def expected_gradient(sticker, mask, sign, target, shifts, lights, first, second):
    thing = torch.where(mask, sticker, sign)
    total = torch.zeros_like(sticker)
    for shift, light in zip(shifts, lights):
        picture = photograph(thing, shift, light)
        gradient = input_gradient(picture.reshape(1, -1), torch.tensor([target]), first, second)
        total += light * photograph(gradient.view_as(sticker), (-shift[0], -shift[1]), 1.0)
    return total * mask / len(shifts)
"""

EXPECTED_GRADIENT = Exercise(
    function="expected_gradient",
    kind="write",
    level=3,
    points=5,
    minutes=25,
    inputs=expected_gradient_inputs,
    wrong={
        "the loss of the mean photograph": """
def expected_gradient(sticker, mask, sign, target, shifts, lights, first, second):
    sticker = sticker.detach().requires_grad_()
    thing = torch.where(mask, sticker, sign)
    pictures = [photograph(thing, shift, light) for shift, light in zip(shifts, lights)]
    mean = torch.stack(pictures).mean(dim=0).reshape(1, -1)
    loss = torch.nn.functional.cross_entropy(network(mean, first, second), torch.tensor([target]))
    return torch.autograd.grad(loss, sticker)[0]
""",
        "the sticker on a sign that stays where it is": BY_HAND.replace(
            "photograph(thing, shift, light)",
            "light * torch.where(mask.roll(shift, dims=(0, 1)), sticker.roll(shift, dims=(0, 1)), sign)",
        ),
        "only the sticker in another light": BY_HAND.replace(
            "photograph(thing, shift, light)",
            "photograph(torch.where(mask, light * sticker, sign), shift, 1.0)",
        ),
        "the gradient is not dimmed": BY_HAND.replace("+= light * ", "+= "),
        "the gradient goes on instead of back": BY_HAND.replace(
            "(-shift[0], -shift[1])", "shift"
        ),
        "the sum over photographs": BY_HAND.replace(" / len(shifts)", ""),
        "also outside the mask": BY_HAND.replace(" * mask", ""),
    },
)


def margins(
    pixels: np.ndarray,
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Each image's margin, (images,), and its gradient, (images, pixels)."""
    hidden = np.tanh(pixels @ first)
    logits = hidden @ second
    rows = np.arange(len(labels))
    own = logits[rows, labels]
    logits[rows, labels] = -np.inf
    rival = logits.argmax(axis=1)
    slopes = (second[:, labels] - second[:, rival]).T * (1 - hidden**2)
    return own - logits[rows, rival], slopes @ first.T


def fool_inputs(rng: np.random.Generator) -> list[dict]:
    """Three networks, their second layers of ordinary size, a hundred and a hundred thousand times that.

    All images can be fooled within less than epsilon; about a third of them not by one step.
    """
    cases = []
    for scale in (1.0, 100.0, 100_000.0):
        pixels, hidden = int(rng.integers(300, 601)), int(rng.integers(20, 33))
        classes = int(rng.integers(3, 7))
        epsilon = float(rng.uniform(0.03, 0.05))
        first = 20 / pixels**0.5 * rng.normal(0, 1, (pixels, hidden))
        first -= first.mean(axis=0)
        second = scale * rng.normal(0, 1, (hidden, classes))
        images = rng.uniform(0, 1, (240, pixels))
        labels = (np.tanh(images @ first) @ second).argmax(axis=1)
        rest = labels, first, second

        def stepped(start, size, images=images, rest=rest, most=epsilon):
            slopes = margins(start, *rest)[1]
            low, high = (images - most).clip(0), (images + most).clip(max=1)
            return np.clip(start - size * np.sign(slopes), low, high)

        once = margins(stepped(images, epsilon), *rest)[0] < 0
        current = images
        for _ in range(30):
            current = stepped(current, epsilon / 8, most=0.9 * epsilon)
        often = margins(current, *rest)[0] < 0
        hard, easy = np.flatnonzero(often & ~once), np.flatnonzero(often & once)
        hard = hard[:20]
        chosen = rng.permutation(np.concatenate([hard, easy[: 60 - len(hard)]]))
        cases.append(
            {
                "images": torch.from_numpy(images[chosen]).float(),
                "labels": torch.from_numpy(labels[chosen]),
                "first": torch.from_numpy(first).float(),
                "second": torch.from_numpy(second).float(),
                "epsilon": epsilon,
                "seed": int(rng.integers(1000)),
            }
        )
    return cases


def still_right(answer: torch.Tensor, drawn: dict) -> float:
    """The share of the images that are still right; inf if one of them is out of bounds."""
    found, images = answer.double().numpy(), drawn["images"].double().numpy()
    within = abs(found - images) <= drawn["epsilon"] + 1e-6
    in_range = (found >= -1e-6) & (found <= 1 + 1e-6)
    if not (within & in_range).all():
        return float("inf")
    weights = (drawn[name].double().numpy() for name in ("first", "second"))
    return float(
        (margins(found, drawn["labels"].numpy(), *weights)[0] > 0).mean()
    )


DESCENT = """
def fool(images, labels, first, second, epsilon, seed):
    generator = torch.Generator().manual_seed(seed)
    low, high = (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)
    strongest = images.clone()
    for restart in range(RESTARTS):
        current = low + (high - low) * torch.rand(images.shape, generator=generator)
        for _ in range(STEPS):
            gradient = GRADIENT
            current = (current + epsilon / 4 * gradient.sign()).clamp(low, high)
            wrong = network(current, first, second).argmax(dim=1) != labels
            strongest[wrong] = current[wrong]
    return strongest
""".replace("RESTARTS", "3").replace("STEPS", "40")

FOOL = Exercise(
    function="fool",
    kind="behaviour",
    level=3,
    points=7,
    minutes=40,
    inputs=fool_inputs,
    measure=still_right,
    threshold=0.05,
    assigned=True,
    wrong={
        "a temperature that suits the public network": DESCENT.replace(
            "GRADIENT", "input_gradient(current, labels, first, second / 100)"
        ),
        "the cross-entropy in double precision": DESCENT.replace(
            "GRADIENT",
            "input_gradient(current.double(), labels, first.double(), second.double()).sign().float()",
        ),
        "the cross-entropy": DESCENT.replace(
            "GRADIENT", "input_gradient(current, labels, first, second)"
        ),
        "one step along the margin's gradient": """
def fool(images, labels, first, second, epsilon, seed):
    pixels = images.clone().requires_grad_()
    logits = network(pixels, first, second)
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -math.inf).max(dim=1).values
    (gradient,) = torch.autograd.grad((own - others).sum(), pixels)
    return (images - epsilon * gradient.sign()).clamp(0, 1)
""",
        "the best of two hundred random corners": """
def fool(images, labels, first, second, epsilon, seed):
    generator = torch.Generator().manual_seed(seed)
    strongest = images.clone()
    for _ in range(200):
        signs = torch.rand(images.shape, generator=generator).round() * 2 - 1
        current = (images + epsilon * signs).clamp(0, 1)
        wrong = network(current, first, second).argmax(dim=1) != labels
        strongest[wrong] = current[wrong]
    return strongest
""",
    },
)

EXERCISES = [
    WORST_CASE_LOSS,
    SUCCESS_RATE,
    FAST_GRADIENT_SIGN,
    PGD,
    STRONGEST,
    NORMALISED_FGSM,
    EXPECTED_GRADIENT,
    FOOL,
]
