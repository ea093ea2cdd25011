"""Notebooks from their sources: `python tools/notebooks.py sync|execute|check|check-run [PATH]`.

The .py of a chapter (jupytext's percent format) is the source; the .ipynb beside it is made from
it and keeps the outputs of a run. PATH is a .py or .ipynb, or a chapter as part/name; without one,
sync and check take every chapter and exercise.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import os
import platform
import sys
import threading
import time
from collections import defaultdict, deque
from pathlib import Path

import jupytext
import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

# As a script this file is found in tools/, where neither package below lies.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from companion.checkpoint import atomic_path
from tools import contracts

ROOT = Path(__file__).resolve().parent.parent
MOST_SMOKE_SECONDS = 30
PACKAGES = ("torch", "numpy", "matplotlib")
_SECONDS_BETWEEN_READINGS = 0.1
_READINGS_BETWEEN_LISTINGS = 10  # listing costs far more than reading, and slows what it measures


class NotebookFault(Exception):
    """A notebook that cannot be made, run or kept; says which, why and what to do."""


# --- made from the source


def read_source(path: Path) -> NotebookNode:
    """The notebook that a .py describes, without outputs.

    Cells are named by their content, so that the same source gives the same bytes and a change in
    one cell changes no other.
    """
    if not path.is_file():
        raise NotebookFault(f"There is no {path}. A notebook is made from a .py of this name.")
    notebook = jupytext.read(path)
    notebook.metadata.pop("jupytext", None)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = defaultdict(int)
    for cell in notebook.cells:
        cell.metadata = _kept_metadata(cell)
        digest = contracts.cell_digest(cell)
        cell.id = digest if not seen[digest] else f"{digest}-{seen[digest]}"
        seen[digest] += 1
    return notebook


def keep_outputs(notebook: NotebookNode, old: NotebookNode) -> None:
    """Give each code cell the outputs of the old cell with the same source."""
    outputs: dict[str, deque[NotebookNode]] = defaultdict(deque)
    for cell in old.cells:
        if cell.cell_type == "code":
            outputs[cell.source].append(cell)
    for cell in notebook.cells:
        if cell.cell_type == "code" and outputs[cell.source]:
            kept = outputs[cell.source].popleft()
            cell.outputs, cell.execution_count = kept.outputs, kept.execution_count
    for key in ("course", "widgets"):
        if key in old.metadata:
            notebook.metadata[key] = old.metadata[key]


def sync(path: Path) -> str:
    """Make the .ipynb from the .py, keeping the outputs of unchanged code cells."""
    target = path.with_suffix(".ipynb")
    notebook = read_source(path.with_suffix(".py"))
    if target.is_file():
        try:
            keep_outputs(notebook, nbformat.read(target, as_version=4))
        except (ValueError, nbformat.ValidationError) as error:
            raise NotebookFault(
                f"{target} is no notebook ({error}). Delete it; the source is {path.stem}.py."
            ) from error
    return "made" if _write(target, notebook) else "unchanged"


def _kept_metadata(cell: NotebookNode) -> NotebookNode:
    kept = {key: cell.metadata[key] for key in contracts.KEPT_CELL_METADATA if key in cell.metadata}
    return nbformat.from_dict(kept)


def _write(path: Path, notebook: NotebookNode) -> bool:
    """Write the notebook in one move; False when the file holds just that already."""
    nbformat.validate(notebook)
    data = (nbformat.writes(notebook).rstrip("\n") + "\n").encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return True


# --- run


class Usage:
    """Measures, in a thread, the memory and processor time of all processes this one started."""

    def __init__(self) -> None:
        self.peak_mib = 0.0
        self.processor_seconds = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Usage:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        processes: list[psutil.Process] = []
        for reading in itertools.count():
            if self._ended.wait(_SECONDS_BETWEEN_READINGS):
                return
            if not processes or reading % _READINGS_BETWEEN_LISTINGS == 0:
                processes = psutil.Process().children(recursive=True)
            self._read(processes)

    def read(self) -> None:
        """Take a reading now, so that what is held at this moment counts however short it is."""
        self._read(psutil.Process().children(recursive=True))

    def _read(self, processes: list[psutil.Process]) -> None:
        memory, seconds = 0, 0.0
        for process in processes:
            try:
                memory += process.memory_info().rss
                times = process.cpu_times()
                seconds += times.user + times.system
            except psutil.Error:
                continue  # it ended between being listed and being read
        with self._lock:
            self.peak_mib = max(self.peak_mib, memory / 2**20)
            self.processor_seconds = max(self.processor_seconds, seconds)


def run(path: Path, size: str) -> tuple[NotebookNode, Usage, float]:
    """Run a source from top to bottom in a fresh kernel, in the notebook's folder.

    Returns:
        The notebook with its outputs, what it used, and its minutes.

    Raises:
        NotebookFault: when a cell fails, or shows a local path, which must not be committed.
    """
    notebook = read_source(path.with_suffix(".py"))
    count = sum(cell.cell_type == "code" for cell in notebook.cells)
    done = 0

    def after_cell(cell: NotebookNode, cell_index: int, **_: object) -> None:
        nonlocal done
        done += 1
        usage.read()
        print(f"\r{path.stem}: cell {done} of {count}", end="", file=sys.stderr, flush=True)
        if found := contracts.local_paths(cell):
            raise NotebookFault(
                f"Cell {cell_index + 1} shows the local path {found[0]!r}. Print names or relative "
                "paths, or silence the warning at its cause."
            )

    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        on_cell_executed=after_cell,
    )
    began = time.monotonic()
    try:
        with Usage() as usage:
            client.execute(env={**os.environ, "COURSE_SIZE": size})
    except CellExecutionError as error:
        raise NotebookFault(f"A cell failed:\n{error}") from error
    except Exception as error:
        # nbclient answers an interrupt by ending the kernel, stumbles, and leaves this trace of it.
        if getattr(client, "_async_cleanup_kernel_future", None) is not None:
            raise KeyboardInterrupt from error
        if isinstance(error, DeadKernelError):
            raise NotebookFault(
                f"The kernel died after cell {done} of {count}, perhaps for want of memory "
                f"(it had used {usage.peak_mib:,.0f} MiB)."
            ) from error
        raise
    finally:
        print(file=sys.stderr)
    minutes = (time.monotonic() - began) / 60
    for cell in notebook.cells:
        cell.metadata = _kept_metadata(cell)
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
    return notebook, usage, minutes


def merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Text printed between two other outputs as one stdout and one stderr, as a terminal shows it.

    What a carriage return overwrote is left out.
    """
    merged: list[NotebookNode] = []
    for is_stream, group in itertools.groupby(outputs, lambda o: o.output_type == "stream"):
        if not is_stream:
            merged += group
            continue
        texts = {"stdout": "", "stderr": ""}
        for output in group:
            texts[output.name] += output.text
        for name, text in texts.items():
            lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
            if text:
                merged.append(nbformat.v4.new_output("stream", name=name, text="\n".join(lines)))
    return merged


def execute(path: Path) -> str:
    """Run a chapter at laptop size and keep its outputs; on any fault the old notebook stays."""
    # What the contracts say of the text can be said before a run of a quarter of an hour.
    if found := contracts.length_faults(read_source(path.with_suffix(".py"))):
        raise NotebookFault("\n".join(found))
    notebook, usage, minutes = run(path, "laptop")
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    notebook.metadata["course"] = {
        "code": contracts.code_digest(notebook),
        "machine": f"{os.cpu_count()}-core {platform.machine()}",
        "minutes": round(minutes, 2),
        "peak_mib": round(usage.peak_mib),
        "size": "laptop",
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
    }
    _refuse_large(notebook)
    _write(path.with_suffix(".ipynb"), notebook)
    return f"{minutes:.1f} minutes, {usage.peak_mib:,.0f} MiB"


def _refuse_large(notebook: NotebookNode) -> None:
    if (size := len(nbformat.writes(notebook).encode())) < contracts.MOST_NOTEBOOK_BYTES:
        return
    code = [(len(str(c.get("outputs"))), i) for i, c in enumerate(notebook.cells, start=1)]
    largest = ", ".join(str(number) for _, number in sorted(code, reverse=True)[:3])
    raise NotebookFault(
        f"The notebook would have {size:,} bytes; fewer than {contracts.MOST_NOTEBOOK_BYTES:,} are "
        f"allowed. Show fewer or smaller figures; the largest outputs are of cells {largest}."
    )


def check_run(path: Path) -> str:
    """Run a notebook at smoke size on one thread, keep nothing, and hold it to its time."""
    os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive")
    notebook, usage, _ = run(path, "smoke")
    _refuse_large(notebook)  # its figures are those of the long run, which would be lost
    if usage.processor_seconds > MOST_SMOKE_SECONDS:
        raise NotebookFault(
            f"It took {usage.processor_seconds:.0f} seconds of one core at smoke size; "
            f"at most {MOST_SMOKE_SECONDS}. Train fewer steps there."
        )
    return f"{usage.processor_seconds:.0f} seconds of one core, {usage.peak_mib:,.0f} MiB"


def check(path: Path) -> str:
    """Hold a chapter to every contract, and any other notebook to that of the pair."""
    path = path.resolve()
    if path.parents[1] == ROOT / "book" / "chapters":
        found = contracts.faults(contracts.Chapter(ROOT, path.parent.name, path.stem))
    else:
        found = contracts.pair_faults(path.with_suffix(".ipynb"))
    if found:
        raise NotebookFault("\n".join(found))
    return "in order"


# --- the command line

COMMANDS = {"sync": sync, "execute": execute, "check": check, "check-run": check_run}


def resolve(name: str) -> Path:
    """The notebook that a path, or a chapter as part/name, stands for."""
    path = Path(name)
    if path.suffix in (".py", ".ipynb"):
        return path
    return ROOT / "book" / "chapters" / f"{name}.py"


def every_notebook() -> list[Path]:
    """The source of each chapter and of each set of exercises."""
    found = (ROOT / "book").glob("chapters/*/*.py"), (ROOT / "book").glob("exercises/*/*.py")
    return sorted(path for paths in found for path in paths if not path.stem.endswith("_cases"))


def main(arguments: list[str] | None = None) -> int:
    """Run one command over its notebooks; return the exit code."""
    parser = argparse.ArgumentParser(prog="notebooks.py", description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("path", nargs="*", metavar="PATH")
    options = parser.parse_args(arguments)
    if options.command in ("execute", "check-run") and not options.path:
        parser.error(f"{options.command} needs a PATH, such as vision/sketch_rnn")
    failed = False
    for path in [resolve(name) for name in options.path] or every_notebook():
        try:
            print(f"{path.stem}: {COMMANDS[options.command](path)}")
        except (NotebookFault, OSError) as fault:
            print(f"{path.stem}: {fault}", file=sys.stderr)
            failed = True
        except KeyboardInterrupt:
            print(f"\n{path.stem}: interrupted; its notebook is as it was.", file=sys.stderr)
            return 130
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
