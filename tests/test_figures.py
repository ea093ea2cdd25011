import base64
import io
import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from companion import figures

matplotlib.use("agg")


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda shown_object: shown.append(shown_object))
    with matplotlib.rc_context():
        figures.use_style()
        yield shown
    plt.close("all")


def curves():
    figure, axes = plt.subplots()
    for shift in range(5):
        axes.plot(np.sin(np.linspace(0, 6, 100) + shift), label=f"arm {shift}")
    axes.legend()
    return figure


def picture(html):
    data = re.search(r'src="data:image/(?:png|webp);base64,([^"]+)"', html).group(1)
    raw = base64.b64decode(data)
    return raw, Image.open(io.BytesIO(raw))


def test_the_figure_has_its_text_and_a_small_picture_of_the_stated_size(displayed):
    figures.show(curves(), 'Five curves, "A" & B < C', "They <cross>.")
    (shown,) = displayed
    html = shown.data
    assert 'alt="Five curves, &quot;A&quot; &amp; B &lt; C"' in html
    assert "They &lt;cross&gt;.</figcaption>" in html
    raw, image = picture(html)
    assert f'width="{image.width}" height="{image.height}"' in html
    assert len(raw) < 40_000
    assert image.convert("RGB").getpixel((1, 1)) == (0xFD, 0xFC, 0xF8)


def test_the_same_figure_gives_the_same_bytes(displayed):
    figures.show(curves(), "Five curves")
    figures.show(curves(), "Five curves")
    assert displayed[0].data == displayed[1].data


def test_the_figure_is_closed_so_that_it_is_not_shown_twice(displayed):
    figures.show(curves(), "Five curves")
    assert plt.get_fignums() == []


def test_a_smooth_picture_keeps_its_colours_and_has_no_grid(displayed):
    ramp = np.linspace(0, 1, 64)
    colours = np.stack([*np.meshgrid(ramp, ramp), np.full((64, 64), 0.5)], axis=-1)
    figure = plt.figure(figsize=(3, 3), layout="none")
    figure.add_axes((0, 0, 1, 1)).imshow(colours)
    figures.show(figure, "Two ramps of colour")
    _, image = picture(displayed[0].data)
    centre = np.asarray(image.convert("RGB"))[100:200, 100:200]
    assert len(np.unique(centre.reshape(-1, 3), axis=0)) > 300
    assert np.abs(np.diff(centre.astype(int), axis=1)).max() < 12


def test_a_picture_full_of_texture_stays_small_and_like_itself(displayed):
    texture = np.random.default_rng(0).normal(0.5, 0.12, (64, 64, 3)).clip(0, 1)
    figure = plt.figure(figsize=(3, 3), layout="none")
    figure.add_axes((0, 0, 1, 1)).imshow(texture)
    figures.show(figure, "Coloured noise")
    raw, image = picture(displayed[0].data)
    assert len(raw) < 60_000
    assert image.format == "WEBP"
    pixels = np.asarray(image.convert("RGB"))[60:320, 60:320] / 255
    assert np.abs(pixels.mean(axis=(0, 1)) - texture.mean(axis=(0, 1))).max() < 0.02
    assert pixels.std() > 0.8 * texture.std()


def test_a_figure_without_alternative_text_is_refused(displayed):
    with pytest.raises(ValueError, match="alt is empty"):
        figures.show(curves(), " ")
    assert displayed == []


def luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


# Viénot, Brettel and Mollon's (1999) projections for protanopia and deuteranopia, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deuteranopia": np.array(
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]
    ),
}


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_the_colours_can_be_told_apart(blindness):
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in figures.PALETTE])
    seen = np.clip((rgb**2.2) @ BLINDNESS[blindness].T, 0, 1) ** (1 / 2.2)
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert distances.min() > 0.12


def test_every_colour_stands_out_from_the_card():
    for colour in figures.PALETTE:
        assert (luminance(figures.CARD) + 0.05) / (luminance(colour) + 0.05) > 2, colour
