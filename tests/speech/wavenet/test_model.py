import dataclasses

import pytest
import torch

from companion.speech.wavenet.data import NUM_CODES, SILENT_CODE
from companion.speech.wavenet.model import (
    Architecture,
    WaveNet,
    new_model,
    receptive_field,
    shift,
)
from companion.speech.wavenet.train import SETTINGS

SMALL = Architecture(
    num_blocks=2,
    layers_per_block=3,
    residual_channels=6,
    skip_channels=10,
    num_speakers=3,
    num_phonemes=5,
)
TIME = 40


@pytest.fixture
def model() -> WaveNet:
    return new_model(SMALL, seed=0).double()


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(0)
    codes = torch.randint(NUM_CODES, (2, TIME), generator=stream)
    phonemes = torch.randint(5, (2, TIME), generator=stream)
    return codes, torch.tensor([0, 2]), phonemes


def test_the_papers_receptive_fields():
    block = tuple(2**layer for layer in range(10))
    assert [receptive_field(block * blocks) for blocks in (1, 3, 4, 5)] == [1024, 3070, 4093, 5116]
    assert receptive_field((1, 2, 4), kernel_size=3) == 15


def test_the_output_depends_on_exactly_the_receptive_field(model, inputs):
    codes, speakers, phonemes = inputs
    field = model.receptive_field
    assert field == 15
    plain = model(codes, speakers, phonemes)
    for place in (0, 7, TIME - field - 1):
        changed = codes.clone()
        changed[:, place] = (codes[:, place] + 100) % NUM_CODES
        moved = (model(changed, speakers, phonemes) - plain).abs().amax(dim=1)  # (batch, time)
        assert (moved[:, :place] == 0).all(), "the future leaks into the past"
        assert (moved[:, place : place + field] > 0).all()
        assert (moved[:, place + field :] == 0).all()


def test_a_prediction_never_sees_its_own_sample(model, inputs):
    codes, speakers, phonemes = inputs
    changed = codes.clone()
    changed[:, 20] = (codes[:, 20] + 100) % NUM_CODES
    moved = model(shift(changed), speakers, phonemes) - model(shift(codes), speakers, phonemes)
    assert (moved[:, :, :21] == 0).all()
    assert (moved[:, :, 21] != 0).any()
    assert (shift(codes)[:, 0] == SILENT_CODE).all()


def test_a_phoneme_acts_from_its_own_sample_on(model, inputs):
    codes, speakers, phonemes = inputs
    changed = phonemes.clone()
    changed[:, 20] = (phonemes[:, 20] + 1) % 5
    moved = (model(codes, speakers, changed) - model(codes, speakers, phonemes)).abs().amax(dim=1)
    assert (moved[:, :20] == 0).all()
    assert (moved[:, 20] > 0).all()


def test_a_speaker_changes_every_sample_of_its_own_row_alone(model, inputs):
    codes, speakers, phonemes = inputs
    moved = model(codes, torch.tensor([1, 2]), phonemes) - model(codes, speakers, phonemes)
    assert (moved[0].abs().amax(dim=0) > 0).all()
    assert (moved[1] == 0).all()


def test_one_layer_by_hand():
    """z = tanh(W_f * x + ...) * sigmoid(W_g * x + ...), written with sums (equation 2)."""
    architecture = dataclasses.replace(SMALL, num_blocks=1, layers_per_block=2)
    layer = new_model(architecture, 0).double().layers[1]  # dilation 2
    stream = torch.Generator().manual_seed(1)
    hidden = torch.randn(1, 6, 8, generator=stream, dtype=torch.float64)
    speakers, phonemes = torch.tensor([2]), torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2]])
    after, skip = layer(hidden, speakers, phonemes)
    time = 5
    old, new = layer.convolution.weight.unbind(-1)
    total = old @ hidden[0, :, time - 2] + new @ hidden[0, :, time] + layer.convolution.bias
    total = total + layer.speaker.weight[2] + layer.phoneme.weight[0]
    z = total[:6].tanh() * total[6:].sigmoid()
    residual = layer.residual.weight[:, :, 0] @ z + layer.residual.bias
    torch.testing.assert_close(after[0, :, time], hidden[0, :, time] + residual)
    expected = layer.skip.weight[:, :, 0] @ z + layer.skip.bias
    torch.testing.assert_close(skip[0, :, time], expected)


def test_dilation_costs_no_weights_and_widens_the_field():
    plain = WaveNet(dataclasses.replace(SMALL, dilated=False))
    dilated = WaveNet(SMALL)
    count = [sum(weight.numel() for weight in net.parameters()) for net in (plain, dilated)]
    assert count[0] == count[1]
    assert (plain.receptive_field, dilated.receptive_field) == (7, 15)


def test_the_paper_size_has_the_weights_it_should():
    architecture = SETTINGS["gpu"].architecture
    with torch.device("meta"):
        network = WaveNet(architecture)
    channels, skip = architecture.residual_channels, architecture.skip_channels
    width = 2 * channels
    conditions = width * (architecture.num_speakers + architecture.num_phonemes)
    layer = 2 * channels * width + width + conditions
    layer += channels * channels + channels + channels * skip + skip
    expected = NUM_CODES * channels + len(architecture.dilations) * layer
    expected += skip * skip + skip + skip * NUM_CODES + NUM_CODES
    assert sum(weight.numel() for weight in network.parameters()) == expected
    assert network.receptive_field == 3070


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = new_model(SMALL, 1), new_model(SMALL, 1), new_model(SMALL, 2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.hidden.weight, again.hidden.weight)
    assert not torch.equal(first.hidden.weight, other.hidden.weight)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [(0, 256, "code 256"), (0, -1, "code -1"), (1, 3, "speaker 3"), (2, 5, "phoneme 5")],
)
def test_what_does_not_exist_is_named(model, inputs, place, value, message):
    inputs[place][..., 0] = value
    with pytest.raises(ValueError, match=message):
        model(*inputs)


def test_shapes_that_do_not_belong_together_are_named(model, inputs):
    codes, speakers, phonemes = inputs
    with pytest.raises(ValueError, match=r"\(2, 39\)"):
        model(codes, speakers, phonemes[:, 1:])
