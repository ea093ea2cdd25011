"""Attacks against closed forms, their bounds, their invariances, and a well-kept library."""

import functools

import pytest
import torch
from torch import nn

from companion.seeds import generator
from companion.vision.adversarial_attacks import attacks, data, live, model

PGD = {"steps": 10, "step_size": 0.05}
EPSILON = 0.2
ATTACKS = {
    "fgsm": lambda *arguments, **options: attacks.fgsm(*arguments, **options),
    "iterated": functools.partial(attacks.iterated_fgsm, **PGD),
    "pgd": lambda *arguments, **options: attacks.pgd(
        *arguments, **PGD, restarts=2, generator=generator(0), **options
    ),
}


def _random_cnn(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model.small_cnn((4, 8), 16).eval()


@pytest.fixture(scope="module")
def digits():
    return data.load_digits("validation")[:40]


def _loss(network, images, labels):
    with torch.no_grad():
        return nn.functional.cross_entropy(network(images), labels, reduction="none")


# --- against closed forms


@pytest.mark.parametrize("name", ATTACKS)
def test_on_two_classes_a_linear_model_is_attacked_as_hard_as_can_be(name):
    """The worst image in the box moves every pixel against the sign of its weight."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
    images = torch.rand(6, 1, 3, 3, generator=generator(1))
    labels = torch.tensor([0, 1] * 3)
    weights = network[1].weight[1] - network[1].weight[0]
    towards_zero = torch.tensor([1.0, -1.0] * 3)[:, None]
    worst = images.flatten(1) + EPSILON * towards_zero * weights.sign()
    found = ATTACKS[name](network.eval(), images, labels, EPSILON)
    torch.testing.assert_close(found.flatten(1), worst.clamp(0, 1))


def test_the_input_gradient_of_an_image_does_not_depend_on_its_batch():
    network = _random_cnn()
    digits = data.load_digits("validation")[: attacks.SLICE + 6]
    together = attacks.input_gradient(network, digits.images, digits.labels)
    for index in (3, attacks.SLICE + 3):
        alone = digits[index : index + 1]
        found = attacks.input_gradient(network, alone.images, alone.labels)
        torch.testing.assert_close(together[index : index + 1], found, rtol=1e-4, atol=1e-7)


def test_the_loss_attacked_is_cross_entropy():
    logits = 5 * torch.randn(50, 10, generator=generator(0))
    labels = torch.arange(50) % 10
    expected = nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(attacks.cross_entropy(logits, labels), expected)


def test_the_gradient_of_a_network_that_is_all_but_certain_keeps_its_signs():
    """Single precision cannot tell its p from 1; double precision can, and shows the gradient."""
    network, images = _random_cnn(), torch.rand(40, 1, 28, 28, generator=generator(0))
    with torch.no_grad():
        labels = network(images).argmax(dim=1)
        scale = 30 / attacks.margin(network(images), labels).median()
        network[9].weight.mul_(scale)
        network[9].bias.mul_(scale)
    sure = model.predict(network, images).max(dim=1).values == 1
    assert sure.sum() > 10
    found = attacks.input_gradient(network, images, labels)[sure]
    expected = attacks.input_gradient(network.double(), images.double(), labels)[sure]
    large = expected.abs() > 1e-3 * expected.abs().amax(dim=(1, 2, 3), keepdim=True)
    assert torch.equal(found.sign()[large].double(), expected.sign()[large])


def test_margin_is_negative_where_the_label_loses():
    logits = torch.tensor([[1.0, 4.0, 2.0], [1.0, 4.0, 2.0]])
    assert attacks.margin(logits, torch.tensor([1, 2])).tolist() == [2.0, -2.0]


# --- bounds


@pytest.mark.parametrize("name", ATTACKS)
def test_at_epsilon_zero_the_images_come_back_bit_for_bit(name, digits):
    """A public library returned others, for its model was in training mode or normalised twice."""
    found = ATTACKS[name](_random_cnn(), digits.images, digits.labels, 0.0)
    assert torch.equal(found, digits.images)


@pytest.mark.parametrize("name", ATTACKS)
def test_attacked_images_stay_in_range_and_near_and_hurt(name, digits):
    network = _random_cnn()
    kept = digits.images.clone()
    found = ATTACKS[name](network, digits.images, digits.labels, EPSILON)
    assert torch.equal(digits.images, kept)
    assert found.min() >= 0 and found.max() <= 1
    assert (found - digits.images).abs().max() <= EPSILON + 1e-6
    before, after = (_loss(network, images, digits.labels) for images in (kept, found))
    assert (after > before).all()
    assert not found.requires_grad


@pytest.mark.parametrize("name", ATTACKS)
def test_a_targeted_attack_makes_the_target_more_probable(name, digits):
    network = _random_cnn()
    targets = (digits.labels + 1) % 10
    found = ATTACKS[name](network, digits.images, digits.labels, EPSILON, targets=targets)
    assert (_loss(network, found, targets) < _loss(network, digits.images, targets)).all()


@pytest.mark.parametrize("name", ATTACKS)
def test_pixel_epsilon_means_the_same_for_a_network_that_wants_normalised_images(name, digits):
    """Attacking normalised images with an epsilon of pixels is the classical mistake."""
    inner = _random_cnn()
    outer = model.Normalised(inner, (0.5,), (0.25,)).eval()
    folded = _random_cnn()
    with torch.no_grad():
        folded[0].weight.div_(0.25)
        folded[0].bias.sub_((0.5 * folded[0].weight).sum(dim=(1, 2, 3)))
        folded[0].padding = (0, 0)
    padded = nn.Sequential(nn.ConstantPad2d(2, 0.5), folded).eval()  # grey is what 0 becomes
    found = [
        ATTACKS[name](network, digits.images[:4], digits.labels[:4], EPSILON)
        for network in (outer, padded)
    ]
    assert (found[0] - found[1]).abs().gt(1e-5).double().mean() < 0.02
    assert (found[0] - digits.images[:4]).abs().max() <= EPSILON + 1e-6


# --- restarts


def test_error_never_falls_as_restarts_are_added(digits):
    network = _random_cnn()
    margins = []
    for restarts in (1, 2, 4):
        found = attacks.pgd(
            network,
            digits.images,
            digits.labels,
            0.05,
            steps=3,
            step_size=0.02,
            restarts=restarts,
            generator=generator(5),
        )
        margins.append(attacks.margin(network(found), digits.labels))
    assert (margins[1] <= margins[0]).all() and (margins[2] <= margins[1]).all()
    assert (margins[2] < margins[0]).any()


def test_of_a_targeted_attacks_restarts_the_target_gains_by_each(digits):
    network = _random_cnn()
    targets = (digits.labels + 1) % 10
    options = {"steps": 1, "step_size": 0.02, "targets": targets}
    margins = [
        attacks.margin(
            network(
                attacks.pgd(
                    network,
                    digits.images,
                    digits.labels,
                    0.1,
                    restarts=restarts,
                    generator=generator(5),
                    **options,
                )
            ),
            targets,
        )
        for restarts in (1, 4)
    ]
    assert (margins[1] >= margins[0]).all() and (margins[1] > margins[0]).any()


def test_the_random_start_fills_the_box_and_depends_on_its_generator(digits):
    images = torch.full((500, 1, 1, 1), 0.5)
    labels = torch.zeros(500, dtype=torch.int64)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(1, 2)).eval()
    with torch.no_grad():
        flat[1].weight.zero_()  # no gradient: what comes back is the start
    first, again, other = (
        attacks.pgd(flat, images, labels, 0.1, steps=1, step_size=0.1, generator=generator(seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() < 0.41 and first.max() > 0.59
    assert first.mean().item() == pytest.approx(0.5, abs=0.01)


# --- a well-kept library, at the same budget


@pytest.fixture(scope="module")
def torchattacks():
    return pytest.importorskip("torchattacks")


def test_without_a_random_start_the_library_makes_the_same_images(torchattacks, digits):
    network = _random_cnn()
    theirs = torchattacks.FGSM(network, eps=EPSILON)(digits.images, digits.labels)
    ours = attacks.fgsm(network, digits.images, digits.labels, EPSILON)
    torch.testing.assert_close(ours, theirs)
    options = {"eps": EPSILON, "alpha": 0.05, "steps": 5, "random_start": False}
    theirs = torchattacks.PGD(network, **options)(digits.images, digits.labels)
    ours = attacks.iterated_fgsm(
        network, digits.images, digits.labels, EPSILON, steps=5, step_size=0.05
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_with_random_starts_ours_is_not_weaker_than_the_librarys(torchattacks):
    network = live.load_shipped("plain")
    digits = data.load_digits("test")[:250]
    theirs = torchattacks.PGD(network, eps=0.08, alpha=0.02, steps=10)
    errors = [
        model.error(network, attack(digits.images, digits.labels), digits.labels)
        for attack in (
            theirs,
            lambda images, labels: attacks.pgd(
                network, images, labels, 0.08, steps=10, step_size=0.02, generator=generator(0)
            ),
        )
    ]
    assert 5 < errors[0] < 95
    assert errors[1] >= errors[0] - 2


# --- what is left as it was, and what is refused


def test_the_model_is_left_as_it_was(digits):
    network = _random_cnn()
    network[0].weight.requires_grad_(False)
    attacks.fgsm(network, digits.images, digits.labels, EPSILON)
    assert all(weight.grad is None for weight in network.parameters())
    assert [weight.requires_grad for weight in network.parameters()][:2] == [False, True]


def test_an_attack_works_where_gradients_are_switched_off(digits):
    network = _random_cnn()
    with torch.no_grad():
        found = attacks.fgsm(network, digits.images, digits.labels, EPSILON)
    assert torch.equal(found, attacks.fgsm(network, digits.images, digits.labels, EPSILON))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.full((2, 1, 28, 28), 255.0)}, "divide bytes by 255"),
        ({"images": torch.full((2, 1, 28, 28), -0.42)}, "Normalised"),
        ({"images": torch.full((2, 1, 28, 28), torch.nan)}, "nan"),
        ({"epsilon": -0.1}, "-0.1"),
        ({"epsilon": 8.0}, "8.0"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"labels": torch.tensor([3, 10])}, "0 to 9, got 3 to 10"),
        ({"labels": torch.tensor([-1, 3])}, "-1"),
        ({"labels": torch.tensor([3])}, r"\(2,\), got \(1,\)"),
        ({"targets": torch.tensor([3, 4, 5])}, "targets"),
    ],
)
@pytest.mark.parametrize("name", ATTACKS)
def test_bad_input_is_refused_in_a_sentence(name, change, message):
    arguments = {
        "images": torch.rand(2, 1, 28, 28, generator=generator(0)),
        "labels": torch.tensor([3, 4]),
        "epsilon": EPSILON,
    } | change
    targets = arguments.pop("targets", None)
    with pytest.raises(ValueError, match=message):
        ATTACKS[name](_random_cnn(), *arguments.values(), targets=targets)


@pytest.mark.parametrize("change", [{"steps": 0}, {"step_size": -0.1}, {"restarts": 0}])
def test_an_attack_of_no_step_or_restart_is_refused(change, digits):
    options = PGD | {"generator": generator(0)} | change
    with pytest.raises(ValueError, match="at least"):
        attacks.pgd(_random_cnn(), digits.images, digits.labels, EPSILON, **options)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_model_in_training_mode_is_refused(name, digits):
    network = _random_cnn()
    network[5].train()  # one layer is enough
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        ATTACKS[name](network, digits.images, digits.labels, EPSILON)
