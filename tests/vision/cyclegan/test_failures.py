"""The failures' measures against closed forms, and what each case says of generators that we know.

The known ones cheat: they recognise the drawn picture and give its true partner, or give it back.
"""

import dataclasses

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.vision.cyclegan import failures, horses
from companion.vision.cyclegan.shipped import partners_of

IDLE = nn.Identity()


@pytest.fixture(scope="module")
def scenes() -> horses.Scenes:
    """Eight horses, two in each landscape, of which every other one is ridden."""
    drawn = horses.horse_scenes(generator(0, "failures"), 8)
    index = torch.arange(8)
    return dataclasses.replace(
        drawn, rider=index % 2 == 0, background=index // 2, gait=torch.full_like(index, 2)
    )


@pytest.fixture(autouse=True)
def plain_translation(monkeypatch):
    """A network is applied as it is: no residual generator is needed here."""
    monkeypatch.setattr(failures, "translate", lambda network, pictures: network(pictures))


@pytest.fixture
def truth(monkeypatch):
    """A generator to zebras without fault: it was shown every picture when it was drawn."""
    known = {}

    def draw(scenes, size=horses.SIDE):
        pictures = horses.draw(scenes, size)
        zebras = horses.draw(dataclasses.replace(scenes, zebra=torch.ones_like(scenes.zebra)))
        for picture, zebra in zip(pictures.images, zebras.images, strict=True):
            known[picture.numpy().tobytes()] = zebra
            known[picture.flip(1).numpy().tobytes()] = zebra.flip(1)
        return pictures

    monkeypatch.setattr(failures, "draw", draw)
    return lambda images: torch.stack([known[each.numpy().tobytes()] for each in images])


# --- measures


def test_contrast_is_the_mean_step_between_neighbours_that_both_count():
    stripes = torch.tensor([-1.0, 1.0] * 4).expand(1, 3, 8, 8)
    everywhere = torch.ones(1, 1, 8, 8)
    # Half of the neighbours lie across the stripes and differ by all, half along by nothing.
    assert failures.contrast(stripes, everywhere) == pytest.approx(50)
    assert failures.contrast(stripes.mT, everywhere) == pytest.approx(50)
    assert failures.contrast(0.5 * stripes - 0.3, everywhere) == pytest.approx(25)
    column = torch.zeros(1, 1, 8, 8)
    column[..., 3] = 1  # one column: its neighbours on either side do not count
    assert failures.contrast(stripes, column) == 0
    assert torch.tensor(failures.contrast(stripes, 0 * column)).isnan()


def test_the_way_gone_is_the_share_of_the_line_and_ignores_what_is_beside_it():
    lots = generator(0)
    start, end = (torch.rand(2, 3, 4, 4, generator=lots) for _ in range(2))
    where = torch.rand(2, 1, 4, 4, generator=lots).round(decimals=1)
    where[0, 0, 0] = 0
    there = torch.where(where > 0, torch.lerp(start, end, 0.3), 9)
    assert failures.way_gone(there, start, end, where) == pytest.approx(30, abs=1e-3)
    assert failures.way_gone(start, start, end, where) == 0


# --- cases


def test_a_perfect_translation_has_no_failure_in_any_case(scenes, truth):
    numbers = failures.riders(truth, scenes).numbers
    assert numbers["change of the rider"] == 0 == numbers["change beside both"]
    rider = [numbers[f"contrast on the rider, {when}"] for when in ("before", "translated")]
    assert rider[0] == pytest.approx(rider[1], rel=0.01)
    striped = [numbers[f"contrast on the animal, {which}"] for which in ("translated", "true")]
    assert striped[0] == striped[1] > 2 * rider[0]
    assert not any(failures.landscapes(truth, scenes).numbers.values())
    striped = failures.coats(truth, scenes).numbers
    assert all(striped[coat] == pytest.approx(striped["true"], rel=0.02) for coat in horses.COATS)
    unusual = failures.unusual(truth, scenes).numbers
    for name in failures.UNUSUAL:
        assert unusual[f"{name}, translated"] == pytest.approx(unusual[f"{name}, true"], rel=0.05)
    assert failures.nothing_there(truth, scenes).numbers["change"] == 0
    assert not any(failures.striped_already(truth, scenes).numbers.values())


def test_stripes_on_the_rider_and_a_move_to_the_savannah_are_found(scenes):
    """A translation that stripes and recolours everything, whatever it is shown."""
    stripes = 0.8 * torch.tensor([-1.0, -1.0, 1.0, 1.0] * 16)
    numbers = failures.riders(lambda images: 0.5 * images + 0.5 * stripes, scenes).numbers
    before, after = (numbers[f"contrast on the rider, {when}"] for when in ("before", "translated"))
    assert after > 1.3 * before and numbers["change of the rider"] > 15

    start = partners_of(scenes[:2])
    green, yellow = (
        horses.draw(each).images for each in (start, failures.redrawn(start, background=3))
    )
    halfway = failures.landscapes(lambda _: torch.lerp(green, yellow, 0.5), scenes[:2])
    name = horses.BACKGROUNDS[0]
    assert halfway.numbers[f"{name}, way to the savannah"] == pytest.approx(50)


def test_idle_generators_change_nothing_and_hide_nothing(scenes):
    empty = failures.nothing_there(IDLE, scenes).numbers
    assert empty["change"] == 0 and empty["contrast, before"] == empty["contrast, translated"]
    plain = failures.unusual(IDLE, scenes).numbers
    for name in (*failures.UNUSUAL, "upside down"):
        assert plain[f"{name}, translated"] < 0.5 * plain[f"{name}, true"]
    numbers = failures.hidden(IDLE, IDLE, scenes).numbers
    assert numbers["noise 0%, from the translation"] == 0
    sizes = [numbers[f"noise {size:.0%}, from the translation"] for size in failures.NOISES]
    assert sizes == sorted(sizes)
    # Nothing is hidden: the noise does no more than it is. E|n| = 0.8 sigma, a little cut off.
    assert sizes[2] == pytest.approx(4, rel=0.15)


def test_a_message_below_the_noise_is_told_from_none(scenes):
    """The horse lies, a hundredth as strong, in the zebra's last digits."""
    zebra = horses.draw(partners_of(scenes)).images
    hide = lambda images: (zebra + 0.01 * images).clamp(-1, 1)  # noqa: E731
    find = lambda images: (100 * (images - zebra)).clamp(-1, 1)  # noqa: E731
    numbers = failures.hidden(hide, find, scenes).numbers
    assert numbers["noise 0%, from the translation"] < 5
    assert numbers["noise 0%, from the true partner"] > 15
    assert numbers["noise 20%, from the translation"] > 30


def test_rows_have_as_many_pictures_and_the_empty_landscape_no_animal(scenes):
    cases = [
        failures.riders(IDLE, scenes),
        failures.landscapes(IDLE, scenes),
        failures.coats(IDLE, scenes),
        failures.unusual(IDLE, scenes),
        failures.nothing_there(IDLE, scenes),
        failures.striped_already(IDLE, scenes),
        failures.hidden(IDLE, IDLE, scenes),
    ]
    for case in cases:
        assert len({images.shape for images in case.pictures.values()}) == 1
        assert all(images.shape[1:] == (3, 64, 64) for images in case.pictures.values())
    gone = horses.draw(failures.redrawn(scenes, x=9.0, rider=False))
    assert gone.animal.max() == 0


def test_riders_that_are_not_there_are_missed(scenes):
    with pytest.raises(ValueError, match="nobody rides"):
        failures.riders(IDLE, failures.redrawn(scenes, rider=False))
