import numpy as np
import pytest
import torch

from companion.seeds import generator, numpy_generator


def test_streams_are_the_same_on_every_machine_and_run():
    assert generator(0, "weights").initial_seed() == 1651365636
    drawn = torch.randint(1000, (4,), generator=generator(0, "weights")).tolist()
    assert drawn == [621, 380, 104, 798]
    assert numpy_generator(0, "batches", "train").integers(1000, size=4).tolist() == [
        912,
        325,
        832,
        15,
    ]


def test_each_purpose_and_seed_has_a_stream_of_its_own():
    keys = [(0,), (1,), (0, "a"), (1, "a"), (0, "b"), (0, "a", "b"), (0, "ab"), (0, "b", "a")]
    torch_draws = [torch.rand(1000, generator=generator(*key)).numpy() for key in keys]
    numpy_draws = [numpy_generator(*key).random(1000) for key in keys]
    for draws in (torch_draws, numpy_draws):
        correlations = np.corrcoef(np.stack(draws)) - np.eye(len(keys))
        assert np.abs(correlations).max() < 0.15


def test_drawing_from_one_stream_leaves_another_alone():
    first, second = generator(3, "noise"), generator(3, "batches")
    torch.rand(100, generator=first)
    assert torch.equal(
        torch.rand(5, generator=second), torch.rand(5, generator=generator(3, "batches"))
    )


def test_a_seed_may_be_a_numpy_integer():
    assert generator(np.int64(7), "x").initial_seed() == generator(7, "x").initial_seed()


def test_a_purpose_that_is_no_word_and_a_seed_that_is_no_whole_number_are_refused():
    with pytest.raises(TypeError, match="got 5"):
        generator(0, 5)
    with pytest.raises(TypeError):
        numpy_generator(0.5, "x")
