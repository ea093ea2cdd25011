"""The authors' folders and their refusals, scores against hand-made cases, baselines."""

import numpy as np
import pytest
import torch
from PIL import Image

from companion.seeds import generator
from companion.vision.cyclegan import data


def _save(path, pixels, mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8), mode).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for name in ("trainA/n02.png", "trainA/n01.jpg", "trainB/m1.png", "testA/x.png", "testB/y.png"):
        _save(tmp_path / name, random.integers(256, size=(8, 8, 3)))
    _save(tmp_path / "trainA/n02.png", np.full((8, 8, 3), (0, 51, 255)))
    (tmp_path / "trainA" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_folders_are_read_in_the_order_of_names_and_scaled_to_minus_one_and_one(folder):
    unpaired = data.load_folders(folder, "train", size=8)
    assert unpaired.a.shape == (2, 3, 8, 8) and unpaired.b.shape == (1, 3, 8, 8)
    expected = torch.tensor([-1, -0.6, 1]).view(3, 1, 1).expand(3, 8, 8)
    torch.testing.assert_close(unpaired.a[1], expected)
    assert data.load_folders(folder, "test", size=16).b.shape == (1, 3, 16, 16)


def test_folders_that_are_missing_or_empty_are_named(folder):
    with pytest.raises(FileNotFoundError, match=r"no folder .*trainA: expected trainA, trainB"):
        data.load_folders(folder / "elsewhere", "train")
    for path in (folder / "testB").iterdir():
        path.unlink()
    with pytest.raises(data.DataError, match=r"testB has no picture in it"):
        data.load_folders(folder, "test")
    with pytest.raises(ValueError, match="'validation' is not one of train, test"):
        data.load_folders(folder, "validation")
    with pytest.raises(ValueError, match=r"10 pixels.*multiple of 4"):
        data.load_folders(folder, "train", size=10)


@pytest.mark.parametrize(
    ("pixels", "mode", "message"),
    [
        (np.zeros((8, 8)), "L", "mode L, expected RGB"),
        (np.zeros((8, 8, 4)), "RGBA", "transparent.*without the alpha channel"),
        (np.zeros((8, 12, 3)), "RGB", "12x8 pixels, expected a square"),
    ],
)
def test_a_picture_of_another_kind_is_named(folder, pixels, mode, message):
    _save(folder / "trainB" / "odd.png", pixels, mode)
    with pytest.raises(data.DataError, match=f"odd.png.*{message}"):
        data.load_folders(folder, "train", size=8)


def test_a_damaged_picture_is_named(folder):
    path = folder / "trainB" / "m1.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(data.DataError, match=r"m1\.png cannot be read.*download it again"):
        data.load_folders(folder, "train", size=8)


def test_domains_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="8x8 pixels with 1 channels, those of B 12x8"):
        data.Unpaired(torch.zeros(2, 1, 8, 8), torch.zeros(3, 1, 8, 12))


def test_errors_are_shares_of_black_to_white_and_count_where_told():
    pictures, partners = torch.full((2, 1, 4, 4), -1.0), torch.full((2, 1, 4, 4), -1.0)
    partners[0, 0, :2] = 1
    torch.testing.assert_close(data.picture_errors(pictures, partners), torch.tensor([0.5, 0]))
    where = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    where[:, :, 1:3] = True
    where[0, 0, 2] = False
    errors = data.picture_errors(pictures, partners, where)
    torch.testing.assert_close(errors, torch.tensor([1.0, 0]))
    with pytest.raises(ValueError, match="each needs its own"):
        data.picture_errors(pictures, partners[:1])


def test_who_is_found_and_who_is_not():
    partners = torch.rand(6, 1, 4, 4, generator=generator(0))
    assert data.share_found(partners, partners) == 1
    assert data.share_found(partners.roll(1, dims=0), partners) == 0
    assert data.share_found(torch.zeros_like(partners), torch.zeros_like(partners)) == 0
    half = torch.cat([partners[:3], partners[[4, 5, 3]]])
    assert data.share_found(half, partners) == 0.5


def test_baselines_answer_from_the_training_set_alone():
    b = torch.rand(9, 1, 4, 4, generator=generator(1)) * 2 - 1
    pictures = b[[4, 2]] + 0.01
    answers = data.baselines(data.Unpaired(-b, b), pictures)
    assert torch.equal(answers["copy"], pictures)
    assert torch.equal(answers["nearest"], b[[4, 2]])
    constant = answers["constant"][:1]

    def error(picture):
        return data.picture_errors(picture.expand_as(b), b).mean().item()

    for change in (-0.05, 0.05):  # of all constants it is the best for B
        assert error(constant) <= error(constant + change)
