"""Random streams by seed and purpose. Every chapter uses this room.

Each purpose ("weights", "batches", …) has a stream of its own, so a change in how one part of an
experiment draws its numbers leaves every other part as it was.
"""

from __future__ import annotations

import hashlib
import json
import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def _digest(seed: int, purpose: tuple[str, ...]) -> bytes:
    """32 bytes that depend on the seed and every word of the purpose, alike on every platform."""
    for word in purpose:
        if not isinstance(word, str):
            raise TypeError(f"A purpose is made of words; got {word!r}. Pass it as a string.")
    text = json.dumps([operator.index(seed), *purpose])
    return hashlib.sha256(text.encode()).digest()


def generator(seed: int, *purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A PyTorch generator for `seed` and `purpose`; other purposes give independent streams.

    A CUDA generator is as reproducible, but draws other numbers than the processor's.
    """
    import torch

    # PyTorch's processor generator uses the low 32 bits of its seed only.
    state = int.from_bytes(_digest(seed, purpose)[:4], "little")
    return torch.Generator(device=device).manual_seed(state)


def numpy_generator(seed: int, *purpose: str) -> np.random.Generator:
    """A NumPy generator for `seed` and `purpose`; other purposes give independent streams."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(list(_digest(seed, purpose))))
