"""The cost model: counts known in closed form, a fit that finds what was planted, its limits."""

import itertools

import numpy as np
import pytest

from companion.systems.imagenet_1h import cost

LINK = cost.Link(latency=2e-4, bandwidth=1e9)
RESNET_50 = 25_600_000 * 4  # bytes of gradients


def test_rounds_and_bytes_of_both_algorithms():
    assert [cost.rounds(p, "ring") for p in (1, 2, 3, 4, 256)] == [0, 2, 4, 6, 510]
    assert [cost.rounds(p, "halving-doubling") for p in (1, 2, 4, 256)] == [0, 2, 4, 16]
    assert cost.bytes_sent(100, 1) == 0
    assert cost.bytes_sent(100, 2) == 100
    assert cost.bytes_sent(100, 4) == pytest.approx(150)


def test_an_all_reduce_pays_latency_by_the_round_and_bandwidth_by_the_byte():
    ring = cost.all_reduce_seconds(8e6, 4, LINK, "ring")
    assert ring == pytest.approx(6 * 2e-4 + 1.5 * 8e6 / 1e9)
    halving = cost.all_reduce_seconds(8e6, 4, LINK, "halving-doubling")
    assert halving == pytest.approx(4 * 2e-4 + 1.5 * 8e6 / 1e9)
    assert cost.all_reduce_seconds(8e6, 1, LINK) == 0


@pytest.mark.parametrize(
    ("world_size", "algorithm"), [(2, "ring"), (3, "ring"), (8, "halving-doubling")]
)
def test_the_fit_finds_a_planted_link_in_noisy_times(world_size, algorithm):
    sizes = np.logspace(3, 8, 24)
    noise = np.exp(np.random.default_rng(0).normal(0, 0.05, len(sizes)))
    times = [
        cost.all_reduce_seconds(size, world_size, LINK, algorithm) * factor
        for size, factor in zip(sizes, noise, strict=True)
    ]
    found = cost.fit_link(sizes, times, world_size, algorithm)
    assert found.latency == pytest.approx(LINK.latency, rel=0.05)
    assert found.bandwidth == pytest.approx(LINK.bandwidth, rel=0.05)


def test_the_fit_never_finds_a_negative_latency():
    """Ordinary least squares would here: the times bend upwards, as caches overflow."""
    found = cost.fit_link([1e3, 1e6, 1e8], [1e-6, 1e-3, 0.2], 2)
    assert found.latency >= 0 and found.bandwidth > 0


@pytest.mark.parametrize("algorithm", cost.ALGORITHMS)
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_efficiency_is_one_alone_and_falls_with_workers(algorithm, overlap):
    values = [
        cost.efficiency(0.2, RESNET_50, 2**k, LINK, algorithm=algorithm, overlap=overlap)
        for k in range(9)
    ]
    assert values[0] == 1
    assert all(later <= earlier for earlier, later in itertools.pairwise(values))
    assert 0 < values[-1] < 1


def test_computing_hides_sending_up_to_the_overlap_and_no_more():
    sending = cost.all_reduce_seconds(RESNET_50, 2, LINK)
    hidden = cost.step_seconds(2 * sending, RESNET_50, 2, LINK, overlap=0.5)
    assert hidden == pytest.approx(2 * sending)
    half_hidden = cost.step_seconds(sending, RESNET_50, 2, LINK, overlap=0.5)
    assert half_hidden == pytest.approx(1.5 * sending)
    assert cost.step_seconds(sending, RESNET_50, 2, LINK) == pytest.approx(2 * sending)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: cost.Link(latency=-1.0, bandwidth=1.0), "latency is -1.0 s"),
        (lambda: cost.Link(latency=0.0, bandwidth=0.0), "more than 0 bytes a second"),
        (lambda: cost.rounds(0), "there are 0 workers"),
        (lambda: cost.rounds(2, "tree"), "no algorithm 'tree'"),
        (lambda: cost.rounds(6, "halving-doubling"), "power of two, not 6"),
        (lambda: cost.bytes_sent(-1, 2), "message of -1 bytes"),
        (lambda: cost.step_seconds(0.0, 1, 2, LINK), "computing takes 0.0 s"),
        (lambda: cost.step_seconds(1.0, 1, 2, LINK, overlap=1.5), "overlap is 1.5"),
        (lambda: cost.fit_link([1, 2], [1.0, 2.0], 1), "1 worker sends nothing"),
        (lambda: cost.fit_link([1, 2], [1.0], 2), "2 sizes came with 1 times"),
        (lambda: cost.fit_link([8, 8], [1.0, 2.0], 2), "at least two different sizes"),
        (lambda: cost.fit_link([1, 2], [0.0, 2.0], 2), "shortest time is 0.0 s"),
        (lambda: cost.fit_link([1e3, 1e6], [2.0, 1.0], 2), "do not grow with the sizes"),
        (lambda: cost.fit_link([1e3, 1e6], [float("nan"), 1.0], 2), "nan"),
    ],
)
def test_figures_out_of_range_are_refused_by_name(work, message):
    with pytest.raises(ValueError, match=message):
        work()
