"""GLEU against hand counts, and a gradient that points where the reward is."""

import pytest
import torch

from companion.seeds import generator
from companion.text.gnmt import reinforce
from companion.text.gnmt.batches import EncodedPairs, make_batch
from companion.text.gnmt.model import Architecture, new_model
from companion.text.gnmt.reinforce import (
    LIKELIHOOD_WEIGHT,
    Settings,
    gleu,
    log_likelihoods,
    mixed_loss,
    refine,
    rewards,
    sample,
)

PAIRS = EncodedPairs([[4, 5], [6, 7, 8]] * 8, [[5, 4], [8, 7, 6]] * 8)


def _model(weight_range: float = 0.3):
    architecture = Architecture(10, 12, 12, 12, 2, dropout=0.0)
    return new_model(architecture, 0, weight_range)


def test_gleu_by_hand():
    assert gleu(["the", "cat", "sat"], ["the", "cat"]) == 0.5
    assert gleu(["the", "cat"], ["the", "cat", "sat"]) == 0.5
    assert gleu(list("abcdef"), list("fedcba")) == pytest.approx(6 / 18)
    assert gleu(["a", "a", "a"], ["a"]) == pytest.approx(1 / 6)  # a match is used up
    assert gleu("abcdefgh", "abcdefgh") == 1
    assert gleu([], ["a"]) == gleu([], []) == 0


def test_rewards_stand_beside_their_references():
    values = rewards([[4], [5], [6], [7]], [[4], [7]], copies=2)
    assert values.tolist() == [[1, 0], [0, 1]]


def test_log_likelihood_is_that_of_the_sentence_alone():
    model = _model()
    together = log_likelihoods(model, make_batch(PAIRS, [0, 1]))
    alone = log_likelihoods(model, make_batch(PAIRS, [0]))
    torch.testing.assert_close(together[:1], alone)
    batch = make_batch(PAIRS, [0])
    logits = model(batch.sources, batch.source_lengths, batch.targets_in).log_softmax(dim=2)[0]
    expected = sum(logits[place, piece] for place, piece in enumerate([5, 4, 2]))
    torch.testing.assert_close(alone[0], expected)


def test_samples_follow_the_models_probabilities():
    model = _model(1.0)
    batch = make_batch(PAIRS, [0] * 4000)
    drawn = sample(model, batch.sources, batch.source_lengths, generator(0))
    first = [row[0] if row else 2 for row in drawn]
    memory = model.encode(batch.sources[:1], batch.source_lengths[:1])
    start = model.start(1, memory.encodings)
    log_probabilities, _, _ = model.step(torch.tensor([1]), memory, start)
    expected = log_probabilities[0].exp()
    expected[[0, 1]] = 0  # padding and begin are never drawn
    expected /= expected.sum()
    for piece in range(2, 10):
        assert first.count(piece) / 4000 == pytest.approx(expected[piece].item(), abs=0.03)
    assert not any({0, 1, 2} & set(row) for row in drawn)


def test_equal_rewards_leave_the_likelihood_alone(monkeypatch):
    monkeypatch.setattr(reinforce, "gleu", lambda *_: 0.7)
    model = _model()
    batch = make_batch(PAIRS, [0, 1])
    loss, reward = mixed_loss(model, batch, 3, generator(0))
    expected = -LIKELIHOOD_WEIGHT * log_likelihoods(model, batch).mean()
    torch.testing.assert_close(loss, expected)
    assert reward == pytest.approx(0.7)


def test_the_gradient_is_that_of_the_expected_reward(monkeypatch):
    """Against the exact expectation, where only the first piece is rewarded."""
    monkeypatch.setattr(reinforce, "LIKELIHOOD_WEIGHT", 0.0)
    monkeypatch.setattr(reinforce, "gleu", lambda output, _: float(list(output[:1]) == [7]))
    model = _model()
    model.requires_grad_(False)
    bias = model.decoder.output.bias.requires_grad_(True)
    with torch.no_grad():
        bias[[0, 1]] = -1e4
    batch = make_batch(PAIRS, [0] * 500)
    loss, _ = mixed_loss(model, batch, 8, generator(0))
    (found,) = torch.autograd.grad(loss, bias)
    memory = model.encode(batch.sources[:1], batch.source_lengths[:1])
    start = model.start(1, memory.encodings)
    log_probabilities, _, _ = model.step(torch.tensor([1]), memory, start)
    (expected,) = torch.autograd.grad(-log_probabilities[0, 7].exp(), bias)
    # A sample is in its own baseline, which shrinks the gradient by 1 - 1/copies.
    torch.testing.assert_close(found, expected * 7 / 8, atol=0.01, rtol=0.1)


def test_refining_raises_the_reward():
    one = EncodedPairs([[4, 5]] * 8, [[5, 4]] * 8)
    settings = Settings(steps=40, samples=8, learning_rate=2.0)
    history = refine(_model(0.5), one, settings, seed=0)
    assert sum(history["gleu"][-5:]) / 5 > 3 * sum(history["gleu"][:5]) / 5


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_spoiled(monkeypatch):
    original = reinforce.mixed_loss

    def spoiled(*arguments):
        loss, reward = original(*arguments)
        return loss * torch.nan, reward

    monkeypatch.setattr(reinforce, "mixed_loss", spoiled)
    model = _model()
    with pytest.raises(FloatingPointError, match="step 0"):
        refine(model, PAIRS, Settings(steps=1), seed=0)
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
