"""python -m tools.grading assign OUT CHAPTER... [--variant NUMBER] [--masters FOLDER]
python -m tools.grading collect COURSE ASSIGNMENT ARCHIVE.zip [--pattern EXPRESSION]
python -m tools.grading grade COURSE [ASSIGNMENT...] [--students A B] [--gradebook ADDRESS]
python -m tools.grading regrade COURSE [ASSIGNMENT...]     grade anew what has a result already
"""

import argparse
import sys
from pathlib import Path

from companion.exercises import gate
from tools.grading import assign, batch, collect, record
from tools.grading.sandbox import Limits


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.grading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("assign", help="make or complete a course folder")
    new.add_argument("out", type=Path)
    new.add_argument("chapters", nargs="+", help="for example vision/sketch_rnn")
    new.add_argument("--variant", type=int, help="the seed of the inputs; drawn when left out")
    new.add_argument("--masters", type=Path, default=gate.FOLDER, help="masters of your own")
    take = commands.add_parser("collect", help="take submissions from an archive")
    take.add_argument("course", type=Path)
    take.add_argument("assignment")
    take.add_argument("archive", type=Path)
    take.add_argument("--pattern", help="finds (?P<student>...) in the names in the archive")
    for name in ("grade", "regrade"):
        one = commands.add_parser(name, help=f"{name} what is in submitted/")
        one.add_argument("course", type=Path)
        one.add_argument("assignments", nargs="*")
        one.add_argument("--students", nargs="+")
        one.add_argument("--jobs", type=int, help="sandboxes at a time")
        one.add_argument("--seconds", type=float, default=Limits.exercise, help="an exercise's")
        one.add_argument(
            "--gradebook",
            help="nbgrader's, for example sqlite:///gradebook.db or postgresql://user@host/name; "
            "`none` writes tables only",
        )
        one.add_argument(
            "--without-sandbox",
            action="store_true",
            help="run the students' code as this user, with all that this user may do",
        )
    return parser


def _grade(chosen: argparse.Namespace) -> int:
    if chosen.without_sandbox:
        print("WITHOUT A SANDBOX: students' code runs as you and may read, change and send all.")
    outcome = batch.grade_class(
        chosen.course,
        chosen.assignments or None,
        chosen.students,
        limits=Limits(exercise=chosen.seconds),
        jobs=chosen.jobs,
        walls=not chosen.without_sandbox,
        again=chosen.command == "regrade",
    )
    batch.report(outcome.results, outcome.problems)
    print(f"{outcome.graded} graded, {outcome.stood} had been graded already")
    for line in record.record(chosen.course, chosen.gradebook):
        print(line)
    return int(bool(outcome.problems))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 1 when something was refused or not graded."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.command == "assign":
            made = assign.assign(chosen.chapters, chosen.out, chosen.variant, chosen.masters)
            print(f"{chosen.out}: variant {made['variant']}, {', '.join(made['assignments'])}")
            return 0
        if chosen.command == "collect":
            taken = collect.collect(
                chosen.course, chosen.assignment, chosen.archive, chosen.pattern
            )
            for line in taken.notes:
                print(line)
            print(f"{len(taken.students)} submissions taken")
            return 0
        return _grade(chosen)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on where it was.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
