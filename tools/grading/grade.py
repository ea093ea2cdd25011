"""Grades one submission.

The solution's values for the variant are computed once, in a process of the grader's own. A
submission runs in its sandbox in two rounds: first the public tests, while the drawn inputs are
not yet inside, then the calls on the drawn inputs. So what the public tests print may be shown to
the student. What comes back is compared here.
"""

import builtins
import hashlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from companion.exercises import cases, format, values
from companion.exercises.cases import Exercise
from companion.exercises.compare import difference, judge
from companion.exercises.worker import Worker
from tools.grading import assign, submission
from tools.grading.files import Refused
from tools.grading.sandbox import Ended, Limits, Sandbox

VERSION = 2  # part of every key: raise it when grading changes, and all is graded anew


@dataclass(frozen=True)
class Assignment:
    """All that grading an assignment needs: trusted, and read or computed once."""

    name: str
    variant: int
    master: NotebookNode
    setup: list[str]
    preload: list[str]
    sheets: dict[str, format.Sheet]
    exercises: list[Exercise]
    drawn: dict[str, list[dict[str, Any]]]
    calls: dict[str, list[str]]
    expected: dict[str, list[Any]]
    digest: str

    @property
    def maximum(self) -> int:
        """The points of all exercises together."""
        return sum(exercise.points for exercise in self.exercises)

    def key(self, notebook: bytes | None, refusal: str | None = None) -> str:
        """What a result depends on: the notebook, or why there is none, and what grades it."""
        content = f"refused: {refusal}".encode("utf-8", "replace") if notebook is None else notebook
        return hashlib.sha256(self.digest.encode() + content).hexdigest()


def prepare(course: Path, name: str, worker: Worker) -> Assignment:
    """Read an assignment of the course folder and compute the solution's values.

    Refused when there is no such assignment or its solution is not right for the variant.
    """
    about = assign.read_course(course)
    if name not in about["assignments"]:
        known = ", ".join(about["assignments"])
        raise Refused(f"there is no assignment {name!r} in {course}: expected one of {known}")
    master_path = course / "source" / name / f"{name}.ipynb"
    cases_path = course / "cases" / f"{name}_cases.py"
    master, variant = format.read(master_path), about["variant"]
    exercises, sheets = cases.load(cases_path), format.sheets(master)
    digest = hashlib.sha256(f"{VERSION}/{variant}/".encode())
    for path in (master_path, cases_path):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    setup = format.setup_cells(master)
    drawn, calls, expected = {}, {}, {}
    for exercise in exercises:
        function = exercise.function
        drawn[function] = exercise.draw(variant)
        seen = [exercise.arguments(one) for one in drawn[function]]
        calls[function] = [values.dumps([[k, v] for k, v in one.items()]) for one in seen]
        result = worker.run([*setup, sheets[function].solution], function, seen)
        for one, (value, why) in zip(drawn[function], result.values, strict=True):
            reason = why or judge(exercise, one, value, value)
            if reason is not None:
                raise Refused(
                    f"the solution of {name}/{function} is not right for variant {variant} "
                    f"({reason}): make the course with another variant"
                )
        expected[function] = [value for value, _ in result.values]
    code = [*setup, *(sheet.solution for sheet in sheets.values())]
    return Assignment(
        name=name,
        variant=variant,
        master=master,
        setup=setup,
        preload=[module for module in assign.modules(code) if module != "companion"],
        sheets=sheets,
        exercises=exercises,
        drawn=drawn,
        calls=calls,
        expected=expected,
        digest=digest.hexdigest(),
    )


class _Run:
    """One submission in its sandbox, which is started anew when student code has ended it."""

    def __init__(self, assignment: Assignment, limits: Limits, walls: bool) -> None:
        self.assignment, self.limits, self.walls = assignment, limits, walls
        self.box: Sandbox | None = None
        self.starts, self.starting, self.computing, self.processor = 0, 0.0, 0.0, 0.0
        self.left = limits.submission  # seconds; starting does not count

    def close(self) -> None:
        """End the sandbox if there is one."""
        if self.box is not None:
            self.box.close()
            self.processor += self.box.processor - self.box.to_start
            self.box = None

    def _open(self) -> None:
        # Enough for every exercise to end its sandbox in both rounds.
        if self.starts > 2 * len(self.assignment.exercises) + 1:
            raise Ended(f"not run: its sandbox had been ended {self.starts} times before")
        began = time.monotonic()
        self.box = Sandbox(self.assignment.preload, self.limits, self.walls)
        self.starts += 1
        self.starting += time.monotonic() - began

    def ask(self, cells: list[str], optional: list[int], function: str, **more: Any) -> dict:
        """What the student's process wrote for one job; Ended, with the reason, when it did not."""
        if self.left <= 0:
            raise Ended(f"not run: the submission had used its {self.limits.submission:g} s")
        if self.box is None:
            self._open()
        limit = min(self.limits.exercise, self.left)
        job = {"cells": cells, "optional": optional, "function": function, "limit": limit}
        began = time.monotonic()
        try:
            reply = self.box.ask(job | {"tests": None, "calls": []} | more, limit + 5)
        except Ended:
            self.close()
            raise
        finally:
            self.left -= time.monotonic() - began
        if isinstance(reply.get("seconds"), float):
            self.computing += max(0.0, min(reply["seconds"], self.limits.submission))
        if reply.get("error") is not None:
            raise Ended(str(reply["error"])[:500])
        try:
            report = json.loads(reply["report"])
            if isinstance(report, dict):
                return report
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise Ended("what its process wrote cannot be read")


def grade_one(
    assignment: Assignment,
    student: str,
    data: bytes | None,
    refusal: str | None,
    limits: Limits,
    walls: bool = True,
) -> dict[str, Any]:
    """The result of one submission, as it is kept; `refusal` says why there is no notebook.

    NotStarted when no sandbox can be started, which is not the student's doing.
    """
    began, key = time.monotonic(), assignment.key(data, refusal)
    notes: list[str] = []
    answers = None
    if refusal is None:
        try:
            answers = submission.read(data, assignment.master)
        except Refused as error:
            refusal = str(error)
    if answers is None:
        notes.append(f"nothing could be graded: {refusal}")
        answers = submission.Answers()
    notes += answers.notes
    run = _Run(assignment, limits, walls)
    try:
        marks = _grade(run, answers, notes, refusal)
    finally:
        run.close()
    result = {
        "student": student,
        "assignment": assignment.name,
        "key": key,
        "points": sum(mark["points"] for mark in marks),
        "maximum": assignment.maximum,
        "refusal": refusal,
        "exercises": marks,
        "answers": {"solutions": answers.solutions, "added": answers.added},
        "notes": notes[:100],
        "seconds": {
            "all": round(time.monotonic() - began, 3),
            "starting": round(run.starting, 3),
            "student": round(run.computing, 3),
            "processor": round(run.processor, 3),
        },
        "sandboxes": run.starts,
    }
    return json.loads(json.dumps(result))


def _grade(
    run: _Run, answers: submission.Answers, notes: list[str], refusal: str | None
) -> list[dict[str, Any]]:
    wanted = []
    for exercise in run.assignment.exercises:
        if exercise.function in answers.solutions or answers.added:
            wanted.append(exercise)
    added = _usable(run, answers.added, notes) if wanted else []
    setup = run.assignment.setup
    optional = list(range(len(setup), len(setup) + len(added)))

    def cells(function: str) -> list[str]:
        own = answers.solutions.get(function)
        return [*setup, *added, *([] if own is None else [own])]

    public = {}
    for exercise in wanted:
        function, tests = exercise.function, run.assignment.sheets[exercise.function].tests
        try:
            said = run.ask(cells(function), optional, function, tests=tests).get("tests")
            public[function] = None if said is None else str(said)[:1000]
        except Ended as error:
            public[function] = f"the tests could not be run: {error}"
            notes.append(f"{function}, public tests: {error}")
    # From here on the drawn inputs are inside, and of what comes out only fixed words are shown.
    marks = []
    for exercise in run.assignment.exercises:
        function = exercise.function
        if exercise not in wanted:
            why = refusal or "the solution cell is missing from the notebook"
            reasons = [("missing", why)] * len(run.assignment.calls[function])
            marks.append(_mark(exercise, None, reasons))
            continue
        try:
            calls = run.assignment.calls[function]
            report = run.ask(cells(function), optional, function, calls=calls)
            reasons = _judge(run.assignment, exercise, report.get("values"))
        except Ended as error:
            notes.append(f"{function}: {error}")
            kind = "slow" if "stopped after" in str(error) else "ended"
            reasons = [(kind, str(error))] * len(run.assignment.calls[function])
        marks.append(_mark(exercise, public[function], reasons))
    return marks


def _usable(run: _Run, added: list[str], notes: list[str]) -> list[str]:
    """The added cells; none of them when they never end or end the process that runs them."""
    if not added:
        return []
    setup = run.assignment.setup
    optional = list(range(len(setup), len(setup) + len(added)))
    try:
        failed = run.ask([*setup, *added], optional, "").get("passed over")
    except Ended as error:
        notes.append(f"the added cells were left out: {error}")
        return []
    for entry in failed if isinstance(failed, list) else []:
        if isinstance(entry, list) and len(entry) == 2:
            notes.append(f"an added cell failed and was passed over: {str(entry[1])[:200]}")
    return added


def _judge(
    assignment: Assignment, exercise: Exercise, returned: Any
) -> list[tuple[str, str] | None]:
    """For each drawn input None when right, else (kind, reason for the instructor)."""
    drawn, expected = assignment.drawn[exercise.function], assignment.expected[exercise.function]
    if not isinstance(returned, list) or len(returned) != len(drawn):
        return [("ended", "what its process wrote cannot be read")] * len(drawn)
    return [
        _judge_value(exercise, one, solution, entry)
        for one, solution, entry in zip(drawn, expected, returned, strict=True)
    ]


def _judge_value(
    exercise: Exercise, one: dict[str, Any], solution: Any, entry: Any
) -> tuple[str, str] | None:
    if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str)):
        return "ended", "what its process wrote cannot be read"
    if entry[0] is not True:
        return _kind_of_failure(entry[1]), entry[1][:500]
    try:
        answer = values.loads(entry[1])
        reason = judge(exercise, one, solution, answer)
        if reason is None:
            return None
        if difference(solution, answer, values=False) is not None:
            return "form", reason[:500]
        return "nan" if "NaN" in reason else "value", reason[:500]
    except values.ValueNotPlain as error:
        return "not plain", str(error)[:500]
    except Exception as error:  # a measure may stumble over values that no solution returns
        return "value", f"it cannot be measured: {type(error).__name__}: {error}"[:500]


def _kind_of_failure(said: str) -> str:
    """What may be shown of an exception on drawn inputs: its name, if it is one of Python's."""
    name = re.match(r"\w*", said)[0]
    if name == "NotImplementedError":
        return "stub"
    if name == "ValueNotPlain":
        return "not plain"
    if said.startswith("there is no function"):
        return "no function"
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, BaseException):
        return f"raises {name}"
    return "raises"


def _mark(exercise: Exercise, public: str | None, reasons: list[tuple[str, str] | None]) -> dict:
    wrong = [reason for reason in reasons if reason is not None]
    return {
        "function": exercise.function,
        "points": 0 if wrong or not reasons else exercise.points,
        "maximum": exercise.points,
        "inputs": len(reasons),
        "right": len(reasons) - len(wrong),
        "public": public,
        "kinds": list(dict.fromkeys(kind for kind, _ in wrong)),
        "reasons": list(dict.fromkeys(why for _, why in wrong))[:5],
    }
