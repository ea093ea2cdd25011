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
