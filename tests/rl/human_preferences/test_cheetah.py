"""The cheetah against Gymnasium's, threads against none, and what is refused."""

import sys

import gymnasium as gym
import numpy as np
import pytest

from companion.rl.human_preferences import cheetah

try:
    import mujoco
except ImportError:
    mujoco = None
needs_mujoco = pytest.mark.skipif(mujoco is None, reason="MuJoCo, an extra, is not installed")


def random_actions(steps, worlds):
    """Some beyond the bounds."""
    return np.random.default_rng(0).uniform(-1.2, 1.2, (steps, worlds, 6)).astype(np.float32)


@needs_mujoco
def test_a_whole_episode_is_gymnasiums():
    worlds = cheetah.Cheetah(2)
    worlds.reset(seed=0)
    theirs = [gym.wrappers.ClipAction(gym.make("HalfCheetah-v5")) for _ in range(2)]
    first = np.array([world.reset(seed=seed)[0] for seed, world in enumerate(theirs)])
    states = [world.unwrapped.data for world in theirs]
    observations = worlds.begin(
        np.array([state.qpos for state in states]), np.array([state.qvel for state in states])
    )
    np.testing.assert_allclose(observations, first, rtol=1e-6, atol=1e-7)
    for step, actions in enumerate(random_actions(1000, 2), start=1):
        observations, rewards, terminated, truncated, infos = worlds.step(actions)
        observations = infos.get("final_obs", observations)
        assert truncated.all() == (step == 1000) == ("final_obs" in infos)
        for index, world in enumerate(theirs):
            expected, reward, *ended, _ = world.step(actions[index])
            np.testing.assert_allclose(observations[index], expected, rtol=1e-5, atol=1e-6)
            assert rewards[index] == pytest.approx(reward, rel=1e-5, abs=1e-5)
            assert ended == [terminated[index], truncated[index]]
    for world in theirs:
        world.close()


@needs_mujoco
def test_episodes_begin_as_gymnasiums_do():
    """Coordinates even within a tenth, speeds normal with a deviation of a tenth."""
    observations, _ = cheetah.Cheetah(1000).reset(seed=0)
    positions, speeds = observations[:, :8], observations[:, 8:]
    assert -0.1 <= positions.min() < -0.099 and 0.099 < positions.max() <= 0.1
    assert positions.std() == pytest.approx(0.2 / 12**0.5, rel=0.05)
    assert speeds.std() == pytest.approx(0.1, rel=0.05) and np.abs(speeds).max() > 0.3


@needs_mujoco
def test_threads_and_seeds_change_what_they_should():
    def run(seed, threads):
        worlds = cheetah.Cheetah(5, threads)
        seen = [worlds.reset(seed=seed)[0]]
        seen += [worlds.step(actions)[0] for actions in random_actions(20, 5)]
        worlds.close()
        return np.array(seen)

    one = run(0, 1)
    assert np.array_equal(one, run(0, 1)) and np.array_equal(one, run(0, 3))
    assert not np.allclose(one, run(1, 1))


@needs_mujoco
def test_an_episode_does_not_depend_on_the_one_before():
    worlds = cheetah.Cheetah(1)
    start = np.zeros((1, 9)), np.ones((1, 9))
    runs = []
    for _ in range(2):
        worlds.begin(*start)
        runs.append([worlds.step(actions)[0] for actions in random_actions(20, 1)])
    assert np.array_equal(*runs)


@needs_mujoco
def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="0 worlds in 1 threads"):
        cheetah.Cheetah(0)
    worlds = cheetah.Cheetah(2)
    with pytest.raises(RuntimeError, match="reset"):
        worlds.step(np.zeros((2, 6)))
    worlds.reset(seed=0)
    for actions in (np.zeros((2, 5)), np.full((2, 6), np.nan)):
        with pytest.raises(ValueError, match=r"give finite numbers of shape \(2, 6\)"):
            worlds.step(actions)


def test_without_mujoco_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(ImportError, match=r"pip install 'rebuilding-2017\[mujoco\]'"):
        cheetah.Cheetah()
