"""What a `<chapter>_cases.py` file holds, and how inputs are drawn from it.

The file lies beside the master notebook and defines `EXERCISES`, a list with one `Exercise` for
each exercise of the master. It is never published, and no notebook imports it.
"""

import hashlib
import runpy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

KINDS = {
    "number": "a number to compute",
    "write": "a piece to write",
    "behaviour": "a behaviour to reach",
    "bug": "a silent bug to find",
}
LEVELS = (1, 2, 3)


class CasesError(ValueError):
    """A cases file that breaks the contract; the message names the exercise and the remedy."""


@dataclass(frozen=True)
class Exercise:
    """How one exercise is checked and what it is worth.

    function   the function the student writes
    kind       number, write, behaviour or bug
    level      1 (reading the chapter is enough), 2 (some thought), 3 (a challenge)
    points, minutes   whole numbers above 0
    inputs     draws the arguments from a generator: a dict, or a list of dicts, of plain values
               (numbers, strings, bool, lists, tuples, numpy arrays, torch tensors)
    wrong      at least two wrong answers: what is wrong, in words -> source of the whole
               solution cell; of the right type and shape, and at least one passes every public test
    assigned   the solution is not published
    absolute, relative   tolerances: an answer agrees when
               |answer - solution| <= absolute + relative * |solution|
    measure    for a behaviour: (answer, drawn inputs) -> a float, low when the behaviour is good;
               the answer is right when type and shape are the solution's and the float is at most
               `threshold`; its values need not be the solution's
    withheld   names of drawn inputs that `measure` sees and the answer does not (held-out data)
    """

    function: str
    kind: str
    level: int
    points: int
    minutes: int
    inputs: Callable[["np.random.Generator"], dict[str, Any] | list[dict[str, Any]]]
    wrong: dict[str, str] = field(repr=False)
    assigned: bool = False
    absolute: float = 1e-6
    relative: float = 1e-6
    measure: Callable[[Any, dict[str, Any]], float] | None = None
    threshold: float | None = None
    withheld: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        name = f"exercise {self.function!r}"
        if self.kind not in KINDS:
            raise CasesError(f"{name}: kind is {self.kind!r}, expected one of {', '.join(KINDS)}")
        if self.level not in LEVELS:
            raise CasesError(f"{name}: level is {self.level!r}, expected 1, 2 or 3")
        for what, number in (("points", self.points), ("minutes", self.minutes)):
            if type(number) is not int or number < 1:
                raise CasesError(f"{name}: {what} is {number!r}, expected a whole number above 0")
        if len(self.wrong) < 2:
            raise CasesError(f"{name}: {len(self.wrong)} wrong answers, expected at least two")
        if (self.measure is None) != (self.threshold is None):
            raise CasesError(f"{name}: measure and threshold belong together: give both or neither")

    @property
    def headline(self) -> str:
        """The line that the statement shows under its title."""
        points = "1 point" if self.points == 1 else f"{self.points} points"
        kind = KINDS[self.kind].capitalize()
        return f"*{kind}: {points}, {self.minutes} minutes, level {self.level}.*"

    def draw(self, seed: int) -> list[dict[str, Any]]:
        """The inputs of the variant `seed`: the same for the same seed on every machine."""
        import numpy as np

        digest = hashlib.sha256(f"{self.function}/{seed}".encode()).digest()
        drawn = self.inputs(np.random.default_rng(list(digest)))
        return drawn if isinstance(drawn, list) else [drawn]

    def arguments(self, drawn: dict[str, Any]) -> dict[str, Any]:
        """What the answer is called with: the drawn inputs less those withheld."""
        return {name: value for name, value in drawn.items() if name not in self.withheld}


def load(path: str | Path) -> list[Exercise]:
    """The exercises of a cases file; CasesError when it is missing or defines none."""
    path = Path(path)
    if not path.is_file():
        raise CasesError(f"there is no cases file at {path}: every master notebook needs one")
    exercises = runpy.run_path(str(path)).get("EXERCISES")
    if not isinstance(exercises, list) or not all(isinstance(e, Exercise) for e in exercises):
        raise CasesError(f"{path}: expected EXERCISES, a list of companion.exercises.Exercise")
    return exercises
