"""Speed and memory of WaveNet: training, and generation as field, depth and batch grow.

``make bench CHAPTER=speech/wavenet``, on an otherwise idle machine. Wall-clock medians after a
warm-up; a training step is forward, backward and the optimiser.
"""

import math
import resource
import statistics

import torch

from benchmarks.timing import seconds
from companion.seeds import generator
from companion.speech.wavenet import generate, model, train
from companion.speech.wavenet.data import SILENT_CODE, Batch

# The size at which public versions were timed: 20 layers, 32 residual and 256 skip channels.
COMPARED = model.Architecture(2, 10, 32, 256)


def made_up_batch(settings: train.Settings) -> Batch:
    """Codes, speakers and phonemes at random: only their shape matters here."""
    shape = (settings.batch_size, settings.length)
    random = generator(0, "benchmark")
    architecture = settings.architecture
    return Batch(
        codes=torch.randint(256, shape, generator=random),
        speakers=torch.randint(max(1, architecture.num_speakers), shape[:1], generator=random),
        phonemes=torch.randint(max(1, architecture.num_phonemes), shape, generator=random),
        mask=torch.ones(shape, dtype=torch.bool),
    )


def training_rate(settings: train.Settings) -> float:
    """Samples a second of training."""
    network = model.new_model(settings.architecture, 0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    batch = made_up_batch(settings)

    def step() -> None:
        optimizer.zero_grad()
        train.batch_bits(network, batch).backward()
        optimizer.step()

    return settings.batch_size * settings.length / seconds(step)


@torch.inference_mode()
def cached_rate(architecture: model.Architecture, batch: int, samples: int = 300) -> float:
    """Samples a second of cached generation, of all utterances of a batch together."""
    network = model.new_model(architecture, 0)
    phonemes = torch.zeros(batch, samples, dtype=torch.int64)
    speakers = torch.zeros(batch, dtype=torch.int64)
    noise = torch.rand(batch, samples, generator=generator(0, "benchmark"))
    taken = seconds(lambda: generate.generate_cached(network, speakers, phonemes, noise))
    return batch * samples / taken


@torch.inference_mode()
def naive_rate(architecture: model.Architecture) -> float:
    """Samples a second of naive generation of one utterance, once the field is full."""
    network = model.new_model(architecture, 0).eval()
    window = torch.full((1, network.receptive_field), SILENT_CODE)
    speakers = torch.zeros(1, dtype=torch.int64)
    return 1 / seconds(lambda: network(window, speakers, torch.zeros_like(window)))


def exponent(sizes: list[int], costs: list[float]) -> float:
    """The slope of log cost against log size."""
    x, y = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    middle_x, middle_y = statistics.fmean(x), statistics.fmean(y)
    rise = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return rise / sum((a - middle_x) ** 2 for a in x)


def report_growth(title: str, stacks: list[tuple[int, int]], by_depth: bool) -> None:
    """Print milliseconds a sample for stacks of (blocks, layers a block), and the exponents."""
    print(title)
    sizes, naive, cached = [], [], []
    for num_blocks, layers_per_block in stacks:
        architecture = model.Architecture(num_blocks, layers_per_block, 32, 64)
        field, layers = (
            model.receptive_field(architecture.dilations),
            num_blocks * layers_per_block,
        )
        sizes.append(layers if by_depth else field)
        naive.append(1000 / naive_rate(architecture))
        cached.append(1000 / cached_rate(architecture, 1))
        print(
            f"  {layers:3} layers, field {field:6,}: naive {naive[-1]:8.2f} ms, "
            f"cached {cached[-1]:6.3f} ms"
        )
    print(f"  exponents: naive {exponent(sizes, naive):.2f}, cached {exponent(sizes, cached):.2f}")


def main() -> None:
    """Print everything."""
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    for size in ("laptop", "smoke"):
        settings = train.SETTINGS[size]
        shape = f"batch {settings.batch_size} x {settings.length}"
        print(f"training, {size}, {shape}: {training_rate(settings):,.0f} samples/s")
    naive = naive_rate(COMPARED)
    print(f"20 layers, 32 and 256 channels, naive: {naive:,.1f} samples/s")
    for batch in (1, 16):
        rate = cached_rate(COMPARED, batch)
        print(f"  cached, batch {batch}: {rate:,.0f} samples/s, {rate / naive:,.0f} times naive")
    same_depth = [(4, 6), (3, 8), (2, 12)]
    report_growth("field, at 24 layers", same_depth, by_depth=False)
    report_growth("depth, in blocks of 6", [(1, 6), (2, 6), (4, 6), (8, 6)], by_depth=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
