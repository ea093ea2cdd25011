"""Chapter 5.3, a worker: the script that torchrun starts once for each process.

    torchrun --standalone --local-addr localhost --nproc-per-node 2 \\
        -m companion.systems.imagenet_1h.worker --size smoke --checkpoint two.safetensors

Every process draws the same epoch, computes the gradients of its part of each minibatch, and adds
them to those of the others by one all-reduce; then all take the same step. The k shares of n
samples are those of `train.train`, p processes having k/p of them each, so the weights are that
function's, whatever p is. Worker 0 reports and saves.
"""

import argparse
import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from companion.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from companion.systems.imagenet_1h import data, meeting, train
from companion.systems.imagenet_1h.allreduce import halving_doubling_all_reduce, ring_all_reduce
from companion.systems.imagenet_1h.train import Settings

ALL_REDUCE: dict[str, Callable[[Tensor], object]] = {
    "library": dist.all_reduce,
    "ring": ring_all_reduce,
    "halving-doubling": halving_doubling_all_reduce,
}
CURVES = ("learning_rate", "loss", "error")
OVERRIDES = ("batch", "epochs", "samples", "warm_up", "rule")  # settings that have an option


@dataclasses.dataclass
class Run:
    """What a worker trains: where it stands is ``step``, what was so far is ``history``."""

    settings: Settings
    seed: int
    source: train.Source
    network: nn.Module
    optimizer: torch.optim.Optimizer
    checkpoint: Path | None
    step: int = 0
    history: dict[str, list[float]] = dataclasses.field(
        default_factory=lambda: {name: [] for name in CURVES}
    )

    def description(self) -> dict[str, list[float]]:
        """Seed and settings as lists of numbers, the form in which a checkpoint can hold them."""
        values = dataclasses.asdict(self.settings) | {"seed": self.seed}
        del values["minutes"]
        values["channels"] = values["channels"] or ()
        return {
            f"setting {name}": [float(v) for v in (value if name == "channels" else [value])]
            for name, value in values.items()
        }

    def save(self) -> None:
        """Write the checkpoint, when there is a path for it."""
        if self.checkpoint is not None:
            save_checkpoint(
                self.checkpoint,
                model=self.network,
                optimizer=self.optimizer,
                step=self.step,
                generators={},
                history=self.history | self.description(),
            )

    def resume(self) -> None:
        """Go on from the checkpoint, when there is one.

        Raises ``CheckpointError`` when it is damaged, or of another network, seed or settings.
        """
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        self.step, history = load_checkpoint(
            self.checkpoint, model=self.network, optimizer=self.optimizer, generators={}
        )
        for name, value in self.description().items():
            saved = history.pop(name, None)
            if saved != value:
                raise CheckpointError(
                    f"{self.checkpoint} is of another run: {name} is {saved} in the file and "
                    f"{value} here. Give the same arguments, or another --checkpoint."
                )
        self.history = history


# --- one step ------------------------------------------------------------------------------------


def gradient_row(network: nn.Module) -> Float[Tensor, " parameters+2"]:
    """A row of zeros that holds all gradients, and at its end two places for loss and mistakes.

    Each parameter's ``grad`` becomes a view of its part, so that backward writes into the row and
    one all-reduce sums everything, without a copy.
    """
    parameters = list(network.parameters())
    length = sum(parameter.numel() for parameter in parameters)
    row = torch.zeros(length + 2, device=parameters[0].device)
    parts = row[:length].split([parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
    return row


def add_own_shares(
    network: nn.Module,
    source: train.Source,
    minibatch: data.Samples,
    workers: int,
    row: Float[Tensor, " parameters+2"],
) -> None:
    """Fill the row with this process's part of the sums over the ``workers`` shares."""
    network.train()
    row.zero_()
    for share in range(dist.get_rank(), workers, dist.get_world_size()):
        images, labels = source.draw(data.worker_share(minibatch, share, workers))
        train.follow_statistics(network, share == 0)
        loss, wrong = train.share_gradients(
            network, images.to(row.device), labels.to(row.device), workers
        )
        row[-2] += loss
        row[-1] += wrong
    train.follow_statistics(network, True)
    _wait_for(row)


def train_on(run: Run, all_reduce: Callable[[Tensor], object], every: int) -> None:
    """Take the steps that are left; every ``every`` steps worker 0 reports and saves.

    A report holds images a second of all workers, and seconds of computing and of communication a
    step in worker 0; waiting for a slower worker counts as communication.
    """
    settings, network = run.settings, run.network
    row = gradient_row(network)
    first = dist.get_rank() == 0
    epoch, samples = -1, None
    computing = sending = 0.0
    began, since = time.perf_counter(), run.step
    while run.step < settings.steps:
        if run.step // settings.steps_per_epoch != epoch:
            epoch = run.step // settings.steps_per_epoch
            samples = data.draw_epoch(run.seed, epoch, settings.samples, len(run.source))
        begin = run.step % settings.steps_per_epoch * settings.batch
        minibatch = samples[begin : begin + settings.batch]
        rate = train.learning_rate_at(run.step, settings)
        for group in run.optimizer.param_groups:
            group["lr"] = rate

        started = time.perf_counter()
        add_own_shares(network, run.source, minibatch, settings.workers, row)
        added = time.perf_counter()
        try:
            all_reduce(row)
        except RuntimeError as error:
            raise ConnectionError(
                f"another worker is gone or silent at step {run.step}, see what it wrote; torchrun "
                f"starts all of them again while --max-restarts lasts ({error})"
            ) from error
        _wait_for(row)
        summed = time.perf_counter()
        computing, sending = computing + added - started, sending + summed - added

        loss, wrong = row[-2:].tolist()  # of all workers, so that all of them see a divergence
        train.check_finite(loss, run.step, rate)
        run.optimizer.step()
        run.step += 1
        for name, value in zip(CURVES, (rate, loss, 100 * wrong / settings.batch), strict=True):
            run.history[name].append(value)
        if first and (run.step % every == 0 or run.step == settings.steps):
            run.save()
            steps = run.step - since
            meeting.report(
                "step",
                step=run.step,
                steps=settings.steps,
                loss=loss,
                images_per_second=steps * settings.batch / (time.perf_counter() - began),
                computing_seconds=computing / steps,
                communication_seconds=sending / steps,
            )
            computing = sending = 0.0
            began, since = time.perf_counter(), run.step


def _wait_for(tensor: Tensor) -> None:
    """Return when the device has done what was asked of it, for the clock's sake."""
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)


# --- what to train --------------------------------------------------------------------------------


def prepared(options: argparse.Namespace) -> Run:
    """The run that the options ask for, at its checkpoint's step.

    Raises ``ValueError`` or ``CheckpointError`` saying which option cannot be, before any training.
    """
    settings = dataclasses.replace(
        train.SETTINGS[options.size],
        **{name: getattr(options, name) for name in OVERRIDES if name in options},
    )
    world_size = dist.get_world_size()
    if settings.workers % world_size:
        raise ValueError(
            f"a batch of {settings.batch} is {settings.workers} shares of {settings.share} "
            f"samples, which {world_size} processes cannot divide among them; start another number "
            f"of processes, or give --batch a multiple of {world_size * settings.share}"
        )
    if options.all_reduce == "halving-doubling" and world_size & (world_size - 1):
        raise ValueError(
            f"halving-doubling needs a power of two, not {world_size} processes; choose the ring"
        )
    if settings.channels is None and options.images is None:
        raise ValueError(
            f"size {options.size} trains ResNet-50 on photographs; name their folder with --images"
        )
    device = own_device(options.device)
    network = train.new_network(settings, options.seed).to(device)
    run = Run(
        settings=settings,
        seed=options.seed,
        source=(
            data.AugmentedDigits(data.load_digits("train"))
            if settings.channels is not None
            else data.Photographs(options.images)
        ),
        network=network,
        optimizer=train.make_optimizer(network, settings),
        checkpoint=options.checkpoint,
    )
    run.resume()
    return run


def own_device(name: str) -> torch.device:
    """The processor, or this process's own graphics card.

    Raises ``ValueError`` when there is no card for it.
    """
    if name == "cpu":
        return torch.device("cpu")
    cards, place = torch.cuda.device_count(), int(os.environ.get("LOCAL_RANK", 0))
    if not torch.cuda.is_available():
        raise ValueError(
            "--device cuda was asked for, and PyTorch finds no CUDA device here; leave it out to "
            "train on the processor"
        )
    if place >= cards:
        raise ValueError(
            f"this machine has {cards} CUDA devices, and this is its process number {place + 1}; "
            f"start at most --nproc-per-node {cards}"
        )
    torch.cuda.set_device(place)
    return torch.device("cuda", place)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; those that change the size's settings are absent unless given."""
    parser = argparse.ArgumentParser(description="One worker of data-parallel training.")
    parser.add_argument("--size", choices=train.SETTINGS, default="laptop")
    for name in ("batch", "epochs", "samples", "warm-up"):
        parser.add_argument(f"--{name}", type=int, default=argparse.SUPPRESS)
    parser.add_argument("--no-rule", dest="rule", action="store_false", default=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=Path, help="a folder of photographs, one a class")
    parser.add_argument("--checkpoint", type=Path, help="written as it goes; gone on from if there")
    parser.add_argument("--every", type=int, help="steps between reports; an epoch if left out")
    parser.add_argument("--all-reduce", choices=ALL_REDUCE, default="library")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a worker")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as one of the workers; ends with status 1 and a sentence when it cannot."""
    options = parse(arguments)
    if options.device == "cpu":
        torch.set_num_threads(1)  # a worker is a core
    try:
        meeting.meet(options.device, options.patience)
        run, problem = None, ""
        try:
            run = prepared(options)
        except (ValueError, RuntimeError, OSError, ImportError) as error:
            problem = str(error)
        meeting.refuse_together(problem)
        meeting.refuse_unless_alike(run.step, run.description())
        every = options.every or run.settings.steps_per_epoch
        train_on(run, ALL_REDUCE[options.all_reduce], every)
    except (meeting.Refused, FloatingPointError) as error:
        meeting.give_up(error, together=True)
    except (ValueError, OSError) as error:
        meeting.give_up(error, together=False)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
