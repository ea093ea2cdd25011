"""Chapter 3.8's live model in headless Chromium: what it paints is what PyTorch paints."""

import base64
import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from companion.vision.pix2pix import live
from companion.vision.pix2pix.data import Facades, colour_labels, draw_facades, to_bytes
from companion.vision.pix2pix.facades import DOOR, LABELS, WALL, WINDOW
from companion.vision.pix2pix.measures import sharpness, spread
from companion.vision.pix2pix.model import UNet
from companion.vision.pix2pix.shipped import SHIPPED, load_shipped
from tests.browser_site import (
    DESKTOP,
    PHONE,
    SITE,
    Random,
    Visit,
    accessibility_faults,
    overflowing,
    show_theme,
    start_live,
)

CHAPTER = "chapters/vision/pix2pix.html"
FOLDER = "new URL(document.querySelector('.live').dataset.live, document.baseURI).href"
LEVELS = 127.5  # of a byte, in one unit of a picture
BLOCKS = [(88, 2), (88, 4), (44, 8)]  # channels and pixels a side of the blocks with dropout

pytest_plugins = ["tests.browser_site"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def networks() -> list[UNet]:
    return [load_shipped(objective) for objective in SHIPPED]


@pytest.fixture(scope="module")
def houses() -> Facades:
    return draw_facades(live.SHOWN)


@pytest.fixture(scope="module")
def started(chromium: Browser, address: str) -> Iterator[Page]:
    """The live model, started once for all tests that use it."""
    visit = Visit(chromium, address, DESKTOP, "light")
    yield start_live(visit, CHAPTER)
    visit.close()


@pytest.fixture
def page(started: Page) -> Page:
    """The started live model with a house as it was, windows in rectangles, and no noise."""
    for group, option in (("Paint", "window"), ("With", "rectangles"), ("Noise", "off")):
        choose(started, group, option)
    painted(started, press(started, "Start over"), changed=False)
    return started


def choose(page: Page, group: str, option: str) -> None:
    field = page.get_by_role("group", name=group, exact=True)
    field.get_by_role("radio", name=option).check(force=True)


def press(page: Page, name: str) -> Callable[[], None]:
    return page.get_by_role("button", name=name, exact=True).click


def painted(page: Page, act: Callable[[], object], **wanted: object) -> dict:
    """Do `act`; the first report after it that is what is `wanted`, and, once it rests, the last.

    Reports come while a stroke goes on, so the last is that of the whole stroke.
    """
    page.evaluate("results.length = 0")
    act()
    page.wait_for_function(
        """(wanted) => results.find((result) =>
          Object.entries(wanted).every(([name, value]) => result[name] === value))""",
        arg=wanted,
    )
    page.wait_for_function(
        """() => { const before = window.counted; window.counted = results.length;
          return before === window.counted; }""",
        polling=250,
    )
    return page.evaluate("results.at(-1)")


def noise_of(seed: int | None) -> list[torch.Tensor]:
    """The masks that the page draws for a seed."""
    if seed is None:
        return []
    random = Random(seed, 0)
    draw = {
        side: [2.0 if random() < 0.5 else 0.0 for _ in range(channels * side * side)]
        for channels, side in BLOCKS
    }
    return [torch.tensor(draw[side]).reshape(1, channels, side, side) for channels, side in BLOCKS]


def labels_of(result: dict) -> np.ndarray:
    return np.array(result["labels"], dtype=np.uint8).reshape(64, 64)


def pictures_of(result: dict) -> list[torch.Tensor]:
    return [torch.tensor(one).reshape(1, 3, 64, 64) for one in result["pictures"]]


def check(result: dict, networks: list[UNet]) -> None:
    """Both pictures are PyTorch's for the label map and the noise."""
    colours = colour_labels(torch.from_numpy(labels_of(result))[None])
    for network, found in zip(networks, pictures_of(result), strict=True):
        with torch.no_grad():
            expected = network(colours, noise_of(result["seed"]))
        np.testing.assert_allclose(found, expected, atol=2e-4, rtol=0)


def easel(page: Page) -> Locator:
    return page.locator(".facade-easel")


def at(page: Page, column: int, row: int) -> tuple[float, float]:
    """Where on the screen a pixel of the label map has its middle."""
    frame = easel(page).locator("canvas").bounding_box()
    place = [(value + 0.5) / 64 for value in (column, row)]
    return frame["x"] + place[0] * frame["width"], frame["y"] + place[1] * frame["height"]


def drag(page: Page, *points: tuple[int, int]) -> Callable[[], None]:
    """Draw through pixels, (column, row), with the mouse."""

    def act() -> None:
        easel(page).scroll_into_view_if_needed()
        page.mouse.move(*at(page, *points[0]))
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*at(page, *point))
        page.mouse.up()

    return act


def pixels_of(canvas: Locator) -> np.ndarray:
    """A canvas's colours, (height, width, 3)."""
    encoded = canvas.evaluate("(canvas) => canvas.toDataURL('image/png')").split(",")[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))


# ---------------------------------------------------------------- what it computes


def test_the_houses_are_painted_as_pytorch_paints_them(
    page: Page, networks: list[UNet], houses: Facades
) -> None:
    """All of them in turn, to the first again, beside their true pictures."""
    first = painted(page, press(page, "Start over"), changed=False)["house"] - live.SHOWN[0]
    for step in range(1, len(houses) + 1):
        house = (first + step) % len(houses)
        result = painted(page, press(page, "Another house"), house=live.SHOWN[house])
        np.testing.assert_array_equal(labels_of(result), houses.labels[house])
        check(result, networks)
        shown = [pixels_of(canvas) for canvas in page.locator("canvas.facade-picture").all()]
        for picture, pixels in zip(pictures_of(result), shown, strict=False):
            np.testing.assert_allclose(pixels, to_bytes(picture)[0], atol=1)
        np.testing.assert_array_equal(shown[2], to_bytes(houses.pictures[house : house + 1])[0])
        expected = colour_labels(houses.labels[house : house + 1])
        np.testing.assert_array_equal(
            pixels_of(easel(page).locator("canvas")), to_bytes(expected)[0]
        )


def test_noise_is_drawn_from_its_seed_and_the_change_is_measured(
    page: Page, networks: list[UNet]
) -> None:
    quiet = painted(page, press(page, "Start over"), seed=None)
    first = painted(page, lambda: choose(page, "Noise", "on"))
    second = painted(page, press(page, "Draw the noise again"), seed=first["seed"] + 1)
    for before, result in ((quiet, first), (first, second)):
        check(result, networks)
        expected = [
            LEVELS * spread(one, other)
            for one, other in zip(pictures_of(before), pictures_of(result), strict=True)
        ]
        assert result["moved"] == pytest.approx(expected, rel=1e-4)
        assert min(expected) > 0
    said = page.locator(".facade-said").inner_text()
    assert f"seed {second['seed']}" in said
    assert f"L1 + cGAN’s by {second['moved'][0]:.1f} levels" in said
    # Where the label map has changed too, nothing is said of the noise.
    assert painted(page, drag(page, (30, 30), (40, 40)), changed=True)["moved"] is None


def test_sharpness_is_the_chapters_and_is_shown(page: Page, houses: Facades) -> None:
    result = painted(page, press(page, "Start over"), changed=False)
    house = result["house"] - live.SHOWN[0]
    pictures = [*pictures_of(result), houses.pictures[house : house + 1]]
    assert result["sharp"] == pytest.approx([LEVELS * sharpness(one) for one in pictures], rel=1e-4)
    notes = page.locator(".facade-note").all_inner_texts()
    for note, value in zip(notes, result["sharp"], strict=True):
        assert note == f"neighbouring pixels differ by {value:.1f} levels"
    assert result["apart"] == pytest.approx(LEVELS * spread(*pictures[:2]), rel=1e-4)


# ---------------------------------------------------------------- painting


def test_a_drag_paints_a_rectangle_both_corners_in_it(page: Page, networks: list[UNet]) -> None:
    before = labels_of(painted(page, press(page, "Start over"), changed=False))
    choose(page, "Paint", "door")
    result = painted(page, drag(page, (40, 50), (20, 10), (30, 20)), changed=True)
    expected = before.copy()
    expected[20:51, 30:41] = DOOR
    np.testing.assert_array_equal(labels_of(result), expected)
    check(result, networks)
    assert "before your changes" in page.locator(".facade-note").last.inner_text()


def test_strokes_are_taken_back_one_by_one(page: Page) -> None:
    before = painted(page, press(page, "Start over"), changed=False)["labels"]
    choose(page, "Paint", "balcony")
    first = painted(page, drag(page, (10, 10), (20, 20)), changed=True)["labels"]
    painted(page, drag(page, (30, 30), (50, 50)), changed=True)
    assert painted(page, press(page, "Undo"))["labels"] == first
    assert painted(page, press(page, "Undo"))["labels"] == before
    assert painted(page, press(page, "Undo"))["labels"] == before


@pytest.mark.parametrize(("place", "corner"), [((31, 20), (28, 17)), ((0, 63), (0, 57))])
def test_a_tap_puts_down_a_window_of_the_usual_size_inside_the_map(
    page: Page, place: tuple[int, int], corner: tuple[int, int]
) -> None:
    choose(page, "Paint", "wall")
    before = labels_of(painted(page, drag(page, (0, 0), (63, 63)), changed=True))
    assert (before == WALL).all()
    choose(page, "Paint", "window")
    result = painted(page, drag(page, place), changed=True)
    (left, top), expected = corner, before.copy()
    expected[top : top + 7, left : left + 6] = WINDOW
    np.testing.assert_array_equal(labels_of(result), expected)


def test_the_brush_leaves_no_gap_along_its_way(page: Page) -> None:
    choose(page, "Paint", "wall")
    painted(page, drag(page, (0, 0), (63, 63)), changed=True)
    choose(page, "With", "a brush")
    choose(page, "Paint", "shop")
    result = painted(page, drag(page, (5, 5), (35, 20), (5, 50)), changed=True)
    expected = np.full((64, 64), WALL)
    for (x, y), (u, v) in (((5, 5), (35, 20)), ((35, 20), (5, 50))):
        for along in np.linspace(0, 1, 31):
            column, row = np.floor(np.array([x + along * (u - x), y + along * (v - y)]) + 0.5)
            expected[int(row) - 1 : int(row) + 2, int(column) - 1 : int(column) + 2] = LABELS.index(
                "shop"
            )
    np.testing.assert_array_equal(labels_of(result), expected)


# ---------------------------------------------------------------- whom it serves


def test_the_keyboard_alone_paints(page: Page, networks: list[UNet]) -> None:
    before = labels_of(painted(page, press(page, "Start over"), changed=False))
    choose(page, "Paint", "window")
    page.get_by_role("radio", name="window").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="shutter").is_checked()
    easel(page).focus()
    for _ in range(16):  # to a corner, wherever the cursor stands
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    keys = [*["ArrowDown"] * 3, "Shift+ArrowRight", "Space", *["ArrowRight"] * 2, "ArrowDown"]
    result = painted(page, lambda: [page.keyboard.press(key) for key in (*keys, "Space")])
    expected = before.copy()
    expected[12:17, 1:10] = LABELS.index("shutter")
    np.testing.assert_array_equal(labels_of(result), expected)
    check(result, networks)
    assert easel(page).locator(".facade-cursor").is_visible()
    given_up = ["Space", "ArrowRight", "Escape"]
    result = painted(page, lambda: [page.keyboard.press(key) for key in given_up])
    np.testing.assert_array_equal(labels_of(result), expected)
    result = painted(page, lambda: page.keyboard.press("Backspace"))
    np.testing.assert_array_equal(labels_of(result), before)


def test_the_running_live_model_passes_axe_in_light_and_dark(page: Page) -> None:
    for theme in ("dark", "light"):
        show_theme(page, theme)
        assert accessibility_faults(page) == [], theme


def test_nothing_is_fetched_until_touched_and_a_lost_file_is_a_sentence(visit: Visit) -> None:
    page = visit.open(CHAPTER)
    assert not [path for path in visit.answers if "/live/" in path]
    visit.context.route("**/houses.json", lambda route: route.fulfill(status=404))
    page.locator(".live-start").click()
    page.wait_for_selector('.live[data-state="failed"]')
    assert "houses.json could not be fetched" in page.inner_text(".live-status")
    visit.complaints.clear()  # the 404 itself
    visit.context.unroute("**/houses.json")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector('.live[data-state="running"]')


def test_a_network_that_fails_says_so(visit: Visit) -> None:
    other = SITE / "live" / "vision" / "sketch_rnn" / "initial.onnx"
    visit.context.route("**/l1.onnx", lambda route: route.fulfill(path=other))
    page = start_live(visit, CHAPTER)
    page.get_by_text("The model failed: ").wait_for()


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
def test_on_a_phone_a_finger_paints_and_nothing_overflows(
    visit: Visit, networks: list[UNet]
) -> None:
    page = start_live(visit, CHAPTER)
    page.get_by_role("radio", name="balcony").tap()
    easel(page).scroll_into_view_if_needed()
    result = painted(page, lambda: page.touchscreen.tap(*at(page, 32, 40)), changed=True)
    assert labels_of(result)[40, 32] == LABELS.index("balcony")
    check(result, networks)
    assert easel(page).evaluate("(e) => getComputedStyle(e).touchAction") == "none"
    assert overflowing(page) == []
    clipped = (
        "(all) => all.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.innerText)"
    )
    assert page.locator(".live-choice").evaluate_all(clipped) == []
