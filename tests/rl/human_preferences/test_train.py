"""The loop asks when it should, what it should, of the true reward alone, and goes on when cut."""

import dataclasses

import numpy as np
import pytest
import torch

from companion.rl import ppo
from companion.rl.human_preferences import data, gymnast, model, train
from companion.seeds import generator

SMALL = dataclasses.replace(
    train.SETTINGS["smoke"],
    worlds=4,
    iterations=4,
    ppo=dataclasses.replace(train.SETTINGS["laptop"].ppo, epochs=1),
)
UNERRING = data.SyntheticLabeller(gymnast.score, error_rate=0)


def run(settings=SMALL, labeller=UNERRING, seed=0, **options):
    return train.train(gymnast.Gymnast(settings.worlds), labeller, settings, seed, **options)


# --- asking


def test_a_quarter_of_the_answers_comes_first_and_the_rate_falls_as_in_the_paper():
    settings = train.SETTINGS["laptop"]
    asked = [train.labels_by(step / 1000, settings) for step in range(1001)]
    assert asked[0] == 175 and asked[-1] == 700
    assert np.all(np.diff(asked) >= 0)
    fine = dataclasses.replace(settings, labels=10**8)
    rate = np.diff([train.labels_by(progress, fine) for progress in (0, 1e-3, 0.2, 0.201)])
    assert rate[2] / rate[0] == pytest.approx(0.5, rel=0.01)


def test_all_answers_come_first_when_the_reward_is_to_be_frozen():
    history = run(dataclasses.replace(SMALL, first_share=1.0)).history
    assert history["labels"] == [80] * 4 and len(history["loss"]) == 1


def test_the_most_disputed_of_the_candidates_are_asked():
    ensemble = model.RewardEnsemble(6, 2, generator=generator(0, "ensemble"))
    rollout = ppo.Learner(gymnast.Gymnast(4), SMALL.ppo, 0).collect()
    arguments = ensemble, rollout, 5
    chosen, _ = train.questions(*arguments, True, SMALL, np.random.default_rng(0))
    wide = dataclasses.replace(SMALL, candidates=1)
    pool = train.questions(ensemble, rollout, 50, False, wide, np.random.default_rng(0))
    variance = model.disagreement(ensemble, *map(train.tensors, pool))
    best = pool[0][variance.argsort(descending=True)[:5].numpy()]
    assert np.array_equal(chosen.observations, best.observations)
    as_they_come, _ = train.questions(*arguments, False, SMALL, np.random.default_rng(0))
    assert len(as_they_come) == 5


# --- the loop


def test_answers_follow_the_true_reward_of_what_was_shown_never_the_learned_one():
    comparisons = run().comparisons
    sums = [UNERRING.returns(clips) for clips in (comparisons.first, comparisons.second)]
    assert np.array_equal(comparisons.preferences, (np.sign(sums[0] - sums[1]) + 1) / 2)
    assert np.abs(comparisons.first.actions).max() <= 1


def test_the_policy_learns_from_the_learned_reward_and_from_the_true_one_where_nobody_is_asked(
    monkeypatch,
):
    given = []
    update = ppo.Learner.update

    def record(learner, rollout):
        given.append(rollout)
        return update(learner, rollout)

    monkeypatch.setattr(ppo.Learner, "update", record)
    found = run()
    last = given[-1]
    learned = found.ensemble.normalised(last.observations, last.actions)
    assert torch.equal(last.rewards, learned)
    assert learned.mean().abs() < 1e-4
    alone = run(labeller=None)
    assert len(alone.comparisons) == 0 and alone.history.keys() == {"return"}
    true = gymnast.score(given[-1].observations.numpy(), None)
    assert np.allclose(given[-1].rewards, true, atol=1e-6)


def test_the_curves_are_of_the_true_return():
    history = run().history
    assert [len(history[name]) for name in ("return", "labels", "correlation")] == [4, 4, 4]
    assert history["return"][0] == run(labeller=None).history["return"][0]  # not yet trained
    assert history["labels"][0] == 20 and history["labels"][-1] == 80
    assert all(-1 <= value <= 1 for value in history["correlation"])


def test_same_seed_same_result_and_another_seed_another():
    first, again, other = run(), run(), run(seed=1)
    assert first.history == again.history
    assert first.history["return"] != other.history["return"]


def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    whole = run()
    update, calls = ppo.Learner.update, []

    def interrupt(learner, rollout):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return update(learner, rollout)

    monkeypatch.setattr(ppo.Learner, "update", interrupt)
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=path)
    monkeypatch.setattr(ppo.Learner, "update", update)
    # As if it had been cut between the two files: answers that no one has learned from.
    ahead, _ = train.load_weights(train.answers_path(path))
    train.save_weights(
        train.answers_path(path),
        {name: torch.cat([each, each], dim=int(name == "counts")) for name, each in ahead.items()},
    )
    resumed = run(checkpoint=path)
    assert resumed.history == whole.history
    assert np.array_equal(resumed.comparisons.preferences, whole.comparisons.preferences)
    for name, weight in whole.ensemble.state_dict().items():
        assert torch.equal(weight, resumed.ensemble.state_dict()[name]), name
    for name, weight in whole.policy.state_dict().items():
        assert torch.equal(weight, resumed.policy.state_dict()[name]), name


# --- what cannot be


def test_settings_that_cannot_be_are_refused_in_words():
    for changes, words in (
        ({"queries": "loudest"}, "queries 'loudest' are unknown: disagreement or random"),
        ({"first_share": 0.0}, "first_share is 0.0"),
        ({"labels": 20}, "20 labels of which 25% come first are too few"),
    ):
        with pytest.raises(ValueError, match=words):
            dataclasses.replace(SMALL, **changes)


def test_rollouts_that_break_episodes_are_refused():
    broken = dataclasses.replace(SMALL, ppo=dataclasses.replace(SMALL.ppo, rollout_steps=90))
    with pytest.raises(ValueError, match="90 steps ends within an episode"):
        run(broken)


def test_a_labeller_who_skips_everything_is_refused():
    class Asleep:
        def compare(self, first, second, stream):
            return data.Comparisons(first[:0], second[:0], np.empty(0))

    with pytest.raises(ValueError, match="none of 20 pairs got an answer"):
        run(labeller=Asleep())


def test_the_paper_size_has_the_papers_networks():
    settings = train.SETTINGS["gpu"]
    with torch.device("meta"):
        network = model.RewardEnsemble(17, 6, settings.num_members)
    assert sum(each.numel() for each in network.parameters()) == 3 * (
        23 * 64 + 64 * 64 + 3 * 64 + 1
    )
    assert settings.clip_steps * gymnast.STEP_SECONDS == 1.5
