"""The generators' size, what they see, their refusals, and that pictures do not mix."""

import pytest
import torch

from companion.seeds import generator
from companion.vision.cyclegan import model

SMALL = model.Architecture(
    channels=1, width=4, num_blocks=1, discriminator_width=4, receptive_field=16
)


def _pictures(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=generator(0, "pictures")) * 2 - 1


def test_the_papers_generator_has_its_layers():
    with torch.device("meta"):
        network = model.resnet_generator(3, 64, 9)
    weights = sum(p.numel() for name, p in network.named_parameters() if p.ndim == 4)
    around = 7 * 7 * 3 * 64 * 2
    strided = 2 * 9 * (64 * 128 + 128 * 256)
    blocks = 9 * 2 * 9 * 256 * 256
    assert weights == around + strided + blocks == 11_372_928
    scales = 2 * (64 + 128 + 256 + 18 * 256 + 128 + 64)  # and shifts; the last has a bias instead
    assert sum(p.numel() for p in network.parameters()) == weights + scales + 3


def test_a_block_can_leave_its_input_as_it_is_and_rectifies_nothing_after_the_sum():
    block = model.ResidualBlock(4)
    features = torch.randn(2, 4, 8, 8, generator=generator(0))
    with torch.no_grad():
        block.change[-1].weight.zero_()
    torch.testing.assert_close(block(features), features)


@pytest.mark.parametrize("channels", [1, 3])
def test_training_and_evaluation_mode_have_the_same_pictures_and_gradients(channels):
    """In training the kernel's columns are channels of the first and the last convolution."""
    network = model.resnet_generator(channels, 4, 1).double()
    with torch.no_grad():
        network[-2].bias.uniform_(generator=generator(0, "bias"))
    pictures = _pictures(2, channels, 12, 16).double().requires_grad_()
    found = []
    for training in (True, False):
        network.train(training)
        network.zero_grad()
        pictures.grad = None
        translated = network(pictures)
        translated.square().sum().backward()
        gradients = [weight.grad for weight in network.parameters()]
        found.append([translated, pictures.grad, *gradients])
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain)


def test_a_picture_is_translated_by_itself():
    """Batch normalisation would mix the pictures of a batch."""
    network = model.new_cyclegan(SMALL, 0).a_to_b
    pictures = _pictures(3, 1, 16, 16)
    together = model.translate(network, pictures)
    torch.testing.assert_close(together[1:2], model.translate(network, pictures[1:2]))
    assert together.abs().max() <= 1 and not together.requires_grad


def test_a_border_is_a_mirror_and_no_black_edge():
    """A constant picture stays constant through the first layer; zero padding would frame it."""
    network = model.resnet_generator(1, 4, 1)
    first = network[:2](torch.full((1, 1, 16, 16), 0.5))
    torch.testing.assert_close(first, first[:, :, 8:9, 8:9].expand_as(first))


def test_weights_keep_to_their_seed_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    first, again = (model.new_cyclegan(SMALL, 3).state_dict() for _ in range(2))
    other = model.new_cyclegan(SMALL, 4).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["a_to_b.1.weight"], other["a_to_b.1.weight"])
    assert not torch.equal(first["a_to_b.1.weight"], first["b_to_a.1.weight"])
    assert first["a_to_b.4.weight"].std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (torch.zeros(1, 3, 16, 16), r"\(n, 1, height, width\)"),
        (torch.zeros(0, 1, 16, 16), "1 or more"),
        (torch.zeros(1, 1, 16, 18), "16x18 pixels.*multiple of 4"),
        (torch.full((1, 1, 16, 16), 255.0), r"255.*\[-1, 1\]"),
        (torch.full((1, 1, 16, 16), torch.nan), "NaN"),
        (torch.zeros(1, 1, 16, 16, dtype=torch.uint8), "divide by 127.5"),
    ],
)
def test_pictures_that_it_cannot_translate_are_refused_in_words(pictures, message):
    network = model.resnet_generator(1, 4, 1)
    with pytest.raises(ValueError, match=message):
        model.translate(network, pictures)
