"""The readers' refusals, and the photographs."""

import numpy as np
import pytest
from PIL import Image

from companion.vision.adversarial_attacks import data


def test_an_attack_file_comes_back_as_images(tmp_path):
    attacked = np.random.default_rng(0).random((4, 784))
    np.save(tmp_path / "attack.npy", attacked)
    images = data.read_attack_file(tmp_path / "attack.npy")
    assert images.shape == (4, 1, 28, 28)
    np.testing.assert_allclose(images[3, 0, 1, 2], attacked[3, 28 + 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 784), 255.0), "255"),
        (np.full((2, 784), np.nan), "divide"),
        (np.zeros((2, 28, 28)), r"\(2, 28, 28\)"),
        (np.array([{"a": 1}], dtype=object), "not a .npy file of numbers"),
    ],
)
def test_an_attack_file_of_another_kind_is_refused(tmp_path, array, message):
    np.save(tmp_path / "attack.npy", array, allow_pickle=True)
    with pytest.raises(data.DataError, match=message):
        data.read_attack_file(tmp_path / "attack.npy")
    with pytest.raises(FileNotFoundError, match=r"none\.npy"):
        data.read_attack_file(tmp_path / "none.npy")


# --- photographs


def test_photographs_are_images_of_the_networks_size_in_range():
    photographs = data.load_photographs()
    assert len({photograph.name for photograph in photographs}) == len(photographs) == 4
    for photograph in photographs:
        assert photograph.image.shape == (3, 224, 224)
        assert 0 <= photograph.image.min() < photograph.image.max() <= 1


def test_the_crop_is_the_middle_square_less_an_eighth_of_its_side():
    picture = Image.new("RGB", (384, 256))
    picture.paste((255, 0, 0), (80, 16, 304, 240))  # 224 of the 256 in the middle
    red, green, _ = data.crop(picture)
    assert red.min() == 1
    assert green.max() == 0
