"""One master notebook an exercise sheet, three versions of it.

A master is a notebook in nbgrader's cell format. An exercise in it ends in three cells in a row:

    statement   markdown; given code and more markdown may come before it
    solution    code, nbgrader `solution: true`, grade_id `<function>-solution`; what stands between
                `### BEGIN SOLUTION` and `### END SOLUTION` is the solution, the rest is the stub;
                the tag `assigned` keeps the solution out of everything that is published
    tests       code, nbgrader `grade: true, locked: true` and points, grade_id `<function>-tests`:
                public asserts whose messages teach

Every other code cell is setup that all exercises may use. No exercise uses another's answer.

Only nbformat is imported here, since the book build uses this module without numpy or torch.
"""

import copy
import os
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HIDDEN = "### BEGIN HIDDEN TESTS"
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
NBGRADER_KEYS = ("grade", "grade_id", "locked", "points", "schema_version", "solution", "task")
ASSIGNED_NOTE = "*This exercise is assigned: its solution is not published.*"


class FormatError(ValueError):
    """A master notebook that breaks the format; the message names the cell and the remedy."""


@dataclass(frozen=True)
class Sheet:
    """One exercise as it stands in a master notebook; the first four fields are source text."""

    statement: str
    stub: str
    solution: str
    tests: str
    points: int
    assigned: bool


def read(path: str | Path) -> NotebookNode:
    """The notebook at `path`; FormatError when it is missing or is not a notebook."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FormatError(f"there is no notebook at {path}: check the path") from None
    return _parse(text, str(path))


def _parse(text: str, name: str) -> NotebookNode:
    try:
        return nbformat.reads(text, as_version=4)
    except Exception as error:  # nbformat raises many kinds, all of which mean the same here
        raise FormatError(
            f"{name} is not a Jupyter notebook ({type(error).__name__}): save it from JupyterLab"
        ) from error


def split_solution(source: str, cell: str) -> tuple[str, str]:
    """(stub, solution) of a solution cell: stripped as nbgrader strips it, and without the markers.

    FormatError when the markers are missing, unbalanced or nested; `cell` names the cell in it.
    """
    stub: list[str] = []
    solution: list[str] = []
    inside, regions = False, 0
    for line in source.splitlines():
        marker = line.strip()
        if marker == BEGIN:
            if inside:
                raise FormatError(
                    f"{cell}: '{BEGIN}' inside a solution: close it with '{END}' first"
                )
            inside, regions = True, regions + 1
            indent = line[: len(line) - len(line.lstrip())]
            stub += [indent + stub_line for stub_line in STUB]
        elif marker == END:
            if not inside:
                raise FormatError(
                    f"{cell}: '{END}' without '{BEGIN}': add the line before the solution"
                )
            inside = False
        else:
            solution.append(line)
            if not inside:
                stub.append(line)
    if inside:
        raise FormatError(f"{cell}: '{BEGIN}' is never closed: add '{END}' after the solution")
    if regions == 0:
        raise FormatError(f"{cell}: no '{BEGIN}': a cell marked as solution must mark its solution")
    return "\n".join(stub), "\n".join(solution)


def _grading(cell: NotebookNode) -> dict:
    return cell.metadata.get("nbgrader", {})


def _is_solution(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and bool(_grading(cell).get("solution"))


def _is_tests(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and bool(_grading(cell).get("grade"))


def _name(cell: NotebookNode) -> str:
    return f"cell {_grading(cell).get('grade_id', '(no grade_id)')!r}"


def _is_assigned(cell: NotebookNode) -> bool:
    return "assigned" in cell.metadata.get("tags", [])


def is_master(notebook: NotebookNode) -> bool:
    """Whether the notebook holds solutions: some cell is marked so, or carries the markers."""
    return any(_is_solution(cell) or BEGIN in cell.source for cell in notebook.cells)


def setup_cells(notebook: NotebookNode) -> list[str]:
    """Sources of the code cells that belong to no exercise, in order."""
    return [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and not _is_solution(cell) and not _is_tests(cell)
    ]


def sheets(notebook: NotebookNode) -> dict[str, Sheet]:
    """The exercises of a master by function name, in order; FormatError when one is not whole."""
    found: dict[str, Sheet] = {}
    statement: list[str] = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            statement.append(cell.source)
        if not _is_solution(cell):
            continue
        before = notebook.cells[index - 1] if index else None
        tests = notebook.cells[index + 1] if index + 1 < len(notebook.cells) else None
        function = _grading(cell).get("grade_id", "").removesuffix("-solution")
        if not function.isidentifier() or function in found:
            raise FormatError(
                f"{_name(cell)}: expected the grade_id '<function>-solution', one for each function"
            )
        if before is None or before.cell_type != "markdown":
            raise FormatError(
                f"{_name(cell)}: expected its statement, in markdown, right before it"
            )
        if tests is None or not _is_tests(tests):
            raise FormatError(f"{_name(cell)}: expected its tests right after it")
        if _grading(tests).get("grade_id") != f"{function}-tests":
            raise FormatError(f"{_name(tests)}: expected the grade_id '{function}-tests'")
        _refuse_hidden_tests(tests)
        stub, solution = split_solution(cell.source, _name(cell))
        found[function] = Sheet(
            statement="\n\n".join(statement),
            stub=stub,
            solution=solution,
            tests=tests.source,
            points=int(_grading(tests).get("points", 0)),
            assigned=_is_assigned(cell),
        )
        statement = []
    return found


def _refuse_hidden_tests(cell: NotebookNode) -> None:
    if HIDDEN in cell.source:
        raise FormatError(f"{_name(cell)}: hidden tests belong in the cases file, not here")


def _bare(cell: NotebookNode) -> NotebookNode:
    """A copy without outputs and without metadata."""
    bare = copy.deepcopy(cell)
    bare.metadata = NotebookNode()
    bare.pop("attachments", None)
    if bare.cell_type == "code":
        bare.outputs, bare.execution_count = [], None
    return bare


def _empty(notebook: NotebookNode) -> NotebookNode:
    """A notebook for the same kernel, without cells and without other metadata."""
    bare = copy.deepcopy(notebook)
    kept = ("kernelspec", "language_info")
    bare.metadata = NotebookNode({k: v for k, v in notebook.metadata.items() if k in kept})
    bare.cells = []
    return bare


def student(notebook: NotebookNode) -> NotebookNode:
    """The student's version: stubs for solutions, no outputs, no metadata but nbgrader's."""
    handout = _empty(notebook)
    for cell in notebook.cells:
        bare = _bare(cell)
        if _is_solution(cell) or BEGIN in cell.source:
            bare.source = split_solution(cell.source, _name(cell))[0]
        _refuse_hidden_tests(bare)
        if _grading(cell):
            bare.metadata.nbgrader = NotebookNode(
                {key: value for key, value in _grading(cell).items() if key in NBGRADER_KEYS}
            )
        handout.cells.append(bare)
    return handout


def reader(notebook: NotebookNode, solutions: bool = True) -> NotebookNode:
    """The book's page: statement, stub, folded solution unless assigned or unwanted, tests."""
    page = _empty(notebook)
    for cell, handed_out in zip(notebook.cells, student(notebook).cells, strict=True):
        page.cells.append(_bare(handed_out))
        if not _is_solution(cell):
            continue
        if _is_assigned(cell):
            page.cells.append(nbformat.v4.new_markdown_cell(ASSIGNED_NOTE))
        elif solutions:
            solved = nbformat.v4.new_code_cell(split_solution(cell.source, _name(cell))[1])
            solved.metadata.tags = ["hide-input"]
            solved.metadata.mystnb = NotebookNode(
                code_prompt_show="Show the solution", code_prompt_hide="Hide the solution"
            )
            page.cells.append(solved)
    return page


def solutions_wanted() -> bool:
    """The environment variable SOLUTIONS: `on` (the default) or `off`; ValueError otherwise."""
    setting = os.environ.get("SOLUTIONS", "on")
    if setting not in ("on", "off"):
        raise ValueError(f"SOLUTIONS is {setting!r}: expected 'on' or 'off'")
    return setting == "on"


def read_for_page(text: str) -> NotebookNode:
    """myst-nb's reader for `.ipynb`: a master becomes the reader's version, others stay."""
    notebook = _parse(text, "the notebook")
    return reader(notebook, solutions_wanted()) if is_master(notebook) else notebook
