"""Chapter 3.8, the claim: what a learned loss adds to L1, as a network reads it that was frozen.

The judge (`segmenter`) was trained on real pictures before any of these runs, and no run looks at
it. Settings were looked at on validation houses with seed 100, which is not measured here.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import TensorDataset

from companion.claims import Claim, Metrics, PaperFigure, Study
from companion.seeds import generator
from companion.vision.pix2pix import photographs
from companion.vision.pix2pix.data import (
    LABELS,
    SPLITS,
    Facades,
    colour_labels,
    draw_facades,
    load_facades,
)
from companion.vision.pix2pix.measures import (
    colourfulness,
    shared_colours,
    sharpness,
    spread,
    variety,
)
from companion.vision.pix2pix.model import UNet, translate
from companion.vision.pix2pix.segmenter import load_segmenter, score
from companion.vision.pix2pix.train import SETTINGS, Settings, train

PAPER = "Isola et al. 2016"
METHOD, BASELINE = "L1+cGAN", "L1"
COLOUR = "colour, "  # begins the name of an arm that colours photographs
STEPS = {"smoke": 2, "laptop": 2000}  # half of the chapter's, so that all runs fit into an hour
FEW = 16  # houses of each split at size smoke
# What an arm changes in the settings.
CHANGES = {
    **{name: {"objective": name} for name in (BASELINE, "GAN", "cGAN", "L1+GAN", METHOD)},
    **{f"patches of {side}": {"receptive_field": side} for side in (1, 34, 70)},
    "L1, no skips": {"objective": BASELINE, "skips": False},
    "L1+cGAN, no skips": {"skips": False},
    COLOUR + BASELINE: {"objective": BASELINE},
    COLOUR + METHOD: {},
}


def settings_for(arm: str, size: str, learning_rate: float) -> Settings:
    """The settings of one arm; all arms draw the same batches and make as many steps.

    Raises ``ValueError`` at ``gpu``.
    """
    if size not in STEPS:
        raise ValueError(
            f"the claim is measured at size smoke or laptop, not {size!r}: pass SETTINGS['gpu'] to "
            "train.train"
        )
    changes = {"steps": STEPS[size], "learning_rate": learning_rate} | CHANGES[arm]
    return dataclasses.replace(SETTINGS[size], **changes)


def experiment(arm: str, seed: int, size: str, learning_rate: float) -> Metrics:
    """Train one arm, and measure what it draws for held-out houses or photographs."""
    settings = settings_for(arm, size, learning_rate)
    if arm.startswith(COLOUR):
        return colour_photographs(settings, seed)
    known = houses("train", size)
    pairs = TensorDataset(colour_labels(known.labels), known.pictures)
    network, _, _ = train(pairs, settings, seed, label=f"{arm}, seed {seed}")
    held_out = houses("validation", size)
    drawn = translate(network, colour_labels(held_out.labels), generator(seed, "validation"))
    validation = score(load_segmenter(), drawn, held_out.labels)["iou"]
    return {"validation": validation} | measure(network, houses("test", size), seed)


def houses(split: str, size: str) -> Facades:
    """Those of a split; at size smoke few of them, drawn now."""
    return draw_facades(SPLITS[split][:FEW]) if size == "smoke" else load_facades(split)


def measure(network: UNet, known: Facades, seed: int) -> Metrics:
    """What the judge reads in the drawn pictures, and how these compare with the true ones.

    ``sharpness`` and ``variety`` are shares of the true pictures'; ``l1`` and ``noise`` are mean
    differences of colours in [-1, 1], from the true picture and between two drawings.
    """
    inputs = colour_labels(known.labels)
    pictures, again = (
        translate(network, inputs, generator(seed, "test", name)) for name in ("first", "second")
    )
    return score(load_segmenter(), pictures, known.labels) | {
        "l1": spread(pictures, known.pictures),
        "sharpness": sharpness(pictures) / sharpness(known.pictures),
        "colours": shared_colours(pictures, known.pictures),
        "variety": variety(pictures) / variety(known.pictures),
        "noise": spread(pictures, again),
    }


def colour_photographs(settings: Settings, seed: int) -> Metrics:
    """Train on four photographs' patches, colour those of one that was never seen."""
    patches = photographs.load_patches(photographs.SPLITS["train"])
    pairs = TensorDataset(patches.grey, patches.colour)
    network, _, _ = train(pairs, settings, seed, label=f"colour, {settings.objective}, seed {seed}")
    test = photographs.load_patches(photographs.SPLITS["test"])
    pictures = translate(network, test.grey, generator(seed, "test"))
    grey = test.grey.expand_as(test.colour)
    return {
        "l1": spread(pictures, test.colour),
        "grey l1": spread(grey, test.colour),
        "colours": shared_colours(pictures, test.colour),
        "grey colours": shared_colours(grey, test.colour),
        "colourfulness": colourfulness(pictures) / colourfulness(test.colour),
    }


@cache
def references(size: str) -> Metrics:
    """The IoU of the true pictures, and of every label painted in its mean colour."""
    judge, test = load_segmenter(), houses("test", size)
    flat = mean_colours(houses("train", size))[test.labels.long()].permute(0, 3, 1, 2)
    return {
        "every label in its mean colour": score(judge, flat, test.labels)["iou"],
        "the true pictures": score(judge, test.pictures, test.labels)["iou"],
    }


def mean_colours(known: Facades) -> Float[Tensor, "labels 3"]:
    """The mean colour of each of `LABELS`, in [-1, 1]."""
    pixels = known.pictures.permute(0, 2, 3, 1).reshape(-1, 3)
    labels = known.labels.flatten()
    return torch.stack([pixels[labels == label].mean(dim=0) for label in range(len(LABELS))])


def _has_photographs() -> bool:
    return all(importlib.util.find_spec(package) for package in ("skimage", "sklearn"))


SCORES = {"pixel": "pixel accuracy", "class": "class accuracy", "iou": "IoU"}
LIKENESS = {"l1": "L1", "sharpness": "sharpness"}

CLAIM = Claim(
    chapter="vision/pix2pix",
    title="pix2pix",
    statement=(
        "In pictures drawn from label maps by L1+cGAN, a network trained on real pictures reads "
        "the label maps with a higher mean IoU than in pictures drawn by L1 alone."
    ),
    kind="recovered",
    metric="iou",
    unit="mean IoU",
    direction="higher",
    method=METHOD,
    baseline=BASELINE,
    learning_rates=(2e-4, 1e-3),
    experiment=experiment,
    references=references,
    paper=(
        PaperFigure(arm=METHOD, text="0.17 on Cityscapes", source=f"{PAPER}, table 1"),
        PaperFigure(arm=BASELINE, text="0.11 on Cityscapes", source=f"{PAPER}, table 1"),
    ),
    tolerance=0.05,
    studies=(
        Study(
            name="objectives",
            seeds=5,
            title="Which loss",
            question="What does each part add, and what does a discriminator miss that is blind?",
            arms=(BASELINE, "GAN", "cGAN", "L1+GAN", METHOD),
            metrics=SCORES | LIKENESS | {"variety": "variety"},
            paper=(
                "pixel accuracy, class accuracy, IoU on Cityscapes: L1 0.42, 0.15, 0.11; GAN "
                "0.22, 0.05, 0.01; cGAN 0.57, 0.22, 0.16; L1+GAN 0.64, 0.20, 0.15; L1+cGAN 0.66, "
                "0.23, 0.17; true pictures 0.80, 0.26, 0.21"
            ),
        ),
        Study(
            name="patches",
            seeds=5,
            title="How much a discriminator sees at once",
            question=(
                "Patches of 1, 16, 34 and 70 pixels of pictures of 64, where 16 is to 64 what the "
                "paper's 70 is to 256; 70 sees the whole picture."
            ),
            arms=("patches of 1", METHOD, "patches of 34", "patches of 70"),
            metrics=SCORES | {"sharpness": "sharpness", "colours": "colours shared"},
            paper=(
                "pixel accuracy, class accuracy, IoU on Cityscapes at 256 pixels: patches of 1 "
                "0.39, 0.15, 0.10; 16 0.65, 0.21, 0.17; 70 0.66, 0.23, 0.17; 286 0.42, 0.16, 0.11"
            ),
        ),
        Study(
            name="skips",
            seeds=5,
            title="With skips and without",
            question="The same generator without its skips must carry all through one pixel.",
            arms=(BASELINE, "L1, no skips", METHOD, "L1+cGAN, no skips"),
            metrics=SCORES | LIKENESS,
            paper="direction only: the U-Net is better under both losses",
        ),
        Study(
            name="colour",
            seeds=5,
            title="Colours for a grey photograph",
            question=(
                "Trained on the patches of four photographs, how does each loss colour a fifth? "
                "Left grey, it has the columns on grey."
            ),
            arms=(COLOUR + BASELINE, COLOUR + METHOD),
            metrics={
                "l1": "L1",
                "grey l1": "L1, left grey",
                "colours": "colours shared",
                "grey colours": "shared, left grey",
                "colourfulness": "colourfulness",
            },
            paper="direction only: with L1 alone colours are narrower than the true ones'",
            available=_has_photographs,
            command="pip install rebuilding-2017[photographs]",
        ),
    ),
)
