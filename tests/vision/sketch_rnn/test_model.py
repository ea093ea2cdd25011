"""The network: causality, padding, equality with references, the sampler's statistics."""

import numpy as np
import pytest
import torch

from companion.seeds import generator
from companion.vision.sketch_rnn import data, model, train
from companion.vision.sketch_rnn.live import without_latent

SMALL = model.Architecture(
    encoder_size=8, decoder_size=12, latent_size=4, num_mixtures=3, recurrent_keep=1.0
)


@pytest.fixture
def network():
    return train.new_model(SMALL, 0).eval()


@pytest.fixture
def batch():
    return data.make_batch(data.load_kanji("validation").strokes[:6])


def test_a_prediction_depends_on_earlier_rows_only(network, batch):
    z = torch.randn(6, 4, generator=generator(0))
    with torch.no_grad():
        before, _ = network.decoder(batch.strokes, z)
        changed = batch.strokes.clone()
        changed[:, 5] += 1
        after, _ = network.decoder(changed, z)
    for name, part in vars(before).items():
        torch.testing.assert_close(part[:, :5], getattr(after, name)[:, :5])
    assert not torch.allclose(before.means[:, 5], after.means[:, 5])


def test_the_encoder_reads_the_whole_drawing_and_no_padding(network, batch):
    lengths = batch.lengths
    with torch.no_grad():
        mean, log_variance = network.encode(batch.strokes, lengths)
        padded = torch.nn.functional.pad(batch.strokes, (0, 0, 0, 9))
        padded[:, batch.strokes.shape[1] :] = 7.0
        same_mean, same_variance = network.encode(padded, lengths)
    torch.testing.assert_close(mean, same_mean)
    torch.testing.assert_close(log_variance, same_variance)
    for row in (1, int(lengths[0])):  # the first and the last step both matter
        changed = batch.strokes.clone()
        changed[0, row, :2] += 1
        with torch.no_grad():
            other, _ = network.encode(changed, lengths)
        assert not torch.allclose(mean[0], other[0])
        torch.testing.assert_close(mean[1:], other[1:])


def test_the_encoder_equals_pytorchs_packed_bidirectional_lstm(network, batch):
    reference = torch.nn.LSTM(5, 8, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(reference, name).copy_(getattr(network.encoder.forwards, name))
            getattr(reference, f"{name}_reverse").copy_(getattr(network.encoder.backwards, name))
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            batch.strokes[:, 1:], batch.lengths, batch_first=True, enforce_sorted=False
        )
        _, (hidden, _) = reference(packed)
        expected = network.encoder.mean(torch.cat([hidden[0], hidden[1]], dim=-1))
        mean, _ = network.encode(batch.strokes, batch.lengths)
    torch.testing.assert_close(mean, expected)


def test_recurrent_dropout_without_dropping_is_the_plain_lstm():
    torch.manual_seed(0)
    lstm = model.RecurrentDropoutLSTM(5, 7, keep=0.9)
    inputs, memory = torch.randn(3, 4, 5), (torch.randn(3, 7), torch.randn(3, 7))
    lstm.train()
    plain, (hidden, cell) = lstm(inputs, memory)  # no generator, no dropout
    lstm.keep = 1 - 1e-9  # keeps every candidate, but runs step by step
    stepped, (stepped_hidden, stepped_cell) = lstm(inputs, memory, generator(0))
    torch.testing.assert_close(stepped, plain)
    torch.testing.assert_close(stepped_hidden, hidden)
    torch.testing.assert_close(stepped_cell, cell)


def test_recurrent_dropout_drops_one_candidate_in_ten_and_nothing_of_the_memory():
    """A public version passes 0.9 as the probability to drop; another drops the state itself."""
    lstm = model.RecurrentDropoutLSTM(1, 20_000, keep=0.9)
    with torch.no_grad():
        for weight in lstm.parameters():
            weight.zero_()
        size = lstm.hidden_size
        lstm.bias_ih_l0[:size] = 50.0  # write all of the candidate
        lstm.bias_ih_l0[size : 2 * size] = 50.0  # forget nothing
        lstm.bias_ih_l0[2 * size : 3 * size] = 50.0  # a candidate of one
        lstm.bias_ih_l0[3 * size :] = 50.0
        memory = (torch.zeros(1, size), torch.full((1, size), 5.0))
        _, (_, cell) = lstm.train()(torch.zeros(1, 1, 1), memory, generator(1))
    kept = cell > 5.5
    assert kept.float().mean().item() == pytest.approx(0.9, abs=0.01)
    torch.testing.assert_close(cell[~kept], torch.full_like(cell[~kept], 5.0))
    torch.testing.assert_close(cell[kept], torch.full_like(cell[kept], 5.0 + 1 / 0.9))


def test_the_first_memory_is_a_tanh_of_the_code_and_zero_without_one(network):
    z = torch.randn(2, 4, generator=generator(0))
    hidden, cell = network.decoder.initial_memory(z)
    expected = torch.tanh(network.decoder.initial(z))
    torch.testing.assert_close(torch.cat([hidden, cell], dim=-1), expected)
    plain = train.new_model(without_latent(SMALL), 0)
    hidden, cell = plain.decoder.initial_memory(torch.zeros(2, 0))
    assert not hidden.any() and not cell.any()


def test_the_code_is_a_reparametrised_gaussian(network, batch):
    mean, log_variance = network.encode(batch.strokes, batch.lengths)
    first, *_ = network(batch.strokes, batch.lengths, generator(5))
    noise = torch.randn(mean.shape, generator=generator(5))
    expected, _ = network.decoder(batch.strokes[:, :-1], mean + (log_variance / 2).exp() * noise)
    torch.testing.assert_close(first.means, expected.means)


def test_decoder_only_model_has_no_encoder_and_no_code(batch):
    network = train.new_model(without_latent(SMALL), 0)
    assert network.encoder is None
    prediction, mean, _ = network(batch.strokes, batch.lengths)
    assert mean.shape == (6, 0)
    assert prediction.pen_logits.shape == (6, batch.strokes.shape[1] - 1, 3)


def test_an_empty_drawing_is_refused(network):
    with pytest.raises(ValueError, match="empty drawing"):
        network.encode(torch.zeros(1, 2, 5), torch.tensor([0]))


def test_paper_size_on_the_meta_device():
    """Section 3.2's sizes: shapes and parameter count without allocating them."""
    architecture = train.SETTINGS["gpu"].architecture
    with torch.device("meta"):
        network = model.SketchRNN(architecture)
    strokes = torch.zeros(2, 251, 5, device="meta")
    prediction, mean, _ = network(strokes, torch.tensor([250, 3]))
    assert prediction.means.shape == (2, 250, 20, 2)
    assert mean.shape == (2, 128)
    gates = 4 * (2 * 256 * (5 + 256 + 2) + 512 * (5 + 128 + 512 + 2))
    heads = 2 * (512 * 128 + 128) + (128 * 1024 + 1024) + (512 * 123 + 123)
    assert sum(weight.numel() for weight in network.parameters()) == gates + heads


# --- sampling


def _prediction(batch_size, **changes):
    values = {
        "mixture_logits": torch.tensor([0.0, -20.0]),
        "means": torch.tensor([[1.0, -2.0], [9.0, 9.0]]),
        "deviations": torch.tensor([[0.5, 2.0], [1.0, 1.0]]),
        "correlations": torch.tensor([0.8, 0.0]),
        "pen_logits": torch.tensor([1.0, 0.0, -20.0]),
    } | changes
    return model.Prediction(
        **{name: part.expand(batch_size, *part.shape) for name, part in values.items()}
    )


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_samples_have_the_predicted_moments(temperature):
    """The temperature multiplies the variance, not the deviation, and sharpens the pen."""
    rows = model.sample_row(_prediction(40_000), temperature, generator(0))
    offsets, pens = rows[:, :2], rows[:, 2:]
    torch.testing.assert_close(offsets.mean(dim=0), torch.tensor([1.0, -2.0]), atol=0.05, rtol=0)
    covariance = np.cov(offsets.numpy().T)
    np.testing.assert_allclose(covariance[0, 0], 0.25 * temperature, rtol=0.05)
    np.testing.assert_allclose(covariance[1, 1], 4.0 * temperature, rtol=0.05)
    np.testing.assert_allclose(np.corrcoef(offsets.numpy().T)[0, 1], 0.8, atol=0.02)
    expected = torch.tensor([1.0, 0.0]).div(temperature).softmax(dim=0)
    torch.testing.assert_close(pens.mean(dim=0)[:2], expected, atol=0.02, rtol=0)


def test_the_temperature_sharpens_the_choice_of_gaussian():
    logits = torch.tensor([1.0, 0.0])
    rows = model.sample_row(_prediction(20_000, mixture_logits=logits), 0.5, generator(0))
    share = (rows[:, 0] < 5).float().mean()
    torch.testing.assert_close(share, (logits / 0.5).softmax(dim=0)[0], atol=0.02, rtol=0)


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="positive, got 0"):
        model.sample_row(_prediction(1), 0, generator(0))


def test_sampling_goes_on_from_a_beginning_and_depends_on_its_generator(network):
    prefix = torch.from_numpy(data.to_stroke5(data.load_kanji("test").strokes[0], 64))[:4]
    z = torch.zeros(2, 4)
    first, again = (
        model.sample(network, z, 30, 0.5, generator(1), prefix.expand(2, 4, 5)) for _ in range(2)
    )
    for drawing, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(drawing, same)
        np.testing.assert_array_equal(drawing[:4, :2], prefix[:, :2])
        assert len(drawing) <= 30
    assert not np.array_equal(first[0], first[1])


def test_a_beginning_without_room_for_more_is_refused(network):
    with pytest.raises(ValueError, match="no room"):
        model.sample(network, torch.zeros(1, 4), 4, 0.5, generator(0), torch.zeros(1, 4, 5))


def test_stepwise_decoding_equals_teacher_forcing(network, batch):
    z = torch.randn(6, 4, generator=generator(0))
    with torch.no_grad():
        whole, _ = network.decoder(batch.strokes, z)
        memory, means = None, []
        for step in range(batch.strokes.shape[1]):
            one, memory = network.decoder(batch.strokes[:, step : step + 1], z, memory)
            means.append(one.means)
    torch.testing.assert_close(torch.cat(means, dim=1), whole.means)


def test_spherical_interpolation_keeps_the_norm_and_meets_its_ends():
    a, b = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    for ratio in (0.0, 0.3, 1.0):
        point = model.spherical_interpolation(a, b, ratio)
        assert point.norm().item() == pytest.approx(3.0, rel=1e-5)
        assert torch.atan2(point[1], point[0]).item() == pytest.approx(ratio * np.pi / 2, abs=1e-5)
    torch.testing.assert_close(model.spherical_interpolation(a, a, 0.5), a)
    with pytest.raises(ValueError, match="opposite"):
        model.spherical_interpolation(a, -a, 0.5)
    with pytest.raises(ValueError, match="other than zero"):
        model.spherical_interpolation(a, 0 * a, 0.5)


def test_a_model_depends_on_its_seed_and_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first, second, other = (train.new_model(SMALL, seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first.decoder.output.weight, second.decoder.output.weight)
    assert not torch.equal(first.decoder.output.weight, other.decoder.output.weight)
