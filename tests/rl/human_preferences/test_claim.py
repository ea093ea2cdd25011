"""Arms differ in what they are named for, and every column is measured."""

import dataclasses

import numpy as np
import pytest

from companion.rl.human_preferences import claim, gymnast, train

RATE = 3e-3


def settings(arm, size="laptop"):
    return claim.settings_for(arm, size, RATE)


def test_every_arm_acts_as_long_with_the_same_learner():
    method = settings(claim.METHOD)
    asking = ("queries", "labels", "first_share", "num_members")
    for arm in claim.CHANGES:
        mine = settings(arm)
        same = {name: getattr(method, name) for name in asking}
        assert dataclasses.replace(mine, **same) == method
    assert method.ppo.learning_rate == RATE and method.labels == 700


def test_the_headline_differs_in_the_queries_alone():
    method, baseline = settings(claim.METHOD), settings(claim.BASELINE)
    assert (method.queries, baseline.queries) == ("disagreement", "random")
    assert dataclasses.replace(method, queries="random") == baseline
    labellers = [claim.labeller_for(arm) for arm in (claim.METHOD, claim.BASELINE)]
    assert [(each.reward, each.error_rate) for each in labellers] == [(gymnast.score, 0.1)] * 2
    assert claim.labeller_for(claim.CEILING) is claim.labeller_for("cheetah, true reward") is None


def test_arms_are_named_for_what_they_change():
    assert settings("random queries, 350 labels").labels == 350
    assert settings("disagreement, 1,400 labels").queries == "disagreement"
    assert settings("disagreement, 1,400 labels", "smoke").labels == 160
    assert settings("one predictor").num_members == 1
    assert settings("asked once").first_share == 1
    assert claim.labeller_for("25% careless answers").error_rate == 0.25
    assert claim.labeller_for("from below").reward is gymnast.score_from_below
    assert settings(claim.CHEETAH_ARMS[0]).labels == 700


def test_studies_of_random_queries_compare_at_one_learning_rate():
    for study in claim.CLAIM.studies:
        if any(claim.CHANGES.get(arm, {}).get("queries") == "random" for arm in study.arms):
            assert claim.BASELINE not in study.arms  # its rate is its own
    assert settings(claim.SAME_RATE) == settings(claim.BASELINE)


def test_every_arm_is_an_experiment():
    studied = {arm for study in claim.CLAIM.studies for arm in study.arms}
    assert {*studied, *claim.CLAIM.arms} == {*claim.CHANGES, *claim.CHEETAH_ARMS}


def test_every_column_is_measured_and_the_seed_decides_it():
    first, again = (claim.experiment("from below", 1, "smoke", RATE) for _ in range(2))
    assert first == again
    light = [study for study in claim.CLAIM.studies if study.name != "cheetah"]
    wanted = {name for study in light for name in study.metrics}
    assert wanted | {"validation"} <= first.keys()
    assert first["seen"] != first["test"]


def test_the_cheetah_is_measured_at_its_own_rate():
    pytest.importorskip("mujoco")
    arm = claim.CHEETAH_ARMS[0]
    study = next(study for study in claim.CLAIM.studies if study.name == "cheetah")
    assert study.metrics.keys() <= claim.experiment(arm, 0, "smoke", RATE).keys()
    assert settings(arm).ppo.learning_rate != RATE


def test_playing_adds_up_true_rewards_from_the_states_of_its_seed():
    world = gymnast.Gymnast(4)
    played = claim.play(world, None, 5)
    assert played.observations.shape == (gymnast.EPISODE_STEPS, 4, 6)
    assert np.array_equal(played.observations[0], world.reset(seed=5)[0])
    earned = gymnast.score(played.observations, played.actions)
    assert played.mean_return == pytest.approx(earned.sum(axis=0).mean())
    assert claim.VALIDATION_SEED != claim.TEST_SEED


def test_references_stand_in_their_order():
    nothing, random, best = claim.references("smoke").values()
    assert nothing < random < best


def test_the_paper_size_is_refused():
    with pytest.raises(ValueError, match="train"):
        claim.experiment(claim.METHOD, 0, "gpu", RATE)
    assert train.SETTINGS["gpu"].labels == 1400
