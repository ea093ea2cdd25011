"""How long something takes, and how much memory. Every benchmark of a chapter uses this room."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from companion import claims

REPEATS = 5


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall-clock seconds of ``work``, after one call to warm up."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def processor_seconds(works: dict[str, Callable[[], object]], repeats: int = REPEATS) -> dict:
    """Median processor seconds of each work; they take turns after one call each to warm up.

    On one thread that is the wall clock's, less what other jobs took in between.
    """
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            started = time.process_time()
            work()
            times[name].append(time.process_time() - started)
    return {name: statistics.median(taken) for name, taken in times.items()}


def memory_by_size(module: str, names: list[str], sizes: tuple[int, ...]) -> None:
    """Print for each name the peak memory in MiB by resolution, each in a process of its own.

    ``python -m module --memory NAME SIZE`` must print it. To be called before anything else takes
    memory, since Linux starts a process's peak at what its parent held.
    """
    print("peak memory of training, PyTorch's own included, MiB")
    for name in names:
        line = f"{name} networks:"
        for size in sizes:
            command = [sys.executable, "-m", module, "--memory", name, str(size)]
            line += f"  {size}x{size} {int(subprocess.check_output(command)):,}"
        print(line, flush=True)


def measure_card(label: str, update: Callable[[], object], batch_size: int) -> None:
    """Print one line on a graphics card: the speed of ``update``, and its memory."""

    def finished_update() -> None:
        update()
        torch.cuda.synchronize()

    taken = seconds(finished_update, 50)
    peak = torch.cuda.max_memory_allocated() / 2**20
    print(
        f"{torch.cuda.get_device_name()}: {label}: {batch_size / taken:.2f} a second in training, "
        f"peak memory {peak:,.0f} MiB"
    )


def compare_bfloat16(chapter: str, update: Callable[[], object], batch_size: int) -> None:
    """Print how fast training is in bfloat16, and whether the claim's method is as good with it.

    That is measured on the claim's seeds, at its learning rate; only where the processor computes
    in bfloat16, since elsewhere it is emulated and many times slower.
    """
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        print("this processor does not compute in bfloat16: nothing is measured")
        return

    def half_update() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            update()

    taken = processor_seconds({"float32": update, "bfloat16": half_update})
    for name, time_taken in taken.items():
        print(f"training in {name}: {batch_size / time_taken:.2f} pictures a second")
    claim = claims.load_claim(chapter)
    recorded = claims.load(claims.PACKAGE / chapter / "claim.json")["arms"][claim.method]
    with torch.autocast("cpu", torch.bfloat16):
        found = [
            claim.experiment(claim.method, run["seed"], "laptop", recorded["learning_rate"])
            for run in recorded["runs"]
        ]
    mean = statistics.fmean(metrics[claim.metric] for metrics in found)
    low, high = recorded["interval"]
    print(
        f"{claim.metric} of {claim.method!r} over {len(found)} seeds, in bfloat16: {mean:.4g} "
        f"{claim.unit}, {'inside' if low <= mean <= high else 'outside'} the interval in float32, "
        f"{low:.4g} to {high:.4g}"
    )
