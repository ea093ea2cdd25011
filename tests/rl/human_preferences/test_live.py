"""What the page shows: a bank of stored behaviour, reproducible and small."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from companion.rl.human_preferences import gymnast, live
from companion.rl.human_preferences.train import SETTINGS

FOLDER = Path(__file__).parents[3] / "book/live/rl/human_preferences"
WEIGHT = 400_000  # bytes


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((FOLDER / "bank.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def bank(stored: dict) -> live.Steps:
    return live.decode(stored["data"])


def after_one_step(steps: live.Steps) -> np.ndarray:
    """Where each state goes by its action: (trajectories, steps - 1, 4)."""
    first = steps[:, :-1].reshape(-1, 6).T
    return gymnast.advance(first[:4], gymnast.TORQUES[:, None] * first[4:]).T.reshape(
        len(steps), -1, 4
    )


def angle(difference: np.ndarray) -> np.ndarray:
    return (difference + np.pi) % (2 * np.pi) - np.pi


def test_two_bytes_keep_a_step_to_the_unit_and_angles_within_a_turn():
    steps = np.random.default_rng(0).uniform(-1, 1, (3, 100, 6))
    steps *= [20, 20, 100, 100, 1, 1]  # several turns
    found = live.decode(live.encode(steps))
    difference = found - steps
    difference[..., :2] = angle(difference[..., :2])
    assert (np.abs(difference) <= live.UNITS / 2 + 1e-12).all()
    assert np.abs(found[..., :2]).max() <= np.pi + 1e-4


def test_a_value_that_does_not_fit_is_refused():
    steps = np.zeros((1, 100, 6))
    steps[0, 3, 2] = 1000
    with pytest.raises(ValueError, match="does not fit two bytes"):
        live.encode(steps)


def test_a_mirrored_trajectory_is_one_that_the_world_allows():
    stream = np.random.default_rng(0)
    steps, _ = live.record(live.random_torques(0.5, stream), 4, 1)
    shown = live.mirrored(steps, np.array([True, False, True, False]))
    np.testing.assert_array_equal(shown[1::2], steps[1::2])
    np.testing.assert_allclose(after_one_step(shown), shown[:, 1:, :4], atol=1e-12)
    assert (np.sign(shown[0, -1, 0]) == -np.sign(steps[0, -1, 0])).all()


def test_a_record_holds_what_was_done_and_its_true_return():
    """Actions beyond the bounds are kept as the world took them."""
    steps, returns = live.record(lambda seen: np.full((len(seen), 2), 5.0), 2, seed=3)
    assert (steps[..., 4:] == 1).all()
    world = gymnast.Gymnast(2)
    observations, _ = world.reset(seed=3)
    earned = np.zeros(2)
    for step in range(gymnast.EPISODE_STEPS):
        np.testing.assert_array_equal(gymnast.observe(steps[:, step, :4].T), observations)
        observations, rewards, *_ = world.step(np.full((2, 2), 5.0))
        earned += rewards
    np.testing.assert_allclose(returns, earned)


def test_a_policy_is_shown_at_the_stages_asked_for():
    """The first stage is the same whether training goes on or not, and the later one is another."""
    weights = {}
    for updates in ((1,), (1, 2)):
        for update, policy in live.stages(live.folded, updates, seed=0):
            weights[updates, update] = torch.cat([each.flatten() for each in policy.parameters()])
            weights[updates, update] = weights[updates, update].detach().clone()
    assert set(weights) == {((1,), 1), ((1, 2), 1), ((1, 2), 2)}
    assert torch.equal(weights[(1,), 1], weights[(1, 2), 1])
    assert not torch.equal(weights[(1, 2), 1], weights[(1, 2), 2])


def test_hand_made_rewards_like_what_they_are_named_for():
    def observed(trunk: float, legs: float, *speeds: float) -> torch.Tensor:
        state = np.array([[trunk], [legs], [speeds[0]], [speeds[1]]])
        return torch.from_numpy(gymnast.observe(state))[0]

    hanging = observed(0, 0, 0, 0)
    assert live.turning(observed(1, 1, -3, -3)) == 3 and live.turning(hanging) == 0
    assert live.turning(observed(1, 1, -3, 17)) < 0  # flapping
    assert live.folded(observed(0.3, 0.3 + math.pi, 0, 0)) == pytest.approx(2)
    assert live.folded(observed(2, 2, 1, 1)) == pytest.approx(0, abs=1e-6)
    assert live.level(observed(math.pi / 2, 0, 0, 0)) == pytest.approx(0, abs=1e-6)
    others = (observed(math.pi, math.pi, 0, 0), observed(0, 0, 1, 1), observed(0, 1, 0, 0))
    assert all(live.hanging_still(hanging) > live.hanging_still(other) for other in others)


# --- what the site serves


def test_the_stored_trajectories_are_of_this_world(bank: live.Steps):
    """Each state follows from the one before it, but for rounding.

    Turns are not stored, and the spring of the fold feels them: one of three folds must do.
    """
    close = []
    for turns in (-1, 0, 1):
        unwrapped = bank.copy()
        fold = angle(bank[..., 1] - bank[..., 0]) + 2 * np.pi * turns
        unwrapped[..., 1] = bank[..., 0] + fold
        difference = after_one_step(unwrapped) - bank[:, 1:, :4]
        difference[..., :2] = angle(difference[..., :2])
        close.append((np.abs(difference) < [0.01, 0.01, 0.1, 0.1]).all(axis=-1))
    assert np.any(close, axis=0).mean() > 0.99


def test_the_bank_has_what_tastes_can_tell_apart(stored: dict, bank: live.Steps):
    assert len(bank) == len(stored["behaviours"]) * stored["each"]
    assert 60 <= len(bank) <= 120
    quantities = {
        "height": -1.2 * np.cos(bank[..., 0]) - 0.9 * np.cos(bank[..., 1]),
        "bend": 1 - np.cos(bank[..., 1] - bank[..., 0]),
        "speed": np.abs(bank[..., 2]),
    }
    for name, steps in quantities.items():
        means = steps.mean(axis=1)
        assert means.std() > 0.4 * steps.std(), name


def test_the_policies_begin_alike_and_their_returns_are_the_true_ones(stored: dict):
    told, asked = stored["policies"]
    assert told["name"] == "trained on the true reward"
    assert asked["name"] == f"trained on {SETTINGS['laptop'].labels} answers"
    episodes = [live.decode(policy["data"]) for policy in (told, asked)]
    np.testing.assert_array_equal(episodes[0][:, 0, :4], episodes[1][:, 0, :4])
    for policy, steps in zip((told, asked), episodes, strict=True):
        seen = np.stack([gymnast.observe(each[:, :4].T) for each in steps])
        returns = gymnast.score(seen, steps[..., 4:]).sum(axis=1)
        np.testing.assert_allclose(
            policy["returns"], returns, atol=0.5
        )  # rounded angles and speeds


def test_the_page_weighs_little():
    assert (FOLDER / "bank.json").stat().st_size < WEIGHT / 2
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < WEIGHT


def test_an_unknown_command_is_told(capsys: pytest.CaptureFixture):
    assert live.main([]) == 2
    assert "usage" in capsys.readouterr().err
