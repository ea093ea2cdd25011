"""A class before the grader: right, partly right, wrong and hostile submissions in known shares.

`make bench` runs it with 200 submissions over all chapters; `python -m benchmarks.grading
--submissions 30 --jobs 2` a smaller class. The batch is killed half way and resumed. Every score
must be the known one, and nothing may be graded twice. It prints submissions a minute, what the
grader itself costs, the share that is the students' own computing, and the peak of memory.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from companion.exercises import cases, gate
from tools.grading import assign, batch, sandbox

ROOT = Path(__file__).resolve().parents[1]
VARIANT = 2027
# Of a hundred submissions.
SHARES = {"right": 40, "partly": 30, "wrong": 15, "hostile": 15}
HOSTILE = {
    "a loop without end": "def {0}(**inputs):\n    while True: pass",
    "memory without end": "def {0}(**inputs):\n    x = []\n"
    "    while True: x.append(bytearray(2**27))",
    "forks without end": "import os\ndef {0}(**inputs):\n    while True: os.fork()",
    "output without end": "def {0}(**inputs):\n    while True: print('x' * 10**6)",
    "the runner killed": "import os\ndef {0}(**inputs):\n    os.kill(os.getppid(), 9)",
    "equal to all": "class Any(float):\n    __eq__ = lambda a, b: True\n"
    "def {0}(**inputs): return Any()",
}


def kinds(count: int) -> list[str]:
    """A kind for each submission, in the shares above, in a mixed but fixed order."""
    named = [kind for kind, share in SHARES.items() for _ in range(share)]
    random.Random(7).shuffle(named)
    return [named[number % len(named)] for number in range(count)]


def make_class(course: Path, count: int) -> dict[tuple[str, str], int]:
    """Write the submissions; returns the known points by (student, assignment)."""
    about, chance, known = assign.read_course(course)["assignments"], random.Random(11), {}
    names = list(about)
    for number, kind in enumerate(kinds(count)):
        name, student = names[number % len(names)], f"{kind}{number:03d}"
        exercises = cases.load(course / "cases" / f"{name}_cases.py")
        chosen = {"right": 0, "partly": len(exercises) // 2, "hostile": 1}.get(kind, len(exercises))
        astray = chance.sample(exercises, chosen)
        replaced = {}
        for exercise in astray:
            source = chance.choice(list(exercise.wrong.values()))
            if kind == "hostile":
                source = chance.choice(list(HOSTILE.values())).format(exercise.function)
            replaced[f"{exercise.function}-solution"] = source
        document = json.loads((course / "source" / name / f"{name}.ipynb").read_text())
        for cell in document["cells"]:
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
            cell["source"] = replaced.get(grade_id, cell["source"])
        place = course / "submitted" / student / name / f"{name}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(document))
        known[student, name] = about[name]["points"] - sum(e.points for e in astray)
    return known


def grade(course: Path, jobs: int | None, stop_at: int | None) -> tuple[float, int]:
    """Run the command until it ends or `stop_at` results are there: (seconds, peak of memory)."""
    command = [
        sys.executable,
        "-m",
        "tools.grading",
        "grade",
        str(course),
        "--gradebook",
        "none",
        "--seconds",
        "10",
    ]
    command += ["--jobs", str(jobs)] if jobs else []
    began, peak = time.monotonic(), 0
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, sandbox.memory_of(process.pid))
        if stop_at is not None and len(list(course.glob("results/*/*.json"))) >= stop_at:
            process.send_signal(signal.SIGKILL)
            process.wait()
            break
        time.sleep(1)
    return time.monotonic() - began, peak


def main() -> None:
    """Make the class, grade it, check every score, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--jobs", type=int)
    chosen = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder) / "course"
        assign.assign(gate.chapters(), course, VARIANT)
        known = make_class(course, chosen.submissions)
        first, peak = grade(course, chosen.jobs, chosen.submissions // 2)
        kept = {p: p.stat().st_mtime_ns for p in course.glob("results/*/*.json")}
        print(f"killed after {first:.0f} s with {len(kept)} of {len(known)} results")
        second, again = grade(course, chosen.jobs, None)
        touched = [path.name for path, when in kept.items() if path.stat().st_mtime_ns != when]
        results = [one for name in known_names(course) for one in batch.read_results(course, name)]
    got = {(one["student"], one["assignment"]): one["points"] for one in results}
    astray = {
        key: (got.get(key), points) for key, points in known.items() if got.get(key) != points
    }
    for key, (found, expected) in astray.items():
        print(f"WRONG {key}: {found} points, expected {expected}")
    for name in touched:
        print(f"GRADED TWICE {name}")
    peaceful = [one for one in results if not one["student"].startswith("hostile")]
    own = [one["seconds"]["processor"] - one["seconds"]["student"] for one in peaceful]
    starts = [one["seconds"]["starting"] for one in peaceful]
    student = sum(one["seconds"]["student"] for one in results)
    spent = sum(one["seconds"]["processor"] for one in results)
    print(f"{len(results)} submissions, {60 * len(results) / (first + second):.1f} a minute")
    print(
        "a notebook costs, above starting and its own computing: "
        f"{statistics.median(own):.2f} s of processor (median), {max(own):.2f} s (most)"
    )
    print(f"starting a sandbox with its packages: {statistics.median(starts):.2f} s (median)")
    print(f"the students' own computing, of what runs after the start: {student / spent:.0%}")
    print(f"peak of memory: {max(peak, again) / 2**20:.0f} MiB")
    if astray or touched or len(got) != len(known):
        raise SystemExit("the class was not graded as it should have been")


def known_names(course: Path) -> list[str]:
    """The assignments of a course folder."""
    return list(assign.read_course(course)["assignments"])


if __name__ == "__main__":
    main()
