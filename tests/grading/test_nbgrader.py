"""nbgrader's own tools on a course folder: its gradebook, formgrader, exchange and autograde."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import nbformat
import pytest

from tests.grading import classroom
from tests.grading.classroom import RIGHT, added, keep, notebook, result, submit, table
from tools.grading import assign, batch, record
from tools.grading.files import Refused

api = pytest.importorskip("nbgrader.api", reason="nbgrader is not installed")
SCRIPT = "<script>document.title = 'mine'</script>"
HANDED_IN = "2026-11-26 07:21:58.440026 UTC"


@pytest.fixture
def course(tmp_path):
    masters = classroom.write_masters(tmp_path / "masters")
    assign.assign(["part/toy"], tmp_path / "course", 5, masters)
    return tmp_path / "course"


def gradebook(course):
    return api.Gradebook(f"sqlite:///{course / 'gradebook.db'}")


def hand_in(course, student, document):
    """As `nbgrader collect` leaves it."""
    folder = submit(course, student, document).parent
    (folder / "timestamp.txt").write_text(HANDED_IN)
    (folder / "submission_secret.txt").write_text("a secret")


def grade(course):
    outcome = batch.grade_class(course, walls=False, jobs=1)
    assert outcome.problems == []
    record.record(course, None)
    return outcome


def nbgrader(course, *words):
    """Run a command of nbgrader's in the course folder."""
    beside = str(Path(sys.executable).parent)
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=course,
        env=os.environ | {"PATH": os.pathsep.join([beside, os.environ["PATH"]])},
        capture_output=True,
        text=True,
    )


def test_the_gradebook_keeps_what_was_entered_by_hand(course):
    keep(course, result("ada", 1, 2, 4), result("bob", 0, 2, 0))
    record.record(course, None)
    with gradebook(course) as book:
        assert book.find_submission("toy", "ada").score == 7
        assert book.find_submission("toy", "bob").score == 2
        assert book.find_assignment("toy").max_score == 7
        book.find_grade("reach-tests", "toy", "toy", "bob").manual_score = 3.0
        book.find_grade("double-tests", "toy", "toy", "ada").extra_credit = 0.5
        comment = book.find_comment("double-solution", "toy", "toy", "ada")
        comment.manual_comment = "Well <b>done</b>."
        book.db.commit()
    keep(course, result("ada", 1, 0, 4), result("bob", 1, 2, 0))
    record.record(course, None)
    with gradebook(course) as book:
        assert book.find_submission("toy", "bob").score == 6
        assert book.find_submission("toy", "ada").score == 5.5
    assert table(course / "marks/toy.csv")[1:] == [
        ["ada", "1.5", "0", "4", "5.5", "7"],
        ["bob", "1", "2", "3", "6", "7"],
    ]
    page = (course / "feedback/ada/toy/toy.html").read_text()
    assert "Well &lt;b&gt;done&lt;/b&gt;." in page, "the student reads it, as it was typed"
    with gradebook(course) as book:  # the instructor thinks better of both
        book.find_comment("double-solution", "toy", "toy", "ada").manual_comment = None
        book.find_grade("double-tests", "toy", "toy", "ada").extra_credit = None
        book.db.commit()
    record.record(course, None)
    page = (course / "feedback/ada/toy/toy.html").read_text()
    assert "Well" not in page and "toy: 5 of 7 points" in page


def test_a_gradebook_that_is_another_courses_or_not_there_is_refused(course, tmp_path):
    keep(course, result("ada", 1, 2, 4))
    record.record(course, None)
    other = tmp_path / "other"
    assign.assign(["part/toy"], other, 6, tmp_path / "masters")
    keep(other, result("ada", 0, 0, 0))
    with pytest.raises(Refused, match="holds the course course"):
        record.record(other, f"sqlite:///{course / 'gradebook.db'}")
    with gradebook(course) as book:
        assert book.find_submission("toy", "ada").score == 7
    with pytest.raises(Refused, match="cannot be used"):
        record.record(course, f"sqlite:///{tmp_path / 'nowhere' / 'gradebook.db'}")
    # A folder that has moved is the same course.
    record.record(course.rename(tmp_path / "moved"), None)


def test_formgrader_shows_the_students_code_and_nothing_else_of_theirs(course):
    wrong = "def double(number):\n    return 3 * number  # \ud800"
    document = notebook(course, double=wrong, middle=None, reach=RIGHT["reach"])
    shown = {"output_type": "display_data", "metadata": {}, "data": {"text/html": SCRIPT}}
    document["cells"].insert(2, added("helper = 1") | {"outputs": [shown]})
    document["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": SCRIPT})
    hand_in(course, "ada", document)
    grade(course)
    place = course / "autograded/ada/toy/toy.ipynb"
    read = nbformat.read(place, 4)
    nbformat.validate(read)
    assert SCRIPT not in place.read_text()
    by_id = {c.metadata.nbgrader.grade_id: c for c in read.cells if "nbgrader" in c.metadata}
    assert by_id["double-solution"].source == wrong.replace("\ud800", "?")
    assert "no solution cell" in by_id["middle-solution"].source
    assert by_id["reach-solution"].source == RIGHT["reach"]
    said = {name: c.outputs[0].text for name, c in by_id.items() if name.endswith("-tests")}
    assert said["reach-tests"] == "Right for all 1 inputs.\n"
    assert "Right for 0 of 3 inputs." in said["double-tests"]
    order = [c.source for c in read.cells if c.cell_type == "code"]
    assert order.index("helper = 1") < order.index(by_id["double-solution"].source)
    outputs = [c.outputs for c in read.cells if c.cell_type == "code"]
    assert sum(map(len, outputs)) == 3


def test_formgrader_counts_a_graded_submission_as_graded(course):
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    hand_in(course, "ada", notebook(course, **RIGHT))
    submit(course, "bob", notebook(course))  # by hand: nobody wrote down when
    grade(course)
    told = NbGraderAPI(CourseDirectory(root=str(course), course_id="course"))
    for student, score in (("ada", 7), ("bob", 0)):
        about = told.get_submission("toy", student)
        assert about["autograded"] and about["score"] == score
        assert not about["needs_manual_grade"]
    with gradebook(course) as book:
        kept = book.find_submission("toy", "ada").timestamp
    assert kept == datetime.fromisoformat(HANDED_IN.removesuffix(" UTC"))


def test_feedback_lies_as_the_exchange_wants_it(course):
    hand_in(course, "ada", notebook(course, **RIGHT))
    grade(course)
    folder = course / "feedback/ada/toy"
    names = ["submission_secret.txt", "timestamp.txt", "toy.html"]
    assert sorted(path.name for path in folder.iterdir()) == names
    # Handed in once more, unchanged: nothing is graded, and the newer receipt counts.
    (course / "submitted/ada/toy/submission_secret.txt").write_text("another secret")
    assert grade(course).stood == 1
    assert (folder / "submission_secret.txt").read_text() == "another secret"


def test_nbgraders_autograde_runs_no_students_code(course, tmp_path):
    trace = tmp_path / "ran"
    # formgrader's button for handouts enters the cells that autograde looks for.
    assert nbgrader(course, "generate_assignment", "toy", "--force").returncode == 0
    hand_in(course, "ada", notebook(course, **RIGHT | {"double": f"open({str(trace)!r}, 'w')"}))
    hand_in(course, "bob", notebook(course, **RIGHT))
    keep(course, result("ada", 0, 2, 4), result("bob", 1, 2, 4))
    record.record(course, None)
    tried = nbgrader(course, "autograde", "toy", "--force")
    assert tried.returncode != 0 and not trace.exists()
    assert "make grade" in tried.stderr, "the instructor reads what to do"
    with gradebook(course) as book:
        assert book.find_submission("toy", "ada").score == 6
        assert book.find_submission("toy", "bob").score == 7
