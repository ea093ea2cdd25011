"""The gate: proves that a chapter's exercises do what an exercise must.

For each exercise and each of a few fresh seeds: the solution agrees with itself when run again and,
for a behaviour, reaches its threshold; the untouched stub fails; every wrong answer fails, and at
least one of them passes all the public tests, so that the drawn inputs are needed. Each answer runs
in a process of its own, with torch imported once, for at most LONGEST seconds of processor time a
run.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from companion.exercises import cases, format
from companion.exercises.cases import Exercise
from companion.exercises.compare import difference, judge
from companion.exercises.worker import Result, Worker

SEEDS = (101, 202, 303)
RUNS = len(SEEDS) + 1  # the public tests are one more run of the answer
LONGEST = 1.5
FEWEST = 4
FOLDER = Path(__file__).parents[2] / "book" / "exercises"


@dataclass
class Report:
    """What the gate found: a line for each answer it ran, and the problems, if any."""

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def chapters(folder: Path = FOLDER) -> list[str]:
    """The chapters that have exercises, as 'part/name'."""
    return sorted(
        f"{path.parent.name}/{path.name.removesuffix('_cases.py')}"
        for path in folder.glob("*/*_cases.py")
    )


def check(worker: Worker, chapter: str, folder: Path = FOLDER) -> Report:
    """Run the gate on one chapter; ValueError when there is none or it cannot be read."""
    master = folder / f"{chapter}.ipynb"
    if not master.is_file():
        known = ", ".join(chapters(folder)) or "none"
        raise ValueError(f"there are no exercises for {chapter!r}: expected one of {known}")
    notebook = format.read(master)
    sheets = format.sheets(notebook)
    exercises = cases.load(folder / f"{chapter}_cases.py")
    report = Report(problems=problems_of_form(sheets, exercises))
    setup = format.setup_cells(notebook)
    for exercise in exercises:
        if exercise.function in sheets:
            _Trial(worker, setup, exercise, sheets[exercise.function], report).run()
    return report


def problems_of_form(sheets: dict[str, format.Sheet], exercises: Iterable[Exercise]) -> list[str]:
    """What is wrong without running anything: numbers, kinds, and master against cases."""
    exercises = list(exercises)
    problems = []
    if [e.function for e in exercises] != list(sheets):
        problems.append(
            f"the master has {', '.join(sheets)}; the cases have "
            f"{', '.join(e.function for e in exercises)}: list the same exercises in the same order"
        )
    if len(exercises) < FEWEST:
        problems.append(f"{len(exercises)} exercises, expected at least {FEWEST}")
    for kind, words in cases.KINDS.items():
        if all(exercise.kind != kind for exercise in exercises):
            problems.append(f"no exercise is {words} (kind {kind!r})")
    if sum(exercise.assigned for exercise in exercises) != 1:
        problems.append("expected exactly one assigned exercise")
    for exercise in exercises:
        sheet = sheets.get(exercise.function)
        if sheet is None:
            continue
        if sheet.points != exercise.points:
            problems.append(
                f"{exercise.function}: {sheet.points} points in the master's tests cell, "
                f"{exercise.points} in the cases"
            )
        if sheet.assigned != exercise.assigned:
            problems.append(
                f"{exercise.function}: the tag 'assigned' on the master's solution cell and "
                "`assigned` in the cases disagree"
            )
        if exercise.headline not in sheet.statement:
            problems.append(
                f"{exercise.function}: the statement lacks the line {exercise.headline!r}"
            )
        if "assert" not in sheet.tests:
            problems.append(f"{exercise.function}: the tests cell asserts nothing")
    return problems


@dataclass
class _Trial:
    """One exercise before the gate."""

    worker: Worker
    setup: list[str]
    exercise: Exercise
    sheet: format.Sheet
    report: Report

    def run(self) -> None:
        drawn = [(seed, one) for seed in SEEDS for one in self.exercise.draw(seed)]
        solution = self._answer(self.sheet.solution, drawn)
        if solution.error or solution.tests or any(why for _, why in solution.values):
            whys = [solution.error, solution.tests, *(why for _, why in solution.values)]
            self._problem(f"the solution fails: {next(why for why in whys if why)}")
            return
        expected = [value for value, _ in solution.values]
        self._expect_right(self._answer(self.sheet.solution, drawn), drawn, expected)
        self._expect_wrong("the untouched stub", self.sheet.stub, drawn, expected)
        passing = [
            self._expect_wrong(f"wrong answer ({name})", source, drawn, expected, of_the_type=True)
            for name, source in self.exercise.wrong.items()
        ]
        if not any(passing):
            self._problem("no wrong answer passes every public test: write one that does")

    def _answer(self, source: str, drawn: list[tuple[int, dict[str, Any]]]) -> Result:
        arguments = [self.exercise.arguments(one) for _, one in drawn]
        cells = [*self.setup, source]
        result = self.worker.run(cells, self.exercise.function, arguments, self.sheet.tests)
        if result.error is None and result.seconds > LONGEST * RUNS:
            self._problem(f"an answer takes {result.seconds / RUNS:.1f} s a run, at most {LONGEST}")
        return result

    def _reasons(self, result: Result, drawn: list, expected: list) -> dict[int, str]:
        """For each seed whose answers are not all right, the first reason."""
        reasons: dict[int, str] = {}
        for (seed, one), solution, (value, why) in zip(drawn, expected, result.values, strict=True):
            reason = why or judge(self.exercise, one, solution, value)
            if reason is not None:
                reasons.setdefault(seed, reason)
        return reasons

    def _expect_right(self, result: Result, drawn: list, expected: list) -> None:
        reasons = self._reasons(result, drawn, expected)
        for seed, reason in reasons.items():
            self._problem(f"the solution, run twice, fails on seed {seed}: {reason}")
        if not reasons:
            self._line("solution", f"right in {result.seconds / RUNS:.2f} s a run")

    def _expect_wrong(
        self, name: str, source: str, drawn: list, expected: list, of_the_type: bool = False
    ) -> bool:
        """Record whether the answer fails on every seed; returns whether the public tests pass."""
        result = self._answer(source, drawn)
        reasons = self._reasons(result, drawn, expected)
        for seed in SEEDS:
            if seed not in reasons:
                self._problem(f"{name} is taken for right on seed {seed}: widen the drawn inputs")
        misfits = [
            why or difference(solution, value, values=False)
            for solution, (value, why) in zip(expected, result.values, strict=True)
        ]
        if of_the_type and all(misfits):
            self._problem(f"{name} is never of the right type and shape: {misfits[0]}")
        public = (
            "passes the public tests" if result.tests is None else f"public tests: {result.tests}"
        )
        self._line(name, f"{next(iter(reasons.values()), 'RIGHT')}; {public}")
        return result.tests is None

    def _line(self, name: str, text: str) -> None:
        self.report.lines.append(f"{self.exercise.function}: {name}: {text}")

    def _problem(self, text: str) -> None:
        self.report.problems.append(f"{self.exercise.function}: {text}")


def main(wanted: str | None, show: Callable[[str], None] = print) -> int:
    """Check one chapter, or all; 0 when there is no problem."""
    failed = False
    with Worker() as worker:
        for chapter in [wanted] if wanted else chapters():
            report = check(worker, chapter)
            for line in report.lines:
                show(f"{chapter}: {line}")
            for problem in report.problems:
                show(f"PROBLEM {chapter}: {problem}")
            failed = failed or bool(report.problems)
    return int(failed)
