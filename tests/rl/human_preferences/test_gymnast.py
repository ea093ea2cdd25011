"""The gymnast obeys mechanics, cuts its episodes where it says, and refuses what is no action."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from companion.rl.human_preferences import gymnast


def started(num_envs=4, seed=0):
    world = gymnast.Gymnast(num_envs)
    observations, _ = world.reset(seed=seed)
    return world, observations


def actions(steps, num_envs, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, num_envs, 2))


# --- mechanics


def test_energy_is_kept_without_friction_or_torque(monkeypatch):
    monkeypatch.setattr(gymnast, "DAMPING", 0.0)
    state = np.random.default_rng(0).uniform(-1.0, 1.0, (4, 16))  # no fold reaches its spring
    before = gymnast.energy(state)
    for _ in range(20):
        state = gymnast.advance(state, np.zeros((2, 16)))
    assert np.allclose(gymnast.energy(state), before, rtol=1e-3)
    assert before.min() > 0


def test_torques_do_the_work_that_the_energy_gains(monkeypatch):
    monkeypatch.setattr(gymnast, "DAMPING", 0.0)
    monkeypatch.setattr(gymnast, "STEP_SECONDS", 1e-3)
    torques = np.array([[50.0], [30.0]])
    state = np.array([[0.4], [0.1], [0.5], [-0.3]])
    later = gymnast.advance(state, torques)
    turned = later[:2] - state[:2]
    work = torques[0] * turned[0] + torques[1] * (turned[1] - turned[0])
    assert np.allclose(gymnast.energy(later) - gymnast.energy(state), work, rtol=1e-4)


def test_hanging_at_rest_stays_and_friction_takes_energy():
    assert np.allclose(gymnast.advance(np.zeros((4, 1)), np.zeros((2, 1))), 0)
    state = np.array([[0.5], [0.2], [0.0], [0.0]])
    assert gymnast.energy(gymnast.advance(state, np.zeros((2, 1)))) < gymnast.energy(state)


def test_a_mirrored_gymnast_moves_as_in_a_mirror():
    state = np.random.default_rng(0).uniform(-2, 2, (4, 8))
    torques = np.random.default_rng(1).uniform(-100, 100, (2, 8))
    assert np.allclose(gymnast.advance(-state, -torques), -gymnast.advance(state, torques))


# --- the score


def pose(trunk, legs, trunk_speed=0.0, legs_speed=0.0):
    return gymnast.observe(np.array([[trunk], [legs], [trunk_speed], [legs_speed]], float))


def score(*state):
    return gymnast.score(pose(*state), np.zeros((1, 2))).item()


def test_only_a_still_handstand_earns_all_and_raised_legs_little():
    assert score(np.pi, np.pi) == pytest.approx(1)
    assert score(0, 0) == pytest.approx(0)
    assert score(0, np.pi) < 0.1
    half = 6.0 / (gymnast.TRUNK_LENGTH + gymnast.LEGS_LENGTH)  # radians a second
    assert score(np.pi, np.pi, half, half) == pytest.approx(0.5)


def test_the_feet_move_as_fast_as_their_place_changes():
    state = np.random.default_rng(0).uniform(-2, 2, (4, 8))
    later = state.copy()
    later[:2] += 1e-4 * state[2:]
    # Angles by themselves: observations are kept in float32.
    seen = [
        np.stack([np.cos(s[0]), np.sin(s[0]), np.cos(s[1]), np.sin(s[1]), s[2], s[3]], axis=1)
        for s in (state, later)
    ]
    (place, speed), (moved, _) = gymnast.feet(seen[0]), gymnast.feet(seen[1])
    assert np.allclose((np.array(moved) - place) / 1e-4, speed, atol=1e-3)


def test_from_below_hanging_is_taken_for_a_handstand():
    hanging, handstand, aside = pose(0, 0), pose(np.pi, np.pi), pose(np.pi / 2, np.pi / 2)
    from_below = [gymnast.score_from_below(seen, None).item() for seen in (hanging, handstand)]
    assert from_below == pytest.approx([1, 1])
    assert gymnast.score_from_below(aside, None).item() < 0.2


def test_a_step_earns_the_score_of_what_was_seen_before_it():
    world, observations = started()
    for action in actions(gymnast.EPISODE_STEPS + 2, 4):
        expected = gymnast.score(observations, action)
        observations, rewards, *_ = world.step(action)
        assert np.array_equal(rewards, expected)


# --- episodes


def test_episodes_are_cut_together_after_their_length_and_the_last_view_is_kept():
    world, _ = started()
    for step, action in enumerate(actions(2 * gymnast.EPISODE_STEPS, 4), start=1):
        observations, rewards, terminated, truncated, infos = world.step(action)
        last = step % gymnast.EPISODE_STEPS == 0
        assert truncated.tolist() == [last] * 4 and not terminated.any()
        assert ("final_obs" in infos) == last
        assert rewards.shape == (4,)
        if last:
            assert not np.allclose(infos["final_obs"], observations)
            assert np.all(observations[:, 0] > 0.95)  # hanging again
    assert world.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP


def test_the_seed_decides_everything_and_worlds_do_not_touch_each_other():
    (world, first), (again, same), (_, other) = started(), started(), started(seed=1)
    assert np.array_equal(first, same) and not np.array_equal(first, other)
    for action in actions(gymnast.EPISODE_STEPS + 3, 4):
        moved = action.copy()
        moved[2] = 0
        one, two = world.step(action)[0], again.step(moved)[0]
        others = [0, 1, 3]
        assert np.array_equal(one[others], two[others])


def test_actions_beyond_one_are_cut():
    (world, _), (other, _) = started(), started()
    far = 5 * actions(1, 4)[0]
    assert np.array_equal(world.step(far)[0], other.step(np.clip(far, -1, 1))[0])


@pytest.mark.parametrize("wrong", [np.zeros((3, 2)), np.zeros((4, 3)), np.full((4, 2), np.nan)])
def test_what_is_no_action_is_refused(wrong):
    world, _ = started()
    with pytest.raises(ValueError, match=r"for 4 worlds: give finite numbers of shape \(4, 2\)"):
        world.step(wrong)


def test_a_step_before_the_first_reset_and_no_worlds_are_refused():
    with pytest.raises(RuntimeError, match="call reset"):
        gymnast.Gymnast(2).step(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="0 worlds"):
        gymnast.Gymnast(0)
