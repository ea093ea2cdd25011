"""Chapter 3.11, attacks on photographs, computed beforehand for the page.

The ImageNet network is too heavy to run in a page. ``python -m
companion.vision.adversarial_attacks.stored FOLDER`` attacks three photographs and writes
``photographs.json`` and for each photograph one lossless strip, ``<name>.webp``: the photograph,
and below it what each attack adds, stretched to the whole range of a byte.

Epsilon and the step size are whole 255ths, so an attacked photograph is again one of whole bytes.
What the strip holds is exactly what the network was shown, and the confidences are those of just
these pictures.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int16, UInt8
from PIL import Image
from torch import Tensor, nn

from companion.checkpoint import atomic_path
from companion.vision.adversarial_attacks.attacks import fgsm, iterated_fgsm
from companion.vision.adversarial_attacks.data import IMAGENET_SIDE, Photograph, load_photographs
from companion.vision.adversarial_attacks.model import imagenet_labels, imagenet_network, predict

# The photographs that may be passed on in a changed form without naming anybody, and who made them.
CREDITS = {
    "coffee": "Rachel Michetti, CC0",
    "cat": "Stefan van der Walt, CC0",
    "rocket": "SpaceX, public domain",
}
ATTACKS = {"fgsm": "FGSM, one step", "iterated": "iterated FGSM, 10 steps"}
EPSILONS = (1, 2, 4, 8)  # 255ths
STEPS, STEP_SIZE = 10, 1  # of the iterated attack; 255ths a step
ANSWERS = 3  # of the 1,000 classes, the likeliest

Bytes = UInt8[np.ndarray, "height width 3"]
Change = Int16[np.ndarray, "height width 3"]  # from -epsilon to epsilon, in 255ths


# --- pictures of whole bytes ---------------------------------------------------------------------


def to_bytes(image: Float[Tensor, "3 height width"]) -> Bytes:
    """An image in [0, 1] as bytes."""
    return (255 * image).round().byte().permute(1, 2, 0).contiguous().numpy()


def to_image(pixels: Bytes) -> Float[Tensor, "3 height width"]:
    """Bytes as an image in [0, 1]."""
    return (torch.tensor(pixels).permute(2, 0, 1) / 255).contiguous()


def stretch(change: Change, epsilon: int) -> Bytes:
    """A change as a picture: 128 where nothing changes, 1 and 255 at -epsilon and epsilon."""
    return (128 + np.rint(127 * change / epsilon)).astype(np.uint8)


def unstretch(picture: Bytes, epsilon: int) -> Change:
    """The change that `stretch` made a picture of."""
    return np.rint((picture.astype(np.int16) - 128) * epsilon / 127).astype(np.int16)


def read_strip(path: Path) -> tuple[Bytes, list[Bytes]]:
    """The photograph of a strip, and what each attack makes of it, in the order of `export_all`."""
    strip = np.asarray(Image.open(path).convert("RGB"))
    photograph, *changes = np.split(strip, len(strip) // IMAGENET_SIDE)
    every = [epsilon for _ in ATTACKS for epsilon in EPSILONS]
    attacked = [
        (photograph + unstretch(change, epsilon)).astype(np.uint8)
        for change, epsilon in zip(changes, every, strict=True)
    ]
    return photograph, attacked


# --- the attacks ---------------------------------------------------------------------------------


def attack(network: nn.Module, photograph: Photograph, name: str, epsilon: int) -> Bytes:
    """A photograph attacked by ``name`` of `ATTACKS`, away from its class; epsilon in 255ths."""
    image, label = photograph.image[None], torch.tensor([photograph.label])
    if name == "fgsm":
        return to_bytes(fgsm(network, image, label, epsilon / 255)[0])
    size = {"steps": STEPS, "step_size": STEP_SIZE / 255}
    return to_bytes(iterated_fgsm(network, image, label, epsilon / 255, **size)[0])


def answers(network: nn.Module, pixels: Bytes, labels: list[str]) -> list[tuple[str, float]]:
    """The likeliest classes of a picture and their probabilities, the likeliest first."""
    probabilities, classes = predict(network, to_image(pixels)[None])[0].topk(ANSWERS)
    return [
        (labels[index], round(probability, 4))
        for index, probability in zip(classes.tolist(), probabilities.tolist(), strict=True)
    ]


def export_photograph(
    network: nn.Module, labels: list[str], photograph: Photograph, folder: Path
) -> dict:
    """Write one photograph's strip; what the page says of it."""
    clean = to_bytes(photograph.image)
    strip, found = [clean], {}
    for name in ATTACKS:
        found[name] = []
        for epsilon in EPSILONS:
            attacked = attack(network, photograph, name, epsilon)
            strip.append(stretch(attacked.astype(np.int16) - clean, epsilon))
            found[name].append(answers(network, attacked, labels))
    with atomic_path(folder / f"{photograph.name}.webp") as temporary:
        Image.fromarray(np.concatenate(strip)).save(temporary, "WEBP", lossless=True, method=6)
    return {
        "name": photograph.name,
        "credit": CREDITS[photograph.name],
        "label": labels[photograph.label],
        "clean": answers(network, clean, labels),
        "attacked": found,
    }


def export_all(folder: Path) -> None:
    """Write the strips and ``photographs.json`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    network, labels = imagenet_network(), imagenet_labels()
    description = {
        "side": IMAGENET_SIDE,
        "attacks": ATTACKS,
        "epsilons": EPSILONS,
        "photographs": [
            export_photograph(network, labels, photograph, folder)
            for photograph in load_photographs()
            if photograph.name in CREDITS
        ],
    }
    with atomic_path(folder / "photographs.json") as temporary:
        temporary.write_text(json.dumps(description, indent=1), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m companion.vision.adversarial_attacks.stored FOLDER")
    export_all(Path(sys.argv[1]))
