"""The house itself: commands, environments, locks, and the network closed to notebooks."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import tools
from tools import course, environments

ROOT = Path(__file__).resolve().parents[1]
# An address set aside for documentation: nothing answers there.
OUTSIDE = "192.0.2.1"


def make(*arguments: str, root: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    """Run make in `root`, with this Python."""
    return subprocess.run(
        ["make", *arguments, f"PYTHON={sys.executable}"],
        cwd=root,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    """A copy of the commands alone, whose book environment needs one small package."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    (tmp_path / "requirements").mkdir()
    for name in ("book", "full"):
        lock = f"tqdm==4.67.1 --hash=sha256:{'0' * 64}\n"
        (tmp_path / "requirements" / f"{name}.lock").write_text(lock)
    chapter = tmp_path / "book" / "chapters" / "vision" / "sketch_rnn.py"
    chapter.parent.mkdir(parents=True)
    chapter.touch()
    return tmp_path


# --- a clear sentence for each fault


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 13)])
def test_an_old_python_is_named_with_the_remedy(version: tuple[int, ...]) -> None:
    with pytest.raises(SystemExit) as refusal:
        tools.check_python(version)
    assert ".".join(map(str, version)) in refusal.value.code
    assert "3.11 or newer" in refusal.value.code
    assert "PYTHON=" in refusal.value.code


def test_python_3_11_and_newer_are_taken() -> None:
    for version in [(3, 11, 0), (3, 14, 2), (4, 0, 0)]:
        tools.check_python(version)


def test_a_python_that_is_not_there_is_named() -> None:
    done = subprocess.run(
        ["make", "help", "PYTHON=python-of-nowhere"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "There is no python-of-nowhere" in done.stderr


def test_too_little_disk_is_refused_before_anything_is_fetched(
    small_house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(small_house)._replace(free=300_000_000)
    monkeypatch.setattr(environments.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(environments.Refusal, match=r"needs 2 GB .* has 0\.3 GB"):
        environments.ready_environment("book", small_house, make=pytest.fail)


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "disk filled up"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError'", "no network"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "not the one"),
        ("ERROR: something new", "something new"),
    ],
)
def test_a_failed_pip_is_explained(printed: str, sentence: str) -> None:
    explanation = environments.explain("book", printed)
    assert sentence in explanation.partition("pip said")[0] or sentence == "something new"
    assert printed in explanation


def test_without_network_pip_is_explained_and_no_stamp_is_left(
    small_house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(folder: Path, root: Path) -> None:
        folder.mkdir(parents=True)
        lock = str(root / "requirements" / "book.lock")
        arguments = ["download", "--no-deps", "-r", lock, "-d", str(folder)]
        environments.run_pip(Path(sys.executable), "book", arguments)

    with socket.socket() as closed:  # bound but not listening: every connection is refused
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/simple"
        settings = {"CONFIG_FILE": os.devnull, "INDEX_URL": address, "FIND_LINKS": "", "RETRIES": 1}
        for name, value in settings.items():
            monkeypatch.setenv(f"PIP_{name}", str(value))
        with pytest.raises(environments.Refusal, match="there is no network"):
            environments.ready_environment("book", small_house, make=fetch)
    assert not (small_house / ".venv" / "book" / "complete").exists()


@pytest.mark.parametrize("command", ["check", "outputs", "claims", "bench"])
def test_an_unknown_chapter_is_answered_with_the_known_ones(
    command: str, small_house: Path
) -> None:
    done = make(command, "CHAPTER=vision/unheard_of", root=small_house)
    assert done.returncode != 0
    assert not (small_house / ".venv").exists()
    assert "'vision/unheard_of'" in done.stderr
    assert "vision/sketch_rnn" in done.stderr


def test_serving_an_unbuilt_book_names_the_command_that_builds_it(small_house: Path) -> None:
    done = make("serve", root=small_house)
    assert done.returncode != 0
    assert "make book" in done.stderr


def test_serving_on_a_taken_port_names_another(small_house: Path) -> None:
    pages = small_house / "book" / "_build" / "html"
    pages.mkdir(parents=True)
    (pages / "index.html").write_text("a book")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = make("serve", f"PORT={port}", root=small_house)
    assert done.returncode != 0
    assert f"Port {port}" in done.stderr
    assert "PORT=8001" in done.stderr


# --- environments


def test_an_interrupted_environment_is_made_anew_and_a_whole_one_kept(small_house: Path) -> None:
    folder = small_house / ".venv" / "book"
    made = []

    def interrupted(folder: Path, root: Path) -> None:
        environments.python_of(folder).parent.mkdir(parents=True)
        environments.python_of(folder).touch()
        raise KeyboardInterrupt

    def whole(folder: Path, root: Path) -> None:
        assert not folder.exists()
        environments.python_of(folder).parent.mkdir(parents=True)
        environments.python_of(folder).touch()
        made.append(folder)

    with pytest.raises(KeyboardInterrupt):
        environments.ready_environment("book", small_house, make=interrupted)
    assert folder.exists()
    for _ in range(2):
        python = environments.ready_environment("book", small_house, make=whole)
        assert python == environments.python_of(folder)
        assert made == [folder]
    with (small_house / "requirements" / "book.lock").open("a") as lock:
        lock.write("# changed\n")
    environments.ready_environment("book", small_house, make=whole)
    assert made == [folder, folder]


def test_an_environment_made_by_other_means_is_never_deleted(small_house: Path) -> None:
    precious = small_house / ".venv" / "book" / "precious"
    precious.mkdir(parents=True)
    with pytest.raises(environments.Refusal, match="not made by this command"):
        environments.ready_environment("book", small_house, make=pytest.fail)
    assert precious.exists()


def test_every_pin_has_a_hash_and_torch_stays_where_it_was_tried() -> None:
    for name in ("book", "full"):
        lock = (ROOT / "requirements" / f"{name}.lock").read_text()
        pins = re.split(r"\n(?=[A-Za-z0-9])", lock.partition("\n\n")[2] or lock)
        pins = [pin for pin in pins if not pin.startswith("#")]
        assert len(pins) > 50
        assert [pin.splitlines()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    versions = dict(re.findall(r"^(torch\w*)==([\d.]+)", lock, re.MULTILINE))
    assert tuple(map(int, versions["torch"].split("."))) <= (2, 14, 1)
    assert tuple(map(int, versions["torchvision"].split("."))) <= (0, 29, 1)
    assert versions["torchaudio"] == "2.11.0"


def test_the_book_environment_needs_no_torch_and_can_install_the_package() -> None:
    lock = (ROOT / "requirements" / "book.lock").read_text()
    assert not re.search(r"^(torch|nvidia)", lock, re.MULTILINE)
    # pip builds the course's own package without fetching anything: its builder is locked too
    assert re.search(r"^setuptools==", lock, re.MULTILINE)


# --- the network, closed to tests and notebooks


def test_this_process_reaches_nothing_outside() -> None:
    with pytest.raises(ConnectionRefusedError, match="network is closed"):
        socket.create_connection((OUTSIDE, 80), timeout=1)
    with pytest.raises(ConnectionRefusedError, match="network is closed"):
        socket.getaddrinfo("example.org", 80)


def test_this_process_reaches_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()


@pytest.mark.parametrize(
    "cell",
    [
        f"import socket; socket.create_connection(('{OUTSIDE}', 80), timeout=1)",
        "import urllib.request; urllib.request.urlopen('http://example.org', timeout=1)",
        "import sys, subprocess\ndone = subprocess.run([sys.executable, '-c', "
        f"'import socket; socket.socket().connect((\"{OUTSIDE}\", 80))'], "
        "capture_output=True, text=True)\nassert done.returncode == 0, done.stderr",
    ],
)
def test_a_notebook_reaches_nothing_outside(cell: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    with pytest.raises(CellExecutionError) as refusal:
        NotebookClient(notebook, timeout=60).execute()
    written = str(refusal.value) + str(notebook.cells[0].outputs)
    assert "network is closed" in written


# --- files that speak of each other


def targets() -> set[str]:
    """The commands the Makefile knows."""
    return set(re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text())[1].split())


def test_make_alone_helps_and_lists_every_command() -> None:
    done = make()
    assert done.returncode == 0
    assert set(re.findall(r"^make (\w+)", done.stdout, re.MULTILINE)) == targets() - {"help"}


def test_every_make_command_is_one_of_the_script() -> None:
    known = course.parser()._subparsers._group_actions[0].choices
    assert set(known) == targets()


@pytest.mark.parametrize(
    "page", ["README.md", *(f"book/guide/{path.name}" for path in ROOT.glob("book/guide/*.md"))]
)
def test_the_commands_a_page_names_exist(page: str) -> None:
    named = set(re.findall(r"`+(?:\n)?make (\w+)", (ROOT / page).read_text()))
    assert named <= targets()


def test_ci_run_is_a_valid_executable_script() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script]).returncode == 0


def test_what_drives_a_browser_is_kept_from_the_unit_tests() -> None:
    mark = "\npytestmark = pytest.mark.browser\n"
    files = {path.relative_to(ROOT).as_posix(): path for path in ROOT.glob("tests/**/test_*.py")}
    marked = {name for name, path in files.items() if mark in path.read_text(encoding="utf-8")}
    assert "tests/vision/sketch_rnn/test_page.py" in marked
    assert set(course.browser_tests()) == marked | {"tests/test_site.py"}


def test_a_failing_stage_is_named_and_stops_the_rest(capsys: pytest.CaptureFixture) -> None:
    fails = [sys.executable, "-c", "raise SystemExit(3)"]
    with pytest.raises(environments.Refusal, match="stage 2/3: the second"):
        course.run_stages(
            [
                ("the first", [[sys.executable, "-c", ""]]),
                ("the second", [fails]),
                ("the third", [pytest.fail]),
            ]
        )
    printed = capsys.readouterr().out
    assert re.search(r"passed +\d+ s +the first", printed)
    assert "All passed" not in printed
