"""Cases of the exercises on CycleGAN: inputs drawn from a seed, tolerances, wrong answers."""

import numpy as np
import torch

from companion.exercises import Exercise


def reflected_inputs(rng: np.random.Generator) -> list[dict]:
    """Borders smaller and larger than the picture, several mirrors away; a single row, a single pixel."""
    shapes = [(5, 7, 2), (3, 4, 3), (3, 2, 9), (1, 6, 2), (1, 1, 3)]
    return [
        {"picture": rng.normal(size=(rows, columns)), "border": border}
        for rows, columns, border in shapes
    ]


REFLECTED = """
def reflected(picture, border):
    def shown(size):
        places = np.arange(-border, size + border)
        return FOLD
    return picture[np.ix_(shown(picture.shape[0]), shown(picture.shape[1]))]
"""

REFLECTED_EXERCISE = Exercise(
    function="reflected",
    kind="write",
    level=1,
    points=2,
    minutes=10,
    inputs=reflected_inputs,
    wrong={
        "one mirror on each side": REFLECTED.replace(
            "FOLD",
            "np.clip(np.where(places < 0, -places, np.where(places < size, places, 2 * (size - 1) - places)), 0, size - 1)",
        ),
        "the outermost row is repeated": REFLECTED.replace(
            "FOLD",
            "np.minimum(places % (2 * size), 2 * size - 1 - places % (2 * size))",
        ),
        "the outermost row goes on": REFLECTED.replace(
            "FOLD", "np.clip(places, 0, size - 1)"
        ),
        "round and round": REFLECTED.replace("FOLD", "places % size"),
        "zeros": """
def reflected(picture, border):
    rows, columns = picture.shape
    found = np.zeros((rows + 2 * border, columns + 2 * border))
    found[border : border + rows, border : border + columns] = picture
    return found
""",
    },
)


def after_normalisation_inputs(rng: np.random.Generator) -> list[dict]:
    """Contrasts of either sign, some below the root of epsilon, some far below the brightness; once none."""
    cases = []
    for brightness, contrast in (
        (1.0, 1.0),
        (-2.0, -3.0),
        (0.5, 1e-3),
        (3e7, -0.5),
        (-5e8, 2.0),
        (1.0, 0.0),
    ):
        # Binary fractions, so that brightness and contrast add exactly.
        ground = round(brightness * rng.uniform(0.5, 1.5) * 1024) / 1024
        figure = ground + round(contrast * rng.uniform(1, 2) * 1024) / 1024
        cases.append(
            {
                "share": float(rng.uniform(0.05, 0.45)),
                "ground": ground,
                "figure": figure,
                "epsilon": float(rng.uniform(1e-6, 1e-4)),
            }
        )
    return cases


NORMALISED = """
def after_normalisation(share, ground, figure, epsilon):
    mean = (1 - share) * ground + share * figure
    variance = VARIANCE
    scale = SCALE
    return (ground - mean) / scale, (figure - mean) / scale
"""
VARIANCE = "share * (1 - share) * (figure - ground) ** 2"

AFTER_NORMALISATION = Exercise(
    function="after_normalisation",
    kind="number",
    level=1,
    points=2,
    minutes=10,
    inputs=after_normalisation_inputs,
    wrong={
        "the mean of the squares less the square of the mean": NORMALISED.replace(
            "VARIANCE",
            "max((1 - share) * ground**2 + share * figure**2 - mean**2, 0)",
        ).replace("SCALE", "math.sqrt(variance + epsilon)"),
        "epsilon beside the root": NORMALISED.replace(
            "VARIANCE", VARIANCE
        ).replace("SCALE", "math.sqrt(variance) + epsilon"),
        "the absolute contrast": """
def after_normalisation(share, ground, figure, epsilon):
    contrast = abs(figure - ground)
    scale = math.sqrt(share * (1 - share) * contrast**2 + epsilon)
    return -share * contrast / scale, (1 - share) * contrast / scale
""",
        "the variance of half and half": NORMALISED.replace(
            "VARIANCE", "(figure - ground) ** 2 / 4"
        ).replace("SCALE", "math.sqrt(variance + epsilon)"),
        "figure and ground exchanged": """
def after_normalisation(share, ground, figure, epsilon):
    contrast = figure - ground
    scale = math.sqrt(share * (1 - share) * contrast**2 + epsilon)
    return (1 - share) * contrast / scale, -share * contrast / scale
""",
    },
)


def generator_pulls_inputs(rng: np.random.Generator) -> list[dict]:
    """Scores near 0, scores of a sure discriminator, and thousands of either sign."""
    huge = rng.uniform(1000, 5000, 2) * [1, -1]
    return [
        {"scores": rng.normal(0, 2, 7)},
        {"scores": rng.normal(0, 15, 4)},
        {"scores": np.concatenate([rng.normal(0, 1, 3), huge])},
    ]


PULLS = """
def generator_pulls(scores):
    chance = CHANCE
    return np.stack([FIRST, SECOND, THIRD]) / len(scores)
"""
STABLE = "(1 + np.tanh(scores / 2)) / 2"


def pulls(
    chance: str = STABLE,
    first: str = "-chance",
    second: str = "chance - 1",
    third: str = "2 * (scores - 1)",
) -> str:
    """The source of `generator_pulls` with these parts."""
    source = PULLS.replace("CHANCE", chance).replace("FIRST", first)
    return source.replace("SECOND", second).replace("THIRD", third)


GENERATOR_PULLS = Exercise(
    function="generator_pulls",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=generator_pulls_inputs,
    wrong={
        "overflows with large scores": pulls(
            chance="np.exp(scores) / (1 + np.exp(scores))"
        ),
        "cut to what does not overflow": pulls(
            chance="1 / (1 + np.exp(-np.clip(scores, -20, 20)))",
            third="2 * (np.clip(scores, -20, 20) - 1)",
        ),
        "least squares of the probability": pulls(
            third="2 * (chance - 1) * chance * (1 - chance)"
        ),
        "the sum of the losses": pulls().replace(" / len(scores)", ""),
        "the first two exchanged": pulls(first="chance - 1", second="-chance"),
        "the discriminator's pull": pulls(
            first="chance", second="1 - chance", third="2 * scores"
        ),
        "half of least squares": pulls(third="scores - 1"),
    },
)


def pairs_without_loss_inputs(rng: np.random.Generator) -> list[dict]:
    """Either domain the larger, equal ones, all shared, and counts beyond what a float holds."""
    small, more = int(rng.integers(2, 6)), int(rng.integers(1, 5))
    large = int(rng.integers(25, 40))
    sizes = [
        (small, small + more, 1),
        (small + more, small, 1),
        (small, small, small),
        (small + 2, small + 2, small),
        (large, large, int(rng.integers(1, 6))),
        (large, large + more, 0),
    ]
    return [{"a": a, "b": b, "shared": shared} for a, b, shared in sizes]


PAIRS = """
def pairs_without_loss(a, b, shared):
    forward = FORWARD
    both = BOTH
    return forward, both, SAME
"""


def pairs(
    forward: str = "math.perm(b, a) * a ** (b - a) if a <= b else 0",
    both: str = "math.factorial(a) if a == b else 0",
    same: str = "math.factorial(a - shared) if a == b else 0",
) -> str:
    """The source of `pairs_without_loss` with these parts."""
    source = PAIRS.replace("FORWARD", forward).replace("BOTH", both)
    return source.replace("SAME", same)


PAIRS_WITHOUT_LOSS = Exercise(
    function="pairs_without_loss",
    kind="number",
    level=2,
    points=3,
    minutes=15,
    inputs=pairs_without_loss_inputs,
    wrong={
        "counts that went through a float": pairs(
            forward="int(math.factorial(b) / math.factorial(b - a)) * a ** (b - a) if a <= b else 0",
            same="int(math.factorial(a) / math.perm(a, shared)) if a == b else 0",
        ),
        "F has no freedom": pairs(forward="math.perm(b, a)"),
        "G may give a picture twice": pairs(
            forward="b**a * a ** (b - a) if a <= b else 0"
        ),
        "both cycles count G and F apart": pairs(
            both="math.factorial(a) ** 2 if a == b else 0"
        ),
        "shared pictures change places among each other": pairs(
            same="math.factorial(a - shared) * math.factorial(shared) if a == b else 0"
        ),
        "the smaller domain decides": pairs(
            both="math.factorial(min(a, b))",
            same="math.factorial(min(a, b) - shared)",
        ),
    },
)


def objectives_inputs(rng: np.random.Generator) -> list[dict]:
    """Batches and pictures of different sizes in the two domains; once without identity loss."""
    cases = []
    for pictures, sides, identity in (
        ((3, 5), (6, 4), 0.5),
        ((1, 4), (5, 5), float(rng.uniform(0.2, 2))),
        ((2, 2), (4, 8), 0.0),
    ):
        shapes = [
            (n, side, side) for n, side in zip(pictures, sides, strict=True)
        ]
        patches = [
            (n, side - 2) for n, side in zip(pictures, sides, strict=True)
        ]
        # This step's fakes of A are made from B's batch, and of B from A's.
        fakes = [
            (n, side - 2) for n, side in zip(pictures[::-1], sides, strict=True)
        ]
        drawn = {
            name: tuple(rng.uniform(-1, 1, shape) for shape in shapes)
            for name in ("real", "cycled", "same")
        }
        for name, shape in (
            ("real_scores", patches),
            ("fake_scores", fakes),
            ("pool_scores", fakes),
        ):
            drawn[name] = tuple(rng.normal(0.5, 1, one) for one in shape)
        cycle = float(rng.uniform(2, 12))
        cases.append({**drawn, "cycle": cycle, "identity": identity})
    return cases


OBJECTIVES = """
def objectives(real, cycled, same, real_scores, fake_scores, pool_scores, cycle, identity):
    generators = discriminators = 0.0
    for domain in (0, 1):
        generators += ((fake_scores[domain] - 1) ** 2).mean()
        generators += cycle * CYCLED
        generators += WEIGHT * SAME
        discriminators += ((real_scores[domain] - 1) ** 2).mean() * HALF
        discriminators += (POOL[domain] ** 2).mean() * HALF
    return float(generators), float(discriminators)
"""


def objective(**parts: str) -> str:
    """The source of `objectives` with these parts."""
    usual = {
        "CYCLED": "abs(cycled[domain] - real[domain]).mean()",
        "SAME": "abs(same[domain] - real[domain]).mean()",
        "WEIGHT": "cycle * identity",
        "HALF": "0.5",
        "POOL": "pool_scores",
    }
    source = OBJECTIVES
    for name, part in (usual | parts).items():
        source = source.replace(name, part)
    return source


OBJECTIVES_EXERCISE = Exercise(
    function="objectives",
    kind="write",
    level=2,
    points=4,
    minutes=20,
    inputs=objectives_inputs,
    wrong={
        "one mean over both domains, doubled": """
def objectives(real, cycled, same, real_scores, fake_scores, pool_scores, cycle, identity):
    def mean(parts):
        return 2 * np.concatenate([part.ravel() for part in parts]).mean()
    generators = mean([(s - 1) ** 2 for s in fake_scores])
    generators += cycle * mean([abs(c - r) for c, r in zip(cycled, real)])
    generators += cycle * identity * mean([abs(s - r) for s, r in zip(same, real)])
    right = mean([(s - 1) ** 2 for s in real_scores]) + mean([s**2 for s in pool_scores])
    return float(generators), float(right / 2)
""",
        "identity always at half": objective(WEIGHT="cycle / 2"),
        "the fakes of this step instead of the pool's": objective(
            POOL="fake_scores"
        ),
        "the half forgotten": objective(HALF="1"),
        "lambda left out of the identity loss": objective(WEIGHT="identity"),
        "squared differences": objective(
            CYCLED="((cycled[domain] - real[domain]) ** 2).mean()",
            SAME="((same[domain] - real[domain]) ** 2).mean()",
        ),
        "the difference of the means": objective(
            CYCLED="abs((cycled[domain] - real[domain]).mean())"
        ),
        "the sum over the pixels": objective(
            CYCLED="abs(cycled[domain] - real[domain]).sum()"
        ),
    },
)


def pool_statistics_inputs(rng: np.random.Generator) -> list[dict]:
    """Large pools and small, every chance, a pool of one, and none at all."""
    cases = [{"capacity": 0, "chance": 0.5, "age": 3}]
    for capacity in (1, 2, int(rng.integers(10, 40)), 50):
        for age in (0, int(rng.integers(1, 80))):
            chance = float(rng.uniform(0.1, 0.9))
            cases.append({"capacity": capacity, "chance": chance, "age": age})
    return [*cases, {"capacity": 20, "chance": 1.0, "age": 7}]


STATISTICS = """
def pool_statistics(capacity, chance, age):
    NONE
    leaves = chance / capacity
    return chance, MEAN, OLDER
"""


def statistics(
    none: str = "if capacity == 0: return 0.0, 0.0, 0.0",
    mean: str = "float(capacity)",
    older: str = "chance * (1 - leaves) ** age",
) -> str:
    """The source of `pool_statistics` with these parts."""
    source = STATISTICS.replace("NONE", none).replace("MEAN", mean)
    return source.replace("OLDER", older)


POOL_STATISTICS = Exercise(
    function="pool_statistics",
    kind="number",
    level=2,
    points=3,
    minutes=15,
    inputs=pool_statistics_inputs,
    wrong={
        "a pool of none is divided by": statistics(none="pass"),
        "ages that fade evenly": statistics(
            older="chance * math.exp(-leaves * age)"
        ),
        "the mean age of the old ones": statistics(mean="capacity / chance"),
        "always one half": statistics(
            none="if capacity == 0: return 0.0, 0.0, 0.0\n    chance = 0.5"
        ),
        "that old or older": statistics(
            older="chance * (1 - leaves) ** (age - 1) if age else 1.0"
        ),
        "an exchange in every step": statistics(
            older="chance * (1 - 1 / capacity) ** age"
        ),
        "old ones alone": statistics(older="(1 - leaves) ** age"),
    },
)


def train_inputs(rng: np.random.Generator) -> list[dict]:
    """Pools that become full within a batch, between two, and never; several batches; rates of both."""
    cases = []
    for steps, batch, capacity in (
        (12, 4, 6),
        (20, 3, 4),
        (9, 5, 1),
        (6, 2, 50),
    ):
        shape = steps, batch
        cases.append(
            {
                "shift": torch.from_numpy(rng.normal(0, 1, 2)),
                "judge": torch.from_numpy(rng.normal(0, 0.3, 3)),
                "noise": torch.from_numpy(rng.normal(0, 1, (*shape, 2))),
                "real": torch.from_numpy(rng.normal(2, 1, (*shape, 2))),
                "coins": torch.from_numpy(rng.uniform(0, 1, shape)),
                "places": torch.from_numpy(rng.integers(0, capacity, shape)),
                "capacity": capacity,
                "generator_rate": float(rng.uniform(0.02, 0.1)),
                "judge_rate": float(rng.uniform(0.02, 0.1)),
            }
        )
    return cases


TRAIN = """
def train(shift, judge, noise, real, coins, places, capacity, generator_rate, judge_rate):
    shift = shift.detach().clone().requires_grad_()
    judge = judge.detach().clone().requires_grad_()
    pool = []
    for step in range(len(noise)):
        fakes = noise[step] + shift
        shown = []
        full = len(pool) >= capacity
        for fake, coin, place in zip(OFFERED, coins[step], places[step]):
            if FILLING:
                pool.append(fake)
                shown.append(fake)
            elif coin < 0.5:
                EXCHANGE
            else:
                shown.append(fake)
        BEFORE
        on_real = ((scores_of(real[step], judge) - 1) ** 2).mean()
        on_shown = (scores_of(torch.stack(shown), judge) ** 2).mean()
        ((on_real + on_shown) / 2).backward()
        with torch.no_grad():
            judge -= judge_rate * judge.grad
        AFTER
        with torch.no_grad():
            shift -= generator_rate * shift.grad
        shift.grad = judge.grad = None
    return shift.detach(), judge.detach()
"""


def training(**parts: str) -> str:
    """The source of `train` with these parts."""
    usual = {
        "OFFERED": "fakes.detach()",
        "FILLING": "len(pool) < capacity",
        "EXCHANGE": "shown.append(pool[place]); pool[place] = fake",
        "BEFORE": "",
        "AFTER": "((scores_of(fakes, judge) - 1) ** 2).mean().backward()",
    }
    source = TRAIN
    for name, part in (usual | parts).items():
        source = source.replace(name, part)
    return source


TRAIN_EXERCISE = Exercise(
    function="train",
    kind="bug",
    level=3,
    points=5,
    minutes=25,
    inputs=train_inputs,
    absolute=1e-8,
    relative=1e-8,
    wrong={
        "full or not is asked once a batch": training(
            FILLING="not full",
        ),
        "the generator goes by the old discriminator": training(
            BEFORE="wanted = torch.autograd.grad(((scores_of(fakes, judge) - 1) ** 2).mean(), shift)[0]",
            AFTER="shift.grad = wanted",
        ),
        "only the detach repaired": training(
            EXCHANGE="pool[place] = fake; shown.append(pool[place])"
        ),
        "only the pool repaired": training(OFFERED="fakes"),
        "what the pool keeps is detached, what is new is not": training(
            OFFERED="fakes",
            EXCHANGE="shown.append(pool[place].detach()); pool[place] = fake",
        ),
        "a copy of the place, not of its picture": training(
            EXCHANGE="shown.append(pool[place]); pool[(place + 1) % capacity] = fake"
        ),
        "the past is shown and stays": training(
            EXCHANGE="shown.append(pool[place])"
        ),
        "as found": "train = train_as_found\n",
    },
)


def two_clouds(
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Colours of A and of B, (64, 3) each, no partners; the factors (3,)."""
    small, large = rng.uniform(0.4, 0.5), rng.uniform(1.8, 2.1)
    factors = rng.permutation([small, rng.uniform(0.8, 1.2), large])
    a = rng.uniform(-1, 1, (64, 3))
    b = rng.uniform(-1, 1, (64, 3)) * factors
    return torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(factors)


def error_after(
    weights: np.ndarray,
    a: torch.Tensor,
    b: torch.Tensor,
    factors: torch.Tensor,
    starts: torch.Tensor,
    new: torch.Tensor,
) -> float:
    """Exercise 8's error after a training with these weights; infinity for negative ones."""
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        return float("inf")
    both = starts.clone().requires_grad_()
    optimizer = torch.optim.Adam([both], lr=0.03, betas=(0.5, 0.999))
    real_a, real_b = a.sort(dim=0).values, b.sort(dim=0).values

    def apart(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return (found - wanted).abs().mean(dim=(1, 2)).sum()

    for cycle, identity in weights.tolist():
        g, f = both
        fake_b, fake_a = a @ g, b @ f
        loss = 0.0
        for fake, wanted in ((fake_a, real_a), (fake_b, real_b)):
            gap = fake.sort(dim=1).values - wanted
            loss = loss + gap.square().mean(dim=(1, 2)).sum()
        if cycle:
            loss = loss + cycle * (apart(fake_b @ f, a) + apart(fake_a @ g, b))
        if identity:
            loss = loss + identity * (apart(b @ g, b) + apart(a @ f, a))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (new @ both.detach()[0] - new * factors).abs().mean().item()


def kept(cycle: float, identity: float, steps: int) -> np.ndarray:
    """Weights that stay the same, (steps, 2)."""
    return np.tile([cycle, identity], (steps, 1))


def faded(cycle: float, identity: float, steps: int) -> np.ndarray:
    """Weights whose identity loss fades over the first half of the steps, (steps, 2)."""
    weights = kept(cycle, identity, steps)
    weights[:, 1] *= np.maximum(1 - 2 * np.arange(steps) / steps, 0)
    return weights


def weights_inputs(rng: np.random.Generator) -> dict:
    """Two clouds and six starts, withheld: strong cycles reach 0.13, weak or constant ones 0.17."""
    steps = int(rng.integers(230, 301))
    while True:
        drawn = (
            *two_clouds(rng),
            torch.from_numpy(rng.normal(0, 0.5, (2, 6, 3, 3))),
            torch.from_numpy(rng.uniform(-1, 1, (200, 3))),
        )
        if (
            error_after(faded(0.3, 3.0, steps), *drawn) > 0.17
            and error_after(faded(3.0, 10.0, steps), *drawn) < 0.13
            and error_after(kept(0.2, 0.5, steps), *drawn) > 0.17
        ):
            break
    names = ("a", "b", "factors", "starts", "new")
    return {"steps": steps, **dict(zip(names, drawn, strict=True))}


def error_reached(answer: np.ndarray, drawn: dict) -> float:
    """Mean difference from the true partners, over all starts."""
    names = ("a", "b", "factors", "starts", "new")
    return error_after(answer, *(drawn[name] for name in names))


FADING = """
def weights(steps):
    left = np.maximum(1 - np.arange(steps) / (END * steps), 0)
    return np.stack([np.full(steps, CYCLE), IDENTITY * left], axis=1)
"""


def fading(cycle: float, identity: float, end: float) -> str:
    """The source of `weights` whose identity loss fades until this part of the steps."""
    source = FADING.replace("CYCLE", str(cycle)).replace("END", str(end))
    return source.replace("IDENTITY", str(identity))


def constant(cycle: float, identity: float) -> str:
    """The source of `weights` that stay the same."""
    return f"\ndef weights(steps):\n    return np.tile([{cycle}, {identity}], (steps, 1))\n"


WEIGHTS = Exercise(
    function="weights",
    kind="behaviour",
    level=3,
    points=6,
    minutes=30,
    inputs=weights_inputs,
    measure=error_reached,
    threshold=0.15,
    withheld=("a", "b", "factors", "starts", "new"),
    assigned=True,
    wrong={
        "the identity loss fades, the cycles are too weak": fading(
            0.3, 3.0, 0.5
        ),
        "GAN alone": constant(0.0, 0.0),
        "the cycles without the identity loss": constant(1.0, 0.0),
        "the paper's weights": constant(10.0, 5.0),
        "the identity loss to the end": constant(0.2, 0.5),
        "the identity loss alone": constant(0.0, 1.0),
        "no translation at all": constant(0.0, 100.0),
    },
)

EXERCISES = [
    REFLECTED_EXERCISE,
    AFTER_NORMALISATION,
    GENERATOR_PULLS,
    PAIRS_WITHOUT_LOSS,
    OBJECTIVES_EXERCISE,
    POOL_STATISTICS,
    TRAIN_EXERCISE,
    WEIGHTS,
]
