"""Arms differ in what they are named for, and scores say what they are named for."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from companion.vision.cyclegan import claim, glyphs, train

RATE = 1e-3


def _first(split):
    drawn = glyphs.load_glyphs(split)
    return glyphs.Glyphs(drawn.characters[:40], drawn.a[:40], drawn.b[:40])


def settings(arm, size="laptop"):
    return claim.settings_for(arm, size, RATE)


@pytest.fixture
def measure(monkeypatch):
    """`claim.measure` of any two functions: `translate` would ask them for their channels."""
    monkeypatch.setattr(claim, "translate", lambda network, pictures: network(pictures))
    return lambda a_to_b, b_to_a, few: claim.measure(
        SimpleNamespace(a_to_b=a_to_b, b_to_a=b_to_a), few
    )


@pytest.fixture
def few():
    return _first("test")


def test_the_headline_differs_in_the_cycles_alone():
    method, baseline = settings(claim.METHOD), settings(claim.BASELINE)
    weights = dataclasses.replace(method.weights, forward_cycle=0, backward_cycle=0)
    assert baseline == dataclasses.replace(method, weights=weights)
    assert method.learning_rate == RATE and method.weights.forward_cycle == 10


def test_every_arm_takes_the_same_steps_and_differs_in_its_losses_or_its_pool():
    method = settings(claim.METHOD)
    for arm in claim.CHANGES:
        mine = settings(arm)
        assert dataclasses.replace(mine, weights=method.weights, pool=method.pool) == method
    assert settings(claim.NO_POOL) == dataclasses.replace(method, pool=0)
    assert settings(claim.METHOD + claim.EITHER_PAPER) == method
    identity = settings("full + identity" + claim.EITHER_PAPER)
    assert identity == settings("full + identity") != method


def test_every_arm_is_an_experiment():
    studied = {arm for study in claim.CLAIM.studies for arm in study.arms}
    assert {*studied, *claim.CLAIM.arms} == set(claim.CHANGES)


def test_half_of_either_paper_is_black():
    unpaired = glyphs.unpaired_glyphs()
    mixed, again = (claim.on_either_paper(unpaired) for _ in range(2))
    for domain in "ab":
        before, after = getattr(unpaired, domain), getattr(mixed, domain)
        signs = (before * after).mean(dim=(1, 2, 3)).sign()
        assert torch.equal(after, before * signs[:, None, None, None])
        assert 0.4 < (signs > 0).float().mean() < 0.6
        assert torch.equal(after, getattr(again, domain))


def test_inversion_is_seen_whatever_the_brightness(few):
    assert claim.are_inverted(-few.b, few.b).all()
    assert not claim.are_inverted(0.2 * few.b - 0.5, few.b).any()
    assert not claim.are_inverted(torch.ones_like(few.b), few.b).any()


def test_a_perfect_translation_is_scored_as_one(measure, few):
    def partner(pictures):
        return few.b if torch.equal(pictures, few.a) else few.a

    scores = measure(partner, partner, few)
    wanted = {"error": 0, "error_back": 0, "cycle_error": 0, "inverted": 0}
    assert scores == wanted | {"improved": 100, "found": 100}


def test_copying_and_inverting_are_scored_as_such(measure, few):
    copied = measure(torch.clone, torch.clone, few)
    assert copied["error"] == copied["error_back"] > 0
    assert copied["cycle_error"] == copied["improved"] == copied["inverted"] == 0
    inverted = measure(torch.neg, torch.neg, few)
    assert inverted["error"] > copied["error"] and inverted["inverted"] > 95
    assert inverted["cycle_error"] == 0  # the cycles cannot tell


def test_both_papers_give_either_its_partner(few):
    both = claim.on_both_papers(few)
    assert len(both) == len(both.a) == 80
    assert torch.equal(both.a[40:], -few.a) and torch.equal(both.b[40:], -few.b)


def test_every_column_is_measured_and_the_seed_decides_it(monkeypatch):
    monkeypatch.setattr(claim, "load_glyphs", _first)
    arm = "full + identity" + claim.EITHER_PAPER
    first, again = (claim.experiment(arm, 1, "smoke", RATE) for _ in range(2))
    assert first == again
    wanted = {name for study in claim.CLAIM.studies for name in study.metrics}
    assert wanted | {"validation", claim.CLAIM.metric} == first.keys()
    assert first["validation"] != first["error"]


def test_rates_are_chosen_on_validation_glyphs_and_the_error_is_of_test_glyphs(monkeypatch):
    errors = {200: 2.0, 300: 3.0}  # by the number of glyphs
    monkeypatch.setattr(claim, "measure", lambda _, some: {"error": errors[len(some)]})
    monkeypatch.setattr(claim, "train", lambda *_, **__: (None, None))
    assert claim.experiment(claim.METHOD, 0, "smoke", RATE) == {"validation": 2.0, "error": 3.0}


def test_copying_is_the_best_answer_without_a_network():
    copied, nearest, median, _ = claim.references("smoke").values()
    assert copied < nearest < median


def test_the_paper_size_is_refused():
    with pytest.raises(ValueError, match="train"):
        claim.experiment(claim.METHOD, 0, "gpu", RATE)
    assert train.SETTINGS["gpu"].batch_size == 1
