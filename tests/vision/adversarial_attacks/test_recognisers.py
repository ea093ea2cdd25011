"""The recognisers: they learn, their record is true, and what they cannot read is refused."""

import pytest
import torch

from companion.checkpoint import CheckpointError, load_weights
from companion.vision.adversarial_attacks import recognisers as room


@pytest.mark.weights
@pytest.mark.parametrize("kind", room.KINDS)
def test_the_shipped_recognisers_score_what_was_recorded_and_far_above_chance(kind):
    images, labels = room.held_out(kind, seed=0)
    accuracy = room.accuracy(room.load_recogniser(kind), images, labels)
    _, recorded = load_weights(room.WEIGHTS)
    assert accuracy == pytest.approx(float(recorded[f"{kind} test"]), abs=0.01)
    assert accuracy > 0.9
    assert labels.bincount().max().item() / len(labels) < 0.11  # the commonest class


def test_a_few_steps_teach_something_and_the_seed_decides_all():
    first = room.train_recogniser("sign", seed=3, steps=12)
    again = room.train_recogniser("sign", seed=3, steps=12)
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not first.training
    images, labels = room.held_out("sign", seed=3)
    untrained = room.new_recogniser("sign", 3)
    with torch.no_grad():
        losses = [
            torch.nn.functional.cross_entropy(network(images[::20]), labels[::20])
            for network in (first, untrained)
        ]
    assert losses[0] < losses[1] - 0.02


def test_wrong_kinds_sizes_and_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'cat'.*face, sign"):
        room.load_recogniser("cat")
    with pytest.raises(ValueError, match=r"\(batch, 3, 48, 48\), got \(1, 3, 64, 64\)"):
        room.load_recogniser("sign")(torch.zeros(1, 3, 64, 64))
    damaged = tmp_path / "recognisers.safetensors"
    damaged.write_bytes(room.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"recognisers\.safetensors"):
        room.load_recogniser("face", damaged)
