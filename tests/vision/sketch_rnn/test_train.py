"""The losses against closed forms, the schedules, and a loop that resumes and refuses NaN."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from companion.seeds import generator
from companion.vision.sketch_rnn import data, model, train

SMALL = model.Architecture(
    encoder_size=8, decoder_size=12, latent_size=4, num_mixtures=3, recurrent_keep=1.0
)

SETTINGS = train.Settings(
    architecture=SMALL,
    steps=6,
    minutes=0.1,
    batch_size=10,
    learning_rate=1e-2,
    kl_decay=train.kl_decay_for(6),
)


def _random_prediction(*shape):
    output = torch.randn(*shape, 6 * 3 + 3, generator=generator(0))
    return model.split_output(output, 3)


def test_mixture_density_equals_pytorchs():
    prediction = _random_prediction(5, 7)
    offsets = torch.randn(5, 7, 2, generator=generator(1))
    sx, sy = prediction.deviations.unbind(dim=-1)
    cross = prediction.correlations * sx * sy
    covariance = torch.stack([sx**2, cross, cross, sy**2], dim=-1).unflatten(-1, (2, 2))
    reference = MixtureSameFamily(
        Categorical(logits=prediction.mixture_logits),
        MultivariateNormal(prediction.means, covariance),
    )
    torch.testing.assert_close(
        train.offset_log_likelihood(prediction, offsets),
        reference.log_prob(offsets),
        rtol=1e-3,
        atol=1e-3,
    )


def test_mixture_density_is_finite_far_away_and_at_full_correlation():
    prediction = _random_prediction(1)
    prediction = dataclasses.replace(prediction, correlations=torch.ones(1, 3))
    far = train.offset_log_likelihood(prediction, torch.full((1, 2), 1e3))
    assert torch.isfinite(far).all()


def test_offsets_count_to_the_end_and_pen_states_beyond_it_in_training_only():
    prediction = _random_prediction(1, 6)
    targets = torch.zeros(1, 6, 5)
    targets[0, :4, 2] = 1
    targets[0, 4:, 4] = 1
    lengths = torch.tensor([4])
    offsets = -train.offset_log_likelihood(prediction, targets[..., :2])[0]
    pens = -(targets[..., 2:] * prediction.pen_logits.log_softmax(-1)).sum(-1)[0]
    offset, pen = train.reconstruction_nats(prediction, targets, lengths, True)
    torch.testing.assert_close(offset[0], offsets[:4].sum())
    torch.testing.assert_close(pen[0], pens.sum())
    offset, pen = train.reconstruction_nats(prediction, targets, lengths, False)
    torch.testing.assert_close(offset[0], offsets[:4].sum())
    torch.testing.assert_close(pen[0], pens[:5].sum())  # four steps and one end


def test_the_measured_likelihood_does_not_depend_on_padding():
    network = train.new_model(SMALL, 0).eval()
    strokes = data.load_kanji("validation").strokes[:4]
    totals = []
    for length in (None, 64):
        batch = data.make_batch(strokes, length)
        prediction, *_ = network(batch.strokes, batch.lengths)
        parts = train.reconstruction_nats(prediction, batch.strokes[:, 1:], batch.lengths, False)
        totals.append(sum(parts))
    torch.testing.assert_close(*totals)


def test_kl_equals_pytorchs():
    mean, log_variance = torch.randn(2, 4, 8, generator=generator(0)).unbind()
    posterior = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    prior = Independent(Normal(torch.zeros(4, 8), torch.ones(4, 8)), 1)
    torch.testing.assert_close(
        train.kl_nats(mean, log_variance), kl_divergence(posterior, prior), rtol=1e-4, atol=1e-5
    )


def test_the_papers_kl_weight_at_step_10_000():
    paper = dataclasses.replace(train.SETTINGS["gpu"], kl_weight=0.5)
    expected = 0.5 * (1 - 0.99 * 0.99995**10_000)
    assert train.kl_weight_at(10_000, paper) == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(0.200, abs=5e-4)


@pytest.mark.parametrize("size", ["smoke", "laptop"])
def test_the_kl_weight_rises_and_passes_95_percent_by_mid_run(size):
    """A public version keeps it constant."""
    settings = train.SETTINGS[size]
    weights = [train.kl_weight_at(step, settings) for step in range(settings.steps)]
    assert weights[0] == pytest.approx(0.01 * settings.kl_weight)
    assert all(a < b for a, b in itertools.pairwise(weights))
    assert weights[math.ceil(settings.steps / 2)] >= 0.95 * settings.kl_weight


def test_the_kl_floor_is_on_the_mean_and_switches_the_kl_gradient_off():
    high = dataclasses.replace(SETTINGS, kl_floor=100.0)
    network = train.new_model(SMALL, 0)
    batch = data.make_batch(data.load_kanji("validation").strokes[:4])
    loss, parts = train.training_loss(network, batch, 1000, high, generator(0))
    weight = train.kl_weight_at(1000, high)
    assert loss.item() == pytest.approx(
        parts["reconstruction"] / high.max_length + weight * 100.0, rel=1e-5
    )
    none = dataclasses.replace(SETTINGS, kl_floor=0.0)
    loss, parts = train.training_loss(network, batch, 1000, none, generator(0))
    assert loss.item() == pytest.approx(
        parts["reconstruction"] / 64 + train.kl_weight_at(1000, none) * parts["kl"] / 4, rel=1e-5
    )


def test_laptop_size_makes_the_loss_the_bound():
    settings = train.SETTINGS["laptop"]
    assert settings.max_length == settings.architecture.latent_size


def test_evaluate_averages_over_drawings_not_batches():
    network = train.new_model(SMALL, 0)
    drawings = data.load_kanji("validation")
    whole = train.evaluate(network, drawings, generator(0))
    assert whole["bound"] == pytest.approx(whole["reconstruction"] + whole["kl"])
    few = dataclasses.replace(drawings, strokes=drawings.strokes[:3])
    one_by_one = [
        train.evaluate(network, dataclasses.replace(drawings, strokes=[stroke3]), generator(0))
        for stroke3 in drawings.strokes[:3]
    ]
    assert train.evaluate(network, few, generator(0))["kl"] == pytest.approx(
        np.mean([one["kl"] for one in one_by_one]), rel=1e-4
    )


# --- the loop


def test_same_seed_same_result_and_another_seed_another():
    drawings = data.load_kanji("validation")
    (_, first), (_, again), (_, other) = (
        train.train(drawings, SETTINGS, seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert first["loss"] != other["loss"]


def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    drawings = data.load_kanji("validation")
    whole, history = train.train(drawings, SETTINGS, 0)
    saved = tmp_path / "run.safetensors"
    cut = train.training_loss
    calls = []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return cut(*arguments)

    monkeypatch.setattr(train, "training_loss", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.train(drawings, SETTINGS, 0, checkpoint=saved)
    monkeypatch.setattr(train, "training_loss", cut)
    resumed, resumed_history = train.train(drawings, SETTINGS, 0, checkpoint=saved)
    assert len(calls) == 5 and resumed_history["loss"][4:] == history["loss"][4:]
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_spoiled(monkeypatch):
    kept = {}
    original = train.training_loss

    def spoiled(network, *arguments):
        kept["network"] = network
        loss, parts = original(network, *arguments)
        return loss * float("nan"), parts

    monkeypatch.setattr(train, "training_loss", spoiled)
    with pytest.raises(FloatingPointError, match="step 0"):
        train.train(data.load_kanji("validation"), SETTINGS, 0)
    assert all(torch.isfinite(weight).all() for weight in kept["network"].parameters())


def test_gradients_are_clipped_by_value(monkeypatch):
    seen = []
    original = torch.nn.utils.clip_grad_value_

    def record(parameters, value):
        parameters = list(parameters)
        original(parameters, value)
        seen.append(max(p.grad.abs().max().item() for p in parameters if p.grad is not None))

    monkeypatch.setattr(torch.nn.utils, "clip_grad_value_", record)
    tight = dataclasses.replace(SETTINGS, gradient_clip=1e-4, steps=2)
    train.train(data.load_kanji("validation"), tight, 0)
    assert seen and max(seen) <= 1e-4 + 1e-9


def test_the_learning_rate_decays_to_its_floor():
    paper = train.SETTINGS["gpu"]
    assert train.learning_rate_at(0, paper) == 1e-3
    assert train.learning_rate_at(1000, paper) == pytest.approx(1e-3 * 0.9999**1000)
    assert train.learning_rate_at(10**6, paper) == 1e-5
