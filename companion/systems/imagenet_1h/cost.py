"""Chapter 5.3, the cost of a step: computing, and the sending that computing cannot hide.

A model of latency and bandwidth, fitted to measured all-reduces and used beyond this machine. It
cannot know what it was not shown: stragglers (each step waits for the slowest of p workers, and the
slowest of 256 is slower than the slowest of 2), links that several workers share, congestion in a
switch, an input pipeline that falls behind, a processor that both computes and sends. Its figures
are therefore bounds on what such links could do, not forecasts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

ALGORITHMS = ("ring", "halving-doubling")


@dataclass(frozen=True)
class Link:
    """What joins two workers: ``latency`` in seconds a round, ``bandwidth`` in bytes a second."""

    latency: float
    bandwidth: float

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a latency below 0 or a bandwidth that is not above 0."""
        if not self.latency >= 0:
            raise ValueError(f"latency is {self.latency} s; give 0 or more seconds a round")
        if not self.bandwidth > 0:
            raise ValueError(f"bandwidth is {self.bandwidth}; give more than 0 bytes a second")


# --- one all-reduce ------------------------------------------------------------------------------


def rounds(world_size: int, algorithm: str = "ring") -> int:
    """Rounds of sending: 2(p-1) in a ring, 2 log2(p) by halving and doubling.

    Raises ``ValueError`` for an unknown algorithm, for p < 1, and for a p that is not a power of
    two where workers are paired.
    """
    _check_world_size(world_size)
    if algorithm not in ALGORITHMS:
        raise ValueError(f"there is no algorithm {algorithm!r}; choose from {ALGORITHMS}")
    if algorithm == "ring":
        return 2 * (world_size - 1)
    if world_size & (world_size - 1):
        raise ValueError(
            f"halving-doubling needs a power of two, not {world_size} workers; choose the ring"
        )
    return 2 * int(math.log2(world_size))


def bytes_sent(num_bytes: float, world_size: int) -> float:
    """Bytes each worker sends to sum ``num_bytes`` by either algorithm: 2(p-1)/p of them."""
    _check_world_size(world_size)
    if not num_bytes >= 0:
        raise ValueError(f"a message of {num_bytes} bytes cannot be sent; give 0 or more")
    return 2 * (world_size - 1) / world_size * num_bytes


def all_reduce_seconds(
    num_bytes: float, world_size: int, link: Link, algorithm: str = "ring"
) -> float:
    """Seconds of one all-reduce: a latency for each round, and the bytes over the bandwidth."""
    sending = bytes_sent(num_bytes, world_size) / link.bandwidth
    return rounds(world_size, algorithm) * link.latency + sending


def fit_link(
    sizes: Sequence[float],
    seconds: Sequence[float],
    world_size: int,
    algorithm: str = "ring",
) -> Link:
    """The link that explains measured all-reduces best; ``sizes`` in bytes.

    Least squares of the relative errors, so that a message of 1 kB counts as much as one of 10 MB,
    with neither latency nor bandwidth below zero. What the workers spend on adding is counted to
    the bandwidth. Raises ``ValueError`` when there are fewer than two sizes, when a time is not
    above zero, or when the times do not grow with the sizes.
    """
    if world_size < 2:
        raise ValueError(f"{world_size} worker sends nothing; fit to times of at least 2 workers")
    if len(sizes) != len(seconds):
        raise ValueError(f"{len(sizes)} sizes came with {len(seconds)} times; give one for each")
    if len(set(sizes)) < 2:
        raise ValueError(
            "latency and bandwidth can be told apart only by at least two different sizes, not by "
            f"{sorted(set(sizes))}"
        )
    times: Float[np.ndarray, " sizes"] = np.asarray(seconds, dtype=float)
    if not (times > 0).all():
        raise ValueError(f"the shortest time is {times.min()} s; measure again, all must exceed 0")
    terms = [(rounds(world_size, algorithm), bytes_sent(size, world_size)) for size in sizes]
    relative: Float[np.ndarray, "sizes 2"] = np.asarray(terms, dtype=float) / times[:, None]
    (latency, seconds_a_byte), _ = nnls(relative, np.ones(len(times)))
    if seconds_a_byte == 0:
        raise ValueError(
            "the times do not grow with the sizes, so no bandwidth can be read from them; measure "
            "larger messages, on an idle machine"
        )
    return Link(latency=float(latency), bandwidth=float(1 / seconds_a_byte))


# --- one step ------------------------------------------------------------------------------------


def step_seconds(
    compute_seconds: float,
    num_bytes: float,
    world_size: int,
    link: Link,
    *,
    algorithm: str = "ring",
    overlap: float = 0.0,
) -> float:
    """Seconds of one step: computing, and what of the all-reduce it does not hide.

    Args:
        compute_seconds: forward and backward on the worker's own share.
        num_bytes: of all gradients; four a parameter in single precision.
        world_size: p, the number of workers.
        link: what joins them.
        algorithm: "ring" or "halving-doubling".
        overlap: the part of computing, 0 to 1, during which gradients can already be sent. Backward
            is about two thirds of computing and its first gradients are ready early, so 2/3 is the
            most to hope for; without overlap, as in this chapter's script, it is 0.

    Raises:
        ValueError: when a figure is out of its range.
    """
    if not compute_seconds > 0:
        raise ValueError(f"computing takes {compute_seconds} s; give more than 0")
    if not 0 <= overlap <= 1:
        raise ValueError(f"overlap is {overlap}; give the part of computing, between 0 and 1")
    sending = all_reduce_seconds(num_bytes, world_size, link, algorithm)
    return compute_seconds + max(0.0, sending - overlap * compute_seconds)


def efficiency(
    compute_seconds: float,
    num_bytes: float,
    world_size: int,
    link: Link,
    *,
    algorithm: str = "ring",
    overlap: float = 0.0,
) -> float:
    """Images a second of p workers over p times those of one: 1 for a single worker.

    Each worker keeps its own n images a step, as in the paper, so this is computing over the whole
    step. Arguments and errors as for ``step_seconds``.
    """
    step = step_seconds(
        compute_seconds, num_bytes, world_size, link, algorithm=algorithm, overlap=overlap
    )
    return compute_seconds / step


def _check_world_size(world_size: int) -> None:
    if world_size < 1:
        raise ValueError(f"there are {world_size} workers; give at least 1")
