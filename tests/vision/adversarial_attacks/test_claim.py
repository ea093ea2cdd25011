"""Arms differ in what they are named for, and every study's column is measured."""

import dataclasses

import pytest
import torch

from companion.seeds import generator
from companion.vision.adversarial_attacks import attacks, claim
from companion.vision.adversarial_attacks.data import load_digits
from companion.vision.adversarial_attacks.train import new_model


def test_the_arms_of_the_headline_differ_in_their_method_alone():
    plain = claim.settings_for("plain", "laptop", 1e-3)
    for arm in claim.CLAIM.arms:
        settings = claim.settings_for(arm, "laptop", 1e-3)
        assert settings.method == arm
        assert dataclasses.replace(settings, method="plain") == plain


def test_every_arm_of_the_claim_is_an_experiment():
    named = {arm for study in claim.CLAIM.studies for arm in study.arms} | {*claim.CLAIM.arms}
    assert named == claim.CHANGES.keys() | claim.SIDES.keys() | {*claim.ARMS}


def test_every_column_of_every_study_is_measured():
    arms = {"network": "fgsm", "side": "7 x 7", "thing": "stickers: plain"}
    metrics = {kind: claim.experiment(arm, 0, "smoke", 1e-3) for kind, arm in arms.items()}
    for study in claim.CLAIM.studies:
        kind = "side" if set(study.arms) <= claim.SIDES.keys() else "network"
        kind = "thing" if set(study.arms) <= {*claim.ARMS} else kind
        assert study.metrics.keys() <= metrics[kind].keys(), study.name
    assert {"validation", "pgd"} <= metrics["network"].keys()
    assert all(0 <= share <= 100 for share in metrics["thing"].values())
    assert metrics["thing"]["right"] > 50, "in percent, as the column says"


def test_the_headline_is_chosen_by_validation_digits_and_measured_on_test_digits(monkeypatch):
    network = new_model(claim.settings_for("plain", "smoke", 1e-3), 0).eval()
    validation, test = load_digits("validation")[:3], load_digits("test")[:5]

    def count(model, digits, epsilon, *, restarts, **options):
        assert epsilon == 0.3
        return [100.0 * len(digits) + restart for restart in range(1, restarts + 1)]

    monkeypatch.setattr(claim, "errors_by_restarts", count)
    metrics = claim.measure_headline(network, validation, test, 0)
    assert (metrics["validation"], metrics["pgd"]) == (305, 505)
    metrics = claim.measure_restarts(network, test, 0)
    assert (metrics["1 restarts"], metrics["5 restarts"], metrics["20 restarts"]) == (501, 505, 520)


def test_transferred_examples_are_made_for_the_other_network(monkeypatch):
    """With no training the sources are known: fresh networks of seed 1000."""
    monkeypatch.setattr(claim, "STEPS", {"smoke": 0})
    test = load_digits("test")[:10]
    target = new_model(claim.settings_for("plain", "smoke", 1e-3), 5).eval()
    found = claim.measure_transfer(target, test, 0, "smoke", 1e-3)
    source = new_model(claim.settings_for("plain", "smoke", 1e-3), 1000).eval()
    attacked = attacks.fgsm(source, test.images, test.labels, claim.EPSILON)
    wrong = (target(attacked).argmax(dim=1) != test.labels).double().mean().item()
    assert found["FGSM from plain"] == pytest.approx(100 * wrong)


def test_strength_is_measured_at_every_epsilon():
    network = new_model(claim.settings_for("plain", "smoke", 1e-3), 0).eval()
    test = load_digits("test")[:10]
    metrics = claim.measure_strength(network, test, 0)
    for epsilon in claim.STRENGTHS:
        attacked = attacks.fgsm(network, test.images, test.labels, epsilon)
        wrong = (network(attacked).argmax(dim=1) != test.labels).double().mean().item()
        assert metrics[f"FGSM {epsilon:g}"] == pytest.approx(100 * wrong)
    noise = generator(0, "strength")
    attacked = attacks.pgd(
        network, test.images, test.labels, 0.3, generator=noise, **claim.PGD_STEPS
    )
    with torch.no_grad():
        wrong = (network(attacked).argmax(dim=1) != test.labels).double().mean().item()
    assert metrics["PGD 0.3"] == pytest.approx(100 * wrong)


def test_the_trivial_baseline():
    assert claim.references("smoke") == {"one label for all": 90}
