"""Clips lie within an episode, comparisons are refused in words, labellers err as they should."""

import numpy as np
import pytest

from companion.rl.human_preferences import data


def clips(count=6, length=5, seed=0):
    stream = np.random.default_rng(seed)
    return data.Clips(
        stream.normal(size=(count, length, 3)), stream.normal(size=(count, length, 2))
    )


def first_observation(observations, actions):
    return observations[..., 0]


def answers(first, second, **options):
    """Of a labeller whose reward is the first number of an observation."""
    labeller = data.SyntheticLabeller(first_observation, **options)
    return labeller.compare(first, second, np.random.default_rng(0)).preferences


# --- clips and comparisons


def test_clips_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match=r"clips of 5 and of 4 steps.*cut them to the same length"):
        data.Comparisons(clips(2, 5), clips(2, 4), [1, 0])
    with pytest.raises(ValueError, match="clips of 5 and of 4 steps"):
        answers(clips(2, 5), clips(2, 4))
    with pytest.raises(ValueError, match="not clips"):
        data.Clips(np.zeros((2, 5, 3)), np.zeros((2, 4, 2)))


@pytest.mark.parametrize("wrong", [np.nan, 0.3, 2.0, -1.0])
def test_a_preference_other_than_the_three_is_refused(wrong):
    with pytest.raises(ValueError, match=r"preference 1 is .*leave a pair without an answer out"):
        data.Comparisons(clips(3), clips(3, seed=1), [1, wrong, 0.5])


def test_missing_answers_are_refused():
    with pytest.raises(ValueError, match="3 first clips, 3 second clips and preferences of shape"):
        data.Comparisons(clips(3), clips(3, seed=1), [1, 0])


def test_a_clip_that_is_not_finite_is_named():
    observations = clips(4).observations.copy()
    observations[2, 1, 0] = np.inf
    with pytest.raises(ValueError, match="observations of clip 2"):
        data.Clips(observations, clips(4).actions)


def test_joining_keeps_order_and_pairs_together():
    first, second = clips(4, seed=1), clips(4, seed=2)
    whole = data.Comparisons(first, second, [1, 0, 0.5, 1])
    again = whole[:1].joined(whole[1:])
    assert np.array_equal(again.first.actions, first.actions)
    assert np.array_equal(again.second.observations, second.observations)
    assert again.preferences.tolist() == [1, 0, 0.5, 1]


def test_contradictions_are_kept_and_counted_whichever_side_a_clip_was_on():
    a, b = clips(3, seed=1), clips(3, seed=2)
    agreed = data.Comparisons(a, b, [1, 0, 0.5])
    assert agreed.joined(data.Comparisons(b, a, [0, 1, 0.5])).contradictions() == 0
    assert agreed.joined(data.Comparisons(b, a, [1, 1, 0.5])).contradictions() == 1
    both = agreed.joined(data.Comparisons(a, b, [0, 0, 1]))
    assert len(both) == 6 and both.contradictions() == 2


# --- cutting


def test_clips_never_cross_the_end_of_an_episode_and_may_touch_it():
    steps, worlds, length = 12, 3, 4
    observations = np.arange(steps * worlds, dtype=float).reshape(steps, worlds, 1)
    ended = np.zeros((steps, worlds), bool)
    ended[5, 0] = ended[11, :] = ended[2, 1] = True
    found = data.cut_clips(
        observations, observations, ended, length, 2000, np.random.default_rng(0)
    )
    assert np.array_equal(found.observations, found.actions)
    seen = set()
    for clip in found.observations[..., 0]:
        step, world = np.divmod(clip.astype(int), worlds)
        assert len(set(world)) == 1 and np.all(np.diff(step) == 1)
        assert not ended[step[:-1], world[0]].any()
        seen.add((step[0], world[0]))
    # World 0: from 0 to 2 and 6 to 8. World 1: 3 to 8, three steps being too few. World 2: all.
    assert len(seen) == 6 + 6 + 9


def test_an_episode_shorter_than_a_clip_is_refused():
    nothing = np.zeros((3, 2, 1))
    with pytest.raises(ValueError, match="no episode among 3 steps holds a clip of 4"):
        data.cut_clips(nothing, nothing, np.zeros((3, 2), bool), 4, 1, np.random.default_rng(0))


# --- labellers


def test_an_unerring_labeller_prefers_the_larger_sum():
    first, second = clips(50, seed=1), clips(50, seed=2)
    sums = [each.observations[..., 0].sum(axis=1) for each in (first, second)]
    found = answers(first, second, error_rate=0)
    assert np.array_equal(found, np.where(sums[0] > sums[1], 1, 0))
    assert np.array_equal(answers(second, first, error_rate=0), 1 - found)


def test_half_of_the_careless_answers_are_wrong():
    first, second = clips(20_000, 2, seed=1), clips(20_000, 2, seed=2)
    right = answers(first, second, error_rate=0)
    wrong = np.mean(answers(first, second, error_rate=0.1) != right)
    assert wrong == pytest.approx(0.05, abs=0.006)


def test_sums_within_the_margin_are_equally_good():
    first, second = clips(200, seed=1), clips(200, seed=2)
    found = answers(first, second, error_rate=0, tie_margin=1.0)
    gap = np.abs((first.observations - second.observations)[..., 0].sum(axis=1))
    assert np.array_equal(found == 0.5, gap <= 1.0)
    assert 0 < np.mean(found == 0.5) < 1
    assert answers(first, first, error_rate=0).tolist() == [0.5] * 200


def test_a_share_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"error rate of 1\.5"):
        data.SyntheticLabeller(first_observation, error_rate=1.5)
    with pytest.raises(ValueError, match="tie margin of nan"):
        data.SyntheticLabeller(first_observation, tie_margin=np.nan)
