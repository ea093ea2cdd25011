"""nbgrader's gradebook: automatic marks go in; marks and comments made by hand come out.

What was entered by hand in it (marks, extra credit, comments) is left as it is.
"""

import os
import sys
import warnings
from datetime import datetime
from pathlib import Path

from tools.grading import assign, files
from tools.grading.files import Refused

Key = tuple[str, str, str]  # student, assignment, exercise
Marks = dict[Key, float]  # points
Comments = dict[Key, str]


def write(course: Path, address: str, results: list[dict], manual: Marks) -> tuple[Marks, Comments]:
    """Enter the results as automatic marks, those of manual.csv as marks by hand.

    `address` is SQLAlchemy's. Returns the marks that count and are not the grader's, and the
    comments. ModuleNotFoundError without nbgrader or the database's driver; Refused when the
    database cannot be used or is another course's.
    """
    from nbgrader.api import Gradebook
    from sqlalchemy.exc import SQLAlchemyError

    marks: Marks = {}
    comments: Comments = {}
    # nbgrader calls `alembic` by name, which an environment that is not activated does not have.
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])
    name = assign.read_course(course)["course"]
    try:
        with warnings.catch_warnings(), Gradebook(address, name) as book:
            # SQLAlchemy complains of how nbgrader makes a submission, which is as it should be.
            warnings.filterwarnings("ignore", "Object of type <Submitted")
            others = {one.course_id for one in book.assignments} - {name}
            if others:
                raise Refused(
                    f"the gradebook holds the course {', '.join(sorted(others))}, and nbgrader "
                    f"cannot tell the assignments of two apart: give {name} a database of its own"
                )
            _enter(book, course, results, manual, marks, comments)
            book.db.commit()
    except SQLAlchemyError as error:
        raise Refused(f"the gradebook cannot be used: {error}") from error
    return marks, comments


def _enter(
    book, course: Path, results: list[dict], manual: Marks, marks: Marks, comments: Comments
) -> None:
    for name in dict.fromkeys(result["assignment"] for result in results):
        chosen = [result for result in results if result["assignment"] == name]
        _enter_assignment(book, name, chosen[0])
        for result in chosen:
            _enter_result(book, course, result, manual, marks, comments)


def _enter_assignment(book, name: str, result: dict) -> None:
    book.update_or_create_assignment(name)
    book.update_or_create_notebook(name, name)
    for mark in result["exercises"]:
        function = mark["function"]
        book.update_or_create_grade_cell(
            f"{function}-tests", name, name, max_score=mark["maximum"], cell_type="code"
        )
        # nbgrader keeps comments under the cell that they are about.
        book.update_or_create_solution_cell(f"{function}-solution", name, name)


def _enter_result(
    book, course: Path, result: dict, manual: Marks, marks: Marks, comments: Comments
) -> None:
    from nbgrader.api import MissingEntry

    student, name = result["student"], result["assignment"]
    try:
        book.find_student(student)
    except MissingEntry:
        book.add_student(student)
    # formgrader shows a submission only if gradebook and folder name the same time.
    book.update_or_create_submission(name, student, timestamp=handed_in(course, student, name))
    for mark in result["exercises"]:
        function, key = mark["function"], (student, name, mark["function"])
        grade = book.find_grade(f"{function}-tests", name, name, student)
        grade.auto_score = mark["points"]
        grade.needs_manual_grade = False
        if key in manual:
            grade.manual_score = manual[key]
        if grade.manual_score is not None or grade.extra_credit is not None:
            own = grade.manual_score is not None
            points = grade.manual_score if own else grade.auto_score
            marks[key] = points + (grade.extra_credit or 0)
        comment = book.find_comment(f"{function}-solution", name, name, student).manual_comment
        if comment:
            comments[key] = comment


def handed_in(course: Path, student: str, name: str) -> datetime | None:
    """When nbgrader's exchange took the submission; None if it did not, or does not say."""
    from nbgrader.utils import parse_utc

    try:
        place = course / "submitted" / student / name / "timestamp.txt"
        return parse_utc(files.read_plain(place, 1000).decode("utf-8").strip())
    except (OSError, Refused, ValueError, OverflowError):
        return None
