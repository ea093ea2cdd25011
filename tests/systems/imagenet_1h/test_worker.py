"""Real workers against the same recipe in one process, and every way in which they may not start.

Workers are forked here, with the environment that torchrun gives them; `test_launch.py` has
torchrun itself.
"""

import dataclasses
import os
import signal
import time

import pytest
import torch
import torch.distributed as dist
from torch import nn

from companion.checkpoint import load_weights, save_checkpoint
from companion.systems.imagenet_1h import data, meeting, model, train, worker
from companion.systems.imagenet_1h.run import Run, load_trained
from tests.systems.imagenet_1h.workers import all_well, run_forked

SMOKE = train.SETTINGS["smoke"]  # two workers' shares of 64
FOUR_SHARES = dataclasses.replace(SMOKE, batch=256, samples=512)
FOUR = ["--size", "smoke", "--batch", "256", "--samples", "512"]


def trained(path):
    """The tensors of a checkpoint: weights, statistics and momentum."""
    return load_weights(path)[0]


def run_worker(world_size, folder, *arguments):
    return run_forked(world_size, folder, start, *arguments)


def start(rank, *arguments):
    worker.main(arguments)


@pytest.fixture(scope="module")
def one_process():
    """What `train.train` makes of four workers' shares: the network and the curves."""
    source = data.AugmentedDigits(data.load_digits("train"))
    return train.train(source, FOUR_SHARES, seed=0)


@pytest.mark.parametrize(
    ("world_size", "all_reduce"),
    [(1, "library"), (2, "library"), (2, "ring"), (4, "halving-doubling")],
)
def test_any_number_of_processes_learns_what_one_does(
    world_size, all_reduce, one_process, tmp_path
):
    """Weights, and the running statistics, which are worker 0's."""
    path = tmp_path / "run.safetensors"
    all_well(
        run_worker(
            world_size, tmp_path, *FOUR, "--checkpoint", str(path), "--all-reduce", all_reduce
        )
    )
    network, history = one_process
    found, curves = load_trained(path, FOUR_SHARES)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)
    assert curves["learning_rate"] == history["learning_rate"]
    assert curves["loss"] == pytest.approx(history["loss"], rel=1e-4)
    assert curves["error"] == pytest.approx(history["error"], abs=1e-4)


def train_with_ddp(rank, path):
    """The library's own data parallelism: it averages, so each worker takes its share's mean."""
    meeting.meet("cpu", 30)
    network = train.new_network(SMOKE, 0).train()
    parallel = nn.parallel.DistributedDataParallel(network)
    optimizer = train.make_optimizer(network, SMOKE)
    source = data.AugmentedDigits(data.load_digits("train"))
    for step in range(4):
        epoch, place = divmod(step, SMOKE.steps_per_epoch)
        samples = data.draw_epoch(0, epoch, SMOKE.samples, len(source))
        minibatch = samples[place * SMOKE.batch : (place + 1) * SMOKE.batch]
        images, labels = source.draw(data.worker_share(minibatch, rank, 2))
        for group in optimizer.param_groups:
            group["lr"] = train.learning_rate_at(step, SMOKE)
        optimizer.zero_grad()
        nn.functional.cross_entropy(parallel(images), labels).backward()
        optimizer.step()
    if rank == 0:
        save_checkpoint(path, model=network, optimizer=optimizer, step=4, generators={}, history={})
    dist.destroy_process_group()


def stop_after_four(rank, path):
    """A run as `train_with_ddp`'s, cut where that ends."""
    original = train.learning_rate_at

    def cut(step, settings):
        if step == 4:
            raise FloatingPointError("far enough")
        return original(step, settings)

    train.learning_rate_at = cut
    worker.main(["--size", "smoke", "--every", "4", "--checkpoint", str(path)])


def test_the_librarys_data_parallelism_gives_the_same_weights_and_momentum(tmp_path):
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    all_well(run_forked(2, tmp_path, train_with_ddp, theirs))
    ended = run_forked(2, tmp_path, stop_after_four, ours)
    assert [one.status for one in ended] == [1, 1]
    found, expected = trained(ours), trained(theirs)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_a_checkpoint_is_gone_on_from_to_the_same_bits(tmp_path):
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    all_well(run_worker(2, tmp_path, "--size", "smoke", "--checkpoint", str(whole)))
    run_forked(2, tmp_path, stop_after_four, cut)
    all_well(run_worker(2, tmp_path, "--size", "smoke", "--checkpoint", str(cut)))
    assert load_trained(whole, SMOKE)[1] == load_trained(cut, SMOKE)[1]
    expected = trained(whole)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in trained(cut).items())


# --- what cannot be: each worker says why, and none is left ----------------------------------


def refused(ended, *texts):
    """Every worker ended with status 1 and one last line, which holds the texts."""
    for rank, one in enumerate(ended):
        assert one.status == 1, ended
        last = one.output.strip().splitlines()[-1]
        assert last.startswith(f"rank {rank} of {len(ended)}: "), one.output
        for text in texts:
            assert text in last, one.output


def test_processes_that_do_not_divide_the_batch(tmp_path):
    ended = run_worker(3, tmp_path, "--size", "smoke")
    refused(ended, "a batch of 128 is 2 shares of 64", "3 processes cannot divide", "192")


def test_settings_that_cannot_be(tmp_path):
    refused(run_worker(2, tmp_path, "--size", "smoke", "--batch", "100"), "a batch of 100")
    refused(run_worker(2, tmp_path, "--size", "gpu"), "name their folder with --images")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_asked_for_and_absent(tmp_path):
    refused(run_worker(2, tmp_path, "--size", "smoke", "--device", "cuda"), "no CUDA device here")


def save_other(path, channels=(8, 16, 32), history=None):
    network = model.resnet(channels)
    optimizer = train.make_optimizer(network, SMOKE)
    save_checkpoint(
        path, model=network, optimizer=optimizer, step=2, generators={}, history=history or {}
    )


def test_checkpoints_of_something_else(tmp_path):
    path = tmp_path / "run.safetensors"
    arguments = ["--size", "smoke", "--checkpoint", str(path)]
    save_other(path, channels=(4, 8))
    refused(run_worker(2, tmp_path, *arguments), "saved with other tensors")
    run = Run(SMOKE, 7, None, None, None, None)
    save_other(path, history=run.history | run.description())
    refused(run_worker(2, tmp_path, *arguments), "setting seed is [7.0] in the file and [0.0] here")
    path.write_bytes(path.read_bytes()[:-100])
    refused(run_worker(2, tmp_path, *arguments), "is damaged")


def start_apart(rank, folder):
    """Worker 1 reads another file, as on a machine of its own."""
    worker.main(["--size", "smoke", "--checkpoint", str(folder / f"{rank}.safetensors")])


def test_checkpoints_that_only_some_workers_see(tmp_path):
    run = Run(SMOKE, 0, None, None, None, None)
    save_other(tmp_path / "0.safetensors", history=run.history | run.description())
    refused(run_forked(2, tmp_path, start_apart, tmp_path), "go on from steps [2, 0], by rank")


def start_unlike(rank):
    worker.main(["--size", "smoke", "--seed", str(rank)])


def test_workers_with_different_arguments(tmp_path):
    refused(run_forked(2, tmp_path, start_unlike), "started with different arguments")


def start_one_in_trouble(rank, trouble):
    """Worker 1 gets into trouble at step 3."""
    original = train.share_gradients

    def troubled(network, images, labels, workers):
        loss, wrong = original(network, images, labels, workers)
        troubled.steps += 1
        if rank == 1 and troubled.steps == 4:
            return trouble(loss), wrong
        return loss, wrong

    troubled.steps = 0
    train.share_gradients = troubled
    worker.main(["--size", "smoke", "--patience", "5"])


def die(loss):
    os.kill(os.getpid(), signal.SIGKILL)


def fall_silent(loss):
    time.sleep(8)
    os._exit(0)


def diverge(loss):
    return float("nan")


@pytest.mark.parametrize(("trouble", "status"), [(die, -signal.SIGKILL), (fall_silent, 0)])
def test_a_worker_that_dies_or_falls_silent(trouble, status, tmp_path):
    alive, other = run_forked(2, tmp_path, start_one_in_trouble, trouble)
    assert other.status == status
    assert alive.status == 1
    assert "rank 0 of 2: another worker is gone or silent at step 3" in alive.output


def test_one_workers_divergence_ends_all(tmp_path):
    refused(run_forked(2, tmp_path, start_one_in_trouble, diverge), "the loss is nan at step 3")


def test_a_worker_without_torchrun(monkeypatch, capfd):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit):
        worker.main(["--size", "smoke"])
    assert "torchrun --standalone --nproc-per-node 2" in capfd.readouterr().err
