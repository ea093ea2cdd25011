"""Speed and memory of attacks, side by side with torchattacks where it is installed.

``make bench CHAPTER=vision/adversarial_attacks``, on an otherwise idle machine; one thread. Ours
and the library's runs alternate, so that both meet the same machine; each line is the median of
several after a warm-up. Both get the same network, images, labels, epsilon, steps and step size,
and both make every step for every image.
"""

import resource
import statistics
import time
from collections.abc import Callable

import torch

from companion.seeds import generator
from companion.vision.adversarial_attacks import attacks, data, model, train

REPEATS = 7
BATCH = 256
EPSILON = 0.1  # where a plain network still withstands some
PGD_STEPS = {"steps": 40, "step_size": 0.01}


def seconds(*works: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Median processor seconds of each work; they take turns after one call each to warm up.

    On one thread that is the wall clock's, less what other jobs took in between.
    """
    for work in works:
        work()
    times = [[] for _ in works]
    for _ in range(repeats):
        for work, taken in zip(works, times, strict=True):
            started = time.process_time()
            work()
            taken.append(time.process_time() - started)
    return [statistics.median(taken) for taken in times]


def trained_network() -> torch.nn.Module:
    """A plain 16-32-128-10 network after a short training, so that errors mean something."""
    settings = train.Settings(steps=200, minutes=0.1)
    return train.train(data.load_digits("train"), settings, 0, label="a network to attack")[0]


def library_attacks(network: torch.nn.Module) -> dict[str, Callable] | None:
    """The library's attacks at the same budget, or None where it is not installed."""
    try:
        import torchattacks
    except ImportError:
        print("torchattacks is not installed: only ours is timed (pip install torchattacks)")
        return None
    return {
        "FGSM": torchattacks.FGSM(network, eps=EPSILON),
        "PGD-40": torchattacks.PGD(
            network, eps=EPSILON, alpha=PGD_STEPS["step_size"], steps=PGD_STEPS["steps"]
        ),
    }


def compare_with_library() -> None:
    """Images a second, and the error each attack brings about."""
    network = trained_network()
    digits = data.load_digits("train")[:BATCH]
    noise = generator(0, "benchmark")
    ours = {
        "FGSM": lambda images, labels: attacks.fgsm(network, images, labels, EPSILON),
        "PGD-40": lambda images, labels: attacks.pgd(
            network, images, labels, EPSILON, generator=noise, **PGD_STEPS
        ),
    }
    theirs = library_attacks(network)
    for name, attack in ours.items():
        pair = [attack] if theirs is None else [attack, theirs[name]]
        works = [lambda each=each: each(digits.images, digits.labels) for each in pair]
        taken = seconds(*works)
        errors = [model.error(network, work(), digits.labels) for work in works]
        line = (
            f"{name:7s} batch {BATCH}: {BATCH / taken[0]:7,.0f} images/s, {errors[0]:.1f}% errors"
        )
        if theirs is not None:
            line += f"; torchattacks {BATCH / taken[1]:7,.0f} images/s, {errors[1]:.1f}% errors"
            line += f"; ours {taken[1] / taken[0]:.2f} times as fast"
        print(line)


def update_of(settings: train.Settings) -> Callable[[], object]:
    """A function that makes one update of a network."""
    digits = data.load_digits("train")[: settings.batch_size]
    network = train.new_model(settings, 0)
    optimizer = torch.optim.Adam(network.parameters())
    noise = generator(0, "benchmark")

    def update() -> None:
        loss, _ = train.training_loss(network, digits.images, digits.labels, 10, settings, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return update


def time_training() -> None:
    """Updates a second by what the network is trained on."""
    for method in train.METHODS:
        settings = train.Settings(steps=1, minutes=0.1, method=method)
        rate = 1 / seconds(update_of(settings))[0]
        print(
            f"training, {method:5s}, batch 50, {settings.passes:2d} passes: {rate:6.1f} updates/s"
        )


def time_imagenet() -> None:
    """One photograph through EfficientNet-Lite0."""
    network = model.imagenet_network()
    photograph = data.load_photographs()[0]
    image, label = photograph.image[None], torch.tensor([photograph.label])
    forward, gradient = seconds(
        lambda: model.predict(network, image),
        lambda: attacks.input_gradient(network, image, label),
    )
    print(
        f"EfficientNet-Lite0, one photograph: forward {1000 * forward:.0f} ms, "
        f"forward and gradient {1000 * gradient:.0f} ms"
    )


def main() -> None:
    """Print the benchmark."""
    torch.set_num_threads(1)
    compare_with_library()
    print()
    time_training()
    print()
    time_imagenet()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of all of this: {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
