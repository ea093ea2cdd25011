"""Torchrun itself, started as the chapter starts it: restarts, limits, and nothing left behind."""

import os
import socket
import time

import pytest
import torch

from companion.checkpoint import load_weights
from companion.systems.imagenet_1h import launch, worker
from tests.systems.imagenet_1h.workers import LIMIT, all_well, run_forked

UNRULY = "tests.systems.imagenet_1h.unruly"


def start(rank, *arguments):
    worker.main(arguments)


def gone(pid):
    """Whether no process has this number, or only its body waits to be collected."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tmp_path):
    """Torchrun starts all again from the checkpoint, and the end is an uninterrupted run's."""
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    arguments = ["--size", "smoke", "--samples", "512", "--every", "1", "--checkpoint"]
    all_well(run_forked(2, tmp_path, start, *arguments, str(whole)))
    shown = []
    records = launch.run_workers(
        2,
        [*arguments, str(cut)],
        time_limit=LIMIT,
        max_restarts=1,
        watch=launch.killer(rank=1, step=3),
        show=shown.append,
    )
    assert shown[0].startswith("$ python -m torch.distributed.run --standalone")
    starts = [(one["life"], one["rank"]) for one in records if one["event"] == "start"]
    assert sorted(starts) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    again = next(one["step"] for one in records if one["event"] == "step" and one["life"] == 1)
    assert again > 3
    assert records[-1]["step"] == 12
    expected, found = load_weights(whole)[0], load_weights(cut)[0]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert all(gone(one["pid"]) for one in records if one["event"] == "start")


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(launch.WorkersFailed, match=f"port {port} is in use"):
            launch.run_workers(2, ["hang"], module=UNRULY, time_limit=LIMIT, master_port=port)
        assert time.monotonic() - began < LIMIT


def test_whatever_happens_no_process_is_left(monkeypatch):
    """As when a reader interrupts the cell; these workers do not even listen to torchrun."""
    monkeypatch.setattr(launch, "GRACE", 0.5)
    pids = []

    def interrupt(record):
        pids.append(record["pid"])
        if len(pids) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch.run_workers(2, ["hang"], module=UNRULY, time_limit=LIMIT, watch=interrupt)
    assert len(pids) == 2 and all(gone(pid) for pid in pids)


def test_a_run_is_ended_at_its_limit():
    with pytest.raises(launch.WorkersFailed, match=r"ended at its limit of 0\.5 s"):
        launch.run_workers(2, ["hang"], module=UNRULY, time_limit=0.5)


def test_a_worker_that_dies_is_named():
    with pytest.raises(launch.WorkersFailed, match=r"^rank 1 was ended by SIGKILL$") as failure:
        launch.run_workers(2, ["die"], module=UNRULY, time_limit=LIMIT)
    assert os.sep + "bin" not in str(failure.value)


def test_what_the_workers_said_becomes_the_error():
    lines = [
        "noise",
        "rank 0 of 2: no CUDA device here",
        "rank 1 of 2: no CUDA device here",
        "E1126 failed (exitcode: 1) local_rank: 0 (pid: 7) of binary: python",
    ]
    assert launch._reason(lines, None) == "\n".join(lines[1:3])
    assert "no module named nothing" in launch._reason(["no module named nothing"], None)


@pytest.mark.parametrize(("world_size", "limit"), [(0, 10), (2, 0), (2, float("nan"))])
def test_numbers_that_cannot_be(world_size, limit):
    with pytest.raises(ValueError, match="both must be above 0"):
        launch.run_workers(world_size, time_limit=limit)
