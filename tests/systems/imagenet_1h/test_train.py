"""The schedule and the optimizer against closed forms, workers against one big step, the loop."""

import copy
import dataclasses
import itertools

import pytest
import torch
from torch import nn

from companion.systems.imagenet_1h import data, model, train

SMALL = train.Settings(
    epochs=3,
    samples=48,
    minutes=0,
    batch=16,
    share=4,
    base_batch=4,
    learning_rate=0.02,
    warm_up=1,
    channels=(4, 8),
)
PAPER = train.SETTINGS["gpu"]


@pytest.fixture(scope="module")
def source():
    return data.AugmentedDigits(data.load_digits("validation"))


def small_network(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = model.resnet((4, 8), **options)
    # Away from the start, at which a block's convolutions have no gradient.
    for block in network.modules():
        if isinstance(block, model.BasicBlock) and isinstance(block.norm2, nn.BatchNorm2d):
            nn.init.constant_(block.norm2.weight, 0.5)
    return network


def gradients(network):
    return {name: weight.grad.clone() for name, weight in network.named_parameters()}


# --- the schedule


def test_the_papers_schedule_at_8192():
    """0.1 at first, 3.2 after five epochs, a tenth of it after 30, 60 and 80."""
    assert (PAPER.workers, PAPER.steps_per_epoch, PAPER.steps) == (256, 156, 14_040)
    expected = {0: 0.1, 390: (0.1 + 3.2) / 2, 780: 3.2, 4679: 3.2, 4680: 0.32, 9360: 0.032}
    expected |= {12_479: 0.032, 12_480: 0.0032, 14_039: 0.0032}
    found = {step: train.learning_rate_at(step, PAPER) for step in expected}
    assert found == pytest.approx(expected)


def test_warm_up_adds_the_same_at_every_step():
    rates = [train.learning_rate_at(step, PAPER) for step in range(781)]
    rises = [later - earlier for earlier, later in itertools.pairwise(rates)]
    assert rises == pytest.approx([3.1 / 780] * 780)


def test_the_rule_and_warm_up_are_switched_by_themselves_and_do_nothing_to_the_base_batch():
    def rates(**changes):
        settings = dataclasses.replace(SMALL, **changes)
        return [train.learning_rate_at(step, settings) for step in range(settings.steps)]

    assert rates(warm_up=0) == pytest.approx([0.08] * 3 + [0.008] * 3 + [0.0008] * 2 + [0.00008])
    neither = rates(warm_up=0, rule=False)
    assert neither == pytest.approx([0.02] * 3 + [0.002] * 3 + [0.0002] * 2 + [0.00002])
    assert rates(rule=False) == neither
    assert rates(batch=4) == rates(batch=4, warm_up=0) == rates(batch=4, rule=False)


# --- the optimizer


def test_decay_spares_batch_normalisation_and_biases_alone():
    network = small_network().double()
    before = copy.deepcopy(network.state_dict())
    optimizer = train.make_optimizer(network, SMALL)
    for weight in network.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    moved = {
        name for name, weight in network.named_parameters() if not torch.equal(weight, before[name])
    }
    assert moved == {
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    # Nesterov's first step is (1 + m) times the gradient, which is lambda w.
    expected = before["0.weight"] * (1 - 0.02 * (1 + SMALL.momentum) * SMALL.weight_decay)
    torch.testing.assert_close(network[0].weight.detach(), expected, rtol=0, atol=1e-12)


def test_pytorchs_momentum_is_the_one_with_the_rate_outside_v():
    """Remark 2: with the rate inside v a change of rate must be corrected for."""
    rates, slopes, m = [0.1, 0.4, 0.4, 0.04], [1.0, -2.0, 0.5, 3.0], 0.9
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=rates[0], momentum=m)
    places, v, last = {True: 0.0, False: 0.0}, {True: 0.0, False: 0.0}, rates[0]
    for rate, slope in zip(rates, slopes, strict=True):
        weight.grad = torch.full_like(weight, slope)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        for corrected in (True, False):
            v[corrected] = m * (rate / last if corrected else 1) * v[corrected] + rate * slope
            places[corrected] -= v[corrected]
        last = rate
    assert weight.item() == pytest.approx(places[True])
    assert weight.item() != pytest.approx(places[False], abs=0.1)


# --- workers


@pytest.mark.parametrize("workers", [2, 8])
def test_workers_add_up_to_one_big_step_without_batch_normalisation(source, workers):
    """Remark 3: normalised by n instead of kn the gradients would be k times too large."""
    network = small_network(norm=nn.Identity)
    minibatch = data.draw_epoch(0, 0, 32, len(source))
    one = train.minibatch_gradients(network, source, minibatch, 1)
    expected = gradients(network)
    several = train.minibatch_gradients(network, source, minibatch, workers)
    assert several == pytest.approx(one, rel=1e-5)
    for name, gradient in gradients(network).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)


def test_with_batch_normalisation_workers_are_replicas_that_average_their_gradients(source):
    network = small_network()
    minibatch = data.draw_epoch(0, 0, 32, len(source))
    replicas = [copy.deepcopy(network).train() for _ in range(4)]
    for rank, replica in enumerate(replicas):
        images, labels = source.draw(data.worker_share(minibatch, rank, 4))
        nn.functional.cross_entropy(replica(images), labels).backward()
    expected = {
        name: torch.stack([gradients(replica)[name] for replica in replicas]).mean(dim=0)
        for name, _ in network.named_parameters()
    }
    train.minibatch_gradients(network, source, minibatch, 4)
    for name, gradient in gradients(network).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)
    # The running statistics are those of worker 0.
    for name, buffer in network.named_buffers():
        torch.testing.assert_close(buffer, dict(replicas[0].named_buffers())[name])
    # One big step is another: its statistics are of all 32.
    train.minibatch_gradients(network, source, minibatch, 1)
    assert not torch.allclose(gradients(network)["0.weight"], expected["0.weight"], rtol=1e-2)


def test_a_minibatchs_error_is_over_all_workers(source):
    network = small_network()
    nn.init.zeros_(network[-1].weight)  # every image is a zero
    minibatch = data.draw_epoch(0, 0, 32, len(source))
    loss, error = train.minibatch_gradients(network, source, minibatch, 4)
    _, labels = source.draw(minibatch)
    assert loss == pytest.approx(torch.tensor(10.0).log().item(), rel=1e-5)
    assert error == pytest.approx(100 * (labels != 0).double().mean().item())


# --- the loop


def test_the_first_minibatches_are_those_of_the_one_shuffle(source):
    seen = []

    class Recorder(data.AugmentedDigits):
        def draw(self, samples):
            seen.extend(samples.indices.tolist())
            return super().draw(samples)

    train.train(Recorder(source.digits), dataclasses.replace(SMALL, share=16), 5)
    orders = [data.draw_epoch(5, epoch, 48, len(source)).indices.tolist() for epoch in range(3)]
    assert seen == [index for order in orders for index in order]


def test_training_learns_the_same_from_the_same_seed_and_leaves_the_global_generator(source):
    state = torch.random.get_rng_state()
    (network, first), (_, again), (_, other) = (
        train.train(source, dataclasses.replace(SMALL, epochs=6), seed) for seed in (3, 3, 4)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first == again
    assert first["loss"] != other["loss"]
    assert not network.training
    assert sum(first["loss"][-3:]) < sum(first["loss"][:3])
    assert first["learning_rate"][3] == pytest.approx(0.08)


def test_an_interrupted_run_goes_on_to_the_same_result(source, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    whole, history = train.train(source, SMALL, 0)
    saved = tmp_path / "run.safetensors"
    original, calls = train.minibatch_gradients, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(train, "minibatch_gradients", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.train(source, SMALL, 0, checkpoint=saved)
    resumed, resumed_history = train.train(source, SMALL, 0, checkpoint=saved)
    assert len(calls) == 6 + SMALL.steps - 4  # step 4 was done twice, none before it
    assert resumed_history == history
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_a_run_that_diverges_stops_before_its_weights_are_spoiled(source):
    spoiled = data.Digits(source.digits.images.clone(), source.digits.labels)
    spoiled.images[:] = torch.nan
    networks, make = [], train.new_network

    def keep(*arguments):
        networks.append(make(*arguments))
        return networks[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "new_network", keep)
        with pytest.raises(FloatingPointError, match=r"loss is nan at step 0, at a rate of 0\.02"):
            train.train(data.AugmentedDigits(spoiled), SMALL, 0)
    assert all(torch.isfinite(weight).all() for weight in networks[0].parameters())


def test_first_weights_depend_on_the_seed_alone():
    weights = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 2)):
        torch.manual_seed(global_seed)
        weights.append(train.new_network(SMALL, seed)[0].weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


@pytest.mark.parametrize("size", train.SETTINGS)
def test_every_size_is_built(size):
    settings = train.SETTINGS[size]
    with torch.device("meta"):
        network = model.resnet50() if settings.channels is None else model.resnet(settings.channels)
    train.make_optimizer(network, settings)
    assert settings.steps > 0 and settings.workers > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 18}, "batch of 18 does not divide into shares of 4"),
        ({"batch": 0}, "batch of 0"),
        ({"share": 1}, "at least 2 samples"),
        ({"batch": 64}, "64 is more than the epoch's 48 samples"),
        ({"warm_up": 2}, "warm-up of 2 epochs must end before the first decay"),
        ({"warm_up": -1}, "warm-up of -1"),
        ({"learning_rate": 0.0}, r"learning rate 0\.0"),
        ({"learning_rate": float("nan")}, "learning rate nan"),
        ({"momentum": 1.0}, r"momentum 1\.0"),
        ({"weight_decay": -0.1}, r"weight decay -0\.1"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)
