"""Speed and memory of CycleGAN, side by side with junyanz/pytorch-CycleGAN-and-pix2pix.

``python -m benchmarks.vision.cyclegan FOLDER``, where FOLDER is a checkout of that repository, on
an otherwise idle machine, in about ten minutes; without it only ours is timed. One thread. Both get
the same sizes, batch, losses, pool and single precision; their updates alternate, so that both meet
the same machine, and each figure is the median of several after a warm-up. Their normalisation has
no scale and shift, and their convolutions before it have biases; ours the other way round.

``--bfloat16`` compares half precision with the chapter's claim instead, on processors that compute
in it; ``--device cuda`` is one line on a graphics card, at the paper's sizes.
"""

import argparse
import contextlib
import dataclasses
import importlib
import io
import resource
import sys
import types
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.timing import (
    compare_bfloat16,
    measure_card,
    memory_by_size,
    processor_seconds,
)
from companion.seeds import generator
from companion.vision.cyclegan import model, train
from companion.vision.cyclegan.pool import Pool
from companion.vision.pix2pix.model import STRIDED

REPEATS = 7
SIZES = (32, 64, 128, 256)  # pixels
LAPTOP, PAPER = train.SETTINGS["laptop"], train.SETTINGS["gpu"]
NAMED = {"laptop's": LAPTOP, "the paper's": PAPER}
WITH_IDENTITY = train.Weights(identity=5.0)  # half of the cycles' weight


def batch(settings: train.Settings, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of both domains drawn at random: only their shape matters here."""
    shape = (2, settings.batch_size, settings.architecture.channels, size, size)
    return (2 * torch.rand(shape, generator=generator(0, "benchmark")) - 1).unbind()


def our_update(settings: train.Settings, size: int, device: str = "cpu") -> Callable[[], object]:
    """A function that makes one update of all four networks."""
    networks = model.new_cyclegan(settings.architecture, 0).to(device)
    optimizer = torch.optim.Adam(
        networks.parameters(), lr=settings.learning_rate, betas=(0.5, 0.999), fused=True
    )
    a, b = (pictures.to(device) for pictures in batch(settings, size))
    pools = {domain: Pool(settings.pool, tuple(a.shape[1:])).to(device) for domain in "ab"}
    lots = generator(0, "pool")

    def update() -> None:
        _, fakes = train.generators_turn(networks, optimizer, a, b, settings.weights)
        shown = {domain: pools[domain].exchange(fakes[domain], lots) for domain in "ab"}
        train.discriminators_turn(networks, optimizer, {"a": a, "b": b}, shown)

    return update


def their_update(folder: str, settings: train.Settings, size: int) -> Callable[[], object]:
    """The repository's own update, with its own options for this paper."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    networks = importlib.import_module("models.networks")
    ours = settings.architecture
    options = types.SimpleNamespace(
        gpu_ids=[],
        isTrain=True,
        checkpoints_dir=".",
        name="",
        direction="AtoB",
        preprocess="none",
        input_nc=ours.channels,
        output_nc=ours.channels,
        norm="instance",
        netG="resnet_9blocks",
        ngf=ours.width,
        no_dropout=True,
        netD="n_layers",
        ndf=ours.discriminator_width,
        n_layers_D=STRIDED[ours.receptive_field],
        init_type="normal",
        init_gain=0.02,
        gan_mode="lsgan",
        pool_size=settings.pool,
        lr=settings.learning_rate,
        beta1=0.5,
        lambda_A=settings.weights.forward_cycle,
        lambda_B=settings.weights.backward_cycle,
        lambda_identity=settings.weights.identity / settings.weights.forward_cycle,
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how it draws its weights
        theirs = importlib.import_module("models.cycle_gan_model").CycleGANModel(options)
    if ours.num_blocks != 9:  # its options know 6 and 9 blocks; its class takes any number
        sizes = (ours.channels, ours.channels, ours.width, networks.get_norm_layer("instance"))
        theirs.netG_A = networks.ResnetGenerator(*sizes, n_blocks=ours.num_blocks)
        theirs.netG_B = networks.ResnetGenerator(*sizes, n_blocks=ours.num_blocks)
        theirs.optimizer_G = torch.optim.Adam(
            nn.ModuleList([theirs.netG_A, theirs.netG_B]).parameters(),
            lr=settings.learning_rate,
            betas=(0.5, 0.999),
        )
    a, b = batch(settings, size)

    def update() -> None:
        theirs.set_input({"A": a, "B": b, "A_paths": "", "B_paths": ""})
        theirs.optimize_parameters()

    return update


def compare(
    label: str, settings: train.Settings, size: int, folder: str | None, repeats: int = REPEATS
) -> None:
    """One line: pictures of each domain a second in training, ours and theirs."""
    works = {"ours": our_update(settings, size)}
    if folder is not None:
        works["theirs"] = their_update(folder, settings, size)
    taken = processor_seconds(works, repeats)
    line = f"{label:58s} {settings.batch_size / taken['ours']:8.3f} pictures/s"
    if folder is not None:
        line += f"; theirs {settings.batch_size / taken['theirs']:8.3f} pictures/s"
        line += f"; ours {taken['theirs'] / taken['ours']:.2f} times as fast"
    print(line, flush=True)


def time_training(folder: str | None) -> None:
    """Updates by resolution, with the identity loss, and of the paper's networks."""
    print("\ntraining, pictures of each domain a second")
    for size in SIZES:
        for batch_size in (1, 8) if size < 256 else (1,):
            settings = dataclasses.replace(LAPTOP, batch_size=batch_size)
            label = f"laptop's networks, {size}x{size}, batch {batch_size}"
            compare(label, settings, size, folder)
    settings = dataclasses.replace(LAPTOP, batch_size=8, weights=WITH_IDENTITY)
    compare("laptop's networks, 32x32, batch 8, identity loss", settings, 32, folder)
    compare("the paper's networks, 128x128, batch 1", PAPER, 128, folder, 3)
    settings = dataclasses.replace(PAPER, weights=WITH_IDENTITY)
    compare("the paper's networks, 128x128, batch 1, identity loss", settings, 128, folder, 3)
    compare("the paper's networks, 256x256, batch 1", PAPER, 256, folder, 1)


def time_translating() -> None:
    """Pictures a second of one generator."""
    print("\ntranslating, pictures a second")
    for name, settings in NAMED.items():
        network = model.new_cyclegan(settings.architecture, 0).a_to_b
        for size, count in ((32, 1), (32, 64), (64, 1), (128, 1), (256, 1)):
            pictures = batch(dataclasses.replace(settings, batch_size=count), size)[0]
            works = {"ours": lambda n=network, p=pictures: model.translate(n, p)}
            taken = processor_seconds(works, 3)["ours"]
            print(f"{name} generator, {count:2d} of {size}x{size}: {count / taken:9.2f}")


# --- memory ------------------------------------------------------------------------------------


def memory_alone(name: str, size: int) -> None:
    """Print this process's peak in MiB after two updates at ``size``."""
    update = our_update(NAMED[name], size)
    update()
    update()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main() -> None:
    """Print the benchmark that the arguments ask for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", help="a checkout of pytorch-CycleGAN-and-pix2pix")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--bfloat16", action="store_true", help="half precision, and the claim")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory:
        name, size = arguments.memory
        memory_alone(name, int(size))
    elif arguments.device == "cuda":
        measure_card("the paper's networks, 256x256, batch 1", our_update(PAPER, 256, "cuda"), 1)
    elif arguments.bfloat16:
        compare_bfloat16("vision/cyclegan", our_update(LAPTOP, 32), LAPTOP.batch_size)
    else:
        memory_by_size("benchmarks.vision.cyclegan", list(NAMED), SIZES)
        if arguments.folder is None:
            print("no checkout of pytorch-CycleGAN-and-pix2pix is named: only ours is timed")
        time_training(arguments.folder)
        time_translating()


if __name__ == "__main__":
    main()
