"""The size of a run (`COURSE_SIZE`) and the device it runs on. Every chapter uses this room."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SIZES = ("smoke", "laptop", "gpu")


def current_size() -> str:
    """The size asked for by the environment variable `COURSE_SIZE`; `laptop` when it is unset.

    Raises:
        ValueError: when the variable names no known size.
    """
    size = os.environ.get("COURSE_SIZE") or "laptop"
    if size not in SIZES:
        raise ValueError(
            f"COURSE_SIZE is {size!r}, which is not a size of the course. "
            f"Set it to one of {', '.join(SIZES)}, or unset it to get laptop."
        )
    return size


def device() -> torch.device:
    """The CUDA device when there is one, else the processor."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
