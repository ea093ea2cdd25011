"""Arms differ in what they are named for, and what is measured is held out."""

import dataclasses

import pytest
import torch

from companion.vision.pix2pix import claim, segmenter
from companion.vision.pix2pix.data import SPLITS, colour_labels, draw_facades
from companion.vision.pix2pix.model import unet


def test_the_arms_of_the_headline_differ_in_their_objective_alone():
    method, baseline = (
        claim.settings_for(arm, "laptop", 1e-3) for arm in (claim.METHOD, claim.BASELINE)
    )
    assert (method.objective, baseline.objective) == ("L1+cGAN", "L1")
    assert dataclasses.replace(method, objective="L1") == baseline
    assert method.learning_rate == 1e-3


def test_every_arm_of_the_claim_is_an_experiment_and_differs_from_all_others():
    named = {arm for study in claim.CLAIM.studies for arm in study.arms} | {*claim.CLAIM.arms}
    assert named == claim.CHANGES.keys()
    facades = [arm for arm in named if not arm.startswith(claim.COLOUR)]
    assert len({claim.settings_for(arm, "laptop", 1e-3) for arm in facades}) == len(facades)
    assert not claim.settings_for("L1+cGAN, no skips", "laptop", 1e-3).skips
    assert claim.settings_for("patches of 34", "laptop", 1e-3).receptive_field == 34
    with pytest.raises(ValueError, match="measured at size smoke or laptop, not 'gpu'"):
        claim.settings_for("L1", "gpu", 1e-3)


def test_every_column_of_every_study_is_measured():
    for study in claim.CLAIM.studies:
        metrics = claim.experiment(study.arms[-1], 0, "smoke", 1e-3)
        assert study.metrics.keys() <= metrics.keys(), study.name
        if study.name != "colour":
            assert {"validation", claim.CLAIM.metric} <= metrics.keys()


def test_pictures_are_scored_against_the_houses_they_were_drawn_for(monkeypatch):
    """A generator that hands out the true pictures has the judge's own score and no distance."""
    houses = draw_facades(SPLITS["test"][:4])
    monkeypatch.setattr(claim, "translate", lambda network, inputs, noise: houses.pictures)
    metrics = claim.measure(unet(3, 3, 64, 4), houses, seed=0)
    true = segmenter.score(segmenter.load_segmenter(), houses.pictures, houses.labels)
    assert {name: metrics[name] for name in true} == true
    assert (metrics["l1"], metrics["noise"]) == (0, 0)
    assert (metrics["sharpness"], metrics["variety"]) == (1, 1)
    assert metrics["colours"] == pytest.approx(1)


def test_validation_and_test_houses_are_read_by_those_names(monkeypatch):
    asked = []

    def houses(split, size):
        asked.append(split)
        return draw_facades(SPLITS[split][:4])

    monkeypatch.setattr(claim, "houses", houses)
    claim.experiment("L1", 0, "smoke", 1e-3)
    assert asked == ["train", "validation", "test"]


def test_a_label_in_its_mean_colour_has_that_label_s_mean():
    houses = draw_facades(SPLITS["train"][:8])
    colours = claim.mean_colours(houses)
    label = int(houses.labels[0, 0, 0])
    pixels = houses.pictures.permute(0, 2, 3, 1)[houses.labels == label]
    assert torch.allclose(colours[label], pixels.mean(dim=0))
    painted = colours[houses.labels.long()].permute(0, 3, 1, 2)
    assert painted.shape == colour_labels(houses.labels).shape
    assert painted.mean().item() == pytest.approx(houses.pictures.mean().item(), abs=1e-4)
