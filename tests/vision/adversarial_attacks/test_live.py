"""The shipped networks: their recorded errors, and the page's graphs against PyTorch."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from companion.checkpoint import CheckpointError, load_weights
from companion.seeds import generator
from companion.vision.adversarial_attacks import attacks, data, live, model

FOLDER = Path(__file__).parents[3] / "book/live/vision/adversarial_attacks"


def _one_hot(labels, dtype=torch.float32):
    return nn.functional.one_hot(labels, data.CLASSES).to(dtype)


# --- the gradient written by hand


def test_the_gradient_written_out_equals_autograds_to_1e_9():
    """On digits, whose blank background is full of windows with equal values, and on noise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = model.small_cnn((4, 6), 20).double().eval()
    digits = data.load_digits("test")[:20]
    noise = torch.rand(20, 1, 28, 28, generator=generator(0), dtype=torch.float64)
    for images in (digits.images.double(), noise):
        logits, gradient = live.NetworkWithGradient(network)(
            images, _one_hot(digits.labels, torch.float64)
        )
        expected = attacks.input_gradient(network, images, digits.labels)
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(gradient, expected, atol=1e-9, rtol=0)
        torch.testing.assert_close(logits, network(images), atol=1e-9, rtol=0)


def test_unpooling_hands_each_gradient_to_the_first_of_the_greatest():
    values = torch.tensor([[1.0, 3.0, 2.0, 2.0], [3.0, 0.0, 2.0, 2.0]]).reshape(1, 1, 2, 4)
    pooled, winners = live.pool(values)
    assert pooled.flatten().tolist() == [3, 2]
    spread = live.unpool(torch.tensor([5.0, 7.0]).reshape(1, 1, 1, 2), winners)
    assert spread[0, 0].tolist() == [[0, 5, 7, 0], [0, 0, 0, 0]]


# --- the shipped networks


@pytest.mark.weights
@pytest.mark.parametrize("name", live.SHIPPED)
def test_shipped_weights_err_as_recorded_and_beat_the_trivial_baseline(name):
    _, recorded = load_weights(live.WEIGHTS)
    errors = live.held_out_errors(live.load_shipped(name))
    assert errors["test error"] == pytest.approx(float(recorded[f"{name} test error"]), abs=0.2)
    under_pgd = float(recorded[f"{name} test error under PGD"])
    assert errors["test error under PGD"] == pytest.approx(under_pgd, abs=1.5)
    assert errors["test error"] < 10
    if name == "pgd":
        assert errors["test error under PGD"] < 50  # one label for all: 90


def test_damaged_weights_are_refused_by_name(tmp_path):
    damaged = tmp_path / "weights.safetensors"
    damaged.write_bytes(live.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        live.load_shipped("pgd", damaged)
    with pytest.raises(ValueError, match="'trades'"):
        live.load_shipped("trades")


# --- the graphs


@pytest.mark.parametrize("name", live.PAGE)
def test_the_graph_equals_pytorch(name):
    network = live.load_shipped(name)
    digits = data.load_digits("test")[:20]
    # Off the grid of bytes, so that no two pixels of a window are equal but for rounding.
    images = 0.9 * digits.images + 0.1 * torch.rand(digits.images.shape, generator=generator(0))
    session = onnxruntime.InferenceSession(FOLDER / f"{name}.onnx")
    assert [each.name for each in session.get_inputs()] == ["image", "label"]
    assert [each.name for each in session.get_outputs()] == live.OUTPUTS
    inputs = {"image": images.numpy(), "label": _one_hot(digits.labels).numpy()}
    logits, gradient = session.run(None, inputs)
    with torch.no_grad():
        np.testing.assert_allclose(logits, network(images), atol=1e-4, rtol=1e-4)
    expected = attacks.input_gradient(network, images, digits.labels)
    np.testing.assert_allclose(gradient, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", live.PAGE)
def test_an_attack_through_the_graph_fools_as_many_as_pytorchs(name):
    """On digits as they are, blank background and all."""
    network = live.load_shipped(name)
    digits = data.load_digits("test")[:50]
    session = onnxruntime.InferenceSession(FOLDER / f"{name}.onnx")
    label = _one_hot(digits.labels).numpy()
    _, gradient = session.run(None, {"image": digits.images.numpy(), "label": label})
    attacked = (digits.images + 0.1 * torch.from_numpy(np.sign(gradient))).clamp(0, 1)
    expected = attacks.fgsm(network, digits.images, digits.labels, 0.1)
    assert (attacked - expected).abs().gt(1e-4).double().mean() < 0.02
    errors = [model.error(network, images, digits.labels) for images in (attacked, expected)]
    assert errors[0] == pytest.approx(errors[1], abs=2)


def test_the_page_loads_little():
    sizes = [(FOLDER / f"{name}.onnx").stat().st_size for name in live.PAGE]
    assert sum(sizes) < 4 * 2**20
