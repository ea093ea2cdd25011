"""Plain values to text and back, so that an answer can cross from one process to another.

Plain are: None, bool, int, float, str, lists and tuples of plain values, and arrays (numpy) or
tensors (torch) of numbers or bools. A numpy scalar counts as the Python number it holds. Nothing
else crosses: no object of any other class, subclasses of these included, and never a pickle.
"""

import base64
import json
import math
from typing import Any

MAX_BYTES = 4_000_000
MAX_DEPTH = 8
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


class ValueNotPlain(ValueError):
    """A value that may not cross; the message says what it is and what to return instead."""


def dumps(value: Any) -> str:
    """The value as JSON text of at most MAX_BYTES; ValueNotPlain when it may not cross."""
    text = json.dumps(_encode(value, MAX_DEPTH))
    if len(text) > MAX_BYTES:
        raise ValueNotPlain(
            f"the value takes {len(text)} bytes, more than {MAX_BYTES}: return less"
        )
    return text


def loads(text: str) -> Any:
    """The value in `text`; ValueNotPlain for anything that `dumps` would not have written."""
    if len(text) > MAX_BYTES:
        raise ValueNotPlain(f"the value takes {len(text)} bytes, more than {MAX_BYTES}")
    try:
        return _decode(json.loads(text), MAX_DEPTH)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueNotPlain(f"the text is not a plain value: {error}") from error


def _encode(value: Any, depth: int) -> Any:
    if depth == 0:
        raise ValueNotPlain(f"lists are nested more than {MAX_DEPTH} deep: return an array")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [_encode(element, depth - 1) for element in value]
    if type(value) is tuple:
        return {"tuple": [_encode(element, depth - 1) for element in value]}
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if kind.startswith(("numpy.", "torch.")):
        return _encode_array(value, kind)
    raise ValueNotPlain(
        f"the value is a {kind}: expected a number, a string, a bool, a list, a tuple, an array "
        "or a tensor"
    )


def _encode_array(value: Any, kind: str) -> Any:
    import numpy as np

    if isinstance(value, np.generic) and type(value.item()) in (bool, int, float, str):
        return value.item()
    if kind.startswith("torch."):
        import torch

        if not isinstance(value, torch.Tensor):
            raise ValueNotPlain(f"the value is a {kind}: return a tensor")
        array = value.detach().cpu().numpy()
    elif type(value) is np.ndarray:
        array = value
    else:
        raise ValueNotPlain(f"the value is a {kind}: return a plain array, numpy.asarray(value)")
    if array.dtype.name not in DTYPES:
        raise ValueNotPlain(
            f"the array's dtype is {array.dtype}: expected one of {', '.join(DTYPES)}"
        )
    if array.nbytes > MAX_BYTES:
        raise ValueNotPlain(
            f"the array takes {array.nbytes} bytes, more than {MAX_BYTES}: return less"
        )
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
    shape = list(array.shape)
    return {
        "tensor" if kind.startswith("torch.") else "array": array.dtype.name,
        "shape": shape,
        "data": data,
    }


def _decode(document: Any, depth: int) -> Any:
    if depth == 0:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(document, list):
        return [_decode(element, depth - 1) for element in document]
    if not isinstance(document, dict):
        return document
    if set(document) == {"tuple"}:
        return tuple(_decode(element, depth - 1) for element in document["tuple"])
    if set(document) == {"array", "shape", "data"}:
        return _decode_array(document["array"], document)
    if set(document) == {"tensor", "shape", "data"}:
        import torch

        return torch.from_numpy(_decode_array(document["tensor"], document))
    raise ValueError(f"unknown form {sorted(document)}")


def _decode_array(dtype: str, document: dict[str, Any]) -> Any:
    import numpy as np

    shape = document["shape"]
    if dtype not in DTYPES or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"an array of dtype {dtype!r} and shape {shape!r}")
    data = base64.b64decode(document["data"], validate=True)
    if len(data) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise ValueError(f"{len(data)} bytes do not fill the shape {shape!r} of {dtype}")
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()
