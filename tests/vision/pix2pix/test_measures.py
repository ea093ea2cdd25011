"""Measures of pictures have the values that pictures of known make must have."""

import pytest
import torch

from companion.seeds import generator
from companion.vision.pix2pix import measures


def coloured(red: float, green: float, blue: float) -> torch.Tensor:
    """A picture of one colour, of channels from 0 to 1."""
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, 8, 8) * 2 - 1


def test_sharpness_is_the_step_from_pixel_to_pixel():
    ramp = torch.linspace(-1, 1, 9).expand(2, 3, 9, 9)
    assert measures.sharpness(ramp) == pytest.approx((2 / 8 + 0) / 2)
    assert measures.sharpness(coloured(0.3, 0.4, 0.5)) == 0
    noise = torch.rand(4, 3, 16, 16, generator=generator(0, "noise")) * 2 - 1
    blurred = torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
    assert measures.sharpness(blurred) < measures.sharpness(noise) / 2


def test_spread_and_variety_compare_the_right_pictures():
    pictures = torch.stack([torch.full((3, 4, 4), value) for value in (0.0, 0.5, 1.0)])
    assert measures.spread(pictures, pictures) == 0
    assert measures.spread(pictures, pictures - 0.25) == pytest.approx(0.25)
    assert measures.variety(pictures) == pytest.approx((1.0 + 0.5 + 0.5) / 3)
    assert measures.variety(pictures[:1].expand(5, -1, -1, -1)) == 0
    with pytest.raises(ValueError, match=r"\(3, 3, 4, 4\) and \(2, 3, 4, 4\) cannot be compared"):
        measures.spread(pictures, pictures[:2])


def test_grey_has_no_colour_whatever_its_brightness():
    for level in (0.0, 0.4, 1.0):
        assert measures.colourfulness(coloured(level, level, level)) == pytest.approx(0, abs=1e-6)
    # BT.601 takes pure blue and pure red to half of the range, Cb and Cr.
    blue = measures.colourfulness(coloured(0, 0, 1))
    assert blue == pytest.approx((0.5**2 + (-0.114 / 1.402) ** 2) ** 0.5, abs=1e-5)


def test_shared_colours_count_shares_of_pixels_and_not_their_places():
    red, grey = coloured(0.9, 0.1, 0.1), coloured(0.5, 0.5, 0.5)
    half = torch.cat([red[..., :4], grey[..., :4]], dim=-1)
    assert measures.shared_colours(half, half.flip(-1)) == pytest.approx(1)
    assert measures.shared_colours(half, grey) == pytest.approx(0.5)
    assert measures.shared_colours(red, grey) == 0
    assert measures.shared_colours(grey, coloured(0.2, 0.2, 0.2)) == pytest.approx(1)
