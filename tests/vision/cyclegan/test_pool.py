"""The pool: full before it gives anything back, then an old picture half of the time."""

import pytest
import torch

from companion.seeds import generator
from companion.vision.cyclegan.pool import Pool


def _numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count).float().view(-1, 1, 1, 1)


def test_until_it_is_full_every_picture_comes_back_and_is_kept():
    pool = Pool(6, (1, 1, 1))
    for start in (0, 3):
        given = pool.exchange(_numbered(start, 3), generator(0))
        torch.testing.assert_close(given, _numbered(start, 3))
    torch.testing.assert_close(pool.pictures, _numbered(0, 6))


def test_once_full_half_are_old_each_place_is_as_likely_and_none_is_lost_or_doubled():
    pool, lots, count = Pool(50, (1, 1, 1)), generator(0, "pool"), 8_000
    pool.exchange(_numbered(0, 50), lots)
    given = pool.exchange(_numbered(50, count), lots).flatten()
    old = given != _numbered(50, count).flatten()
    assert old.float().mean().item() == pytest.approx(0.5, abs=4 * 0.5 / count**0.5)
    # Chosen evenly, a picture stays for a number of steps with mean 50 / (1/2) = 100.
    waited = torch.arange(50, 50 + count)[old] - given[old]
    assert waited[count // 8 :].mean().item() == pytest.approx(100, rel=0.07)
    everything = torch.cat([given, pool.pictures.flatten()]).sort().values
    torch.testing.assert_close(everything, torch.arange(50.0 + count))


def test_what_it_gives_and_holds_carries_no_graph_and_is_not_the_generators_memory():
    pool = Pool(2, (1, 1, 1))
    pictures = torch.zeros(3, 1, 1, 1, requires_grad=True) * 1
    given = pool.exchange(pictures, generator(0))
    assert not given.requires_grad and not pool.pictures.requires_grad
    with torch.no_grad():
        pictures += 7
    assert given.abs().max() == 0 and pool.pictures.abs().max() == 0


def test_a_pool_of_nothing_gives_back_what_it_gets_and_a_negative_one_is_refused():
    given = Pool(0, (1, 1, 1)).exchange(_numbered(0, 5), generator(0))
    torch.testing.assert_close(given, _numbered(0, 5))
    with pytest.raises(ValueError, match="0 pictures or more, got a capacity of -1"):
        Pool(-1, (1, 1, 1))
