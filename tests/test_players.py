import base64
import io
import re
import wave
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from companion.players import audio_player, frame_player, stroke_player


def decoded(html, kind):
    return base64.b64decode(re.search(rf'src="data:{kind};base64,([^"]+)"', html).group(1))


def assert_loads_nothing(html):
    html = re.sub(r"base64,[^\"]+", "", html)
    assert not re.search(r"https?://|//[a-z]|<link|<script|@import|url\(", html)


def test_the_sound_decodes_back_to_the_samples():
    samples = np.sin(np.linspace(0, 200, 4000)) * np.linspace(-1, 1, 4000)
    html = audio_player(samples, 8000, "A rising & falling tone").data
    with wave.open(io.BytesIO(decoded(html, "audio/wav"))) as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (8000, 1)
        heard = np.frombuffer(reader.readframes(4000), "<i2") / 32767
    assert np.abs(heard - samples).max() <= 0.5 / 32767 + 1e-9
    assert "<audio controls" in html
    assert "A rising &amp; falling tone</figcaption>" in html
    assert_loads_nothing(html)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 100)), r"shape \(2, 100\).*one channel"),
        (np.zeros(0), "not empty"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([0.0, -1.5]), "reach 1.5.*Divide by the peak"),
    ],
)
def test_malformed_sound_is_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        audio_player(samples, 8000, "x")


CROSS = [np.array([[0, 50], [100, 50]]), np.array([[50, 0], [50, 50], [50, 100]])]
SMALL = [np.array([[10.0, 10.0], [20.0, 30.0]])]
DOT = [np.array([[7.0, 7.0]])]


def drawings_in(html):
    """For each drawing of the still, its strokes as arrays of points."""
    figure = ElementTree.fromstring(html.replace("&nbsp;", " "))
    return [
        [
            np.array([pair.split(",") for pair in path.get("d").removeprefix("M").split()], float)
            for path in svg.iter("path")
        ]
        for svg in figure.iter("svg")
    ]


def test_the_still_holds_every_stroke_in_order_and_to_one_scale():
    html = stroke_player(
        [CROSS, SMALL, [], DOT], ["cross", "small", "", "dot"], "Marks", "See."
    ).data
    cross, small, blank, dot = drawings_in(html)
    np.testing.assert_allclose(cross[0], CROSS[0])
    np.testing.assert_allclose(cross[1], CROSS[1])
    np.testing.assert_allclose(small[0], [[45, 40], [55, 60]])
    assert blank == []
    assert len(dot) == 1 and np.ptp(dot[0], axis=0).max() > 0
    assert "stroke-dash" not in html and "opacity" not in html  # nothing hides the still
    assert_loads_nothing(html)


def test_drawings_are_named_for_those_who_cannot_see_them():
    figure = ElementTree.fromstring(
        stroke_player([CROSS, SMALL], ["<cross>", ""], "Two marks", "The point.").data
    )
    assert figure.get("aria-label") == "Two marks"
    assert [svg.get("aria-label") for svg in figure.iter("svg")] == ["<cross>", "Two marks"]
    assert figure.find("figcaption").text == "The point."
    assert figure.find("button").text == "Draw again"


@pytest.mark.parametrize(
    ("drawings", "captions", "message"),
    [
        ([], [], "at least one drawing"),
        ([CROSS], [], "1 drawings and 0 captions"),
        ([[np.zeros((3, 3))]], ["x"], r"drawing 0 has shape \(3, 3\)"),
        ([CROSS, [np.zeros((0, 2))]], ["x", "y"], "drawing 1.*not empty"),
        ([[np.array([[0, np.inf]])]], ["x"], "drawing 0 holds NaN or infinity"),
    ],
)
def test_malformed_drawings_are_refused(drawings, captions, message):
    with pytest.raises(ValueError, match=message):
        stroke_player(drawings, captions, "Marks", "x")


@pytest.mark.parametrize("count", [1, 7])
def test_the_sheet_holds_every_frame_where_the_slider_looks(count):
    frames = [np.full((20, 30, 3), 30 * index, np.uint8) for index in range(count)]
    html = frame_player(frames, 10, "Getting brighter", "See.").data
    sheet = np.asarray(Image.open(io.BytesIO(decoded(html, "image/webp"))).convert("RGB"))
    columns, rows = (int(n) for n in re.findall(r"\*100/(\d+)", html))
    assert f"c=this.value%{columns},r=Math.floor(this.value/{columns})" in html
    assert sheet.shape == (20 * rows, 30 * columns, 3)
    for index, frame in enumerate(frames):
        y, x = 20 * (index // columns), 30 * (index % columns)
        np.testing.assert_array_equal(sheet[y : y + 20, x : x + 30], frame)
    assert f'max="{count - 1}"' in html and 'alt="Getting brighter"' in html
    assert_loads_nothing(html)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "one shape"),
        ([np.zeros((4, 4, 3))], "Frame 0 is float64"),
        ([np.zeros((4, 4), np.uint8)], r"Frame 0 .*\(4, 4\)"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], r"\(4, 4, 3\), \(4, 5, 3"),
    ],
)
def test_malformed_frames_are_refused(frames, message):
    with pytest.raises(ValueError, match=message):
        frame_player(frames, 10, "x", "x")


def test_players_need_alternative_text():
    with pytest.raises(ValueError, match="alt is empty"):
        stroke_player([CROSS], ["x"], "", "x")
    with pytest.raises(ValueError, match="alt is empty"):
        frame_player([np.zeros((4, 4, 3), np.uint8)], 10, "", "x")
