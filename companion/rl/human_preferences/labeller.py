"""Chapter 4.3, the labeller: you, asked which of two clips is better, and a file of your answers.

One file holds the answers about one list of pairs, and each is on the disk before the next pair is
shown. A round of learning asks about new pairs, in a file of its own. Nothing waits: a cell of the
notebook shows a `Labeller`, and a later cell reads its `comparisons()`, however many there are.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import ipywidgets
import numpy as np

from companion.checkpoint import atomic_path
from companion.rl.human_preferences.data import (
    EQUAL,
    FIRST,
    SECOND,
    Clips,
    Comparisons,
    refuse_other_length,
)
from companion.rl.human_preferences.drawing import animation, player_html
from companion.rl.human_preferences.poses import View

PREFERENCES = {"first": FIRST, "second": SECOND, "equal": EQUAL}
ANSWERS = (*PREFERENCES, "skip")
UNDO = "undo"  # a line that takes the answer before it back


class AnswerFileError(RuntimeError):
    """A file of answers that cannot be used; says which, why and what to do."""


class AnswerFile:
    """Answers about pairs of clips, one line of JSON each, the first line saying which clips.

    A path without a file begins one. A path with a file goes on where it stopped; a last line that
    was cut off is dropped with a warning, and its pair is asked again.

    Args:
        path: the file.
        first, second: as many clips of equal length; pair 0 is the first of each.

    Raises:
        ValueError: for no pairs, more clips on one side, or clips of unequal length.
        AnswerFileError: for a file of other clips, or one with a damaged line. It is left as it is.
    """

    def __init__(self, path: str | os.PathLike[str], first: Clips, second: Clips):
        refuse_other_length(first, second)
        if not len(first) == len(second) > 0:
            raise ValueError(
                f"{len(first)} first and {len(second)} second clips are not pairs: give as many of "
                "each, and at least one"
            )
        self.path, self.first, self.second = Path(path), first, second
        self.answers: dict[int, str] = {}  # of each answered pair, in the order they were given
        self._digests = [
            [_digest(clips, pair) for clips in (first, second)] for pair in range(len(first))
        ]
        if not self.path.exists() or not self.path.stat().st_size:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(self.path) as temporary:
                temporary.write_bytes(json.dumps(self._header()).encode() + b"\n")
            self._size = self.path.stat().st_size
        else:
            self._size = self._read()

    def __len__(self) -> int:
        """How many pairs there are to ask about."""
        return len(self.first)

    def next_pair(self) -> int | None:
        """The first pair without an answer; None when all have one."""
        return next((pair for pair in range(len(self)) if pair not in self.answers), None)

    def answer(self, pair: int, answer: str, seconds: float) -> None:
        """Keep an answer about a pair: "first" or "second" is better, "equal", or "skip".

        When this returns, the answer is on the disk. `seconds` is how long it took.

        Raises:
            ValueError: for a pair or an answer that does not exist.
            AnswerFileError: when another program changed the file meanwhile.
            OSError: when it cannot be written. The file is as it was, and the pair is not answered.
        """
        if not 0 <= pair < len(self):
            raise ValueError(f"there is no pair {pair}: choose 0 to {len(self) - 1}")
        if answer not in ANSWERS:
            raise ValueError(f"{answer!r} is no answer: choose one of {', '.join(ANSWERS)}")
        self._append(pair, answer, seconds)
        self.answers.pop(pair, None)
        self.answers[pair] = answer

    def undo(self) -> int | None:
        """Take the latest answer back; which pair's it was, or None where there is none.

        Raises as `answer` does. The file keeps both lines.
        """
        if not self.answers:
            return None
        pair = next(reversed(self.answers))
        self._append(pair, UNDO, 0.0)
        del self.answers[pair]
        return pair

    def comparisons(self) -> Comparisons:
        """The pairs answered so far, without those skipped; contradictions are kept.

        `Comparisons.contradictions` counts them.
        """
        pairs = np.array(
            sorted(pair for pair, answer in self.answers.items() if answer in PREFERENCES),
            dtype=int,
        )
        preferences = np.array([PREFERENCES[self.answers[pair]] for pair in pairs.tolist()])
        return Comparisons(self.first[pairs], self.second[pairs], preferences)

    def _header(self) -> dict[str, str | int]:
        digest = hashlib.sha256(json.dumps(self._digests).encode()).hexdigest()
        return {"format": "answers about clips, 1", "pairs": len(self), "clips": digest[:16]}

    def _append(self, pair: int, answer: str, seconds: float) -> None:
        first, second = self._digests[pair]
        entry = {
            "pair": pair,
            "first": first,
            "second": second,
            "answer": answer,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
        }
        line = (json.dumps(entry) + "\n").encode()
        if not self.path.exists() or self.path.stat().st_size != self._size:
            raise AnswerFileError(
                f"Another program changed {self.path} meanwhile, and this answer was not kept. "
                "Label in one notebook at a time: run this cell again to go on from the file."
            )
        with open(self.path, "r+b") as file:
            file.seek(self._size)
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(self._size)  # half a line would spoil the ones to come
                raise
        self._size += len(line)

    def _read(self) -> int:
        """Take in the answers of the file; its size in bytes, without a last line cut off."""
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        header, *lines = content[:whole].split(b"\n")[:-1] or [b""]
        self._refuse_other_clips(header)
        for number, line in enumerate(lines, start=2):
            self._take(number, line)
        if whole < len(content):
            warnings.warn(
                f"The last line of {self.path} was cut off and is dropped: "
                f"{len(self.answers)} answers are kept, and its pair is asked again.",
                stacklevel=3,
            )
            os.truncate(self.path, whole)
        return whole

    def _refuse_other_clips(self, header: bytes) -> None:
        try:
            found = json.loads(header)
            pairs = found["pairs"]
        except (ValueError, TypeError, KeyError):
            raise self._damaged(1) from None
        if found != self._header():
            raise AnswerFileError(
                f"{self.path} holds answers about {pairs} pairs of other clips than the "
                f"{len(self)} pairs given. Give the clips it was begun with, or another path."
            )

    def _take(self, number: int, line: bytes) -> None:
        """Take in one line of the file."""
        try:
            entry = json.loads(line)
            pair, answer = entry["pair"], entry["answer"]
            clips = [entry["first"], entry["second"]]
            known = pair in range(len(self)) and answer in (*ANSWERS, UNDO)
            sound = known and clips == self._digests[pair]
        except (ValueError, TypeError, KeyError):
            sound = False
        if not sound:
            raise self._damaged(number)
        self.answers.pop(pair, None)
        if answer != UNDO:
            self.answers[pair] = answer

    def _damaged(self, number: int) -> AnswerFileError:
        return AnswerFileError(
            f"Line {number} of {self.path} is damaged, and no answer was read. Restore the file "
            "from a copy, delete that line to be asked again, or give another path."
        )


def _digest(clips: Clips, number: int) -> str:
    digest = hashlib.sha256()
    for array in (clips.observations[number], clips.actions[number]):
        digest.update(f"{array.shape}".encode())
        digest.update(array.astype("<f4").tobytes())
    return digest.hexdigest()[:16]


BUTTONS = {  # what each gives, what stands on it, and its key
    "first": ("left is better", "l"),
    "second": ("right is better", "r"),
    "equal": ("equally good", "e"),
    "skip": ("skip", "s"),
    UNDO: ("undo", "u"),
}
KEYS = {key: name for name, (_, key) in BUTTONS.items()}


class Labeller(ipywidgets.VBox):
    """Shows the pairs of clips one after the other and keeps your answers in a file.

    As the last expression of a cell it is displayed. The kernel stays free, so that you may stop at
    any pair, read `comparisons()` and go on; made again with the same clips and path, also after a
    restart, it goes on where you stopped.

    Args:
        first, second, path: as of `AnswerFile`; `first` is shown on the left.
        question: what you are asked about each pair.
        view: the camera, as of `drawing.animation`.

    Raises:
        ValueError, AnswerFileError: as `AnswerFile` and `drawing.animation` do.
    """

    def __init__(
        self,
        first: Clips,
        second: Clips,
        path: str | os.PathLike[str],
        question: str = "In which clip do better things happen?",
        view: View = "front",
    ):
        self.file = AnswerFile(path, first, second)
        self.question, self.view = question, view
        self.clips = ipywidgets.HTML()
        self.buttons = {
            name: ipywidgets.Button(description=f"{text} ({key})", layout={"width": "auto"})
            for name, (text, key) in BUTTONS.items()
        }
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self._act(name))
        # ipywidgets knows no keys, but a field for text tells of every letter.
        self.typed = ipywidgets.Text(
            description="keys", placeholder="click here, then type l, r, e, s, u"
        )
        self.typed.observe(self._read_key, "value")
        row = ipywidgets.HBox([*self.buttons.values()], layout={"flex_flow": "row wrap"})
        super().__init__([self.clips, row, self.typed])
        self._show()

    def comparisons(self) -> Comparisons:
        """The pairs you have answered so far, without those you skipped."""
        return self.file.comparisons()

    def _act(self, name: str) -> None:
        """Do what a button says. What cannot be kept is said, and the pair stays."""
        pair = self.file.next_pair()
        try:
            if name == UNDO:
                self.file.undo()
            elif pair is not None:
                self.file.answer(pair, name, time.monotonic() - self._since)
        except (OSError, AnswerFileError) as error:
            self._show(f"NOT KEPT: {error}")
        else:
            self._show()

    def _read_key(self, change: dict[str, str]) -> None:
        """Press the button of the last letter typed, and empty the field for the next."""
        key = change["new"].strip().lower()[-1:]
        if change["new"]:
            self.typed.value = ""
        if key in KEYS:
            self.buttons[KEYS[key]].click()

    def _show(self, trouble: str = "") -> None:
        """Show the next pair, or the last one where there is none, and how far you are."""
        pair = self.file.next_pair()
        done, every = len(self.file.answers), len(self.file)
        shown = every - 1 if pair is None else pair
        both = self.file.first[shown : shown + 1].joined(self.file.second[shown : shown + 1])
        svg = animation(both, ["left", "right"], "The two clips to compare.", self.view)
        if pair is None:
            skipped = [*self.file.answers.values()].count("skip")
            progress = f"All {every} pairs are answered, {skipped} of them skipped. Thank you."
        else:
            progress = f"{self.question} {done} of {every} answered."
        self.clips.value = player_html(svg, f"{trouble} {progress}".strip())
        for name, button in self.buttons.items():
            button.disabled = not self.file.answers if name == UNDO else pair is None
        self._since = time.monotonic()
