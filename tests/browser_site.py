"""The built site in headless Chromium, its network closed: what the tests of its pages share.

A test module says `pytest_plugins = ["tests.browser_site"]` and has the fixtures `address`,
`chromium` and `visit`.
"""

import functools
import gzip
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "book" / "_build" / "html"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000  # milliseconds; a busy machine is slow, and slowness is not tested here
DESKTOP, PHONE = (1280, 900), (390, 844)
ACCESSIBILITY = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def require(condition: object, reason: str) -> None:
    """Skip with the reason, or fail with it where the checks must be complete."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the built site is served on this machine, below a prefix as many hosts do."""
    require((SITE / "intro.html").is_file(), "the book is not built: run `make book` first")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return super().translate_path(path.removeprefix("/some/prefix"))

        def log_message(self, *arguments: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/some/prefix/"
    server.shutdown()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    require(CHROMIUM, "there is no chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A page in a fresh browser context, with all it asked for and all it complained about."""

    def __init__(self, browser: Browser, address: str, size: tuple[int, int], theme: str):
        self.address = address
        self.outside: list[str] = []
        self.complaints: list[str] = []
        self.answers: dict[str, int] = {}
        width, height = size
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
            has_touch=size == PHONE,
        )
        self.context.add_init_script(
            f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');"
        )
        self.context.route("**/*", self._let_through_only_local)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", self._count)

    def _let_through_only_local(self, route: Route) -> None:
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def _hear(self, message: object) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _count(self, response: object) -> None:
        if not response.url.startswith(self.address):
            return
        path = SITE / response.url.removeprefix(self.address).split("?")[0].split("#")[0]
        if path.is_file():
            binary = path.suffix in {".woff2", ".woff", ".wasm", ".onnx", ".png"}
            content = path.read_bytes()
            self.answers[str(path)] = len(content if binary else gzip.compress(content))

    def open(self, name: str) -> Page:
        self.page.goto(self.address + name, wait_until="load")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def close(self) -> None:
        self.context.close()
        assert not self.outside, f"the page asked other hosts for {self.outside}"
        assert not self.complaints, f"the browser's console shows {self.complaints}"


@pytest.fixture
def visit(chromium: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit at the size and in the theme that the test asks for; the end checks the network."""
    size, theme = getattr(request, "param", (DESKTOP, "light"))
    made = Visit(chromium, address, size, theme)
    yield made
    made.close()


def accessibility_faults(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands, one line a fault and element."""
    require(AXE.is_file(), "axe-core is not installed: run `python tools/vendor.py`")
    page.add_script_tag(path=str(AXE))
    found = page.evaluate(
        "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}})", ACCESSIBILITY
    )
    return [
        f"{fault['id']}: {node['html'][:160]} ({node['failureSummary'][:300]})"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


def show_theme(page: Page, theme: str) -> None:
    """What the theme's own button does."""
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)


def overflowing(page: Page) -> list[str]:
    """What makes the page wider than its window, if anything does."""
    return page.evaluate(
        """() => {
          const clipped = (e) => e !== document.body &&
            (getComputedStyle(e).overflowX !== "visible" || clipped(e.parentElement));
          if (document.documentElement.scrollWidth <= innerWidth) return [];
          return [...document.querySelectorAll("main *")]
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
            .filter((e) => !clipped(e.parentElement))
            .map((e) => e.outerHTML.slice(0, 120));
        }"""
    )


def start_live(visit: Visit, chapter: str) -> Page:
    """Open a chapter's page, listen to what its live model reports, and start it."""
    page = visit.open(chapter)
    page.evaluate(
        """() => { window.results = [];
          addEventListener("live-result", (event) => window.results.push(event.detail)); }"""
    )
    page.locator(".live-start").click()
    page.wait_for_selector('.live[data-state="running"]')
    return page


def wait_for(page: Page, name: str, value: object, act: Callable[[], object]) -> dict:
    """Do `act`, and return the first report after it whose `name` is `value`.

    Of a list the length is compared.
    """
    page.evaluate("results.length = 0")
    act()
    found = page.wait_for_function(
        """([name, value]) => results.find(
          (r) => (Array.isArray(r[name]) ? r[name].length : r[name]) === value)""",
        arg=[name, value],
    )
    return found.json_value()


class Random:
    """kit/random.js, written again."""

    def __init__(self, seed: int, stream: int):
        self.state = (seed ^ (stream + 1) * 0x9E3779B9) & 0xFFFFFFFF

    def __call__(self) -> float:
        self.state = (self.state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = (self.state ^ self.state >> 15) * (self.state | 1) & 0xFFFFFFFF
        mixed ^= mixed + (mixed ^ mixed >> 7) * (mixed | 61) & 0xFFFFFFFF
        return (mixed ^ mixed >> 14) / 2**32
