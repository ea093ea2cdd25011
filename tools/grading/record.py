"""Tables of marks for a learning-management system, and what the instructor entered by hand.

    marks/NAME.csv    a row a student: points of each exercise, total, maximum
    marks/all.csv     a row a student: total of each assignment

The points are the grader's unless the instructor entered others by hand: in nbgrader's gradebook
(the field of a manual mark), or in manual.csv in the course folder, with the columns student,
assignment, exercise, points. Grading again changes neither, nor the comments in the gradebook.
"""

import csv
import io
import math
from pathlib import Path

from tools.grading import assign, batch, feedback, files, gradebook
from tools.grading.files import Refused
from tools.grading.gradebook import Comments, Marks

MANUAL = ("student", "assignment", "exercise", "points")


def record(course: Path, address: str | None) -> list[str]:
    """Write the gradebook and the tables; returns sentences that say where they are.

    `address` is SQLAlchemy's; None means gradebook.db in the course folder if nbgrader is
    installed, and 'none' no gradebook. Refused when an address is given and nbgrader is missing,
    or manual.csv cannot be used.
    """
    results = [
        result
        for name in assign.read_course(course)["assignments"]
        for result in batch.read_results(course, name)
    ]
    manual, comments, said = read_manual(course), {}, []
    if address != "none":
        try:
            chosen = address or f"sqlite:///{course.resolve() / 'gradebook.db'}"
            by_hand, comments = gradebook.write(course, chosen, results, manual)
            manual = manual | by_hand
            said.append("gradebook: " + (chosen if address is None else "written"))
        except ModuleNotFoundError as error:
            if address is not None or (error.name or "").partition(".")[0] != "nbgrader":
                raise Refused(
                    f"{error}: nbgrader writes the gradebook, and PostgreSQL needs its driver; "
                    '`pip install nbgrader "psycopg[binary]"`, or give --gradebook none'
                ) from error
            said.append("no gradebook: nbgrader is not installed (`pip install nbgrader`)")
    write_tables(course, results, manual)
    write_pages(course, results, manual, comments)
    said.append(f"marks: {course / 'marks'}")
    return said


def read_manual(course: Path) -> Marks:
    """Marks entered by hand in manual.csv; Refused, with the line, for one that is none."""
    path = course / "manual.csv"
    if not path.is_file():
        return {}
    known = {}
    about = assign.read_course(course)["assignments"]
    with open(course / "points.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            known[row["assignment"], row["exercise"]] = float(row["points"])
    marks: Marks = {}
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if not set(MANUAL) <= set(rows.fieldnames or ()):
            raise Refused(f"{path}: expected the columns {', '.join(MANUAL)}")
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            if (row["assignment"], row["exercise"]) not in known:
                raise Refused(
                    f"{where}: there is no exercise {row['exercise']!r} in {row['assignment']!r}; "
                    f"the assignments are {', '.join(about)}"
                )
            try:
                points = float(row["points"])
            except (TypeError, ValueError):
                points = math.nan
            if not 0 <= points < math.inf:
                raise Refused(f"{where}: the points are {row['points']!r}, expected a number")
            marks[row["student"], row["assignment"], row["exercise"]] = points
    return marks


def points_of(result: dict, mark: dict, manual: Marks) -> float:
    """What counts for one exercise: the mark entered by hand if there is one."""
    key = result["student"], result["assignment"], mark["function"]
    return manual.get(key, mark["points"])


def write_tables(course: Path, results: list[dict], manual: Marks) -> None:
    """Write marks/*.csv."""
    totals: dict[str, dict[str, float]] = {}
    names = list(assign.read_course(course)["assignments"])
    for name in names:
        chosen = [result for result in results if result["assignment"] == name]
        functions = [mark["function"] for mark in chosen[0]["exercises"]] if chosen else []
        rows = [["student", *functions, "total", "maximum"]]
        for result in chosen:
            marks = [points_of(result, mark, manual) for mark in result["exercises"]]
            rows.append(
                [result["student"], *map(_plain, marks), _plain(sum(marks)), result["maximum"]]
            )
            totals.setdefault(result["student"], {})[name] = sum(marks)
        files.write(course / "marks" / f"{name}.csv", _table(rows))
    rows = [["student", *names, "total"]]
    for student, by_name in sorted(totals.items()):
        cells = [_plain(by_name[name]) if name in by_name else "" for name in names]
        rows.append([student, *cells, _plain(sum(by_name.values()))])
    files.write(course / "marks" / "all.csv", _table(rows))


def write_pages(course: Path, results: list[dict], manual: Marks, comments: Comments) -> None:
    """Write every page anew, with the marks and comments that were entered by hand by now."""
    for result in results:
        whose = student, name = result["student"], result["assignment"]
        points = {key[2]: value for key, value in manual.items() if key[:2] == whose}
        written = {key[2]: value for key, value in comments.items() if key[:2] == whose}
        place = course / "feedback" / student / name / f"{name}.html"
        files.write(place, feedback.page(result, points, written))


def _plain(number: float) -> str:
    return f"{number:.10g}"


def _table(rows: list[list]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
