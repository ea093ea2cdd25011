"""The losses against closed forms, gradients that stay where they belong, resuming, divergence."""

import dataclasses

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.vision.cyclegan import model, train
from companion.vision.cyclegan.data import Unpaired

SMALL = model.Architecture(
    channels=1, width=4, num_blocks=1, discriminator_width=4, receptive_field=16
)
SETTINGS = train.Settings(SMALL, steps=6, minutes=0, batch_size=2, pool=3)


def _pictures(count: int, *purpose: str) -> torch.Tensor:
    return torch.rand(count, 1, 16, 16, generator=generator(0, *purpose)) * 2 - 1


@pytest.fixture
def unpaired():
    return Unpaired(_pictures(5, "a"), _pictures(7, "b"))


def _gradients(network: nn.Module) -> list[torch.Tensor]:
    return [p.grad for p in network.parameters() if p.grad is not None]


def _parts(networks, weights):
    return train.generator_losses(networks, _pictures(2, "a"), _pictures(2, "b"), weights)[0]


def test_discriminator_loss_is_the_mean_square_halved():
    real, fake = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, 2.0]]]])
    # ((0 + 4) / 2 + (0 + 4) / 2) / 2
    assert train.discriminator_loss(real, fake).item() == pytest.approx(2.0)
    assert train.least_squares(fake, 1).item() == pytest.approx(1.0)


def test_the_identity_has_no_cycle_loss_and_no_identity_loss():
    networks = model.new_cyclegan(SMALL, 0)
    networks.a_to_b = networks.b_to_a = nn.Identity()
    parts = _parts(networks, train.Weights(identity=5.0))
    assert parts["forward_cycle"] == parts["backward_cycle"] == parts["identity"] == 0
    assert parts["adversarial_b"] > 0  # only the discriminators object


def test_cycles_and_identity_are_mean_absolute_errors_of_the_right_pictures():
    """With G(x) = -x and F(y) = y/2 each part is a multiple of the mean |x| or |y|."""

    class Scaled(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def forward(self, pictures):
            return self.factor * pictures

    networks = model.new_cyclegan(SMALL, 0)
    networks.a_to_b, networks.b_to_a = Scaled(-1.0), Scaled(0.5)
    parts = _parts(networks, train.Weights(identity=5.0))
    a, b = (_pictures(2, name).abs().mean() for name in "ab")
    torch.testing.assert_close(parts["forward_cycle"], 1.5 * a)
    torch.testing.assert_close(parts["backward_cycle"], 1.5 * b)
    torch.testing.assert_close(parts["identity"], 2 * b + 0.5 * a)


def test_each_translation_is_judged_by_the_discriminator_of_its_own_domain():
    networks = model.new_cyclegan(SMALL, 0)
    before = _parts(networks, train.Weights())
    with torch.no_grad():
        for parameter in networks.judge_b.parameters():
            parameter += 0.1
    after = _parts(networks, train.Weights())
    assert after["adversarial_b"] != before["adversarial_b"]
    torch.testing.assert_close(after["adversarial_a"], before["adversarial_a"])


@pytest.mark.parametrize(
    ("name", "present"),
    [
        ("GAN alone", {"adversarial_a", "adversarial_b"}),
        ("cycle alone", {"forward_cycle", "backward_cycle"}),
        ("GAN + forward cycle", {"adversarial_a", "adversarial_b", "forward_cycle"}),
        ("GAN + backward cycle", {"adversarial_a", "adversarial_b", "backward_cycle"}),
    ],
)
def test_an_objective_has_its_parts_only(name, present):
    assert set(_parts(model.new_cyclegan(SMALL, 0), train.OBJECTIVES[name])) == present


def test_the_forward_cycle_alone_gives_no_gradient_from_b():
    networks = model.new_cyclegan(SMALL, 0)
    a, b = _pictures(2, "a"), _pictures(2, "b").requires_grad_()
    weights = dataclasses.replace(train.OBJECTIVES["GAN + forward cycle"], adversarial=0)
    parts, _ = train.generator_losses(networks, a, b, weights)
    parts["forward_cycle"].backward()
    assert b.grad is None
    assert _gradients(networks.a_to_b) and _gradients(networks.b_to_a)


def test_the_generators_turn_weighs_the_parts_and_leaves_the_discriminators_alone():
    networks = model.new_cyclegan(SMALL, 0)
    a, b = _pictures(2, "a"), _pictures(2, "b")
    weights = train.Weights(adversarial=2.0, forward_cycle=3.0, backward_cycle=5.0, identity=7.0)
    parts = train.generator_losses(networks, a, b, weights)[0]
    factors = {"forward_cycle": 3, "backward_cycle": 5, "identity": 7}
    sum(factors.get(name, 2) * part for name, part in parts.items()).backward()
    expected = [gradient.clone() for gradient in _gradients(networks.a_to_b)]
    networks.zero_grad()
    judges = {name: value.clone() for name, value in networks.judge_a.state_dict().items()}
    optimizer = torch.optim.Adam(networks.parameters(), lr=1e-3)
    _, fakes = train.generators_turn(networks, optimizer, a, b, weights)
    torch.testing.assert_close(_gradients(networks.a_to_b), expected)
    assert not _gradients(networks.judge_a) and not _gradients(networks.judge_b)
    assert all(torch.equal(judges[k], v) for k, v in networks.judge_a.state_dict().items())
    assert not any(fake.requires_grad for fake in fakes.values())
    assert all(p.requires_grad for p in networks.judge_a.parameters())


def test_the_discriminators_turn_leaves_the_generators_alone():
    """A missing detach would train the generators to be told apart."""
    networks = model.new_cyclegan(SMALL, 0)
    a, b = _pictures(2, "a"), _pictures(2, "b")
    optimizer = torch.optim.Adam(networks.parameters(), lr=1e-3)
    _, fakes = train.generators_turn(networks, optimizer, a, b, train.Weights())
    before = {name: value.clone() for name, value in networks.a_to_b.state_dict().items()}
    parts = train.discriminators_turn(networks, optimizer, {"a": a, "b": b}, fakes)
    assert all(torch.equal(before[k], v) for k, v in networks.a_to_b.state_dict().items())
    assert not _gradients(networks.a_to_b) and not _gradients(networks.b_to_a)
    assert _gradients(networks.judge_a) and _gradients(networks.judge_b)
    assert 0 <= parts["real_a"] <= 1 and 0 <= parts["fake_b"] <= 1


def test_an_interrupted_run_ends_as_if_it_had_not_been(unpaired, tmp_path, monkeypatch):
    """Weights, Adam's state, the pools and the batches all come back."""
    monkeypatch.setattr(train, "SAVE_EVERY", 4)
    whole, curves = train.train(unpaired, SETTINGS, 1)
    path = tmp_path / "run.safetensors"

    def interrupted(history):
        if len(history["real_a"]) == 5:
            raise KeyboardInterrupt
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(train, "_winner", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train.train(unpaired, SETTINGS, 1, path)
    resumed, resumed_curves = train.train(unpaired, SETTINGS, 1, path)
    assert resumed_curves == curves
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_cycle_alone_moves_no_discriminator(unpaired):
    settings = dataclasses.replace(SETTINGS, weights=train.OBJECTIVES["cycle alone"], steps=2)
    networks, history = train.train(unpaired, settings, 1)
    first = model.new_cyclegan(SMALL, 1)
    for name, value in networks.state_dict().items():
        assert torch.equal(value, first.state_dict()[name]) == name.startswith("judge"), name
    assert set(history) == {"forward_cycle", "backward_cycle"}


def test_a_loss_that_is_not_finite_stops_the_run_before_it_spoils_a_weight(unpaired, monkeypatch):
    networks = model.new_cyclegan(SMALL, 0)
    with torch.no_grad():
        networks.b_to_a[-2].bias.fill_(torch.nan)
    before = networks.a_to_b[1].weight.clone()
    monkeypatch.setattr(train, "new_cyclegan", lambda *_: networks)
    with pytest.raises(FloatingPointError, match=r"step 0: the generator's loss is nan.*lower"):
        train.train(unpaired, SETTINGS, 0)
    assert torch.equal(before, networks.a_to_b[1].weight)


def test_a_winner_is_named_with_its_domain_and_the_last_good_file_stays(
    unpaired, tmp_path, monkeypatch
):
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    path = tmp_path / "run.safetensors"
    train.train(unpaired, dataclasses.replace(SETTINGS, steps=2), 0, path)
    good = path.read_bytes()
    monkeypatch.setattr(train, "_winner", lambda _: "in domain B the discriminator has won.")
    with pytest.warns(
        RuntimeWarning, match=r"step 2: in domain B.*holds the last good state"
    ) as seen:
        train.train(unpaired, SETTINGS, 0, path)
    assert len(seen) == 1 and path.read_bytes() == good


def test_the_winner_is_found_in_either_domain_and_only_when_it_lasts():
    undecided = {name: [0.6] * 600 for name in ("real_a", "fake_a", "real_b", "fake_b")}
    assert train._winner(undecided) == ""
    assert train._winner({}) == ""
    won = undecided | {"real_b": [1.0] * 600, "fake_b": [1.0] * 600}
    assert train._winner(won).startswith("in domain B the discriminator has won")


def test_the_oracle_learns_pairs():
    a = _pictures(4, "a")
    settings = dataclasses.replace(SETTINGS, steps=40, batch_size=4, learning_rate=1e-2)
    network = train.train_oracle(a, -a, settings, 0)
    untrained = model.new_cyclegan(SMALL, 0).a_to_b
    error, before = ((model.translate(n, a) + a).abs().mean() for n in (network, untrained))
    assert error < 0.8 * before


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (torch.zeros(1, 1, 16, 16), "1 pictures of B do not fill one batch of 2"),
        (torch.zeros(4, 3, 16, 16), r"pictures of A of shape .*\(n, 1, height, width\)"),
        (torch.full((4, 1, 16, 16), 2.0), "pictures of B reach from 2 to 2"),
    ],
)
def test_pictures_that_cannot_be_learned_from_are_refused(pictures, message):
    unpaired = Unpaired(torch.zeros(4, *pictures.shape[1:]), pictures)
    with pytest.raises(ValueError, match=message):
        train.train(unpaired, SETTINGS, 0)


def test_settings_and_weights_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="0 steps"):
        dataclasses.replace(SETTINGS, steps=0)
    with pytest.raises(ValueError, match="learning rate nan"):
        dataclasses.replace(SETTINGS, learning_rate=float("nan"))
    with pytest.raises(ValueError, match="identity is -1"):
        train.Weights(identity=-1)
    with pytest.raises(ValueError, match="all weights are 0"):
        train.Weights(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("size", "parameters"), [("smoke", 269_921), ("laptop", 269_921), ("gpu", 11_383_427)]
)
def test_every_size_is_built_as_it_says(size, parameters):
    with torch.device("meta"):
        networks = model.CycleGAN(train.SETTINGS[size].architecture)
    assert sum(p.numel() for p in networks.a_to_b.parameters()) == parameters
