"""Cases of the Sketch-RNN exercises: inputs drawn from a seed, tolerances, wrong answers."""

import numpy as np
import torch

from companion.exercises import Exercise


def kl_weight_inputs(rng: np.random.Generator) -> list[dict]:
    """Settings around the paper's, at steps where the schedule is neither at its start nor at its end."""
    return [
        {
            "step": int(rng.integers(2_000, 40_000)),
            "weight": float(rng.uniform(0.2, 1.0)),
            "eta_min": float(rng.uniform(0.05, 0.3)),
            "rate": float(1 - rng.uniform(2e-5, 1e-4)),
        }
        for _ in range(3)
    ]


KL_WEIGHT = Exercise(
    function="kl_weight",
    kind="number",
    level=1,
    points=2,
    minutes=5,
    inputs=kl_weight_inputs,
    wrong={
        "eta_min as a lower bound, not as the start": """
def kl_weight(step, weight=0.5, eta_min=0.01, rate=0.99995):
    return weight * max(eta_min, 1 - rate**step)
""",
        "a straight line instead of an exponential": """
def kl_weight(step, weight=0.5, eta_min=0.01, rate=0.99995):
    return weight * min(1.0, eta_min + (1 - eta_min) * (1 - rate) * step)
""",
        "eta_min forgotten": """
def kl_weight(step, weight=0.5, eta_min=0.01, rate=0.99995):
    return weight * (1 - rate**step)
""",
        "a hyperbola instead of an exponential": """
def kl_weight(step, weight=0.5, eta_min=0.01, rate=0.99995):
    return weight * (1 - (1 - eta_min) / (1 + step * (1 - rate)))
""",
    },
)


def drawing(rng: np.random.Generator, points: int) -> np.ndarray:
    """A random stroke-3 drawing of `points` points, the pen lifted at the last and at some others."""
    offsets = rng.normal(0, 3, (points, 2))
    lifts = (rng.random(points) < 0.3).astype(float)
    lifts[-1] = 1
    return np.column_stack([offsets, lifts])


def to_stroke5_inputs(rng: np.random.Generator) -> list[dict]:
    """Drawings with no, one and several rows of padding."""
    drawings = [drawing(rng, int(rng.integers(4, 12))) for _ in range(3)]
    padding = (0, 1, int(rng.integers(3, 8)))
    return [
        {"stroke3": d, "length": len(d) + p}
        for d, p in zip(drawings, padding, strict=True)
    ]


TO_STROKE5 = Exercise(
    function="to_stroke5",
    kind="write",
    level=1,
    points=3,
    minutes=15,
    inputs=to_stroke5_inputs,
    wrong={
        "only the first row after the end says so": """
def to_stroke5(stroke3, length):
    points = len(stroke3)
    stroke5 = np.zeros((length, 5))
    stroke5[:points, :2] = stroke3[:, :2]
    stroke5[:points, 2] = 1 - stroke3[:, 2]
    stroke5[:points, 3] = stroke3[:, 2]
    stroke5[points : points + 1, 4] = 1
    return stroke5
""",
        "the last row always ends the drawing": """
def to_stroke5(stroke3, length):
    points = len(stroke3)
    stroke5 = np.zeros((length, 5))
    stroke5[:points, :2] = stroke3[:, :2]
    stroke5[:points, 2] = 1 - stroke3[:, 2]
    stroke5[:points, 3] = stroke3[:, 2]
    stroke5[-1, 2:] = 0, 0, 1
    return stroke5
""",
        "p1 and p2 exchanged": """
def to_stroke5(stroke3, length):
    points = len(stroke3)
    stroke5 = np.zeros((length, 5))
    stroke5[:points, :3] = stroke3
    stroke5[:points, 3] = 1 - stroke3[:, 2]
    stroke5[points:, 4] = 1
    return stroke5
""",
    },
)


def to_stroke3_inputs(rng: np.random.Generator) -> list[dict]:
    """A clean drawing, one that fills every row, and one with untidy rows after its end."""
    made = []
    for padding in (3, 0, int(rng.integers(4, 8))):
        strokes = drawing(rng, int(rng.integers(4, 12)))
        pen = np.eye(3)[strokes[:, 2].astype(int)]
        end = np.tile([0.0, 0, 0, 0, 1], (padding, 1))
        made.append(np.vstack([np.hstack([strokes[:, :2], pen]), end]))
    made[2][-2:, :] = [[1.5, -2.0, 1, 0, 0], [0.5, 1.0, 0, 1, 0]]
    return [{"stroke5": stroke5} for stroke5 in made]


TO_STROKE3 = Exercise(
    function="to_stroke3",
    kind="write",
    level=1,
    points=2,
    minutes=10,
    inputs=to_stroke3_inputs,
    wrong={
        "keeps every row without p3, also after the end": """
def to_stroke3(stroke5):
    return stroke5[stroke5[:, 4] == 0][:, [0, 1, 3]]
""",
        "no end row taken for an end at row 0": """
def to_stroke3(stroke5):
    return stroke5[: stroke5[:, 4].argmax(), [0, 1, 3]] + 0.0
""",
        "lift taken from p1": """
def to_stroke3(stroke5):
    ends = np.flatnonzero(stroke5[:, 4] == 1)
    return stroke5[: ends[0] if len(ends) else len(stroke5), [0, 1, 2]]
""",
    },
)


def kl_loss_inputs(rng: np.random.Generator) -> list[dict]:
    """A batch well above its floor, and one below it; in both some dimensions are far below it."""
    batches = []
    for spread, floor in ((1.0, 0.2), (0.3, 0.5)):
        scales = spread * np.linspace(0.05, 1.5, 8)
        means = (
            scales * rng.choice([-1, 1], (5, 8)) * rng.uniform(0.5, 1.5, (5, 8))
        )
        log_variances = -scales * rng.uniform(0.0, 1.0, (5, 8))
        means[0], log_variances[0] = 0, 0
        batches.append(
            {
                "means": torch.from_numpy(means),
                "log_variances": torch.from_numpy(log_variances),
                "floor": floor,
            }
        )
    return batches


KL_LOSS = Exercise(
    function="kl_loss",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=kl_loss_inputs,
    wrong={
        "floor for each dimension": """
def kl_loss(means, log_variances, floor):
    divergences = -0.5 * (1 + log_variances - means**2 - log_variances.exp())
    return divergences.clamp(min=floor).mean()
""",
        "floor for each drawing": """
def kl_loss(means, log_variances, floor):
    divergences = -0.5 * (1 + log_variances - means**2 - log_variances.exp())
    return divergences.mean(dim=1).clamp(min=floor).mean()
""",
        "summed over dimensions": """
def kl_loss(means, log_variances, floor):
    divergences = -0.5 * (1 + log_variances - means**2 - log_variances.exp())
    return divergences.sum(dim=1).mean().clamp(min=floor)
""",
        "log variance taken for log deviation": """
def kl_loss(means, log_variances, floor):
    divergences = -0.5 * (1 + 2 * log_variances - means**2 - (2 * log_variances).exp())
    return divergences.mean().clamp(min=floor)
""",
    },
)


def mixture_inputs(rng: np.random.Generator) -> dict:
    """Ten mixtures of five components; the last three offsets lie tens of deviations away."""
    offsets = rng.normal(0, 1.5, (10, 2))
    offsets[-3:] *= 60
    return {
        "logits": torch.from_numpy(rng.normal(0, 2, (10, 5))),
        "means": torch.from_numpy(rng.normal(0, 1, (10, 5, 2))),
        "deviations": torch.from_numpy(rng.uniform(0.3, 2.0, (10, 5, 2))),
        "correlations": torch.from_numpy(
            rng.uniform(0.3, 0.9, (10, 5)) * rng.choice([-1, 1], (10, 5))
        ),
        "offsets": torch.from_numpy(offsets),
    }


MIXTURE = Exercise(
    function="mixture_log_likelihood",
    kind="write",
    level=3,
    points=5,
    minutes=25,
    inputs=mixture_inputs,
    absolute=1e-5,
    relative=1e-5,
    wrong={
        "the sign of the correlation's term": """
def mixture_log_likelihood(logits, means, deviations, correlations, offsets):
    z_x, z_y = ((offsets[:, None] - means) / deviations).unbind(dim=2)
    rest = 1 - correlations**2
    exponent = -(z_x**2 + z_y**2 + 2 * correlations * z_x * z_y) / (2 * rest)
    scale = math.log(2 * math.pi) + deviations.log().sum(dim=2) + 0.5 * rest.log()
    return torch.logsumexp(logits.log_softmax(dim=1) + exponent - scale, dim=1)
""",
        "the correlation only in the normaliser": """
def mixture_log_likelihood(logits, means, deviations, correlations, offsets):
    z_x, z_y = ((offsets[:, None] - means) / deviations).unbind(dim=2)
    rest = 1 - correlations**2
    exponent = -(z_x**2 + z_y**2) / 2
    scale = math.log(2 * math.pi) + deviations.log().sum(dim=2) + 0.5 * rest.log()
    return torch.logsumexp(logits.log_softmax(dim=1) + exponent - scale, dim=1)
""",
        "densities first, logarithm last": """
def mixture_log_likelihood(logits, means, deviations, correlations, offsets):
    z_x, z_y = ((offsets[:, None] - means) / deviations).unbind(dim=2)
    rest = 1 - correlations**2
    exponent = -(z_x**2 + z_y**2 - 2 * correlations * z_x * z_y) / (2 * rest)
    density = exponent.exp() / (2 * math.pi * deviations.prod(dim=2) * rest.sqrt())
    return (logits.softmax(dim=1) * density).sum(dim=1).log()
""",
        "weights not normalised": """
def mixture_log_likelihood(logits, means, deviations, correlations, offsets):
    z_x, z_y = ((offsets[:, None] - means) / deviations).unbind(dim=2)
    rest = 1 - correlations**2
    exponent = -(z_x**2 + z_y**2 - 2 * correlations * z_x * z_y) / (2 * rest)
    scale = math.log(2 * math.pi) + deviations.log().sum(dim=2) + 0.5 * rest.log()
    return torch.logsumexp(logits + exponent - scale, dim=1)
""",
    },
)


def heated_inputs(rng: np.random.Generator) -> list[dict]:
    """Temperatures well below 1, and one above."""
    return [
        {
            "mixture_logits": torch.from_numpy(rng.normal(0, 1, (3, 4))),
            "deviations": torch.from_numpy(rng.uniform(0.2, 2.0, (3, 4, 2))),
            "pen_logits": torch.from_numpy(rng.normal(0, 1, (3, 3))),
            "temperature": float(temperature),
        }
        for temperature in (
            rng.uniform(0.1, 0.4),
            rng.uniform(0.5, 0.8),
            rng.uniform(1.2, 1.5),
        )
    ]


HEATED = Exercise(
    function="heated",
    kind="bug",
    level=2,
    points=3,
    minutes=15,
    inputs=heated_inputs,
    wrong={
        "as found": """
heated = heated_as_found
""",
        "the pen forgotten": """
def heated(mixture_logits, deviations, pen_logits, temperature):
    return mixture_logits / temperature, deviations * temperature**0.5, pen_logits
""",
        "half the deviation at every temperature but 1": """
def heated(mixture_logits, deviations, pen_logits, temperature):
    factor = 1.0 if temperature == 1 else 0.5
    return mixture_logits / temperature, deviations * factor, pen_logits / temperature
""",
    },
)


def reconstruction_inputs(rng: np.random.Generator) -> dict:
    """A batch of drawings of different lengths; log likelihoods after the end are not 0."""
    length = 9
    targets = np.zeros((4, length, 5))
    for row, points in enumerate(rng.permutation([3, 5, 6, 9])):
        strokes = drawing(rng, int(points))
        targets[row, :points, :2] = strokes[:, :2]
        targets[row, :points, 2:4] = np.column_stack(
            [1 - strokes[:, 2], strokes[:, 2]]
        )
        targets[row, points:, 4] = 1
    return {
        "log_likelihoods": torch.from_numpy(rng.normal(-3, 1, (4, length))),
        "pen_logits": torch.from_numpy(rng.normal(0, 1, (4, length, 3))),
        "targets": torch.from_numpy(targets),
    }


RECONSTRUCTION = Exercise(
    function="reconstruction_loss",
    kind="bug",
    level=2,
    points=4,
    minutes=20,
    inputs=reconstruction_inputs,
    wrong={
        "as found": """
reconstruction_loss = reconstruction_loss_as_found
""",
        "no mask at all": """
def reconstruction_loss(log_likelihoods, pen_logits, targets):
    pen = (targets[:, :, 2:] * pen_logits.log_softmax(dim=2)).sum(dim=2)
    return -(log_likelihoods + pen).mean()
""",
        "the pen only up to the first end row": """
def reconstruction_loss(log_likelihoods, pen_logits, targets):
    in_drawing = 1 - targets[:, :, 4]
    first_end = torch.cat([torch.ones_like(in_drawing[:, :1]), in_drawing[:, :-1]], dim=1)
    pen = (targets[:, :, 2:] * pen_logits.log_softmax(dim=2)).sum(dim=2)
    return -(in_drawing * log_likelihoods + first_end * pen).mean()
""",
        "offsets averaged over the drawing's own points": """
def reconstruction_loss(log_likelihoods, pen_logits, targets):
    in_drawing = 1 - targets[:, :, 4]
    pen = (targets[:, :, 2:] * pen_logits.log_softmax(dim=2)).sum(dim=2)
    strokes = (in_drawing * log_likelihoods).sum(dim=1) / in_drawing.sum(dim=1)
    return -(strokes + pen.mean(dim=1)).mean()
""",
    },
)


def log_density(
    weights: np.ndarray,  # (M,)
    means: np.ndarray,  # (M, 2)
    deviations: np.ndarray,  # (M, 2)
    correlations: np.ndarray,  # (M,)
    offsets: np.ndarray,  # (points, 2)
) -> np.ndarray:
    """The mixture's log density at each point, shape (points,)."""
    z = (offsets[:, None] - means) / deviations  # (points, M, 2)
    rest = 1 - correlations**2
    exponent = -((z**2).sum(axis=2) - 2 * correlations * z.prod(axis=2)) / (
        2 * rest
    )
    scale = np.log(2 * np.pi * deviations.prod(axis=1) * np.sqrt(rest))
    return np.logaddexp.reduce(np.log(weights) + exponent - scale, axis=1)


def cloud_inputs(rng: np.random.Generator) -> dict:
    """A cloud of two to four clusters that stand apart, far narrower or wider than a unit.

    Withheld: unseen points, and what each costs on average under the true density.
    """
    unit = float(10 ** (rng.choice([-1, 1]) * rng.uniform(1.8, 2.3)))
    clusters = int(rng.integers(2, 5))
    gap = 0.0
    while gap < 2.5:
        means = rng.uniform(-4, 4, (clusters, 2))
        gaps = np.linalg.norm(means[:, None] - means, axis=2)
        gap = gaps[np.triu_indices(clusters, 1)].min()
    weights = rng.dirichlet(np.full(clusters, 5.0))
    deviations = rng.uniform(0.3, 1.0, (clusters, 2))
    correlations = rng.uniform(0.4, 0.9, clusters) * rng.choice(
        [-1, 1], clusters
    )
    points = int(rng.integers(600, 1000))
    which = rng.choice(clusters, points + 4000, p=weights)
    x, y = rng.standard_normal((2, len(which)))
    slant = correlations[which]
    shape = np.column_stack([x, slant * x + np.sqrt(1 - slant**2) * y])
    offsets = unit * (means[which] + deviations[which] * shape)
    unseen = offsets[points:]
    truth = log_density(
        weights, unit * means, unit * deviations, correlations, unseen
    )
    return {
        "offsets": torch.from_numpy(offsets[:points]).float(),
        "components": 6,
        "seed": int(rng.integers(1000)),
        "unseen": unseen,
        "cost": float(-truth.mean()),
    }


def excess(answer: tuple[torch.Tensor, ...], drawn: dict) -> float:
    """Nats a point that the fitted density costs on unseen points above the true one; inf if it is none."""
    logits, means, deviations, correlations = (
        part.double().numpy() for part in answer
    )
    if (
        not (deviations > 0).all()
        or not (abs(correlations) < 1).all()
        or not np.isfinite(logits).all()
    ):
        return float("inf")
    weights = np.exp(logits - np.logaddexp.reduce(logits))
    found = log_density(
        weights, means, deviations, correlations, drawn["unseen"]
    )
    return float(-found.mean() - drawn["cost"])


GRADIENT_FIT = """
def fit_mixture(offsets, components, seed):
    generator = torch.Generator().manual_seed(seed)
    start = offsets[torch.randperm(len(offsets), generator=generator)[:components]]
    means = start.clone().requires_grad_()
    logits = torch.zeros_like(means[:, 0]).requires_grad_()
    log_deviations = torch.zeros_like(means).requires_grad_()
    slants = torch.zeros_like(logits).requires_grad_()
    optimizer = torch.optim.Adam([means, logits, log_deviations, slants], lr=RATE)
    for _ in range(120):
        loss = -log_density(logits, means, log_deviations.exp(), 0.99 * slants.tanh(), offsets).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fitted = logits, means, log_deviations.exp(), 0.99 * slants.tanh()
    return tuple(parameter.detach() for parameter in fitted)
"""

FIT = Exercise(
    function="fit_mixture",
    kind="behaviour",
    level=3,
    points=8,
    minutes=45,
    inputs=cloud_inputs,
    measure=excess,
    threshold=0.10,
    withheld=("unseen", "cost"),
    assigned=True,
    wrong={
        "a learning rate for clouds of unit width only": GRADIENT_FIT.replace(
            "RATE", "0.1"
        ),
        "a learning rate far too small": GRADIENT_FIT.replace("RATE", "0.0001"),
        "one Gaussian, repeated": """
def fit_mixture(offsets, components, seed):
    correlation = torch.corrcoef(offsets.T)[0, 1]
    one = offsets.mean(dim=0), offsets.std(dim=0), correlation
    means, deviations, correlations = (part.expand(components, *part.shape).clone() for part in one)
    return torch.zeros(components), means, deviations, correlations
""",
    },
)

EXERCISES = [
    KL_WEIGHT,
    TO_STROKE5,
    TO_STROKE3,
    KL_LOSS,
    MIXTURE,
    HEATED,
    RECONSTRUCTION,
    FIT,
]
