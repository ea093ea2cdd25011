"""How long something takes. Every benchmark of a chapter uses this room."""

import statistics
import time
from collections.abc import Callable

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
