"""Progress bars that read well in a terminal, in Jupyter, in the static page and in a CI log.

Every chapter's training loop uses this room.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

_SECONDS_BETWEEN_UPDATES = 0.5
_SECONDS_BETWEEN_LINES = 30.0


def track(iterable: Iterable[Item], label: str, total: int | None = None) -> Track[Item]:
    """Show how far the loop over `iterable` has come.

    In Jupyter one output is updated in place, at most twice a second, and ends as a plain line that
    the static page keeps. In a terminal it is a tqdm bar. Elsewhere it is a line every 30 seconds
    and one at the end.

    Args:
        iterable: what to loop over.
        label: what the loop does, such as "training".
        total: how many items come, when `iterable` has no length.
    """
    return Track(iterable, label, total)


class Track(Generic[Item]):
    """An iterable that shows its own progress; made by `track`."""

    def __init__(self, iterable: Iterable[Item], label: str, total: int | None = None) -> None:
        self._iterable = iterable
        self._label = label
        self._total = len(iterable) if total is None and hasattr(iterable, "__len__") else total
        self._note = ""
        self._bar = None

    def note(self, text: str) -> None:
        """Show `text`, such as "loss 0.93", from the next update on."""
        self._note = text
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def __iter__(self) -> Iterator[Item]:
        if _in_notebook():
            write = _updating_display()
            write(self._running_line(0, 0.0))
            return self._written(write, _SECONDS_BETWEEN_UPDATES)
        if sys.stderr.isatty():
            return self._in_terminal()
        return self._written(lambda line: print(line, file=sys.stderr), _SECONDS_BETWEEN_LINES)

    def _in_terminal(self) -> Iterator[Item]:
        from tqdm import tqdm

        with tqdm(self._iterable, desc=self._label, total=self._total) as self._bar:
            yield from self._bar

    def _written(self, write: Callable[[str], None], pause: float) -> Iterator[Item]:
        start = shown = time.perf_counter()
        done, whole = 0, False
        try:
            for item in self._iterable:
                yield item
                done += 1
                now = time.perf_counter()
                if now - shown >= pause:
                    write(self._running_line(done, now - start))
                    shown = now
            whole = True
        finally:
            write(self._last_line(done, time.perf_counter() - start, whole))

    def _running_line(self, done: int, seconds: float) -> str:
        parts = [f"{done:,}"]
        if self._total:
            filled = round(20 * done / self._total)
            parts = ["█" * filled + "░" * (20 - filled), f"{done:,} of {self._total:,}"]
        parts.append(_clock(seconds))
        if done and self._total:
            parts.append(f"{_clock(seconds / done * (self._total - done))} left")
        return self._line(parts)

    def _last_line(self, done: int, seconds: float, whole: bool) -> str:
        count = f"{done:,}"
        if not whole:
            of_total = f" of {self._total:,}" if self._total else ""
            count = f"stopped after {done:,}{of_total}"
        parts = [f"{count} in {_clock(seconds)}"]
        if done and seconds > 0:
            rate = done / seconds
            parts.append(f"{rate:,.0f} a second" if rate >= 100 else f"{rate:.3g} a second")
        return self._line(parts)

    def _line(self, parts: list[str]) -> str:
        return f"{self._label}: " + " · ".join(parts + ([self._note] if self._note else []))


def _clock(seconds: float) -> str:
    """Minutes and seconds, as in `6:05`; below a minute in seconds, as in `3.2 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def _updating_display() -> Callable[[str], None]:
    """Put one output below the cell; the returned function replaces its line."""
    from IPython.display import display

    handle = display({"text/plain": ""}, raw=True, display_id=True)
    return lambda line: handle.update({"text/plain": line}, raw=True)
