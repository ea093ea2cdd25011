"""Chapter 5.3, all-reduce: every worker's sum, by sends between two workers at a time (section 4).

Both algorithms first leave each worker with the finished sum of one part (reduce-scatter), then
pass the finished parts on (all-gather). Both send 2(p-1)/p of the tensor's bytes a worker, the
least possible; the ring in 2(p-1) rounds, halving-doubling in 2 log2(p).
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor


@dataclass
class Traffic:
    """What one worker did: ``rounds`` of sending and receiving at once, and ``sent`` bytes."""

    rounds: int = 0
    sent: int = 0

    def exchange(self, outgoing: Tensor, to: int, incoming: Tensor, source: int) -> None:
        """Send one part to a worker while another arrives; back when both are done."""
        operations = [
            dist.P2POp(dist.isend, outgoing, to),
            dist.P2POp(dist.irecv, incoming, source),
        ]
        for request in dist.batch_isend_irecv(operations):
            request.wait()
        self.rounds += 1
        self.sent += outgoing.numel() * outgoing.element_size()


def ring_all_reduce(tensor: Shaped[Tensor, "..."]) -> Traffic:
    """Replace ``tensor`` by its sum over all workers, each talking to its two neighbours only.

    The tensor is cut into p parts. In each of the first p - 1 rounds a worker adds what comes from
    its left to its own, and sends that part on in the next round: after them it holds one finished
    part. In p - 1 more rounds the finished parts go once around. For any length and any number of
    workers; every worker must call it with the same shape. Raises ``ValueError`` when the tensor is
    not contiguous.
    """
    rank, world_size = dist.get_rank(), dist.get_world_size()
    parts = _flat(tensor).tensor_split(world_size)  # views; their lengths differ by one at most
    arrived = torch.empty_like(parts[0])
    right, left = (rank + 1) % world_size, (rank - 1) % world_size
    traffic = Traffic()
    for step in range(world_size - 1):
        outgoing, own = parts[(rank - step) % world_size], parts[(rank - step - 1) % world_size]
        incoming = arrived[: own.numel()]
        traffic.exchange(outgoing, right, incoming, left)
        own += incoming
    for step in range(world_size - 1):
        finished, stale = (
            parts[(rank - step + 1) % world_size],
            parts[(rank - step) % world_size],
        )
        traffic.exchange(finished, right, stale, left)
    return traffic


def halving_doubling_all_reduce(tensor: Shaped[Tensor, "..."]) -> Traffic:
    """Replace ``tensor`` by its sum over all workers, by recursive halving and doubling.

    In each round two workers share what they hold: each sends one half and adds the other. Then the
    partner is twice as far away and what is shared half as long, until a worker holds the finished
    sum of one p-th. The same pairs in reverse give the halves back. Raises ``ValueError`` when the
    number of workers is not a power of two (the paper's binary blocks algorithm then works on
    blocks of powers of two), or when the tensor is not contiguous.
    """
    rank, world_size = dist.get_rank(), dist.get_world_size()
    if world_size & (world_size - 1):
        raise ValueError(
            f"halving and doubling pairs the workers, so their number must be a power of two, not "
            f"{world_size}; use ring_all_reduce for other numbers"
        )
    held = _flat(tensor)
    arrived = torch.empty_like(held[: (held.numel() + 1) // 2])
    traffic, shared = Traffic(), []
    distance = 1
    while distance < world_size:
        partner = rank ^ distance
        lower, upper = held.tensor_split(2)
        kept, given = (lower, upper) if rank < partner else (upper, lower)
        incoming = arrived[: kept.numel()]
        traffic.exchange(given, partner, incoming, partner)
        kept += incoming
        shared.append((partner, kept, given))
        held = kept
        distance *= 2
    for partner, finished, stale in reversed(shared):
        traffic.exchange(finished, partner, stale, partner)
    return traffic


def _flat(tensor: Tensor) -> Tensor:
    """The tensor's own numbers in one row, so that what is written there is written to it."""
    if not tensor.is_contiguous():
        raise ValueError(
            f"the sum is written in place, which needs a contiguous tensor, not one of shape "
            f"{tuple(tensor.shape)} with strides {tensor.stride()}; pass tensor.contiguous()"
        )
    return tensor.view(-1)
