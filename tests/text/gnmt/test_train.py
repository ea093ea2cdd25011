"""The loss by hand, two optimizers in turn, and a loop that resumes, learns and refuses NaN."""

import dataclasses
import math

import pytest
import torch

from companion.seeds import generator
from companion.text.gnmt import train
from companion.text.gnmt.batches import EncodedPairs, make_batch
from companion.text.gnmt.model import Architecture, new_model

SMALL = Architecture(14, 16, 16, 16, 3, dropout=0.1)
SETTINGS = train.Settings(
    SMALL, adam_steps=4, sgd_steps=3, minutes=0.1, most_pieces=120, adam_learning_rate=1e-2
)


def _reversals(count: int) -> EncodedPairs:
    """A language in which every sentence is said backwards."""
    draw = generator(0, "sentences")
    lengths = torch.randint(1, 6, (count,), generator=draw).tolist()
    sources = [torch.randint(4, 14, (length,), generator=draw).tolist() for length in lengths]
    return EncodedPairs(sources, [source[::-1] for source in sources])


PAIRS = _reversals(300)


def test_the_loss_is_the_mean_over_pieces_without_padding():
    logits = torch.randn(2, 3, 14, generator=generator(0))
    targets = torch.tensor([[5, 6, 2], [7, 2, 0]])
    log_probabilities = logits.log_softmax(dim=2)
    pieces = [(0, 0, 5), (0, 1, 6), (0, 2, 2), (1, 0, 7), (1, 1, 2)]
    expected = -sum(log_probabilities[place] for place in pieces) / 5
    torch.testing.assert_close(train.piece_loss(logits, targets), expected)


def test_an_untrained_model_is_as_good_as_a_guess():
    model = new_model(SMALL, 0, weight_range=0.01)
    assert train.evaluate(model, PAIRS) == pytest.approx(math.log(14), abs=0.05)


def test_evaluation_weighs_pieces_alike_and_has_no_dropout():
    model = new_model(SMALL, 0, weight_range=0.5)
    whole = train.evaluate(model, PAIRS)
    assert whole == train.evaluate(model, PAIRS)
    total = pieces = 0
    for index, target in enumerate(PAIRS.targets):
        loss = train.batch_loss(model, make_batch(PAIRS, [index])).item()
        total, pieces = total + loss * (len(target) + 1), pieces + len(target) + 1
    assert whole == pytest.approx(total / pieces, rel=1e-4)


def test_adam_first_then_sgd_halved():
    settings = dataclasses.replace(
        SETTINGS, adam_steps=10, adam_decay=0.25, sgd_steps=20, halvings=3
    )
    rates = [train.learning_rate_at(step, settings) for step in range(settings.steps)]
    assert rates[:10] == pytest.approx([1e-2 * 0.25 ** (step / 10) for step in range(10)])
    paper = train.SETTINGS["gpu"]
    assert {train.learning_rate_at(step, paper) for step in (0, 30_000, 59_999)} == {2e-4}
    assert rates[10:] == [0.5] * 5 + [0.25] * 5 + [0.125] * 5 + [0.0625] * 5


def test_the_same_seed_the_same_run_and_another_seed_another():
    (_, first), (_, again), (_, other) = (train.train(PAIRS, SETTINGS, seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("interrupted_at", [3, 6])
def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, monkeypatch, interrupted_at):
    """Interrupted under Adam, and under SGD."""
    monkeypatch.setattr(train, "SAVE_EVERY", 1)
    whole, history = train.train(PAIRS, SETTINGS, 0)
    saved = tmp_path / "run.safetensors"
    cut, calls = train.batch_loss, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) > interrupted_at:
            raise KeyboardInterrupt
        return cut(*arguments)

    monkeypatch.setattr(train, "batch_loss", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.train(PAIRS, SETTINGS, 0, checkpoint=saved)
    monkeypatch.setattr(train, "batch_loss", cut)
    resumed, resumed_history = train.train(PAIRS, SETTINGS, 0, checkpoint=saved)
    assert resumed_history == history
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_spoiled(monkeypatch):
    kept, original = {}, train.batch_loss

    def spoiled(model, *arguments):
        kept["model"] = model
        return original(model, *arguments) * torch.nan

    monkeypatch.setattr(train, "batch_loss", spoiled)
    with pytest.raises(FloatingPointError, match="step 0"):
        train.train(PAIRS, SETTINGS, 0)
    assert all(torch.isfinite(weight).all() for weight in kept["model"].parameters())


def test_the_norm_of_all_gradients_is_clipped(monkeypatch):
    norms, original = [], torch.nn.utils.clip_grad_norm_

    def record(parameters, value):
        parameters = list(parameters)
        original(parameters, value)
        norms.append(torch.stack([p.grad.norm() for p in parameters]).norm().item())

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", record)
    train.train(PAIRS, dataclasses.replace(SETTINGS, gradient_clip=1e-3), 0)
    assert len(norms) == SETTINGS.steps
    assert max(norms) <= 1e-3 * 1.001


def test_a_small_language_is_learned():
    settings = dataclasses.replace(
        SETTINGS,
        architecture=dataclasses.replace(SMALL, num_layers=2, hidden_size=32, dropout=0.0),
        adam_steps=120,
        adam_decay=1.0,
        weight_range=0.35,
        sgd_steps=30,
        most_pieces=400,
    )
    model, history = train.train(PAIRS, settings, 0)
    assert history["loss"][0] > 2
    # Of uniform words of which nothing is known, a piece costs some 2 nats.
    assert train.evaluate(model, PAIRS) < 1
