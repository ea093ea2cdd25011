"""The victims: sizes, normalisation inside the model, and the ImageNet network on photographs."""

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.vision.adversarial_attacks import data, model


def _weights(network):
    return sum(weight.numel() for weight in network.parameters())


def test_madrys_network_has_as_many_weights_as_the_paper_describes():
    with torch.device("meta"):
        network = model.small_cnn((32, 64), 1024)
        logits = network(torch.empty(5, 1, 28, 28))
    convolutions = 25 * 1 * 32 + 32 + 25 * 32 * 64 + 64
    assert _weights(network) == convolutions + 7 * 7 * 64 * 1024 + 1024 + 1024 * 10 + 10
    assert logits.shape == (5, 10)


def test_normalisation_inside_equals_normalised_images_outside():
    network = model.softmax_regression()
    images = torch.rand(4, 1, 28, 28, generator=generator(0))
    inside = model.Normalised(network, (0.1307,), (0.3081,))
    torch.testing.assert_close(inside(images), network((images - 0.1307) / 0.3081))
    assert inside.state_dict().keys() >= {"mean", "std"}  # they travel with the model


@pytest.mark.parametrize(("mean", "std"), [((0.5,), (0.5, 0.5)), ((0.5,), (0.0,))])
def test_normalisation_that_cannot_be_is_refused(mean, std):
    with pytest.raises(ValueError, match="positive deviation"):
        model.Normalised(nn.Identity(), mean, std)


def test_error_counts_images_not_batches():
    images = torch.arange(7.0).reshape(7, 1, 1, 1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[0.0], [1.0]]))
        network[1].bias.copy_(torch.tensor([2.5, 0.0]))  # class 1 from 3 on
    labels = torch.zeros(7, dtype=torch.int64)
    assert model.error(network, images, labels) == pytest.approx(100 * 4 / 7)
    torch.testing.assert_close(
        model.predict(network, images, batch_size=3), model.predict(network, images)
    )


# --- ImageNet


def test_the_imagenet_network_is_right_about_every_photograph():
    network = model.imagenet_network()
    labels = model.imagenet_labels()
    photographs = data.load_photographs()
    probabilities = model.predict(network, torch.stack([each.image for each in photographs]))
    found = [labels[index] for index in probabilities.argmax(dim=1)]
    assert found == ["espresso", "tiger cat", "palace", "missile"]
    assert [each.label for each in photographs] == probabilities.argmax(dim=1).tolist()
    assert probabilities[0, 967] > 0.9


def test_the_imagenet_network_is_ready_to_be_attacked():
    network = model.imagenet_network()
    assert not any(module.training for module in network.modules())
    assert not any(weight.requires_grad for weight in network.parameters())
    assert len(model.imagenet_labels()) == 1000
