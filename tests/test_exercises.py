"""Exercises: format, comparer, worker, gate; the gate on every chapter; pages that leak nothing."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest

from companion.exercises import __main__ as commands
from companion.exercises import cases, format, gate, values
from companion.exercises.cases import CasesError, Exercise
from companion.exercises.compare import difference, judge
from companion.exercises.format import FormatError
from companion.exercises.worker import Worker, run_job

ROOT = Path(__file__).parents[1]

SOLUTION = """def double(number):
    \"\"\"Twice the number.\"\"\"
    ### BEGIN SOLUTION
    secret = number + number
    return secret
    ### END SOLUTION"""
TESTS = "assert double(0) == 0, 'twice nothing is nothing'"


def exercise_cells(function="double", solution=SOLUTION, tests=TESTS, points=2, assigned=False):
    """Statement, solution and tests of one exercise."""
    statement = nbformat.v4.new_markdown_cell(f"## {function}\n\n*A piece to write: 2 points.*")
    solved, tested = nbformat.v4.new_code_cell(solution), nbformat.v4.new_code_cell(tests)
    common = {"schema_version": 3, "task": False}
    solved.metadata.nbgrader = common | {
        "grade": False,
        "grade_id": f"{function}-solution",
        "locked": False,
        "solution": True,
    }
    tested.metadata.nbgrader = common | {
        "grade": True,
        "grade_id": f"{function}-tests",
        "locked": True,
        "points": points,
        "solution": False,
    }
    if assigned:
        solved.metadata.tags = ["assigned"]
    return [statement, solved, tested]


def master(*exercises):
    """A master notebook with a setup cell, outputs and stray metadata."""
    setup = nbformat.v4.new_code_cell("factor = 2", execution_count=3)
    setup.outputs = [nbformat.v4.new_output("stream", text="secret output")]
    notebook = nbformat.v4.new_notebook(cells=[setup, *[cell for e in exercises for cell in e]])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    notebook.metadata.author = "secret author"
    notebook.cells[1].metadata.note = "secret note"
    return notebook


# --- the format


def test_student_gets_the_stub_and_nothing_of_the_solution():
    handout = format.student(master(exercise_cells(assigned=True)))
    assert "secret" not in nbformat.writes(handout)
    assert "assigned" not in nbformat.writes(handout)
    stub = handout.cells[2].source
    assert stub.endswith("    # YOUR CODE HERE\n    raise NotImplementedError()")
    assert stub.startswith('def double(number):\n    """Twice the number."""')
    assert handout.cells[3].source == TESTS
    assert handout.cells[3].metadata.nbgrader.points == 2
    assert handout.cells[0].execution_count is None
    nbformat.validate(handout)


def test_reader_gets_a_folded_solution_unless_it_is_assigned_or_turned_off(monkeypatch):
    notebook = master(exercise_cells("one"), exercise_cells("two", assigned=True))
    page = format.reader(notebook)
    folded = [cell for cell in page.cells if "hide-input" in cell.metadata.get("tags", [])]
    assert len(folded) == 1
    assert "return secret" in folded[0].source and "SOLUTION" not in folded[0].source
    assert nbformat.writes(page).count("return secret") == 1
    assert format.ASSIGNED_NOTE in page.cells[-2].source
    monkeypatch.setenv("SOLUTIONS", "off")
    assert "return secret" not in nbformat.writes(format.read_for_page(nbformat.writes(notebook)))
    monkeypatch.setenv("SOLUTIONS", "no")
    with pytest.raises(ValueError, match="SOLUTIONS is 'no': expected 'on' or 'off'"):
        format.solutions_wanted()


def test_notebooks_without_exercises_are_read_as_they_are():
    chapter = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("x = 1", execution_count=7)]
    )
    chapter.cells[0].outputs = [nbformat.v4.new_output("stream", text="kept")]
    assert format.read_for_page(nbformat.writes(chapter)) == chapter


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def double(number):\n    return 2", "no '### BEGIN SOLUTION'"),
        ("### BEGIN SOLUTION\nx = 1", "is never closed"),
        ("x = 1\n### END SOLUTION", "without '### BEGIN SOLUTION'"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "inside a solution"),
    ],
)
def test_a_solution_that_cannot_be_stripped_is_refused_everywhere(source, message):
    notebook = master(exercise_cells(solution=source))
    for publish in (format.student, format.reader, format.sheets):
        with pytest.raises(FormatError, match=message):
            publish(notebook)


def test_a_marked_solution_in_an_unmarked_cell_is_stripped_too():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SOLUTION)])
    assert format.is_master(notebook)
    assert "secret" not in nbformat.writes(format.student(notebook))


def test_hidden_tests_in_a_master_are_refused():
    notebook = master(exercise_cells(tests=f"{TESTS}\n### BEGIN HIDDEN TESTS\nassert True"))
    for publish in (format.student, format.reader, format.sheets):
        with pytest.raises(FormatError, match="hidden tests belong in the cases file"):
            publish(notebook)


def test_an_exercise_without_its_statement_or_tests_is_refused():
    setup = nbformat.v4.new_code_cell("x = 1")
    statement, solution, tests = exercise_cells()
    for cells, missing in (
        ([solution, tests], "statement"),
        ([tests, solution], "statement"),
        ([statement, solution], "tests"),
        ([statement, solution, setup], "tests"),
    ):
        with pytest.raises(FormatError, match=f"'double-solution'.*expected its {missing}"):
            format.sheets(nbformat.v4.new_notebook(cells=cells))
    with pytest.raises(FormatError, match="one for each function"):
        format.sheets(master(exercise_cells(), exercise_cells()))


def test_student_command_writes_a_handout_and_refuses_what_is_no_master(tmp_path, capsys):
    source, out = tmp_path / "master.ipynb", tmp_path / "new" / "handout.ipynb"
    nbformat.write(master(exercise_cells()), source)
    assert commands.main(["student", str(source), "-o", str(out)]) == 0
    assert "secret" not in out.read_text()
    before = source.read_bytes()
    assert commands.main(["student", str(source), "-o", str(source)]) == 1
    assert "is the master itself" in capsys.readouterr().err
    assert source.read_bytes() == before
    (tmp_path / "broken.ipynb").write_text("{")
    assert commands.main(["student", str(tmp_path / "broken.ipynb"), "-o", str(out)]) == 1
    assert "broken.ipynb is not a Jupyter notebook" in capsys.readouterr().err
    assert commands.main(["student", str(tmp_path / "none.ipynb"), "-o", str(out)]) == 1
    assert "there is no notebook at" in capsys.readouterr().err


def test_format_is_imported_without_numpy_or_torch():
    code = (
        "import sys, companion.exercises.format, companion.exercises.__main__;"
        "sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# --- the comparer


class Everything:
    """Claims to be equal to everything, and to be a float."""

    __class__ = float
    shape = (2,)
    dtype = np.dtype(float)

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None

    def __float__(self):
        return 1.0

    def __sub__(self, other):
        return 0.0

    def __array__(self, *_, **__):
        return np.array([1.0, 2.0])


class AnyFloat(float):
    """A float that is equal to everything and as near as one likes."""

    def __eq__(self, other):
        return True

    __hash__ = float.__hash__

    def __sub__(self, other):
        return 0.0

    def __rsub__(self, other):
        return 0.0


class AnyArray(np.ndarray):
    """An array that is equal to everything."""

    def __eq__(self, other):
        return np.ones(self.shape, bool)


@pytest.mark.parametrize(
    "solution", [1.0, 1, True, "one", None, [1.0, 2.0], (1.0,), np.array([1.0, 2.0])], ids=repr
)
def test_hostile_values_are_never_right(solution):
    for hostile in (Everything(), AnyFloat(9.0), [Everything()] * 2, (Everything(),)):
        assert difference(solution, hostile) is not None
        assert difference([solution], [hostile]) is not None
        with pytest.raises(values.ValueNotPlain):
            values.dumps(hostile)
    of_objects = np.empty(2, object)
    of_objects[:] = [AnyFloat(9.0)] * 2
    arrays = [np.full(2, 9.0).view(AnyArray), of_objects, np.ma.ones(2)]
    for hostile in arrays:
        assert difference(solution, hostile) is not None
        with pytest.raises(values.ValueNotPlain):
            values.dumps(hostile)
    # Even as its own solution: a cases file must not hold such a thing.
    assert difference(Everything(), Everything()) is not None


def test_types_are_compared_exactly():
    torch = pytest.importorskip("torch")
    alike = [
        1,
        1.0,
        True,
        "1",
        [1],
        (1,),
        np.array(1),
        np.array(1.0),
        np.array(True),
        torch.tensor(1.0),
    ]
    for one in alike:
        for other in alike:
            assert (difference(one, other) is None) == (one is other), (one, other)
    assert difference(True, 1) == "the answer is an int, expected a bool"
    assert difference(np.zeros(2), torch.zeros(2)) == (
        "the answer is a tensor of floats, expected an array of floats"
    )
    assert difference(np.zeros(2, "float32"), np.zeros(2, "float64")) is None


def test_shapes_and_values_are_compared_within_tolerance():
    assert difference(np.zeros((2, 3)), np.zeros((3, 2))) == "the shape is (3, 2), expected (2, 3)"
    assert difference(np.zeros((1, 2)), np.zeros(2)) is not None
    assert difference(100.0, 100.5, absolute=0, relative=0.01) is None
    assert difference(100.0, 102.0, absolute=0, relative=0.01) is not None
    assert difference(np.array([0.0, 5.0]), np.array([0.05, 5.0]), absolute=0.1) is None
    assert difference(np.array([0.0, 5.0]), np.array([0.05, 5.0])) == "1 of 2 values are not right"
    assert difference(10**20, 10**20 + 1) is not None
    assert (
        difference([1, [2.0, "a"]], [1, [2.0, "b"]])
        == "element 1: element 1: the value is not right"
    )
    assert difference([1, 2], [1]) == "the answer has 1 elements, expected 2"


def test_nan_and_infinity_agree_only_with_themselves():
    nan, inf = float("nan"), float("inf")
    assert difference(nan, nan) is None and difference(inf, inf) is None
    assert difference(inf, -inf) is not None and difference(inf, 1e300, relative=1) is not None
    assert difference(1.0, inf, absolute=1e9) is not None and difference(nan, 1.0) is not None
    assert "NaN" in difference(1.0, nan, absolute=inf)
    assert difference(np.array([nan, 1]), np.array([nan, 1])) is None
    assert difference(np.array([nan, 1]), np.array([1, nan])) is not None
    assert difference(np.array([0.0, 1]), np.array([nan, 1]), absolute=inf) == (
        "1 of 2 values are NaN and should not be"
    )
    assert difference(np.array([inf, 1]), np.array([-inf, 1])) is not None


def test_sentences_do_not_give_the_solution_away():
    for solution, answer in (
        (0.123456, 9.0),
        ("hunter2", "x"),
        (np.array([0.123456]), np.array([9.0])),
    ):
        assert not any(
            secret in difference(solution, answer) for secret in ("1234", "hunter", "8.8")
        )


def behaviour(measure):
    return Exercise(
        "f",
        "behaviour",
        1,
        1,
        1,
        lambda rng: {},
        {"a": "", "b": ""},
        measure=measure,
        threshold=1.0,
    )


def test_a_behaviour_is_judged_by_its_measure_and_nan_does_not_pass():
    assert judge(behaviour(lambda answer, drawn: answer), {}, 0.0, 1.0) is None
    assert "expected at most 1" in judge(behaviour(lambda answer, drawn: answer), {}, 0.0, 1.1)
    assert judge(behaviour(lambda answer, drawn: answer), {}, 0.0, float("nan")) is not None
    assert "expected a float" in judge(
        behaviour(lambda answer, drawn: answer), {}, 0.0, Everything()
    )
    with pytest.raises(TypeError, match="measure of 'f' returned"):
        judge(behaviour(lambda answer, drawn: np.zeros(2)), {}, 0.0, 0.0)


# --- values that cross


def test_plain_values_cross_unchanged():
    torch = pytest.importorskip("torch")
    plain = [None, True, 3, -0.5, "井", [1, [2.0]], (1, "a"), float("inf")]
    arrays = [
        np.arange(6.0).reshape(2, 3),
        np.zeros((0, 3)),
        np.array(2),
        torch.arange(4),
        torch.ones(1, 2),
    ]
    for value in [*plain, *arrays, (arrays[0], plain)]:
        assert difference(value, values.loads(values.dumps(value))) is None
    assert type(values.loads(values.dumps(np.float32(0.5)))) is float
    assert type(values.loads(values.dumps(np.int64(5)))) is int
    assert values.loads(values.dumps(np.arange(3)[::-1])).tolist() == [2, 1, 0]


def test_what_is_too_large_or_too_deep_does_not_cross():
    nested = []
    nested.append(nested)
    for value in (
        nested,
        np.zeros(values.MAX_BYTES),
        "x" * (values.MAX_BYTES + 1),
        {"a": 1},
        1j,
        object(),
    ):
        with pytest.raises(values.ValueNotPlain):
            values.dumps(value)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"array": "object", "shape": [1], "data": "AAAAAAAAAAA="}',
        '{"array": "float64", "shape": [-1], "data": ""}',
        '{"array": "float64", "shape": [99999999999], "data": "AAAA"}',
        '{"array": "float64", "shape": [true], "data": "AAAAAAAAAAA="}',
        '{"array": ["float64"], "shape": [1], "data": "AAAAAAAAAAA="}',
        '{"array": "float64", "shape": 7, "data": "AAAAAAAAAAA="}',
        '{"array": "float64", "shape": [1], "data": 7}',
        '{"tuple": 5}',
        '{"class": "os.system"}',
        "[" * 100_000,
        "9" * 10_000,
    ],
    ids=range(12),
)
def test_forged_text_is_refused(text):
    with pytest.raises(values.ValueNotPlain):
        values.loads(text)


# --- answers in processes of their own


@pytest.fixture(scope="module")
def worker():
    if not hasattr(os, "fork"):
        pytest.skip("answers are run in forked processes, which this system lacks")
    with Worker() as running:
        yield running


def test_an_answer_gives_values_and_the_outcome_of_its_tests(worker):
    setup, answer = "factor = 2", "def f(x):\n    return factor * x"
    result = worker.run([setup, answer], "f", [{"x": 3}, {"x": "ab"}], tests="assert f(1) == 2")
    assert result.values == [(6, None), ("abab", None)]
    assert result.error is None and result.tests is None
    result = worker.run([setup, answer], "f", [{"x": 3}], tests="assert f(1) == 5, 'look again'")
    assert result.tests == "AssertionError: look again" and result.values == [(6, None)]


def test_mistakes_are_told_apart(worker):
    run = lambda source: worker.run([source], "f", [{}]).values[0][1]  # noqa: E731
    assert "there is no function 'f'" in run("g = 1")
    assert "SyntaxError" in run("def f(:")
    assert "ZeroDivisionError" in run("def f():\n    return 1 / 0")
    assert "NotImplementedError" in run("def f():\n    raise NotImplementedError()")
    assert "the value is a __main__.A" in run("class A: pass\ndef f():\n    return A()")
    assert "SystemExit" in run("def f():\n    raise SystemExit")
    assert "unexpected keyword" in worker.run(["def f(): pass"], "f", [{"x": 1}]).values[0][1]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("while True: pass", "stopped after 1 s"),
        (
            "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)",
            "stopped",
        ),
        (
            "import os, time\nif os.fork():\n    time.sleep(60)\nelse:\n    while True: pass",
            "stopped",
        ),
        ("import os; os._exit(0)", "ended early"),
        ("import os; os.kill(os.getpid(), 9)", "ended early"),
    ],
    ids=["loop", "sleep", "children", "exit", "killed"],
)
def test_an_answer_that_never_returns_or_dies_is_stopped_alone(worker, source, reason):
    began = time.monotonic()
    result = worker.run([source], "f", [{}], limit=1.0)
    assert reason in result.error and result.values == [(None, result.error)]
    assert time.monotonic() - began < 10
    assert worker.run(["def f():\n    return 1"], "f", [{}]).values == [(1, None)]


def test_answers_do_not_see_each_other(worker):
    worker.run(["import math\nmath.pi = 3\nleft = 1\ndef f():\n    return math.pi"], "f", [{}])
    after = worker.run(
        ["import math\ndef f():\n    return math.pi, 'left' in globals()"], "f", [{}]
    )
    assert after.values[0][0] == (np.pi, False)


def test_printing_does_not_disturb_the_answer(worker):
    source = "print('x' * 99_999)\ndef f():\n    print(1)\n    return 2"
    assert worker.run([source], "f", [{}]).values == [(2, None)]


def test_a_value_that_is_too_large_is_told_from_a_wrong_one(worker):
    result = worker.run(["import numpy as np\ndef f():\n    return np.zeros(10**7)"], "f", [{}])
    assert "more than 4000000" in result.values[0][1]


def test_calls_do_not_share_their_inputs():
    call = values.dumps([["x", [1]]])
    cell = "def f(x):\n    x.append(2)\n    return x"
    job = {"cells": [cell], "tests": None, "function": "f", "calls": [call, call], "limit": 1}
    assert [text for _, text in run_job(job)["values"]] == ["[1, 2]", "[1, 2]"]


# --- the gate

MINI_CASES = """
from companion.exercises import Exercise

def double(name, kind, **more):
    inputs = lambda rng: {"number": int(rng.integers(3, 99))}
    keys = {"level": 1, "points": 2, "minutes": 5, "inputs": inputs}
    source = "def " + name + "(number):\\n    return "
    wrong = {"square": source + "number**2", "add two": source + "number + 2"}
    return Exercise(**{"function": name, "kind": kind, "wrong": wrong} | keys | more)

EXERCISES = [
    double("one", "number"),
    double("two", "write", assigned=True),
    double("three", "bug"),
    double("four", "behaviour"),
]
"""


@pytest.fixture
def mini(tmp_path):
    """A folder with one good chapter, part/mini, that tests may spoil."""
    kinds = {"one": "number", "two": "write", "three": "bug", "four": "behaviour"}
    sheets = []
    for name, kind in kinds.items():
        cells = exercise_cells(
            name,
            SOLUTION.replace("double", name),
            TESTS.replace("double", name),
            assigned=name == "two",
        )
        cells[
            0
        ].source = f"## {name}\n\n*{cases.KINDS[kind].capitalize()}: 2 points, 5 minutes, level 1.*"
        sheets.append(cells)
    (tmp_path / "part").mkdir()
    nbformat.write(master(*sheets), tmp_path / "part" / "mini.ipynb")
    (tmp_path / "part" / "mini_cases.py").write_text(MINI_CASES)
    return tmp_path


def spoil(folder, name, old, new):
    path = folder / "part" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_gate_passes_a_good_chapter(worker, mini):
    report = gate.check(worker, "part/mini", mini)
    assert report.problems == []
    assert len(report.lines) == 4 * (1 + 1 + 2)
    assert gate.chapters(mini) == ["part/mini"]


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        (
            "mini.ipynb",
            "secret = number + number",
            "secret = number + 1",
            "one: the solution fails",
        ),
        (
            "mini.ipynb",
            "secret = number",
            "import time; secret = int(time.time() * 1e6) * number",
            "run twice",
        ),
        (
            "mini.ipynb",
            "    ### BEGIN SOLUTION",
            "    return 2 * number\\n    ### BEGIN SOLUTION",
            "untouched stub",
        ),
        (
            "mini.ipynb",
            "2 points, 5 minutes",
            "3 points, 5 minutes",
            "the statement lacks the line",
        ),
        (
            "mini.ipynb",
            '"points": 2',
            '"points": 7',
            "7 points in the master's tests cell, 2 in the cases",
        ),
        ("mini.ipynb", '"assigned"', '"other"', "the tag 'assigned'"),
        ("mini.ipynb", "assert one(0) == 0", "one(0) == 0", "asserts nothing"),
        (
            "mini.ipynb",
            "assert one(0) == 0",
            "assert one(1) == 2",
            "no wrong answer passes every public",
        ),
        ("mini_cases.py", "number + 2", "number * 2", "wrong answer (add two) is taken for right"),
        ("mini_cases.py", "number**2", "float(number**2)", "never of the right type and shape"),
        ("mini_cases.py", "assigned=True", "assigned=False", "exactly one assigned"),
        ("mini_cases.py", '"bug"', '"write"', "no exercise is a silent bug to find"),
        ("mini_cases.py", '    double("four", "behaviour"),', "", "list the same exercises"),
        (
            "mini_cases.py",
            '    double("four", "behaviour"),',
            "",
            "3 exercises, expected at least 4",
        ),
    ],
)
def test_gate_finds_what_is_wrong(worker, mini, name, old, new, problem):
    spoil(mini, name, old, new)
    problems = gate.check(worker, "part/mini", mini).problems
    assert any(problem in found for found in problems), problems


def test_gate_finds_an_answer_that_takes_too_long(worker, mini, monkeypatch):
    monkeypatch.setattr(gate, "LONGEST", 0.03)
    spoil(mini, "mini.ipynb", "secret = number", "sum(range(4 * 10**6)); secret = number")
    assert any(
        "an answer takes" in problem for problem in gate.check(worker, "part/mini", mini).problems
    )


def test_gate_names_an_unknown_chapter_and_bad_cases(worker, mini, capsys):
    with pytest.raises(ValueError, match=r"no exercises for 'part/nil': expected one of part/mini"):
        gate.check(worker, "part/nil", mini)
    for old, new, problem in (
        ("EXERCISES", "TASKS", "expected EXERCISES"),
        ('"number"', '"puzzle"', "kind is 'puzzle'"),
        ('"minutes": 5', '"minutes": 0', "minutes is 0, expected a whole number above 0"),
        ('"add two": source + "number + 2"', "", "1 wrong answers, expected at least two"),
        ('"level": 1', '"level": 9', "level is 9, expected 1, 2 or 3"),
    ):
        (mini / "part" / "mini_cases.py").write_text(MINI_CASES.replace(old, new))
        with pytest.raises(CasesError, match=problem):
            gate.check(worker, "part/mini", mini)
    assert commands.main(["gate", "part/nil"]) == 1
    assert "there are no exercises for 'part/nil'" in capsys.readouterr().err


def test_a_variant_is_the_same_each_time_and_another_for_another_seed():
    exercise = Exercise(
        "f",
        "write",
        1,
        1,
        1,
        lambda rng: {"x": rng.random(3), "kept": 1},
        {"a": "", "b": ""},
        withheld=("kept",),
    )
    assert exercise.draw(5)[0]["x"].tolist() == exercise.draw(5)[0]["x"].tolist()
    assert exercise.draw(5)[0]["x"].tolist() != exercise.draw(6)[0]["x"].tolist()
    assert list(exercise.arguments(exercise.draw(5)[0])) == ["x"]


@pytest.mark.parametrize("chapter", gate.chapters())
def test_gate_on_the_book(worker, chapter):
    report = gate.check(worker, chapter)
    assert report.problems == [], "\n".join(report.lines)


# --- the chapters' own solutions, against independent ones


def sketch_rnn_solutions():
    torch = pytest.importorskip("torch")
    sheets = format.sheets(format.read(gate.FOLDER / "vision" / "sketch_rnn.ipynb"))
    space = {"np": np, "torch": torch, "math": __import__("math")}
    for sheet in sheets.values():
        exec(sheet.solution, space)
    return torch, space


def test_sketch_rnn_solutions_agree_with_closed_forms():
    torch, space = sketch_rnn_solutions()
    assert round(space["kl_weight"](10_000), 3) == 0.2
    (inputs,) = next(
        e
        for e in cases.load(gate.FOLDER / "vision/sketch_rnn_cases.py")
        if "mixture" in e.function and e.kind == "write"
    ).draw(1)
    deviations, correlations = inputs["deviations"], inputs["correlations"]
    covariances = torch.diag_embed(deviations**2)
    covariances[..., 0, 1] = covariances[..., 1, 0] = correlations * deviations.prod(dim=2)
    components = torch.distributions.MultivariateNormal(inputs["means"], covariances)
    weights = torch.distributions.Categorical(logits=inputs["logits"])
    exact = torch.distributions.MixtureSameFamily(weights, components).log_prob(inputs["offsets"])
    assert torch.allclose(space["mixture_log_likelihood"](**inputs), exact, rtol=1e-9)
    means, log_variances = torch.randn(2, 4, 6, dtype=torch.float64)
    encoded = torch.distributions.Normal(means, (log_variances / 2).exp())
    exact = torch.distributions.kl_divergence(encoded, torch.distributions.Normal(0.0, 1.0)).mean()
    assert torch.allclose(space["kl_loss"](means, log_variances, 0.0), exact)


def test_sketch_rnn_strokes_go_there_and_back():
    _, space = sketch_rnn_solutions()
    strokes = np.array([[1.0, 2, 0], [3, -1, 1], [0, 5, 0], [2, 2, 1]])
    for length in (4, 5, 9):
        assert (
            space["to_stroke3"](space["to_stroke5"](strokes, length)).tolist() == strokes.tolist()
        )


# --- the built book


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A small book with the extension and two exercise sheets, built as the real book is."""
    pytest.importorskip("jupyter_book")
    folder = tmp_path_factory.mktemp("book")
    notebook = master(
        exercise_cells("open_one"),
        exercise_cells("locked", SOLUTION.replace("secret", "xyzzy"), assigned=True),
    )
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Exercises"))
    (folder / "exercises").mkdir()
    nbformat.write(notebook, folder / "exercises" / "mini.ipynb")
    (folder / "exercises" / "mini_cases.py").write_text("HIDDEN = 'cases of the exercises'")
    (folder / "intro.md").write_text("# A book\n")
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: intro\nchapters:\n- file: exercises/mini\n"
    )
    shutil.copytree(ROOT / "book" / "_ext", folder / "_ext")
    (folder / "_config.yml").write_text(
        "title: Mini\nonly_build_toc_files: true\nexecute: {execute_notebooks: 'off'}\n"
        "exclude_patterns: ['**/*.py', '_build']\n"
        "sphinx:\n  local_extensions: {exercises: _ext}\n"
        "  config:\n"
        "    nb_custom_formats: {.ipynb: [companion.exercises.format.read_for_page, {}, false]}\n"
    )
    return folder


def build(folder, **environment):
    """Build the small book; returns its html folder and every text in it by path."""
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        "-W",
        "-n",
        "--keep-going",
        str(folder),
    ]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    problems = [line for line in done.stderr.splitlines() if "WARNING" in line]
    assert done.returncode == 0 and not problems, done.stdout + done.stderr
    html = folder / "_build" / "html"
    texts = {
        path.relative_to(html).as_posix(): path.read_text(errors="replace")
        for path in html.rglob("*")
        if path.is_file()
    }
    return html, texts


def test_the_site_gives_nothing_away(site):
    build(site)
    _, texts = build(site)  # again, over what the first build has rewritten
    page, source = texts["exercises/mini.html"], texts["_sources/exercises/mini.ipynb"]
    assert "Show the solution" in page and "NotImplementedError" in page
    assert "twice nothing is nothing" in page, "the public tests are shown"
    assert not [path for path, text in texts.items() if "xyzzy" in text], "assigned solution"
    assert [path for path, text in texts.items() if "secret</span>" in text] == [
        "exercises/mini.html"
    ]
    assert "secret" not in source and "BEGIN SOLUTION" not in source
    assert not [
        path for path, text in texts.items() if "cases of the exercises" in text or "_cases" in path
    ]
    assert not [path for path, text in texts.items() if "BEGIN SOLUTION" in text]
    assert (
        nbformat.reads(source, as_version=4).cells[3].source.endswith("raise NotImplementedError()")
    )
    _, texts = build(site, SOLUTIONS="off")
    assert "Show the solution" not in texts["exercises/mini.html"]
    assert not [path for path, text in texts.items() if "secret</span>" in text]


@pytest.mark.parametrize("chapter", gate.chapters())
def test_the_real_book_gives_nothing_away(chapter):
    html = ROOT / "book" / "_build" / "html"
    source = html / "_sources" / "exercises" / f"{chapter}.ipynb"
    if not source.is_file():
        pytest.skip("the book is not built: run `make book` first")
    assigned = [
        s
        for s in format.sheets(format.read(gate.FOLDER / f"{chapter}.ipynb")).values()
        if s.assigned
    ]
    for sheet in assigned:
        stub = set(map(str.strip, sheet.stub.splitlines()))
        longest = max(
            (line.strip() for line in sheet.solution.splitlines() if line.strip() not in stub),
            key=len,
        )
        page = (html / "exercises" / f"{chapter}.html").read_text()
        plain = "".join(part.partition(">")[2] for part in page.split("<"))
        assert "raise NotImplementedError()" in plain
        assert longest not in plain and longest not in source.read_text()
    assert not list(html.rglob("*_cases*"))
    assert "BEGIN SOLUTION" not in source.read_text()
