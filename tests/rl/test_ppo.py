"""Advantages against sums and known values, the loss's gradients, the learner, bad input."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch import nn

from companion.checkpoint import CheckpointError
from companion.rl import policy as policy_room
from companion.rl import ppo
from companion.seeds import generator

SMALL = ppo.Settings(rollout_steps=10, epochs=2, minibatch=16, hidden=(8,))
GAMMA = 0.9


class Clock(gym.vector.VectorEnv):
    """Tells each world's step since its episode began, and pays 1 a step. World i lasts ends[i]."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, *ends, terminates=False):
        self.num_envs, self.ends, self.terminates = len(ends), np.array(ends), terminates
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.single_action_space = gym.spaces.Box(-1.0, 0.5, (2,), np.float32)
        self.received = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.times = np.zeros(self.num_envs)
        return self.observe(), {}

    def observe(self):
        noise = self.np_random.normal(0, 0.01, self.num_envs)
        return (self.times + noise)[:, None].astype(np.float32)

    def step(self, actions):
        self.received.append(actions)
        self.times += 1
        ended = self.times == self.ends
        observations, infos = self.observe(), {}
        if ended.any():
            infos["final_obs"] = observations.copy()
            self.times[ended] = 0
            observations[ended] = self.observe()[ended]
        cut = ended & (not self.terminates)
        return observations, np.ones(self.num_envs), ended & ~cut, cut, infos


def random_rollout(steps=12, worlds=5):
    random = generator(0, "rollout")
    rewards, values, next_values, change = torch.randn(
        4, steps, worlds, generator=random, dtype=torch.float64
    )
    terminated, truncated = torch.rand(2, steps, worlds, generator=random) < 0.15
    observations, actions = torch.randn(2, steps, worlds, 2, generator=random)
    return ppo.Rollout(
        observations, actions, rewards, change, values, next_values, terminated, truncated
    )


def set_critic(policy, value):
    """Let the critic answer the same everywhere."""
    nn.init.zeros_(policy.critic[-1].weight)
    nn.init.constant_(policy.critic[-1].bias, value)


def states_equal(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == again and torch.equal(a, b) for (name, a), (again, b) in pairs)


# --- advantages


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_advantages_are_the_sums_of_the_papers(gae_lambda):
    rollout = random_rollout()
    found = ppo.advantages(rollout, GAMMA, gae_lambda)
    steps, worlds = found.shape
    for world in range(worlds):
        for first in range(steps):
            expected = 0.0
            for step in range(first, steps):
                now = (step, world)
                following = 0.0 if rollout.terminated[now] else rollout.next_values[now]
                surprise = rollout.rewards[now] + GAMMA * following - rollout.values[now]
                expected += (GAMMA * gae_lambda) ** (step - first) * surprise
                if rollout.terminated[now] or rollout.truncated[now]:
                    break
            assert found[first, world].item() == pytest.approx(float(expected), abs=1e-6)


def test_lambda_of_1_is_the_discounted_return_less_the_value():
    rollout = random_rollout(worlds=1)
    rollout.terminated[:], rollout.truncated[:] = False, False
    # Telescopes only where the value after a step is that before the next.
    rollout.next_values[:-1] = rollout.values[1:]
    rewards = [*rollout.rewards[:, 0].tolist(), rollout.next_values[-1, 0].item()]
    expected = sum(GAMMA**step * reward for step, reward in enumerate(rewards))
    found = ppo.advantages(rollout, GAMMA, 1.0)[0, 0] + rollout.values[0, 0]
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_a_cut_episode_has_a_future_and_a_terminated_one_has_none():
    """At a reward of 1 for ever the value is 1 / (1 - gamma), wherever the clock cuts."""
    forever = 1 / (1 - GAMMA)
    for terminates in (False, True):
        learner = ppo.Learner(Clock(4, 7, terminates=terminates), SMALL, 0)
        set_critic(learner.policy, forever)
        rollout = learner.collect()
        found = ppo.advantages(rollout, GAMMA, 0.0)
        ended = rollout.terminated | rollout.truncated
        assert ended.sum(dim=0).tolist() == [2, 1]
        expected = torch.where(ended & torch.tensor(terminates), 1 - forever, 0.0)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["our own", "Gymnasium's"])
def test_the_value_after_an_episodes_end_is_that_of_its_final_observation(kind):
    if kind == "our own":
        world = Clock(4, 7)
    else:  # which gives the final observations as an array of objects
        world = gym.make_vec(
            "Pendulum-v1",
            num_envs=2,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
            max_episode_steps=4,
        )
    finals, step = [], world.step

    def record(actions):
        result = step(actions)
        finals.append(result[-1].get("final_obs"))
        return result

    world.step = record
    learner = ppo.Learner(world, SMALL, 0)
    rollout = learner.collect()
    assert rollout.truncated.any()
    for now in range(SMALL.rollout_steps):
        for index in range(2):
            after = learner.observations if now == 9 else rollout.observations[now + 1]
            seen = finals[now][index] if rollout.truncated[now, index] else after[index]
            with torch.no_grad():
                expected = learner.policy.values(seen)
            torch.testing.assert_close(rollout.next_values[now, index], expected)
    world.close()


# --- the policy


def test_log_probabilities_and_entropy_are_those_of_torch():
    policy = ppo.Policy(3, 2, random=generator(0, "policy"))
    nn.init.uniform_(policy.log_deviation, -1, 1)
    means, actions = torch.randn(2, 6, 4, 2, generator=generator(0, "actions"))
    normal = torch.distributions.Normal(means, policy.log_deviation.exp())
    found = policy.log_probabilities(means, actions)
    torch.testing.assert_close(found, normal.log_prob(actions).sum(dim=-1))
    torch.testing.assert_close(policy.entropy(), normal.entropy().sum(dim=-1)[0, 0])


def test_actions_scatter_around_the_mean_as_the_deviation_says():
    policy = ppo.Policy(3, 2, random=generator(0, "policy"))
    with torch.no_grad():
        policy.log_deviation.copy_(torch.tensor([0.5, 2.0]).log())
        actions = policy.act(np.ones((20_000, 3)), generator(0, "actions"))
        mean = policy.mean_action(np.ones(3))
    torch.testing.assert_close(actions.std(dim=0), torch.tensor([0.5, 2.0]), rtol=0.03, atol=0)
    torch.testing.assert_close(actions.mean(dim=0), mean, rtol=0, atol=0.05)


def test_statistics_seen_in_parts_are_those_of_the_whole():
    batches = [3 + 2 * torch.randn(n, 4, generator=generator(n, "batch")) for n in (1, 50, 7)]
    normaliser = policy_room.Normaliser(4)
    torch.testing.assert_close(normaliser(batches[0] / 9), batches[0] / 9)  # nothing seen yet
    for batch in batches:
        normaliser.see(batch)
    whole = torch.cat(batches)
    normalised = normaliser(whole)
    torch.testing.assert_close(normalised.mean(dim=0), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(normalised.var(dim=0, correction=0), torch.ones(4))
    torch.testing.assert_close(normaliser.undo(normalised), whole)
    assert normaliser(torch.full((4,), 1e6)).tolist() == [10] * 4


def test_what_was_seen_travels_with_the_weights():
    learner = ppo.Learner(Clock(4, 7), SMALL, 0)
    learner.update(learner.collect())
    copy = ppo.Policy(1, 2, SMALL.hidden)
    copy.load_state_dict(learner.policy.state_dict())
    seen = torch.linspace(0, 7, 20)[:, None]
    assert learner.policy.observation_normaliser.mean.item() > 1
    for read in (ppo.Policy.mean_action, ppo.Policy.values):
        assert torch.equal(read(copy, seen), read(learner.policy, seen))


def test_returns_are_of_as_many_whole_episodes_in_each_world():
    """Worlds of short episodes end many while a long one ends its first."""
    policy = ppo.Policy(1, 2, random=generator(0, "policy"))
    for sampled in (False, True):
        found = ppo.returns(Clock(3, 11), policy, 4, 0, sampled)
        assert found.tolist() == [3, 3, 11, 11]
    with pytest.raises(ValueError, match="5 episodes cannot be dealt to 2 worlds"):
        ppo.returns(Clock(3, 11), policy, 5, 0)


# --- the loss


def test_the_clipped_loss_stops_at_what_is_already_done_and_nowhere_else():
    ratios = torch.tensor([1.3, 1.3, 0.7, 0.7, 1.1, 0.9])
    gains = torch.tensor([2.0, -2.0, 2.0, -2.0, 2.0, -2.0])
    changes = ratios.log().requires_grad_()
    loss = ppo.clipped_loss(changes, torch.zeros(6), gains, 0.2)
    counted = torch.tensor([1.2 * 2, 1.3 * -2, 0.7 * 2, 0.8 * -2, 1.1 * 2, 0.9 * -2])
    torch.testing.assert_close(loss, -counted.mean())
    loss.backward()
    alive = torch.tensor([0.0, 1, 1, 0, 1, 1])
    torch.testing.assert_close(changes.grad, -alive * ratios * gains / 6)


def test_the_first_step_is_that_of_the_policy_gradient():
    """The policy that learns is the one that acted: all ratios are 1."""
    learner = ppo.Learner(Clock(4, 7), SMALL, 0)
    learner.update(learner.collect())  # so that there is something to normalise by
    rollout, policy = learner.collect(), learner.policy
    inputs = policy.normalise(rollout.observations)
    gains = torch.randn(rollout.rewards.shape, generator=generator(0, "gains"))

    def gradient(loss_of):
        found = policy.log_probabilities(policy.actor(inputs), rollout.actions)
        torch.testing.assert_close(found, rollout.log_probabilities, rtol=0, atol=1e-5)
        return torch.autograd.grad(
            loss_of(found), [*policy.actor.parameters(), policy.log_deviation]
        )

    clipped = gradient(lambda now: ppo.clipped_loss(now, rollout.log_probabilities, gains, 0.2))
    plain = gradient(lambda now: -(gains * now).mean())
    for one, other in zip(clipped, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_step_goes_down_the_papers_loss_by_a_bounded_gradient():
    settings = dataclasses.replace(SMALL, entropy_weight=0.1, max_gradient_norm=1e-3)
    learner, twin = (ppo.Learner(Clock(4, 7), settings, 0) for _ in range(2))
    random = generator(0, "minibatch")
    inputs, targets = torch.randn(2, 16, 1, generator=random)
    actions = torch.randn(16, 2, generator=random)
    old, gains = torch.randn(2, 16, generator=random)
    learner.descend(inputs, actions, old, gains, targets[:, 0])
    policy = twin.policy
    normal = torch.distributions.Normal(policy.actor(inputs), policy.log_deviation.exp())
    now = normal.log_prob(actions).sum(dim=-1)
    loss = ppo.clipped_loss(now, old, gains, 0.2)
    loss = loss + 0.5 * (policy.critic(inputs) - targets).square().mean()
    loss = loss - 0.1 * normal.entropy().sum(dim=-1).mean()
    weights = list(policy.parameters())
    plain = torch.cat([part.flatten() for part in torch.autograd.grad(loss, weights)])
    assert plain.norm() > 1e-3
    torch.testing.assert_close(learner.weights.grad, plain * 1e-3 / plain.norm(), rtol=1e-3, atol=0)
    # And the networks have moved with the vector, by Adam's first step.
    moved = nn.utils.parameters_to_vector(learner.policy.parameters()) - twin.weights
    gradient = learner.weights.grad
    expected = -settings.learning_rate * gradient / (gradient.abs() + 1e-5)
    torch.testing.assert_close(moved, expected, rtol=0, atol=2e-7)


# --- the learner


def test_the_world_gets_actions_within_its_bounds_and_the_loss_those_that_were_drawn():
    learner = ppo.Learner(Clock(4, 7), SMALL, 0)
    rollout = learner.collect()
    received = torch.as_tensor(np.array(learner.world.received))
    assert (rollout.actions > 0.5).any() and (rollout.actions < -1).any()
    assert torch.equal(received, rollout.actions.clamp(-1, 0.5))


def test_it_learns_from_the_rewards_that_a_caller_puts_in():
    learner = ppo.Learner(Clock(10, 10, 10, 10), dataclasses.replace(SMALL, learning_rate=0.01), 0)
    for _ in range(60):
        rollout = learner.collect()
        rollout.rewards = -(rollout.actions - torch.tensor([0.4, -0.7])).square().sum(dim=-1)
        learner.update(rollout)
    with torch.no_grad():
        found = learner.policy.mean_action(torch.arange(10.0)[:, None])
    torch.testing.assert_close(
        found, torch.tensor([0.4, -0.7]).expand(10, 2), rtol=0, atol=0.2, msg=str(found)
    )


@pytest.mark.parametrize("terminates", [False, True])
def test_the_critic_learns_what_is_still_to_come(terminates):
    """A reward of 1 a step, for ever though the clock cuts, or until a tenth step that ends it."""
    settings = dataclasses.replace(SMALL, learning_rate=0.01, gamma=GAMMA, epochs=4)
    learner = ppo.Learner(Clock(*[10] * 4, terminates=terminates), settings, 0)
    for _ in range(50):
        learner.update(learner.collect())
    times = torch.arange(10.0)
    expected = (1 - GAMMA ** (10 - times)) / (1 - GAMMA) if terminates else torch.full((10,), 10.0)
    with torch.no_grad():
        found = learner.policy.values(times[:, None])
    # From below, since the first values were 0 and all returns are averaged into the scale.
    torch.testing.assert_close(found, expected, rtol=0, atol=0.3 if terminates else 1.5)


def test_what_observations_are_normalised_by_stands_still_during_an_update(monkeypatch):
    learner = ppo.Learner(Clock(4, 7), SMALL, 0)
    means, inputs, descend = [], [], learner.descend

    def spy(*minibatch):
        means.append(learner.policy.observation_normaliser.mean.item())
        inputs.append(minibatch[0])
        descend(*minibatch)

    monkeypatch.setattr(learner, "descend", spy)
    first = learner.collect()
    learner.update(first)
    assert set(means) == {0.0}
    second = learner.collect()
    means.clear(), inputs.clear()
    learner.update(second)
    assert len(set(means)) == 1
    assert means[0] == pytest.approx(first.observations.mean().item())
    one_epoch = torch.cat(inputs[:2]).flatten().sort().values  # 20 steps, in minibatches of 16
    deviation = first.observations.std(correction=0)
    expected = (second.observations - first.observations.mean()) / deviation
    torch.testing.assert_close(one_epoch, expected.flatten().sort().values, rtol=1e-4, atol=1e-4)
    both = torch.cat([first.observations, second.observations]).mean().item()
    assert learner.policy.observation_normaliser.mean.item() == pytest.approx(both)


def test_the_same_seed_learns_the_same_and_leaves_the_global_generator():
    state = torch.random.get_rng_state()

    def learn(seed):
        learner = ppo.Learner(Clock(4, 7), SMALL, seed)
        reports = [learner.update(learner.collect()) for _ in range(3)]
        return learner.policy, reports

    (one, reports), (same, again), (other, _) = learn(0), learn(0), learn(1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert states_equal(one, same) and reports == again
    assert not states_equal(one, other)


@pytest.mark.parametrize("ends", [(5, 10), (4, 7)])
def test_an_interrupted_learner_goes_on_to_the_same_policy(ends, tmp_path):
    path = tmp_path / "learner.safetensors"
    whole, resumed = (ppo.Learner(Clock(*ends), SMALL, 0) for _ in range(2))
    for _ in range(2):
        whole.update(whole.collect())
    whole.save(path, {"return": [1.0, 2.0]})
    assert resumed.load(path) == {"return": [1.0, 2.0]}
    for learner in (whole, resumed):
        for _ in range(2):
            learner.update(learner.collect())
    assert resumed.updates == 4
    assert states_equal(whole.policy, resumed.policy)
    # Where rollouts are whole episodes, saving has changed nothing either.
    unsaved = ppo.Learner(Clock(*ends), SMALL, 0)
    for _ in range(4):
        unsaved.update(unsaved.collect())
    assert states_equal(whole.policy, unsaved.policy) == (ends == (5, 10))


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / "learner.safetensors"
    ppo.Learner(Clock(4), SMALL, 0).save(path)
    other = ppo.Learner(Clock(4), dataclasses.replace(SMALL, hidden=(9,)), 0)
    with pytest.raises(CheckpointError, match=r"actor\.0\.bias"):
        other.load(path)


# --- what is refused


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        (torch.tensor([[1.0, 1.0]] * 9 + [[1.0, float("nan")]]), "1 of 20 rewards are not finite"),
        (torch.ones(10, 2, 1), r"shape \(10, 2, 1\) for a rollout of shape \(10, 2\)"),
    ],
)
def test_rewards_that_cannot_be_are_refused_before_anything_is_changed(rewards, message):
    learner, untouched = (ppo.Learner(Clock(4, 7), SMALL, 0) for _ in range(2))
    rollout = learner.collect()
    rollout.rewards = rewards
    with pytest.raises(ValueError, match=message):
        learner.update(rollout)
    assert states_equal(learner.policy, untouched.policy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rollout_steps": 0}, "rollout_steps is 0: at least 1"),
        ({"epochs": 0}, "epochs is 0"),
        ({"minibatch": -1}, "minibatch is -1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan: give a number above 0"),
        ({"clip": 0.0}, r"clip is 0\.0"),
        ({"max_gradient_norm": 0.0}, r"max_gradient_norm is 0\.0"),
        ({"entropy_weight": -0.1}, r"entropy_weight is -0\.1: give 0"),
        ({"value_weight": float("inf")}, "value_weight is inf"),
        ({"gamma": 1.1}, r"gamma is 1\.1: give a number from 0 to 1"),
        ({"gae_lambda": -0.1}, r"gae_lambda is -0\.1"),
        ({"hidden": ()}, r"hidden is \(\)"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_worlds_that_the_learner_would_misread_are_refused():
    world = gym.make_vec("Pendulum-v1", num_envs=2, vectorization_mode="sync")
    with pytest.raises(ValueError, match=r"NEXT_STEP: build it with .*AutoresetMode\.SAME_STEP"):
        ppo.Learner(world, SMALL, 0)
    world.close()
    world = Clock(4)
    world.single_action_space = gym.spaces.Discrete(2)
    with pytest.raises(ValueError, match=r"single_action_space is Discrete\(2\): a Box of one"):
        ppo.Learner(world, SMALL, 0)
