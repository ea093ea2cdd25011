"""Façades: plan and picture agree, and what the label map does not know leaves it alone."""

from dataclasses import replace

import numpy as np
import pytest

from companion.seeds import numpy_generator
from companion.vision.pix2pix import facades
from companion.vision.pix2pix.facade_canvas import Look, sample_look
from companion.vision.pix2pix.facade_painting import paint
from companion.vision.pix2pix.facade_plans import sample_plan
from companion.vision.pix2pix.facades import LABELS, SIDE, Part, Plan, label_map


def _house(seed: int) -> tuple[Plan, Look]:
    random = numpy_generator(seed, "test house")
    return sample_plan(random), sample_look(random)


# --- plans


def test_a_label_map_is_its_parts_laid_over_one_another():
    plan = Plan(
        (
            Part(facades.WALL, 20, 10, 60, 50),
            Part(facades.ROOF, 10, 10, 20, 50, narrowing=20),
            Part(facades.WINDOW, 30, 20, 40, 26),
        )
    )
    labels = label_map(plan)
    assert (labels == facades.WINDOW).sum() == 10 * 6
    assert (labels == facades.WALL).sum() == 40 * 40 - 10 * 6
    assert (labels == facades.ROOF).sum() == 40 * 10 / 2  # a triangle
    assert labels[19, 11] == facades.ROOF and labels[10, 20] == facades.SKY
    np.testing.assert_array_equal(labels[10:20, 10:50], labels[10:20, 10:50][:, ::-1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((12, 0, 0, 4, 4), "label is 12; it must lie between 0 and 11"),
        ((3, 5, 0, 5, 4), "empty or leaves the picture"),
        ((3, 0, 60, 4, 65), "leaves the picture of 64 by 64"),
        ((2, 0, 0, 4, 10, 6), "narrowing=6"),
    ],
)
def test_a_part_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Part(*arguments)


def test_houses_are_of_all_kinds_and_each_has_what_makes_a_house():
    maps = np.stack([label_map(sample_plan(numpy_generator(i, "many"))) for i in range(200)])
    there = np.stack([(maps == label).any(axis=(1, 2)) for label in range(len(LABELS))], axis=1)
    always = [facades.SKY, facades.WALL, facades.WINDOW, facades.DOOR, facades.GROUND]
    assert there[:, always].all()
    others = np.delete(there, always, axis=1).mean(axis=0)
    assert (others > 0.2).all() and (others < 0.95).all()
    assert len(np.unique(maps.reshape(200, -1), axis=0)) == 200
    assert (maps[:, -1] == facades.GROUND).all()


# --- pictures


def test_the_same_plan_and_look_give_the_same_picture_and_another_texture_another():
    plan, look = _house(0)
    picture = paint(plan, look)
    assert picture.shape == (SIDE, SIDE, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, paint(plan, look))
    assert (picture != paint(plan, replace(look, texture=look.texture + 1))).mean() > 0.5


def test_another_wall_changes_the_wall_and_no_window_door_or_sky():
    for seed in range(5):
        plan, look = _house(seed)
        look = replace(look, railing=0.9)  # stone: one sees nothing through it
        changed = paint(plan, replace(look, material=0.1, colour=0.1)) != paint(
            plan, replace(look, material=0.3, colour=0.8)
        )
        changed, labels = changed.any(axis=2), label_map(plan)
        opaque = [facades.WINDOW, facades.DOOR, facades.SHOP, facades.SKY, facades.GROUND]
        assert changed[labels == facades.WALL].mean() > 0.7
        assert not changed[np.isin(labels, opaque)].any()


def test_a_window_moved_changes_label_map_and_picture_at_the_same_places():
    _, look = _house(3)
    wall = Part(facades.WALL, 10, 4, 60, 60)
    window = Part(facades.WINDOW, 20, 10, 30, 17)
    moved = window.moved(down=12, right=25)
    before = Plan((wall, window, Part(facades.DOOR, 50, 46, 60, 51)))
    after = replace(before, parts=(wall, moved, before.parts[2]))
    labels = label_map(before) != label_map(after)
    pictures = (paint(before, look) != paint(after, look)).any(axis=2)
    assert pictures[labels].mean() > 0.9
    near = np.zeros_like(pictures)  # surround, sill and the streak below it lie on the wall
    for part in (window, moved):
        near[part.top - 2 : part.bottom + 4, part.left - 1 : part.right + 1] = True
    assert not pictures[~near].any()
    with pytest.raises(ValueError, match="leaves the picture"):
        window.moved(down=50, right=0)


def test_what_the_label_map_leaves_open_makes_pictures_differ():
    plan, _ = _house(1)
    looks = [sample_look(numpy_generator(i, "looks")) for i in range(20)]
    pictures = np.stack([paint(plan, look) for look in looks]) / 255
    wall = pictures[:, label_map(plan) == facades.WALL]
    assert wall.mean(axis=1).std(axis=0).min() > 0.1  # colour and light
    # Texture: within one picture, the wall is not one colour.
    assert (wall.std(axis=1).mean(axis=1) > 0.02).all()


@pytest.mark.parametrize("label", range(1, len(LABELS)))
def test_a_part_of_any_label_and_size_can_be_painted(label):
    look = sample_look(numpy_generator(0, "sizes"))
    for height, width in ((1, 1), (1, 64), (64, 1), (2, 5), (5, 2), (64, 64)):
        part = Part(label, 64 - height, 64 - width, 64, 64)
        for lot in (0.05, 0.3, 0.6, 0.9):
            shown = replace(look, railing=lot, awning=lot, bars=lot, surround=lot, hour=lot)
            paint(Plan((part,)), shown)


def test_a_look_out_of_range_is_refused():
    _, look = _house(0)
    with pytest.raises(ValueError, match=r"Look\.haze is 1\.5; it must lie in \[0, 1\)"):
        replace(look, haze=1.5)
