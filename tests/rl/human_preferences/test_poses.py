import importlib.util
from pathlib import Path

import numpy as np
import pytest

from companion.rl.human_preferences import poses
from companion.rl.human_preferences.gymnast import handstand, observe


def test_a_gymnast_hangs_below_the_bar_and_its_feet_are_where_the_true_reward_says():
    states = np.random.default_rng(0).uniform(-4, 4, (4, 50))
    observations = observe(states)
    limbs = dict(
        zip(poses.GYMNAST_PARTS, poses.gymnast_poses(observations).swapaxes(0, 1), strict=True)
    )
    heights = limbs["legs"][:, 1, 1] / (poses.TRUNK_LENGTH + poses.LEGS_LENGTH)
    np.testing.assert_allclose(heights, handstand(observations), atol=1e-6)
    # Angles are counted anticlockwise from straight down.
    hip = poses.TRUNK_LENGTH * np.stack([np.sin(states[0]), -np.cos(states[0])], axis=1)
    np.testing.assert_allclose(limbs["torso"][:, 1], hip, atol=1e-6)
    np.testing.assert_allclose(limbs["legs"][:, 0], hip, atol=1e-6)
    lengths = np.linalg.norm(limbs["legs"][:, 1] - limbs["legs"][:, 0], axis=1)
    np.testing.assert_allclose(lengths, poses.LEGS_LENGTH, atol=1e-6)


def test_from_below_a_handstand_looks_like_hanging():
    state = np.array([[0.2], [-0.3], [0.0], [0.0]])
    hanging, upright = observe(state), observe(np.pi - state)
    limbs = [name != "head" for name in poses.GYMNAST_PARTS]  # it is before the body, not in it
    front = [poses.gymnast_poses(seen)[:, limbs] for seen in (hanging, upright)]
    below = [poses.gymnast_poses(seen, "below")[:, limbs] for seen in (hanging, upright)]
    assert np.abs(front[0] - front[1]).max() > 1
    np.testing.assert_allclose(below[0], below[1], atol=1e-6)
    np.testing.assert_array_equal(below[0][..., 0], front[0][..., 0])


@pytest.mark.skipif(not importlib.util.find_spec("mujoco"), reason="needs the extra 'mujoco'")
def test_the_cheetahs_limbs_are_where_mujoco_has_them():
    import gymnasium.envs.mujoco
    import mujoco

    folder = Path(gymnasium.envs.mujoco.__file__).parent
    model = mujoco.MjModel.from_xml_path(str(folder / "assets" / "half_cheetah.xml"))
    state = mujoco.MjData(model)
    places = np.random.default_rng(0).uniform(-2, 2, (20, 9))
    for place in places:
        state.qpos[:] = place
        mujoco.mj_kinematics(model, state)
        observation = np.concatenate([place[1:], np.zeros(9)])
        for part, ends in zip(poses.CHEETAH_PARTS, poses.cheetah_poses(observation), strict=True):
            side, _, limb = part.rpartition(" ")
            capsule = model.geom(side[:1] + limb).id
            radius, half_length, _ = model.geom_size[capsule]
            assert radius == poses.LIMB_RADIUS
            middle = state.geom_xpos[capsule] - [place[0], 0, 0]
            half = half_length * state.geom_xmat[capsule].reshape(3, 3)[:, 2]
            expected = np.stack([middle - half, middle + half])
            np.testing.assert_allclose(ends, expected[:, [0, 2]], atol=1e-9)


def test_a_cheetah_travels_by_the_area_below_its_speed():
    observations = np.zeros((2, 4, 17))
    observations[0, :, 8] = 3.0
    observations[1, :, 8] = [0, 1, 2, 3]
    travel = poses.cheetah_travel(observations)
    np.testing.assert_allclose(travel[0], 0.05 * 3 * np.arange(4))
    np.testing.assert_allclose(travel[1], 0.05 * np.arange(4) ** 2 / 2)
