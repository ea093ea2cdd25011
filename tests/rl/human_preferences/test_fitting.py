"""Members learn on their own, from their own samples, and a reward is found up to an affine map."""

import numpy as np
import pytest
import torch

from companion.rl.human_preferences import data, fitting, model
from companion.seeds import generator


def first_observation(observations, actions):
    return observations[..., 0]


def comparisons(count=40, length=5, seed=0, error_rate=0.0):
    stream = np.random.default_rng(seed)
    first, second = (
        data.Clips(stream.normal(size=(count, length, 3)), stream.normal(size=(count, length, 2)))
        for _ in range(2)
    )
    return data.SyntheticLabeller(first_observation, error_rate).compare(first, second, stream)


def ensemble(members=3, seed=0):
    return model.RewardEnsemble(3, 2, members, (16,), generator(seed, "ensemble"))


def fitted(network, answers, counts, steps=20, seed=0):
    fitting.fit(network, answers, counts, steps, 8, 1e-2, generator(seed, "fit"))
    return network


def test_bootstrap_samples_are_independent_and_leave_out_one_in_e():
    counts = fitting.bootstrap(20_000, 3, np.random.default_rng(0))
    assert counts.mean(axis=1) == pytest.approx([1, 1, 1], abs=0.03)
    assert (counts == 0).mean(axis=1) == pytest.approx([1 / np.e] * 3, abs=0.02)
    assert np.abs(np.corrcoef(counts) - np.eye(3)).max() < 0.03


def test_a_member_learns_from_its_own_sample_alone():
    answers = comparisons()
    counts = np.zeros((3, 40), np.int64)
    counts[0, :10], counts[1, 10:20], counts[2, 20:30] = 1, 1, 1
    changed = answers.preferences.copy()
    changed[:10] = 1 - changed[:10]  # of the first member's sample
    other = data.Comparisons(answers.first, answers.second, changed)
    one, two = (fitted(ensemble(), each, counts).weights[0] for each in (answers, other))
    assert not torch.allclose(one[0], two[0])
    assert torch.equal(one[1:], two[1:])


def test_a_member_learns_as_fast_in_company_as_alone(monkeypatch):
    # Plain descent: Adam would hide a loss divided by the number of members.
    def descent(parameters, learning_rate, weight_decay, fused):
        return torch.optim.SGD(parameters, learning_rate, weight_decay=weight_decay)

    monkeypatch.setattr(torch.optim, "AdamW", descent)
    answers, together = comparisons(1), ensemble()
    alone = ensemble(1)
    with torch.no_grad():
        for mine, theirs in zip(alone.parameters(), together.parameters(), strict=True):
            mine.copy_(theirs[:1])
    fitted(together, answers, np.ones((3, 1), np.int64))
    fitted(alone, answers, np.ones((1, 1), np.int64))
    for mine, theirs in zip(alone.parameters(), together.parameters(), strict=True):
        assert torch.allclose(mine[0], theirs[0], atol=1e-6)


def test_losses_are_inside_and_outside_the_samples():
    network, answers = ensemble(), comparisons()
    counts = np.random.default_rng(1).poisson(1.0, (3, 40))
    returns = [
        network.rewards(*fitting.tensors(clips)).sum(dim=2).detach()
        for clips in (answers.first, answers.second)
    ]
    probability = model.preference_probability(*returns)
    surprise = model.cross_entropy(probability, torch.from_numpy(answers.preferences)).numpy()
    inside = [np.repeat(surprise[k], counts[k]).mean() for k in range(3)]
    outside = [surprise[k][counts[k] == 0].mean() for k in range(3)]
    found = fitting.losses(network, answers, counts)
    assert found == pytest.approx((np.mean(inside), np.mean(outside)), rel=1e-5)


def test_a_reward_is_found_from_choices_up_to_an_affine_map():
    answers = comparisons(200, error_rate=0.1)
    counts = fitting.bootstrap(200, 3, np.random.default_rng(0))
    network = fitted(ensemble(), answers, counts, steps=150)
    unseen = comparisons(200, seed=1)
    rewards = network.normalised(*fitting.tensors(unseen.first))
    true = torch.from_numpy(unseen.first.observations[..., 0])
    assert fitting.correlation(rewards, true) > 0.9
    assert fitting.correlation(3 * rewards - 7, true) == pytest.approx(
        fitting.correlation(rewards, true)
    )


def test_a_member_without_a_sample_learns_from_all():
    answers, counts = comparisons(2), np.array([[0, 0], [1, 1], [2, 0]])
    assert all(torch.isfinite(each).all() for each in fitted(ensemble(), answers, counts).weights)


def test_correlation_of_a_constant_is_0():
    assert fitting.correlation(torch.ones(5), torch.arange(5.0)) == 0
