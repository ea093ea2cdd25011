import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from companion.rl.human_preferences import drawing, poses
from companion.rl.human_preferences.data import Clips
from companion.rl.human_preferences.gymnast import Gymnast, handstand, observe

SVG = "{http://www.w3.org/2000/svg}"
CAPTIONS = ["left", "right"]


def gymnasts(count=2, steps=5):
    """Gymnasts swung by random torques."""
    world = Gymnast(count)
    world.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (steps, count, 2))
    seen = [world.step(action)[0] for action in actions]
    return Clips(np.stack(seen, axis=1), actions.swapaxes(0, 1))


def cheetahs(count=2, steps=5):
    observations = np.random.default_rng(0).normal(0, 0.3, (count, steps, 17))
    return Clips(observations, np.zeros((count, steps, 6)))


def parsed(svg):
    return ElementTree.fromstring(svg)


def moving_paths(svg):
    """For each limb of each clip that moves, its path at every value of its animation."""
    groups = [group for group in parsed(svg).iter(f"{SVG}g") if group.get("class") == "moving"]
    return [
        [
            animate.get("values").split(";")
            for animate in group.iter(f"{SVG}animate")
            if animate.get("attributeName") == "d"
        ]
        for group in groups
    ]


# --- poses -------------------------------------------------------------------------------------


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
    hanging = observe(np.array([[0.2], [-0.3], [0.0], [0.0]]))
    handstand_ = observe(np.pi - np.array([[0.2], [-0.3], [0.0], [0.0]]))
    limbs = [name != "head" for name in poses.GYMNAST_PARTS]  # it is before the body, not in it
    front = [poses.gymnast_poses(seen)[:, limbs] for seen in (hanging, handstand_)]
    below = [poses.gymnast_poses(seen, "below")[:, limbs] for seen in (hanging, handstand_)]
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


# --- drawings ----------------------------------------------------------------------------------


def test_every_limb_passes_through_each_of_its_poses_at_true_speed():
    clips = gymnasts(steps=5)
    svg = drawing.animation(clips, CAPTIONS, "Two gymnasts")
    drawn = moving_paths(svg)
    expected = poses.gymnast_poses(clips.observations)
    for clip in range(2):
        for limb, paths in enumerate(drawn[clip]):
            corners = np.array([re.findall(r"-?\d+", path) for path in paths], int).reshape(
                -1, 2, 2
            )
            metres = corners * [1, -1] / drawing.UNITS
            assert np.abs(metres[:5] - expected[clip, :, limb]).max() <= 0.5 / drawing.UNITS + 1e-9
            np.testing.assert_array_equal(metres[5:], np.repeat(metres[4:5], drawing.HELD_STEPS, 0))
    # A value holds for a step: as many gaps between values as there are steps of 0.05 s.
    durations = {animate.get("dur") for animate in parsed(svg).iter(f"{SVG}animate")}
    assert durations == {f"{(4 + drawing.HELD_STEPS) * 0.05:g}s"}


def test_the_ground_passes_below_a_cheetah_as_fast_as_it_runs():
    clips = cheetahs(steps=4)
    clips.observations[0, :, 8] = 2.0
    svg = drawing.animation(clips, CAPTIONS, "Two cheetahs")
    shifts = next(parsed(svg).iter(f"{SVG}animateTransform")).get("values").split(";")
    metres = np.array(shifts[:4], float) / drawing.UNITS
    np.testing.assert_allclose(metres, [0, -0.1, -0.2, -0.3], atol=0.003)


@pytest.mark.parametrize("clips", [gymnasts(), cheetahs()], ids=["gymnast", "cheetah"])
def test_a_drawing_stands_alone_and_is_named(clips):
    for svg in (
        drawing.animation(clips, ["<left>", "right"], "Two & two"),
        drawing.strip(clips, "Two & two", count=3),
    ):
        root = parsed(svg)
        assert root.get("role") == "img"
        assert root.find(f"{SVG}title").text == "Two & two"
        assert not re.search(r"<script|href|url\(|@import|\bid=|on\w+=", svg)
    texts = [
        text.text
        for text in parsed(drawing.animation(clips, ["<left>", "right"], "x")).iter(f"{SVG}text")
    ]
    assert texts == ["<left>", "right"]


def test_a_clip_of_a_second_and_a_half_takes_a_few_kilobytes():
    for clips in (gymnasts(steps=30), cheetahs(steps=30)):
        assert len(drawing.animation(clips, CAPTIONS, "Two clips")) < 2 * 12_000


def test_a_strip_shows_the_first_and_the_last_pose_and_says_when():
    clips = gymnasts(count=1, steps=7)
    root = parsed(drawing.strip(clips, "A gymnast", count=3))
    assert [text.text for text in root.iter(f"{SVG}text")] == ["0.00 s", "0.15 s", "0.30 s"]
    assert not list(root.iter(f"{SVG}animate"))
    expected = poses.gymnast_poses(clips.observations)[0, [0, 3, 6]]
    drawn = [
        [
            re.findall(r"-?\d+", path.get("d"))
            for path in window.iter(f"{SVG}path")
            if path.get("stroke") != drawing.FAINT
        ]
        for window in root.iter(f"{SVG}svg")
        if window is not root
    ]
    metres = np.array(drawn, int).reshape(3, 4, 2, 2) * [1, -1] / drawing.UNITS
    np.testing.assert_allclose(metres, expected, atol=0.5 / drawing.UNITS + 1e-9)


def test_one_step_makes_a_clip_that_stands_still():
    svg = drawing.animation(gymnasts(count=1, steps=1), ["only"], "A gymnast")
    assert moving_paths(svg) == [[]]


def test_a_player_can_be_stopped_without_a_script():
    player = drawing.clip_player(gymnasts(), CAPTIONS, "Two gymnasts", "See <this>.").data
    figure = ElementTree.fromstring(player)
    assert figure.find("label/input").get("type") == "checkbox"
    assert figure.find("figcaption").text == "See <this>."
    assert "script" not in player


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: drawing.animation(gymnasts()[:0], [], "x"), "no clips to draw"),
        (lambda: drawing.animation(gymnasts(), ["one"], "x"), "2 clips and 1 captions"),
        (lambda: drawing.animation(gymnasts(), CAPTIONS, " "), "alt is empty"),
        (lambda: drawing.animation(gymnasts(), CAPTIONS, "x", "above"), "'above' is unknown"),
        (lambda: drawing.animation(cheetahs(), CAPTIONS, "x", "below"), "cheetah .* 'below'"),
        (lambda: drawing.animation(gymnasts(), CAPTIONS, "x", columns=0), "0 panels"),
        (lambda: drawing.strip(gymnasts(), "x", count=6), "6 poses of a clip of 5 steps"),
        (
            lambda: drawing.strip(Clips(np.zeros((1, 9, 4)), np.zeros((1, 9, 1))), "x"),
            "observations of 4 numbers cannot be drawn",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
