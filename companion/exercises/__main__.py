"""python -m companion.exercises gate [CHAPTER]
python -m companion.exercises student MASTER.ipynb -o OUT.ipynb
"""

import argparse
import sys
from pathlib import Path

import nbformat

from companion.exercises import format, gate


def write_student(master: Path, out: Path) -> None:
    """Write the student's version of a master notebook; ValueError when it holds no exercise."""
    notebook = format.read(master)
    if not format.sheets(notebook):
        raise ValueError(f"{master} holds no exercise: expected cells in nbgrader's format")
    if out.resolve() == master.resolve():
        raise ValueError(f"{out} is the master itself: give another file to -o")
    out.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(format.student(notebook), out)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m companion.exercises")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("gate", help="prove that the exercises do what an exercise must")
    check.add_argument(
        "chapter", nargs="?", help="for example vision/sketch_rnn; all when left out"
    )
    strip = commands.add_parser("student", help="write the student's version of a master notebook")
    strip.add_argument("master", type=Path)
    strip.add_argument("-o", "--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "gate":
            return gate.main(chosen.chapter)
        write_student(chosen.master, chosen.out)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
