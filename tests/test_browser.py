"""The built site in headless Chromium: what every page and every chapter's live model must do.

What a chapter's live model computes is checked in `tests/<part>/<chapter>/test_page.py`.
"""

import pytest
import yaml

from tests.browser_site import (
    PHONE,
    ROOT,
    SITE,
    Visit,
    accessibility_faults,
    overflowing,
    require,
    show_theme,
    start_live,
)

LISTED = yaml.safe_load((ROOT / "book" / "chapters.yml").read_text(encoding="utf-8"))
CHAPTERS = [f"{chapter['part']}/{chapter['name']}" for chapter in LISTED if chapter["ready"]]
NETWORKS = [name for name in CHAPTERS if any((ROOT / "book/live" / name).glob("*.onnx"))]
PAGES = ["intro.html", "ledger.html"]
PAGES += [f"{folder}/{name}.html" for name in CHAPTERS for folder in ("chapters", "exercises")]
MANY_PAGES = [*PAGES, "guide/read.html", "guide/run.html", "data.html", "glossary.html"]

pytest_plugins = ["tests.browser_site"]
pytestmark = pytest.mark.browser


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize("name", MANY_PAGES)
def test_a_page_is_light_and_fits_a_phone(visit: Visit, name: str) -> None:
    page = visit.open(name)
    received = sum(visit.answers.values()) / 1e6
    limit = 2.0 if name.startswith(("chapters/", "exercises/")) else 1.0
    assert received < limit, f"{name} made the reader fetch {received:.2f} MB"
    width, height = PHONE
    page.set_viewport_size({"width": width, "height": height})
    assert overflowing(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_passes_axe_in_light_and_dark(visit: Visit, name: str) -> None:
    page = visit.open(name)
    for theme in ("light", "dark"):
        show_theme(page, theme)
        assert accessibility_faults(page) == [], theme


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_formulas_are_typeset(visit: Visit, chapter: str) -> None:
    page = visit.open(f"chapters/{chapter}.html")
    page.wait_for_selector("mjx-container", state="attached")
    raw = page.evaluate(
        "[...document.querySelectorAll('.math')].filter((e) => !e.querySelector('mjx-container'))"
        ".map((e) => e.textContent.slice(0, 80))"
    )
    assert raw == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_widgets_are_drawn_when_the_reader_comes_near(visit: Visit, chapter: str) -> None:
    page = visit.open(f"chapters/{chapter}.html")
    views = page.locator('script[type="application/vnd.jupyter.widget-view+json"]')
    require(views.count(), "the chapter holds no widget")
    assert not any("embed.js" in path for path in visit.answers), "fetched before it was needed"
    page.locator(".cell_output", has=views.first).first.scroll_into_view_if_needed()
    page.wait_for_selector(".widget-subarea .jupyter-widgets")


# ---------------------------------------------------------------- live models


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_nothing_of_the_live_model_is_fetched_until_it_is_started(
    visit: Visit, chapter: str
) -> None:
    visit.open(f"chapters/{chapter}.html")
    fetched = [path for path in visit.answers if "/live/" in path or "onnxruntime" in path]
    assert fetched == []


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_started_live_model_fits_a_phone(visit: Visit, chapter: str) -> None:
    page = start_live(visit, f"chapters/{chapter}.html")
    assert overflowing(page) == []


@pytest.mark.parametrize("chapter", NETWORKS)
def test_a_missing_model_is_a_sentence_and_can_be_tried_again(visit: Visit, chapter: str) -> None:
    graph = min((SITE / "live" / chapter).glob("*.onnx")).name
    page = visit.open(f"chapters/{chapter}.html")
    visit.context.route(f"**/{graph}", lambda route: route.fulfill(status=404))
    page.locator(".live-start").click()
    page.wait_for_selector('.live[data-state="failed"]')
    assert f"{graph} could not be fetched" in page.inner_text(".live-status")
    visit.complaints.clear()  # the 404 itself
    visit.context.unroute(f"**/{graph}")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector('.live[data-state="running"]')


@pytest.mark.parametrize("chapter", NETWORKS)
def test_a_browser_without_webassembly_is_told(visit: Visit, chapter: str) -> None:
    visit.context.add_init_script("delete window.WebAssembly")
    page = visit.open(f"chapters/{chapter}.html")
    page.locator(".live-start").click()
    page.get_by_text("cannot run WebAssembly").wait_for()
    assert page.locator(".live-start").is_hidden()
