"""The judge: its metrics by hand, that it learns, and what it refuses."""

import math

import pytest
import torch

from companion.checkpoint import CheckpointError, load_weights, save_weights
from companion.seeds import generator
from companion.vision.pix2pix import segmenter as room

# Two of three labels occur: 8 pixels of label 0, 6 of them read right; 4 of label 1, 3 read right.
BY_HAND = torch.tensor([[6, 2, 0], [1, 3, 0], [0, 0, 0]])


def test_the_metrics_of_a_confusion_matrix_by_hand():
    assert room.pixel_accuracy(BY_HAND) == pytest.approx(9 / 12)
    accuracies = room.class_accuracies(BY_HAND)
    assert accuracies[:2].tolist() == pytest.approx([6 / 8, 3 / 4])
    unions = room.intersections_over_unions(BY_HAND)
    assert unions[:2].tolist() == pytest.approx([6 / 9, 3 / 6])
    assert math.isnan(accuracies[2]) and math.isnan(unions[2])
    scores = room.fcn_scores(BY_HAND)
    assert scores == pytest.approx({"pixel": 0.75, "class": 0.75, "iou": (6 / 9 + 3 / 6) / 2})


def test_a_label_that_is_read_but_never_true_counts_against_the_iou_alone():
    confusion = torch.tensor([[3, 1], [0, 0]])
    scores = room.fcn_scores(confusion)
    assert scores == pytest.approx({"pixel": 0.75, "class": 0.75, "iou": 0.75 / 2})


def test_the_confusion_matrix_has_truth_in_rows_and_reading_in_columns():
    labels = torch.tensor([[[0, 0, 1, 2]]], dtype=torch.uint8)
    predicted = torch.tensor([[[0, 1, 1, 1]]], dtype=torch.uint8)
    expected = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 1, 0]])
    assert torch.equal(room.confusion_matrix(predicted, labels, 3), expected)
    with pytest.raises(ValueError, match=r"\(1, 1, 4\) and \(1, 4\)"):
        room.confusion_matrix(predicted, labels[0], 3)


@pytest.fixture(scope="module")
def stripes():
    """Pictures whose label is told by a colour under noise: 0 is dark, 1 bright."""
    random = generator(0, "stripes")
    labels = torch.randint(2, (24, 4, 4), generator=random).byte()
    labels = labels.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)  # (24, 32, 32)
    noise = torch.rand((24, 3, 32, 32), generator=random) - 0.5
    return labels, (labels[:, None] - 0.5 + noise).clamp(-1, 1)


def test_it_learns_to_read_and_the_seed_decides_all(stripes):
    labels, pictures = stripes
    network, again = (room.train_segmenter(labels, pictures, 0, steps=25) for _ in range(2))
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    scores = room.score(network, pictures, labels)
    untrained = room.score(room.new_segmenter(0), pictures, labels)
    assert scores["pixel"] > 0.8 > untrained["pixel"]


def test_pictures_that_cannot_be_read_are_refused(stripes):
    labels, pictures = stripes
    network = room.new_segmenter(0)
    with pytest.raises(ValueError, match=r"pictures of shape \(1, 1, 32, 32\)"):
        room.read_labels(network, pictures[:1, :1])
    with pytest.raises(ValueError, match=r"24x32.*multiple of 16"):
        room.read_labels(network, pictures[:1, :, :24])
    with pytest.raises(ValueError, match=r"label maps \(23, 32, 32\) do not fit"):
        room.train_segmenter(labels[1:], pictures, 0, steps=1)


def test_a_judge_comes_back_from_its_file_frozen(tmp_path, stripes):
    _, pictures = stripes
    network = room.new_segmenter(3).eval()
    path = tmp_path / "segmenter.safetensors"
    save_weights(path, network.state_dict(), {"test pixel": "0.5"})
    loaded = room.load_segmenter(path)
    assert torch.equal(room.read_labels(loaded, pictures), room.read_labels(network, pictures))
    assert not any(weight.requires_grad for weight in loaded.parameters())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"segmenter\.safetensors"):
        room.load_segmenter(path)


@pytest.mark.weights
@pytest.mark.skipif(not room.WEIGHTS.exists(), reason="the judge's weights are not shipped yet")
def test_the_shipped_judge_scores_what_was_recorded_and_far_above_the_commonest_label():
    test = room.load_facades("test")
    scores = room.score(room.load_segmenter(), test.pictures, test.labels)
    _, recorded = load_weights(room.WEIGHTS)
    for name, value in scores.items():
        assert value == pytest.approx(float(recorded[f"test {name}"]), abs=0.002)
    commonest = test.labels.flatten().bincount().max().item() / test.labels.numel()
    assert scores["pixel"] > 0.85 > commonest
