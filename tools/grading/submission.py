"""What a student's notebook holds, read without trusting it.

The notebook is parsed as plain JSON and nothing in it is run, compiled or validated here. A
solution cell is found by its grade_id; what the student added comes along; everything else is the
master's.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from companion.exercises import format
from tools.grading import files
from tools.grading.files import Refused

LARGEST = 10_000_000  # bytes of a notebook
MOST_CELLS = 2000


@dataclass
class Answers:
    """The student's code: solution cells by function, added cells in order, and remarks."""

    solutions: dict[str, str] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find(folder: Path, assignment: str) -> tuple[bytes, list[str]]:
    """The bytes of the notebook in a submission's folder, and remarks; Refused when there is none.

    It is NAME.ipynb, or the only notebook there. Symbolic links are not followed.
    """
    if folder.is_symlink() or folder.parent.is_symlink() or not folder.is_dir():
        raise Refused(f"{folder.name} is not a plain folder: expected one with a notebook in it")
    wanted = folder / f"{assignment}.ipynb"
    notes = []
    if not wanted.exists() and not wanted.is_symlink():
        others = sorted(path for path in folder.iterdir() if path.suffix == ".ipynb")
        if len(others) != 1:
            found = ", ".join(path.name for path in others[:5]) or "no notebook"
            raise Refused(f"there is no {wanted.name}; found {found}")
        wanted = others[0]
        notes.append(f"the notebook is called {wanted.name}, not {assignment}.ipynb")
    try:
        return files.read_plain(wanted, LARGEST), notes
    except OSError as error:
        raise Refused(f"{wanted.name} cannot be read: {error.strerror}") from error


def _source(cell: dict) -> str:
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise Refused("a cell's source is not text: save the notebook from JupyterLab")
    return source


def _code_cells(data: bytes) -> list[tuple[str, str]]:
    """(grade_id or nothing, source) of each code cell; Refused for what is no notebook."""
    try:
        document: Any = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused(
            f"it is not a Jupyter notebook ({type(error).__name__}): save it from JupyterLab"
        ) from error
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise Refused("it is not a Jupyter notebook of format 4: save it from JupyterLab")
    if len(cells) > MOST_CELLS:
        raise Refused(f"it has {len(cells)} cells, more than {MOST_CELLS}")
    found = []
    for cell in cells:
        if cell.get("cell_type") != "code":
            continue
        metadata = cell.get("metadata")
        grading = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        grade_id = grading.get("grade_id") if isinstance(grading, dict) else None
        found.append((grade_id if isinstance(grade_id, str) else "", _source(cell)))
    return found


def read(data: bytes, master: NotebookNode) -> Answers:
    """The student's code in a notebook of the master's assignment; Refused if it is no notebook."""
    sheets = format.sheets(master)
    tests = {f"{function}-tests": sheet.tests for function, sheet in sheets.items()}
    own = {source.strip() for source in format.setup_cells(master)}
    answers, order, seen = Answers(), [], set()
    for grade_id, source in _code_cells(data):
        function = grade_id.removesuffix("-solution")
        if grade_id.endswith("-solution") and function in sheets:
            if function in answers.solutions:
                answers.notes.append(f"{function}: two solution cells; the first counts")
                continue
            answers.solutions[function] = source
            order.append(function)
        elif grade_id in tests:
            if source.strip() != tests[grade_id].strip() and grade_id not in seen:
                answers.notes.append(f"{grade_id}: the tests were changed; the master's were run")
            seen.add(grade_id)
        elif grade_id:
            answers.notes.append(f"a cell has the unknown grade_id {grade_id[:60]!r}; passed over")
        elif source.strip() and source.strip() not in own:
            answers.added.append(source)
    for grade_id in tests:
        if grade_id not in seen:
            answers.notes.append(f"{grade_id}: the tests cell is missing; the master's were run")
    for function in sheets:
        if function not in answers.solutions:
            answers.notes.append(f"{function}: its solution cell is missing")
    if order != [function for function in sheets if function in answers.solutions]:
        answers.notes.append("the exercises stand in another order than they were handed out")
    return answers
