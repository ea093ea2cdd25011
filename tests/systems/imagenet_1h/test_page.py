"""Chapter 5.3's live page in headless Chromium: its times are the cost model's."""

import itertools
import json
import math
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page

from companion.systems.imagenet_1h import cost
from tests.browser_site import (
    DESKTOP,
    PHONE,
    SITE,
    Visit,
    accessibility_faults,
    overflowing,
    show_theme,
    start_live,
)

CHAPTER = "chapters/systems/imagenet_1h.html"
LIVE = SITE / "live" / "systems" / "imagenet_1h"
FOLDER = "new URL(document.querySelector('.live').dataset.live, document.baseURI).href"
OWN, RESNET = "this chapter’s", "ResNet-50"
MEASURED = "two processes, measured"
WORKERS = [2**power for power in range(9)]

pytest_plugins = ["tests.browser_site"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((LIVE / "runs.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def measured() -> dict:
    return json.loads((LIVE / "link.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def started(chromium: Browser, address: str) -> Iterator[Page]:
    """The live page, started once for all tests that use it."""
    visit = Visit(chromium, address, DESKTOP, "light")
    yield start_live(visit, CHAPTER)
    visit.close()


@pytest.fixture
def live(started: Page) -> Page:
    """The started page as it was at first."""
    for group, option in (
        ("Network", OWN),
        ("Link", MEASURED),
        ("All-reduce", "ring"),
        ("Recipe", "rule and warm-up"),
        ("Minibatch", "64"),
        ("Minibatch", "2,048"),
    ):
        choice(started, group, option).check()
    slider(started, "Sending may overlap").fill("0")
    return started


def choice(page: Page, group: str, option: str) -> Locator:
    group = page.get_by_role("group", name=group, exact=True)
    return group.get_by_role("radio", name=option, exact=True)


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name)


def after(page: Page, kind: str, act: Callable[[], object]) -> dict:
    """Do `act`, and return the last report of this kind: all are made before it returns."""
    page.evaluate("results.length = 0")
    act()
    page.wait_for_function("(kind) => results.some((r) => r.kind === kind)", arg=kind)
    return page.evaluate("(kind) => results.findLast((r) => r.kind === kind)", kind)


def set_workers(page: Page, workers: int) -> dict:
    return after(page, "time", lambda: slider(page, "Workers").fill(str(WORKERS.index(workers))))


# ---------------------------------------------------------------- computed: the time


TWIN = """async ([folder, steps]) => {
  const { allReduceSeconds, bytesSent, efficiency, rounds, stepSeconds } =
    await import(`${folder}cost.js`);
  return steps.map((step) => ({
    rounds: rounds(step.workers, step.algorithm),
    sent: bytesSent(step.bytes, step.workers),
    sending: allReduceSeconds(step),
    seconds: stepSeconds(step),
    efficiency: efficiency(step),
  }));
}"""


def in_python(step: dict) -> dict:
    """What cost.py makes of a step given as the page's cost.js takes it."""
    link = cost.Link(step["link"]["latency"], step["link"]["bandwidth"])
    algorithm = step["algorithm"]
    call = (step["compute"], step["bytes"], step["workers"], link)
    options = {"algorithm": algorithm, "overlap": step["overlap"]}
    return {
        "rounds": cost.rounds(step["workers"], algorithm),
        "sent": cost.bytes_sent(step["bytes"], step["workers"]),
        "sending": cost.all_reduce_seconds(step["bytes"], step["workers"], link, algorithm),
        "seconds": cost.step_seconds(*call, **options),
        "efficiency": cost.efficiency(*call, **options),
    }


def test_the_pages_cost_model_is_the_chapters(live: Page) -> None:
    links = [{"latency": 1.1e-4, "bandwidth": 1.2e9}, {"latency": 0, "bandwidth": 1.25e8}]
    values = itertools.product(
        WORKERS, links, cost.ALGORITHMS, (0, 0.3, 0.9), ((0.015, 79_240), (0.25, 102_228_128))
    )
    steps = [
        {
            "workers": workers,
            "link": link,
            "algorithm": algorithm,
            "overlap": overlap,
            "compute": compute,
            "bytes": num_bytes,
        }
        for workers, link, algorithm, overlap, (compute, num_bytes) in values
    ]
    found = live.evaluate(TWIN, [live.evaluate(FOLDER), steps])
    for step, one in zip(steps, found, strict=True):
        assert one == pytest.approx(in_python(step), rel=1e-9), step


def check_time(result: dict) -> None:
    for name, value in in_python(result).items():
        if name != "sent":
            assert result[name] == pytest.approx(value, rel=1e-9), name


def test_every_control_reaches_the_cost_model(live: Page, measured: dict, stored: dict) -> None:
    result = set_workers(live, 8)
    check_time(result)
    assert result["compute"] == measured["compute"]
    assert result["link"]["latency"] == measured["latency"]
    assert result["link"]["bandwidth"] == measured["bandwidth"]
    assert result["bytes"] == 4 * measured["parameters"]
    assert (result["workers"], result["minibatch"]) == (8, 512)
    steps = stored["epochs"] * (stored["samples"] // 512)
    assert result["training"] == pytest.approx(steps * result["seconds"])

    changes = {
        "algorithm": ("halving-doubling", choice(live, "All-reduce", "halving-doubling").check),
        "overlap": (0.6, lambda: slider(live, "Sending may overlap").fill("0.6")),
        "network": (RESNET, choice(live, "Network", RESNET).check),
        "compute": (0.4, lambda: slider(live, "Computing, assumed").fill("0.4")),
        "workers": (256, lambda: slider(live, "Workers").fill("8")),
    }
    for name, (value, act) in changes.items():
        result = after(live, "time", act)
        check_time(result)
        assert result[name] == value
    assert (result["bytes"], result["minibatch"]) == (4 * 25_557_032, 8192)
    assert result["training"] == pytest.approx(90 * (1_281_167 // 8192) * result["seconds"])
    for gigabits in (1, 10, 50):
        result = after(live, "time", choice(live, "Link", f"{gigabits} Gbit/s").check)
        check_time(result)
        assert result["link"]["bandwidth"] == gigabits * 1e9 / 8
    assert result["overlap"] == 0.6 and result["algorithm"] == "halving-doubling"


def test_the_words_say_what_was_computed_and_what_is_assumed(live: Page) -> None:
    choice(live, "Network", RESNET).check()
    choice(live, "Link", "10 Gbit/s").check()
    result = set_workers(live, 256)
    said = live.locator(".hour-said").nth(1)
    assert f"{1000 * result['seconds']:.3g} ms" in said.inner_text()
    assert f"{round(100 * result['efficiency'])}% efficient" in said.inner_text()
    assert "hours" in said.inner_text()
    panel = live.locator(".live-panel").nth(1)
    for words in ("204 MB in 510 rounds", "16 rounds", "◆ the paper: 90%", "assumed", "not run"):
        assert panel.get_by_text(words).first.is_visible(), words
    assert live.locator(".hour-paper").is_visible()
    choice(live, "Network", OWN).check()
    assert not live.locator(".hour-paper").is_visible()  # the paper's figure is ResNet-50's
    assert slider(live, "Computing, assumed").is_hidden()
    assert panel.get_by_text("of computing were measured").is_visible()
    set_workers(live, 1)
    assert "One worker sends nothing" in said.inner_text()


def points(line: Locator) -> list[tuple[float, float]]:
    pairs = line.get_attribute("points").split()
    return [tuple(float(value) for value in pair.split(",")) for pair in pairs]


def width(page: Page, name: str) -> float:
    return float(page.locator(f".hour-{name}").get_attribute("width"))


def test_the_bars_and_the_curve_are_drawn_to_scale(live: Page) -> None:
    for overlap in (0, 0.3):
        slider(live, "Sending may overlap").fill(str(overlap))
        result = set_workers(live, 64)
        scale = width(live, "computing") / result["compute"]
        hidden, waiting = width(live, "hidden"), width(live, "waiting")
        assert hidden + waiting == pytest.approx(scale * result["sending"], abs=0.1)
        assert waiting == pytest.approx(scale * (result["seconds"] - result["compute"]), abs=0.1)

    curve = points(live.locator(".live-panel").nth(1).locator("polyline.hour-chosen").last)
    top = curve[0][1]  # one worker, 100%
    foot = points(live.locator(".hour-level").last)  # the level lines stand in order: last is 100%
    assert foot[0][1] == pytest.approx(top)
    bottom = points(live.locator(".live-panel").nth(1).locator(".hour-level").first)[0][1]
    for workers, (_, height) in zip(WORKERS, curve, strict=True):
        share = in_python(result | {"workers": workers})["efficiency"]
        assert (bottom - height) / (bottom - top) == pytest.approx(share, abs=0.001)
    place = live.locator(".hour-point")
    assert float(place.get_attribute("cx")) == pytest.approx(curve[6][0], abs=0.1)
    assert float(place.get_attribute("cy")) == pytest.approx(curve[6][1], abs=0.1)


# ---------------------------------------------------------------- stored: the curves


def chart(page: Page) -> Locator:
    return page.locator(".live-panel").first


def test_the_runs_shown_are_the_stored_ones(live: Page, stored: dict) -> None:
    base, *others = stored["curves"]
    said = live.locator(".hour-said").first

    def errors(curve: dict) -> str:
        found = [run["error"] for run in curve["seeds"]]
        low, high = f"{min(found):.1f}", f"{max(found):.1f}"
        return f"% ({low} to {high} over {len(found)} seeds)"

    for curve in others:
        choice(live, "Recipe", curve["recipe"]).check()
        batch = f"{curve['batch']:,}"
        choice(live, "Minibatch", "64").check()
        result = after(live, "curves", choice(live, "Minibatch", batch).check)
        assert (result["batch"], result["recipe"]) == (curve["batch"], curve["recipe"])
        assert result["seeds"] == curve["seeds"]
        text = said.inner_text()
        assert text.startswith(f"Minibatch {batch}, {curve['recipe']}: the test error is ")
        assert errors(curve) in text and errors(base) in text


def test_at_the_base_minibatch_all_recipes_are_one(live: Page, stored: dict) -> None:
    choice(live, "Minibatch", "64").check()
    for recipe in stored["recipes"][1:]:
        result = after(live, "curves", choice(live, "Recipe", recipe).check)
        assert result["seeds"] == stored["curves"][0]["seeds"]
    assert chart(live).locator("polyline.hour-chosen").count() == 0
    assert chart(live).get_by_text("all recipes are one").is_visible()


def test_the_rate_that_a_recipe_asks_for_is_said(live: Page, stored: dict) -> None:
    eta = stored["curves"][0]["rate"][0][1]
    scaled = f"{eta:g} × 32 = {32 * eta:g}"
    for recipe, words in (
        ("rule and warm-up", f"rises to {scaled} over the first"),
        ("rule alone", f"is {scaled} from the first step"),
        ("neither", f"is {eta:g} at first, as at 64"),
    ):
        choice(live, "Recipe", recipe).check()
        assert chart(live).get_by_text(words).is_visible()


def planted() -> dict:
    """Two seeds of three epochs; by the rule alone one diverges and the other leaves the chart."""
    rate = [[0, 0.1], [3, 0.1]]
    good = [
        {"seed": 0, "error": 2, "loss": [1.0, 0.4, 0.1]},
        {"seed": 1, "error": 4, "loss": [3.0, 0.6, 0.2]},
    ]
    bad = [
        {"seed": 0, "error": 90, "loss": [4.0]},
        {"seed": 1, "error": 10, "loss": [50.0, 2.0, 0.4]},
    ]
    curves = [{"batch": 64, "recipe": None, "rate": rate, "seeds": good}]
    recipes = ["rule and warm-up", "rule alone", "neither"]
    for recipe in recipes:
        seeds = bad if recipe == "rule alone" else good
        curves.append({"batch": 2048, "recipe": recipe, "rate": rate, "seeds": seeds})
    return {"base": 64, "samples": 8192, "epochs": 3, "recipes": recipes, "curves": curves}


def test_lines_are_drawn_to_scale_and_what_is_cut_or_stopped_is_marked(visit: Visit) -> None:
    visit.context.route("**/runs.json", lambda route: route.fulfill(json=planted()))
    page = start_live(visit, CHAPTER)
    panel = chart(page)
    assert "is 3.0% (2.0 to 4.0 over 2 seeds)" in page.locator(".hour-said").first.inner_text()
    chosen = panel.locator(".hour-chart polyline.hour-chosen")  # two seeds, their mean, the rate
    *seeds, mean, _ = [points(line) for line in chosen.all()]
    losses = ([1.0, 0.4, 0.1], [3.0, 0.6, 0.2], [2.0, 0.5, 0.15])
    (left, high), *_, (right, low) = seeds[0]
    for line, values in zip((*seeds, mean), losses, strict=True):
        for (x, y), value, epoch in zip(line, values, range(3), strict=True):
            assert x == pytest.approx(left + epoch * (right - left) / 2, abs=0.1)
            share = math.log(value) / math.log(0.1)  # of the way from a loss of 1 to one of 0.1
            assert y == pytest.approx(high + share * (low - high), abs=0.1)
    assert panel.locator(".hour-mark").count() == 0

    choice(page, "Recipe", "rule alone").check()
    lines = [points(line) for line in chosen.all()]
    assert [len(line) for line in lines[:3]] == [1, 3, 1]
    edge = high + math.log(5) / math.log(0.1) * (low - high)
    assert lines[1][0][1] == pytest.approx(edge, abs=0.1)  # 50 nats lie there, not above
    signs = panel.locator(".hour-mark").all_text_contents()
    assert sorted(signs) == ["×", "▲"]
    text = page.locator(".hour-more").first.inner_text()
    assert "In 1 of 2 runs the loss overflowed (×), which counts as 90% wrong." in text
    assert "In 1 of 2 runs the loss exceeds 5 nats and is cut (▲)." in text


def test_a_minibatch_takes_as_many_workers_as_have_it(live: Page) -> None:
    result = after(live, "time", choice(live, "Minibatch", "4,096").check)
    assert (result["workers"], result["minibatch"]) == (64, 4096)
    assert "64 × 64 = 4,096" in slider(live, "Workers").get_attribute("aria-valuetext")
    choice(live, "Network", RESNET).check()
    live.evaluate("results.length = 0")
    choice(live, "Minibatch", "512").check()
    assert live.evaluate("results.map((result) => result.kind)") == ["curves"]


def test_a_file_that_does_not_arrive_is_a_sentence_and_can_be_tried_again(visit: Visit) -> None:
    page = visit.open(CHAPTER)
    visit.context.route("**/link.json", lambda route: route.fulfill(status=404))
    page.locator(".live-start").click()
    page.wait_for_selector('.live[data-state="failed"]')
    assert "link.json could not be fetched" in page.inner_text(".live-status")
    visit.complaints.clear()  # the 404 itself
    visit.context.unroute("**/link.json")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector('.live[data-state="running"]')


def test_it_needs_no_webassembly(visit: Visit) -> None:
    visit.context.add_init_script("delete window.WebAssembly")
    start_live(visit, CHAPTER)
    assert not [path for path in visit.answers if "onnxruntime" in path]


# ---------------------------------------------------------------- whom it serves


def tab_to(page: Page, name: str) -> None:
    """Press the tabulator until the control with this label has the focus."""
    focused = """(name) => document.activeElement.labels?.[0]?.textContent.trim() === name"""
    for _ in range(80):
        if page.evaluate(focused, name):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the keyboard does not get to {name}")


def test_the_keyboard_alone_sets_everything(live: Page) -> None:
    choice(live, "Minibatch", "2,048").focus()
    result = after(live, "curves", lambda: live.keyboard.press("ArrowRight"))
    assert result["batch"] == 4096
    tab_to(live, "rule and warm-up")
    result = after(live, "curves", lambda: live.keyboard.press("ArrowDown"))
    assert result["recipe"] == "rule alone"
    for name, setting, value in (
        (OWN, "network", RESNET),
        ("ring", "algorithm", "halving-doubling"),
        ("Workers", "workers", 128),
        ("Sending may overlap", "overlap", 0.1),
    ):
        tab_to(live, name)
        assert after(live, "time", lambda: live.keyboard.press("ArrowRight"))[setting] == value
    assert live.locator("[role=status]").filter(has=live.locator(".hour-said")).count() == 2


def test_the_running_page_passes_axe_in_light_and_dark(live: Page) -> None:
    choice(live, "Network", RESNET).check()
    for theme in ("dark", "light"):
        show_theme(live, theme)
        assert accessibility_faults(live) == [], theme


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
def test_on_a_phone_a_finger_sets_it_and_nothing_overflows(visit: Visit) -> None:
    page = start_live(visit, CHAPTER)
    result = after(page, "curves", choice(page, "Minibatch", "512").tap)
    assert result["batch"] == 512
    assert after(page, "time", choice(page, "Network", RESNET).tap)["network"] == RESNET
    assert overflowing(page) == []
    drawn = page.locator(".hour-chart").first
    assert 250 < drawn.bounding_box()["width"] <= PHONE[0]
    # Drawn for this width: what the chart takes its words to be is what they are.
    assert float(drawn.get_attribute("viewBox").split()[2]) == pytest.approx(
        drawn.bounding_box()["width"], abs=1
    )
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_function(
        """() => { const drawn = document.querySelector(".hour-chart");
          return Math.abs(drawn.viewBox.baseVal.width - drawn.clientWidth) < 1; }"""
    )
