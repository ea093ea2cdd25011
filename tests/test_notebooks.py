"""Notebooks are made from their sources, run, and kept only when whole."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from tools import contracts, notebooks

TOOL = Path(notebooks.__file__)
SOURCE = """\
# %% [markdown]
# # A title

# %% tags=["hide-input"]
import os, sys
print("size", os.environ["COURSE_SIZE"], flush=True)
print("aside", file=sys.stderr, flush=True)
print("1 %\\r2 %\\r\\nmore")

# %%
%config InlineBackend.close_figures = True
held = bytearray(200 * 2**20)
len(held)
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "small.py"
    path.write_text(SOURCE.replace("%config", "# %config"))
    return path


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A source that was executed through the command line."""
    path = tmp_path_factory.mktemp("executed") / "small.py"
    path.write_text(SOURCE.replace("%config", "# %config"))
    done = subprocess.run(
        [sys.executable, TOOL, "execute", path],
        capture_output=True,
        text=True,
        env={**os.environ, "COURSE_SIZE": "smoke"},
    )
    assert done.returncode == 0, done.stderr
    return path.with_suffix(".ipynb")


def read(path):
    return nbformat.read(path, as_version=4)


def test_the_run_is_kept_whole_with_what_it_took(executed):
    notebook = read(executed)
    first, second = (cell for cell in notebook.cells if cell.cell_type == "code")
    streams = {output.name: output.text for output in first.outputs}
    assert streams["stdout"] == "size laptop\n2 %\nmore\n"
    assert streams["stderr"] == "aside\n"
    assert len(first.outputs) == 2
    assert second.outputs[0].data["text/plain"] == str(200 * 2**20)
    assert second.source.startswith("%config")
    course = notebook.metadata["course"]
    assert course["size"] == "laptop"
    assert course["code"] == contracts.code_digest(notebook)
    assert 200 < course["peak_mib"] < 1000
    assert 0 < course["minutes"] < 30
    assert set(course["versions"]) == {"python", "torch", "numpy", "matplotlib"}
    assert contracts.measurement_faults(notebook) == contracts.output_faults(notebook) == []
    assert contracts.pair_faults(executed) == []


def test_nothing_of_the_time_or_place_of_the_run_is_kept(executed):
    notebook = read(executed)
    assert [dict(cell.metadata) for cell in notebook.cells] == [{}, {"tags": ["hide-input"]}, {}]
    assert set(notebook.metadata) == {"kernelspec", "language_info", "course"}
    assert str(executed.parent) not in executed.read_text()


def test_sync_keeps_the_outputs_of_unchanged_cells_alone(executed, tmp_path):
    source, target = tmp_path / "small.py", tmp_path / "small.ipynb"
    target.write_bytes(executed.read_bytes())
    text = executed.with_suffix(".py").read_text()
    edited = text.replace("# # A title", "# # Another title").replace("len(held)", "len(held) + 1")
    source.write_text(edited)
    assert notebooks.sync(source) == "made"
    title, kept, changed = read(target).cells
    assert title.source == "# Another title"
    assert kept.outputs and kept.execution_count == 1
    assert changed.outputs == [] and changed.execution_count is None
    assert contracts.pair_faults(target) == []
    assert "other code" in "".join(contracts.measurement_faults(read(target)))

    source.write_text(edited.replace("len(held) + 1", "len(held)"))
    notebooks.sync(source)
    assert contracts.measurement_faults(read(target)) == []


def test_sync_leaves_a_notebook_in_order_untouched(source):
    target = source.with_suffix(".ipynb")
    assert notebooks.sync(source) == "made"
    before = target.read_bytes()
    assert notebooks.sync(target) == "unchanged"
    assert target.read_bytes() == before


def test_the_same_source_gives_the_same_bytes_and_cell_names_that_hold(source, tmp_path):
    (tmp_path / "b").mkdir()
    other = tmp_path / "b" / "small.py"
    other.write_text(source.read_text() + "\n# %% [markdown]\n# New.\n\n# %% [markdown]\n# New.\n")
    notebooks.sync(source)
    notebooks.sync(other)
    names = [cell.id for cell in read(other.with_suffix(".ipynb")).cells]
    assert names[:3] == [cell.id for cell in read(source.with_suffix(".ipynb")).cells]
    assert len(set(names)) == 5


def test_a_notebook_without_source_and_a_damaged_notebook_are_named(tmp_path, source):
    with pytest.raises(notebooks.NotebookFault, match=r"no .*absent\.py"):
        notebooks.sync(tmp_path / "absent.ipynb")
    source.with_suffix(".ipynb").write_text('{"cells": [')
    with pytest.raises(notebooks.NotebookFault, match=r"small\.ipynb is no notebook.*Delete it"):
        notebooks.sync(source)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("raise ValueError('no such stroke')", "no such stroke"),
        ("print('/ho' + 'me/ada/course')", "Cell 1 shows the local path '/home/ada/course'"),
        ("print('x' * 1_000_000)", r"would have 1,0.* bytes.*of cells 1\."),
        ("import os; os._exit(1)", "kernel died"),
        ("open('it_ran', 'w')\n" * 26, "Code cell 1 has 26 lines"),
    ],
)
def test_a_run_that_cannot_be_kept_leaves_the_old_notebook(tmp_path, capsys, cell, message):
    source, target = tmp_path / "small.py", tmp_path / "small.ipynb"
    source.write_text(f"# %%\n{cell}\n")
    target.write_text("old")
    assert notebooks.main(["execute", str(source)]) == 1
    assert target.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["small.ipynb", "small.py"]
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupted_run_leaves_the_old_notebook_and_no_kernel(tmp_path):
    source, target = tmp_path / "small.py", tmp_path / "small.ipynb"
    started = tmp_path / "kernel"
    source.write_text(
        "# %%\nimport os, pathlib, time\n"
        "pathlib.Path('kernel').write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    target.write_text("old")
    tool = subprocess.Popen(
        [sys.executable, TOOL, "execute", source], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 300
    while not (started.is_file() and started.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    tool.send_signal(signal.SIGINT)
    _, error = tool.communicate(timeout=60)
    assert tool.returncode == 130, error
    assert "interrupted; its notebook is as it was" in error
    assert target.read_text() == "old"
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_full_disk_leaves_the_old_notebook(source, monkeypatch, capsys):
    target = source.with_suffix(".ipynb")
    notebooks.sync(source)
    before = target.read_bytes()
    source.write_text(source.read_text() + "\n# %%\nmore = 1\n")

    def write_half(path, data):
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_half)
    assert notebooks.main(["sync", str(source)]) == 1
    assert "Free some space" in capsys.readouterr().err
    assert target.read_bytes() == before


def test_check_run_runs_at_smoke_size_and_keeps_nothing(source, monkeypatch):
    source.write_text('# %%\nimport os\nassert os.environ["COURSE_SIZE"] == "smoke"\n')
    assert "seconds of one core" in notebooks.check_run(source)
    assert not source.with_suffix(".ipynb").exists()
    monkeypatch.setattr(notebooks, "MOST_SMOKE_SECONDS", 0)
    with pytest.raises(notebooks.NotebookFault, match="Train fewer steps"):
        notebooks.check_run(source)


def test_check_tells_a_pair_that_differs(source, capsys):
    notebooks.sync(source)
    assert notebooks.main(["check", str(source)]) == 0
    data = json.loads(source.with_suffix(".ipynb").read_text())
    data["cells"][0]["source"] = ["# Changed"]
    source.with_suffix(".ipynb").write_text(json.dumps(data))
    assert notebooks.main(["check", str(source)]) == 1
    assert "Cell 1 ('# A title') differs" in capsys.readouterr().err


def test_a_chapter_may_be_named_by_part_and_name():
    path = notebooks.resolve("vision/sketch_rnn")
    assert path == notebooks.ROOT / "book" / "chapters" / "vision" / "sketch_rnn.py"
    assert notebooks.resolve("x/y.ipynb") == Path("x/y.ipynb")
