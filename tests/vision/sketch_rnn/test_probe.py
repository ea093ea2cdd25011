"""The judge: it learns labels, and arithmetic is scored as it should be."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from companion.checkpoint import load_weights
from companion.vision.sketch_rnn import claim, data, model, probe, train

SMALL = model.Architecture(
    encoder_size=8, decoder_size=12, latent_size=4, num_mixtures=3, recurrent_keep=1.0
)


@pytest.fixture(scope="module")
def judge():
    return probe.load_judge()


def test_the_most_common_parts_come_first():
    parts = probe.most_common_parts(data.load_kanji("train"))
    assert parts[:2] == ["氵", "木"] or parts[:2] == ["木", "氵"]
    assert len(set(parts)) == probe.NUM_PARTS
    assert "" not in parts


@pytest.mark.weights
def test_the_shipped_judge_scores_what_was_recorded_and_far_above_the_commonest_class(judge):
    held_out = data.load_kanji("test")
    _, recorded = load_weights(probe.JUDGE)
    accuracy = probe.probe_accuracy(judge, held_out)
    assert accuracy == pytest.approx(float(recorded["test accuracy"]), abs=0.005)
    labels = probe.part_labels(held_out, judge.parts)
    assert accuracy > labels.bincount().max().item() / len(labels) + 0.2


def test_the_probe_reads_no_padding(judge):
    strokes = data.load_kanji("validation").strokes[:3]
    alone = [judge(*_tensors([stroke3])) for stroke3 in strokes]
    together = judge(*_tensors(strokes))
    torch.testing.assert_close(torch.cat(alone), together, atol=1e-5, rtol=1e-4)


def _tensors(strokes):
    batch = data.make_batch(strokes)
    return batch.strokes, batch.lengths


def test_encode_all_keeps_the_order():
    network = train.new_model(SMALL, 0)
    drawings = data.load_kanji("validation")
    codes = probe.encode_all(network, drawings)
    for index in (0, 17, 400):
        batch = data.make_batch([drawings.strokes[index]])
        expected, _ = network.encode(batch.strokes, batch.lengths)
        torch.testing.assert_close(codes[index], expected[0])


def test_a_perfect_editor_scores_one_and_one_that_changes_nothing_scores_zero(monkeypatch):
    """With codes that are one-hot parts, arithmetic is exact; the judge reads the code back."""
    drawings = data.load_kanji("test")
    parts = probe.most_common_parts(data.load_kanji("train"))

    class Reader:
        def __init__(self):
            self.parts = parts

        def classify(self, strokes):
            return strokes

    def one_hot(network, held):
        classes = probe.part_labels(held, parts)
        return torch.nn.functional.one_hot(classes, len(parts) + 1).float()

    monkeypatch.setattr(probe, "encode_all", one_hot)
    monkeypatch.setattr(probe, "_nonempty", lambda strokes: strokes)

    def edits(network, z, *rest):
        return [[*parts, ""][i] for i in z.argmax(dim=-1).tolist()]

    monkeypatch.setattr(probe, "sample", edits)
    scores = probe.judge_arithmetic(None, Reader(), drawings, drawings, 0, 64)
    assert scores == {"swapped": 1.0, "kept": 1.0, "chance": 0.0}

    def stubborn(network, z, *rest):
        return [
            drawings.left_parts[i] for i in range(len(drawings)) if drawings.left_parts[i] in parts
        ]

    monkeypatch.setattr(probe, "sample", stubborn)
    scores = probe.judge_arithmetic(None, Reader(), drawings, drawings, 0, 64)
    assert scores == {"swapped": 0.0, "kept": 1.0, "chance": 0.0}


def test_the_claims_arms_differ_in_the_code_alone():
    settings = {arm: claim.settings_for(arm, "laptop", 2e-3) for arm in claim.CLAIM.arms}
    conditional, baseline = settings["conditional"], settings["decoder-only"]
    assert conditional.kl_weight == 1.0
    assert baseline.architecture.latent_size == 0
    same = dataclasses.replace(
        baseline,
        kl_weight=conditional.kl_weight,
        architecture=dataclasses.replace(
            baseline.architecture, latent_size=conditional.architecture.latent_size
        ),
    )
    assert same == conditional


def test_the_trivial_baseline_is_the_closed_form():
    """Training steps of unit variance, and one held-out drawing of two steps at their mean."""
    steps = [[1, 1, 0], [1, -1, 1], [-1, 1, 1], [-1, -1, 1]]
    strokes = [np.array(steps, dtype=np.float32)] * 1000
    train_drawings = dataclasses.replace(data.load_kanji("test"), strokes=strokes)
    held_out = dataclasses.replace(
        train_drawings, strokes=[np.array([[0, 0, 0], [0, 0, 1]], dtype=np.float32)]
    )
    # Of five rows one keeps the pen down, three lift it, one ends the drawing.
    expected = 2 * math.log(2 * math.pi) - math.log(1 / 5) - math.log(3 / 5) - math.log(1 / 5)
    assert claim.gaussian_nats(train_drawings, held_out) == pytest.approx(expected, abs=1e-3)
