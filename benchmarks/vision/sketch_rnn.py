"""Speed and memory of Sketch-RNN: how they grow, and how much of the machine's matrix rate is used.

``make bench CHAPTER=vision/sketch_rnn``, on an otherwise idle machine. Each line is the median of
several steps after a warm-up; a step is forward, backward and the optimiser.
"""

import dataclasses
import resource
import statistics
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.timing import seconds
from companion.seeds import generator, numpy_generator
from companion.vision.sketch_rnn import data, live, model, train


def matrix_rate() -> float:
    """Floating-point operations a second of a large single-precision matrix product."""
    a, b = torch.randn(2, 1536, 1536).unbind()
    return 2 * 1536**3 / seconds(lambda: a @ b)


def operations(architecture: model.Architecture, rows: int) -> float:
    """Multiplications and additions of one training step over ``rows`` rows (backward: twice)."""
    encoder = 2 * 4 * architecture.encoder_size * (5 + architecture.encoder_size)
    inputs = 5 + architecture.latent_size + architecture.decoder_size
    decoder = 4 * architecture.decoder_size * inputs
    output = architecture.decoder_size * (6 * architecture.num_mixtures + 3)
    return 3 * 2 * rows * (encoder + decoder + output)


def step_of(settings: train.Settings, batch: data.Batch) -> Callable[[], object]:
    """A function that makes one training step on ``batch``."""
    network = train.new_model(settings.architecture, 0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    noise = generator(0, "benchmark")

    def step() -> None:
        loss, _ = train.training_loss(network, batch, 0, settings, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def made_up_batch(batch_size: int, length: int) -> data.Batch:
    """Drawings of exactly ``length`` - 1 steps, drawn at random: only their shape matters here."""
    random = numpy_generator(0, "benchmark")
    steps = random.normal(size=(batch_size, length - 1, 2))
    lift = np.zeros((batch_size, length - 1, 1))
    lift[:, -1] = 1
    return data.make_batch(list(np.concatenate([steps, lift], axis=-1).astype(np.float32)))


def report(label: str, settings: train.Settings, batch: data.Batch, rate: float) -> float:
    """Print one line; return steps a second."""
    taken = seconds(step_of(settings, batch))
    rows = batch.strokes.shape[0] * (batch.strokes.shape[1] - 1)
    share = operations(settings.architecture, rows) / taken / rate
    print(
        f"{label:44s} {1 / taken:7.2f} steps/s  {rows / taken:9,.0f} rows/s  "
        f"{share:4.0%} of the matrix rate"
    )
    return 1 / taken


def main() -> None:
    """Print the benchmark."""
    rate = matrix_rate()
    print(f"{torch.get_num_threads()} threads, matrix product {rate / 1e9:.0f} GFLOP/s\n")
    laptop = train.SETTINGS["laptop"]
    for length in (16, 32, 64, 128):
        report(f"laptop, batch 100, length {length}", laptop, made_up_batch(100, length), rate)
    for size in (25, 50, 200):
        report(f"laptop, batch {size}, length 32", laptop, made_up_batch(size, 32), rate)

    paper = dataclasses.replace(
        laptop, architecture=dataclasses.replace(model.Architecture(), recurrent_keep=1.0)
    )
    print()
    report("paper's sizes, batch 100, length 100", paper, made_up_batch(100, 100), rate)
    drawings = data.load_kanji("train")
    for length, label in ((100, "padded to 100"), (None, "trimmed")):
        batches = data.training_batches(drawings, 100, generator(0, "benchmark"), length)
        work = [step_of(paper, next(batches)) for _ in range(16)]
        times = [seconds(step, repeats=1) for step in work]
        print(f"paper's sizes, KanjiVG {label:24s} {1 / statistics.fmean(times):7.2f} steps/s")

    print()
    network = live.load_shipped("conditional")
    for count in (1, 16, 128):
        codes = torch.zeros(count, laptop.architecture.latent_size)
        taken = seconds(lambda z=codes: model.sample(network, z, 64, 0.5, generator(0)), 3)
        print(f"drawing {count:3d} at once: {count / taken:6.1f} drawings/s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of all of this: {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
