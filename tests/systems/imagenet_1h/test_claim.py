"""Arms differ in what they are named for, at one base rate, and every column is measured."""

import dataclasses

import pytest

from companion.systems.imagenet_1h import claim, train

RATE = 0.05


def settings(arm):
    return claim.settings_for(arm, "laptop", RATE)


def test_every_arm_sees_the_same_samples_at_the_base_rate():
    small = settings(claim.SMALL)
    for arm in claim.CHANGES:
        if "rate" in arm:
            continue
        mine = settings(arm)
        free = {name: getattr(small, name) for name in ("batch", "share", "warm_up", "rule")}
        assert dataclasses.replace(mine, **free) == small
        assert mine.learning_rate == RATE
        assert mine.steps * mine.batch == small.steps * small.batch


def test_arms_are_named_for_their_batch_and_recipe():
    for batch in claim.BATCHES:
        both, alone, neither = (settings(f"{batch:,}, {name}") for name in claim.RECIPES)
        assert both.batch == alone.batch == neither.batch == batch
        first = [train.learning_rate_at(0, arm) for arm in (both, alone, neither)]
        assert first == pytest.approx([RATE, RATE * batch / 64, RATE])
        risen = both.warm_up * both.steps_per_epoch
        later = [train.learning_rate_at(risen, arm) for arm in (both, alone, neither)]
        assert later == pytest.approx([RATE * batch / 64, RATE * batch / 64, RATE])


def test_normalising_together_changes_the_statistics_alone():
    together = settings("2,048, normalised together")
    apart = settings("2,048, rule and warm-up")
    assert (together.share, apart.share) == (2048, 64)
    assert dataclasses.replace(together, share=64) == apart


def test_the_base_rate_is_one_of_those_tried_and_the_only_one_of_the_headline():
    assert claim.CLAIM.learning_rates == (claim.BASE_RATE,)
    assert claim.BASE_RATE in claim.BASE_RATES
    study = next(study for study in claim.CLAIM.studies if study.name == "base_rate")
    rates = [claim.settings_for(arm, "laptop", claim.BASE_RATE).learning_rate for arm in study.arms]
    assert rates == list(claim.BASE_RATES)


def test_every_arm_is_an_experiment():
    studied = {arm for study in claim.CLAIM.studies for arm in study.arms}
    named = {arm.removeprefix(claim.FASHION) for arm in studied} | {*claim.CLAIM.arms}
    assert named == claim.CHANGES.keys()


def test_every_column_is_measured_and_the_seed_decides_it():
    first, again = (claim.experiment("512, rule alone", 1, "smoke", RATE) for _ in range(2))
    assert first == again
    wanted = {name for study in claim.CLAIM.studies for name in study.metrics}
    assert wanted | {"validation"} <= first.keys()
    assert first["highest"] >= first["early"] > 0


def test_losses_are_of_the_epochs_they_are_named_for(monkeypatch):
    monkeypatch.setitem(
        train.SETTINGS, "laptop", dataclasses.replace(settings("batch 64"), warm_up=2)
    )
    run = train.Settings(epochs=6, samples=128, minutes=0, batch=64, warm_up=2)
    found = claim.losses([9.0, 8, 4, 2, 1, 1, 1, 1, 1, 1, 0.5, 0.25], run)
    means = {"loss 1": 8.5, "loss 2": 3, "loss 3": 1, "loss 4": 1, "loss 5": 1, "loss 6": 0.375}
    assert found == {"highest": 9, "early": 3, "final": 0.375} | means


def test_a_run_that_diverges_counts_as_one_label_for_all(monkeypatch):
    def diverge(*arguments, **options):
        raise FloatingPointError

    monkeypatch.setattr(claim, "train", diverge)
    metrics = claim.experiment("4,096, rule alone", 0, "smoke", RATE)
    assert metrics == {"validation": 90, "test": 90}
    assert claim.references("smoke") == {"one label for all": 90}


def test_the_fashion_arms_read_fashion(monkeypatch):
    class Reached(Exception):
        pass

    def reached(split):
        raise Reached

    monkeypatch.setattr(claim, "load_fashion", reached)
    with pytest.raises(Reached):
        claim.experiment(claim.FASHION_ARMS[0], 0, "smoke", RATE)


def test_differences_are_paired_by_seed():
    errors = {"a": {0: 3.0, 1: 5.0, 2: 9.0}, "b": {2: 8.0, 0: 2.0, 1: 4.0, 7: 50.0}}
    runs = [
        {"arm": arm, "seed": seed, "metrics": {"test": value}}
        for arm, by_seed in errors.items()
        for seed, value in by_seed.items()
    ]
    mean, (low, high) = claim.paired_difference({"runs": runs}, "a", "b")
    assert (mean, low, high) == (1, 1, 1)


def test_the_paper_size_is_refused_with_the_way_to_imagenet():
    with pytest.raises(ValueError, match=r"data\.Photographs"):
        claim.experiment(claim.SMALL, 0, "gpu", RATE)
