"""The notebook in which an instructor reads an answer and marks it, in nbgrader's formgrader.

    autograded/STUDENT/NAME/NAME.ipynb

It is the handout with the student's code in it, and the grader's sentences are its only outputs.
Of the student's notebook it holds code and nothing else, since an output that the student wrote
would run in the instructor's browser. nbgrader can turn it into feedback, so it says no more than
the student's own page does.
"""

import nbformat
from nbformat import NotebookNode

from companion.exercises import format
from tools.grading import feedback

MISSING = "# There is no solution cell for this exercise in the notebook that was handed in."


def notebook(master: NotebookNode, result: dict) -> NotebookNode:
    """The notebook for one result: answers in their places, what was added after the setup."""
    shown = format.student(master)
    marks = {mark["function"]: mark for mark in result["exercises"]}
    answers, cells, last_setup = result["answers"], [], 0
    for cell in shown.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.endswith("-solution"):
            cell.source = answers["solutions"].get(_function(grade_id), MISSING)
        elif grade_id.endswith("-tests"):
            cell.outputs = [
                nbformat.v4.new_output("stream", text=_told(marks[_function(grade_id)]))
            ]
        cells.append(cell)
        if cell.cell_type == "code" and not grade_id:
            last_setup = len(cells)
    cells[last_setup:last_setup] = [_added(n, source) for n, source in enumerate(answers["added"])]
    shown.cells = cells
    return shown


def _function(grade_id: str) -> str:
    return grade_id.rpartition("-")[0]


def _told(mark: dict) -> str:
    lines = feedback.sentences(mark)
    if said := feedback.tests_said(mark):
        lines += ["The tests in the notebook said:", said]
    return "\n".join(lines) + "\n"


def _added(number: int, source: str) -> NotebookNode:
    cell = nbformat.v4.new_code_cell(source)
    cell.id = f"added-{number}"  # a drawn one would differ from run to run
    return cell


def text(master: NotebookNode, result: dict) -> str:
    """The notebook as it is written to its file."""
    return nbformat.writes(notebook(master, result)) + "\n"
