"""Chapter 3.4's live model in headless Chromium: what it draws is what onnxruntime draws."""

import json
import math
from collections.abc import Iterator

import numpy as np
import onnxruntime
import pytest
from playwright.sync_api import Browser, Page

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
    wait_for,
)

CHAPTER = "chapters/vision/sketch_rnn.html"
LIVE = SITE / "live" / "vision" / "sketch_rnn"

pytest_plugins = ["tests.browser_site"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def started(chromium: Browser, address: str) -> Iterator[Page]:
    """The live model, started once for all tests that use it."""
    visit = Visit(chromium, address, DESKTOP, "light")
    yield start_live(visit, CHAPTER)
    visit.close()


@pytest.fixture
def live(started: Page) -> Page:
    """The started live model with an empty pad, no report heard yet."""
    wait_for(started, "offsets", 0, lambda: started.get_by_role("button", name="Clear").click())
    started.evaluate("results.length = 0")
    return started


def draw(page: Page, *strokes: list[tuple[int, int]]) -> list[np.ndarray]:
    """Draw strokes on the pad with the mouse; points in canvas units; returns what was drawn."""
    pad = page.locator(".live-pad svg")
    pad.scroll_into_view_if_needed()
    frame = pad.bounding_box()
    size = json.loads((LIVE / "model.json").read_text(encoding="utf-8"))["canvas"]
    drawn = []
    for stroke in strokes:
        pixels = [
            (
                round(frame["x"] + x / size * frame["width"]),
                round(frame["y"] + y / size * frame["height"]),
            )
            for x, y in stroke
        ]
        page.mouse.move(*pixels[0])
        page.mouse.down()
        for pixel in pixels[1:]:
            page.mouse.move(*pixel)
        page.mouse.up()
        corner = np.array([frame["x"], frame["y"]])
        drawn.append((np.array(pixels) - corner) * size / frame["width"])
    return drawn


def categorical(logits: np.ndarray, temperature: float, random: Random) -> int:
    weights = np.exp((logits.astype(np.float64) - logits.max()) / temperature)
    return int(np.searchsorted(np.cumsum(weights), random() * weights.sum(), side="right"))


class Model:
    """The shipped graphs, run by onnxruntime itself."""

    def __init__(self) -> None:
        self.settings = json.loads((LIVE / "model.json").read_text(encoding="utf-8"))
        self.graphs = {
            name: onnxruntime.InferenceSession(LIVE / f"{name}.onnx")
            for name in ("decoder_only", "conditional", "initial")
        }

    def run(self, graph: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        session = self.graphs[graph]
        feeds = {name: np.atleast_2d(value).astype(np.float32) for name, value in inputs.items()}
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, (out[0] for out in session.run(names, feeds)), strict=True))

    def steps(self, graph: str, state: dict, offsets: list[list], z: dict) -> Iterator[dict]:
        """What the graph expects after the start and after each of the offsets, in turn."""
        points = [[0, 0, 1, 0, 0], *([x, y, 1 - up, up, 0] for x, y, up in offsets)]
        for point in points:
            out = self.run(graph, point=np.array(point), **state, **z)
            state = {"h": out["h_next"], "c": out["c_next"]}
            yield out

    def check_ending(
        self, offsets: list[list], ending: list[list], temperature: float, random: Random
    ) -> None:
        """Assert that the page drew each step of an ending as the paper's sampling does.

        Each step starts from what the page drew before it, so that the last digits of two
        machines' arithmetic, which add up along a drawing, do not matter.
        """
        state = {key: np.zeros(self.settings["hidden"]) for key in "hc"}
        expected = list(self.steps("decoder_only", state, offsets + ending, {}))[len(offsets) :]
        room = self.settings["max_length"] - len(offsets)
        for index, out in enumerate(expected[:room]):
            one = categorical(out["mixture_logits"], temperature, random)
            radius = math.sqrt(-2 * math.log(1 - random()))
            angle = 2 * math.pi * random()
            first, second = radius * math.cos(angle), radius * math.sin(angle)
            (sx, sy), rho = out["deviations"][one], float(out["correlations"][one])
            spread = math.sqrt(temperature)
            x = out["means"][one][0] + spread * sx * first
            y = out["means"][one][1] + spread * sy * (rho * first + math.sqrt(1 - rho**2) * second)
            pen = categorical(out["pen_logits"], temperature, random)
            if index == len(ending):
                assert pen == 2, "the model ends the drawing here"
            else:
                assert ending[index] == pytest.approx([x, y, pen], abs=1e-3)

    def check_likeliest(self, z: np.ndarray, drawing: list[list]) -> None:
        """Assert that the page took the likeliest step each time from the code `z`."""
        state = self.run("initial", z=z)
        expected = list(self.steps("conditional", state, drawing, {"z": z}))
        for index, out in enumerate(expected[: self.settings["max_length"]]):
            pen = int(out["pen_logits"].argmax())
            x, y = out["means"][out["mixture_logits"].argmax()]
            if index == len(drawing):
                assert pen == 2, "the model ends the drawing here"
            else:
                assert drawing[index] == pytest.approx([x, y, pen], abs=1e-3)


def spherical(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    angle = math.acos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
    return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)


def test_the_endings_are_those_of_the_model_and_the_seed(live: Page) -> None:
    """The reader's strokes, simplified as in the data; six endings, each as onnxruntime has it."""
    from companion.vision.sketch_rnn import data

    model = Model()
    strokes = draw(live, [(20, 40), (50, 38), (90, 40)], [(55, 15), (54, 50), (40, 80), (20, 95)])
    tolerance, scale = model.settings["tolerance"], model.settings["scale"]
    expected = data.to_stroke3([data.simplify(stroke, tolerance) for stroke in strokes])
    expected[:, :2] /= scale
    live.wait_for_function("(n) => results.at(-1)?.offsets?.length === n", arg=len(expected))
    result = live.evaluate("results.at(-1)")
    np.testing.assert_allclose(np.array(result["offsets"]), expected, atol=1e-4)

    assert len(result["drawings"]) == 6
    for row, drawing in enumerate(result["drawings"]):
        random = Random(result["seed"], row)
        model.check_ending(result["offsets"], drawing, result["temperature"], random)
    assert any(result["drawings"]), "no ending adds a stroke"
    assert live.locator(".live-tiles svg").count() == 6
    assert live.locator(".live-tiles polyline.live-mine").count() == 12  # two strokes, six tiles
    assert live.locator(".live-tiles polyline.live-theirs").count() > 0


def test_temperature_and_other_endings_change_what_is_drawn(live: Page) -> None:
    again = live.get_by_role("button", name="Other endings")
    first = wait_for(live, "kind", "endings", again.click)
    second = wait_for(live, "seed", first["seed"] + 1, again.click)
    assert second["drawings"] != first["drawings"]
    temperature = live.locator(".live").get_by_label("Temperature")
    hot = wait_for(live, "temperature", 0.9, lambda: temperature.fill("0.9"))
    assert hot["seed"] == second["seed"] and hot["drawings"] != second["drawings"]


def test_the_keyboard_alone_draws_and_takes_back(live: Page) -> None:
    live.get_by_role("button", name="Undo").focus()
    for _ in range(20):
        if live.evaluate("document.activeElement.closest('.live-pad') !== null"):
            break
        live.keyboard.press("Shift+Tab")
    keys = ["Space", *["ArrowRight"] * 6, *["ArrowDown"] * 5, "Space"]
    result = wait_for(live, "offsets", 2, lambda: [live.keyboard.press(key) for key in keys])
    scale = Model().settings["scale"]
    expected = [[24 / scale, 0, 0], [0, 20 / scale, 1]]
    np.testing.assert_allclose(result["offsets"], expected, atol=1e-6)
    wait_for(live, "offsets", 0, lambda: live.keyboard.press("Backspace"))


def test_the_walk_draws_the_codes_between_two_characters(live: Page) -> None:
    model = Model()
    target = live.get_by_role("group", name="To").get_by_role("radio").nth(2)
    result = wait_for(live, "to", 2, target.check)
    codes = [np.array(character["z"]) for character in model.settings["characters"]]
    assert result["shares"][1:] == pytest.approx(np.linspace(0, 1, 7))
    for share, drawing in zip(result["shares"], result["drawings"], strict=True):
        model.check_likeliest(spherical(codes[0], codes[2], share), drawing)
    way = live.get_by_label("Way from the first")
    quarter = wait_for(live, "t", 0.25, lambda: way.fill("0.25"))
    model.check_likeliest(spherical(codes[0], codes[2], 0.25), quarter["drawings"][0])
    assert quarter["drawings"][0] != result["drawings"][0]


def test_the_running_live_model_passes_axe_in_light_and_dark(live: Page) -> None:
    for theme in ("dark", "light"):
        show_theme(live, theme)
        assert accessibility_faults(live) == [], theme


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
def test_on_a_phone_a_finger_draws_and_nothing_overflows(visit: Visit) -> None:
    page = start_live(visit, CHAPTER)
    assert overflowing(page) == []
    pad = page.locator(".live-pad svg")
    assert pad.bounding_box()["width"] > 250
    assert page.evaluate("(e) => getComputedStyle(e).touchAction", pad.element_handle()) == "none"
    page.locator(".live-thumb").first.tap()
    page.wait_for_function("() => results.at(-1).offsets?.length > 0")
