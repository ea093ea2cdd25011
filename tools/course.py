"""The commands of the course: `python -m tools.course help` lists them.

The Makefile calls this module; on Windows you call it yourself, from the repository's root. It
needs nothing but Python: what a command needs beyond that, tools/environments.py installs. Every
command may be interrupted and run again: a folder counts as made only once the stamp in it,
written last, says so.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tools.environments import ROOT, Refusal, ready_environment, script_of

# Each chapter's test_page.py drives its live model.
BROWSER_TESTS = ("tests/test_site.py", "tests/test_browser.py", "tests/*/*/test_page.py")
# What pages are made from besides the files that Sphinx watches.
PAGE_SOURCES = (
    "companion/**/*.py",
    "companion/**/claim.json",
    "book/_ext/*",
    "book/_templates/*",
    "book/*.yml",
)
NOTEBOOKS = ("book/chapters", "book/exercises")

HELP = """\
make book                     build the book into book/_build/html (the first time: 2 to 3 minutes)
make serve [PORT=8000]        show the built book on this machine
make lab                      open the chapters in JupyterLab
make test                     prove everything the book promises
make check CHAPTER=part/name  the same for one chapter, without the browser
make outputs CHAPTER=...      run a chapter at full size and keep its outputs in the notebook
make claims CHAPTER=... [SEEDS=5] [RECHECK=1]
                              measure a chapter's claim again, or recheck one seed of each arm
make bench [CHAPTER=...]      speed, memory and growth
make assignments OUT=folder [CHAPTERS="part/name part/name"] [VARIANT=2027]
                              a course folder: notebooks for students, solutions, points
make grade COURSE=folder [REGRADE=1]
                              grade what students have submitted to that folder
make lock                     renew requirements/*.lock (needs uv)

CHAPTER is part/name, for example vision/sketch_rnn. PYTHON=python3.12 chooses the Python that the
environments are made from. Without make: python -m tools.course COMMAND, for example
python -m tools.course check vision/sketch_rnn"""


# --- the book


def sources_digest(root: Path) -> str:
    """A digest of what a page is made from and Sphinx does not watch: code, claims, settings."""
    digest = hashlib.sha256((root / "requirements" / "book.lock").read_bytes())
    for pattern in PAGE_SOURCES:
        for path in sorted(path for path in root.glob(pattern) if path.is_file()):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def build_book(python: Path, fresh: bool = False) -> None:
    """Fetch the browser libraries if they are missing, and build the book; warnings are errors."""
    run([str(python), "tools/vendor.py"], "The browser libraries are not in place.")
    stamp = ROOT / "book" / "_build" / "complete"
    digest = sources_digest(ROOT)
    # After a failed or interrupted build Sphinx would pass over the pages it has read already.
    fresh = fresh or not stamp.exists() or stamp.read_text(encoding="utf-8") != digest
    stamp.unlink(missing_ok=True)
    command = [script_of(python, "jupyter-book"), "build", "-W", "-n", "--keep-going"]
    run([*command, *(["--all"] if fresh else []), "book"], "The book has faults; see above.")
    stamp.write_text(digest, encoding="utf-8")


def book() -> None:
    """`make book`."""
    build_book(ready_environment("book"))
    page = ROOT / "book" / "_build" / "html" / "index.html"
    print(f"\nThe book stands: {page}\nRead it with `make serve` (the live models need a server).")


class BookHandler(http.server.SimpleHTTPRequestHandler):
    """Serves the built book quietly, with the types browsers insist on whatever the system says."""

    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".onnx": "application/octet-stream",
    }

    def log_message(self, *arguments: object) -> None:
        """Say nothing of each request."""


def serve(port: int) -> None:
    """`make serve`: the built book on this machine only."""
    pages = ROOT / "book" / "_build" / "html"
    if not (pages / "index.html").exists():
        raise Refusal("There is no built book to serve yet. Run `make book` first.")
    handler = functools.partial(BookHandler, directory=str(pages))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise Refusal(
            f"Port {port} cannot be used ({error}). Choose another: make serve PORT=8001"
        ) from None
    with server:
        print(
            f"The book is at http://127.0.0.1:{server.server_port}/ (stop with Ctrl-C)", flush=True
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nStopped.")


# --- checks


def run(command: list[str], failure: str) -> None:
    """Run a command in the repository's root; raise Refusal with `failure` if it fails."""
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise Refusal(failure)


def run_stages(stages: list[tuple[str, list]]) -> None:
    """Run the stages in order, stop at the first that fails, and print what each took."""
    seconds = {}
    try:
        for number, (title, steps) in enumerate(stages, start=1):
            print(f"\n=== {number}/{len(stages)} {title}", flush=True)
            began = time.monotonic()
            for step in steps:
                if callable(step):
                    step()
                else:
                    run(step, "")
            seconds[title] = time.monotonic() - began
    except Refusal as refusal:
        raise Refusal(
            f"Failed in stage {number}/{len(stages)}: {title}. {refusal}".strip()
        ) from None
    finally:
        print()
        for name, spent in seconds.items():
            print(f"  passed  {spent:6.0f} s  {name}")
    print(f"All passed in {sum(seconds.values()):.0f} s.")


def one_thread() -> None:
    """One thread a process, and none that spins while it waits: jobs beside each other gain."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def test() -> None:
    """`make test`."""
    python = ready_environment("full")
    one_thread()
    pytest = [str(python), "-m", "pytest"]
    ruff = [str(python), "-m", "ruff"]
    notebooks = [path for path in NOTEBOOKS if (ROOT / path).exists()]
    run_stages(
        [
            ("ruff", [[*ruff, "check", "."], [*ruff, "format", "--check", "."]]),
            ("the book, warnings as errors", [lambda: build_book(python, fresh=True)]),
            (
                "unit tests, contracts, exercise gate, shipped weights",
                [[*pytest, "-n", "2", "--dist", "loadfile", *unit_tests()]],
            ),
            # By itself: what is stopped by the clock must not wait for other tests.
            (
                "hostile submissions in the grader's sandbox",
                [[*pytest, "-m", "sandbox", "tests/grading"]],
            ),
            (
                "every notebook from top to bottom, at smoke size, network closed",
                [[*pytest, "-n", "2", "--nbmake", "--nbmake-timeout=300", *notebooks]],
            ),
            ("the site in a browser", [[*pytest, *browser_tests()]]),
        ]
    )


def browser_tests(root: Path = ROOT) -> list[str]:
    """The test files that need the built site; everything else must pass without it."""
    found = [sorted(root.glob(pattern)) for pattern in BROWSER_TESTS]
    return [path.relative_to(root).as_posix() for paths in found for path in paths]


def unit_tests() -> list[str]:
    """What to tell pytest for the tests that need neither the built site nor a sandbox."""
    return [*(f"--ignore={path}" for path in browser_tests()), "-m", "not sandbox", "tests"]


def known_chapters(root: Path = ROOT) -> list[str]:
    """The chapters that are written, as part/name."""
    places = root.glob("book/chapters/*/*.py")
    return sorted(f"{place.parent.name}/{place.stem}" for place in places)


def check_chapter(chapter: str, root: Path = ROOT) -> str:
    """The chapter itself; Refusal, with the known ones, if it is none."""
    known = known_chapters(root)
    if chapter in known:
        return chapter
    named = f"There is no chapter {chapter!r}." if chapter else "Name a chapter."
    raise Refusal(
        f"{named} Written so far: {', '.join(known) or 'none'}. Example: CHAPTER=vision/sketch_rnn"
    )


def check(chapter: str) -> None:
    """`make check`: one chapter's files, tests, contracts, exercises and notebooks."""
    check_chapter(chapter)
    python = ready_environment("full")
    one_thread()
    pytest = [str(python), "-m", "pytest"]
    ruff = [str(python), "-m", "ruff"]
    places = [f"companion/{chapter}", f"tests/{chapter}", f"book/chapters/{chapter}.py"]
    places += [f"book/exercises/{chapter}.py", f"book/exercises/{chapter}_cases.py"]
    files = [place for place in places if (ROOT / place).exists()]
    notebooks = [f"{folder}/{chapter}.ipynb" for folder in NOTEBOOKS]
    notebooks = [place for place in notebooks if (ROOT / place).exists()]
    run_stages(
        [
            ("ruff", [[*ruff, "check", *files], [*ruff, "format", "--check", *files]]),
            (
                "unit tests, contracts, exercise gate, shipped weights",
                [[*pytest, "--chapter", chapter, *unit_tests()]],
            ),
            (
                "its notebooks, at smoke size, network closed",
                [[*pytest, "--nbmake", "--nbmake-timeout=300", *notebooks]],
            ),
        ]
    )


# --- a chapter's author


def lab() -> None:
    """`make lab`."""
    jupyter = script_of(ready_environment("full"), "jupyter")
    # Without this JupyterLab hides the drawings in a notebook that it sees for the first time.
    notebooks = [str(path) for path in sorted((ROOT / "book" / "chapters").glob("*/*.ipynb"))]
    run([jupyter, "trust", *notebooks], "The chapters could not be marked as trusted.")
    run([jupyter, "lab", "book"], "JupyterLab has stopped.")


def outputs(chapter: str) -> None:
    """`make outputs`."""
    check_chapter(chapter)
    python = str(ready_environment("full"))
    failure = f"The notebook of {chapter} did not run to its end; the committed one is unchanged."
    run([python, "-m", "tools.notebooks", "execute", chapter], failure)


def claims(chapter: str, seeds: int, recheck: bool) -> None:
    """`make claims`."""
    check_chapter(chapter)
    python = ready_environment("full")
    one_thread()
    command = [str(python), "-m", "companion.claims", chapter, "--seeds", str(seeds)]
    run(
        [*command, *(["--recheck"] if recheck else [])], f"The claim of {chapter} was not measured."
    )


def bench(chapter: str) -> None:
    """`make bench`: every file in benchmarks/, or the chapter's."""
    name = check_chapter(chapter).rpartition("/")[2] if chapter else ""
    found = [path.relative_to(ROOT) for path in sorted((ROOT / "benchmarks").rglob("*.py"))]
    chosen = [path for path in found if name in ("", path.stem) and path.stem != "timing"]
    if not chosen:
        raise Refusal(f"There is no benchmark of {chapter or 'any chapter'} in benchmarks/.")
    python = ready_environment("full")
    for path in chosen:
        module = ".".join(path.with_suffix("").parts)
        run([str(python), "-m", module], f"The benchmark {path} failed.")


def assignments(out: str, chapters: list[str], variant: int | None) -> None:
    """`make assignments`: a course folder in nbgrader's layout; all chapters when none is named."""
    if not out:
        raise Refusal(
            "Name the folder to make: make assignments OUT=../course CHAPTERS=vision/sketch_rnn"
        )
    known = [name for name in known_chapters() if (ROOT / f"book/exercises/{name}.ipynb").exists()]
    for chapter in chapters:
        check_chapter(chapter)
    python = str(ready_environment("full"))
    command = [python, "-m", "tools.grading", "assign", str(Path(out).absolute())]
    chosen = [] if variant is None else ["--variant", str(variant)]
    run([*command, *(chapters or known), *chosen], f"No course folder was made in {out}.")


def grade(course: str, again: bool) -> None:
    """`make grade`: grade what students have submitted to a course folder."""
    if not course:
        raise Refusal("Name the course folder: make grade COURSE=../course")
    python = str(ready_environment("full"))
    one_thread()
    command = "regrade" if again else "grade"
    run(
        [python, "-m", "tools.grading", command, str(Path(course).absolute())],
        "Not everything was graded; see above. The same command goes on where it was.",
    )


def lock() -> None:
    """`make lock`."""
    uv = shutil.which("uv")
    if uv is None:
        raise Refusal("`make lock` needs uv: install it with `python -m pip install uv`.")
    for name in ("book", "full"):
        options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate"]
        files = [f"{name}.in", "-o", f"{name}.lock"]
        command = [uv, "pip", "compile", *options, *files]
        if subprocess.run(command, cwd=ROOT / "requirements").returncode != 0:
            raise Refusal(f"uv could not resolve requirements/{name}.in; the old lock stays.")


# --- the command line


def parser() -> argparse.ArgumentParser:
    """Every command with its arguments."""
    top = argparse.ArgumentParser(prog="course.py", usage=HELP)
    commands = top.add_subparsers(dest="command", required=True)
    for name in ("help", "book", "test", "lab", "lock"):
        commands.add_parser(name)
    for name in ("check", "outputs", "claims", "bench"):
        commands.add_parser(name).add_argument("chapter", nargs="?", default="")
    commands.choices["claims"].add_argument("--seeds", type=int, default=5)
    commands.choices["claims"].add_argument("--recheck", action="store_true")
    commands.add_parser("serve").add_argument("--port", type=int, default=8000)
    commands.add_parser("assignments").add_argument("out", nargs="?", default="")
    commands.choices["assignments"].add_argument("chapters", nargs="*", default=[])
    commands.choices["assignments"].add_argument("--variant", type=int)
    commands.add_parser("grade").add_argument("course", nargs="?", default="")
    commands.choices["grade"].add_argument("--again", action="store_true")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = vars(parser().parse_args(arguments or sys.argv[1:] or ["help"]))
    name = options.pop("command")
    try:
        if name == "help":
            print(HELP)
        else:
            globals()[name](**options)
    except Refusal as refusal:
        print(f"\n{refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again: it makes good what is unfinished.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
