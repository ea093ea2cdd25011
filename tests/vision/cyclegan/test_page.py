"""Chapter 3.9's live model in headless Chromium: it goes there and back as PyTorch does."""

import base64
import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Locator, Page
from torch import nn

from companion.vision.cyclegan import live as export
from companion.vision.cyclegan.shipped import load_shipped
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

CHAPTER = "chapters/vision/cyclegan.html"
FOLDER = "new URL(document.querySelector('.live').dataset.live, document.baseURI).href"
TO_ZEBRA, TO_HORSE = "horse to zebra and back", "zebra to horse and back"
EMPTY = "landscape without an animal"
ORANGE = np.array([194, 71, 10])
RED_JACKET, BLACK = (192, 52, 44), (28, 26, 27)

pytest_plugins = ["tests.browser_site"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def networks() -> dict[str, list[nn.Module]]:
    """The way there and the way back, by the direction's name."""
    to_zebra, to_horse = load_shipped()
    return {TO_ZEBRA: [to_zebra, to_horse], TO_HORSE: [to_horse, to_zebra]}


@pytest.fixture(scope="module")
def started(chromium: Browser, address: str) -> Iterator[Page]:
    """The live model, started once for all tests that use it."""
    visit = Visit(chromium, address, DESKTOP, "light")
    yield start_live(visit, CHAPTER)
    visit.close()


@pytest.fixture
def live(started: Page) -> Page:
    """The started live model with the first horse, no noise, a red brush, nothing painted."""
    noise(started).fill("0")
    started.get_by_role("radio", name="red jacket").check()
    started.get_by_role("radio", name="thin").check()
    begin(started, "horse 1")
    return started


def noise(page: Page) -> Locator:
    return page.get_by_label("Noise added to the translation")


def choose(page: Page, name: str) -> Locator:
    return page.locator(".live").get_by_role("radio", name=name, exact=True)


def after(page: Page, act: Callable[[], object], **wanted: object) -> dict:
    """Do `act`, and return the last report once one has come after it that is what is `wanted`."""
    page.evaluate("results.length = 0")
    act()
    found = page.wait_for_function(
        """(wanted) => results.findLast((result) =>
          Object.entries(wanted).every(([name, value]) => result[name] === value))""",
        arg=wanted,
    )
    return found.json_value()


def begin(page: Page, name: str) -> dict:
    start = choose(page, name)
    act = start_over(page) if start.is_checked() else start.check
    return after(page, act, start=starts(page).index(name), size=float(noise(page).input_value()))


def start_over(page: Page) -> Callable[[], None]:
    return page.get_by_role("button", name="Start over").click


def starts(page: Page) -> list[str]:
    return page.locator(".cycle-starts input").evaluate_all(
        "(inputs) => inputs.map((input) => input.getAttribute('aria-label'))"
    )


def planes(values: list[float]) -> torch.Tensor:
    return torch.tensor(values).reshape(1, 3, 64, 64)


def pixels_of(canvas: Locator) -> np.ndarray:
    """A canvas's colours, (height, width, 3)."""
    encoded = canvas.evaluate("(canvas) => canvas.toDataURL('image/png')").split(",")[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))


def easel(page: Page) -> Locator:
    return page.locator(".cycle-easel")


@torch.no_grad()
def check(result: dict, networks: dict[str, list[nn.Module]]) -> None:
    """Each step is PyTorch's of the step before, and the numbers are of these pictures."""
    there, back = networks[result["direction"]]
    picture, translated, shown, returned = (
        planes(result[name]) for name in ("picture", "translated", "shown", "returned")
    )
    torch.testing.assert_close(translated, there(picture), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(returned, back(shown), atol=1e-4, rtol=1e-4)

    def off(first: torch.Tensor, second: torch.Tensor) -> float:
        return ((first - second).abs().mean() / 2).item()

    assert result["error"] == pytest.approx(off(picture, returned), abs=1e-5)
    assert result["undisturbed"] == pytest.approx(off(picture, back(translated)), abs=1e-4)
    assert result["moved"] == pytest.approx(off(translated, shown), abs=1e-5)


# ---------------------------------------------------------------- there and back


def test_every_stored_picture_goes_there_and_back_as_in_pytorch(
    live: Page, networks: dict[str, list[nn.Module]]
) -> None:
    stored = export.from_bytes(export.stored_pictures())
    names = starts(live)
    assert len(names) == len(stored) == 13 and names[-1] == EMPTY
    for name in ("horse 1", "horse 6", "zebra 1", "zebra 6", EMPTY):
        result = begin(live, name)
        expected = stored[names.index(name)]
        torch.testing.assert_close(planes(result["picture"])[0], expected, atol=1e-6, rtol=0)
        direction = TO_HORSE if name.startswith("zebra") else TO_ZEBRA
        assert result["direction"] == direction and choose(live, direction).is_checked()
        assert result["shown"] == result["translated"] and result["error"] == result["undisturbed"]
        check(result, networks)


def test_a_zebra_can_be_sent_the_way_of_horses(
    live: Page, networks: dict[str, list[nn.Module]]
) -> None:
    away = begin(live, "zebra 2")
    result = after(live, choose(live, TO_ZEBRA).check, direction=TO_ZEBRA)
    assert result["picture"] == away["picture"]
    assert result["translated"] != away["translated"]
    check(result, networks)


def test_what_is_shown_and_said_is_what_was_computed(live: Page) -> None:
    result = after(live, lambda: noise(live).fill("0.03"), size=0.03)
    figures = live.locator(".cycle-results canvas").all()
    for canvas, name in zip(figures, ("shown", "returned"), strict=False):
        expected = 127.5 * (np.array(result[name]).reshape(3, 64, 64).transpose(1, 2, 0) + 1)
        np.testing.assert_allclose(pixels_of(canvas), expected, atol=0.51)
    difference = np.abs(np.array(result["picture"]) - result["returned"]).reshape(3, -1).mean(0) / 2
    share = np.minimum(1, difference / 0.25)[:, None]
    expected = 255 + share * (ORANGE - 255)
    np.testing.assert_allclose(pixels_of(figures[2]).reshape(-1, 3), expected, atol=0.51)
    one, two, three = (f"{100 * result[name]:.1f}%" for name in ("moved", "error", "undisturbed"))
    said = live.locator(".cycle-said")
    assert said.get_attribute("role") == "status"
    assert said.inner_text() == (
        f"Noise that changes the translation by {one} leaves the way back {two} off; "
        f"without noise there and back the picture is {three} off."
    )
    assert figures[0].get_attribute("aria-label") == "Your picture translated to a zebra"
    after(live, lambda: noise(live).fill("0"), size=0)
    assert said.inner_text().startswith(f"There and back the picture is {three} off")


def test_the_noise_is_box_and_mullers_and_grows_with_the_slider(
    live: Page, networks: dict[str, list[nn.Module]]
) -> None:
    random = Random(1, 0)
    draws = np.array([random() for _ in range(3 * 64 * 64)]).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log(1 - draws[:, 0])), 2 * np.pi * draws[:, 1]
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
    for size in (0.02, 0.2):
        result = after(live, lambda size=size: noise(live).fill(str(size)), size=size)
        expected = np.clip(np.array(result["translated"]) + 2 * size * normal, -1, 1)
        np.testing.assert_allclose(result["shown"], expected, atol=1e-5)
        check(result, networks)


def test_a_graph_that_fails_says_so(visit: Visit) -> None:
    other = SITE / "live" / "vision" / "sketch_rnn" / "initial.onnx"
    visit.context.route("**/to_horse.onnx", lambda route: route.fulfill(path=other))
    page = start_live(visit, CHAPTER)
    assert page.get_by_text("The model failed: ").is_visible()


def test_a_picture_that_does_not_arrive_is_a_sentence_and_can_be_tried_again(
    visit: Visit,
) -> None:
    page = visit.open(CHAPTER)
    assert not [path for path in visit.answers if "/live/vision/cyclegan/" in path]
    visit.context.route("**/pictures.png", lambda route: route.fulfill(status=404))
    page.locator(".live-start").click()
    page.wait_for_selector('.live[data-state="failed"]')
    assert "pictures.png could not be fetched" in page.inner_text(".live-status")
    visit.complaints.clear()  # the 404 itself
    visit.context.unroute("**/pictures.png")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector('.live[data-state="running"]')


# ---------------------------------------------------------------- painting


def drag(page: Page, points: list[tuple[float, float]]) -> None:
    """A stroke of the mouse through pixels, [column, row]."""
    easel(page).scroll_into_view_if_needed()
    frame = easel(page).locator("canvas").bounding_box()
    at = [
        (
            frame["x"] + (x + 0.5) / 64 * frame["width"],
            frame["y"] + (y + 0.5) / 64 * frame["height"],
        )
        for x, y in points
    ]
    page.mouse.move(*at[0])
    page.mouse.down()
    for point in at[1:]:
        page.mouse.move(*point)
    page.mouse.up()


def painted(page: Page, before: np.ndarray) -> set[tuple[int, int]]:
    """Which pixels, (column, row), are no longer as they were."""
    rows, columns = np.nonzero((pixels_of(easel(page).locator("canvas")) != before).any(axis=2))
    return set(zip(columns.tolist(), rows.tolist(), strict=True))


def test_a_thin_line_by_mouse_is_two_or_three_pixels_wide_and_goes_through_the_network(
    live: Page, networks: dict[str, list[nn.Module]]
) -> None:
    before = pixels_of(easel(live).locator("canvas"))
    plain = begin(live, "horse 1")
    drag(live, [(10, 20), (40, 20)])
    wait_until_settled(live)
    result = live.evaluate("results.at(-1)")
    found = painted(live, before)
    assert {(x, 20) for x in range(10, 41)} <= found
    assert {y for _, y in found} <= {19, 20, 21}
    colours = pixels_of(easel(live).locator("canvas"))[20, 10:41]
    assert (colours == RED_JACKET).all()
    changed = np.array(result["picture"]).reshape(3, 64, 64)[:, 20, 25]
    np.testing.assert_allclose(changed, np.array(RED_JACKET) / 127.5 - 1, atol=1e-6)
    check(result, networks)
    assert result["translated"] != plain["translated"]
    live.get_by_role("button", name="Undo").click()
    assert painted(live, before) == set()


def wait_until_settled(page: Page) -> None:
    """Until what was last computed is what stands on the easel."""
    page.wait_for_function(
        """() => {
          const { data } = document.querySelector(".cycle-easel canvas").getContext("2d")
            .getImageData(0, 0, 64, 64);
          const picture = results.at(-1)?.picture;
          const shown = (index) => data[4 * (index % 4096) + Math.floor(index / 4096)] / 127.5 - 1;
          return picture?.every((value, index) => Math.abs(shown(index) - value) < 1e-6);
        }"""
    )


def test_a_dab_is_round_and_as_wide_as_the_brush(live: Page) -> None:
    before = pixels_of(easel(live).locator("canvas"))
    for name, width in (("middle", 4), ("thick", 9)):
        choose(live, name).check()
        choose(live, "black").check()
        drag(live, [(30, 30)])
        circle = {
            (x, y) for x in range(64) for y in range(64) if np.hypot(x - 30, y - 30) < width / 2
        }
        picture = pixels_of(easel(live).locator("canvas"))
        assert all((picture[y, x] == BLACK).all() for x, y in circle)
        assert painted(live, before) <= circle
        start_over(live)()
        assert painted(live, before) == set()


def test_the_keyboard_alone_chooses_paints_and_takes_back(
    live: Page, networks: dict[str, list[nn.Module]]
) -> None:
    before = pixels_of(easel(live).locator("canvas"))
    easel(live).focus()
    for key in ("ArrowLeft", "ArrowUp", "Space", "ArrowRight", "Shift+ArrowRight"):
        live.keyboard.press(key)
    assert live.locator(".cycle-easel ~ .live-hidden").inner_text() == (
        "painting red jacket, 33 across, 28 down"
    )
    live.keyboard.press("Space")
    assert {(x, 28) for x in range(28, 34)} <= painted(live, before)
    wait_until_settled(live)
    check(live.evaluate("results.at(-1)"), networks)
    live.keyboard.press("Space")
    live.keyboard.press("ArrowDown")
    live.keyboard.press("Escape")  # this stroke is given up, the one before stays
    assert (33, 32) not in painted(live, before) and (33, 28) in painted(live, before)
    live.keyboard.press("Backspace")
    assert painted(live, before) == set()
    choose(live, "horse 1").focus()
    after(live, lambda: live.keyboard.press("ArrowRight"), start=1)
    choose(live, TO_ZEBRA).focus()
    after(live, lambda: live.keyboard.press("ArrowRight"), direction=TO_HORSE)
    noise(live).focus()
    after(live, lambda: live.keyboard.press("ArrowRight"), size=0.01)


# ---------------------------------------------------------------- whom it serves


def test_the_running_live_model_passes_axe_in_light_and_dark(live: Page) -> None:
    for theme in ("dark", "light"):
        show_theme(live, theme)
        assert accessibility_faults(live) == [], theme


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
def test_on_a_phone_a_finger_paints_and_nothing_overflows(visit: Visit) -> None:
    page = start_live(visit, CHAPTER)
    after(page, choose(page, "zebra 3").locator("..").tap, start=8)
    before = pixels_of(easel(page).locator("canvas"))
    easel(page).tap()
    assert painted(page, before)
    assert easel(page).bounding_box()["width"] > 250
    touch = page.evaluate("(e) => getComputedStyle(e).touchAction", easel(page).element_handle())
    assert touch == "none"
    assert overflowing(page) == []
