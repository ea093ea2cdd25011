"""The exported step against the model, on weights rounded to half; the shipped model and files.

What the mechanism is tested on is a small network, whose first weights are as good as any.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from companion.checkpoint import CheckpointError, load_weights
from companion.datasets.speech import DIGITS, LETTERS, LEXICON, PHRASES, VOICES
from companion.live import round_weights
from companion.speech.wavenet import data, live
from companion.speech.wavenet.generate import draw, generate_cached
from companion.speech.wavenet.model import Architecture, WaveNet, new_model, shift

FOLDER = Path(__file__).parents[3] / "book/live/speech/wavenet"
SMALL = Architecture(
    num_blocks=2,
    layers_per_block=4,
    residual_channels=8,
    skip_channels=70,  # from 64 values on the export stores halves, sums of biases too
    num_speakers=len(VOICES),
    num_phonemes=len(data.PHONEMES),
)
TIME = 60


@pytest.fixture(scope="module")
def small() -> WaveNet:
    model = new_model(SMALL, 0)
    with torch.no_grad():
        for layer in model.layers:
            layer.skip.bias += 1  # so large that their sum, were it stored as a half, would be off
    return round_weights(model).eval()


@pytest.fixture(scope="module")
def small_graph(small, tmp_path_factory) -> onnxruntime.InferenceSession:
    path = tmp_path_factory.mktemp("graph") / "step.onnx"
    live.export_step(small, path)
    return onnxruntime.InferenceSession(path)


class Queues:
    """For each layer its inputs of the last ``dilation`` steps, as the page keeps them."""

    def __init__(self, dilations, channels, batch):
        zeros = np.zeros((batch, channels), np.float32)
        self.rows = [[zeros] * dilation for dilation in dilations]

    def past(self):
        return np.stack([row[0] for row in self.rows], axis=1)

    def push(self, now):
        self.rows = [[*row[1:], now[:, layer]] for layer, row in enumerate(self.rows)]


def steps(graph, model, speakers, phonemes, choose):
    """Steps the graph through ``phonemes``; ``choose(logits, step)`` is the code of the step."""
    architecture = model.architecture
    batch, time = phonemes.shape
    queues = Queues(architecture.dilations, architecture.residual_channels, batch)
    previous, every = np.full(batch, data.SILENT_CODE), []
    for step in range(time):
        whole = {"previous": previous, "speaker": speakers, "phoneme": phonemes[:, step]}
        feeds = {
            name: np.asarray(value)[:, None].astype(np.float32) for name, value in whole.items()
        }
        logits, now = graph.run(live.STEP_OUTPUTS, {**feeds, "past": queues.past()})
        queues.push(now)
        every.append(logits)
        previous = choose(logits, step)
    return np.stack(every, axis=2)


def material(batch: int, time: int = TIME):
    """Speakers, phonemes, codes and noise."""
    stream = torch.Generator().manual_seed(0)
    phonemes = torch.randint(len(data.PHONEMES), (batch, time), generator=stream)
    codes = torch.randint(data.NUM_CODES, (batch, time), generator=stream)
    noise = torch.rand(batch, time, generator=stream)
    return torch.arange(batch) % len(VOICES), phonemes, codes, noise


def check_step(graph, model, batch):
    speakers, phonemes, codes, _ = material(batch)
    found = steps(graph, model, speakers, phonemes, lambda _, step: codes[:, step].numpy())
    with torch.no_grad():
        expected = model(shift(codes), speakers, phonemes)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


def check_generation(graph, model, time):
    speakers, phonemes, _, noise = material(2, time)
    codes = []

    def choose(logits, step):
        codes.append(draw(torch.from_numpy(logits), noise[:, step], 0.8))
        return codes[-1].numpy()

    steps(graph, model, speakers, phonemes, choose)
    expected = generate_cached(model, speakers, phonemes, noise, 0.8)
    assert torch.equal(torch.stack(codes, dim=1), expected)
    assert len(expected.unique()) > 10


# ---------------------------------------------------------------- the mechanism


@pytest.mark.parametrize("batch", [1, 5])
def test_stepping_the_graph_gives_the_networks_logits(small, small_graph, batch):
    check_step(small_graph, small, batch)


def test_the_step_names_what_it_takes_and_gives_in_single_precision(small_graph):
    inputs = {one.name: one for one in small_graph.get_inputs()}
    assert list(inputs) == ["previous", "speaker", "phoneme", "past"]
    assert {one.type for one in inputs.values()} == {"tensor(float)"}
    assert inputs["past"].shape[1:] == [8, 8]
    assert [output.name for output in small_graph.get_outputs()] == ["logits", "now"]


def test_generation_with_the_graph_and_queues_draws_the_codes_of_the_cached_network(
    small, small_graph
):
    check_generation(small_graph, small, TIME)


@pytest.mark.parametrize("missing", ["num_speakers", "num_phonemes"])
def test_a_network_that_cannot_be_told_who_says_what_is_refused(missing):
    model = new_model(dataclasses.replace(SMALL, **{missing: 0}), 0)
    with pytest.raises(ValueError, match=r"speakers and phonemes, got .*\b0"):
        live.StepNetwork(model)


def test_saving_rounds_records_the_score_and_loading_gives_it_back(tmp_path, monkeypatch):
    settings = dataclasses.replace(live.shipped_settings(), architecture=SMALL)
    monkeypatch.setattr(live, "shipped_settings", lambda: settings)
    monkeypatch.setattr(live, "held_out_bits", lambda model: 7.5)
    model = new_model(SMALL, 3)
    live.save_shipped(model, tmp_path / "weights.safetensors")
    state, recorded = load_weights(tmp_path / "weights.safetensors")
    assert {weight.dtype for weight in state.values()} == {torch.float16}
    assert recorded["test bits"] == "7.5000"
    back = live.load_shipped(tmp_path / "weights.safetensors")
    for one, other in zip(model.parameters(), back.parameters(), strict=True):
        assert torch.equal(one, other)


def test_damaged_weights_are_refused_by_name(tmp_path):
    damaged = tmp_path / "weights.safetensors"
    damaged.write_bytes(b"\x10" * 5000)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        live.load_shipped(damaged)


def test_the_score_hears_every_voice():
    chosen = data.thin_out(data.load_clips("test"), 5)
    assert set(chosen.speakers.tolist()) == set(range(len(VOICES)))
    assert len(chosen.codes) == len(chosen.phonemes) == len(chosen.texts) == len(chosen.names)
    assert chosen.names[1] == data.load_clips("test").names[5]


# ---------------------------------------------------------------- what the page is told


@pytest.fixture(scope="module")
def described(small) -> dict:
    return json.loads(json.dumps(live.describe(small)))


def test_the_page_is_told_the_networks_shape_and_the_sound_it_makes(described):
    assert described["dilations"] == [1, 2, 4, 8, 1, 2, 4, 8]
    assert described["channels"] == 8
    assert (described["sample_rate"], described["mu"], described["silent_code"]) == (8000, 255, 128)
    assert described["phonemes"] == list(data.PHONEMES)


def test_the_page_is_told_every_voice_and_text_once(described):
    assert [voice["id"] for voice in described["voices"]] == list(VOICES)
    assert len({voice["name"] for voice in described["voices"]}) == len(VOICES)
    groups = {group["name"]: tuple(group["texts"]) for group in described["groups"]}
    assert groups == {"digits": DIGITS, "letters": LETTERS, "phrases": PHRASES}
    assert list(described["tracks"]) == list(LEXICON)


def test_a_track_is_that_of_a_take_that_training_never_had(described):
    clips = {name: data.load_clips(name) for name in ("test", "unseen")}
    for text, tracks in described["tracks"].items():
        for voice, track in zip(VOICES, tracks, strict=True):
            assert track["unseen"] == data.is_unseen(text, voice)
            chosen = clips["unseen" if track["unseen"] else "test"]
            index = chosen.names.index(f"{text} {voice} 4")
            phonemes = [phoneme for phoneme, samples in track["runs"] for _ in range(samples)]
            assert phonemes == chosen.phonemes[index].tolist()
            assert all(a[0] != b[0] for a, b in zip(track["runs"], track["runs"][1:], strict=False))


# ---------------------------------------------------------------- what is shipped


@pytest.mark.weights
def test_shipped_weights_score_what_was_recorded_and_beat_the_trivial_baselines():
    _, recorded = load_weights(live.WEIGHTS)
    bits = live.held_out_bits(live.load_shipped())
    assert bits == pytest.approx(float(recorded["test bits"]), abs=0.01)
    trivial = data.bigram_bits(data.load_clips("train"), data.thin_out(data.load_clips("test"), 5))
    assert bits < trivial - 0.3


def test_the_shipped_graph_steps_and_generates_as_the_shipped_model():
    model = live.load_shipped()
    graph = onnxruntime.InferenceSession(FOLDER / "step.onnx")
    check_step(graph, model, 3)
    check_generation(graph, model, 400)


def test_the_shipped_description_is_that_of_the_shipped_model_and_both_are_light():
    described = json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))
    assert described == json.loads(json.dumps(live.describe(live.load_shipped())))
    assert sum((FOLDER / name).stat().st_size for name in ("step.onnx", "model.json")) < 4e6
