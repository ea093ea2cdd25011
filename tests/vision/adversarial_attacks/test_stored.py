"""The stored attacks on photographs: what the page shows is what the network was shown."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from companion.vision.adversarial_attacks import data, stored
from companion.vision.adversarial_attacks.model import imagenet_labels, imagenet_network, predict

FOLDER = Path(__file__).parents[3] / "book/live/vision/adversarial_attacks"
STATES = [(name, epsilon) for name in stored.ATTACKS for epsilon in stored.EPSILONS]


@pytest.fixture(scope="module")
def network():
    return imagenet_network()


@pytest.fixture(scope="module")
def described():
    description = json.loads((FOLDER / "photographs.json").read_text(encoding="utf-8"))
    return {each["name"]: each for each in description["photographs"]}


@pytest.mark.parametrize("epsilon", [*stored.EPSILONS, 16])
def test_a_change_survives_being_made_a_picture(epsilon):
    change = np.arange(-epsilon, epsilon + 1, dtype=np.int16).reshape(1, -1, 1)
    picture = stored.stretch(change, epsilon)
    assert picture.flatten()[[0, epsilon, -1]].tolist() == [1, 128, 255]
    np.testing.assert_array_equal(stored.unstretch(picture, epsilon), change)


def test_bytes_survive_being_made_an_image():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    np.testing.assert_array_equal(stored.to_bytes(stored.to_image(pixels)), pixels)


@pytest.mark.parametrize("name", stored.CREDITS)
def test_each_strip_holds_the_photograph_and_changes_of_at_most_epsilon(name):
    photograph, attacked = stored.read_strip(FOLDER / f"{name}.webp")
    original = next(each for each in data.load_photographs() if each.name == name)
    np.testing.assert_array_equal(photograph, stored.to_bytes(original.image))
    for (attack, epsilon), pixels in zip(STATES, attacked, strict=True):
        change = np.abs(pixels.astype(int) - photograph)
        assert change.max() == epsilon, (attack, epsilon)
        if attack == "fgsm":  # every byte moves that has room, unless its gradient is 0
            has_room = (photograph >= epsilon) & (photograph <= 255 - epsilon)
            assert (change == epsilon)[has_room].mean() > 0.999


@pytest.mark.parametrize("name", stored.CREDITS)
def test_the_recorded_answers_are_the_networks_to_the_stored_pictures(name, network, described):
    photograph, attacked = stored.read_strip(FOLDER / f"{name}.webp")
    one = described[name]
    recorded = [one["clean"], *(one["attacked"][attack][index] for attack, index in indices())]
    labels = imagenet_labels()
    assert one["clean"][0][0] == one["label"]
    images = torch.stack([stored.to_image(pixels) for pixels in (photograph, *attacked)])
    for probabilities, expected in zip(predict(network, images), recorded, strict=True):
        for label, probability in expected:
            assert probabilities[labels.index(label)].item() == pytest.approx(probability, abs=1e-3)
        assert probabilities.max().item() == pytest.approx(expected[0][1], abs=1e-3)


def indices():
    """Attack and index of the epsilon, in the order of the strip."""
    return [(name, index) for name in stored.ATTACKS for index in range(len(stored.EPSILONS))]


def test_the_stored_attack_is_the_chapters(network):
    """Away from the class, by a step of FGSM; a machine's last digits may turn a few signs."""
    original = next(each for each in data.load_photographs() if each.name == "cat")
    _, attacked = stored.read_strip(FOLDER / "cat.webp")
    found = stored.attack(network, original, "fgsm", 2)
    assert (found == attacked[STATES.index(("fgsm", 2))]).mean() > 0.99


def test_the_strips_and_the_graphs_together_are_light():
    sizes = [path.stat().st_size for path in FOLDER.iterdir()]
    assert sum(sizes) < 4 * 2**20
