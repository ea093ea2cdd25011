"""The shipped network errs as recorded."""

import pytest

from companion.checkpoint import CheckpointError, load_weights
from companion.systems.imagenet_1h import shipped


@pytest.mark.weights
def test_shipped_weights_err_as_recorded_and_beat_the_trivial_baseline():
    _, recorded = load_weights(shipped.WEIGHTS)
    error = shipped.held_out_error(shipped.load_shipped())
    assert error == pytest.approx(float(recorded["test error"]), abs=0.2)
    assert error < 10  # one label for all: 90


def test_damaged_weights_are_refused_by_name(tmp_path):
    damaged = tmp_path / "weights.safetensors"
    damaged.write_bytes(shipped.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        shipped.load_shipped(damaged)
