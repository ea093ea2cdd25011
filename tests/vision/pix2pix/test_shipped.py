"""The shipped painters score as recorded, and their order is that of the claim."""

import pytest

from companion.checkpoint import CheckpointError, load_weights
from companion.vision.pix2pix import claim, shipped
from companion.vision.pix2pix.data import SPLITS, draw_facades, load_facades
from companion.vision.pix2pix.segmenter import load_segmenter, score

LOOSENESS = {"l1": 0.005, "sharpness": 0.02, "colours": 0.02, "variety": 0.02, "noise": 0.005}


@pytest.mark.weights
def test_the_shipped_networks_score_as_recorded_and_beat_flat_colours():
    _, recorded = load_weights(shipped.WEIGHTS)
    test = load_facades("test")
    colours = claim.mean_colours(draw_facades(SPLITS["train"][:100]))
    flat = colours[test.labels.long()].permute(0, 3, 1, 2)  # every label in its mean colour
    trivial = score(load_segmenter(), flat, test.labels)["iou"]
    for objective in shipped.SHIPPED:
        scores = shipped.held_out_scores(shipped.load_shipped(objective))
        for name, value in scores.items():
            expected = float(recorded[f"{objective} {name}"])
            assert value == pytest.approx(expected, abs=LOOSENESS.get(name, 0.01)), name
        assert scores["iou"] > trivial + 0.1


def test_both_networks_are_trained_alike_but_for_their_loss():
    first, second = (vars(shipped.shipped_settings(name)).copy() for name in shipped.SHIPPED)
    assert first.pop("objective") != second.pop("objective")
    assert first == second


def test_damaged_weights_and_unknown_objectives_are_refused_by_name(tmp_path):
    damaged = tmp_path / "weights.safetensors"
    damaged.write_bytes(shipped.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        shipped.load_shipped("L1", damaged)
    with pytest.raises(ValueError, match="'L2'"):
        shipped.load_shipped("L2")
