"""The authors' format, from small files written here; jitter."""

import numpy as np
import pytest
import torch
from PIL import Image

from companion.datasets.digits import DataError
from companion.seeds import generator
from companion.vision.pix2pix.side_by_side import jitter, load_side_by_side


def _save(path, left, right, size=8, **options):
    pixels = np.zeros((size, 2 * size, 3), dtype=np.uint8)
    pixels[:, :size], pixels[:, size:] = left, right
    Image.fromarray(pixels).save(path, **options)


def test_the_halves_come_back_in_order_and_in_the_direction_asked_for(tmp_path):
    _save(tmp_path / "2.png", (255, 0, 0), (0, 0, 255))
    _save(tmp_path / "1.PNG", (0, 0, 0), (255, 255, 255), size=12)  # resized
    _save(tmp_path / "3.jpg", (0, 0, 0), (255, 255, 255), size=16, quality=100)
    (tmp_path / "notes.txt").write_text("not an image")
    pairs = load_side_by_side(tmp_path, size=8)
    assert pairs.inputs.shape == pairs.targets.shape == (3, 3, 8, 8) and len(pairs) == 3
    assert pairs.inputs[1, :, 0, 7].tolist() == [1, -1, -1]  # nothing of the other half in it
    assert pairs.targets[1, :, 0, 0].tolist() == [-1, -1, 1]
    assert pairs.inputs[0].unique().tolist() == [-1] and pairs.targets[2].min() > 0.95
    turned = load_side_by_side(tmp_path, direction="BtoA", size=8)
    assert torch.equal(turned.inputs, pairs.targets) and torch.equal(turned.targets, pairs.inputs)


def test_folders_and_arguments_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_side_by_side(tmp_path / "none")
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="has folders train, so name one"):
        load_side_by_side(tmp_path)
    with pytest.raises(DataError, match=r"no image that ends in \.png"):
        load_side_by_side(tmp_path / "train")
    with pytest.raises(ValueError, match="'atob' is not one of AtoB, BtoA"):
        load_side_by_side(tmp_path, direction="atob")
    for size in (0, 2, 100, 286):
        with pytest.raises(ValueError, match=f"size is {size}.*power of two"):
            load_side_by_side(tmp_path, size=size)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("RGB", (17, 8)), "17 pixels wide, which is odd"),
        (Image.new("L", (16, 8)), "is grey"),
        (Image.new("RGBA", (16, 8)), "alpha channel"),
        (Image.new("P", (16, 8)), "mode P"),
    ],
)
def test_an_image_of_another_kind_is_refused_by_name(tmp_path, image, message):
    _save(tmp_path / "good.png", 0, 0)
    image.save(tmp_path / "wrong.png")
    with pytest.raises(DataError, match=rf"wrong\.png.*{message}"):
        load_side_by_side(tmp_path, size=8)


def test_a_damaged_image_is_refused_by_name(tmp_path):
    _save(tmp_path / "whole.png", (1, 2, 3), (4, 5, 6), size=64)
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "whole.png").unlink()
    for damaged in (content[: len(content) // 2], b"", b"not an image"):
        (tmp_path / "damaged.png").write_bytes(damaged)
        with pytest.raises(DataError, match=r"damaged\.png cannot be read"):
            load_side_by_side(tmp_path, size=8)


# --- jitter


def test_both_halves_are_jittered_alike_and_each_pair_by_itself():
    pictures = torch.rand(64, 3, 32, 32, generator=generator(0, "pictures"))
    pictures = torch.nn.functional.interpolate(pictures[:, :, :8, :8], 32, mode="bilinear")
    inputs, targets = jitter(pictures[:, :2], 1 - pictures[:, :2], generator(0, "jitter"))
    assert inputs.shape == (64, 2, 32, 32)
    torch.testing.assert_close(targets, 1 - inputs)
    again = jitter(pictures[:, :2], 1 - pictures[:, :2], generator(0, "jitter"))
    assert torch.equal(again[0], inputs)
    same = pictures[:1].expand(64, -1, -1, -1)
    varied, _ = jitter(same, same, generator(1, "jitter"))
    assert len(torch.unique(varied, dim=0)) > 20  # of 5 * 5 places, mirrored or not


def test_jitter_enlarges_cuts_and_mirrors_half():
    ramp = torch.linspace(-1, 1, 256).expand(200, 1, 8, 256)
    inputs, _ = jitter(ramp, ramp, generator(2, "jitter"))
    width = inputs[:, 0, 0, -1] - inputs[:, 0, 0, 0]
    torch.testing.assert_close(width.abs(), torch.full((200,), 2 * 256 / 286), atol=0.02, rtol=0)
    assert 0.4 < (width < 0).float().mean() < 0.6
    middle = inputs[:, 0, 0, 127:129].mean(dim=1)
    assert middle.min() < -0.09 and middle.max() > 0.09  # 15 pixels of 143 to each side


def test_what_is_no_pair_is_not_jittered():
    with pytest.raises(ValueError, match="must agree in number"):
        jitter(torch.zeros(2, 3, 8, 8), torch.zeros(3, 3, 8, 8), generator(0))
    with pytest.raises(ValueError, match="must agree in number, height"):
        jitter(torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 16), generator(0))
