"""What goes out and what comes in: the course folder, archives, results, marks."""

import re
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest

from companion.exercises import format, gate
from companion.exercises.worker import Worker
from tests.grading import classroom
from tests.grading.classroom import RIGHT, keep, notebook, result, submit, table
from tools import course as course_commands
from tools.grading import __main__ as commands
from tools.grading import assign, batch, collect, feedback, grade, record, sandbox, submission
from tools.grading.files import Refused
from tools.grading.sandbox import MEGABYTE, Limits

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def masters(tmp_path_factory):
    return classroom.write_masters(tmp_path_factory.mktemp("course") / "masters")


@pytest.fixture
def course(tmp_path, masters):
    assign.assign(["part/toy"], tmp_path / "course", 5, masters)
    return tmp_path / "course"


def files_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- assign


def test_the_same_variant_gives_the_same_folder_and_another_other_inputs(tmp_path, masters):
    for place, variant in (("a/toy", 5), ("b/toy", 5), ("c/toy", 6)):
        assign.assign(["part/toy"], tmp_path / place, variant, masters)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    with Worker() as worker:
        drawn = [grade.prepare(tmp_path / place / "toy", "toy", worker) for place in "abc"]
    assert drawn[0].calls == drawn[1].calls and drawn[0].digest == drawn[1].digest
    assert drawn[0].calls != drawn[2].calls and drawn[0].digest != drawn[2].digest
    # The inputs that the measure needs and the answer must not see stay outside.
    assert "target" in str(drawn[0].drawn["reach"]) and "target" not in drawn[0].calls["reach"][0]


@pytest.mark.parametrize("chapter", gate.chapters())
def test_no_trace_of_a_solution_goes_to_students(chapter, tmp_path):
    assign.assign([chapter], tmp_path / "course", 1)
    name = assign.name_of(chapter)
    assert [p.name for p in (tmp_path / "course/release" / name).iterdir()] == [f"{name}.ipynb"]
    assert [p.name for p in (tmp_path / "course/source" / name).iterdir()] == [f"{name}.ipynb"]
    text = (tmp_path / "course/release" / name / f"{name}.ipynb").read_text()
    handout = nbformat.reads(text, 4)
    nbformat.validate(handout)
    master = format.read(gate.FOLDER / f"{chapter}.ipynb")
    code = "\n".join(cell.source for cell in handout.cells if cell.cell_type == "code")
    marked = "\n".join(cell.source for cell in master.cells)
    solutions = re.findall(r"### BEGIN SOLUTION\n(.*?)\n *### END SOLUTION", marked, re.DOTALL)
    assert len(solutions) >= len(format.sheets(master))
    assert not [solution for solution in solutions if solution in code]
    for word in ("SOLUTION\n", "HIDDEN", "EXERCISES", "wrong=", "assigned"):
        assert word not in code
    for cell in handout.cells:
        assert set(cell.metadata) <= {"nbgrader"}
        assert cell.cell_type != "code" or (cell.outputs, cell.execution_count) == ([], None)


def test_a_toys_handout_holds_no_secret(course):
    handout = (course / "release/toy/toy.ipynb").read_text()
    assert "secret" not in handout and "number + number" not in handout
    assert "number + number" in (course / "source/toy/toy.ipynb").read_text()
    assert stat.S_IMODE(course.stat().st_mode) & 0o077 == 0, "others on this machine see solutions"
    assert table(course / "points.csv")[1:] == [
        ["toy", "part/toy", "double", "number", "1", "5", "1"],
        ["toy", "part/toy", "middle", "write", "1", "5", "2"],
        ["toy", "part/toy", "reach", "behaviour", "1", "5", "4"],
    ]


def test_the_handout_says_what_is_missing(course):
    first = next(c for c in notebook(course)["cells"] if c["cell_type"] == "code")
    source = "".join(first["source"])
    here = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True)
    assert here.returncode == 0, here.stderr
    alone = [sys.executable, "-I", "-S", "-c", source]
    there = subprocess.run(alone, cwd=course, capture_output=True, text=True)
    assert "this notebook needs companion, numpy, which" in there.stderr
    assert "pip install" in there.stderr


def test_what_cannot_be_assigned_is_refused_before_anything_is_written(tmp_path, masters, course):
    for chapters, out, variant, words in (
        (["part/nothing"], tmp_path / "new", 1, "'part/nothing': expected one of part/toy"),
        (["part/toy"], course, 6, "made with variant 5, not 6"),
        (["part/toy"], masters, 1, "not empty and no course folder"),
    ):
        with pytest.raises(Refused, match=words):
            assign.assign(chapters, out, variant, masters)
    assert not (tmp_path / "new").exists()
    assert assign.assign(["part/toy"], course, None, masters)["variant"] == 5
    with pytest.raises(Refused, match="is no course folder"):
        assign.read_course(tmp_path)


# --- collect


def archive(path, members):
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def test_archives_of_three_systems_are_taken(course, tmp_path):
    members = {
        "Ada Lovelace_4711_assignsubmission_file_/Aufgabe 1.ipynb": "moodle",
        "lovelaceada_4712_98765_toy-1.ipynb": "canvas",
        "turingalan_LATE_4713_98766_toy.ipynb": "late",
        "grace/toy.ipynb": "folder",
        "submitted/emmy/toy/toy.ipynb": "nbgrader",
        "emmy/essay.pdf": "no notebook",
        "__MACOSX/grace/._toy.ipynb": "rubbish",
    }
    taken = collect.collect(course, "toy", archive(tmp_path / "a.zip", members))
    assert taken.students == ["4711", "4712", "4713", "emmy", "grace"] and taken.notes == []
    found = {p.parts[-3]: p.read_text() for p in course.glob("submitted/*/toy/toy.ipynb")}
    assert found == {
        "4711": "moodle",
        "4712": "canvas",
        "4713": "late",
        "grace": "folder",
        "emmy": "nbgrader",
    }
    again = archive(tmp_path / "b.zip", {"x-7/toy.ipynb": "by pattern"})
    taken = collect.collect(course, "toy", again, r"^x-(?P<student>\d)/")
    assert taken.students == ["7"]


def test_members_that_climb_out_are_left(course, tmp_path):
    linked = zipfile.ZipInfo("eve/toy.ipynb")
    linked.external_attr = (stat.S_IFLNK | 0o777) << 16
    members = {
        "../../../climbed.ipynb": "x",
        "/tmp/climbed.ipynb": "x",
        "a/../../climbed.ipynb": "x",
        "..\\..\\climbed.ipynb": "x",
        linked: str(course / "source/toy/toy.ipynb"),
        "bomb/toy.ipynb": b"0" * (submission.LARGEST + 1),
        "-rf/toy.ipynb": "x",
        "good/toy.ipynb": "good",
    }
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    taken = collect.collect(course, "toy", tmp_path / "a.zip")
    assert taken.students == ["good"] and len(taken.notes) == len(members) - 1
    written = [p for p in (course / "submitted").rglob("*") if not p.is_dir()]
    assert [p.relative_to(course).as_posix() for p in written] == ["submitted/good/toy/toy.ipynb"]
    assert not list(tmp_path.rglob("climbed*")) and not Path("/tmp/climbed.ipynb").exists()
    for words in ("climbs out", "symbolic link", "more than the", "no name of a student"):
        assert any(words in note for note in taken.notes), words


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(course, tmp_path):
    place = tmp_path / "a.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("eve/toy.ipynb", b"0" * (3 * submission.LARGEST))
        opened.writestr("good/toy.ipynb", "good")
    size = (3 * submission.LARGEST).to_bytes(4, "little")
    place.write_bytes(place.read_bytes().replace(size, (100).to_bytes(4, "little")))
    taken = collect.collect(course, "toy", place)
    assert taken.students == ["good"]
    assert not (course / "submitted/eve").exists() and "'eve/toy.ipynb'" in taken.notes[0]


def test_two_notebooks_of_one_student_and_bad_archives(course, tmp_path):
    members = {"ada/old.ipynb": "1", "ada/toy.ipynb": "2", "bob/a.ipynb": "3"}
    taken = collect.collect(course, "toy", archive(tmp_path / "a.zip", members))
    assert (course / "submitted/ada/toy/toy.ipynb").read_text() == "2"
    assert taken.notes == ["ada: 2 notebooks; 'ada/toy.ipynb' counts"]
    (tmp_path / "bad.zip").write_text("no archive")
    for arguments, words in (
        ((course, "toy", tmp_path / "bad.zip"), "cannot be read as a zip"),
        ((course, "toy", tmp_path / "none.zip"), "cannot be read as a zip"),
        ((course, "other", tmp_path / "a.zip"), "no assignment 'other'"),
        ((course, "toy", tmp_path / "a.zip", "("), "no regular expression"),
        ((course, "toy", tmp_path / "a.zip", "(x)"), "no group"),
    ):
        with pytest.raises(Refused, match=words):
            collect.collect(*arguments)


# --- results and marks


def test_tables_and_marks_by_hand(course):
    keep(course, result("ada", 1, 2, 4), result("bob", 0, 2, 0))
    record.record(course, "none")
    assert table(course / "marks/toy.csv") == [
        ["student", "double", "middle", "reach", "total", "maximum"],
        ["ada", "1", "2", "4", "7", "7"],
        ["bob", "0", "2", "0", "2", "7"],
    ]
    by_hand = "student,assignment,exercise,points\nbob,toy,reach,2.5\n"
    (course / "manual.csv").write_text(by_hand)
    keep(course, result("bob", 1, 2, 0))  # graded again
    record.record(course, "none")
    assert table(course / "marks/toy.csv")[2] == ["bob", "1", "2", "2.5", "5.5", "7"]
    assert table(course / "marks/all.csv") == [
        ["student", "toy", "total"],
        ["ada", "7", "7"],
        ["bob", "5.5", "5.5"],
    ]
    page = (course / "feedback/bob/toy/toy.html").read_text()
    assert "toy: 5.5 of 7 points" in page and "marked by hand" in page
    assert (course / "manual.csv").read_text() == by_hand
    for line, words in (
        ("bob,toy,other,1", "no exercise 'other'"),
        ("bob,toy,reach,nan", "'nan', expected"),
        ("bob,toy,reach,-1", "'-1', expected"),
    ):
        (course / "manual.csv").write_text(f"student,assignment,exercise,points\n{line}\n")
        with pytest.raises(Refused, match=words):
            record.record(course, "none")


def test_without_nbgrader_the_tables_stand_and_an_address_is_refused(course, monkeypatch):
    keep(course, result("ada", 1, 2, 4))
    for name in ("nbgrader", "nbgrader.api"):
        monkeypatch.setitem(sys.modules, name, None)
    said = record.record(course, None)
    assert "pip install nbgrader" in said[0] and (course / "marks/toy.csv").exists()
    with pytest.raises(Refused, match="pip install nbgrader"):
        record.record(course, "sqlite:///x.db")


def test_every_kind_of_failure_has_words():
    for kind in [*feedback.MEANINGS, "raises ValueError"]:
        mark = result("ada", 0, 0, 0)
        mark["exercises"][0]["kinds"] = [kind]
        assert feedback.meaning(kind) in feedback.page(mark).replace("&#x27;", "'")


# --- the batch


def test_without_a_sandbox_nothing_is_run_unless_told(course, monkeypatch, capsys, tmp_path):
    mark = tmp_path / "ran"
    cell = f"def double(number):\n    open({str(mark)!r}, 'w')\n    return 2 * number"
    submit(course, "ada", notebook(course, **RIGHT | {"double": cell}))
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    assert commands.main(["grade", str(course), "--gradebook", "none"]) == 1
    assert "no sandbox here" in capsys.readouterr().err and not mark.exists()
    words = ["grade", str(course), "--gradebook", "none", "--without-sandbox", "--jobs", "1"]
    assert commands.main(words) == 0
    assert "WITHOUT A SANDBOX" in capsys.readouterr().out and mark.exists()
    assert table(course / "marks/toy.csv")[1] == ["ada", "1", "2", "4", "7", "7"]


def test_a_folder_that_students_could_see_is_refused():
    for place in (Path(sys.prefix) / "course", ROOT / "companion" / "x", Path("/usr/share/x")):
        with pytest.raises(Refused, match="which every sandbox shows"):
            sandbox.refuse_visible(place, ["numpy"])
    sandbox.refuse_visible(ROOT / "book" / "exercises", ["numpy"])


@pytest.mark.sandbox
def test_a_killed_batch_goes_on_where_it_was_and_grades_nothing_twice(course):
    classroom.require_sandbox()
    slow = "import time\ndef double(number):\n    time.sleep(0.1)\n    return 2 * number"
    for number in range(6):
        submit(course, f"s{number}", notebook(course, **RIGHT | {"double": slow}))
    command = [sys.executable, "-m", "tools.grading", "grade", str(course)]
    command += ["--gradebook", "none", "--jobs", "1"]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    results = course / "results" / "toy"
    deadline = time.monotonic() + 120
    while len(list(results.glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(Refused, match="another grader works in"):
        batch.grade_class(course, walls=False)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    before = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in results.glob("*.json")}
    assert 2 <= len(before) < 6
    # One changes what was graded already.
    changed = sorted(before)[0]
    submit(course, changed.removesuffix(".json"), notebook(course))
    limits = Limits(exercise=5, memory=256 * MEGABYTE)
    outcome = batch.grade_class(course, limits=limits, jobs=1)
    assert outcome.problems == []
    assert (outcome.graded, outcome.stood) == (6 - len(before) + 1, len(before) - 1)
    after = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in results.glob("*.json")}
    assert len(after) == 6 and not list(results.glob(".*.part"))
    for name, kept in before.items():
        assert (after[name] == kept) == (name != changed)
    points = {one["student"]: one["points"] for one in outcome.results}
    assert points == {f"s{n}": 0 if f"s{n}.json" == changed else 7 for n in range(6)}
    again = batch.grade_class(course, students=["s0"], limits=limits, jobs=1, again=True)
    assert (again.graded, again.stood) == (1, 0)


@pytest.mark.sandbox
def test_the_solutions_own_chapter_needs_torch_and_is_graded_right(tmp_path):
    classroom.require_sandbox()
    chapter = gate.chapters()[-1]
    course, name = tmp_path / "course", assign.name_of(chapter)
    assign.assign([chapter], course, 77)
    submit(course, "right", (course / "source" / name / f"{name}.ipynb").read_bytes(), name)
    submit(course, "stub", (course / "release" / name / f"{name}.ipynb").read_bytes(), name)
    outcome = batch.grade_class(course, jobs=1)
    assert [one["points"] for one in outcome.results] == [outcome.results[0]["maximum"], 0]
    assert outcome.results[0]["notes"] == [] and outcome.problems == []


# --- the commands


def test_the_make_commands_pass_on_what_they_are_given(monkeypatch):
    ran = []
    monkeypatch.setattr(course_commands, "ready_environment", lambda name: Path("python"))
    monkeypatch.setattr(course_commands, "run", lambda command, failure: ran.append(command[3:]))
    words = ["assignments", "/there", "vision/sketch_rnn", "text/gnmt", "--variant", "2027"]
    assert course_commands.main(words) == 0
    assert course_commands.main(["grade", "/there", "--again"]) == 0
    assert ran == [
        ["assign", "/there", "vision/sketch_rnn", "text/gnmt", "--variant", "2027"],
        ["regrade", "/there"],
    ]
    assert course_commands.main(["assignments", ""]) == 1
    assert course_commands.main(["assignments", "/there", "vision/unheard_of"]) == 1
    assert course_commands.main(["grade"]) == 1
    assert len(ran) == 2
