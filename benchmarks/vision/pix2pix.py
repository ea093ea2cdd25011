"""Speed and memory of pix2pix, side by side with junyanz/pytorch-CycleGAN-and-pix2pix.

``python -m benchmarks.vision.pix2pix FOLDER``, where FOLDER is a checkout of that repository, on an
otherwise idle machine; without it only ours is timed. One thread. Both get the same sizes, batch,
losses and single precision; their updates alternate, so that both meet the same machine, and each
figure is the median of several after a warm-up. Their networks normalise over the batch, ours image
by image; at a batch of one that is the same. Ours has biases where nothing is normalised.

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

from benchmarks.timing import (
    compare_bfloat16,
    measure_card,
    memory_by_size,
    processor_seconds,
)
from companion.seeds import generator
from companion.vision.pix2pix import model, train

REPEATS = 7
SIZES = (32, 64, 128, 256)  # pixels
LAPTOP, PAPER = train.SETTINGS["laptop"], train.SETTINGS["gpu"]
NAMED = {"laptop's": LAPTOP, "the paper's": PAPER}


def batch(settings: train.Settings) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets drawn at random: only their shape matters here."""
    shape = (2, settings.batch_size, 3, settings.size, settings.size)
    return (2 * torch.rand(shape, generator=generator(0, "benchmark")) - 1).unbind()


def our_update(settings: train.Settings, device: str = "cpu") -> Callable[[], object]:
    """A function that makes one update of both networks."""
    network, discriminator = (part.to(device) for part in train.new_networks(settings, 3, 3, 0))
    optimizer = torch.optim.Adam(
        [{"params": list(part.parameters())} for part in (network, discriminator)],
        lr=settings.learning_rate,
        betas=(0.5, 0.999),
        fused=True,
    )
    inputs, targets = (images.to(device) for images in batch(settings))
    noise = generator(0, "noise", device=device)

    def update() -> None:
        pictures = network(inputs, network.draw_noise(inputs, noise))
        for turn in (train.discriminator_turn, train.generator_turn):
            turn(discriminator, optimizer, inputs, targets, pictures, settings)

    return update


def their_update(folder: str, settings: train.Settings) -> Callable[[], object]:
    """The repository's own update, with its own options for this paper."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    networks = importlib.import_module("models.networks")
    options = types.SimpleNamespace(
        gpu_ids=[],
        isTrain=True,
        checkpoints_dir=".",
        name="",
        direction="AtoB",
        preprocess="none",
        input_nc=3,
        output_nc=3,
        norm="batch",
        netG="unet_256",
        ngf=settings.width,
        no_dropout=False,
        netD="n_layers",
        ndf=settings.discriminator_width,
        n_layers_D=model.STRIDED[settings.receptive_field],
        init_type="normal",
        init_gain=0.02,
        gan_mode="vanilla",
        lr=settings.learning_rate,
        beta1=0.5,
        lambda_L1=settings.l1_weight,
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how it draws its weights
        theirs = importlib.import_module("models.pix2pix_model").Pix2PixModel(options)
    if settings.size != 256:  # its options know 128 and 256 pixels; its class takes any
        halvings = settings.size.bit_length() - 1
        theirs.netG = networks.UnetGenerator(3, 3, halvings, settings.width, use_dropout=True)
        theirs.optimizer_G = torch.optim.Adam(
            theirs.netG.parameters(), lr=settings.learning_rate, betas=(0.5, 0.999)
        )
    inputs, targets = batch(settings)

    def update() -> None:
        theirs.set_input({"A": inputs, "B": targets, "A_paths": "", "B_paths": ""})
        theirs.optimize_parameters()

    return update


def compare(label: str, settings: train.Settings, folder: str | None, repeats: int) -> None:
    """One line: pairs a second in training, ours and theirs."""
    works = {"ours": our_update(settings)}
    if folder is not None:
        works["theirs"] = their_update(folder, settings)
    taken = processor_seconds(works, repeats)
    line = f"{label:52s} {settings.batch_size / taken['ours']:7.2f} pairs/s"
    if folder is not None:
        line += f"; theirs {settings.batch_size / taken['theirs']:7.2f} pairs/s"
        line += f"; ours {taken['theirs'] / taken['ours']:.2f} times as fast"
    print(line)


def time_drawing(size: int, count: int) -> None:
    """Pictures a second of a trained network."""
    network = model.unet(3, 3, size=64, width=LAPTOP.width).eval()
    inputs = 2 * torch.rand(count, 3, size, size, generator=generator(0, "benchmark")) - 1
    works = {"ours": lambda: model.translate(network, inputs, generator(0))}
    taken = processor_seconds(works, REPEATS)["ours"]
    print(f"drawing {count:2d} pictures of {size}x{size}: {count / taken:7.1f} a second")


def memory_alone(name: str, size: int) -> None:
    """Print this process's peak in MiB after two updates at ``size``."""
    update = our_update(dataclasses.replace(NAMED[name], size=size))
    update()
    update()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def time_all(folder: str | None) -> None:
    """Memory, then speed of training and of drawing."""
    memory_by_size("benchmarks.vision.pix2pix", list(NAMED), SIZES)
    if folder is None:
        print("no checkout of pytorch-CycleGAN-and-pix2pix is named: only ours is timed")
    for size in SIZES[:3]:
        for batch_size in (1, 4):
            settings = dataclasses.replace(LAPTOP, size=size, batch_size=batch_size)
            compare(
                f"laptop's networks, {size}x{size}, batch {batch_size}", settings, folder, REPEATS
            )
    compare("the paper's networks, 256x256, batch 1", PAPER, folder, 3)
    print()
    for size, count in ((64, 1), (64, 50), (128, 1), (256, 1)):
        time_drawing(size, count)


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
        measure_card("the paper's networks, 256x256, batch 1", our_update(PAPER, "cuda"), 1)
    elif arguments.bfloat16:
        compare_bfloat16("vision/pix2pix", our_update(LAPTOP), LAPTOP.batch_size)
    else:
        time_all(arguments.folder)


if __name__ == "__main__":
    main()
