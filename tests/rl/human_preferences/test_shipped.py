"""The shipped policy earns what is recorded, and its reward resembles the true one."""

import pytest

from companion.checkpoint import CheckpointError, load_weights
from companion.rl.human_preferences import claim, shipped


@pytest.mark.weights
def test_the_shipped_policy_earns_as_recorded_and_far_more_than_nothing():
    _, recorded = load_weights(shipped.WEIGHTS)
    policy, ensemble = shipped.load_shipped()
    found = shipped.held_out_return(policy)
    assert found == pytest.approx(float(recorded["true return"]), abs=1.0)
    assert found > 20  # random actions earn 1, legs raised while the trunk hangs 9
    assert claim.likeness(ensemble, *claim.postures()) > 0.5


def test_damaged_weights_are_refused_by_name(tmp_path):
    damaged = tmp_path / "weights.safetensors"
    damaged.write_bytes(shipped.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        shipped.load_shipped(damaged)
