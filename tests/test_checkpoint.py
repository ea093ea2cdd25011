import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from companion.checkpoint import (
    CheckpointError,
    atomic_path,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from companion.seeds import generator


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


class Run:
    """A tiny training run with every kind of state: dropout, batch norm, momentum, two streams."""

    def __init__(self, optimizer_class=torch.optim.AdamW, width=8):
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.5), nn.Linear(width, 1)
        )
        self.optimizer = optimizer_class(self.model.parameters(), lr=0.01)
        self.generators = {"batches": generator(0, "batches"), "layers": torch.default_generator}
        self.history = {"loss": []}
        self.step = 0

    def train(self, steps):
        for _ in range(steps):
            inputs = torch.rand(16, 3, generator=self.generators["batches"])
            loss = (self.model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.history["loss"].append(loss.item())
            self.step += 1

    def save(self, path):
        save_checkpoint(
            path,
            model=self.model,
            optimizer=self.optimizer,
            step=self.step,
            generators=self.generators,
            history=self.history,
        )

    def load(self, path):
        self.step, self.history = load_checkpoint(
            path, model=self.model, optimizer=self.optimizer, generators=self.generators
        )

    def state(self):
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}


def assert_same_state(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.RMSprop, torch.optim.SGD])
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(tmp_path, optimizer):
    whole = Run(optimizer)
    whole.train(12)

    stopped = Run(optimizer)
    stopped.train(5)
    for group in stopped.optimizer.param_groups:
        group["lr"] = 0.01  # what a schedule does; the value is saved
    stopped.save(tmp_path / "run.safetensors")

    resumed = Run(optimizer)
    torch.rand(7)  # the resumed process has drawn other numbers in the meantime
    resumed.optimizer.param_groups[0]["lr"] = 5.0
    resumed.load(tmp_path / "run.safetensors")
    assert resumed.step == 5
    resumed.train(7)

    assert_same_state(resumed.state(), whole.state())
    assert resumed.history == whole.history
    assert torch.equal(
        resumed.generators["batches"].get_state(), whole.generators["batches"].get_state()
    )


def test_the_same_state_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        run = Run()
        run.train(2)
        run.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_weights_come_back_with_their_texts(tmp_path):
    tied = torch.rand(4, 3)
    state = {
        "tied": tied,
        "again": tied,
        "transposed": tied.T,
        "count": torch.tensor(7),
        "none": torch.zeros(0, 2),
        "half": torch.rand(2).half(),
    }
    path = tmp_path / "new" / "weights.safetensors"
    save_weights(path, state, {"size": "laptop", "character": "井"})
    loaded, metadata = load_weights(path)
    assert_same_state(loaded, state)
    assert metadata == {"size": "laptop", "character": "井"}
    assert {name: t.dtype for name, t in loaded.items()} == {n: t.dtype for n, t in state.items()}


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-10])


def keep_the_head(path):
    path.write_bytes(path.read_bytes()[:20])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def be_another_format(path):
    save_file({"x": torch.ones(2)}, path)


@pytest.mark.parametrize("damage", [cut_short, keep_the_head, flip_a_bit, empty, be_another_format])
def test_a_damaged_file_is_refused_and_nothing_is_changed(tmp_path, damage):
    run, path = Run(), tmp_path / "run.safetensors"
    run.train(2)
    run.save(path)
    damage(path)
    before = run.state()
    with pytest.raises(CheckpointError, match=r"run\.safetensors is damaged .*Delete it"):
        run.load(path)
    assert_same_state(run.state(), before)
    assert run.step == 2


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no file .*absent\.safetensors.*Check the path"):
        load_weights(tmp_path / "absent.safetensors")


def test_weights_are_no_checkpoint(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, Run().state())
    with pytest.raises(CheckpointError, match="no training state"):
        Run().load(path)


def test_another_model_optimizer_or_stream_is_refused_and_nothing_is_changed(tmp_path):
    path = tmp_path / "run.safetensors"
    saved = Run()
    saved.train(2)
    saved.save(path)

    wider = Run(width=9)
    other_optimizer = Run(torch.optim.SGD)
    other_streams = Run()
    other_streams.generators["noise"] = generator(0, "noise")
    cases = [
        (wider, r"'0.bias' is \(8,\) torch.float32 in the file and \(9,\)"),
        (other_optimizer, "'kind' is AdamW in the file and SGD here"),
        (other_streams, "generators: 'noise' is absent in the file"),
    ]
    for run, message in cases:
        before = run.state()
        with pytest.raises(CheckpointError, match=message):
            run.load(path)
        assert_same_state(run.state(), before)
        assert not run.optimizer.state


def test_a_full_disk_keeps_the_old_checkpoint_and_says_so(tmp_path, monkeypatch):
    run, path = Run(), tmp_path / "run.safetensors"
    run.train(2)
    run.save(path)
    before = path.read_bytes()
    run.train(2)

    def write_half(target, data):
        with open(target, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_half)
        with pytest.raises(
            OSError, match=r"disk became full.*run\.safetensors.*Free some space.*unchanged"
        ):
            run.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.safetensors"]
    resumed = Run()
    resumed.load(path)
    assert resumed.step == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_an_interrupted_write_keeps_the_old_file(tmp_path, stop):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(stop), atomic_path(path) as temporary:
        temporary.write_text("ne")
        raise stop
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_a_finished_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent and temporary.suffix == ".txt"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["notes.txt"]
