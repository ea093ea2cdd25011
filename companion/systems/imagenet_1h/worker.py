"""Chapter 5.3, a worker: the script that torchrun starts once for each process.

    torchrun --standalone --local-addr localhost --nproc-per-node 2 \\
        -m companion.systems.imagenet_1h.worker --size smoke --checkpoint two.safetensors

Every process draws the same epoch, computes the gradients of its part of each minibatch, and adds
them to those of the others by one all-reduce; then all take the same step. The k shares of n
samples are those of `train.train`, p processes having k/p of them each, so the weights are that
function's, whatever p is. Worker 0 reports and saves.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from companion.systems.imagenet_1h import data, meeting, train
from companion.systems.imagenet_1h.allreduce import halving_doubling_all_reduce, ring_all_reduce
from companion.systems.imagenet_1h.run import CURVES, Run, prepared

ALL_REDUCE: dict[str, Callable[[Tensor], object]] = {
    "library": dist.all_reduce,
    "ring": ring_all_reduce,
    "halving-doubling": halving_doubling_all_reduce,
}


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
    own: Iterable[int],
    row: Float[Tensor, " parameters+2"],
) -> None:
    """Fill the row with the sums over those of the ``workers`` shares that are this process's."""
    network.train()
    row.zero_()
    for share in own:
        images, labels = source.draw(data.worker_share(minibatch, share, workers))
        train.follow_statistics(network, share == 0)
        loss, wrong = train.share_gradients(
            network, images.to(row.device), labels.to(row.device), workers
        )
        row[-2] += loss
        row[-1] += wrong
    train.follow_statistics(network, True)
    wait_for(row)


def train_on(run: Run, all_reduce: Callable[[Tensor], object], every: int) -> None:
    """Take the steps that are left; every ``every`` steps worker 0 reports and saves.

    A report holds images a second of all workers, and seconds of computing and of communication a
    step in worker 0; waiting for a slower worker counts as communication.
    """
    settings, network = run.settings, run.network
    row = gradient_row(network)
    own = range(dist.get_rank(), settings.workers, dist.get_world_size())
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
        add_own_shares(network, run.source, minibatch, settings.workers, own, row)
        added = time.perf_counter()
        try:
            all_reduce(row)
            wait_for(row)
        except RuntimeError as error:
            raise ConnectionError(
                f"another worker is gone or silent at step {run.step}, see what it wrote; torchrun "
                "starts all of them again while --max-restarts lasts"
            ) from error
        summed = time.perf_counter()
        computing, sending = computing + added - started, sending + summed - added

        loss, wrong = row[-2:].tolist()  # of all workers, so that all of them see a divergence
        train.check_finite(loss, run.step, rate)
        run.optimizer.step()
        run.step += 1
        for name, value in zip(CURVES, (rate, loss, 100 * wrong / settings.batch), strict=True):
            run.history[name].append(value)
        if dist.get_rank() == 0 and (run.step % every == 0 or run.step == settings.steps):
            run.save()
            steps = run.step - since
            meeting.report(
                "step",
                step=run.step,
                steps=settings.steps,
                loss=round(loss, 5),
                images_per_second=round(steps * settings.batch / (time.perf_counter() - began), 1),
                computing_seconds=round(computing / steps, 6),
                communication_seconds=round(sending / steps, 6),
            )
            computing = sending = 0.0
            began, since = time.perf_counter(), run.step


def wait_for(tensor: Tensor) -> None:
    """Return when the device has done what was asked of it, for the clock's sake."""
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)


# --- the script --------------------------------------------------------------------------------


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
