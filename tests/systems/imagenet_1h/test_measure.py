"""What the measurements report, from real workers; never how fast they were."""

import json

import pytest
import torch.distributed as dist

from companion.systems.imagenet_1h import measure, meeting
from tests.systems.imagenet_1h.workers import all_well, run_forked


def records(ended):
    all_well(ended)
    lines = [json.loads(line) for one in ended for line in one.output.splitlines()]
    return [line for line in lines if line["event"] != "start"]


def time_all_reduces(rank):
    meeting.meet("cpu", 30)
    measure.time_all_reduces([64, 4096], ["library", "ring", "halving-doubling"], repeats=2)
    dist.destroy_process_group()


def test_every_size_and_algorithm_is_timed_and_counted(tmp_path):
    found = records(run_forked(2, tmp_path, time_all_reduces))
    assert [(one["bytes"], one["algorithm"]) for one in found] == [
        (size, algorithm)
        for size in (64, 4096)
        for algorithm in ("library", "ring", "halving-doubling")
    ]
    assert all(one["seconds"] > 0 for one in found)
    counted = [(one["rounds"], one["sent"]) for one in found if "rounds" in one]
    assert counted == [(2, 64), (2, 64), (2, 4096), (2, 4096)]  # at 2 workers, one algorithm


def time_training(rank):
    meeting.meet("cpu", 30)
    measure.time_training(shares=2, steps=2, repeats=3)
    dist.destroy_process_group()


def test_scaling_is_the_median_ratio_of_turns_in_one_run(tmp_path):
    (found,) = records(run_forked(2, tmp_path, time_training))
    assert found["workers"] == 2 and found["alone"] > 0 and found["together"] > 0
    assert found["efficiency"] == sorted(found["efficiencies"])[1]


@pytest.mark.parametrize(
    ("sizes", "algorithms", "message"),
    [([1024, 6], ["ring"], "6 bytes hold no"), ([1024], ["tree"], "no 'tree' all-reduce")],
)
def test_what_cannot_be_measured(sizes, algorithms, message):
    with pytest.raises(ValueError, match=message):
        measure.measure_all_reduce(2, sizes, algorithms)
