"""Hostile and broken submissions: each gets what its answers deserve, and touches nothing."""

import json
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from companion.exercises import cases
from tests.grading import classroom
from tests.grading.classroom import RIGHT, added, notebook, submit
from tools.grading import assign, batch
from tools.grading.sandbox import MEGABYTE, Limits

pytestmark = pytest.mark.sandbox
LIMITS = Limits(
    exercise=3.0,
    submission=36.0,
    memory=256 * MEGABYTE,
    total=512 * MEGABYTE,
    processes=16,
)
VARIANT = 20272027

# Each is the cell of `double` (1 point). `middle` and `reach` (6 points) are right unless said.
ENDLESS = {
    "loop": "def double(number):\n    while True: pass",
    "sleep": "import time\ndef double(number):\n    time.sleep(10**6)",
    "memory": "def double(number):\n    held = []\n    while True: held.append(bytearray(2**26))",
    "forks": "import os\ndef double(number):\n    while True: os.fork()",
    "threads": "import threading, time\ndef double(number):\n"
    "    while True: threading.Thread(target=time.sleep, args=(60,)).start()",
    "output": "def double(number):\n    while True: print('x' * 10**6)",
    "raw_output": "import os\ndef double(number):\n    for one in range(3, 20):\n"
    "        try:\n            while True: os.write(one, b'x' * 65536)\n"
    "        except OSError: pass",
    "large_answer": "def double(number):\n    return 'x' * 10**8",
    "deep_answer": "def double(number):\n    a = []\n    for _ in range(10**5): a = [a]\n"
    "    return a",
    "disk": "def double(number):\n    for n in range(10**6):\n"
    "        open(f'/tmp/{n}', 'wb').write(bytes(2**22))",
    "ends_itself": "import os\nos._exit(0)",
    "ends_the_runner": "import os\ndef double(number):\n    os.kill(os.getppid(), 9)",
    "ends_everything": "import os\ndef double(number):\n    os.kill(-1, 9)",
    "daemon": "import os, time\ndef double(number):\n    if os.fork() == 0:\n        os.setsid()\n"
    "        while True: time.sleep(1)\n    raise SystemExit",
}
# What is returned only claims to be right.
CHEATING = {
    "equal_to_all": "class Any(int):\n    __eq__ = lambda a, b: True\n"
    "    __ne__ = lambda a, b: False\n"
    "    __hash__ = int.__hash__\ndef double(number): return Any(0)",
    "patched": "import builtins, numpy as np\n"
    "import companion.exercises.compare as compare, companion.exercises.worker as worker\n"
    "compare.judge = compare.difference = lambda *a, **k: None\n"
    "np.isclose = np.allclose = lambda *a, **k: True\n"
    "builtins.isinstance = lambda *a: True\nAssertionError = type('A', (Exception,), {})\n"
    "def double(number): return 0",
    "pickle": "import os\nclass Bomb:\n"
    "    def __reduce__(self): return os.system, ('touch /tmp/left-by-a-submission',)\n"
    "def double(number): return Bomb()",
    "forged": "import os, json\ndef double(number):\n"
    "    line = json.dumps({'error': None, 'seconds': 0.0, 'points': 7, 'report': json.dumps("
    "{'tests': None, 'values': [[True, '1']] * 3})})\n"
    "    for one in range(3, 20):\n        try: os.write(one, line.encode() + b'\\n')\n"
    "        except OSError: pass\n    os.kill(os.getppid(), 9)",
    "nonsense": "import os\ndef double(number):\n    for one in range(3, 20):\n"
    "        try: os.write(one, b'{\"error\": [[[' * 100 + b'\\n')\n        except OSError: pass\n"
    "    os._exit(0)",
    "claims_to_be_right": "def double(number):\n    raise SystemExit('points: 7')",
    "numbers": "def double(number): return float('nan')",
    "surrogate": "def double(number): raise ValueError('\\ud800<script>alert(1)</script>')",
}
# These deserve all points, if what they try fails: they answer right only then.
TRYING = {
    "reads_the_solution": "def attempt():\n    for place in PLACES: open(place).read()",
    "searches": "import os\ndef attempt():\n"
    "    for top in set(os.listdir('/')) - {'usr', 'lib', 'lib64', 'proc'}:\n"
    "        for folder, folders, names in os.walk('/' + top):\n"
    "            folders[:] = [one for one in folders if one != 'lib']\n"
    "            for name in names:\n"
    "                if name.endswith(('.ipynb', '_cases.py', '.db', 'course.json')): return\n"
    "    raise OSError",
    "writes_the_gradebook": "def attempt(): open(GRADEBOOK, 'w').write('all points')",
    # What it makes in its own /tmp is nobody's business: only there may this work.
    "writes_results": "import os\ndef attempt():\n    os.makedirs(RESULTS, exist_ok=True)\n"
    "    open(RESULTS + '/x', 'w')\n"
    "    if os.listdir(os.path.dirname(RESULTS)) == ['results']: raise OSError",
    "writes_the_system": "def attempt():\n    import companion.exercises.compare as c\n"
    "    open(c.__file__, 'a').write('#')",
    "goes_out": "import socket\ndef attempt():\n"
    "    socket.create_connection(('127.0.0.1', PORT), timeout=1)",
    "becomes_root": "import os\ndef attempt(): os.setuid(0)",
    "mounts": "import subprocess\ndef attempt():\n"
    "    subprocess.run(['unshare', '--user', '--map-root-user', 'true'], check=True)",
    "sees_processes": "import os\ndef attempt():\n"
    "    if len([p for p in os.listdir('/proc') if p.isdigit()]) < 6: raise OSError",
}
TRIES = """{attempt}
def double(number):
    try:
        attempt()
    except Exception:
        return 2 * number
    return 'it worked'
"""


@dataclass
class Graded:
    """A graded class: the course folder, results by student, what the instructor was told."""

    course: Path
    results: dict[str, dict]
    told: list[str]
    problems: list[str]

    def points(self, student: str) -> dict[str, float]:
        """Points by exercise."""
        return {m["function"]: m["points"] for m in self.results[student]["exercises"]}

    def about(self, student: str) -> str:
        """What the instructor was told of one student."""
        return "\n".join(line for line in self.told if line.startswith(f"toy, {student}:"))


def broken(course: Path) -> None:
    """Submissions that are not what they should be."""
    whole = notebook(course, **RIGHT)
    submit(course, "right", whole)
    submit(course, "stub", notebook(course))
    submit(
        course, "half", notebook(course, double=RIGHT["double"], middle="def middle(values: pass")
    )
    submit(course, "deleted", notebook(course, **RIGHT | {"double": None}))
    submit(course, "no_cells", whole | {"cells": []})
    submit(course, "reordered", whole | {"cells": whole["cells"][::-1]})
    twice = notebook(course, **RIGHT | {"double": "def double(number):\n    return 3 * number"})
    second = [c for c in whole["cells"] if "double-solution" in json.dumps(c["metadata"])]
    submit(course, "twice", twice | {"cells": twice["cells"] + second})
    edited = notebook(course, **RIGHT | {"double": "def double(number):\n    return 0"})
    for cell in edited["cells"]:
        if "double-tests" in json.dumps(cell["metadata"]):
            cell["source"] = "assert True"
            cell["metadata"]["nbgrader"]["points"] = 1000
    submit(course, "edited_tests", edited)
    submit(course, "corrupt", json.dumps(whole)[:-100])
    submit(course, "not_text", b"\xff\xfe\x00" * 100)
    submit(course, "deep", "[" * 100_000)
    submit(course, "odd_types", {"cells": [{"cell_type": "code", "source": 7, "metadata": []}]})
    (course / "submitted" / "nothing" / "toy").mkdir(parents=True)
    with open(submit(course, "huge", ""), "wb") as file:
        file.truncate(200 * 10**6)
    os.mkfifo(_bare(course, "pipe"))
    _bare(course, "link").symlink_to(course / "source" / "toy" / "toy.ipynb")
    (course / "submitted" / "linked_folder").mkdir()
    (course / "submitted" / "linked_folder" / "toy").symlink_to(course / "source" / "toy")
    shutil.move(submit(course, "renamed", whole), _bare(course, "renamed").with_name("mine.ipynb"))
    submit(course, "=cmd", whole)
    helper = [added("def twice(x): return 2 * x"), added("!pip install x"), added("1 / 0")]
    uses = notebook(course, **RIGHT | {"double": "def double(number): return twice(number)"})
    submit(course, "helper", uses | {"cells": [*helper, *uses["cells"]]})
    submit(course, "endless_cell", whole | {"cells": [added("while True: pass"), *whole["cells"]]})


def _bare(course: Path, student: str) -> Path:
    place = course / "submitted" / student / "toy" / "toy.ipynb"
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def leaking(course: Path) -> None:
    """Students who try to carry the drawn inputs out in what their feedback shows."""
    loud = "def double(number):\n    if number: raise ValueError(f'LEAK {number}')\n    return 0"
    submit(course, "leaks_by_message", notebook(course, **RIGHT | {"double": loud}))
    named = "def double(number):\n    raise type(f'LEAK{number}', (Exception,), {})"
    submit(course, "leaks_by_class", notebook(course, **RIGHT | {"double": named}))
    shaped = "def reach(start):\n    return np.zeros(int(abs(start[0]) * 10**4))"
    submit(course, "leaks_by_shape", notebook(course, **RIGHT | {"reach": shaped}))
    frames = (
        "import sys\ndef double(number):\n    frame, found = sys._getframe(), ''\n"
        "    while frame:\n        found += repr(frame.f_locals.get('job', ''))\n"
        "        frame = frame.f_back\n    return 'LEAK ' + found"
    )
    submit(course, "leaks_by_frames", notebook(course, **RIGHT | {"double": frames}))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    classroom.require_sandbox()
    folder = tmp_path_factory.mktemp("hostile")
    course = folder / "course"
    assign.assign(["part/toy"], course, VARIANT, classroom.write_masters(folder / "masters"))
    (course / "gradebook.db").write_text("the gradebook")
    os.chmod(course / "gradebook.db", 0o666)
    broken(course)
    leaking(course)
    for name, cell in {**ENDLESS, **CHEATING}.items():
        submit(course, name, notebook(course, **RIGHT | {"double": cell}))
    places = [str(course / "source/toy/toy.ipynb"), str(course / "cases/toy_cases.py")]
    places += [str(course / "submitted/right/toy/toy.ipynb")]
    known = f"PLACES = {places!r}\nGRADEBOOK = {str(course / 'gradebook.db')!r}\n"
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    known += f"RESULTS = {str(course / 'results')!r}\nPORT = {port}\n"
    for name, attempt in TRYING.items():
        cell = known + TRIES.format(attempt=attempt)
        submit(course, name, notebook(course, **RIGHT | {"double": cell}))
    with listening:
        outcome = batch.grade_class(course, limits=LIMITS, jobs=2)
    told = []
    batch.report(outcome.results, [], told.append)
    results = {result["student"]: result for result in outcome.results}
    return Graded(course, results, told, outcome.problems)


REST = {"middle": 2, "reach": 4}


def test_none_stops_the_batch(graded):
    there = {path.name for path in (graded.course / "submitted").iterdir()}
    assert set(graded.results) == there - {"=cmd"}
    assert graded.problems == [
        "'=cmd': no name of a student: expected letters, digits and _.@+-",
    ]


def test_right_and_untouched_are_told_apart(graded):
    assert graded.results["right"]["points"] == graded.results["right"]["maximum"] == 7
    assert graded.results["right"]["notes"] == []
    assert graded.results["stub"]["points"] == 0
    assert graded.points("half") == {"double": 1, "middle": 0, "reach": 0}


@pytest.mark.parametrize("student", ENDLESS)
def test_what_ends_or_never_ends_costs_its_own_exercise_only(graded, student):
    assert graded.points(student) == {"double": 0} | REST
    if student not in ("large_answer", "deep_answer", "daemon", "disk", "threads", "memory"):
        assert "double" in graded.about(student)


@pytest.mark.parametrize("student", CHEATING)
def test_cheating_earns_nothing(graded, student):
    assert graded.points(student) == {"double": 0} | REST


@pytest.mark.parametrize("student", TRYING)
def test_the_walls_hold(graded, student):
    reasons = graded.results[student]["exercises"][0]["reasons"]
    assert graded.points(student) == {"double": 1} | REST, reasons


def test_what_the_grader_trusts_is_unchanged(graded):
    assert (graded.course / "gradebook.db").read_text() == "the gradebook"
    assert not (graded.course / "results" / "x").exists()
    assert not Path("/tmp/left-by-a-submission").exists()


@pytest.mark.parametrize(
    ("student", "points", "said"),
    [
        ("deleted", 6, "double: its solution cell is missing"),
        ("no_cells", 0, "reach: its solution cell is missing"),
        ("reordered", 7, "another order"),
        ("twice", 6, "double: two solution cells; the first counts"),
        ("edited_tests", 6, "double-tests: the tests were changed"),
        ("corrupt", 0, "not a Jupyter notebook (JSONDecodeError)"),
        ("not_text", 0, "not a Jupyter notebook (UnicodeDecodeError)"),
        ("deep", 0, "not a Jupyter notebook (RecursionError)"),
        ("odd_types", 0, "a cell's source is not text"),
        ("nothing", 0, "there is no toy.ipynb; found no notebook"),
        ("huge", 0, "has 200,000,000 bytes"),
        ("pipe", 0, "is not a plain file"),
        ("link", 0, "is a symbolic link"),
        ("linked_folder", 0, "is not a plain folder"),
        ("renamed", 7, "the notebook is called mine.ipynb"),
        ("helper", 7, "an added cell failed and was passed over: ZeroDivisionError"),
        ("endless_cell", 7, "the added cells were left out: stopped after 3 s"),
    ],
)
def test_broken_notebooks_get_what_is_left_of_them(graded, student, points, said):
    assert graded.results[student]["points"] == points
    assert said in graded.about(student)
    assert graded.results[student]["maximum"] == 7


def test_no_feedback_gives_a_drawn_input_away(graded):
    double = cases.load(graded.course / "cases" / "toy_cases.py")[0]
    drawn = [str(one["number"]) for one in double.draw(VARIANT)]
    for page in (graded.course / "feedback").glob("*/*/*.html"):
        text = page.read_text(encoding="utf-8")
        assert not any(number in text for number in drawn), page
        assert "<script" not in text
    for page in (graded.course / "autograded").glob("*/*/*.ipynb"):
        text = page.read_text(encoding="utf-8")
        assert not any(number in text for number in drawn), page
    frames = (graded.course / "feedback/leaks_by_frames/toy/toy.html").read_text()
    assert "LEAK" in frames, "what the public tests said is shown"
    message = (graded.course / "feedback/leaks_by_message/toy/toy.html").read_text()
    assert "It raised ValueError" in message and "LEAK" not in message
    shape = (graded.course / "feedback/leaks_by_shape/toy/toy.html").read_text()
    assert "not of the type, length or shape" in shape
    # The instructor sees all of it.
    assert "LEAK" in str(graded.results["leaks_by_message"]["exercises"][0]["reasons"])


def test_a_second_batch_grades_nothing_again(graded):
    before = {p: p.stat().st_mtime_ns for p in graded.course.glob("results/*/*.json")}
    outcome = batch.grade_class(graded.course, limits=LIMITS, jobs=2)
    assert (outcome.graded, outcome.stood) == (0, len(before))
    assert {p: p.stat().st_mtime_ns for p in graded.course.glob("results/*/*.json")} == before
