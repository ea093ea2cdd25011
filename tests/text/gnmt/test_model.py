"""Attention where it belongs, nothing from the future or from padding, and the paper's sizes."""

import pytest
import torch

from companion.seeds import generator
from companion.text.gnmt.batches import EncodedPairs, make_batch, make_sources
from companion.text.gnmt.model import (
    FIRST_RESIDUAL,
    Architecture,
    Attention,
    Dropout,
    Memory,
    Translator,
    new_model,
    reverse,
)
from companion.text.gnmt.train import SETTINGS

PAIRS = EncodedPairs([[5, 6, 7, 8], [9, 5]], [[7, 8, 9, 10, 11], [6]])


def _model(**changes) -> Translator:
    sizes = {"vocabulary_size": 15, "embedding_size": 6, "hidden_size": 8, "attention_size": 7}
    architecture = Architecture(**sizes | {"num_layers": 4, "dropout": 0.0} | changes)
    return new_model(architecture, 0, weight_range=0.7)


def _logits(model, batch):
    return model(batch.sources, batch.source_lengths, batch.targets_in)


def test_attention_by_hand():
    attention = Attention(Architecture(15, 6, 4, 3))
    memory = torch.randn(2, 3, 4, generator=generator(0))
    mask = torch.tensor([[True, True, False], [True, True, True]])
    query = torch.randn(2, 4, generator=generator(1))
    contexts, weights = attention(query, Memory(memory, attention.key(memory), mask))
    w_q, w_k, bias = attention.query.weight, attention.key.weight, attention.key.bias
    for row, length in enumerate((2, 3)):
        scores = torch.stack(
            [
                attention.vector.weight[0] @ torch.tanh(w_q @ query[row] + w_k @ key + bias)
                for key in memory[row, :length]
            ]
        )
        expected = scores.softmax(dim=0)
        torch.testing.assert_close(weights[row, :length], expected)
        torch.testing.assert_close(contexts[row], expected @ memory[row, :length])
    assert weights[0, 2] == 0


def test_reverse_stays_within_the_length():
    sequences = torch.arange(8.0).view(2, 4, 1)
    reversed_ = reverse(sequences, torch.tensor([4, 2]))[:, :, 0]
    assert reversed_.tolist() == [[3, 2, 1, 0], [5, 4, 6, 7]]


@pytest.mark.parametrize("attention", [True, False])
def test_no_piece_sees_a_later_one(attention):
    model = _model(attention=attention)
    batch = make_batch(PAIRS, [0])
    before = _logits(model, batch)
    batch.targets_in[0, 3] = 12
    after = _logits(model, batch)
    assert torch.equal(before[0, :3], after[0, :3])
    assert not torch.equal(before[0, 3], after[0, 3])


@pytest.mark.parametrize("attention", [True, False])
def test_padding_changes_nothing(attention):
    model = _model(attention=attention)
    together = _logits(model, make_batch(PAIRS, [0, 1]))
    alone = _logits(model, make_batch(PAIRS, [1]))
    torch.testing.assert_close(together[1, :2], alone[0])


@pytest.mark.parametrize("attention", [True, False])
def test_every_source_piece_matters_to_the_first_output(attention):
    model = _model(attention=attention)
    batch = make_batch(PAIRS, [0])
    before = _logits(model, batch)[0, 0]
    for position in range(batch.sources.shape[1]):
        changed = batch.sources.clone()
        changed[0, position] = 13
        after = model(changed, batch.source_lengths, batch.targets_in)[0, 0]
        assert not torch.allclose(before, after), position


@pytest.mark.parametrize("attention", [True, False])
def test_step_by_step_gives_what_the_whole_sequence_gives(attention):
    model = _model(attention=attention)
    batch = make_batch(PAIRS, [0, 1])
    expected = _logits(model, batch).log_softmax(dim=2)
    memory = model.encode(batch.sources, batch.source_lengths)
    state = model.start(2, memory.encodings)
    for position in range(batch.targets_in.shape[1]):
        log_probabilities, weights, state = model.step(batch.targets_in[:, position], memory, state)
        torch.testing.assert_close(log_probabilities, expected[:, position])
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
        assert not weights[1, 3:].any()


def test_the_attention_is_asked_by_the_previous_step():
    """The first context cannot depend on the first target piece; the second depends on it."""
    model = _model()
    memory = model.encode(*make_sources(PAIRS.sources[:1]))
    start = model.start(1, memory.encodings)
    _, first, state = model.step(torch.tensor([1]), memory, start)
    _, other, other_state = model.step(torch.tensor([12]), memory, start)
    assert torch.equal(first, other)
    _, second, _ = model.step(torch.tensor([5]), memory, state)
    _, other_second, _ = model.step(torch.tensor([5]), memory, other_state)
    assert not torch.allclose(second, other_second)


def test_the_context_reaches_every_decoder_layer():
    model = _model(residual=False)
    size = model.architecture.hidden_size
    for lstm in model.decoder.upper:
        assert lstm.input_size == 2 * size
        with torch.no_grad():  # deaf to the layer below: only the context is left
            lstm.weight_ih_l0[:, :size] = 0
    batch = make_batch(PAIRS, [0])
    before = _logits(model, batch)
    batch.sources[0, 2] = 13
    assert not torch.allclose(before, _logits(model, batch))


def test_residuals_add_the_layer_below_without_the_context():
    model = _model()
    with torch.no_grad():
        for lstm in [*model.encoder.upper, *model.decoder.upper][FIRST_RESIDUAL - 1 :]:
            for parameter in lstm.parameters():
                parameter.zero_()  # an LSTM of zeros says 0, so only the sum is left
    upper = model.decoder.upper
    seen = []
    upper[0].register_forward_hook(lambda _, __, output: seen.append(output[0]))
    with torch.no_grad():
        for parameter in upper[0].parameters():
            parameter.uniform_(-0.7, 0.7, generator=generator(1))
    logits = _logits(model, make_batch(PAIRS, [0]))
    torch.testing.assert_close(logits, model.decoder.output(seen[0]))
    plain = _model(residual=False)
    plain.load_state_dict(model.state_dict())
    assert not torch.allclose(logits, _logits(plain, make_batch(PAIRS, [0])))


def test_dropout_is_drawn_from_its_generator_and_keeps_the_mean():
    ones = torch.ones(100_000)
    dropped = Dropout(0.3, generator(0))(ones)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert torch.equal(dropped, Dropout(0.3, generator(0))(ones))
    assert Dropout(0.3, None)(ones) is ones


def test_weights_depend_on_the_seed_alone():
    first, again, other = (
        new_model(Architecture(15, 6, 8, 7, 2), seed).decoder.output.weight for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.abs().max() <= 0.04


def test_the_papers_size():
    """Eight layers of 1024 and two tables of 32,000 pieces; counted by hand."""
    with torch.device("meta"):
        model = Translator(SETTINGS["gpu"].architecture)
    n, v = 1024, 32_000

    def lstm(inputs: int) -> int:
        return 4 * n * (inputs + n + 2)

    encoder = v * n + 2 * lstm(n) + lstm(2 * n) + 6 * lstm(n)
    decoder = v * n + 8 * lstm(2 * n) + n * v + v
    attention = n * n + (n * n + n) + n
    assert sum(p.numel() for p in model.parameters()) == encoder + decoder + attention
    logits = model(
        torch.zeros(2, 5, dtype=torch.long, device="meta"),
        torch.tensor([5, 5], device="meta"),
        torch.zeros(2, 6, dtype=torch.long, device="meta"),
    )
    assert logits.shape == (2, 6, v)
