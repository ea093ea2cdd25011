"""Bradley and Terry on sums, members on their own, and an average only after normalising."""

import math

import pytest
import torch

from companion.rl.human_preferences import model
from companion.seeds import generator


def ensemble(members=3):
    return model.RewardEnsemble(4, 2, members, generator=generator(0, "ensemble"))


def steps(*shape, seed=1):
    stream = generator(seed, "steps")
    return torch.randn(*shape, 4, generator=stream), torch.randn(*shape, 2, generator=stream)


# --- the probability and the loss


def test_the_probability_is_of_the_difference_of_sums_with_a_tenth_of_answers_random():
    first, second = torch.tensor([0.0, 3.0, 1e4, -1e4]), torch.tensor([0.0, 1.0, 0.0, 0.0])
    expected = [0.5, 0.9 / (1 + math.exp(-2)) + 0.05, 0.95, 0.05]
    assert model.preference_probability(first, second).tolist() == pytest.approx(expected)
    assert model.preference_probability(first, second, error=0)[2] == 1


def test_the_cross_entropy_of_its_three_answers():
    probability = torch.tensor([0.8, 0.8, 0.8])
    found = model.cross_entropy(probability, torch.tensor([1.0, 0.0, 0.5]))
    right, wrong = -math.log(0.8), -math.log(0.2)
    assert found.tolist() == pytest.approx([right, wrong, (right + wrong) / 2])


def test_the_gradient_is_that_of_the_closed_form():
    first = torch.tensor([0.3, -2.0, 5.0], dtype=torch.float64, requires_grad=True)
    second = torch.tensor([0.1, 1.0, -4.0], dtype=torch.float64)
    preference = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
    probability = model.preference_probability(first, second)
    model.cross_entropy(probability, preference).sum().backward()
    sigmoid = torch.sigmoid(first - second)
    slope = 0.9 * sigmoid * (1 - sigmoid)
    expected = slope * (probability - preference) / (probability * (1 - probability))
    assert torch.allclose(first.grad, expected.detach())


# --- the ensemble


def test_a_member_is_a_plain_network_of_its_own_weights():
    network = ensemble()
    network.see(torch.randn(100, 4, generator=generator(2, "seen")) * 3 + 1)
    observations, actions = steps(5, 7)
    found = network.rewards(observations, actions)
    standard = (observations - network.observation_mean) / network.observation_scale
    for member in range(3):
        values = torch.cat([standard, actions.clamp(-1, 1)], dim=-1)
        for layer in range(3):
            values = values @ network.weights[layer][member] + network.biases[layer][member]
            if layer < 2:
                values = torch.where(values > 0, values, 0.01 * values)
        assert torch.allclose(found[member], values[..., 0], atol=1e-5)
    assert not torch.allclose(found[0], found[1])


def test_own_rewards_are_each_members_on_its_own_sample():
    network = ensemble()
    observations, actions = steps(3, 5, 7)
    found = network.own_rewards(observations, actions)
    for member in range(3):
        alone = network.rewards(observations[member], actions[member])[member]
        assert torch.allclose(found[member], alone, atol=1e-6)


def test_each_member_is_normalised_before_the_average():
    network = ensemble()
    observations, actions = steps(40, 10)
    with torch.no_grad():  # the same choices at sure odds: another factor, another constant
        network.weights[-1][0] *= 100
        network.biases[-1][0] += 1000
    network.normalise(observations, actions)
    found = network.normalised(observations, actions)
    raw = network.rewards(observations, actions)
    each = (raw - raw.mean(dim=(1, 2), keepdim=True)) / raw.std(dim=(1, 2), keepdim=True)
    assert torch.allclose(found, each.mean(dim=0), atol=1e-4)
    assert found.mean().item() == pytest.approx(0, abs=1e-4)


def test_the_statistics_are_saved_with_the_weights():
    network, other = ensemble(), model.RewardEnsemble(4, 2)
    observations, actions = steps(50)
    network.see(5 * observations)
    network.normalise(observations, actions)
    other.load_state_dict(network.state_dict())
    assert torch.equal(
        other.normalised(observations, actions), network.normalised(observations, actions)
    )


def test_disagreement_is_the_members_variance_and_none_where_they_agree():
    network = ensemble()
    first, second = steps(6, 5, seed=1), steps(6, 5, seed=2)
    sums = [network.rewards(*clips).sum(dim=2) for clips in (first, second)]
    probability = 0.9 * torch.sigmoid(sums[0] - sums[1]) + 0.05  # (members, pairs)
    found = model.disagreement(network, first, second)
    assert torch.allclose(found, (probability - probability.mean(0)).square().mean(0), atol=1e-7)
    assert torch.equal(model.disagreement(network, first, first), torch.zeros(6))
    assert torch.equal(model.disagreement(ensemble(1), first, second), torch.zeros(6))


def test_an_ensemble_of_none_is_refused():
    with pytest.raises(ValueError, match="0 members"):
        model.RewardEnsemble(4, 2, 0)
