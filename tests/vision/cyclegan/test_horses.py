"""The drawn animals: the same for a seed, striped on the animal alone, with masks that are true."""

import dataclasses

import pytest
import torch

from companion.seeds import generator
from companion.vision.cyclegan import horses


@pytest.fixture(scope="module")
def scenes():
    return horses.horse_scenes(generator(0, "scenes"), 24, riders=0.5)


@pytest.fixture(scope="module")
def pictures(scenes):
    return horses.draw(scenes)


def test_pictures_keep_to_their_seed_and_do_not_depend_on_their_neighbours(scenes, pictures):
    again = horses.draw(horses.horse_scenes(generator(0, "scenes"), 24, riders=0.5))
    assert torch.equal(again.images, pictures.images)
    torch.testing.assert_close(horses.draw(scenes[7:9]).images, pictures.images[7:9])
    other = horses.draw(horses.horse_scenes(generator(1, "scenes"), 24))
    assert (other.images - pictures.images).abs().mean() > 0.1
    assert pictures.images.shape == (24, 3, 64, 64) and pictures.images.abs().max() <= 1


def test_a_zebra_in_a_horses_place_differs_in_its_coat_and_nowhere_else(scenes, pictures):
    zebras = horses.draw(dataclasses.replace(scenes, zebra=torch.ones_like(scenes.zebra)))
    changed = (zebras.images != pictures.images).any(dim=1, keepdim=True)
    animal = (pictures.animal > 0) | (zebras.animal > 0)
    assert not (changed & ~animal).any()
    riders = pictures.rider == 1
    assert torch.equal(zebras.images.where(riders, 0), pictures.images.where(riders, 0))
    coat = (pictures.animal[..., 1:] == 1) & (pictures.animal[..., :-1] == 1)
    striped, plain = (each.images.diff(dim=3).abs() * coat for each in (zebras, pictures))
    assert striped.mean() > 3 * plain.mean()


def test_masks_are_shares_that_do_not_overlap_and_only_riders_ride(scenes, pictures):
    assert pictures.animal.min() >= 0 and pictures.rider.min() >= 0
    assert (pictures.animal + pictures.rider).max() <= 1 + 1e-6
    ridden = pictures.rider.flatten(1).amax(dim=1) > 0.9
    assert torch.equal(ridden, scenes.rider)
    share = pictures.animal.flatten(1).mean(dim=1)
    assert share.min() > 0.04 and share.max() < 0.4


def test_taking_the_rider_off_changes_what_was_rider_and_shows_the_horse(scenes, pictures):
    alone = horses.draw(dataclasses.replace(scenes, rider=torch.zeros_like(scenes.rider)))
    changed = (alone.images != pictures.images).any(dim=1, keepdim=True)
    assert not (changed & (pictures.rider == 0)).any()
    assert (alone.animal >= pictures.animal - 1e-6).all()


def test_turning_round_mirrors_the_animal():
    scenes = horses.horse_scenes(generator(0, "scenes"), 8)
    turned = dataclasses.replace(scenes, heading=-scenes.heading, x=-scenes.x)
    torch.testing.assert_close(
        horses.draw(turned).animal, horses.draw(scenes).animal.flip(-1), atol=1e-5, rtol=0
    )


def test_stripes_move_with_the_animal():
    """They are on its body, not on the picture."""
    scenes = horses.zebra_scenes(generator(0, "scenes"), 8)
    still = dataclasses.replace(scenes, x=torch.zeros(8), exposure=torch.full((8,), 0.5))
    moved = dataclasses.replace(still, x=torch.full((8,), 4 * 2 / 64))
    first, second = (horses.draw(each) for each in (still, moved))
    whole = first.animal[..., :-4] == 1
    before, after = first.images[..., :-4], second.images[..., 4:]
    difference = ((before - after).abs() * whole).sum() / whole.sum() / 3
    assert difference < 1e-4


def test_zebras_live_in_the_savannah_and_nobody_rides_them():
    zebras = horses.zebra_scenes(generator(0), 400)
    tame = horses.horse_scenes(generator(0), 400, riders=0.3)
    savannah = horses.BACKGROUNDS.index("savannah")
    assert (zebras.background == savannah).float().mean() > 0.65
    assert (tame.background == savannah).float().mean() < 0.25
    assert zebras.zebra.all() and not zebras.rider.any() and not tame.zebra.any()
    assert tame.rider.float().mean().item() == pytest.approx(0.3, abs=0.08)
    assert not (tame.rider & (tame.gait == horses.GAITS.index("graze"))).any()


def test_splits_share_no_scene_and_the_test_has_more_riders():
    train, validation, test = (horses.scenes_of(split) for split in horses.SPLITS)
    phases = [set(part.phase.tolist()) for pair in (train, validation, test) for part in pair]
    assert sum(map(len, phases)) > 0.99 * sum(
        len(part) for pair in (train, validation, test) for part in pair
    )
    assert not any(phases[i] & phases[j] for i, j in ((0, 2), (0, 4), (1, 3), (1, 5)))
    assert test[0].rider.float().mean() > 2 * train[0].rider.float().mean() > 0


def test_what_cannot_be_drawn_is_refused(scenes):
    with pytest.raises(ValueError, match="8 pixels"):
        horses.draw(scenes, size=8)
    with pytest.raises(ValueError, match="neck has 3 entries and zebra 24"):
        dataclasses.replace(scenes, neck=torch.zeros(3))
    with pytest.raises(ValueError, match="'all' is not one of train"):
        horses.load_horses("all")
