"""A small course and its students: right, wrong, broken and hostile."""

import csv
import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest

from tools.grading import batch, sandbox
from tools.grading.files import Refused

SETUP = "import math\n\nimport numpy as np"
STATEMENT = "## {0}\n\n*A piece to write: {1} points, 5 minutes, level 1.*"
SOLUTIONS = {
    "double": "def double(number):\n    ### BEGIN SOLUTION\n    return number + number\n"
    "    ### END SOLUTION",
    "middle": "def middle(values):\n    ### BEGIN SOLUTION\n    return float(np.median(values))\n"
    "    ### END SOLUTION",
    "reach": "def reach(start):\n    ### BEGIN SOLUTION\n    return np.zeros_like(start)\n"
    "    ### END SOLUTION",
}
POINTS = {"double": 1, "middle": 2, "reach": 4}
TESTS = {
    "double": "assert double(0) == 0, f'twice nothing is nothing, not {double(0)}'",
    "middle": "assert middle(np.ones(3)) == 1, 'of equal values it is that value'",
    "reach": "assert reach(np.ones(2)).shape == (2,), 'the shape stays'",
}
CASES = """
import numpy as np
from companion.exercises import Exercise

def distance(answer, drawn):
    return float(abs(answer - drawn["target"][answer.astype(int) * 0]).max())

WRONG = {"one": "secret_wrong_answer = 1", "two": "secret_wrong_answer = 2"}
EXERCISES = [
    Exercise("double", "number", 1, 1, 5,
             lambda rng: [{"number": int(rng.integers(10**6, 10**7))} for _ in range(3)], WRONG),
    Exercise("middle", "write", 1, 2, 5, lambda rng: {"values": rng.normal(size=7)}, WRONG),
    Exercise("reach", "behaviour", 1, 4, 5,
             lambda rng: {"start": rng.normal(size=3), "target": np.zeros(3)}, WRONG,
             measure=distance, threshold=0.1, withheld=("target",), assigned=True),
]
"""


def write_masters(folder: Path, setup: str = SETUP) -> Path:
    """A master notebook and its cases, as part/toy; returns the folder."""
    cells = [nbformat.v4.new_markdown_cell("# Toys"), nbformat.v4.new_code_cell(setup)]
    cells[1].outputs = [nbformat.v4.new_output("stream", text="secret output")]
    for function, solution in SOLUTIONS.items():
        common = {"schema_version": 3, "task": False}
        statement = STATEMENT.format(function, POINTS[function])
        cells.append(nbformat.v4.new_markdown_cell(statement))
        solved, tested = nbformat.v4.new_code_cell(solution), nbformat.v4.new_code_cell()
        solved.metadata.nbgrader = common | {
            "grade": False,
            "grade_id": f"{function}-solution",
            "locked": False,
            "solution": True,
        }
        tested.source = TESTS[function]
        tested.metadata.nbgrader = common | {
            "grade": True,
            "grade_id": f"{function}-tests",
            "locked": True,
            "points": POINTS[function],
            "solution": False,
        }
        cells += [solved, tested]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.note = "secret note"
    place = folder / "part" / "toy.ipynb"
    place.parent.mkdir(parents=True)
    nbformat.write(notebook, place)
    place.with_name("toy_cases.py").write_text(CASES)
    return folder


RIGHT = {
    "double": "def double(number):\n    return 2 * number",
    "middle": "def middle(values):\n    return float(sorted(values)[len(values) // 2])",
    "reach": "def reach(start):\n    return 0 * start",
}


def notebook(course: Path, name: str = "toy", **cells: str | None) -> dict:
    """The handout with its solution cells replaced; None takes a cell away."""
    document = json.loads((course / "release" / name / f"{name}.ipynb").read_text())
    kept = []
    for cell in document["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        function = grade_id.removesuffix("-solution")
        if grade_id.endswith("-solution") and function in cells:
            if cells[function] is None:
                continue
            cell["source"] = cells[function]
        kept.append(cell)
    return document | {"cells": kept}


def submit(course: Path, student: str, document: dict | str | bytes, name: str = "toy") -> Path:
    """Put a student's notebook where nbgrader's exchange would; returns its path."""
    place = course / "submitted" / student / name / f"{name}.ipynb"
    place.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(document, dict):
        document = json.dumps(document)
    place.write_bytes(document.encode() if isinstance(document, str) else document)
    return place


def added(source: str) -> dict:
    """A code cell of the student's own."""
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}


def require_sandbox() -> None:
    """Skip the test where no sandbox is allowed; in CI a missing bubblewrap is an error."""
    if os.environ.get("CI") and shutil.which("bwrap") is None:
        pytest.fail(
            "bubblewrap is missing (`apt install bubblewrap`): CI tries the sandbox's walls"
        )
    try:
        sandbox.check()
    except Refused as error:
        pytest.skip(f"no sandbox here: {error}")


def result(student: str, *points: float) -> dict:
    """A result as the grader keeps it, with these points."""
    marks = [
        {
            "function": function,
            "points": got,
            "maximum": maximum,
            "inputs": 2,
            "right": 2 if got else 1,
            "public": None,
            "kinds": [] if got else ["value"],
            "reasons": [],
        }
        for (function, maximum), got in zip(POINTS.items(), points, strict=True)
    ]
    return {
        "student": student,
        "assignment": "toy",
        "key": "",
        "points": sum(points),
        "maximum": 7,
        "refusal": None,
        "exercises": marks,
        "notes": [],
    }


def keep(course: Path, *results: dict) -> None:
    """Put results where the grader would."""
    for one in results:
        place = batch.result_path(course, "toy", one["student"])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(one))


def table(path: Path) -> list[list[str]]:
    """The rows of a CSV file."""
    return list(csv.reader(path.read_text().splitlines()))
