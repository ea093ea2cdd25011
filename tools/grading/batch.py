"""Grades a class: every submission in the course folder, in parallel, resumable.

    submitted/STUDENT/NAME/NAME.ipynb    what nbgrader's exchange and `collect` leave
    results/NAME/STUDENT.json            one result each, for the instructor
    feedback/STUDENT/NAME/NAME.html      what the student may see
    autograded/STUDENT/NAME/NAME.ipynb   what nbgrader's formgrader shows, to mark by hand

A result is kept under a key made of the notebook, the master, the cases and the variant. What has
a result under its key is passed over, so an interrupted batch goes on where it was and a changed
submission is graded again.
"""

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from companion.exercises.worker import Worker
from companion.progress import track
from tools.grading import assign, feedback, files, grade, marking, sandbox, submission
from tools.grading.files import Refused
from tools.grading.sandbox import Limits

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,99}")


@dataclass
class Outcome:
    """What a batch did: how many were graded, how many stood already, and what went wrong."""

    graded: int = 0
    stood: int = 0
    problems: list[str] = field(default_factory=list)
    results: list[dict] = field(default_factory=list)


def submissions(course: Path, name: str) -> Iterator[tuple[str, Path]]:
    """(student, folder) of every submission of one assignment, in order of the students' names."""
    place = course / "submitted"
    for student in sorted(place.iterdir()) if place.is_dir() else []:
        folder = student / name
        if student.is_dir() and (folder.exists() or folder.is_symlink()):
            yield student.name, folder


def result_path(course: Path, name: str, student: str) -> Path:
    """Where the result of one submission lies."""
    return course / "results" / name / f"{student}.json"


def read_results(course: Path, name: str) -> list[dict]:
    """The results of an assignment that are there, in order of the students' names."""
    found = (course / "results" / name).glob("*.json")
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(found)]


@contextmanager
def _alone(course: Path) -> Iterator[None]:
    """Refused when another grader works in this course folder."""
    course.joinpath("results").mkdir(exist_ok=True)
    with open(course / "results" / ".lock", "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"another grader works in {course}: wait until it has ended") from None
        yield


def jobs_that_fit(limits: Limits) -> int:
    """How many sandboxes this machine can run at once: by its processors and its free memory."""
    import psutil

    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return max(1, min(processors, psutil.virtual_memory().available // limits.total))


def grade_class(
    course: Path,
    names: list[str] | None = None,
    students: list[str] | None = None,
    *,
    limits: Limits | None = None,
    jobs: int | None = None,
    walls: bool = True,
    again: bool = False,
) -> Outcome:
    """Grade every submission that has no result under its key, or all of them with `again`.

    Refused, before anything is run, without a working sandbox (unless `walls` is off), when
    another grader works here, or for an unknown assignment. What one submission does never stops
    the others: what could not be graded is in `problems`, and is tried again the next time.
    """
    about, limits = assign.read_course(course), limits or Limits()
    if walls:
        sandbox.check()
    outcome = Outcome()
    with _alone(course), Worker() as worker:
        prepared = [grade.prepare(course, name, worker) for name in names or about["assignments"]]
        todo = []
        for assignment in prepared:
            if walls:
                for place in (course, sandbox.ROOT / "book"):
                    sandbox.refuse_visible(place, assignment.preload)
            for student, folder in submissions(course, assignment.name):
                if students and student not in students:
                    continue
                if not NAME.fullmatch(student):
                    outcome.problems.append(
                        f"{student!r}: no name of a student: expected letters, digits and _.@+-"
                    )
                    continue
                todo.append((assignment, student, folder))
        with ThreadPoolExecutor(jobs or jobs_that_fit(limits)) as pool:
            _run(pool, course, todo, limits, walls, again, outcome)
    outcome.results.sort(key=lambda result: (result["assignment"], result["student"]))
    return outcome


def _run(
    pool: ThreadPoolExecutor,
    course: Path,
    todo: list[tuple[grade.Assignment, str, Path]],
    limits: Limits,
    walls: bool,
    again: bool,
    outcome: Outcome,
) -> None:
    waiting: dict[Future, tuple[str, grade.Assignment]] = {}
    for assignment, student, folder in todo:
        place = result_path(course, assignment.name, student)
        job = pool.submit(_one, assignment, student, folder, place, limits, walls, again)
        waiting[job] = student, assignment
    try:
        shown = track(as_completed(waiting), "grading", total=len(waiting))
        for job in shown:
            student, assignment = waiting[job]
            name = assignment.name
            try:
                result, fresh = job.result()
                if fresh:
                    files.write_json(result_path(course, name, student), result)
                outcome.graded += fresh
                outcome.stood += not fresh
                outcome.results.append(result)
                page = course / "feedback" / student / name / f"{name}.html"
                if fresh or not page.exists():
                    files.write(page, feedback.page(result))
                _carry_receipt(course / "submitted" / student / name, page.parent)
                read = course / "autograded" / student / name / f"{name}.ipynb"
                if fresh or not read.exists():
                    files.write(read, marking.text(assignment.master, result))
            except Exception as error:
                what = f"{type(error).__name__}: {error}"[:600]
                outcome.problems.append(f"{student}, {name}: not graded: {what}")
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _one(
    assignment: grade.Assignment,
    student: str,
    folder: Path,
    place: Path,
    limits: Limits,
    walls: bool,
    again: bool,
) -> tuple[dict, bool]:
    """(the result, whether it is fresh) of one submission."""
    data, refusal, notes = None, None, []
    try:
        data, notes = submission.find(folder, assignment.name)
    except Refused as error:
        refusal = str(error)
    kept = _kept(place)
    if not again and kept is not None and kept.get("key") == assignment.key(data, refusal):
        return kept, False
    result = grade.grade_one(assignment, student, data, refusal, limits, walls)
    result["notes"] = [*notes, *result["notes"]]
    return result, True


def _carry_receipt(submitted: Path, feedback_folder: Path) -> None:
    """Lay the exchange's two files beside the feedback, where nbgrader wants them to release it."""
    for name in ("timestamp.txt", "submission_secret.txt"):
        try:
            files.write(feedback_folder / name, files.read_plain(submitted / name, 1000))
        except (OSError, Refused):  # it came by another way
            continue


def _kept(place: Path) -> dict | None:
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None


def report(results: list[dict], problems: list[str], say: Callable[[str], None] = print) -> None:
    """Tell the instructor what happened: a line for each submission that needs a look."""
    for result in results:
        where = f"{result['assignment']}, {result['student']}"
        for note in result["notes"]:
            # The student chose these words: nothing in them may move the terminal's cursor.
            say(f"{where}: {''.join(c if c.isprintable() else ' ' for c in note)}")
    for problem in problems:
        say(f"PROBLEM {problem}")
