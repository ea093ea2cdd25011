"""Chapter 3.9, the claim: what do the cycles add to two adversarial losses?

Glyphs of one typeface are translated into another, and the true partner, which no training shows,
is the judge. The batch of one, the steps and the learning rates were fixed on validation glyphs
with seeds that are not measured here (100 and 101), by looking at the full objective, which had to
come nearer to the partner than its input is, and at GAN alone, which did better at the lower rate.
On glyphs of white or black paper the full objective was seen with and without the identity loss.

The headline's direction is A to B. There copying the input is the best of the answers without a
network; from B to A the nearest training picture is, and it would be the harder judge of the two.
"""

import dataclasses
from functools import cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from companion.claims import Claim, Metrics, PaperFigure, Study
from companion.seeds import generator
from companion.vision.cyclegan.data import Unpaired, baselines, picture_errors, share_found
from companion.vision.cyclegan.glyphs import Glyphs, load_glyphs, unpaired_glyphs
from companion.vision.cyclegan.model import CycleGAN, translate
from companion.vision.cyclegan.train import OBJECTIVES, SETTINGS, Settings, train, train_oracle

PAPER = "Zhu et al. 2017"
METHOD, BASELINE = "full", "GAN alone"
NO_POOL = "full, no pool"
EITHER_PAPER = ", white or black paper"  # ends the name of an arm on such glyphs
# What an arm changes in the settings.
CHANGES = {
    **{name: {"weights": weights} for name, weights in OBJECTIVES.items()},
    NO_POOL: {"pool": 0},
    METHOD + EITHER_PAPER: {},
    "full + identity" + EITHER_PAPER: {"weights": OBJECTIVES["full + identity"]},
}
REFERENCE_SEED = 100  # of the oracle


def settings_for(arm: str, size: str, learning_rate: float) -> Settings:
    """The settings of one arm; all take the same steps. Raises ``ValueError`` at ``gpu``."""
    if size == "gpu":
        raise ValueError(
            "the claim is measured at size smoke or laptop: pass SETTINGS['gpu'] to train.train"
        )
    return dataclasses.replace(SETTINGS[size], learning_rate=learning_rate, **CHANGES[arm])


def experiment(arm: str, seed: int, size: str, learning_rate: float) -> Metrics:
    """Train one arm; what its translations of validation and test glyphs are worth."""
    unpaired, validation, test = unpaired_glyphs(), load_glyphs("validation"), load_glyphs("test")
    if arm.endswith(EITHER_PAPER):
        unpaired = on_either_paper(unpaired)
        validation, test = on_both_papers(validation), on_both_papers(test)
    settings = settings_for(arm, size, learning_rate)
    networks, _ = train(unpaired, settings, seed, label=f"{arm}, seed {seed}")
    return {"validation": measure(networks, validation)["error"], **measure(networks, test)}


def on_either_paper(unpaired: Unpaired) -> Unpaired:
    """The same pictures, half of each domain chosen by lot and inverted: white ink, black paper.

    Then both domains look alike when inverted, so neither a discriminator nor a cycle can tell
    whether a translation is.
    """
    lots = generator(2017, "papers")

    def some_inverted(pictures: Tensor) -> Tensor:
        signs = 2 * torch.randint(2, (len(pictures), 1, 1, 1), generator=lots) - 1
        return pictures * signs

    return Unpaired(some_inverted(unpaired.a), some_inverted(unpaired.b))


def on_both_papers(glyphs: Glyphs) -> Glyphs:
    """Each glyph twice: as it is, then inverted."""
    return Glyphs(
        glyphs.characters * 2,
        torch.cat([glyphs.a, -glyphs.a]),
        torch.cat([glyphs.b, -glyphs.b]),
    )


def measure(networks: CycleGAN, glyphs: Glyphs) -> Metrics:
    """What the translations of ``glyphs`` are worth, all in per cent.

    ``error`` (A to B) and ``error_back`` (B to A) are mean absolute differences from the true
    partner, of black to white, and so is ``cycle_error`` (A to B and back) from the glyph itself.
    The others are shares of the glyphs of A: ``improved``, whose translation is nearer to its
    partner than the glyph itself is; ``found``, whose translation is nearer to its partner than to
    every other glyph of B; ``inverted``, whose translation is dark where the partner is light.
    """
    to_b, to_a = translate(networks.a_to_b, glyphs.a), translate(networks.b_to_a, glyphs.b)
    there_and_back = translate(networks.b_to_a, to_b)
    errors = picture_errors(to_b, glyphs.b)
    shares = {
        "error": errors,
        "error_back": picture_errors(to_a, glyphs.a),
        "cycle_error": picture_errors(there_and_back, glyphs.a),
        "improved": (errors < picture_errors(glyphs.a, glyphs.b)).float(),
        "inverted": are_inverted(to_b, glyphs.b).float(),
    }
    metrics = {name: 100 * share.mean().item() for name, share in shares.items()}
    return metrics | {"found": 100 * share_found(to_b, glyphs.b)}


def are_inverted(
    pictures: Float[Tensor, "n channels height width"],
    partners: Float[Tensor, "n channels height width"],
) -> Bool[Tensor, " n"]:
    """Whether each picture's correlation with its partner is negative."""
    centred = [some - some.mean(dim=(1, 2, 3), keepdim=True) for some in (pictures, partners)]
    return (centred[0] * centred[1]).sum(dim=(1, 2, 3)) < 0


@cache
def references(size: str) -> Metrics:
    """The error, A to B, of the three answers without a network, and of the oracle."""
    test, pairs = load_glyphs("test"), load_glyphs("train")
    answers = baselines(unpaired_glyphs(), test.a)
    oracle = train_oracle(pairs.a, pairs.b, settings_for(METHOD, size, 1e-3), REFERENCE_SEED)
    named = {
        "the input, copied": answers["copy"],
        "the nearest training picture of B": answers["nearest"],
        "the median picture of B": answers["constant"],
        "oracle, which learns from pairs": translate(oracle, test.a),
    }
    return {
        name: 100 * picture_errors(pictures, test.b).mean().item()
        for name, pictures in named.items()
    }


BOTH_WAYS = {"error": "error, A to B", "error_back": "error, B to A"}

CLAIM = Claim(
    chapter="vision/cyclegan",
    title="CycleGAN",
    statement=(
        "Without pairs, the full objective's translations of glyphs from DejaVu Sans into DejaVu "
        "Serif Bold Italic lie nearer to the true partner than those of GAN alone."
    ),
    kind="reproduced",
    metric="error",
    unit="% of black to white",
    direction="lower",
    method=METHOD,
    baseline=BASELINE,
    learning_rates=(5e-4, 1e-3),
    experiment=experiment,
    references=references,
    paper=(
        PaperFigure(
            arm=METHOD,
            text=(
                "labels to photo on Cityscapes, full: per-pixel accuracy 0.52, per-class accuracy "
                "0.17, class IoU 0.11"
            ),
            source=f"{PAPER}, table 4",
        ),
        PaperFigure(
            arm=BASELINE,
            text="GAN alone: 0.51, 0.11, 0.08, so by pixels the difference is small",
            source=f"{PAPER}, table 4",
        ),
    ),
    tolerance=2.0,
    studies=(
        Study(
            name="cycles",
            seeds=5,
            title="Which cycle, and the cycles alone",
            question=(
                "The forward cycle is A to B and back, the backward one B to A and back. Which "
                "keeps a translation to its glyph, and what do they draw without an adversary?"
            ),
            arms=(
                METHOD,
                "GAN + forward cycle",
                "GAN + backward cycle",
                "cycle alone",
                BASELINE,
            ),
            metrics=BOTH_WAYS
            | {
                "cycle_error": "cycle error, A",
                "improved": "nearer than the input",
                "found": "partner found",
            },
            unit="%",
            paper=(
                "direction only: on labels to photo, GAN with the forward cycle does better than "
                "the full objective, and the cycles alone far worse than any with a GAN"
            ),
        ),
        Study(
            name="identity",
            seeds=5,
            title="The identity loss and inversion",
            question=(
                "Where half the glyphs of both domains are white on black, inverting all of them "
                "costs neither the GAN nor the cycles anything. What does the identity loss "
                "change, there and on black ink alone?"
            ),
            arms=(
                METHOD,
                "full + identity",
                METHOD + EITHER_PAPER,
                "full + identity" + EITHER_PAPER,
            ),
            metrics={"inverted": "inverted"} | BOTH_WAYS,
            unit="%",
        ),
        Study(
            name="pool",
            seeds=5,
            title="The pool of past translations",
            question="Discriminators that see the newest translations only, without the pool.",
            arms=(METHOD, NO_POOL),
            metrics=BOTH_WAYS | {"found": "partner found"},
            unit="%",
        ),
    ),
)
