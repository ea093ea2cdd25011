"""Both all-reduces against the library's, in real processes; what they count, in closed form."""

import math

import pytest
import torch
import torch.distributed as dist

from companion.seeds import generator
from companion.systems.imagenet_1h import meeting
from companion.systems.imagenet_1h.allreduce import halving_doubling_all_reduce, ring_all_reduce
from tests.systems.imagenet_1h.workers import all_well, run_forked

LENGTHS = (0, 1, 2, 3, 5, 64, 1001)


def compare_with_library(rank):
    meeting.meet("cpu", 30)
    world_size = dist.get_world_size()
    algorithms = {ring_all_reduce: 2 * (world_size - 1)}
    if world_size in (1, 2, 4):
        algorithms[halving_doubling_all_reduce] = 2 * int(math.log2(world_size))
    for algorithm, rounds in algorithms.items():
        for length in LENGTHS:
            own = torch.randn(length, generator=generator(rank, str(length)))
            expected, found = own.clone(), own.clone()
            dist.all_reduce(expected)
            traffic = algorithm(found)
            torch.testing.assert_close(found, expected)
            assert traffic.rounds == rounds
            # every worker ends with the same bits, or their weights would drift apart
            copies = [torch.empty_like(found) for _ in range(world_size)]
            dist.all_gather(copies, found)
            assert all(torch.equal(copy, found) for copy in copies)
            sent = torch.tensor(traffic.sent)
            dist.all_reduce(sent)
            assert sent == 2 * (world_size - 1) * length * 4  # p times 2(p-1)/p of the bytes
            parts = -(-length // world_size) * 4
            assert traffic.sent <= 2 * (world_size - 1) * parts
        matrix = torch.full((3, 4), rank + 1, dtype=torch.int64)
        algorithm(matrix)
        assert (matrix == world_size * (world_size + 1) // 2).all()
        with pytest.raises(ValueError, match="contiguous"):
            algorithm(torch.zeros(3, 4).T)
    if world_size == 3:
        with pytest.raises(ValueError, match="power of two, not 3"):
            halving_doubling_all_reduce(torch.zeros(4))
    dist.destroy_process_group()


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_both_algorithms_equal_the_librarys_at_any_length(world_size, tmp_path):
    all_well(run_forked(world_size, tmp_path, compare_with_library))
