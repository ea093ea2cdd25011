"""Chapter 3.11, the physical world: how often stickers and glasses fool a network that sees them.

Each attack is printed, put on its sign or face, photographed from places that the optimisation
never saw, and compressed. It counts where the network is right about the same picture without it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from companion.seeds import generator
from companion.vision.adversarial_attacks.patches import (
    Mask,
    Patch,
    Settings,
    glasses_mask,
    optimise_patch,
    plain_patch,
    random_patch,
    sticker_mask,
)
from companion.vision.adversarial_attacks.photography import (
    Camera,
    jpeg,
    place,
    print_on_paper,
    straight_views,
)
from companion.vision.adversarial_attacks.portraits import (
    GLASSES,
    Album,
    draw_album,
    passport_picture,
    take_portraits,
    wear,
)
from companion.vision.adversarial_attacks.recognisers import (
    JPEG_QUALITY,
    Recogniser,
    load_recogniser,
)
from companion.vision.adversarial_attacks.signs import CAMERA, draw_signs, sign_index, take_signs

# Chosen before any attack was run: each sign with a misreading that would be dangerous.
SIGN_PAIRS = (
    ("stop", "speed limit 50"),
    ("yield", "priority road"),
    ("no entry", "ahead only"),
    ("speed limit 30", "speed limit 50"),
)
ATTACKERS = (0, 1, 2, 3)  # of the twelve people; each wants to pass for a lookalike

THINGS = ("stickers", "glasses")
FILLINGS = ("optimised over views", "optimised on one view", "random colours", "plain")
ARMS = tuple(f"{thing}: {filling}" for thing in THINGS for filling in FILLINGS)
BATCH = 32  # pictures a step
RANDOM_DRAWS = 4  # patches of random colours whose scores are averaged
SETTINGS = {"smoke": Settings(steps=25), "laptop": Settings(), "gpu": Settings(steps=500)}


@dataclass(frozen=True)
class Target:
    """A thing to be misread, and how pictures of it come about.

    ``start`` is the canvas on which the patch's ``mask`` lies. ``views(patch, generator)`` gives a
    batch of pictures as the attacker can take them, ``straight(patch)`` the one ideal picture, and
    ``held_out(patch, generator)`` those that are judged: other views, after JPEG; without the patch
    when it is None. The same state of the generator gives the same views whatever the patch.
    """

    label: int
    wanted: int
    start: Patch
    mask: Mask
    plain: float
    views: Callable[[Patch, torch.Generator], Tensor]
    straight: Callable[[Patch], Tensor]
    held_out: Callable[[Patch | None, torch.Generator], Tensor]


def sign_target(sign: str, wanted: str, judged: int = 200, camera: Camera = CAMERA) -> Target:
    """A sign with two stickers, judged on ``judged`` pictures by ``camera``.

    Another camera than the attacker's shows at which angles and distances an attack works.
    """
    canvases, masks = draw_signs()
    label = sign_index(sign)
    canvas, outline = canvases[label], masks[label : label + 1]
    wall = torch.full_like(canvas, 0.5)[None]

    def views(patch: Patch, random: torch.Generator) -> Tensor:
        return take_signs(patch[None], outline.expand(BATCH, -1, -1, -1), random)

    def straight(patch: Patch) -> Tensor:
        return place(patch[None], outline, wall, straight_views(1, 0.8).homographies)

    def held_out(patch: Patch | None, random: torch.Generator) -> Tensor:
        shown = canvas if patch is None else patch
        pictures = take_signs(shown[None], outline.expand(judged, -1, -1, -1), random, camera)
        return jpeg(pictures, JPEG_QUALITY)

    mask = sticker_mask(outline[0])
    return Target(label, sign_index(wanted), canvas, mask, 0.9, views, straight, held_out)


def glasses_target(network: Recogniser, person: int, takes: int = 5) -> Target:
    """One of the twelve in glasses, who wants to pass for a `lookalike`.

    The attacker has the person's training portraits; the glasses are judged on those in the test's
    situations, each taken ``takes`` times. In both, the person wears no other glasses.
    """
    known = draw_album("train", person=person, bare=True)
    unknown = draw_album("test", person=person, bare=True)
    mask, passport = glasses_mask(*GLASSES), passport_picture(person)

    def views(patch: Patch, random: torch.Generator) -> Tensor:
        rows = torch.randint(len(known), (BATCH,), generator=random)
        return take_portraits(wear(patch, mask, known[rows]), random)

    def straight(patch: Patch) -> Tensor:
        return wear(patch, mask, passport)

    def held_out(patch: Patch | None, random: torch.Generator) -> Tensor:
        shown = unknown.pictures if patch is None else wear(patch, mask, unknown)
        return jpeg(take_portraits(shown.repeat(takes, 1, 1, 1), random), JPEG_QUALITY)

    start = torch.full((3, *GLASSES), 0.5)
    wanted = lookalike(network, known)
    return Target(person, wanted, start, mask, 0.1, views, straight, held_out)


@torch.no_grad()
def lookalike(network: Recogniser, portraits: Album) -> int:
    """The other person to whom the network gives most probability on one person's portraits."""
    probabilities = network(portraits.pictures).softmax(dim=1).mean(dim=0)
    probabilities[portraits.labels[0]] = 0
    return int(probabilities.argmax())


def make_patch(
    network: Recogniser,
    target: Target,
    filling: str,
    random: torch.Generator,
    impersonate: bool,
    settings: Settings,
) -> Patch:
    """What fills the mask: one of `FILLINGS`. The optimised ones dodge, or ``impersonate``.

    Raises ``ValueError`` for an unknown filling.
    """
    if filling not in FILLINGS:
        raise ValueError(f"filling {filling!r} is not one of {', '.join(FILLINGS)}")
    if filling == "random colours":
        return random_patch(target.start, target.mask, random)
    if filling == "plain":
        return plain_patch(target.start, target.mask, target.plain)
    if filling == "optimised over views":

        def render(patch: Patch) -> Tensor:
            return target.views(patch, random)

    else:
        render = target.straight
    noise = torch.rand(target.start.shape, generator=random)
    start = torch.where(target.mask > 0.5, noise, target.start)
    patch, _ = optimise_patch(
        network,
        render,
        start,
        target.mask,
        target.label,
        target.wanted if impersonate else None,
        settings,
    )
    return patch


@torch.no_grad()
def judge(
    network: Recogniser, target: Target, patch: Patch, seed: int
) -> tuple[dict[str, float], Float[Tensor, "n 3 size size"]]:
    """How a printed patch fares on held-out pictures, and these pictures.

    ``right``: share of the pictures that are read rightly without the patch. Of these, with it:
    ``misread``, the share that are read as anything else, and ``as wanted``, as the wanted class.
    Raises ``ValueError`` when none is read rightly.
    """
    printed = print_on_paper(patch, generator(seed, "print"))
    printed = torch.where(target.mask > 0.5, printed, target.start)
    name = str(target.label)
    bare = network(target.held_out(None, generator(seed, "judging", name))).argmax(dim=1)
    if not (bare == target.label).any():
        raise ValueError(
            f"the network reads none of {len(bare)} pictures rightly without the patch: there is "
            "nothing to fool; train it first"
        )
    pictures = target.held_out(printed, generator(seed, "judging", name))
    read = network(pictures).argmax(dim=1)[bare == target.label]
    scores = {
        "right": (bare == target.label).float().mean().item(),
        "misread": (read != target.label).float().mean().item(),
        "as wanted": (read == target.wanted).float().mean().item(),
    }
    return scores, pictures


def targets(thing: str, network: Recogniser, size: str) -> list[Target]:
    """The signs or people that are attacked: one at ``smoke`` size, else four."""
    if thing not in THINGS:
        raise ValueError(f"{thing!r} is not one of {', '.join(THINGS)}")
    count = 1 if size == "smoke" else None
    if thing == "stickers":
        return [sign_target(sign, wanted) for sign, wanted in SIGN_PAIRS[:count]]
    return [glasses_target(network, person) for person in ATTACKERS[:count]]


def physical_metrics(arm: str, seed: int, size: str) -> dict[str, float]:
    """The mean scores of one of `ARMS` over its targets, against the shipped recognisers.

    ``misread`` comes from patches made to dodge, ``as wanted`` from others made to impersonate;
    random and plain ones serve for both. The victims are the same for every ``seed``, which draws
    the attack's start and views, the print and the views it is judged on.
    """
    if arm not in ARMS:
        raise ValueError(f"arm {arm!r} is not one of {', '.join(ARMS)}")
    thing, filling = arm.split(": ")
    network = load_recogniser("face" if thing == "glasses" else "sign")
    goals = {"random colours": [False] * RANDOM_DRAWS, "plain": [False]}.get(filling, [False, True])
    results = []
    for target in targets(thing, network, size):
        random = generator(seed, arm, str(target.label))
        fared = []
        for impersonate in goals:
            patch = make_patch(network, target, filling, random, impersonate, SETTINGS[size])
            fared.append(judge(network, target, patch, seed)[0])
        if True in goals:
            dodging, impersonating = fared
            fared = [dodging | {"as wanted": impersonating["as wanted"]}]
        results += fared
    return {name: sum(result[name] for result in results) / len(results) for name in results[0]}
