"""The losses against closed forms, whose turn moves what, and a loop that resumes and warns."""

import dataclasses
import math
import warnings

import pytest
import torch
from torch.utils.data import TensorDataset

from companion.seeds import generator
from companion.vision.pix2pix import losses, train

SETTINGS = train.Settings(
    steps=6, minutes=0.1, batch_size=2, size=16, width=4, discriminator_width=4
)


def _images(*shape, seed=0):
    return 2 * torch.rand(shape, generator=generator(seed, "images")) - 1


@pytest.fixture(scope="module")
def pairs():
    targets = 0.5 + 0.3 * _images(9, 3, 16, 16, seed=2)
    return TensorDataset(_images(9, 2, 16, 16, seed=1), targets)


def _with(objective, **changes):
    return dataclasses.replace(SETTINGS, objective=objective, **changes)


def _same(one, other):
    return all(torch.equal(weight, other[name]) for name, weight in one.items())


def _copy(network):
    return {name: weight.clone() for name, weight in network.state_dict().items()}


# --- losses


def test_the_losses_are_cross_entropies_and_the_discriminators_is_halved():
    real, fake = (_images(2, 1, 5, 5, seed=seed) * 4 for seed in (1, 2))
    binary = torch.nn.functional.binary_cross_entropy_with_logits
    expected = (binary(real, torch.ones_like(real)) + binary(fake, torch.zeros_like(fake))) / 2
    torch.testing.assert_close(losses.discriminator_loss(real, fake), expected)
    expected = binary(fake, torch.ones_like(fake))
    torch.testing.assert_close(losses.adversarial_loss(fake), expected)
    even = torch.zeros(1, 1, 2, 2)
    assert losses.discriminator_loss(even, even).item() == pytest.approx(math.log(2))


def test_the_generator_is_moved_where_the_discriminator_is_sure():
    """With log(1 - D) in its place the gradient would vanish there."""
    sure = torch.full((1, 1, 1, 1), -30.0, requires_grad=True)
    losses.adversarial_loss(sure).backward()
    assert sure.grad.item() == pytest.approx(-1.0)


# --- turns


@pytest.fixture
def drawn(pairs):
    """Networks, their optimiser, a batch and the pictures drawn for it."""
    network, discriminator = train.new_networks(SETTINGS, 2, 3, 0)
    groups = [{"params": list(part.parameters())} for part in (network, discriminator)]
    optimizer = torch.optim.Adam(groups, lr=0.01)
    inputs, targets = pairs[torch.arange(2)]
    pictures = network(inputs, network.draw_noise(inputs, generator(0)))
    return network, discriminator, optimizer, (inputs, targets, pictures)


def test_each_turn_moves_its_own_network_and_leaves_the_others_gradients_alone(drawn):
    """The missing detach, and a generator's step that also moves the discriminator."""
    network, discriminator, optimizer, batch = drawn
    before, judge_before = _copy(network), _copy(discriminator)
    train.discriminator_turn(discriminator, optimizer, *batch, SETTINGS)
    assert _same(before, network.state_dict()) and not _same(
        judge_before, discriminator.state_dict()
    )
    assert all(weight.grad is None for weight in network.parameters())
    judge_before = _copy(discriminator)
    train.generator_turn(discriminator, optimizer, *batch, SETTINGS)
    assert _same(judge_before, discriminator.state_dict()) and not _same(
        before, network.state_dict()
    )
    assert all(weight.grad is None for weight in discriminator.parameters())
    assert all(weight.requires_grad for weight in discriminator.parameters())


def test_the_gradients_are_those_of_the_two_losses_written_out(drawn):
    network, discriminator, optimizer, (inputs, targets, pictures) = drawn
    optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 0.0
    real = discriminator(torch.cat([inputs, targets], dim=1))
    fake = discriminator(torch.cat([inputs, pictures], dim=1))
    weights = list(discriminator.parameters())
    expected = torch.autograd.grad(
        losses.discriminator_loss(real, fake), weights, retain_graph=True
    )
    loss = losses.adversarial_loss(fake) + 100 * (pictures - targets).abs().mean()
    expected_generator = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
    found = train.discriminator_turn(discriminator, optimizer, inputs, targets, pictures, SETTINGS)
    for weight, gradient in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, atol=1e-6, rtol=1e-4)
    assert found["real"].item() == pytest.approx((real > 0).float().mean().item())
    assert found["fake"].item() == pytest.approx((fake < 0).float().mean().item())
    found = train.generator_turn(discriminator, optimizer, inputs, targets, pictures, SETTINGS)
    for weight, gradient in zip(network.parameters(), expected_generator, strict=True):
        torch.testing.assert_close(weight.grad, gradient, atol=1e-5, rtol=1e-4)
    assert found["l1"].item() == pytest.approx((pictures - targets).abs().mean().item())


# --- objectives


def test_an_objective_decides_who_judges_and_what_is_seen():
    channels = {}
    for objective in train.OBJECTIVES:
        settings = _with(objective)
        _, discriminator = train.new_networks(settings, 2, 3, 0)
        channels[objective] = discriminator and discriminator.in_channels
    assert channels == {"L1": None, "GAN": 3, "cGAN": 5, "L1+GAN": 3, "L1+cGAN": 5}
    weights = {objective: _with(objective).weight for objective in train.OBJECTIVES}
    assert weights == {"L1": 100, "GAN": 0, "cGAN": 0, "L1+GAN": 100, "L1+cGAN": 100}


def test_l1_alone_has_no_discriminator_and_learns(pairs):
    network, discriminator, history = train.train(
        pairs, _with("L1", steps=40, learning_rate=5e-3), 0
    )
    assert discriminator is None and list(history) == ["l1"]
    assert not network.training
    assert sum(history["l1"][-5:]) < 0.6 * sum(history["l1"][:5])


def test_a_weight_of_zero_is_the_cgan(pairs):
    both = [
        train.train(pairs, _with("cGAN"), 0),
        train.train(pairs, _with("L1+cGAN", l1_weight=0), 0),
    ]
    assert both[0][2] == both[1][2]
    assert _same(both[0][0].state_dict(), both[1][0].state_dict())


def test_all_objectives_begin_with_the_same_generator():
    states = [
        train.new_networks(_with(objective), 2, 3, 5)[0].state_dict()
        for objective in train.OBJECTIVES
    ]
    assert all(_same(states[0], state) for state in states)
    assert not _same(states[0], train.new_networks(SETTINGS, 2, 3, 6)[0].state_dict())


# --- the loop


def test_same_seed_same_result_and_another_seed_another(pairs):
    random = torch.get_rng_state()
    (*_, first), (*_, again), (*_, other) = (train.train(pairs, SETTINGS, s) for s in (3, 3, 4))
    assert torch.equal(random, torch.get_rng_state())
    assert first == again
    assert first["l1"] != other["l1"] and first["discriminator"] != other["discriminator"]


def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, monkeypatch, pairs):
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    whole, judge, history = train.train(pairs, SETTINGS, 0)
    saved = tmp_path / "run.safetensors"
    cut = train.generator_turn
    calls = []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return cut(*arguments)

    monkeypatch.setattr(train, "generator_turn", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.train(pairs, SETTINGS, 0, checkpoint=saved)
    resumed, resumed_judge, resumed_history = train.train(pairs, SETTINGS, 0, checkpoint=saved)
    assert len(calls) == 4 + 4  # from step 2 on
    assert resumed_history == history
    assert _same(whole.state_dict(), resumed.state_dict())
    assert _same(judge.state_dict(), resumed_judge.state_dict())


def test_every_pair_is_seen_once_in_each_pass():
    batches = train.training_batches(9, 2, generator(0))
    first, second = (torch.cat([next(batches) for _ in range(4)]) for _ in range(2))
    assert len(set(first.tolist())) == len(set(second.tolist())) == 8  # the remainder is left out
    assert first.tolist() != second.tolist()


def test_the_rate_is_constant_for_half_the_steps_and_falls_to_zero():
    settings = dataclasses.replace(SETTINGS, steps=100)
    rates = [train.learning_rate_at(step, settings) / 2e-4 for step in (0, 50, 75, 99)]
    assert rates == pytest.approx([1.0, 1.0, 0.5, 0.02])


def test_the_papers_sizes_on_the_meta_device():
    settings = train.SETTINGS["gpu"]
    with torch.device("meta"):
        network, discriminator = train.new_networks(settings, 3, 3, 0)
    assert sum(weight.numel() for weight in network.parameters()) == 54_414_531
    assert sum(weight.numel() for weight in discriminator.parameters()) == 2_768_705


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "wgan"}, "'wgan' is not one of L1, GAN"),
        ({"batch_size": 0}, "of 0 pairs"),
        ({"learning_rate": float("nan")}, "learning rate nan"),
        ({"l1_weight": -1.0}, "L1 weight -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETTINGS, **changes)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (_images(1, 2, 16, 16), _images(1, 3, 16, 16), "1 pairs do not fill one batch of 2"),
        (_images(4, 2, 16, 24), _images(4, 3, 16, 24), "16x24.*multiple of 16"),
        (_images(4, 2, 16, 16), _images(4, 3, 32, 16), "are not pairs"),
        (_images(4, 2, 16, 16), 300 * _images(4, 3, 16, 16), "targets reach"),
    ],
)
def test_pairs_that_cannot_be_learned_from_are_refused_at_first(inputs, targets, message):
    with pytest.raises(ValueError, match=message):
        train.train(TensorDataset(inputs, targets), SETTINGS, 0)


# --- what goes wrong


def test_a_loss_that_is_not_finite_stops_before_any_weight_is_spoiled(tmp_path, monkeypatch, pairs):
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    kept = {}
    healthy = train.l1_loss
    calls = []

    def spoiled(pictures, targets):
        calls.append(1)
        return healthy(pictures, targets) * (float("nan") if len(calls) == 4 else 1.0)

    original = train.new_networks

    def keep(*arguments):
        kept["networks"] = original(*arguments)
        return kept["networks"]

    monkeypatch.setattr(train, "new_networks", keep)
    monkeypatch.setattr(train, "l1_loss", spoiled)
    saved = tmp_path / "run.safetensors"
    with pytest.raises(FloatingPointError, match=r"step 3: the generator's loss is nan.*run\.safe"):
        train.train(pairs, SETTINGS, 0, checkpoint=saved)
    for network in kept["networks"]:
        assert all(torch.isfinite(weight).all() for weight in network.parameters())
    gentler = dataclasses.replace(SETTINGS, learning_rate=1e-5)
    *_, history = train.train(pairs, gentler, 0, checkpoint=saved)  # from the last good one
    assert len(history["l1"]) == 6


def test_a_network_that_wins_for_good_is_named_by_its_symptom():
    def shares(real, fake, steps=losses.WINDOW):
        return {"real": [real] * steps, "fake": [fake] * steps}

    assert "discriminator has won" in losses.winner(shares(1.0, 1.0))
    assert "generator has won" in losses.winner(shares(0.9, 0.0))
    assert not losses.winner(shares(0.6, 0.7))
    assert not losses.winner(shares(1.0, 1.0, losses.WINDOW - 1))
    recent = {name: [0.5] * 9 + curve for name, curve in shares(1.0, 1.0).items()}
    assert losses.winner(recent)
    assert not losses.winner({"l1": [0.1] * 1000})


def test_a_won_game_warns_once_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch, pairs):
    monkeypatch.setattr(train, "SAVE_EVERY", 1)
    monkeypatch.setattr(losses, "WINDOW", 3)
    original = train.discriminator_turn

    def sure(*arguments):
        return original(*arguments) | {"real": torch.ones(()), "fake": torch.ones(())}

    monkeypatch.setattr(train, "discriminator_turn", sure)
    saved = tmp_path / "run.safetensors"
    with pytest.warns(RuntimeWarning, match=r"step 2: the discriminator has won.*run\.s") as found:
        train.train(pairs, SETTINGS, 0, checkpoint=saved)
    assert len(found) == 1
    monkeypatch.setattr(train, "discriminator_turn", original)
    steps = []
    monkeypatch.setattr(train, "track", lambda rows, label: steps.extend(rows) or _Silent())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train.train(pairs, SETTINGS, 0, checkpoint=saved)
    assert steps == [2, 3, 4, 5]


class _Silent(list):
    def note(self, text): ...
