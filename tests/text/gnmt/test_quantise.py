"""8-bit weights say nearly what floats say, take a quarter of the room, and leave the model be."""

import torch

from companion.text.gnmt.batches import EncodedPairs, make_batch, make_sources
from companion.text.gnmt.beam import Search, search
from companion.text.gnmt.model import Architecture, new_model
from companion.text.gnmt.quantise import matrix_bytes, quantise

BATCH = make_batch(EncodedPairs([[5, 6, 7], [9, 5]], [[7, 8], [6, 5, 4]]), [0, 1])


def _model():
    return new_model(Architecture(40, 32, 32, 32, 3, dropout=0.0), 0, weight_range=0.3)


@torch.no_grad()
def _log_probabilities(model):
    logits = model(BATCH.sources, BATCH.source_lengths, BATCH.targets_in)
    return logits.log_softmax(dim=2)


def test_quantised_says_nearly_the_same_but_not_exactly():
    model = _model()
    floats, eights = _log_probabilities(model), _log_probabilities(quantise(model))
    assert 1e-6 < (floats - eights).abs().max() < 0.05


def test_every_matrix_of_a_product_is_quantised():
    names = {type(module).__module__ for module in quantise(_model()).modules()}
    assert not names & {"torch.nn.modules.linear", "torch.nn.modules.rnn"}


def test_the_model_itself_stays_as_it_was():
    model = _model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    quantise(model)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_it_translates():
    found = search(quantise(_model()), *make_sources([[5, 6], [7]]), Search(2))
    assert len(found) == 2


def test_bytes_are_those_of_the_matrices():
    sizes = matrix_bytes(_model())
    lstm, wide = 4 * 32 * 64, 4 * 32 * 96
    entries = 3 * lstm + wide + 3 * wide + 2 * 32 * 32 + 32 + 40 * 32
    # Encoder: two directions, one layer above twice as wide, one more. Decoder: three, attention.
    assert sizes == {"float": 4 * entries, "int8": entries}
