"""Splits, what networks are shown, and edges."""

import numpy as np
import pytest
import torch

from companion.seeds import numpy_generator
from companion.vision.pix2pix import data
from companion.vision.pix2pix.facade_plans import sample_plan
from companion.vision.pix2pix.facades import label_map


@pytest.fixture(scope="module")
def houses() -> data.Facades:
    return data.draw_facades(data.SPLITS["test"][:24])


def test_a_house_is_the_same_in_every_range(houses):
    again = data.draw_facades(range(4503, 4505))
    assert torch.equal(again.labels, houses[3:5].labels)
    assert torch.equal(again.pictures, houses[3:5].pictures)


def test_pictures_are_in_the_range_of_tanh_and_labels_are_indices(houses):
    assert houses.pictures.shape == (24, 3, 64, 64) and houses.pictures.dtype == torch.float32
    assert houses.pictures.min() >= -1 and houses.pictures.max() <= 1
    assert houses.pictures.mean(dim=(1, 2, 3)).std() > 0.1
    assert houses.labels.shape == (24, 64, 64) and houses.labels.dtype == torch.uint8
    assert houses.labels.unique().tolist() == list(range(len(data.LABELS)))


def test_splits_share_no_house_and_no_label_map():
    numbers = [set(houses) for houses in data.SPLITS.values()]
    assert [len(split) for split in numbers] == [4000, 500, 500]
    assert len(set.union(*numbers)) == 5000
    seen = set()
    for house in range(0, 5000, 10):
        seen.add(label_map(sample_plan(numpy_generator(house, "facade", "plan"))).tobytes())
    assert len(seen) == 500


def test_a_split_is_drawn_once_and_then_read(tmp_path, monkeypatch, houses):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setitem(data.SPLITS, "test", range(4500, 4504))
    drawn = data.load_facades("test")
    monkeypatch.setattr(data, "_draw", None)
    read = data.load_facades("test")
    assert torch.equal(drawn.pictures, read.pictures)
    assert torch.equal(read.pictures, houses[:4].pictures)
    with pytest.raises(ValueError, match="'val' is not one of train, validation, test"):
        data.load_facades("val")


def test_one_hot_and_colours_hold_the_same_labels(houses):
    one_hot = data.one_hot(houses.labels)
    assert torch.equal(one_hot.argmax(dim=1).byte(), houses.labels)
    assert (one_hot.sum(dim=1) == 1).all()
    shown = data.to_bytes(data.colour_labels(houses.labels))
    assert torch.equal(shown, data.PALETTE[houses.labels.long()])
    assert len({tuple(colour) for colour in data.PALETTE.tolist()}) == len(data.LABELS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.full((1, 4, 4), 12), "between 0 and 11"),
        (torch.zeros(1, 4, 4), "torch.float32"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), r"\(1, 3, 4, 4\)"),
    ],
)
def test_labels_of_another_kind_are_refused(labels, message):
    for show in (data.one_hot, data.colour_labels):
        with pytest.raises(ValueError, match=message):
            show(labels)


def test_a_picture_survives_bytes(houses):
    shown = data.to_bytes(houses.pictures)
    assert torch.equal(shown.permute(0, 3, 1, 2).float() / 127.5 - 1, houses.pictures)
    assert data.to_bytes(torch.full((1, 3, 1, 1), 3.0)).unique().tolist() == [255]


# --- edges


def _plain(labels: torch.Tensor, brightness: torch.Tensor) -> data.Facades:
    return data.Facades(labels, brightness[:, None].expand(-1, 3, -1, -1))


def test_outlines_are_one_pixel_wide_and_where_labels_change():
    labels = torch.zeros(1, 64, 64, dtype=torch.uint8)
    labels[:, 20:30, 10:40] = 6
    edges = data.edge_maps(_plain(labels, torch.zeros(1, 64, 64)))[0]
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[[19, 29], 10:40] = True
    expected[20:30, 9] = expected[20:30, 39] = True
    assert torch.equal(edges, expected)


def test_a_step_of_brightness_is_one_line_and_a_ripple_or_a_speck_none():
    brightness = torch.zeros(1, 64, 64)
    brightness[:, :, 32:] = 0.8
    brightness[:, 40:] += 0.05
    brightness[:, 10, 10] = 1
    edges = data.edge_maps(_plain(torch.zeros(1, 64, 64, dtype=torch.uint8), brightness))[0]
    assert edges.sum() == 64 and len(edges.nonzero()[:, 1].unique()) == 1


def test_edges_of_houses_are_thin_lines_and_shown_black_on_white(houses):
    edges = data.edge_maps(houses)
    assert edges.shape == (24, 64, 64) and edges.dtype == torch.bool
    assert 0.08 < edges.float().mean() < 0.35
    outlines = data.edge_maps(data.Facades(houses.labels, torch.zeros_like(houses.pictures)))
    assert (edges | ~outlines).all() and edges.sum() > 1.05 * outlines.sum()
    shown = data.edge_pictures(edges)
    assert shown.shape == (24, 1, 64, 64)
    np.testing.assert_array_equal(shown[:, 0] == -1, edges)
