"""The page's graphs against PyTorch, and the houses it begins with against the data."""

import base64
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from companion.vision.pix2pix import live
from companion.vision.pix2pix.data import PALETTE, draw_facades, to_bytes
from companion.vision.pix2pix.facades import DOOR, LABELS, SKY, WINDOW
from companion.vision.pix2pix.shipped import SHIPPED, load_shipped

FOLDER = Path(__file__).parents[3] / "book/live/vision/pix2pix"


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((FOLDER / "houses.json").read_text(encoding="utf-8"))


def stored_array(text: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(shape)


@pytest.mark.parametrize("objective", SHIPPED)
def test_the_graph_equals_pytorch_with_noise_and_without(objective):
    network = load_shipped(objective)
    inputs = live.example_inputs(network, draw_facades(range(4600, 4603)))
    colours, *noise = inputs.values()
    session = onnxruntime.InferenceSession(FOLDER / live.GRAPHS[objective])
    assert [each.name for each in session.get_inputs()] == list(inputs)
    assert [each.name for each in session.get_outputs()] == live.OUTPUTS
    quiet = [torch.ones_like(mask) for mask in noise]
    pictures = []
    for masks, expected in ((noise, noise), (quiet, [])):
        feeds = dict(zip(inputs, (colours.numpy(), *(m.numpy() for m in masks)), strict=True))
        pictures += session.run(None, feeds)
        with torch.no_grad():
            wanted = network(colours, expected)
        np.testing.assert_allclose(pictures[-1], wanted, atol=1e-4, rtol=0)
    assert np.abs(pictures[0] - pictures[1]).max() > 0.01


def test_the_stored_houses_are_the_first_of_the_test_set(stored):
    houses = draw_facades(live.SHOWN)
    assert [one["number"] for one in stored["houses"]] == list(range(4500, 4508))
    for one, labels, picture in zip(
        stored["houses"], houses.labels, to_bytes(houses.pictures), strict=True
    ):
        np.testing.assert_array_equal(stored_array(one["labels"], 64, 64), labels)
        np.testing.assert_array_equal(stored_array(one["picture"], 64, 64, 3), picture)


def test_the_stored_labels_have_their_colours_and_sizes(stored):
    assert tuple(stored["labels"]) == LABELS
    assert stored["palette"] == PALETTE.tolist()
    sizes = np.array(stored["sizes"])
    assert sizes.shape == (12, 2) and sizes.min() >= 1 and sizes.max() == live.LARGEST
    assert sizes[SKY].tolist() == [12, 12]
    height, width = sizes[DOOR]
    assert height >= 1.5 * width  # a door stands
    assert tuple(sizes[WINDOW]) == (7, 6)


def test_the_page_loads_little():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 4_000_000
