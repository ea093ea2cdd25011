import re
from xml.etree import ElementTree

import numpy as np
import pytest

from companion.rl.human_preferences import drawing, poses
from companion.rl.human_preferences.data import Clips
from companion.rl.human_preferences.gymnast import Gymnast

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
        assert root.get("aria-label") == "Two & two"
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
