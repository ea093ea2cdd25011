"""The score against the paper's formula, and the batched search against a plain one."""

import math

import pytest
import torch

from companion.text.gnmt.batches import make_sources
from companion.text.gnmt.beam import (
    Search,
    coverage_penalty,
    greedy,
    length_penalty,
    search,
    search_one,
)
from companion.text.gnmt.model import Architecture, new_model

SENTENCES = [[5, 6, 7], [8], [9, 10, 11, 5, 6, 7], [6, 6], [12, 4, 5, 5]]


def _model(attention: bool = True, seed: int = 0):
    architecture = Architecture(15, 8, 8, 8, 3, attention=attention, dropout=0.0)
    # Large weights, so that the distributions are far from uniform.
    model = new_model(architecture, seed, weight_range=1.5)
    with torch.no_grad():
        model.decoder.output.bias[2] += 6  # so that most translations end
    return model


def test_length_penalty():
    assert length_penalty(7, 1.0) == 2
    assert length_penalty(1, 0.6) == 1
    assert length_penalty(31, 0.5) == pytest.approx(math.sqrt(6))


def test_coverage_counts_a_word_once_at_most_and_padding_not_at_all():
    attention = torch.tensor([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0]])
    mask = torch.tensor([True, True, False])
    expected = 0.5 * math.log(0.5)
    assert coverage_penalty(attention, mask, 0.5).item() == pytest.approx(expected)
    forgotten = torch.tensor([[1.0, 0.0, 0.0]])
    assert math.isfinite(coverage_penalty(forgotten, mask, 0.2).item())


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (1.0, 0.0), (0.6, 0.5)])
@pytest.mark.parametrize("width", [1, 4])
def test_the_batched_search_finds_what_the_plain_one_finds(width, alpha, beta, seed):
    """The plain one never stops early, so stopping early has lost nothing either."""
    model = _model(seed=seed)
    settings = Search(width, alpha, beta)
    found = search(model, *make_sources(SENTENCES), settings)
    for sentence, hypotheses in zip(SENTENCES, found, strict=True):
        expected = search_one(model, make_sources([sentence])[0][0], settings)
        assert [one.pieces for one in hypotheses] == [one.pieces for one in expected]
        for one, other in zip(hypotheses, expected, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-4)
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)
            torch.testing.assert_close(one.attention, other.attention, atol=1e-5, rtol=1e-4)


def test_the_score_is_that_of_the_formula():
    model = _model()
    sources, lengths = make_sources(SENTENCES)
    for source, hypotheses in zip(
        SENTENCES, search(model, sources, lengths, Search(4, 0.6, 0.3)), strict=True
    ):
        for hypothesis in hypotheses:
            row = make_sources([source])
            targets = torch.tensor([[1, *hypothesis.pieces]])
            log_probabilities = model(*row, targets).log_softmax(dim=2)[0]
            labels = torch.tensor([*hypothesis.pieces, 2])
            log_p = log_probabilities.gather(1, labels[:, None]).sum().item()
            coverage = hypothesis.attention.sum(dim=0).clamp(max=1).log().sum().item()
            expected = log_p / ((5 + len(labels)) / 6) ** 0.6 + 0.3 * coverage
            assert hypothesis.attention.shape == (len(labels), len(source) + 1)
            assert hypothesis.score == pytest.approx(expected, abs=1e-4)


def test_a_beam_of_one_without_penalties_is_greedy():
    model = _model()
    rows = make_sources(SENTENCES)
    found = search(model, *rows, Search(1, 0.0, 0.0))
    assert [hypotheses[0].pieces for hypotheses in found] == greedy(model, *rows)


def test_padding_changes_no_translation():
    model = _model()
    together = search(model, *make_sources(SENTENCES), Search(3))
    for sentence, hypotheses in zip(SENTENCES, together, strict=True):
        alone = search(model, *make_sources([sentence]), Search(3))[0]
        assert [one.pieces for one in alone] == [one.pieces for one in hypotheses]


def test_without_attention_there_is_no_coverage():
    model = _model(attention=False)
    rows = make_sources(SENTENCES)
    with pytest.raises(ValueError, match=r"beta is 0\.2"):
        search(model, *rows, Search(beta=0.2))
    assert len(search(model, *rows, Search(beta=0.0))) == len(SENTENCES)


def test_a_model_that_never_ends_gives_what_it_has():
    model = _model()
    with torch.no_grad():
        model.decoder.output.bias[2] = -1e9
    (hypotheses,) = search(model, *make_sources([[5, 6]]), Search(2))
    assert len(hypotheses) == 2
    assert len(hypotheses[0].pieces) == Search().longest(torch.tensor([3])).item()


def test_settings_that_are_refused():
    with pytest.raises(ValueError, match="width of the beam is 0"):
        Search(width=0)
    with pytest.raises(ValueError, match="alpha is -1"):
        Search(alpha=-1)
    with pytest.raises(ValueError, match=r"beta is -0\.1"):
        Search(beta=-0.1)
