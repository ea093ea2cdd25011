"""The course folder that the grader works in, laid out as nbgrader expects it.

course.json                      name, variant, and the chapter and points of each assignment
nbgrader_config.py               tells nbgrader where it is
points.csv                       what each exercise is worth
source/NAME/NAME.ipynb           the instructor's copy, with solutions
release/NAME/NAME.ipynb          the student's
cases/NAME_cases.py              inputs and wrong answers; not in source/, since nbgrader copies
                                 what lies there to the students
"""

import ast
import copy
import csv
import io
import json
import secrets
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from companion.exercises import cases, format, gate
from tools.grading import files
from tools.grading.files import Refused

CONFIGURATION = """\
\"\"\"nbgrader's settings for this course folder; run nbgrader's commands from inside it.\"\"\"

from pathlib import Path

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = {course!r}
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
# nbgrader's own autograde would run students' code with your rights: it finds no kernel.
c.Execute.kernel_name = "none, since `make grade` runs it in a sandbox"
"""

NEEDS = """\
# What this notebook needs. Run this cell first.
import importlib.util

missing = [name for name in {needed!r} if importlib.util.find_spec(name) is None]
if missing:
    raise ModuleNotFoundError(
        f"this notebook needs {{', '.join(missing)}}, which this Python does not have. "
        "The course's own package is `companion`: open its repository's folder and run "
        "`python -m pip install .`, in Colab with `!` before it, which brings the others along. "
        "Then restart the kernel and run this cell again."
    )
"""


def name_of(chapter: str) -> str:
    """The assignment's name: the chapter without its part."""
    return chapter.rpartition("/")[2]


def modules(sources: list[str]) -> list[str]:
    """The packages beyond the standard library that trusted code cells import."""
    found = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return sorted(found - set(sys.stdlib_module_names))


def with_needs(master: NotebookNode) -> NotebookNode:
    """The master with a cell, after its title, that says what is missing on this machine."""
    told = copy.deepcopy(master)
    code = [cell.source for cell in told.cells if cell.cell_type == "code"]
    needed = ["companion", *(name for name in modules(code) if name != "companion")]
    cell = nbformat.v4.new_code_cell(NEEDS.format(needed=needed))
    cell.id = "what-it-needs"  # a drawn one would make every run of `assign` differ
    place = 1 if told.cells and told.cells[0].cell_type == "markdown" else 0
    told.cells.insert(place, cell)
    return told


def read_course(course: Path) -> dict:
    """What course.json holds; Refused when there is none or it cannot be used."""
    path = course / "course.json"
    if not path.is_file():
        raise Refused(
            f"{course} is no course folder: make one with `python -m tools.grading assign`"
        )
    document = json.loads(path.read_text(encoding="utf-8"))
    expected = {"course": str, "variant": int, "assignments": dict}
    if any(type(document.get(key)) is not kind for key, kind in expected.items()):
        raise Refused(
            f"{path} does not hold a name, a variant and assignments: make the folder anew"
        )
    return document


def assign(
    chapters: list[str], out: Path, variant: int | None = None, masters: Path = gate.FOLDER
) -> dict:
    """Make or complete the course folder `out`; returns what course.json holds.

    The same chapters and variant give the same bytes. Without `variant` that of the folder is
    kept, and a new folder gets one drawn at random. Refused, before anything is written, for an
    unknown chapter, two of one name, another variant than the folder's, or a master whose
    exercises and cases disagree.
    """
    known = gate.chapters(masters)
    for chapter in chapters:
        if chapter not in known:
            raise Refused(
                f"there are no exercises for {chapter!r}: expected one of {', '.join(known)}"
            )
    before = read_course(out) if (out / "course.json").exists() else None
    if before is None and out.is_dir() and any(out.iterdir()):
        raise Refused(f"{out} is not empty and no course folder: name a new folder")
    if before is not None and variant not in (None, before["variant"]):
        raise Refused(
            f"{out} was made with variant {before['variant']}, not {variant}: marks of two "
            "variants do not go together; name another folder"
        )
    if before is None:
        drawn = secrets.randbits(40) if variant is None else variant
        # The name stays when the folder moves: nbgrader's exchange and gradebook go by it.
        before = {"course": out.resolve().name, "variant": drawn, "assignments": {}}
    course = before | {"assignments": dict(before["assignments"])}
    made = []
    for chapter in chapters:
        name = name_of(chapter)
        if course["assignments"].get(name, {}).get("chapter", chapter) != chapter:
            other = course["assignments"][name]["chapter"]
            raise Refused(f"{chapter} and {other} would both be the assignment {name!r}")
        made.append((name, *_read_master(masters, chapter)))
        course["assignments"][name] = {
            "chapter": chapter,
            "points": sum(e.points for e in made[-1][2]),
        }
    if not out.exists():
        out.mkdir(
            mode=0o700, parents=True
        )  # solutions lie in it: on a shared machine it is private
    for name, master, _, text in made:
        files.write(out / "source" / name / f"{name}.ipynb", nbformat.writes(master) + "\n")
        handout = nbformat.writes(format.student(master)) + "\n"
        files.write(out / "release" / name / f"{name}.ipynb", handout)
        files.write(out / "cases" / f"{name}_cases.py", text)
    files.write(out / "points.csv", _points(out, course))
    files.write(out / "nbgrader_config.py", CONFIGURATION.format(course=course["course"]))
    files.write_json(out / "course.json", course)  # last: without it the folder does not count
    return course


def _read_master(masters: Path, chapter: str) -> tuple[NotebookNode, list, bytes]:
    master = with_needs(format.read(masters / f"{chapter}.ipynb"))
    sheets = format.sheets(master)
    place = masters / f"{chapter}_cases.py"
    exercises = cases.load(place)
    told = {function: sheet.points for function, sheet in sheets.items()}
    counted = {exercise.function: exercise.points for exercise in exercises}
    if told != counted:
        raise Refused(
            f"the exercises of {chapter} and their cases disagree: {told} in the notebook, "
            f"{counted} in the cases; run `python -m companion.exercises gate {chapter}`"
        )
    return master, exercises, place.read_bytes()


def _points(out: Path, course: dict) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["assignment", "chapter", "exercise", "kind", "level", "minutes", "points"])
    for name, about in course["assignments"].items():
        for e in cases.load(out / "cases" / f"{name}_cases.py"):
            writer.writerow(
                [name, about["chapter"], e.function, e.kind, e.level, e.minutes, e.points]
            )
    return table.getvalue()
