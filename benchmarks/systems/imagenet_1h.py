"""Speed of distributed training: images a second by workers, all-reduces by size and algorithm.

``make bench CHAPTER=systems/imagenet_1h``, on an otherwise idle machine, in about five minutes. A
worker is a process of one thread. What is compared takes turns within one run; each figure is a
median. The bars: two workers on two cores at least 85% efficient, and the ring within 1.5 times the
library's time above 1 MB.
"""

import os
import resource

import torch

from benchmarks.timing import seconds
from companion.systems.imagenet_1h import cost, data, measure, train
from companion.systems.imagenet_1h.launch import Record

LIMIT = 240  # seconds a run
SIZES = [4 * 4**power for power in range(4, 13)]  # 1 kB to 64 MB


def crowded(world_size: int) -> str:
    """A label for more workers than cores, whose time is also their waiting for a core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f" (more workers than the {cores} cores)" if world_size > cores else ""


def quiet(line: str) -> None:
    """Show nothing of what the workers write."""


def step_seconds() -> float:
    """Seconds of one worker's gradients over its share of 64, without the optimiser."""
    source = data.AugmentedDigits(data.load_digits("train"))
    settings = train.SETTINGS["laptop"]
    network = train.new_network(settings, 0)
    samples = data.draw_epoch(0, 0, settings.share, len(source))
    return seconds(lambda: train.minibatch_gradients(network, source, samples, 1))


def time_scaling() -> None:
    """Images a second by workers, and how that grows."""
    for world_size, shares, steps in ((2, 1, 50), (2, 16, 4), (4, 1, 50)):
        found = measure.measure_scaling(
            world_size, shares=shares, steps=steps, time_limit=LIMIT, show=quiet
        )
        print(
            f"{world_size} workers, {64 * shares:,} samples each a step: {found['together']:7,.0f} "
            f"images/s, one alone {found['alone']:7,.0f}: {found['efficiency']:.1%} "
            f"efficient{crowded(world_size)}"
        )


def time_all_reduces(world_size: int) -> list[Record]:
    """A line for each size: milliseconds by algorithm, and what they are of the library's."""
    found = measure.measure_all_reduce(world_size, SIZES, time_limit=LIMIT, show=quiet)
    print(f"\nall-reduce, {world_size} workers{crowded(world_size)}, milliseconds")
    for size in SIZES:
        line = f"{size:12,d} bytes"
        times = {one["algorithm"]: one["seconds"] for one in found if one["bytes"] == size}
        for algorithm, taken in times.items():
            line += f"   {algorithm} {1000 * taken:9.3f} ({taken / times['library']:4.2f})"
        print(line)
    return found


def predict(found: list[Record], world_size: int, compute_seconds: float) -> None:
    """The link fitted to the ring's times, and what it would do to more workers."""
    ring = [one for one in found if one["algorithm"] == "ring"]
    link = cost.fit_link(
        [one["bytes"] for one in ring], [one["seconds"] for one in ring], world_size
    )
    print(
        f"fitted link: {1e6 * link.latency:.0f} microseconds a round, "
        f"{link.bandwidth / 1e9:.2f} GB/s"
    )
    network = train.new_network(train.SETTINGS["laptop"], 0)
    num_bytes = 4 * sum(parameter.numel() for parameter in network.parameters())
    for workers in (2, 8, 64, 256):
        line = f"{workers:4d} workers on such links:"
        for algorithm in cost.ALGORITHMS:
            share = cost.efficiency(compute_seconds, num_bytes, workers, link, algorithm=algorithm)
            line += f"  {algorithm} {share:.0%}"
        print(line)


def main() -> None:
    """Print the benchmark."""
    torch.set_num_threads(1)
    compute_seconds = step_seconds()
    print(f"one share of 64, forward and backward: {1000 * compute_seconds:.1f} ms\n")
    time_scaling()
    predict(time_all_reduces(2), 2, compute_seconds)
    time_all_reduces(4)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\npeak memory: {own:,.0f} MiB here, {workers:,.0f} MiB a worker at most")


if __name__ == "__main__":
    main()
