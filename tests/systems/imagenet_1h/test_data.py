"""The one shuffle and its shares, images that no number of workers changes, and the folders."""

import math
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from companion.systems.imagenet_1h import data


def samples_of(draws, indices=None):
    draws = torch.as_tensor(draws, dtype=torch.float32)
    return data.Samples(torch.tensor(indices or [0] * len(draws)), draws)


@pytest.fixture(scope="module")
def source():
    return data.AugmentedDigits(data.load_digits("validation"))


# --- an epoch and its shares


def test_every_image_appears_equally_often_to_within_one():
    counts = torch.zeros(70, dtype=torch.int64)
    for epoch in range(5):
        counts += data.draw_epoch(0, epoch, 160, 70).indices.bincount(minlength=70)
        assert counts.max() - counts.min() <= 1


def test_every_epoch_has_an_order_and_draws_of_its_own_and_the_seed_decides_them():
    """Forgetting set_epoch would give every epoch the first one's."""
    first, again, later, other = (
        data.draw_epoch(seed, epoch, 64, 64) for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    assert torch.equal(first.indices, again.indices) and torch.equal(first.draws, again.draws)
    for another in (later, other):
        assert not torch.equal(first.indices, another.indices)
        assert not torch.equal(first.draws, another.draws)


@pytest.mark.parametrize("world_size", [2, 4, 16])
def test_shares_are_a_partition_and_those_of_a_minibatch_are_the_minibatches_of_shares(world_size):
    epoch = data.draw_epoch(0, 0, 64, 1000)
    shares = [data.worker_share(epoch, rank, world_size) for rank in range(world_size)]
    assert torch.cat([share.indices for share in shares]).sort().values.tolist() == sorted(
        epoch.indices.tolist()
    )
    second = slice(16, 32)  # the second minibatch of 16
    mine = slice(16 // world_size, 32 // world_size)
    for rank, share in enumerate(shares):
        of_minibatch = data.worker_share(epoch[second], rank, world_size)
        assert torch.equal(of_minibatch.indices, share[mine].indices)
        assert torch.equal(of_minibatch.draws, share[mine].draws)


@pytest.mark.parametrize("world_size", [2, 8])
def test_a_sample_looks_the_same_however_many_workers_share_the_minibatch(source, world_size):
    minibatch = data.draw_epoch(0, 3, 32, len(source))
    images, labels = source.draw(minibatch)
    for rank in range(world_size):
        share = source.draw(data.worker_share(minibatch, rank, world_size))
        torch.testing.assert_close(share[0], images[rank::world_size], rtol=0, atol=1e-6)
        assert torch.equal(share[1], labels[rank::world_size])


def test_shares_that_do_not_divide_and_ranks_that_are_none_are_refused():
    epoch = data.draw_epoch(0, 0, 10, 10)
    with pytest.raises(ValueError, match="10 samples do not divide among 4 workers"):
        data.worker_share(epoch, 0, 4)
    with pytest.raises(ValueError, match="rank 2 is not one of 0 to 1"):
        data.worker_share(epoch, 2, 2)
    with pytest.raises(ValueError, match="0 images"):
        data.draw_epoch(0, 0, 10, 0)


# --- digits


def test_digits_at_half_size_are_means_of_four_pixels():
    images = torch.arange(16.0).reshape(1, 1, 4, 4)
    halved = data.halve(data.Digits(images, torch.tensor([7])))
    assert halved.images.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    digits = data.load_digits("test")
    assert digits.images.shape == (1000, 1, data.SIDE, data.SIDE)
    with pytest.raises(ValueError, match="'dev'"):
        data.load_digits("dev")


def test_draws_of_one_half_change_nothing(source):
    images, labels = source.draw(samples_of([[0.5] * 5] * 2, [3, 8]))
    torch.testing.assert_close(images, source.digits.images[[3, 8]], rtol=0, atol=1e-5)
    assert torch.equal(labels, source.digits.labels[[3, 8]])


def test_the_map_rotates_stretches_and_shifts_within_its_limits():
    ends = torch.tensor([[1.0, 0.5, 0.5, 0.5, 0.5], [0.5, 1, 0, 0.5, 0.5], [0.5, 0.5, 0.5, 1, 0]])
    turned, stretched, shifted = data.affine_maps(ends, side=14).numpy()
    cosine, sine = math.cos(math.radians(12)), math.sin(math.radians(12))
    np.testing.assert_allclose(turned, [[cosine, -sine, 0], [sine, cosine, 0]], atol=1e-6)
    np.testing.assert_allclose(stretched, [[1.12, 0, 0], [0, 0.88, 0]], atol=1e-6)
    np.testing.assert_allclose(shifted, [[1, 0, 1.5 / 7], [0, 1, -1.5 / 7]], atol=1e-6)


def test_a_shift_of_one_pixel_moves_the_image_by_one_pixel(source):
    one_pixel = 0.5 + 1 / (2 * 1.5)
    images, _ = source.draw(samples_of([[0.5, 0.5, 0.5, one_pixel, 0.5]]))
    torch.testing.assert_close(
        images[..., :-1], source.digits.images[:1, :, :, 1:], rtol=0, atol=1e-5
    )


# --- Fashion-MNIST


def test_fashions_validation_images_are_no_training_images(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FASHION_HELD_OUT", 2)
    for name, count in (("train", 6), ("t10k", 3)):
        pixels = np.repeat(np.arange(count, dtype=np.uint8), 28 * 28)
        header = bytes([0, 0, 8, 3]) + struct.pack(">3I", count, 28, 28)
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        labels = bytes([0, 0, 8, 1]) + struct.pack(">I", count) + bytes(range(count))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    labels = {split: data.load_fashion(split, tmp_path).labels.tolist() for split in data.SPLITS}
    assert labels == {"train": [0, 1, 2, 3], "validation": [4, 5], "test": [0, 1, 2]}
    images = data.load_fashion("validation", tmp_path).images
    torch.testing.assert_close(
        images, torch.tensor([4.0, 5]).view(2, 1, 1, 1).expand(2, 1, 14, 14) / 255
    )


def test_where_fashion_mnist_is_missing_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(data, "fashion_folder", lambda: None)
    with pytest.raises(FileNotFoundError, match="dataset-fashion-mnist"):
        data.load_fashion("test")


# --- photographs


@pytest.fixture
def folder(tmp_path):
    """Two classes of photographs: left half red, right half blue, wider than they are high."""
    for label, count in (("cat", 2), ("dog", 1)):
        (tmp_path / label).mkdir()
        for index in range(count):
            image = Image.new("RGB", (640, 320), (255, 0, 0))
            image.paste((0, 0, 255), (320, 0, 640, 320))
            image.save(tmp_path / label / f"{index}.png")
    return tmp_path


def colours(images):
    """Back to [0, 1]."""
    return images * torch.tensor(data.DEVIATION).view(3, 1, 1) + torch.tensor(data.MEAN).view(
        3, 1, 1
    )


def test_photographs_are_drawn_cropped_normalised_and_with_their_folders_label(folder):
    source = data.Photographs(folder)
    assert (len(source), source.classes) == (3, ["cat", "dog"])
    images, labels = source.draw(data.draw_epoch(0, 0, 6, 3))
    assert images.shape == (6, 3, 224, 224)
    assert sorted(labels.tolist()) == [0, 0, 0, 0, 1, 1]
    again, _ = source.draw(data.draw_epoch(0, 0, 6, 3))
    assert torch.equal(images, again)
    # The smallest part, from the left edge, is red; mirrored from the whole, it begins with blue.
    left, whole = colours(source.draw(samples_of([[0, 0.5, 0, 0, 0.9], [1, 1, 0.5, 0, 0.1]]))[0])
    np.testing.assert_allclose(left[:, 112, 0], [1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(left[:, 112, -1], [1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(whole[:, 112, 0], [0, 0, 1], atol=1e-5)
    np.testing.assert_allclose(whole[:, 112, -1], [1, 0, 0], atol=1e-5)


def test_crops_have_the_papers_areas_and_aspects_and_stay_inside():
    class Recorder:
        width, height = 640, 480

        def resize(self, size, resample, box):
            boxes.append(box)
            return self

    boxes = []
    for draws in np.random.default_rng(0).random((400, 5)):
        data.random_crop(Recorder(), np.append(draws[:4], 0.9))
    left, top, right, bottom = np.array(boxes).T
    assert (left >= 0).all() and (right <= 640 + 1e-9).all()
    assert (top >= 0).all() and (bottom <= 480 + 1e-9).all()
    areas, aspects = (right - left) * (bottom - top) / (640 * 480), (right - left) / (bottom - top)
    assert 0.08 <= areas.min() < 0.1 < 0.9 < areas.max() <= 1
    inside = areas < 0.5  # larger parts may be cut at an edge
    assert 0.75 - 1e-9 <= aspects[inside].min() < 0.78
    assert 1.3 < aspects[inside].max() <= 4 / 3 + 1e-9


def test_the_tested_crop_is_the_middle_of_the_photograph(folder):
    images, labels = data.Photographs(folder).centre([2, 0])
    assert labels.tolist() == [1, 0]
    image = colours(images[0])
    np.testing.assert_allclose(image[:, :, :110].mean(dim=(1, 2)), [1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(image[:, :, 114:].mean(dim=(1, 2)), [0, 0, 1], atol=1e-5)


def test_folders_and_files_that_cannot_be_used_are_named(folder):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        data.Photographs(folder / "nowhere")
    with pytest.raises(FileNotFoundError, match="one folder of images for each class"):
        data.Photographs(folder / "cat")
    (folder / "dog" / "0.png").write_bytes(b"not an image")
    with pytest.raises(data.DataError, match=r"0\.png is not an image"):
        data.Photographs(folder).centre([2])
    (folder / "dog" / "0.png").unlink()
    with pytest.raises(FileNotFoundError, match="dog"):
        data.Photographs(folder)
