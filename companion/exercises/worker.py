"""Runs answers, each in a process of its own.

`Worker` keeps one helper process that has imported torch once. For each job the helper forks; the
fork runs the answer and writes plain values into a pipe; the helper stops it at the time limit. The
trusted process gets text only, and compares. A job is a dict:

    cells      sources to run in order: the setup cells, then the answer
    tests      source of the public tests, or None
    function   name of the function to call
    calls      texts (`values.dumps`), each a list of pairs [name, value]: the arguments of one call
    limit      seconds of wall-clock time
    optional   numbers of cells that may fail without harm; left out when there is none

`run_job` does one job in this process. All this keeps honest mistakes apart; it is no sandbox.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from companion.exercises import values


@dataclass(frozen=True)
class Result:
    """What became of one answer.

    error     why it could not be run at all (it raises, it took too long, ...), or None
    tests     why the public tests failed, or None when they passed or were not asked for
    values    for each call (value, None) or (None, why there is no value)
    seconds   processor time
    """

    error: str | None
    tests: str | None
    values: list[tuple[Any, str | None]]
    seconds: float


class Worker:
    """Answers run in processes apart, torch imported once. Use as a context manager."""

    def __enter__(self) -> "Worker":
        if not hasattr(os, "fork"):
            raise OSError(
                "answers are run in forked processes: use Linux, macOS or, on Windows, WSL"
            )
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "companion.exercises.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def run(
        self,
        cells: list[str],
        function: str,
        arguments: list[dict[str, Any]],
        tests: str | None = None,
        limit: float = 120.0,
    ) -> Result:
        """Run `cells`, then `tests`, then call `function` once for each of `arguments`."""
        calls = [values.dumps([[name, value] for name, value in a.items()]) for a in arguments]
        job = {"cells": cells, "tests": tests, "function": function, "calls": calls, "limit": limit}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that runs answers has ended: see its message above")
        return _result(json.loads(line), len(calls))


def _result(reply: dict[str, Any], calls: int) -> Result:
    """The reply of the helper, of which `report` was written by the answer's own process."""
    error = reply["error"]
    try:
        report = json.loads(reply["report"]) if error is None else {}
        returned = [
            (values.loads(text), None) if ok else (None, text) for ok, text in report["values"]
        ]
        tests = report["tests"]
        if len(returned) != calls or not isinstance(tests, str | None):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        error = error or "what the answer's process wrote cannot be read"
        return Result(error, error, [(None, error)] * calls, reply["seconds"])
    return Result(None, tests, returned, reply["seconds"])


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Do one job here: {"tests": None or why, "values": [[True, text] or [False, why]]}.

    "passed over" holds [number, why] of each optional cell that failed.
    """
    space: dict[str, Any] = {"__name__": "__main__"}
    passed_over: list[list[Any]] = []
    for number, cell in enumerate(job["cells"]):
        try:
            exec(compile(cell, f"<cell {number}>", "exec"), space)
        except BaseException as error:
            if number in job.get("optional", ()):
                passed_over.append([number, _said(error)])
                continue
            problem = _said(error)
            values_of_none = [[False, problem]] * len(job["calls"])
            return {"tests": problem, "values": values_of_none, "passed over": passed_over}
    tests = None
    if job["tests"] is not None:
        try:
            exec(compile(job["tests"], "<tests>", "exec"), dict(space))
        except BaseException as error:
            tests = _said(error)
    return {
        "tests": tests,
        "values": [_call(space, job["function"], call) for call in job["calls"]],
        "passed over": passed_over,
    }


def _call(space: dict[str, Any], function: str, call: str) -> list[Any]:
    arguments = dict(values.loads(call))
    if not callable(space.get(function)):
        return [False, f"there is no function {function!r}"]
    try:
        return [True, values.dumps(space[function](**arguments))]
    except BaseException as error:
        return [False, _said(error)]


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:1000]


def run_in_fork(job: dict[str, Any]) -> dict[str, Any]:
    """One job in a forked process that is stopped, with all it has started, at the time limit."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _child(job, reading, writing)
    os.close(writing)
    report, error = _collect(reading, time.monotonic() + job["limit"], job["limit"])
    os.close(reading)
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    if error is None and not report:
        error = f"the answer's process ended early (status {os.waitstatus_to_exitcode(status)})"
    return {
        "error": error,
        "report": report.decode("utf-8", "replace"),
        "seconds": usage.ru_utime + usage.ru_stime,
    }


def _child(job: dict[str, Any], reading: int, writing: int) -> None:
    """The forked side: silent, in a group of its own; never returns."""
    try:
        os.setsid()
        os.close(reading)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        report = json.dumps(run_job(job)).encode()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(report)
    finally:
        os._exit(0)


def _collect(reading: int, deadline: float, limit: float) -> tuple[bytes, str | None]:
    """(all that the fork wrote, None), or (nothing, why it was stopped)."""
    report = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return b"", f"stopped after {limit:g} s: the answer takes too long or never returns"
        block = os.read(reading, 1 << 16)
        if not block:
            return report, None
        report += block
        if len(report) > 2 * values.MAX_BYTES:
            return b"", f"stopped: the answer returned more than {2 * values.MAX_BYTES} bytes"


def main() -> None:
    """The helper process: a job a line in, a reply a line out."""
    import torch

    torch.set_num_threads(1)
    # Forks inherit the standard streams; replies go through a copy that no fork prints to.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        replies.write(json.dumps(run_in_fork(json.loads(line))) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
