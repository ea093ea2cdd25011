"""How the networks start, what they compute, and what is counted as an error."""

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.systems.imagenet_1h import model


def network(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model.resnet(**options)


def images(n=6):
    return torch.rand(n, 1, 14, 14, generator=generator(0, "images"))


def test_a_block_is_its_shortcut_at_first_and_no_longer_once_gamma_moves():
    block = next(layer for layer in network() if isinstance(layer, model.BasicBlock))
    hidden = torch.rand(4, 8, 14, 14, generator=generator(0, "hidden"))  # as after a ReLU
    assert torch.equal(block(hidden), hidden)
    nn.init.ones_(block.norm2.weight)
    assert not torch.allclose(block(hidden), hidden)


def test_only_the_last_gamma_of_a_block_is_zero():
    gammas = {
        name: parameter
        for name, parameter in network().named_parameters()
        if parameter.ndim == 1 and name.endswith("weight")
    }
    zero = {name for name, gamma in gammas.items() if (gamma == 0).all()}
    assert zero == {name for name in gammas if "norm2" in name}
    assert all((gamma == 1).all() for name, gamma in gammas.items() if name not in zero)


def test_stages_halve_the_image():
    sizes = []
    layers = network(blocks=2)
    for layer in layers:
        if isinstance(layer, model.BasicBlock):
            layer.register_forward_hook(lambda *call: sizes.append(tuple(call[2].shape[1:])))
    assert layers(images()).shape == (6, 10)
    assert sizes == [(8, 7, 7)] * 2 + [(16, 4, 4)] * 2 + [(32, 2, 2)] * 2


def test_weights_start_as_the_paper_says():
    layers = network(channels=(64, 64))
    for convolution in (module for module in layers.modules() if isinstance(module, nn.Conv2d)):
        fan_out = convolution.out_channels * convolution.kernel_size[0] ** 2
        assert convolution.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
    assert layers[-1].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert (layers[-1].bias == 0).all()


def test_resnet50_has_the_papers_size_and_start():
    with torch.device("meta"):
        network = model.resnet50()
        logits = network(torch.empty(2, 3, 224, 224))
    assert logits.shape == (2, 1000)
    assert sum(weight.numel() for weight in network.parameters()) == 25_557_032
    real = model.resnet50().layer3
    assert all((block.bn3.weight == 0).all() and (block.bn1.weight == 1).all() for block in real)
    assert all(block.conv2.stride == (1, 1) for block in real[1:]) and real[0].conv2.stride == (
        2,
        2,
    )


def test_error_is_the_share_of_other_labels_in_percent(monkeypatch):
    monkeypatch.setattr(model, "BATCH_SIZE", 4)  # the last batch is smaller
    answers = nn.Sequential(nn.Flatten(), nn.Linear(10, 10, bias=False))
    answers[1].weight.data = torch.eye(10)
    digits = torch.eye(10).reshape(10, 1, 1, 10)
    assert model.error(answers, digits, torch.arange(10)) == 0
    wrong = torch.tensor([0, 1, 2, 3, 4, 5, 6, 0, 0, 0])
    assert model.error(answers, digits, wrong) == pytest.approx(30)


def test_photographs_are_all_counted_once(monkeypatch):
    class Folder:
        def __len__(self):
            return 5

        def centre(self, indices):
            return torch.eye(10)[indices].reshape(-1, 1, 1, 10), torch.tensor([0, 1, 9, 9, 4])[
                indices
            ]

    monkeypatch.setattr(model, "BATCH_SIZE", 2)
    answers = nn.Sequential(nn.Flatten(), nn.Linear(10, 10, bias=False))
    answers[1].weight.data = torch.eye(10)
    assert model.photograph_error(answers, Folder()) == pytest.approx(40)


def test_predicting_neither_moves_the_statistics_nor_depends_on_the_other_images():
    layers = network().train()
    layers(images())
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    together = model.predict(layers, images())
    torch.testing.assert_close(together[:1], model.predict(layers, images()[:1]))
    assert layers.training
    assert all(torch.equal(value, before[name]) for name, value in layers.state_dict().items())
