"""Saving weights and resuming training. Every chapter's `train.py` uses this room.

Files are safetensors, which hold numbers and text only, so that opening one runs no code from it.
A file is written beside its place and moved there when whole: whatever happens, the old one or
the new one stands, never a half.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_COURSE = "course"
_TRAINING = "training"


class CheckpointError(RuntimeError):
    """A file of weights or a checkpoint that cannot be used; says which, why and what to do."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path`, moved onto it when the block ends, removed when it fails.

    Raises:
        OSError: when the disk is full; what stood at `path` is unchanged.
    """
    path = Path(path)
    # The ending stays, since some writers choose the format by it or add their own.
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        earlier = " The earlier file is unchanged." if path.exists() else ""
        raise OSError(
            error.errno,
            f"The disk became full while writing {path}. Free some space and run it again."
            + earlier,
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def save_weights(
    path: str | os.PathLike[str],
    state: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the tensors of `state` and the texts of `metadata` to a safetensors file."""
    from safetensors.torch import save

    # Cloned, since the format refuses tensors that share memory, as tied weights do.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    # One entry of metadata: the order of several changes from run to run, and with it the bytes.
    course = {"texts": dict(metadata or {}), "sha256": _checksum(tensors)}
    data = save(tensors, {_COURSE: json.dumps(course, sort_keys=True)})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def load_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors (on the processor) and texts that `save_weights` wrote.

    Raises:
        CheckpointError: when the file is missing, cut short or altered.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}. Check the path, or train and save first.")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            names = file.keys()
            state = {name: file.get_tensor(name) for name in names}
        course = json.loads(metadata[_COURSE])
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    except (KeyError, json.JSONDecodeError) as error:
        raise _damaged(path, "it is not a file that save_weights wrote") from error
    if course["sha256"] != _checksum(state):
        raise _damaged(path, "its contents do not match its checksum")
    return state, course["texts"]


def save_checkpoint(
    path: str | os.PathLike[str],
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    generators: Mapping[str, torch.Generator],
    history: Mapping[str, list[float]],
) -> None:
    """Write all that training needs to go on as if it had never stopped.

    Args:
        model: its parameters and buffers are saved.
        optimizer: its state and settings are saved.
        step: how many steps are done.
        generators: every random stream the loop draws from, by name. Layers that draw from
            PyTorch's own stream, as dropout does, need `torch.default_generator` among them.
        history: curves so far, by name.
    """
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    for name, stream in generators.items():
        tensors[f"generator/{name}"] = stream.get_state()
    optimizer_state = optimizer.state_dict()
    numbers: dict[str, dict[str, Any]] = {}
    for parameter, entries in optimizer_state["state"].items():
        for name, value in entries.items():
            if hasattr(value, "detach"):
                tensors[f"optimizer/{parameter}/{name}"] = value
            else:
                numbers.setdefault(str(parameter), {})[name] = value
    training = {
        "step": step,
        "history": {name: [float(value) for value in curve] for name, curve in history.items()},
        "optimizer": {
            "kind": type(optimizer).__name__,
            "groups": optimizer_state["param_groups"],
            "numbers": numbers,
        },
    }
    save_weights(path, tensors, {_TRAINING: json.dumps(training)})


def load_checkpoint(
    path: str | os.PathLike[str],
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    generators: Mapping[str, torch.Generator],
) -> tuple[int, dict[str, list[float]]]:
    """Put model, optimizer and generators back to where `save_checkpoint` found them.

    Returns:
        The number of steps done, and the curves so far.

    Raises:
        CheckpointError: when the file is damaged or of another model, optimizer or set of
            generators. Nothing has been changed then.
    """
    tensors, metadata = load_weights(path)
    if _TRAINING not in metadata:
        raise CheckpointError(
            f"{path} holds weights but no training state. Use load_weights to read it, or resume "
            "from a file that save_checkpoint wrote."
        )
    training = json.loads(metadata[_TRAINING])
    weights = _below("model/", tensors)
    streams = _below("generator/", tensors)
    _refuse_other("tensors", path, _forms(weights), _forms(model.state_dict()))
    _refuse_other(
        "generators", path, dict.fromkeys(streams, "kept"), dict.fromkeys(generators, "kept")
    )
    _refuse_other(
        "optimizer settings",
        path,
        _optimizer_form(training["optimizer"]["kind"], training["optimizer"]["groups"]),
        _optimizer_form(type(optimizer).__name__, optimizer.param_groups),
    )
    model.load_state_dict(weights)
    optimizer.load_state_dict(_optimizer_state(training["optimizer"], tensors))
    for name, stream in generators.items():
        stream.set_state(streams[name])
    return training["step"], training["history"]


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is damaged ({reason}). Delete it, then restore it from a copy or train again."
    )


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _forms(state: Mapping[str, Tensor]) -> dict[str, str]:
    return {name: f"{tuple(tensor.shape)} {tensor.dtype}" for name, tensor in state.items()}


def _optimizer_form(kind: str, groups: list[dict[str, Any]]) -> dict[str, str]:
    form = {"kind": kind}
    for index, group in enumerate(groups):
        form[f"parameters in group {index}"] = str(len(group["params"]))
    return form


def _refuse_other(
    what: str, path: str | os.PathLike[str], saved: dict[str, str], here: dict[str, str]
) -> None:
    """Raise CheckpointError naming the first entry in which the file differs from what is here."""
    for name in sorted(saved.keys() | here.keys()):
        if saved.get(name) != here.get(name):
            raise CheckpointError(
                f"{path} was saved with other {what}: {name!r} is {saved.get(name, 'absent')} in "
                f"the file and {here.get(name, 'absent')} here. Build it with the settings it was "
                "saved with, or start again under another file name."
            )


def _optimizer_state(saved: dict[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in _below("optimizer/", tensors).items():
        parameter, entry = name.split("/", 1)
        state.setdefault(int(parameter), {})[entry] = tensor
    for parameter, entries in saved["numbers"].items():
        state.setdefault(int(parameter), {}).update(entries)
    return {"state": state, "param_groups": saved["groups"]}
