"""One submission's sandbox: bubblewrap as an ordinary user, with limits, spoken to by lines.

Inside there are: the system's programs and this Python's packages, read-only; `companion` and
runner.py; an empty /tmp of its own. There is no network, no other process, no course folder and no
submission: code and inputs come as lines on standard input. A grader that runs as root becomes
`nobody` before bubblewrap starts, in a mount namespace of its own, where root puts the folders
that `nobody` could not reach.
"""

import importlib.util
import json
import os
import secrets
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from companion.exercises import values
from tools.grading.files import Refused

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("runner.py")
NOBODY = "65534"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives")
MEGABYTE = 2**20
LONGEST_REPLY = 4 * values.MAX_BYTES + MEGABYTE
LOOK = 0.25  # seconds between two looks at the memory that a sandbox takes


class Ended(RuntimeError):
    """The sandbox is gone or had to be stopped; the message says why."""


class NotStarted(RuntimeError):
    """No sandbox could be started, which is the machine's doing; the message says why."""


@dataclass(frozen=True)
class Limits:
    """What one submission may take.

    exercise    seconds on the clock for one exercise's calls, and for its public tests
    submission  seconds on the clock for all of it
    memory      bytes a process may add to what Python and the packages take
    total       bytes of memory of all its processes together
    processes   processes and threads at a time
    file        bytes of one file
    disk        bytes of all files, which lie in memory
    start       seconds on the clock until the packages are imported
    """

    exercise: float = 30.0
    submission: float = 300.0
    memory: int = 2048 * MEGABYTE
    total: int = 3072 * MEGABYTE
    processes: int = 32
    file: int = 16 * MEGABYTE
    disk: int = 64 * MEGABYTE
    start: float = 120.0


def folders(preload: list[str]) -> list[str]:
    """What must be visible besides the system: this Python and the packages to import."""
    wanted = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    for name in [*preload, "numpy"]:
        found = importlib.util.find_spec(name)
        if found is not None and found.origin and name != "companion":
            wanted.add(str(Path(found.origin).parents[1]))
    kept: list[str] = []
    for folder in sorted(wanted):
        if not any(Path(folder).is_relative_to(other) for other in (*kept, "/usr")):
            kept.append(folder)
    return kept


def refuse_visible(path: Path, preload: list[str]) -> None:
    """Refused when `path`, which students must not see, lies in a folder that sandboxes show."""
    for folder in (*folders(preload), *SYSTEM, str(ROOT / "companion")):
        if path.resolve().is_relative_to(Path(folder).resolve()):
            raise Refused(f"{path} lies in {folder}, which every sandbox shows: move it elsewhere")


def command(preload: list[str], limits: Limits) -> list[str]:
    """The command line that starts the runner in a sandbox."""
    shown = [(folder, folder) for folder in folders(preload)]
    shown += [(str(ROOT / "companion"), "/course/companion"), (str(RUNNER), "/course/runner.py")]
    staging, sources = [], [source for source, _ in shown]
    if os.geteuid() == 0:
        # What root can reach and nobody cannot (/root, for instance) is put where nobody can.
        script = 'set -e; mount -t tmpfs -o mode=755 staging /mnt; n=0; while [ "$1" != -- ]; do '
        script += 'if [ -d "$1" ]; then mkdir /mnt/$n; else touch /mnt/$n; fi; '
        script += 'mount --bind "$1" /mnt/$n; n=$((n + 1)); shift; done; shift; exec "$@"'
        staging = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        staging += [*sources, "--", "setpriv", "--reuid", NOBODY, "--regid", NOBODY]
        staging += ["--clear-groups"]
        sources = [f"/mnt/{number}" for number in range(len(shown))]
    line = [*staging, "bwrap", "--unshare-all", "--unshare-user", "--disable-userns"]
    line += ["--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"]
    settings = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "USER": "student"}
    settings |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "MPLBACKEND": "agg"}
    for name, value in settings.items():
        line += ["--setenv", name, value]
    for place in SYSTEM:
        if os.path.islink(place):
            line += ["--symlink", os.readlink(place), place]
        elif os.path.isdir(place):
            line += ["--ro-bind", place, place]
    disk = ["--size", str(limits.disk), "--tmpfs"]
    line += ["--proc", "/proc", "--dev", "/dev", *disk, "/dev/shm", "--remount-ro", "/dev"]
    line += [*disk, "/tmp"]
    for source, (_, place) in zip(sources, shown, strict=True):
        line += ["--ro-bind", source, place]
    line += ["--remount-ro", "/", "--chdir", "/tmp"]
    return [
        *line,
        sys.executable,
        "-s",
        "-B",
        "/course/runner.py",
        _settings(preload, limits, True),
    ]


def _settings(preload: list[str], limits: Limits, apart: bool) -> str:
    return json.dumps(
        {
            "preload": preload,
            "memory": limits.memory,
            "processes": limits.processes,
            "file": limits.file,
            "apart": apart,
        }
    )


def check() -> None:
    """Start a sandbox and try its walls; Refused, with the remedy, when it does not hold."""
    needed = ["bwrap", *(["unshare", "setpriv", "sh"] if os.geteuid() == 0 else [])]
    missing = [name for name in needed if shutil.which(name) is None]
    if not sys.platform.startswith("linux") or missing:
        raise Refused(
            f"there is no sandbox here ({', '.join(missing) or sys.platform}): grade on Linux with "
            "bubblewrap installed (`apt install bubblewrap`)"
        )
    try:
        with Sandbox([], Limits()) as box:
            probe = "import os\ndef look():\n    return [os.getuid(), os.path.exists(PLACE), "
            probe += "len(os.listdir('/sys/class/net')) if os.path.exists('/sys') else 0]"
            probe = probe.replace("PLACE", repr(str(Path(__file__).resolve())))
            reply = box.ask(_probe_job(probe), 30)
        ok, text = json.loads(reply["report"])["values"][0]
        user, sees, interfaces = values.loads(text)
    except (Ended, NotStarted, KeyError, TypeError, ValueError) as error:
        raise Refused(
            f"bubblewrap cannot make a sandbox here: {error}. In a container it needs the right to "
            "make user namespaces; without one, grade on a machine that allows them"
        ) from error
    if not ok or user == 0 or sees or interfaces:
        raise Refused(f"the sandbox does not hold: user {user}, sees the grader: {sees}")


def _probe_job(cell: str) -> dict:
    return {"cells": [cell], "tests": None, "function": "look", "calls": ["[]"], "limit": 20}


class Sandbox:
    """A running sandbox; a context manager; NotStarted when it cannot be. `ask` does one job in it.

    With `walls` off the runner is an ordinary process: for those who said that they trust it.
    """

    def __init__(self, preload: list[str], limits: Limits, walls: bool = True) -> None:
        self.limits = limits
        self._left = self._unsent = b""
        self._folder = None
        self.processor = 0.0  # seconds of processor time, known once it is closed
        if walls:
            line, folder, environment = command(preload, limits), "/", None
        else:
            self._folder = tempfile.TemporaryDirectory()
            folder = self._folder.name
            line = [sys.executable, "-s", "-B", str(RUNNER), _settings(preload, limits, False)]
            environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment,
            bufsize=0,
            start_new_session=True,
        )
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            os.set_blocking(pipe.fileno(), False)
        try:
            ready = self._line(limits.start)
        except Ended as error:
            said = (self._process.stderr.read(4000) or b"").decode("utf-8", "replace").strip()
            self.close()
            raise NotStarted(f"{error}{': ' if said else ''}{said[-1500:]}") from None
        if ready.get("ready") is not True:
            self.close()
            raise NotStarted("the runner did not say that it is ready")
        self._process.stderr.close()
        self.to_start = processor_of(self._process.pid)  # of which this to import the packages

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all that runs in it."""
        self.processor = max(self.processor, processor_of(self._process.pid))
        # The first process of the namespace dies with bubblewrap, and the rest with the first.
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            pipe.close()
        if self._folder is not None:
            self._folder.cleanup()

    def ask(self, job: dict, seconds: float) -> dict:
        """The reply to one job; Ended when none came in `seconds`, and the sandbox is closed."""
        # A line without this name is not the runner's reply to this job: student code wrote it.
        name = secrets.token_hex(8)
        self._unsent = json.dumps(job | {"name": name}).encode() + b"\n"
        deadline, reply = time.monotonic() + seconds, {}
        try:
            while reply.get("name") != name:
                reply = self._line(deadline - time.monotonic())
        except Ended as error:
            self.close()
            late = str(error).startswith("stopped after")
            raise Ended(f"stopped after {seconds:g} s: no answer came") if late else error from None
        return reply

    def _line(self, seconds: float) -> dict:
        """Send what is unsent and take a line; looks at the clock, the length and the memory."""
        deadline, looked = time.monotonic() + seconds, time.monotonic()
        reading, writing = self._process.stdout.fileno(), self._process.stdin.fileno()
        said, block = bytearray(), self._left
        while True:
            said += block
            if b"\n" in block:
                break
            if len(said) > LONGEST_REPLY:
                raise Ended(f"stopped: it wrote more than {LONGEST_REPLY:,} bytes")
            block, now = b"", time.monotonic()
            if now >= deadline:
                raise Ended(f"stopped after {seconds:g} s: it gave no answer")
            if now - looked >= LOOK:
                looked = now
                if memory_of(self._process.pid, self.limits.total) > self.limits.total:
                    most = f"{self.limits.total:,} bytes of memory"
                    raise Ended(f"stopped: its processes took more than {most}")
            wanted = [writing] if self._unsent else []
            ready = select.select([reading], wanted, [], min(LOOK, deadline - now))
            if ready[1]:
                try:
                    self._unsent = self._unsent[os.write(writing, self._unsent[: 1 << 16]) :]
                except BrokenPipeError:
                    self._unsent = b""
            if ready[0]:
                block = os.read(reading, 1 << 16)
                if not block:
                    raise Ended("its processes were ended from inside")
        line, _, rest = said.partition(b"\n")
        self._left = bytes(rest)
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise Ended("what it wrote cannot be read")
        return reply


def family(process: int) -> list[int]:
    """A process and all below it that are there now; nothing when it has ended."""
    found, waiting = [], [process]
    while waiting:
        one = waiting.pop()
        found.append(one)
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                waiting += map(int, _read(f"/proc/{one}/task/{task}/children").split())
        except OSError:
            continue
    return found


def memory_of(process: int, enough: int = 0) -> int:
    """Bytes of memory that a process and all below it take, what they share counted once.

    Only above `enough` is the number exact; below it may be too large, but not above `enough`.
    """
    members = family(process)
    page = os.sysconf("SC_PAGE_SIZE")
    rough = 0  # what they share is counted for each: never too little, and cheap to ask for
    for one in members:
        rough += page * int((_read(f"/proc/{one}/statm").split() or [0, 0])[1])
    if rough < enough:
        return rough
    exact = 0
    for one in members:
        lines = _read(f"/proc/{one}/smaps_rollup").splitlines()
        exact += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return exact or rough


def processor_of(process: int) -> float:
    """Seconds of processor time that a process, all below it and those that have ended took."""
    ticks = 0
    for one in family(process):
        numbers = _read(f"/proc/{one}/stat").rpartition(")")[2].split()
        ticks += sum(map(int, numbers[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _read(path: str) -> str:
    """The text of a file of the kernel's; nothing when the process has ended."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
