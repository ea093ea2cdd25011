"""Chapter 5.3, the claim: does one base rate serve every batch, with the linear rule and warm-up?

Nothing is tuned again for a larger batch: that is the paper's point. So there is one base rate,
0.1, the number that the paper has for a batch of 256, here for ours of 64; and one warm-up, 5 of 90
epochs in the paper and 2 of 36 here. Two studies show other base rates, at a batch of 64 and at
those where 0.1 comes to its end.
"""

import dataclasses
import statistics

from companion.claims import Claim, Metrics, PaperFigure, Study, interval
from companion.datasets.digits import CLASSES
from companion.systems.imagenet_1h.data import (
    SPLITS,
    AugmentedDigits,
    fashion_folder,
    load_digits,
    load_fashion,
)
from companion.systems.imagenet_1h.model import error
from companion.systems.imagenet_1h.train import SETTINGS, Settings, train

PAPER = "Goyal et al. 2017"
BASE_RATES = (0.025, 0.05, 0.1, 0.2)
BASE_RATE = SETTINGS["laptop"].learning_rate
SMALLER = min(BASE_RATES)
MARGIN = 0.5  # points of test error within which two batches count as equal
SMALL = "batch 64"
BATCHES = (512, 2048, 4096)
RECIPES = {
    "rule and warm-up": {},
    "rule alone": {"warm_up": 0},
    "neither": {"warm_up": 0, "rule": False},
}
# What an arm changes in the settings.
CHANGES = {
    SMALL: {"batch": 64},
    **{
        f"{batch:,}, {name}": {"batch": batch, **recipe}
        for batch in BATCHES
        for name, recipe in RECIPES.items()
    },
    "2,048, normalised together": {"batch": 2048, "share": 2048},
    **{
        f"batch 64, rate {rate:g}": {"batch": 64, "learning_rate": rate}
        for rate in BASE_RATES
        if rate != BASE_RATE
    },
    **{
        f"{batch:,}, base rate {SMALLER:g}": {"batch": batch, "learning_rate": SMALLER}
        for batch in (2048, 4096)
    },
}
FASHION = "Fashion, "  # begins the name of an arm on Fashion-MNIST
FASHION_ARMS = tuple(FASHION + arm for arm in (SMALL, *(f"2,048, {name}" for name in RECIPES)))


def settings_for(arm: str, size: str, learning_rate: float) -> Settings:
    """The settings of one arm; all arms see the same samples at the same base rate.

    An epoch at ``smoke`` is short and holds at least one minibatch. Raises ``ValueError`` at
    ``gpu``, whose network is for photographs.
    """
    if size == "gpu":
        raise ValueError(
            "the claim is measured on digits, at size smoke or laptop: for ImageNet pass "
            "data.Photographs to train.train"
        )
    settings = SETTINGS[size]
    changes = {"learning_rate": learning_rate} | CHANGES[arm.removeprefix(FASHION)]
    samples = max(settings.samples, changes["batch"])
    return dataclasses.replace(settings, samples=samples, **changes)


def experiment(arm: str, seed: int, size: str, learning_rate: float) -> Metrics:
    """Train one arm; errors in percent on validation and test digits, and losses on the way.

    A run whose loss overflows has no network to test: it counts as one label for all.
    """
    settings = settings_for(arm, size, learning_rate)
    load = load_fashion if arm.startswith(FASHION) else load_digits
    digits = {split: load(split) for split in SPLITS}
    try:
        network, history = train(
            AugmentedDigits(digits["train"]), settings, seed, label=f"{arm}, seed {seed}"
        )
    except FloatingPointError:
        return {"validation": 100 - 100 / CLASSES, "test": 100 - 100 / CLASSES}
    return {
        "validation": error(network, digits["validation"].images, digits["validation"].labels),
        "test": error(network, digits["test"].images, digits["test"].labels),
        **losses(history["loss"], settings),
    }


def losses(by_step: list[float], settings: Settings) -> Metrics:
    """In nats: the highest of a minibatch, and the mean over each epoch, "loss 1" the first's.

    ``early`` is that in which the laptop run's warm-up ends, for every arm the same; ``final`` the
    last.
    """
    early = max(SETTINGS["laptop"].warm_up, 1) - 1
    steps = settings.steps_per_epoch
    means = [
        statistics.fmean(by_step[first : first + steps]) for first in range(0, len(by_step), steps)
    ]
    by_epoch = {f"loss {epoch}": mean for epoch, mean in enumerate(means, start=1)}
    return {"highest": max(by_step), "early": means[early], "final": means[-1]} | by_epoch


def paired_difference(record: dict, arm: str, other: str) -> tuple[float, tuple[float, float]]:
    """Test error of ``arm`` minus that of ``other`` in a ``claim.json``: mean and 95% interval.

    Paired by seed, at the base rate. Two arms are equal if the interval lies within `MARGIN`.
    """
    by_seed = [
        {run["seed"]: run["metrics"]["test"] for run in record["runs"] if run["arm"] == name}
        for name in (arm, other)
    ]
    pairs = [by_seed[0][seed] - by_seed[1][seed] for seed in by_seed[0].keys() & by_seed[1].keys()]
    return statistics.fmean(pairs), interval(pairs)


def references(size: str) -> Metrics:
    """Test error of the trivial baseline."""
    del size  # the classes are equally many at every size
    return {"one label for all": 100 - 100 / CLASSES}


ERRORS = {"test": "% errors"}
LOSSES = {
    "highest": "highest loss, nats",
    "early": "loss in the epoch that ends warm-up",
    "final": "loss in the last epoch",
}

CLAIM = Claim(
    chapter="systems/imagenet_1h",
    title="Large minibatches",
    statement=(
        "At a batch of 2,048, 32 times the base batch, the linear rule with gradual warm-up errs "
        "on fewer test digits than the rule alone."
    ),
    kind="reproduced",
    metric="test",
    unit="% errors",
    direction="lower",
    method="2,048, rule and warm-up",
    baseline="2,048, rule alone",
    ablations=("2,048, neither", SMALL),
    learning_rates=(BASE_RATE,),
    experiment=experiment,
    references=references,
    paper=(
        PaperFigure(
            arm=SMALL,
            text="at the base batch of 256 ResNet-50 errs on 23.60% (±0.12) of ImageNet",
            source=PAPER,
        ),
        PaperFigure(
            arm="2,048, rule and warm-up",
            text="at 8,192 the error is within 0.14 points of that at 256",
            source=PAPER,
        ),
        PaperFigure(
            arm="2,048, rule alone",
            text="at 8,192 without warm-up the error is about 1.2 points higher than at 256",
            source=PAPER,
        ),
    ),
    tolerance=1.0,
    studies=(
        Study(
            name="breaks",
            title="Where it breaks",
            question=(
                "Every arm sees the same samples, so a larger batch takes fewer steps. Up to which "
                "batch is the error that of a batch of 64? A run whose loss overflows counts as "
                "90%."
            ),
            arms=(SMALL, *(f"{batch:,}, {name}" for batch in BATCHES for name in RECIPES)),
            metrics=ERRORS | LOSSES,
            seeds=5,
            paper="direction only: equal errors up to 8,192, worse ones beyond",
        ),
        Study(
            name="batch_norm",
            title="Statistics of 64, or of all 2,048",
            question=(
                "Batch normalisation by each worker's own share of 64, as at the base batch, "
                "against one over the whole minibatch: the latter changes the loss itself."
            ),
            arms=("2,048, rule and warm-up", "2,048, normalised together"),
            metrics=ERRORS | LOSSES,
            seeds=5,
        ),
        Study(
            name="base_rate",
            title="The base rate at a batch of 64",
            question=(
                f"The rate of the arm without one in its name is {BASE_RATE:g}, as in the paper. "
                "Do errors on validation digits speak for another?"
            ),
            arms=tuple(
                SMALL if rate == BASE_RATE else f"batch 64, rate {rate:g}" for rate in BASE_RATES
            ),
            metrics={"validation": "% errors, validation", "final": "loss in the last epoch"},
        ),
        Study(
            name="smaller_base",
            title="The rule from a smaller base rate",
            question=(
                f"Rule and warm-up from a base rate of {BASE_RATE:g} and of {SMALLER:g}: is it the "
                "batch that breaks training, or the rate?"
            ),
            arms=tuple(
                f"{batch:,}, {name}"
                for batch in (2048, 4096)
                for name in ("rule and warm-up", f"base rate {SMALLER:g}")
            ),
            metrics=ERRORS | LOSSES,
        ),
        Study(
            name="fashion",
            title="Clothes instead of digits",
            question=(
                "Fashion-MNIST at 14x14 with the same settings, the base rate included: 55,000 "
                "images to train on, all 10,000 test images."
            ),
            arms=FASHION_ARMS,
            metrics=ERRORS | LOSSES,
            available=lambda: fashion_folder() is not None,
            command="apt install dataset-fashion-mnist",
        ),
    ),
)
