"""Real worker processes for the tests: forked from one that has imported PyTorch once."""

import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LIMIT = 60.0  # seconds, against hanging

_FORKS = multiprocessing.get_context("forkserver")
# With what PyTorch imports only as the first optimiser is made, which takes longer than the rest.
_FORKS.set_forkserver_preload(["companion.systems.imagenet_1h.worker", "torch._dynamo"])


@dataclass(frozen=True)
class Ended:
    """How a worker ended: its exit status, negative for a signal, and all it wrote."""

    status: int
    output: str


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def run_forked(
    world_size: int, folder: Path, function: Callable, *arguments: object
) -> list[Ended]:
    """Run ``function(rank, *arguments)`` in workers that know each other as under torchrun.

    Fails when they have not all ended after ``LIMIT`` seconds; none is left then either.
    """
    port = free_port()
    outputs = [folder / f"output of {rank}.txt" for rank in range(world_size)]
    processes = [
        _FORKS.Process(
            target=_worker, args=(rank, world_size, port, outputs[rank], function, arguments)
        )
        for rank in range(world_size)
    ]
    for process in processes:
        process.start()
    deadline = time.monotonic() + LIMIT
    for process in processes:
        process.join(max(0, deadline - time.monotonic()))
    hanging = [rank for rank, process in enumerate(processes) if process.is_alive()]
    for process in processes:
        process.kill()
        process.join()
    ended = [
        Ended(process.exitcode, output.read_text())
        for process, output in zip(processes, outputs, strict=True)
    ]
    assert not hanging, f"workers {hanging} hang: {ended}"
    return ended


def all_well(ended: list[Ended]) -> None:
    assert [one.status for one in ended] == [0] * len(ended), ended


def _worker(rank, world_size, port, output, function, arguments):
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    import torch

    torch.set_num_threads(1)
    function(rank, *arguments)
