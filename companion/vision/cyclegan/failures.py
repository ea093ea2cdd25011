"""Chapter 3.9, failures: what may go wrong between horses and zebras, measured and shown.

A drawn scene can be drawn again with one thing changed, and its true partner is known. So each case
here asks the generators about scenes that training had few of, or none. None assumes that they
fail: each gives its numbers beside those of no failure. Errors, changes and contrasts are in
percent of black to white.
"""

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.seeds import generator
from companion.vision.cyclegan.data import picture_errors
from companion.vision.cyclegan.horses import BACKGROUNDS, COATS, Pictures, Scenes, draw
from companion.vision.cyclegan.model import translate
from companion.vision.cyclegan.shipped import animal_mask, contrast, partners_of, whole

SHOWN = 6  # pictures of a row
NOISES = (0.0, 0.02, 0.05, 0.1, 0.2)  # standard deviations, as shares of black to white

Images = Float[Tensor, "n 3 height width"]
Mask = Float[Tensor, "n 1 height width"]

# What a horse may be like that no horse of training is; "as it was" is the measure for all.
UNUSUAL: dict[str, dict[str, float]] = {
    "as it was": {},
    "far away": {"size": 0.4, "horizon": 0.1, "ground": 0.5},
    "near the edge": {"x": 0.8},
    "on its hind legs": {"pitch": -9.0},
    "on its nose": {"pitch": 9.0},
    "in the savannah": {"background": BACKGROUNDS.index("savannah")},
}


@dataclass(frozen=True)
class Case:
    """One case: rows of pictures under their names, as many in each, and numbers by name."""

    pictures: dict[str, Images]
    numbers: dict[str, float]


# --- measures ----------------------------------------------------------------------------------


def error(images: Images, truth: Images, where: Mask) -> float:
    """Mean absolute difference in percent, over pictures in which anything counts."""
    return 100 * picture_errors(images, truth, where).nanmean().item()


def way_gone(images: Images, start: Images, end: Images, where: Mask) -> float:
    """How far ``images`` went from ``start`` towards ``end``, in percent: 0 stayed, 100 is there.

    The projection of the change on the straight line between them, over all pixels that count.
    """
    line = end - start
    gone, whole = ((images - start) * line * where).sum(), (line.square() * where).sum()
    return 100 * (gone / whole).item()


def redrawn(scenes: Scenes, **values: float) -> Scenes:
    """The scenes with the same value for all in each field that is named."""
    return dataclasses.replace(
        scenes,
        **{name: torch.full_like(getattr(scenes, name), value) for name, value in values.items()},
    )


def beside(pictures: Pictures, partners: Pictures) -> Mask:
    """The share of each pixel that shows neither the animal, as horse or zebra, nor a rider."""
    return (1 - animal_mask(pictures, partners) - pictures.rider).clamp_min(0)


# --- cases -------------------------------------------------------------------------------------


def riders(to_zebras: nn.Sequential, scenes: Scenes) -> Case:
    """The ridden ones among the horses: whether the rider is translated too.

    No zebra of training is ridden. In the true partner the rider is as before, so that his contrast
    there is what it should be, and every change of him is an error.

    Raises ``ValueError`` when nobody rides.
    """
    if not scenes.rider.any():
        raise ValueError("nobody rides in these scenes: give horses of the test set, some ridden")
    scenes = scenes[scenes.rider]
    horses, zebras = draw(scenes), draw(partners_of(scenes))
    translated = translate(to_zebras, horses.images)
    rider = horses.rider
    rider_alone, animal_alone = whole(rider), whole(horses.animal)
    return Case(
        _shown(horse=horses.images, translated=translated, partner=zebras.images),
        {
            "change of the rider": error(translated, zebras.images, rider),
            "change beside both": error(translated, zebras.images, beside(horses, zebras)),
            "contrast on the rider, before": contrast(horses.images, rider_alone),
            "contrast on the rider, translated": contrast(translated, rider_alone),
            "contrast on the animal, translated": contrast(translated, animal_alone),
            "contrast on the animal, true": contrast(zebras.images, animal_alone),
        },
    )


def landscapes(to_zebras: nn.Sequential, scenes: Scenes) -> Case:
    """Horses at home, one number a background: how far their landscape is turned into savannah.

    It should stay: the partner stands in the same place. But three in four zebras of training live
    in the savannah, and what separates the two collections is what a translation has to change. As
    a measure, the same scene is drawn in the savannah.
    """
    savannah = BACKGROUNDS.index("savannah")
    numbers, rows = {}, []
    for background, name in enumerate(BACKGROUNDS):
        here = scenes[scenes.background == background]
        if background == savannah or not len(here):
            continue
        horses, zebras = draw(here), draw(partners_of(here))
        there = draw(redrawn(partners_of(here), background=savannah))
        translated = translate(to_zebras, horses.images)
        where = beside(horses, zebras)
        numbers[f"{name}, way to the savannah"] = way_gone(
            translated, zebras.images, there.images, where
        )
        numbers[f"{name}, change"] = error(translated, zebras.images, where)
        rows.append([images[:2] for images in (horses.images, translated, there.images)])
    names = ("horse", "translated", "zebra in the savannah")
    return Case(dict(zip(names, map(torch.cat, zip(*rows, strict=True)), strict=True)), numbers)


def coats(to_zebras: nn.Sequential, scenes: Scenes) -> Case:
    """The same horses in every coat: the contrast on the animal, which stripes raise.

    All have one and the same partner, whose contrast stands beside them as "true".
    """
    partners = draw(partners_of(scenes))
    numbers, shown = {}, []
    for coat, name in enumerate(COATS):
        horses = draw(redrawn(scenes, coat=coat))
        translated = translate(to_zebras, horses.images)
        numbers[name] = contrast(translated, whole(horses.animal))
        shown.append((horses.images[:1], translated[:1], partners.images[:1]))
    numbers["true"] = contrast(partners.images, whole(partners.animal))
    names = ("horse", "translated", "partner")
    return Case(dict(zip(names, map(torch.cat, zip(*shown, strict=True)), strict=True)), numbers)


def unusual(to_zebras: nn.Sequential, scenes: Scenes) -> Case:
    """Horses without riders as training has none, by `UNUSUAL`, and upside down.

    Each way has two numbers: the contrast on the animal of the translation, and the true partner's.
    An error would not tell, since nobody can know where along the body the first stripe is.
    """
    scenes = redrawn(scenes, rider=False)
    numbers, shown = {}, []

    def measure(name: str, horses: Pictures, partners: Pictures) -> None:
        translated = translate(to_zebras, horses.images)
        numbers[f"{name}, translated"] = contrast(translated, whole(horses.animal))
        numbers[f"{name}, true"] = contrast(partners.images, whole(partners.animal))
        shown.append((horses.images[:1], translated[:1], partners.images[:1]))

    for name, values in UNUSUAL.items():
        changed = redrawn(scenes, **values)
        measure(name, draw(changed), draw(partners_of(changed)))
    turned = [_upside_down(draw(each)) for each in (scenes, partners_of(scenes))]
    measure("upside down", *turned)
    names = ("horse", "translated", "partner")
    return Case(dict(zip(names, map(torch.cat, zip(*shown, strict=True)), strict=True)), numbers)


def nothing_there(to_zebras: nn.Sequential, scenes: Scenes) -> Case:
    """Landscapes without an animal, where nothing should change: what is changed all the same."""
    empty = draw(redrawn(scenes, x=9.0, rider=False))  # the animal is outside of the picture
    translated = translate(to_zebras, empty.images)
    everywhere = torch.ones_like(empty.animal)
    return Case(
        _shown(landscape=empty.images, translated=translated),
        {
            "change": error(translated, empty.images, everywhere),
            "contrast, before": contrast(empty.images, everywhere),
            "contrast, translated": contrast(translated, everywhere),
        },
    )


def striped_already(to_zebras: nn.Sequential, scenes: Scenes) -> Case:
    """Zebras, translated to zebras, which should change nothing; and a translation, once more."""
    horses, zebras = draw(scenes), draw(partners_of(scenes))
    zebra_again = translate(to_zebras, zebras.images)
    once = translate(to_zebras, horses.images)
    twice = translate(to_zebras, once)
    return Case(
        _shown(zebra=zebras.images, translated=zebra_again, once=once, twice=twice),
        {
            "change of a zebra": error(zebra_again, zebras.images, zebras.animal),
            "change beside it": error(zebra_again, zebras.images, beside(zebras, zebras)),
            "change of a translation": error(twice, once, animal_mask(horses, zebras)),
        },
    )


def hidden(to_zebras: nn.Sequential, to_horses: nn.Sequential, scenes: Scenes) -> Case:
    """There and back, with noise on the zebra between: what the cycle hides in its zebras.

    A zebra does not show which coat, blaze and socks the horse had: from the true partner nobody
    could know them. Where the way back finds them all the same, the translation carries them, seen
    or unseen. Noise too weak to disturb an eye destroys what is unseen. The numbers are the errors
    on the animal of the way back, by the noise's standard deviation, from the translation and from
    the true partner; where the first is no longer below the second, nothing of it is left.
    """
    horses, zebras = draw(scenes), draw(partners_of(scenes))
    translated, where = translate(to_zebras, horses.images), animal_mask(horses, zebras)
    numbers, pictures = {}, {"horse": horses.images, "translated": translated}
    noise = torch.randn(translated.shape, generator=generator(0, "noise"))
    for size in NOISES:
        for name, striped in (("translation", translated), ("true partner", zebras.images)):
            back = translate(to_horses, (striped + 2 * size * noise).clamp(-1, 1))
            numbers[f"noise {size:.0%}, from the {name}"] = error(back, horses.images, where)
            if size in (NOISES[0], NOISES[-2]):
                pictures[f"back from the {name}, noise {size:.0%}"] = back
    return Case(_shown(**pictures), numbers)


def _shown(**rows: Images) -> dict[str, Images]:
    return {name: images[:SHOWN] for name, images in rows.items()}


def _upside_down(pictures: Pictures) -> Pictures:
    return Pictures(*(images.flip(2) for images in vars(pictures).values()))
