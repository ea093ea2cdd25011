"""Portraits: the same twelve in every split, and glasses that sit on the nose."""

import dataclasses

import pytest
import torch

from companion.datasets import faces
from companion.seeds import generator
from companion.vision.adversarial_attacks import portraits
from companion.vision.adversarial_attacks.patches import glasses_mask


@pytest.fixture(scope="module")
def bare():
    return portraits.draw_album("test", bare=True)


def test_the_splits_show_the_same_people_in_other_situations(bare):
    people = bare.people[torch.arange(0, len(bare), portraits.PER_PERSON["test"])]
    assert len(people) == portraits.PEOPLE
    assert len(people.skin.unique()) == portraits.PEOPLE
    seventh = portraits.draw_album("test", person=7, bare=True)
    assert (seventh.people.age == people.age[7]).all()
    torch.testing.assert_close(seventh.pictures, bare.pictures[bare.labels == 7], atol=1e-5, rtol=0)
    train = faces.situations(generator(2017, "situations", "train"), 600)
    assert not torch.isin(bare.situations.yaw, train.yaw).any()
    assert (bare.situations.glasses == 0).all()


def test_the_glasses_move_with_the_eyes(bare):
    """Frames of one colour: what changes has its middle between the eyes, in any pose."""
    mask = glasses_mask(*portraits.GLASSES)
    some = bare[torch.arange(0, len(bare), 40)]
    worn = portraits.wear(torch.zeros(3, *portraits.GLASSES), mask, some)
    changed = ((worn - some.pictures).abs().amax(dim=1) > 0.02).float()
    steps = torch.arange(portraits.SIZE) + 0.5
    total = changed.sum(dim=(1, 2))
    middle = torch.stack(
        [(changed.sum(dim=1) * steps).sum(dim=1), (changed.sum(dim=2) * steps).sum(dim=1)], dim=1
    )
    marks = faces.landmarks(some.people, some.situations, portraits.SIZE)
    eyes = (marks.left_eye + marks.right_eye) / 2
    torch.testing.assert_close(middle / total[:, None], eyes, atol=2.5, rtol=0)
    share = changed.mean(dim=(1, 2))
    assert share.min() > 0.02 and share.max() < 0.12


def test_only_the_frames_change_and_they_are_lit_as_the_face_is(bare):
    mask = glasses_mask(*portraits.GLASSES)
    one = bare[torch.tensor([0])]
    none = portraits.wear(torch.ones(3, *portraits.GLASSES), torch.zeros_like(mask), one)
    torch.testing.assert_close(none, one.pictures)
    white = torch.ones(3, *portraits.GLASSES)
    dim = dataclasses.replace(one.situations, light_strength=torch.zeros(1))
    bright = dataclasses.replace(
        one.situations, light_strength=torch.ones(1), light_azimuth=torch.full((1,), 60.0)
    )
    seen = [
        portraits.wear(white, mask, dataclasses.replace(one, situations=situation))
        for situation in (dim, bright)
    ]
    assert (seen[0] - seen[1]).abs().max() > 0.1


def test_the_passport_picture_is_straight_and_bare():
    album = portraits.passport_picture(3)
    marks = faces.landmarks(album.people, album.situations, portraits.SIZE)
    assert marks.nose[0, 0].item() == pytest.approx(portraits.SIZE / 2)
    assert marks.left_eye[0, 1].item() == pytest.approx(marks.right_eye[0, 1].item())
    assert album.situations.glasses.item() == 0
    assert album.people.age == portraits.the_twelve().age[3]


def test_gradients_reach_the_glasses(bare):
    glasses = torch.full((3, *portraits.GLASSES), 0.5, requires_grad=True)
    mask = glasses_mask(*portraits.GLASSES)
    worn = portraits.wear(glasses, mask, bare[torch.arange(4)])
    (gradient,) = torch.autograd.grad(worn.sum(), glasses)
    assert (gradient * (1 - mask)).abs().max() == 0
    assert (gradient != 0)[:, mask[0] > 0].float().mean() > 0.9


def test_an_unknown_split_or_person_is_refused():
    with pytest.raises(ValueError, match="'dev'"):
        portraits.draw_album("dev")
    with pytest.raises(ValueError, match="no person 12"):
        portraits.draw_album("test", person=12)
