"""The physical world: attacks beat masks of equal size, on views that they never saw."""

import pytest
import torch

from companion.seeds import generator
from companion.vision.adversarial_attacks import physical, recognisers
from companion.vision.adversarial_attacks.patches import random_patch
from companion.vision.adversarial_attacks.photography import Camera


@pytest.fixture(scope="module")
def sign_network():
    return recognisers.load_recogniser("sign")


@pytest.fixture(scope="module")
def stop():
    return physical.sign_target("stop", "speed limit 50", judged=60)


def made(network, target, filling, impersonate=False):
    settings = physical.SETTINGS["smoke"]
    return physical.make_patch(
        network, target, filling, generator(0, "test", filling), impersonate, settings
    )


@pytest.mark.weights
def test_optimised_stickers_beat_random_ones_of_equal_size(sign_network, stop):
    optimised = made(sign_network, stop, "optimised over views")
    chance = generator(0, "colours")
    random = [random_patch(stop.start, stop.mask, chance) for _ in range(6)]
    misread = [
        physical.judge(sign_network, stop, patch, 0)[0]["misread"] for patch in (optimised, *random)
    ]
    assert misread[0] > sum(misread[1:]) / len(random) + 0.4


@pytest.mark.weights
def test_stickers_can_choose_what_is_read(sign_network, stop):
    patch = made(sign_network, stop, "optimised over views", impersonate=True)
    assert physical.judge(sign_network, stop, patch, 0)[0]["as wanted"] > 0.4


def test_the_attack_is_judged_under_views_that_it_did_not_see_but_the_bare_sign_did(stop):
    bare = stop.held_out(None, generator(0, "judging", "0"))
    same = stop.held_out(stop.start, generator(0, "judging", "0"))
    assert torch.equal(bare, same)
    seen = stop.views(stop.start, generator(0, "judging", "0"))
    assert (seen - bare[: len(seen)]).abs().mean() > 0.02


def test_nothing_changes_outside_the_stickers_and_the_seed_decides_all(sign_network, stop):
    first = made(sign_network, stop, "optimised on one view")
    assert torch.equal(first, made(sign_network, stop, "optimised on one view"))
    outside = stop.mask[0] == 0
    assert torch.equal(first[:, outside], stop.start[:, outside])


def test_a_network_that_always_errs_is_not_counted_as_fooled(stop):
    """Success is a share of the pictures that are read rightly without the attack."""

    class Fixed(torch.nn.Module):
        def forward(self, images):
            red = images[:, 0].mean(dim=(1, 2)) > images[:, 0].mean()
            return torch.nn.functional.one_hot(torch.where(red, stop.label, 7), 10).float()

    scores, pictures = physical.judge(Fixed(), stop, stop.start, 0)
    assert 0.2 < scores["right"] < 0.8
    assert len(pictures) == 60
    assert scores["misread"] < 0.3


def test_a_network_that_reads_nothing_rightly_cannot_be_fooled(stop):
    class Blind(torch.nn.Module):
        def forward(self, images):
            return torch.eye(10)[7].expand(len(images), -1)

    with pytest.raises(ValueError, match="none of 60 pictures rightly"):
        physical.judge(Blind(), stop, stop.start, 0)


def test_a_sign_can_be_judged_at_one_angle():
    from_aside = Camera(yaw=(60, 60), scales=(0.8, 0.8), shift=0, roll=0, pitch=0)
    target = physical.sign_target("stop", "yield", judged=4, camera=from_aside)
    pictures = target.held_out(torch.ones_like(target.start), generator(0, "views"))
    without = target.held_out(target.start, generator(0, "views"))
    shown = (pictures - without).abs().amax(dim=1) > 0.2
    columns = shown.any(dim=1).float().sum(dim=1)
    assert (columns < 0.6 * shown.any(dim=2).float().sum(dim=1)).all()


@pytest.mark.parametrize("arm", ["stickers: random colours", "glasses: plain"])
def test_the_study_gives_shares_for_every_arm(arm):
    scores = physical.physical_metrics(arm, 0, "smoke")
    assert set(scores) == {"right", "misread", "as wanted"}
    assert all(0 <= score <= 1 for score in scores.values())
    assert scores["misread"] >= scores["as wanted"]
    assert scores["right"] > 0.8


def test_unknown_arms_and_fillings_are_refused(sign_network, stop):
    with pytest.raises(ValueError, match="'hats: plain'"):
        physical.physical_metrics("hats: plain", 0, "smoke")
    with pytest.raises(ValueError, match="'gold'"):
        made(sign_network, stop, "gold")
    with pytest.raises(ValueError, match="'hats'"):
        physical.targets("hats", sign_network, "smoke")
