"""What each method trains on, the warm-up, and a loop that resumes and refuses NaN."""

import dataclasses

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.vision.adversarial_attacks import attacks, data, train

SETTINGS = train.Settings(
    steps=6, minutes=0.1, channels=(2, 3), hidden=8, batch_size=20, attack_steps=2, warm_up=0.5
)


def _with(method, **changes):
    return dataclasses.replace(SETTINGS, method=method, **changes)


@pytest.fixture(scope="module")
def digits():
    return data.load_digits("validation")


def _loss(settings, digits, step=0):
    network = train.new_model(settings, 0)
    arguments = (digits.images, digits.labels, step, settings, generator(0))
    loss, logits = train.training_loss(network, *arguments)
    return network, loss, logits


def test_fgsm_training_halves_its_loss_between_digits_and_their_examples(digits):
    digits = digits[:10]
    settings = _with("fgsm")
    network, loss, logits = _loss(settings, digits, step=100)
    network.eval()
    attacked = attacks.fgsm(network, digits.images, digits.labels, settings.epsilon)
    losses = [
        nn.functional.cross_entropy(network(images), digits.labels)
        for images in (digits.images, attacked)
    ]
    torch.testing.assert_close(loss, sum(losses) / 2)
    torch.testing.assert_close(logits, network(attacked))


def test_pgd_training_sees_attacked_digits_alone(digits):
    digits = digits[:10]
    settings = _with("pgd")
    network, loss, logits = _loss(settings, digits, step=100)
    network.eval()
    step_size = settings.reach * settings.epsilon / settings.attack_steps
    attacked = attacks.pgd(
        network,
        digits.images,
        digits.labels,
        settings.epsilon,
        steps=settings.attack_steps,
        step_size=step_size,
        generator=generator(0),
    )
    torch.testing.assert_close(logits, network(attacked))
    torch.testing.assert_close(loss, nn.functional.cross_entropy(logits, digits.labels))


def test_without_epsilon_all_methods_train_on_the_same_loss(digits):
    digits = digits[:10]
    losses = [_loss(_with(method, epsilon=0.0), digits)[1] for method in train.METHODS]
    torch.testing.assert_close(losses[1], losses[0])
    torch.testing.assert_close(losses[2], losses[0])


def test_epsilon_rises_to_its_end_within_the_warm_up():
    values = [train.epsilon_at(step, SETTINGS) for step in range(6)]
    assert values == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.3, 0.3])
    assert train.epsilon_at(0, train.SETTINGS["gpu"]) == 0.3


def test_madrys_attack_at_the_gpu_size():
    paper = train.SETTINGS["gpu"]
    assert paper.reach * paper.epsilon / paper.attack_steps == pytest.approx(0.01)


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="'trades'"):
        _with("trades")


def test_every_digit_is_seen_once_in_each_pass(digits):
    batches = train.training_batches(digits, 100, generator(0))
    seen = torch.cat([next(batches).images for _ in range(5)])
    assert len({image.numpy().tobytes() for image in seen}) == len(digits)
    with pytest.raises(ValueError, match="do not fill"):
        next(train.training_batches(digits, 501, generator(0)))


def test_without_channels_the_network_is_linear():
    network = train.new_model(dataclasses.replace(SETTINGS, channels=None), 0)
    zero, one = torch.zeros(1, 1, 28, 28), torch.ones(1, 1, 28, 28)
    torch.testing.assert_close(network(one / 2), (network(zero) + network(one)) / 2)


# --- the loop


@pytest.mark.parametrize("method", train.METHODS)
def test_same_seed_same_result_and_another_seed_another(method, digits):
    (_, first), (_, again), (_, other) = (
        train.train(digits, _with(method, steps=3), seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert first["loss"] != other["loss"]


def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, monkeypatch, digits):
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    whole, history = train.train(digits, _with("pgd"), 0)
    saved = tmp_path / "run.safetensors"
    cut = train.training_loss
    calls = []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return cut(*arguments)

    monkeypatch.setattr(train, "training_loss", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.train(digits, _with("pgd"), 0, checkpoint=saved)
    monkeypatch.setattr(train, "training_loss", cut)
    resumed, resumed_history = train.train(digits, _with("pgd"), 0, checkpoint=saved)
    assert resumed_history == history
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_spoiled(monkeypatch, digits):
    kept = {}
    original = train.training_loss

    def spoiled(network, *arguments):
        kept["network"] = network
        loss, logits = original(network, *arguments)
        return loss * float("nan"), logits

    monkeypatch.setattr(train, "training_loss", spoiled)
    with pytest.raises(FloatingPointError, match="step 0"):
        train.train(digits, _with("plain"), 0)
    assert all(torch.isfinite(weight).all() for weight in kept["network"].parameters())


def test_the_network_comes_back_ready_to_be_attacked(digits):
    network, history = train.train(digits, _with("plain", steps=2), 0)
    assert not network.training
    assert [len(curve) for curve in history.values()] == [2, 2]
