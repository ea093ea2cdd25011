"""Every chapter keeps to its contracts, and each contract refuses a chapter that breaks it."""

import json
import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from tools import contracts
from tools.contracts import Chapter

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = contracts.chapters(ROOT)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=str)
def test_the_chapter_keeps_to_every_contract(chapter):
    assert contracts.faults(chapter) == []


def test_the_table_of_chapters_tells_the_truth():
    assert contracts.table_faults(ROOT) == []


def test_companion_knows_neither_the_book_nor_its_tools():
    assert contracts.import_faults(ROOT) == []


# --- a small chapter that keeps to every contract, for breaking in each way

HEAD = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A small chapter
#
# It has `all` it needs: $x^2$, and a [link](https://example.org/home/page).

# %%
import math

print(math.pi)

# %% tags=["remove-input"]
show(figure, alt="A line")

# %% [markdown]
# ![A drawing of a pen](pen.png)
#
# ```python
# ## Not a heading
# ```

"""
SOURCE = HEAD + "\n".join(f"# %% [markdown]\n# ## {name}\n" for name in contracts.SECTIONS)
FIGURE = '<figure><img alt="A line" src="data:image/png;base64,AA/tmp/AA"></figure>'
DRAWING = '<svg aria-label="A line"><svg></svg></svg>'  # the inner one is a part of it
SOUND = '<audio controls aria-label="A tone" src="data:audio/wav;base64,AA"></audio>'


def claim(name):
    runs = [{"seed": seed, "metrics": {"bound": 1.0}, "minutes": 1.0} for seed in range(5)]
    return {
        "chapter": name,
        "kind": "reproduced",
        "verdict": "inconclusive",
        "method": "new",
        "baseline": "old",
        "arms": {"new": {"runs": runs}, "old": {"runs": runs}},
        "stamp": {"code": "0" * 64, "machine": "2-core x86_64"},
    }


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def paired(path, source):
    """Write a source and the notebook that tools/notebooks.py would make of it, as if run."""
    write(path.with_suffix(".py"), source)
    notebook = jupytext.reads(source, fmt="py:percent")
    notebook.metadata.pop("jupytext")
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            shown = nbformat.v4.new_output("display_data", {"text/html": FIGURE})
            if "print" in cell.source:
                shown = nbformat.v4.new_output("stream", name="stdout", text="3.14159\n")
            cell.outputs = [shown]
    notebook.metadata["course"] = {
        "code": contracts.code_digest(notebook),
        "machine": "2-core x86_64",
        "minutes": 8.2,
        "peak_mib": 900,
        "size": "laptop",
        "versions": {"python": "3.11.7"},
    }
    nbformat.write(notebook, path)


@pytest.fixture
def chapter(tmp_path):
    made = Chapter(tmp_path, "vision", "small")
    paired(made.notebook, SOURCE)
    for room in contracts.ROOMS:
        write(made.package / room)
    write(made.package / "train.py", "from companion.vision.small import data, model\n")
    write(made.package / "weights.safetensors", "weights")
    write(made.package / "claim.json", json.dumps(claim("vision/small")))
    write(made.live / "demo.js", "export function start() {}\n")
    write(made.live / "model.onnx", "graph")
    paired(made.exercises / "small.ipynb", HEAD)
    write(made.exercises / "small_cases.py")
    write(
        tmp_path / "book" / "chapters.yml",
        "- {part: vision, name: small, ready: true, minutes: {human: 60, machine: 8}}\n"
        "- {part: vision, name: later, ready: false, minutes: null}\n",
    )
    return made


def test_a_chapter_in_order_is_passed(chapter):
    assert contracts.chapters(chapter.root) == [chapter]
    assert contracts.faults(chapter) == []
    assert contracts.table_faults(chapter.root) == []
    assert contracts.import_faults(chapter.root) == []


def test_a_repository_without_chapters_is_passed(tmp_path):
    assert contracts.chapters(tmp_path) == []


def with_notebook(change):
    """A breakage that changes the notebook as read."""

    def breakage(chapter):
        notebook = nbformat.read(chapter.notebook, as_version=4)
        change(notebook)
        nbformat.write(notebook, chapter.notebook)

    return breakage


def with_source(change):
    """A breakage that changes the source, and the notebook with it."""

    def breakage(chapter):
        paired(chapter.notebook, change(chapter.notebook.with_suffix(".py").read_text()))

    return breakage


def with_claim(change):
    def breakage(chapter):
        changed = claim("vision/small")
        change(changed)
        write(chapter.package / "claim.json", json.dumps(changed))

    return breakage


def with_file(place, text):
    return lambda chapter: write(chapter.root / place, text)


def without(place):
    return lambda chapter: (chapter.root / place).unlink()


def edit_the_source_alone(chapter):
    source = chapter.notebook.with_suffix(".py")
    source.write_text(SOURCE.replace("math.pi", "math.e"))


def add_a_cell_to_the_source_alone(chapter):
    source = chapter.notebook.with_suffix(".py")
    source.write_text(SOURCE + "\n# %% [markdown]\n# More.\n")


def tag_the_source_alone(chapter):
    source = chapter.notebook.with_suffix(".py")
    source.write_text(SOURCE.replace("remove-input", "hide-input"))


def change_code(notebook):
    notebook.cells[1].source = "print(3)"


def strip_outputs(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def strip_one_output(notebook):
    notebook.cells[1].outputs = []


def run_out_of_order(notebook):
    notebook.cells[1].execution_count = 7


def end_in_an_error(notebook):
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="bad", traceback=[])
    notebook.cells[1].outputs = [error]


def show_text(text):
    def change(notebook):
        notebook.cells[1].outputs = [nbformat.v4.new_output("stream", name="stderr", text=text)]

    return change


def show_html(html):
    def change(notebook):
        notebook.cells[2].outputs = [nbformat.v4.new_output("display_data", {"text/html": html})]

    return change


def show_a_bare_picture(notebook):
    notebook.cells[2].outputs = [nbformat.v4.new_output("display_data", {"image/png": "AAAA"})]


def record(**changes):
    return lambda notebook: notebook.metadata["course"].update(changes)


def remove_the_record(notebook):
    del notebook.metadata["course"]


def keep_a_path_in_a_widget(notebook):
    notebook.metadata["widgets"] = {"state": {"value": "/home/ada/model"}}


def section(name):
    return f"# %% [markdown]\n# ## {name}\n"


def swap(first, second):
    def change(source):
        held = source.replace(section(first), "@@").replace(section(second), section(first))
        return held.replace("@@", section(second))

    return change


def add(text):
    return lambda source: source + "\n" + text


PROSE = "# %% [markdown]\n"
BREAKAGES = {
    "source edited alone": (edit_the_source_alone, "Cell 2 .* differs"),
    "cell added to the source alone": (
        add_a_cell_to_the_source_alone,
        "has 17 cells and small.ipynb has 16",
    ),
    "tag changed in the source alone": (tag_the_source_alone, "Cell 3 .* differs"),
    "no notebook": (without("book/chapters/vision/small.ipynb"), "small.ipynb is missing"),
    "no source": (without("book/chapters/vision/small.py"), "small.py is missing"),
    "damaged notebook": (with_file("book/chapters/vision/small.ipynb", "{"), "is no notebook"),
    "code changed since the run": (with_notebook(change_code), "outputs are of other code"),
    "all outputs stripped": (with_notebook(strip_outputs), "has execution count None, expected 1"),
    "one output stripped": (with_notebook(strip_one_output), "Code cell 2 .* has no output"),
    "run out of order": (with_notebook(run_out_of_order), "has execution count 7, expected 1"),
    "an error shown": (with_notebook(end_in_an_error), "Code cell 2 ended in ValueError: bad"),
    "no run recorded": (with_notebook(remove_the_record), "records no run"),
    "run at smoke": (with_notebook(record(size="smoke")), "of size 'smoke'"),
    "no minutes": (with_notebook(record(minutes=None)), "minutes is None"),
    "no memory": (with_notebook(record(peak_mib=0)), "peak_mib is 0"),
    "too much memory": (with_notebook(record(peak_mib=5000)), "used 5,000 MiB; at most 4,096"),
    "no machine": (with_notebook(record(machine="")), "machine is not recorded"),
    "path on Linux": (with_notebook(show_text("in /home/ada/x.py:3")), "path '/home/ada/x.py:3'"),
    "path of root": (with_notebook(show_text("file:///root/x")), "local path '/root/x'"),
    "path of a kernel": (with_notebook(show_text("/tmp/ipykernel_3/1.py:1: Warn")), "path '/tmp/"),
    "path of a mounted disk": (with_notebook(show_text("in /work/course")), "local path '/work/"),
    "path on macOS": (with_notebook(show_text("/Users/ada/course")), "local path '/Users/ada"),
    "path on Windows": (with_notebook(show_text("C:\\Users\\ada\\x.py")), "local path 'C:"),
    "path in HTML": (with_notebook(show_html(FIGURE + "/home/ada")), "Cell 3 .* '/home/ada'"),
    "path in a widget": (with_notebook(keep_a_path_in_a_widget), "metadata .* a local path"),
    "path in prose": (with_source(add(PROSE + "# Look in /home/ada/data.")), "path '/home/ada"),
    "too large": (with_notebook(show_text("x" * 1_000_000)), "bytes; at most 1,000,000"),
    "too many words": (with_source(add(PROSE + "# " + "word " * 4500)), "words; at most 4,500"),
    "too many cells": (with_source(add("# %%\nx = 1\n\n" * 59)), "61 code cells; at most 60"),
    "a long cell": (with_source(add("# %%\n" + "x = 1\n" * 26)), "has 26 lines; at most 25"),
    "no title": (with_source(lambda source: source.replace("# # A", "# A")), "holds no title"),
    "a section missing": (
        with_source(lambda source: source.replace(section("Train it"), "")),
        "Missing sections: '## Train it'",
    ),
    "a section in a code block only": (
        with_source(lambda source: source.replace("## Recall", "```\n# ## Recall\n# ```")),
        "Missing sections: '## Recall'",
    ),
    "sections swapped": (with_source(swap("Look inside", "Train it")), "in this order"),
    "a section twice": (with_source(add(section("Recall"))), "each once"),
    "a picture without text": (with_notebook(show_a_bare_picture), "Cell 3 shows a picture"),
    "an img without text": (
        with_notebook(show_html(FIGURE.replace('alt="A line"', 'alt=" "'))),
        "Cell 3 shows a picture without alternative text",
    ),
    "an svg without label": (with_notebook(show_html("<svg></svg>")), "without aria-label"),
    "an svg without label after one with parts": (
        with_notebook(show_html(f"{DRAWING}<svg></svg>")),
        "without aria-label",
    ),
    "a player without label": (
        with_notebook(show_html("<audio src='x'></audio><figcaption>A tone</figcaption>")),
        "player .audio. without aria-label",
    ),
    "a player without caption": (
        with_notebook(show_html(f"<figure>{SOUND}</figure>")),
        "a player without a caption",
    ),
    "a Markdown picture without text": (
        with_source(lambda source: source.replace("![A drawing of a pen]", "![]")),
        "Cell 4 shows a picture without alternative text",
    ),
    "a figure directive without text": (
        with_source(add(PROSE + "# ```{figure} pen.png\n# A pen\n# ```")),
        "shows a picture without :alt:",
    ),
    "a room missing": (without("companion/vision/small/live.py"), "live.py is missing"),
    "weights missing": (
        without("companion/vision/small/weights.safetensors"),
        "weights.safetensors is missing",
    ),
    "model imports training": (
        with_file("companion/vision/small/model.py", "from companion.vision.small import train"),
        "model.py:1 imports companion.vision.small.train",
    ),
    "model imports training, relatively": (
        with_file("companion/vision/small/model.py", "def f():\n    from .train import fit\n"),
        "model.py:2 imports companion.vision.small.train.fit",
    ),
    "data imports the model": (
        with_file("companion/vision/small/data.py", "import companion.vision.small.model as m"),
        "data.py:1 imports companion.vision.small.model",
    ),
    "claim missing": (without("companion/vision/small/claim.json"), "claim.json is missing"),
    "claim damaged": (with_file("companion/vision/small/claim.json", "{}"), "form of a claim"),
    "claim of another chapter": (with_claim(lambda c: c.update(chapter="rl/x")), "chapter 'rl/x'"),
    "claim of few seeds": (
        with_claim(lambda c: c["arms"]["new"]["runs"].pop()),
        "4 seeds of 'new'",
    ),
    "claim with a seed twice": (
        with_claim(lambda c: c["arms"]["old"]["runs"][1].update(seed=0)),
        "4 seeds of 'old'",
    ),
    "claim without baseline": (with_claim(lambda c: c["arms"].pop("old")), "and 'old'"),
    "claim of five arms": (
        with_claim(lambda c: c["arms"].update(dict.fromkeys("abc", c["arms"]["new"]))),
        "at most 4",
    ),
    "claim without verdict": (with_claim(lambda c: c.update(verdict="yes")), "verdict 'yes'"),
    "claim without stamp": (with_claim(lambda c: c.update(stamp={})), "no stamp"),
    "no demo": (without("book/live/vision/small/demo.js"), "demo.js is missing"),
    "no graph": (without("book/live/vision/small/model.onnx"), "holds no .onnx graph"),
    "a heavy page": (
        with_file("book/live/vision/small/table.json", "1" * 4_000_000),
        "bytes; at most 4,000,000",
    ),
    "no exercises": (without("book/exercises/vision/small.py"), "exercises/vision/small.py is"),
    "no cases": (without("book/exercises/vision/small_cases.py"), "small_cases.py is missing"),
    "exercises edited alone": (
        with_file("book/exercises/vision/small.py", HEAD.replace("pi", "e")),
        "Cell 2 .* differs",
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_chapter_is_refused_with_the_reason(chapter, breakage):
    break_it, message = BREAKAGES[breakage]
    break_it(chapter)
    found = contracts.faults(chapter)
    assert [fault for fault in found if re.search(message, fault)], found
    assert all(fault.startswith("vision/small: ") for fault in found)


def change_prose(chapter):
    source = chapter.notebook.with_suffix(".py").read_text()
    edited = source.replace("It has `all`", "It still has `all`")
    chapter.notebook.with_suffix(".py").write_text(edited)
    notebook = nbformat.read(chapter.notebook, as_version=4)
    notebook.cells[0].source = notebook.cells[0].source.replace("It has", "It still has")
    nbformat.write(notebook, chapter.notebook)


def declare_no_network(chapter):
    (chapter.live / "model.onnx").unlink()
    write(chapter.live / "demo.js", "// No network: the subject is a search.\n")


def touch_only(chapter):
    for path in (chapter.notebook, chapter.notebook.with_suffix(".py")):
        path.touch()


@pytest.mark.parametrize(
    "change",
    [change_prose, declare_no_network, touch_only, with_notebook(show_html(DRAWING))],
    ids=["prose", "no network", "touched", "a drawing of drawings"],
)
def test_what_breaks_no_contract_is_passed(chapter, change):
    change(chapter)
    assert contracts.faults(chapter) == []


@pytest.mark.parametrize("module", ["book", "tools.contracts", "tests.test_book"])
def test_companion_is_refused_the_book(chapter, module):
    write(chapter.root / "companion" / "size.py", f"def f():\n    import {module}\n")
    (found,) = contracts.import_faults(chapter.root)
    assert found.startswith(f"companion/size.py:2 imports {module}")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("", "is written, but chapters.yml does not call it ready"),
        ("- {part: vision, name: small, ready: false, minutes: null}", "does not call it ready"),
        (
            "- {part: vision, name: small, ready: true, minutes: {human: 60, machine: 5}}",
            "states 5 machine minutes for vision/small; measured: 8.2",
        ),
        (
            "- {part: vision, name: small, ready: true, minutes: {human: 60, machine: 8}}\n"
            "- {part: rl, name: none, ready: true, minutes: {human: 60, machine: 8}}",
            "calls rl/none ready, but it is not written",
        ),
    ],
)
def test_an_untrue_table_of_chapters_is_refused(chapter, row, message):
    write(chapter.root / "book" / "chapters.yml", row or "[]")
    (found,) = contracts.table_faults(chapter.root)
    assert message in found


@pytest.mark.parametrize(
    ("markdown", "count"),
    [
        ("Two words.", 2),
        ("One equation: $a + b = c$\n\n$$x\n= y$$", 2),
        ("See [the page](https://example.org/a/b) now", 4),
        ("```python\nx = 1\n```\nafter", 1),
        ("```{note}\n:class: tip\nThree words here\n```", 3),
        ("<details><summary>Answer</summary>yes</details>", 2),
        ("It's state-of-the-art, 3.5 times", 4),
    ],
)
def test_words_are_those_a_reader_reads(markdown, count):
    assert contracts.words(markdown) == count
