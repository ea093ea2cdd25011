"""Chapter 5.3, measurements with real workers: an all-reduce by size, images a second by workers.

`measure_all_reduce` and `measure_scaling` start workers, whose script is this same file. What is
compared takes turns within one run, so that all of it meets the same machine; every figure is a
median. Nothing else should run meanwhile.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist

from companion.systems.imagenet_1h import data, meeting, train
from companion.systems.imagenet_1h.launch import Record, run_workers
from companion.systems.imagenet_1h.worker import ALL_REDUCE, add_own_shares, gradient_row

PATIENCE = 60.0  # seconds to wait for another worker


def measure_all_reduce(
    world_size: int,
    sizes: Sequence[int],
    algorithms: Sequence[str] = ("library", "ring", "halving-doubling"),
    *,
    repeats: int = 7,
    time_limit: float = 60,
    show: Callable[[str], None] = print,
) -> list[Record]:
    """Seconds of all-reduces of ``sizes`` bytes, a record for each size and algorithm.

    A record holds ``bytes``, ``algorithm``, ``seconds`` (of the slowest worker), and for those that
    count them ``rounds`` and ``sent``, the bytes that worker 0 sent. With more workers than cores
    the time holds their waiting for a core. Raises ``ValueError`` for sizes that are no whole
    number of single-precision numbers, and what ``run_workers`` raises.
    """
    odd = [size for size in sizes if size < 4 or size % 4]
    if odd:
        raise ValueError(f"{odd[0]} bytes hold no whole number of float32; give multiples of 4")
    for algorithm in algorithms:
        if algorithm not in ALL_REDUCE:
            raise ValueError(f"there is no {algorithm!r} all-reduce; choose from {[*ALL_REDUCE]}")
    arguments = [
        *["all-reduce", "--repeats", str(repeats)],
        *["--sizes", *map(str, sizes), "--algorithms", *algorithms],
    ]
    return _measured("all-reduce", world_size, arguments, time_limit, show)


def measure_scaling(
    world_size: int = 2,
    *,
    shares: int = 1,
    steps: int = 50,
    repeats: int = 7,
    time_limit: float = 60,
    show: Callable[[str], None] = print,
) -> Record:
    """Images a second of one worker alone and of all together, in turns.

    A worker computes the gradients of ``shares`` shares of 64 between two all-reduces. The record
    holds ``alone`` and ``together``, and ``efficiency``, the median over the repeats of
    together / (p alone). While one works alone the others sleep. Raises what ``run_workers`` does.
    """
    arguments = ["scaling", "--repeats", str(repeats), "--steps", str(steps)]
    arguments += ["--shares", str(shares)]
    return _measured("scaling", world_size, arguments, time_limit, show)[0]


def _measured(
    event: str,
    world_size: int,
    arguments: Sequence[str],
    time_limit: float,
    show: Callable[[str], None],
) -> list[Record]:
    records = run_workers(world_size, arguments, module=__name__, time_limit=time_limit, show=show)
    return [record for record in records if record["event"] == event]


# --- the workers' side ---------------------------------------------------------------------------


def time_all_reduces(sizes: Sequence[int], algorithms: Sequence[str], repeats: int) -> None:
    """Report the seconds of every size and algorithm."""
    for size in sizes:
        row = torch.zeros(size // 4)
        calls = max(1, min(20, 2**20 // size))  # so that a short one is timed as one of many
        times: dict[str, list[float]] = {algorithm: [] for algorithm in algorithms}
        traffic = {}
        for _ in range(repeats + 1):
            for algorithm in algorithms:
                dist.barrier()
                started = time.perf_counter()
                for _ in range(calls):
                    traffic[algorithm] = ALL_REDUCE[algorithm](row)
                times[algorithm].append((time.perf_counter() - started) / calls)
        for algorithm in algorithms:
            slowest = torch.tensor(times[algorithm][1:], dtype=torch.double)  # the first warms up
            dist.all_reduce(slowest, dist.ReduceOp.MAX)
            counted = traffic[algorithm]
            if dist.get_rank() == 0:
                meeting.report(
                    "all-reduce",
                    bytes=size,
                    algorithm=algorithm,
                    seconds=float(f"{slowest.median().item():.4g}"),
                    **(dataclasses.asdict(counted) if counted else {}),
                )


def time_training(shares: int, steps: int, repeats: int) -> None:
    """Report images a second of worker 0 alone and of all."""
    rank, world_size = dist.get_rank(), dist.get_world_size()
    settings = train.SETTINGS["laptop"]
    source = data.AugmentedDigits(data.load_digits("train"))
    network = train.new_network(settings, 0)
    optimizer = train.make_optimizer(network, settings)
    row = gradient_row(network)
    each = settings.share * shares  # samples a worker
    samples = data.draw_epoch(0, 0, each * world_size, len(source))

    def seconds(workers: int) -> float:
        dist.barrier()
        started = time.perf_counter()
        for _ in range(steps if rank < workers else 0):
            own = range(rank, workers * shares, workers)
            minibatch = samples[: each * workers]
            add_own_shares(network, source, minibatch, workers * shares, own, row)
            if workers > 1:
                dist.all_reduce(row)
            optimizer.step()
        dist.barrier()
        return time.perf_counter() - started

    seconds(1), seconds(world_size)  # warm up
    alone, together = [], []
    for _ in range(repeats):
        alone.append(steps * each / seconds(1))
        together.append(steps * each * world_size / seconds(world_size))
    ratios = [both / world_size / one for one, both in zip(alone, together, strict=True)]
    if rank == 0:
        meeting.report(
            "scaling",
            workers=world_size,
            alone=round(statistics.median(alone), 1),
            together=round(statistics.median(together), 1),
            efficiency=round(statistics.median(ratios), 4),
            efficiencies=[round(ratio, 4) for ratio in ratios],
        )


def main() -> None:
    """Measure as one of the workers."""
    parser = argparse.ArgumentParser(description="One worker of a measurement.")
    parser.add_argument("what", choices=("all-reduce", "scaling"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--shares", type=int, default=1)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2**20])
    parser.add_argument("--algorithms", choices=ALL_REDUCE, nargs="+", default=[*ALL_REDUCE])
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        meeting.meet("cpu", PATIENCE)
        if options.what == "all-reduce":
            time_all_reduces(options.sizes, options.algorithms, options.repeats)
        else:
            time_training(options.shares, options.steps, options.repeats)
    except (meeting.Refused, ValueError) as error:
        meeting.give_up(error, together=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
