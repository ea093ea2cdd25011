"""The shipped models: their recorded likelihood, and the page's graphs against PyTorch."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from companion.checkpoint import CheckpointError, load_weights
from companion.vision.sketch_rnn import claim, data, live

FOLDER = Path(__file__).parents[3] / "book/live/vision/sketch_rnn"


@pytest.mark.weights
@pytest.mark.parametrize("name", live.SHIPPED)
def test_shipped_weights_score_what_was_recorded_and_beat_the_trivial_baseline(name):
    _, recorded = load_weights(live.WEIGHTS)
    bound = live.held_out_bound(live.load_shipped(name))
    assert bound == pytest.approx(float(recorded[f"{name} test bound"]), abs=0.05)
    assert bound < claim.gaussian_nats(data.load_kanji("train"), data.load_kanji("test")) - 50


def test_damaged_weights_are_refused_by_name(tmp_path):
    damaged = tmp_path / "weights.safetensors"
    damaged.write_bytes(live.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        live.load_shipped("conditional", damaged)
    with pytest.raises(ValueError, match="'cat'"):
        live.load_shipped("cat")


def _run(name, **inputs):
    session = onnxruntime.InferenceSession(FOLDER / f"{name}.onnx")
    return session.run(None, {key: value.numpy() for key, value in inputs.items()})


@pytest.mark.parametrize("name", live.SHIPPED)
def test_a_drawing_stepped_through_the_graph_equals_the_model(name):
    model = live.load_shipped(name)
    batch = data.make_batch(data.load_kanji("test").strokes[:5])
    latent = model.architecture.latent_size
    z = torch.randn(5, latent, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, _ = model.decoder(batch.strokes, z)
    if latent:
        h, c = (torch.from_numpy(part) for part in _run("initial", z=z))
    else:
        h = c = torch.zeros(5, model.architecture.decoder_size)
    session = onnxruntime.InferenceSession(FOLDER / f"{name}.onnx")
    assert [output.name for output in session.get_outputs()] == live.STEP_OUTPUTS
    for step in range(batch.strokes.shape[1]):
        inputs = {"point": batch.strokes[:, step], "h": h, "c": c} | ({"z": z} if latent else {})
        *parts, h, c = session.run(None, {key: value.numpy() for key, value in inputs.items()})
        h, c = torch.from_numpy(h), torch.from_numpy(c)
        for part, wanted in zip(parts, vars(expected).values(), strict=True):
            np.testing.assert_allclose(part, wanted[:, step], atol=1e-4, rtol=1e-4)


def test_the_page_knows_what_the_model_was_trained_with():
    described = json.loads((FOLDER / "model.json").read_text())
    drawings = data.load_kanji("test")
    assert described["scale"] == pytest.approx(drawings.scale, abs=1e-4)
    assert described["tolerance"] == data.TOLERANCE
    assert described["max_length"] == data.MAX_LENGTH
    for character in described["characters"]:
        index = drawings.index(character["name"])  # held out, as the page says
        np.testing.assert_allclose(character["strokes"], drawings.strokes[index], atol=1e-4)
        assert len(character["z"]) == described["latent"]
