"""What every chapter must keep to, checked by content; `faults` lists what a chapter breaks.

A contract is a function that returns one sentence for each breach, which names the place and the
remedy. Nothing here runs a chapter.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode

SECTIONS = (
    "Why 2017 cared",
    "The data",
    "The trivial baseline",
    "Build it",
    "Train it",
    "Look inside",
    "The claim, measured",
    "Touch it",
    "What we shrank, and what it cost",
    "Since then",
    "Recall",
    "Exercises",
)
MOST_WORDS = 4500
MOST_CODE_CELLS = 60
MOST_LINES = 25
MOST_NOTEBOOK_BYTES = 1_000_000
MOST_LIVE_BYTES = 4_000_000
MOST_MEMORY_MIB = 4096
KEPT_CELL_METADATA = ("tags", "slideshow", "nbgrader", "nbmake", "mystnb")
ROOMS = ("__init__.py", "data.py", "model.py", "train.py", "claim.py", "live.py")
KINDS = ("reproduced", "recovered")
VERDICTS = ("holds", "does not hold", "inconclusive")
NO_NETWORK = "// No network:"

_LOCAL_PATH = re.compile(r"(?<![\w.-])/(?:home|root|work|tmp|Users)/|\b[A-Za-z]:\\+Users\\")
_ENCODED = re.compile(r"base64,[A-Za-z0-9+/=\s]+")
_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[^\S\n]*$", re.MULTILINE | re.DOTALL)
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/svg+xml")


@dataclass(frozen=True)
class Chapter:
    """Where a chapter's files are; `root` is the repository."""

    root: Path
    part: str
    name: str

    def __str__(self) -> str:
        return f"{self.part}/{self.name}"

    @property
    def notebook(self) -> Path:
        """The executed notebook; its source has the same name and the ending .py."""
        return self.root / "book" / "chapters" / self.part / f"{self.name}.ipynb"

    @property
    def package(self) -> Path:
        """The chapter's rooms."""
        return self.root / "companion" / self.part / self.name

    @property
    def live(self) -> Path:
        """What the page's live model is served from."""
        return self.root / "book" / "live" / self.part / self.name

    @property
    def exercises(self) -> Path:
        """The folder of the part's exercises."""
        return self.root / "book" / "exercises" / self.part


def chapters(root: Path) -> list[Chapter]:
    """Every chapter that has a source or a notebook."""
    places = {
        (path.parent.name, path.stem)
        for ending in ("py", "ipynb")
        for path in (root / "book" / "chapters").glob(f"*/*.{ending}")
    }
    return [Chapter(root, part, name) for part, name in sorted(places)]


def faults(chapter: Chapter) -> list[str]:
    """Every breach of every contract by this chapter; empty when it keeps to all of them."""
    found = pair_faults(chapter.notebook)
    notebook = _read(chapter.notebook)
    if notebook is not None:
        for contract in (
            output_faults,
            measurement_faults,
            local_path_faults,
            length_faults,
            section_faults,
            figure_faults,
        ):
            found += contract(notebook)
        size = chapter.notebook.stat().st_size
        if size >= MOST_NOTEBOOK_BYTES:
            found.append(
                f"The notebook has {size:,} bytes; at most {MOST_NOTEBOOK_BYTES:,}. "
                "Show fewer or smaller figures and sounds."
            )
    for contract in (room_faults, claim_faults, live_faults, exercise_faults):
        found += contract(chapter)
    return [f"{chapter}: {fault}" for fault in found]


# --- the notebook


def _read(path: Path) -> NotebookNode | None:
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError):
        return None


def code_digest(notebook: NotebookNode) -> str:
    """A digest of the code cells alone: prose may change without a new run."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def cell_digest(cell: NotebookNode) -> str:
    """A short name for a cell, made from its kind and source."""
    return hashlib.sha256(f"{cell.cell_type} {cell.source}".encode()).hexdigest()[:12]


def _content(notebook: NotebookNode) -> list[tuple[str, str, dict]]:
    """Of each cell its kind, its source, and the metadata that both files keep."""
    return [
        (
            cell.cell_type,
            cell.source,
            {key: cell.metadata[key] for key in KEPT_CELL_METADATA if key in cell.metadata},
        )
        for cell in notebook.cells
    ]


def pair_faults(path: Path) -> list[str]:
    """The .py and the .ipynb are both there and have the same cells."""
    source = path.with_suffix(".py")
    for place in (source, path.with_suffix(".ipynb")):
        if not place.is_file():
            return [f"{place.name} is missing; run tools/notebooks.py sync {source.name}."]
    notebook = _read(path.with_suffix(".ipynb"))
    if notebook is None:
        return [f"{path.name} is no notebook; delete it and run tools/notebooks.py sync."]
    written, kept = _content(jupytext.read(source)), _content(notebook)
    for index, (here, there) in enumerate(zip(written, kept, strict=False), start=1):
        if here != there:
            first_line = here[1].partition("\n")[0]
            return [
                f"Cell {index} ({first_line!r}) differs between {source.name} and {path.name}; "
                "run tools/notebooks.py sync."
            ]
    if len(written) != len(kept):
        return [
            f"{source.name} has {len(written)} cells and {path.name} has {len(kept)}; "
            "run tools/notebooks.py sync."
        ]
    return []


def _code_cells(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    return [
        (index, cell)
        for index, cell in enumerate(notebook.cells, start=1)
        if cell.cell_type == "code" and cell.source.strip()
    ]


def _shows_something(source: str) -> bool:
    """Whether the cell, at its top level, prints, shows or displays, or ends with a bare value."""
    plain = re.sub(r"^\s*[%!].*$", "pass", source, flags=re.MULTILINE)
    try:
        statements = ast.parse(plain).body
    except SyntaxError:
        return False
    for statement in statements:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            function = statement.value.func
            name = getattr(function, "attr", getattr(function, "id", ""))
            if name in ("print", "show", "display"):
                return True
    last = statements[-1] if statements else None
    bare = isinstance(last, ast.Expr) and not isinstance(last.value, (ast.Call, ast.Constant))
    return bare and not source.rstrip().endswith(";")


def output_faults(notebook: NotebookNode) -> list[str]:
    """Every code cell was run, in order, in a fresh kernel, without error; its output is kept."""
    found = []
    for order, (index, cell) in enumerate(_code_cells(notebook), start=1):
        if cell.execution_count != order:
            found.append(
                f"Code cell {index} has execution count {cell.execution_count}, expected {order}: "
                "it was not run in order from a fresh kernel. Execute the notebook again."
            )
        if not cell.outputs and _shows_something(cell.source):
            found.append(f"Code cell {index} shows something but has no output; execute it again.")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"Code cell {index} ended in {output.ename}: {output.evalue}.")
    return found


def measurement_faults(notebook: NotebookNode) -> list[str]:
    """The run is recorded: made of this code, at laptop size, with its minutes and memory."""
    course = notebook.metadata.get("course")
    if course is None:
        return ["The notebook records no run; use tools/notebooks.py execute."]
    found = []
    if course.get("code") != code_digest(notebook):
        found.append("The outputs are of other code than the cells hold; execute it again.")
    if course.get("size") != "laptop":
        found.append(f"The outputs are of size {course.get('size')!r}; execute it at laptop.")
    for key in ("minutes", "peak_mib"):
        value = course.get(key)
        if not isinstance(value, int | float) or value <= 0:
            found.append(f"The run's {key} is {value!r}; expected a positive number.")
        elif key == "peak_mib" and value > MOST_MEMORY_MIB:
            found.append(f"The run used {value:,.0f} MiB; at most {MOST_MEMORY_MIB:,} MiB.")
    for key in ("machine", "versions"):
        if not course.get(key):
            found.append(f"The run's {key} is not recorded; execute it again.")
    return found


def _texts(cell: NotebookNode) -> Iterator[str]:
    """Everything the cell holds that can be read, pictures left out."""
    yield cell.source
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        yield "\n".join([output.get("evalue", ""), *output.get("traceback", [])])
        for kind, data in output.get("data", {}).items():
            if kind not in _PICTURES or kind == "image/svg+xml":
                yield data if isinstance(data, str) else json.dumps(data)


def local_paths(cell: NotebookNode) -> list[str]:
    """Paths in the cell, or in what it shows, that exist on one machine only."""
    found = []
    for text in _texts(cell):
        plain = _ENCODED.sub("", text)
        found += [plain[match.start() :][:60].split()[0] for match in _LOCAL_PATH.finditer(plain)]
    return found


def local_path_faults(notebook: NotebookNode) -> list[str]:
    """No cell names a place on its author's machine."""
    found = [
        f"Cell {index} shows the local path {path!r}; print names or relative paths instead."
        for index, cell in enumerate(notebook.cells, start=1)
        for path in local_paths(cell)
    ]
    if _LOCAL_PATH.search(_ENCODED.sub("", json.dumps(notebook.metadata))):
        found.append("The notebook's metadata (such as a widget's state) holds a local path.")
    return found


def words(markdown: str) -> int:
    """How many words a reader reads; code, formulas, tags and addresses do not count."""
    text = re.sub(r"^```\s*\w*\n.*?^```", " ", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^\s*:[\w-]+:.*$|^[`:]{3,}\{[\w-]+\}", " ", text, flags=re.MULTILINE)
    text = re.sub(
        r"\$\$.*?\$\$|\$[^$\n]+\$|<[^>]+>|\]\([^)]*\)|https?://\S+", " ", text, flags=re.S
    )
    return len(re.findall(r"[^\W_][\w'’.-]*", text))


def length_faults(notebook: NotebookNode) -> list[str]:
    """Few enough words and code cells, and short enough cells."""
    found = []
    count = sum(words(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    if count > MOST_WORDS:
        found.append(f"The prose has {count:,} words; at most {MOST_WORDS:,}.")
    cells = _code_cells(notebook)
    if len(cells) > MOST_CODE_CELLS:
        found.append(f"There are {len(cells)} code cells; at most {MOST_CODE_CELLS}.")
    for index, cell in cells:
        lines = len(cell.source.splitlines())
        if lines > MOST_LINES:
            found.append(f"Code cell {index} has {lines} lines; at most {MOST_LINES}. Split it.")
    return found


def section_faults(notebook: NotebookNode) -> list[str]:
    """A title first, then the sections of every chapter, each once and in order."""
    prose = [_FENCE.sub("", c.source) for c in notebook.cells if c.cell_type == "markdown"]
    text = "\n\n".join(prose)
    found = []
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not re.search(r"^# \S", prose[0], re.M):
        found.append("The first cell holds no title; begin it with '# '.")
    headings = [heading.strip() for heading in re.findall(r"^## +(.+)$", text, re.MULTILINE)]
    expected = list(SECTIONS)
    present = [heading for heading in headings if heading in SECTIONS]
    missing = [f"'## {heading}'" for heading in expected if heading not in present]
    if missing:
        found.append(f"Missing sections: {', '.join(missing)}.")
    elif present != expected:
        found.append(
            f"The sections stand as {present}; expected each once, in this order: {expected}."
        )
    return found


class _Figures(HTMLParser):
    """Collects the pictures without alternative text and the players without a caption."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._players: list[str] = []
        self._captioned = False
        self._drawings = 0  # open now; one within another is a part of it

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        label = (values.get("alt") or values.get("aria-label") or "").strip()
        if tag == "img" and not (values.get("alt") or "").strip():
            self.found.append("a picture without alternative text")
        if tag == "svg":
            if not self._drawings and not label and values.get("aria-hidden") != "true":
                self.found.append("a drawing without aria-label")
            self._drawings += 1
        if tag in ("audio", "video") and not label:
            self.found.append(f"a player ({tag}) without aria-label")
        if tag in ("audio", "video", "button"):
            self._players.append(tag)
        if tag == "figcaption":
            self._captioned = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "svg":
            self._drawings -= 1
        if tag == "figure":
            self._end_figure()

    def close(self) -> None:
        super().close()
        self._end_figure()

    def _end_figure(self) -> None:
        if any(kind != "button" for kind in self._players) and not self._captioned:
            self.found.append("a player without a caption")
        self._players, self._captioned = [], False


def _in_html(html: str) -> list[str]:
    parser = _Figures()
    parser.feed(_ENCODED.sub("base64,", html))
    parser.close()
    return parser.found


def figure_faults(notebook: NotebookNode) -> list[str]:
    """Every picture has alternative text, and every player a caption."""
    found = []
    for index, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            faulty = _in_html(_FENCE.sub("", cell.source))
            faulty += ["a picture without alternative text"] * len(
                re.findall(r"!\[\s*\]\(", cell.source)
            )
            for directive in re.finditer(
                r"^(`{3,}|:{3,})\{(?:figure|image)\}.*?^\1", cell.source, re.M | re.S
            ):
                if not re.search(r"^:alt: *\S", directive.group(), re.M):
                    faulty.append("a picture without :alt:")
        else:
            faulty = []
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                if "text/html" in data:
                    faulty += _in_html(data["text/html"])
                elif any(kind in data for kind in _PICTURES):
                    faulty.append("a picture without alternative text")
        found += [
            f"Cell {index} shows {fault}; use companion.figures.show or a player "
            "with alt and caption."
            for fault in faulty
        ]
    return found


# --- the files beside it


def _imports(path: Path, package: str) -> Iterator[tuple[int, str]]:
    """Line and full name of every module or name that a file imports, in functions as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def import_faults(root: Path) -> list[str]:
    """Nothing in companion knows the book, its tools or its tests."""
    found = []
    for path in sorted((root / "companion").rglob("*.py")):
        place = path.relative_to(root)
        for line, name in _imports(path, ".".join(place.parent.parts)):
            if name.split(".")[0] in ("book", "tools", "tests"):
                found.append(
                    f"{place.as_posix()}:{line} imports {name}; companion must not know it."
                )
    return found


def room_faults(chapter: Chapter) -> list[str]:
    """The rooms are there; model.py imports no training, and data.py no model."""
    found = [
        f"companion/{chapter}/{room} is missing."
        for room in (*ROOMS, "weights.safetensors")
        if not (chapter.package / room).is_file()
    ]
    for room, forbidden in (("model.py", {"train"}), ("data.py", {"model", "train"})):
        path = chapter.package / room
        if not path.is_file():
            continue
        for line, name in _imports(path, f"companion.{chapter.part}.{chapter.name}"):
            parts = name.split(".")
            if parts[0] == "companion" and forbidden & set(parts[3:]):
                found.append(f"companion/{chapter}/{room}:{line} imports {name}; it must not.")
    return found


def claim_faults(chapter: Chapter) -> list[str]:
    """claim.json holds a headline: at most 4 arms, at least 5 seeds each, a verdict, a stamp."""
    path = chapter.package / "claim.json"
    if not path.is_file():
        return [f"companion/{chapter}/claim.json is missing; run make claims CHAPTER={chapter}."]
    try:
        claim = json.loads(path.read_text(encoding="utf-8"))
        arms = {
            name: len({run["seed"] for run in arm["runs"]}) for name, arm in claim["arms"].items()
        }
        named, kind, verdict = claim["chapter"], claim["kind"], claim["verdict"]
        method, baseline, stamp = claim["method"], claim["baseline"], claim["stamp"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"claim.json is not in the form of a claim ({error!r}); run make claims."]
    found = []
    if named != str(chapter):
        found.append(f"claim.json is of chapter {named!r}.")
    if kind not in KINDS or verdict not in VERDICTS:
        found.append(
            f"claim.json has kind {kind!r} and verdict {verdict!r}; expected one of {KINDS} "
            f"and one of {VERDICTS}."
        )
    if not {method, baseline} <= arms.keys() or len(arms) > 4:
        found.append(
            f"claim.json has the arms {sorted(arms)}; expected at most 4, among them "
            f"{method!r} and {baseline!r}."
        )
    found += [
        f"claim.json has {seeds} seeds of {name!r}; at least 5."
        for name, seeds in arms.items()
        if seeds < 5
    ]
    if not stamp.get("code") or not stamp.get("machine"):
        found.append("claim.json has no stamp of the code and machine measured.")
    return found


def live_faults(chapter: Chapter) -> list[str]:
    """demo.js with its graphs, or its word that the subject has none; not too heavy together."""
    place = f"book/live/{chapter}"
    demo = chapter.live / "demo.js"
    if not demo.is_file():
        return [f"{place}/demo.js is missing."]
    found = []
    declared = any(
        line.startswith(NO_NETWORK) for line in demo.read_text(encoding="utf-8").splitlines()
    )
    if not declared and not any(chapter.live.glob("*.onnx")):
        found.append(
            f"{place} holds no .onnx graph; export one, or say in demo.js why there is none, on a "
            f"line that begins with '{NO_NETWORK}'."
        )
    weight = sum(path.stat().st_size for path in chapter.live.rglob("*") if path.is_file())
    if weight > MOST_LIVE_BYTES:
        found.append(f"{place} has {weight:,} bytes; at most {MOST_LIVE_BYTES:,}.")
    return found


def exercise_faults(chapter: Chapter) -> list[str]:
    """The exercises, their notebook and their cases are there, and the pair agrees."""
    names = (f"{chapter.name}.py", f"{chapter.name}.ipynb", f"{chapter.name}_cases.py")
    found = [
        f"book/exercises/{chapter.part}/{name} is missing."
        for name in names
        if not (chapter.exercises / name).is_file()
    ]
    return found or pair_faults(chapter.exercises / f"{chapter.name}.ipynb")


def table_faults(root: Path) -> list[str]:
    """book/chapters.yml calls exactly the written chapters ready, with their measured minutes."""
    table = yaml.safe_load((root / "book" / "chapters.yml").read_text(encoding="utf-8"))
    rows = {f"{row['part']}/{row['name']}": row for row in table}
    found = []
    for chapter in chapters(root):
        row = rows.get(str(chapter))
        if row is None or not row["ready"]:
            found.append(f"{chapter} is written, but chapters.yml does not call it ready.")
            continue
        notebook = _read(chapter.notebook)
        measured = notebook and notebook.metadata.get("course", {}).get("minutes")
        stated = (row["minutes"] or {}).get("machine")
        if measured and stated != max(1, round(measured)):
            found.append(
                f"chapters.yml states {stated} machine minutes for {chapter}; "
                f"measured: {measured:.1f}."
            )
    written = {str(chapter) for chapter in chapters(root)}
    found += [
        f"chapters.yml calls {name} ready, but it is not written."
        for name, row in rows.items()
        if row["ready"] and name not in written
    ]
    return found
