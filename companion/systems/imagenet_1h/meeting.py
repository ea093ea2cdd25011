"""Chapter 5.3, how workers meet, agree and part: what a script needs around its training loop.

The rule is that a run which cannot go on ends in every worker, soon, and with a sentence.
"""

import contextlib
import hashlib
import json
import os
import sys
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist


class Refused(RuntimeError):
    """The workers cannot go on; raised by all of them, each with a text of its own."""


def report(event: str, **values: object) -> None:
    """Write a record as one line of JSON; ``life`` counts how often torchrun has started anew."""
    record = {"event": event, "life": int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))}
    # One write a line, since all workers share the output.
    sys.stdout.write(json.dumps(record | values) + "\n")
    sys.stdout.flush()


def meet(device: str, patience: float) -> None:
    """Join the other workers. One that is silent for ``patience`` seconds is then taken for dead.

    Numbers on the processor go through Gloo and those on graphics cards through NCCL. Raises
    ``Refused`` when torchrun has not said who is who, or when the others cannot be reached.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        raise Refused(
            "a worker is started by torchrun: torchrun --standalone --nproc-per-node 2 "
            "-m companion.systems.imagenet_1h.worker"
        )
    report("start", rank=int(os.environ["RANK"]), pid=os.getpid())
    cards = device == "cuda" and torch.cuda.is_available() and dist.is_nccl_available()
    timeout = timedelta(seconds=patience)
    try:
        store, rank, world_size = next(dist.rendezvous("env://", timeout=timeout))
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            # Torchrun's store outlives the workers: after a restart Gloo would find in it the
            # addresses of the dead (PyTorch issue 135712).
            life = os.environ["TORCHELASTIC_RESTART_COUNT"]
            store = dist.PrefixStore(f"life {life}", store)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cards else "gloo",
            store=store,
            rank=rank,
            world_size=world_size,
            timeout=timeout,
        )
    except RuntimeError as error:
        raise Refused(f"the workers did not find each other: {error}") from error


def refuse_together(problem: str) -> None:
    """Raise ``Refused`` in every worker when any has a problem; called by all, "" being none."""
    failed = torch.tensor(float(bool(problem)))
    dist.all_reduce(failed)
    if problem:
        raise Refused(problem)
    if failed:
        raise Refused(f"cannot start, since {failed:.0f} of the other workers cannot; they say why")


def refuse_unless_alike(step: int, description: object) -> None:
    """Raise ``Refused`` in every worker when they stand at different steps or in different runs.

    ``description`` is what JSON can hold; called by all.
    """
    text = json.dumps(description, sort_keys=True).encode()
    digest = int.from_bytes(hashlib.sha256(text).digest()[:6], "big")
    own = torch.tensor([step, digest])
    everyone = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(everyone, own)
    steps, digests = torch.stack(everyone).T.tolist()
    if len(set(digests)) > 1:
        raise Refused("the workers were started with different arguments; give all the same")
    if len(set(steps)) > 1:
        raise Refused(
            f"the workers would go on from steps {steps}, by rank; put the checkpoint where all of "
            "them read the same file"
        )


def give_up(problem: BaseException, together: bool) -> NoReturn:
    """End this worker with status 1, its problem as the last line of what it writes.

    When all end ``together`` each waits until the others have spoken too, since torchrun ends the
    rest as soon as it sees one of them gone.
    """
    rank, world_size = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    sys.stderr.write(f"rank {rank} of {world_size}: {problem}\n")
    sys.stderr.flush()
    if together and dist.is_initialized():
        with contextlib.suppress(RuntimeError):
            dist.all_reduce(torch.zeros(1))  # a barrier would want a graphics card, if there is any
    sys.exit(1)
