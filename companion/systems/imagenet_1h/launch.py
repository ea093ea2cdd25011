"""Chapter 5.3, starting workers: torchrun, as in a terminal, with a limit of time and an end.

Torchrun starts one process a worker and watches them: when one dies it ends the others and, while
``--max-restarts`` lasts, starts all of them again. What is added here is for notebooks and tests:
what the workers report comes back as records, a run that goes on too long is ended, and whatever
happens no process is left behind.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import companion

WORKER = "companion.systems.imagenet_1h.worker"
GRACE = 5.0  # seconds that torchrun has to end its workers before all are killed

_SAID = re.compile(r"rank \d+ of \d+: ")  # a worker, before it gives up
_DIED = re.compile(r"failed \(exitcode: (-?\d+)\) local_rank: (\d+)")  # torchrun, of a worker

Record = dict[str, object]


class WorkersFailed(RuntimeError):
    """A run that did not end well; says what each worker said, or how it died."""


def torchrun_command(
    world_size: int,
    arguments: Sequence[str],
    *,
    module: str = WORKER,
    max_restarts: int = 0,
    master_port: int | None = None,
) -> list[str]:
    """The command that starts ``world_size`` workers on this machine, without the interpreter.

    Workers meet at a free port, or at ``master_port``. The address is named, since torchrun would
    otherwise give workers the machine's own name, which need not lead anywhere.
    """
    meeting = ["--standalone", "--local-addr", "localhost"]
    if master_port is not None:
        meeting = ["--master-addr", "localhost", "--master-port", str(master_port)]
    restarts = ["--max-restarts", str(max_restarts)] if max_restarts else []
    return [
        *["-m", "torch.distributed.run", *meeting, *restarts],
        *["--nproc-per-node", str(world_size), "-m", module, *arguments],
    ]


def run_workers(
    world_size: int,
    arguments: Sequence[str] = (),
    *,
    time_limit: float,
    module: str = WORKER,
    max_restarts: int = 0,
    master_port: int | None = None,
    watch: Callable[[Record], None] = lambda record: None,
    show: Callable[[str], None] = print,
) -> list[Record]:
    """Start workers with torchrun, wait for their end, and return what they reported.

    The command and what the workers write are shown as they come; a line of JSON with an "event"
    becomes a record and goes to ``watch``.

    Args:
        world_size: processes to start, one thread each.
        arguments: for the workers' script.
        time_limit: seconds after which everything is ended.
        module: the script, as in ``python -m``.
        max_restarts: how often torchrun may start all workers again after one has died.
        master_port: where the workers meet; a free port is found when left out.
        watch: called with every record.
        show: called with every line.

    Raises:
        ValueError: for a number of workers or a limit that is not above 0.
        WorkersFailed: when a worker failed, the port was in use, or the time ran out.
    """
    if world_size < 1 or not time_limit > 0:
        raise ValueError(
            f"{world_size} workers within {time_limit} s cannot run: both must be above 0"
        )
    command = torchrun_command(
        world_size, arguments, module=module, max_restarts=max_restarts, master_port=master_port
    )
    show(f"$ python {shlex.join(command)}")
    process = subprocess.Popen(
        [sys.executable, *command],
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # so that Ctrl-C reaches us alone, and we end the others in order
    )
    records: list[Record] = []
    lines: list[str] = []
    workers: dict[object, int] = {}
    late = threading.Event()

    def end_late() -> None:
        late.set()
        _end(process, workers)

    timer = threading.Timer(time_limit, end_late)
    timer.start()
    reporting = False  # torchrun's own stack and summary, which say less than the error raised here
    try:
        for line in process.stdout:
            line = line.rstrip("\n").replace(sys.executable, "python")
            record = _record(line)
            reporting = reporting and record is None
            if not reporting or _SAID.match(line):
                lines.append(line)
                show(line)
            reporting = reporting or bool(_DIED.search(line))
            if record is None:
                continue
            records.append(record)
            if record["event"] == "start":
                workers[record["rank"]] = record["pid"]
            watch(record)
        process.wait()
    finally:
        timer.cancel()
        _end(process, workers)
        process.stdout.close()
    if late.is_set():
        raise WorkersFailed(
            f"the run was ended at its limit of {time_limit:g} s; make it shorter, or allow more"
        )
    if process.returncode:
        raise WorkersFailed(_reason(lines, master_port))
    return records


def killer(rank: int, step: int) -> Callable[[Record], None]:
    """A ``watch`` that kills worker ``rank``, once, as soon as ``step`` steps are reported."""
    workers: dict[object, int] = {}

    def watch(record: Record) -> None:
        if record["life"] > 0:  # torchrun has started all of them again
            return
        if record["event"] == "start":
            workers[record["rank"]] = record["pid"]
        elif record["event"] == "step" and record["step"] >= step and rank in workers:
            os.kill(workers.pop(rank), signal.SIGKILL)

    return watch


def _environment() -> Mapping[str, str]:
    """One thread a worker, which sleeps while it waits; and this very package, wherever we are."""
    paths = [str(Path(companion.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONUNBUFFERED": "1",
    }


def _record(line: str) -> Record | None:
    """The record that a line holds, or None for any other line."""
    if not line.startswith("{"):
        return None
    with contextlib.suppress(json.JSONDecodeError):
        record = json.loads(line)
        return record if "event" in record else None
    return None


def _reason(lines: Sequence[str], master_port: int | None) -> str:
    """In a sentence or a few, why the run failed."""
    text = "\n".join(lines)
    if master_port is not None and "EADDRINUSE" in text:
        return (
            f"port {master_port} is in use, by another run or one left over; choose another "
            "master_port, or leave it out and a free one is found"
        )
    said = [line for line in lines if _SAID.match(line)]
    for code, rank in _DIED.findall(text):
        if int(code) < 0:
            said.append(f"rank {rank} was ended by {_signal_name(-int(code))}")
    return "\n".join(said or ["the workers failed; the last they wrote:", *lines[-20:]])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end(process: subprocess.Popen, workers: Mapping[object, int]) -> None:
    """End torchrun, which then ends its workers; kill what is left of them after ``GRACE`` seconds.

    A worker is a session of its own, so no signal to torchrun's group would reach it.
    """
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    if process.poll() is None:
        for worker in workers.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    if process.poll() is None:
        process.kill()
        process.wait()
