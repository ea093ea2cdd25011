"""The one comparer: an answer is right when type, shape and value agree with the solution's.

The gate and the instructor's grader both use it, outside the process that computed the answer.

- Types are compared exactly: a bool is not an int, an int is not a float, a list is not a tuple,
  an array is not a tensor, a subclass is not its parent. The answer's own `==` is never asked.
- Integers, strings and bools must be equal; numbers with a point must lie within the tolerance.
- Arrays must have the same shape and the same kind of number (float, int or bool); float32 and
  float64 are the same kind.
- NaN agrees only with NaN at the same place, infinity only with infinity of the same sign.

The sentences never contain the solution's values, so that they may be shown to a student.
"""

import math
import sys
from typing import Any

from companion.exercises.cases import Exercise

KINDS = {"b": "bools", "i": "integers", "u": "integers", "f": "floats"}


def difference(
    solution: Any,
    answer: Any,
    absolute: float = 1e-6,
    relative: float = 1e-6,
    *,
    values: bool = True,
) -> str | None:
    """None when `answer` agrees with `solution`, else a sentence that says how it does not.

    With `values` off only types and shapes are compared.
    """
    expected, found = _kind(solution), _kind(answer)
    if expected != found or expected.startswith("an object"):
        return f"the answer is {found}, expected {expected}"
    if type(solution) in (list, tuple):
        return _difference_of_sequences(solution, answer, absolute, relative, values)
    if expected.startswith(("an array", "a tensor")):
        return _difference_of_arrays(solution, answer, absolute, relative, values)
    if not values:
        return None
    if type(solution) is not float:
        return None if solution == answer else "the value is not right"
    if math.isnan(answer) and not math.isnan(solution):
        return "the value is NaN: something was divided by zero, or infinity taken from infinity"
    close = _close(solution, answer, absolute, relative)
    return None if close else "the value is not right: it is outside the tolerance"


def _kind(value: Any) -> str:
    """The type in words; anything that is not a plain value is 'an object of class ...'."""
    names = {bool: "a bool", int: "an int", float: "a float", str: "a string", type(None): "None"}
    if type(value) in names:
        return names[type(value)]
    if type(value) in (list, tuple):
        return "a list" if type(value) is list else "a tuple"
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if torch is not None and type(value) is torch.Tensor:
        return f"a tensor of {_tensor_kind(value)}"
    if numpy is not None and type(value) is numpy.ndarray and value.dtype.kind in KINDS:
        return f"an array of {KINDS[value.dtype.kind]}"
    return f"an object of class {type(value).__qualname__}"


def _tensor_kind(tensor: Any) -> str:
    if tensor.dtype.is_floating_point:
        return "floats"
    if tensor.dtype.is_complex:
        return "complex numbers"
    return "bools" if str(tensor.dtype) == "torch.bool" else "integers"


def _difference_of_sequences(
    solution: Any, answer: Any, absolute: float, relative: float, values: bool
) -> str | None:
    if len(solution) != len(answer):
        return f"the answer has {len(answer)} elements, expected {len(solution)}"
    for index, (one, other) in enumerate(zip(solution, answer, strict=True)):
        problem = difference(one, other, absolute, relative, values=values)
        if problem is not None:
            return f"element {index}: {problem}"
    return None


def _difference_of_arrays(
    solution: Any, answer: Any, absolute: float, relative: float, values: bool
) -> str | None:
    import numpy as np

    if tuple(solution.shape) != tuple(answer.shape):
        return f"the shape is {tuple(answer.shape)}, expected {tuple(solution.shape)}"
    if not values:
        return None
    one, other = np.asarray(solution), np.asarray(answer)
    if one.dtype.kind != "f":
        wrong = one != other
    else:
        one, other = one.astype(np.float64), other.astype(np.float64)
        astray = np.isnan(other) & ~np.isnan(one)
        if astray.any():
            return f"{astray.sum()} of {astray.size} values are NaN and should not be"
        wrong = ~np.isclose(other, one, rtol=relative, atol=absolute, equal_nan=True)
    return f"{wrong.sum()} of {wrong.size} values are not right" if wrong.any() else None


def _close(solution: float, answer: float, absolute: float, relative: float) -> bool:
    if math.isnan(solution) or math.isinf(solution) or not math.isfinite(answer):
        return solution == answer or (math.isnan(solution) and math.isnan(answer))
    return abs(answer - solution) <= absolute + relative * abs(solution)


def judge(exercise: Exercise, drawn: dict[str, Any], solution: Any, answer: Any) -> str | None:
    """None when `answer` is right for one drawn input of the exercise, else why it is not."""
    if exercise.measure is None:
        return difference(solution, answer, exercise.absolute, exercise.relative)
    problem = difference(solution, answer, values=False)
    if problem is not None:
        return problem
    reached = exercise.measure(answer, drawn)
    if type(reached) is not float:
        raise TypeError(f"measure of {exercise.function!r} returned {reached!r}, expected a float")
    # Written so that NaN, which compares false with everything, is not a pass.
    if reached <= exercise.threshold:
        return None
    return f"the measure is {reached:.3g}, expected at most {exercise.threshold:g}"
