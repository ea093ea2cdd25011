"""The networks: receptive fields, skips, noise, normalisation, and what they refuse."""

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.vision.pix2pix import model


def _images(*shape, seed=0):
    return 2 * torch.rand(shape, generator=generator(seed, "images")) - 1


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return model.unet(3, 2, size=32, width=4)


# --- the U-Net


def test_the_papers_generator_on_the_meta_device():
    """Section 6.1.1: C64 ... C512 down, CD512 ... C64 up, 4x4 kernels, a scale and shift a norm."""
    with torch.device("meta"):
        network = model.unet(3, 3, size=256, width=64)
    down = [64, 128, 256, 512, 512, 512, 512, 512]
    up = [512, 512, 512, 512, 256, 128, 64]
    assert [layers[0].out_channels for layers in network.down] == down
    assert [layers[0].out_channels for layers in network.up] == [*up, 3]
    read = [512, 1024, 1024, 1024, 1024, 512, 256, 128]
    assert [layers[0].in_channels for layers in network.up] == read
    weights = sum(16 * a * b for a, b in zip([3, *down], down, strict=False))
    weights += sum(16 * a * b for a, b in zip(read, [*up, 3], strict=True))
    others = 64 + 512 + 3 + 2 * sum(down[1:-1]) + 2 * sum(up)  # biases where nothing is normalised
    assert sum(weight.numel() for weight in network.parameters()) == weights + others
    inputs = torch.zeros(1, 3, 256, 256, device="meta")
    shapes = [(1, 512, side, side) for side in (2, 4, 8)]
    noise = network.draw_noise(inputs, torch.Generator())
    assert [tuple(mask.shape) for mask in noise] == shapes
    assert network(inputs, noise).shape == (1, 3, 256, 256)


def test_one_seed_gives_one_picture_and_another_another(network):
    inputs = _images(3, 3, 32, 32)
    first, again, other = (model.translate(network, inputs, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first - other).abs().mean() > 1e-3
    network.eval()  # the noise stays in use
    other = model.translate(network, inputs, generator(2))
    assert (model.translate(network, inputs, generator(1)) - other).abs().mean() > 1e-3
    assert first.abs().max() <= 1


def test_noise_drops_half_and_keeps_the_mean(network):
    for mask in network.draw_noise(torch.zeros(200, 3, 32, 32), generator(0)):
        assert set(mask.unique().tolist()) == {0.0, 2.0}
        assert mask.mean().item() == pytest.approx(1.0, abs=0.05)


def test_a_picture_does_not_depend_on_the_others_of_its_batch(network, monkeypatch):
    inputs = _images(5, 3, 32, 32)
    together = model.translate(network, inputs, generator(0))
    monkeypatch.setattr(model, "TOGETHER", 2)
    torch.testing.assert_close(model.translate(network, inputs, generator(0)), together)
    noise = network.draw_noise(inputs, generator(0))
    alone = network(inputs[3:4], [mask[3:4] for mask in noise])
    torch.testing.assert_close(alone, together[3:4])


def test_evaluation_mode_draws_the_same_pictures_and_the_matrix_product_the_same_gradients(network):
    inputs = _images(2, 3, 32, 32)
    noise = network.draw_noise(inputs, generator(0))
    found = []
    for training in (True, False):  # matrix products for small images in training only
        network.train(training)
        network.zero_grad()
        pictures = network(inputs, noise)
        pictures.square().sum().backward()
        found.append([pictures, *(weight.grad for weight in network.parameters())])
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("skips", [True, False])
def test_without_skips_all_goes_through_the_bottleneck(skips):
    torch.manual_seed(0)
    network = model.unet(3, 3, size=16, width=4, skips=skips)
    with torch.no_grad():
        network.down[-1][0].weight.zero_()  # nothing of the picture passes the bottleneck
    inputs = _images(2, 3, 16, 16)
    noise = [torch.ones_like(mask) for mask in network.draw_noise(inputs, generator(0))]
    with torch.no_grad():
        first, second = network(inputs, noise)
    assert torch.allclose(first, second) is not skips


def test_normalisation_is_batch_norm_of_one_image():
    """A public version normalises over the batch, and with other statistics in evaluation mode."""
    torch.manual_seed(0)
    norm = model.normalisation(5).apply(model.initialise)
    reference = nn.BatchNorm2d(5).train()
    reference.load_state_dict(norm.state_dict(), strict=False)
    images = 3 + 2 * _images(4, 5, 6, 6)
    one_by_one = torch.cat([reference(image[None]) for image in images])
    torch.testing.assert_close(norm(images), one_by_one)
    torch.testing.assert_close(norm.eval()(images), one_by_one)


def test_a_normalised_single_pixel_would_be_erased_so_it_is_not_normalised(network):
    """Public versions normalised the innermost layer: at a batch of one nothing passes it."""
    pixels = _images(8, 5, 1, 1)
    assert pixels.abs().mean() > 0.1 and model.normalisation(5)(pixels).abs().max() < 1e-4
    assert not any(isinstance(layer, nn.GroupNorm) for layer in network.down[-1])
    hidden = []
    hook = network.down[-1].register_forward_hook(lambda *call: hidden.append(call[2]))
    inputs = _images(1, 3, 32, 32)
    network(inputs, network.draw_noise(inputs, generator(0)))
    hook.remove()
    assert hidden[0].shape[2:] == (1, 1) and hidden[0].abs().min() > 0


def test_the_first_weights_are_the_papers(network):
    weights = network.up[0][0].weight
    assert weights.std().item() == pytest.approx(0.02, rel=0.05)
    assert not network.down[0][0].bias.any()
    scales = torch.cat([layers[1].weight for layers in network.up[:-1]])
    assert scales.mean().item() == pytest.approx(1.0, abs=0.01)
    assert scales.std().item() == pytest.approx(0.02, rel=0.4)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(1, 4, 32, 32), r"\(1, 4, 32, 32\).*\(n, 3, height, width\)"),
        (torch.zeros(3, 32, 32), r"shape \(3, 32, 32\)"),
        (torch.zeros(0, 3, 32, 32), "n of 1 or more"),
        (torch.zeros(1, 3, 48, 32), "48x32 pixels cannot be halved 5 times.*multiple of 32"),
        (torch.zeros(1, 3, 32, 33), "32x33"),
        (torch.full((1, 3, 32, 32), 255.0), r"to 255: expected values in \[-1, 1\]"),
        (torch.full((1, 3, 32, 32), float("nan")), "NaN"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "divide by 127.5"),
    ],
)
def test_inputs_that_cannot_be_translated_are_refused(network, inputs, message):
    with pytest.raises(ValueError, match=message):
        model.translate(network, inputs, generator(0))


def test_sizes_that_cannot_be_halved_to_one_pixel_are_refused():
    for size in (8, 100):
        with pytest.raises(ValueError, match=f"size {size} cannot be halved"):
            model.unet(3, 3, size=size)


def test_a_larger_image_is_translated_whole(network):
    assert model.translate(network, _images(1, 3, 32, 96), generator(0)).shape == (1, 2, 32, 96)


# --- the PatchGAN


def test_the_papers_discriminator_on_the_meta_device():
    with torch.device("meta"):
        discriminator = model.patch_discriminator(6, receptive_field=70, width=64)
    assert sum(weight.numel() for weight in discriminator.parameters()) == 2_768_705
    images = torch.zeros(2, 3, 256, 256, device="meta")
    assert discriminator(images, images).shape == (2, 1, 30, 30)


def test_the_receptive_field_grows_from_the_last_layer_back():
    assert model.receptive_field([(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)]) == 70
    assert model.receptive_field([(3, 1), (3, 1)]) == 5
    assert model.receptive_field([]) == 1


@pytest.mark.parametrize(("field", "side"), [(1, 8), (16, 48), (34, 96), (70, 160), (286, 608)])
def test_one_logit_sees_a_square_of_the_receptive_field(field, side):
    """Perturbed through the gradient; the normalisation, which sees the whole image, taken out."""
    discriminator = model.patch_discriminator(1, receptive_field=field, width=1)
    for index, layer in enumerate(discriminator.layers):
        if isinstance(layer, nn.GroupNorm):
            discriminator.layers[index] = nn.Identity()
        elif isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    image = torch.zeros(1, 1, side, side, requires_grad=True)
    logits = discriminator(image)
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    rows, columns = (gradient[0, 0] > 0).nonzero().unbind(dim=1)
    for places in (rows, columns):
        assert places.min() > 0 and places.max() < side - 1  # not cut off by the border
        assert places.max() - places.min() + 1 == field == discriminator.receptive_field


def test_the_conditional_discriminator_sees_its_input():
    """A public mistake: one that sees pictures alone cannot ask whether they fit the input."""
    torch.manual_seed(0)
    pictures = _images(2, 3, 32, 32)
    conditional = model.patch_discriminator(5, 16, 8)
    first, second = (conditional(_images(2, 2, 32, 32, seed=s), pictures) for s in (1, 2))
    assert (first - second).abs().min() > 0
    unconditional = model.patch_discriminator(3, 16, 8)
    assert unconditional(pictures).shape == (2, 1, 14, 14)
    with pytest.raises(ValueError, match=r"sees 3 channels, got 5.*unconditional"):
        unconditional(_images(2, 2, 32, 32), pictures)


def test_one_image_is_judged_alike_in_any_batch():
    discriminator = model.patch_discriminator(3, 16, 8)
    images = _images(4, 3, 32, 32)
    torch.testing.assert_close(discriminator(images)[2:3], discriminator(images[2:3]))


@pytest.mark.parametrize(("field", "side"), [(16, 6), (34, 12), (70, 24), (286, 96)])
def test_the_smallest_image_gives_one_logit_and_a_smaller_one_is_refused(field, side):
    discriminator = model.patch_discriminator(3, field, 2)
    assert discriminator(_images(2, 3, side, side)).shape == (2, 1, 1, 1)
    with pytest.raises(ValueError, match=f"too small for patches of {field}: use {side}"):
        discriminator(_images(2, 3, side - 1, side))


def test_other_receptive_fields_are_refused():
    with pytest.raises(ValueError, match=r"patches of 32: choose 1, 16, 34, 70, 286"):
        model.patch_discriminator(3, 32)
