"""Virtual environments made from the hashed locks in `requirements/`.

`.venv/book` builds the book, `.venv/full` runs everything. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What an environment takes while it is made. On Linux, torch's wheels bring the CUDA libraries.
GIGABYTES = {"book": 2, "full": 10 if sys.platform == "linux" else 4}

# What pip prints, and what it means.
PIP_FAULTS = (
    (
        ("No space left on device", "[Errno 28]"),
        "The disk filled up while .venv/{environment} was made: free some space.",
    ),
    (
        ("DO NOT MATCH THE HASHES",),
        "A downloaded package is not the one that requirements/{environment}.lock names: a proxy "
        "or a mirror changed it, or the download broke off.",
    ),
    (
        (
            "NewConnectionError",
            "NameResolutionError",
            "ConnectTimeoutError",
            "ReadTimeoutError",
            "Max retries exceeded",
            "Connection aborted",
            "getaddrinfo failed",
            "Network is unreachable",
        ),
        "pip could not reach the package index: there is no network, or a proxy stands between. "
        "Connect this machine, or tell pip of your proxy or mirror.",
    ),
)


class Refusal(Exception):
    """A sentence for the reader: what could not be done, and what to do about it."""


def check_disk(environment: str, root: Path) -> None:
    """Refuse to begin an installation that the disk has no room for."""
    free = shutil.disk_usage(root).free / 1e9
    if free < GIGABYTES[environment]:
        raise Refusal(
            f"The environment .venv/{environment} needs {GIGABYTES[environment]} GB of free disk "
            f"while it is made; {root} has {free:.1f} GB. Free some space and run this again."
        )


def explain(environment: str, output: str) -> str:
    """What went wrong with a failed pip and what to do, from what it printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    again = "Run the same command again afterwards: it starts this environment afresh."
    for signs, sentence in PIP_FAULTS:
        said = next((line for line in lines if any(sign in line for sign in signs)), None)
        if said:
            return f"{sentence.format(environment=environment)} {again}\npip said: {said}"
    said = "\n".join(lines[-15:])
    return f"pip failed while .venv/{environment} was made. {again}\npip said:\n{said}"


def python_of(folder: Path) -> Path:
    """The interpreter of the virtual environment in `folder`."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def script_of(python: Path, name: str) -> str:
    """A command that a package has installed beside `python`."""
    return str(python.parent / (name + ".exe" if os.name == "nt" else name))


def run_pip(python: Path, environment: str, arguments: list[str], packages: int = 0) -> None:
    """Run pip; show how far it is where someone looks on; raise Refusal when it fails."""
    command = [str(python), "-m", "pip", "--no-input", "--disable-pip-version-check"]
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    output, collected = [], 0
    for line in process.stdout:
        output.append(line)
        if line.startswith("Collecting ") and packages and sys.stdout.isatty():
            collected += 1
            print(f"\r  {collected}/{packages} {line.split()[1]:60.60}", end="", flush=True)
    if collected:
        print("\r" + " " * 72 + "\r", end="")
    if process.wait() != 0:
        raise Refusal(explain(environment, "".join(output)))


def make_environment(folder: Path, root: Path) -> None:
    """Make the virtual environment: its lock, then the course's own package from this folder."""
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True
    )
    if made.returncode != 0:
        raise Refusal(
            f"{sys.executable} could not make a virtual environment in {folder}; on Debian and "
            "Ubuntu install python3-venv. It said:\n" + (made.stdout + made.stderr).strip()[-800:]
        )
    lock = root / "requirements" / f"{folder.name}.lock"
    packages = len(re.findall(r"^[A-Za-z0-9].*==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    print(f"Installing {packages} packages into .venv/{folder.name} ...", flush=True)
    python = python_of(folder)
    locked = ["install", "--require-hashes", "--no-deps", "-r", str(lock)]
    run_pip(python, folder.name, locked, packages)
    own = ["install", "--no-deps", "--no-build-isolation", "-e", str(root)]
    run_pip(python, folder.name, own)


def ready_environment(environment: str, root: Path = ROOT, make=make_environment) -> Path:
    """The interpreter of `.venv/<environment>`, made first unless its stamp says it is whole.

    The stamp names the lock, the Python and the place, since an environment survives no change of
    any of them. It is written last, so an interrupted environment is made anew. A folder that this
    function did not begin is never deleted.
    """
    folder = root / ".venv" / environment
    begun, complete = folder.with_name(f"{environment}.begun"), folder / "complete"
    lock = root / "requirements" / f"{environment}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    wanted = f"{digest}\nPython {sys.version_info[0]}.{sys.version_info[1]}\n{folder}\n"
    python = python_of(folder)
    if python.exists() and complete.exists() and complete.read_text(encoding="utf-8") == wanted:
        return python
    if folder.exists() and not begun.exists():
        raise Refusal(
            f"{folder} was not made by this command, which would replace it. "
            "Move it away or delete it, and run this again."
        )
    check_disk(environment, root)
    folder.parent.mkdir(exist_ok=True)
    begun.touch()
    if folder.exists():
        shutil.rmtree(folder)
    make(folder, root)
    complete.write_text(wanted, encoding="utf-8")
    return python
