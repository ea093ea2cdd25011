"""The built site, file by file: nothing from outside, no dead link, light pages, all chapters."""

import gzip
import os
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
SITE = BOOK / "_build" / "html"

if not (SITE / "intro.html").is_file():
    reason = "the book is not built: run `make book` first"
    if os.environ.get("CI"):
        raise RuntimeError(reason)
    pytest.skip(reason, allow_module_level=True)

MEGABYTE = 1_000_000
ASSET_ATTRIBUTES = {
    "script": "src",
    "img": "src",
    "audio": "src",
    "video": "src",
    "source": "src",
    "iframe": "src",
    "embed": "src",
    "object": "data",
}
ASSET_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "manifest"}
FETCHED_ON_LOAD = {".css", ".js", ".mjs"}


class Page(HTMLParser):
    """One page: what a browser requests for it, its links, its anchors, its images."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.assets, self.links, self.images = [], [], []
        self.anchors: set[str] = set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.anchors.add(values.get("id") or "")
        address = values.get(ASSET_ATTRIBUTES.get(tag, ""))
        if tag == "link" and ASSET_LINKS & set((values.get("rel") or "").split()):
            address = values.get("href")
        if address and not address.startswith("data:"):
            self.assets.append(address)
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag == "img":
            self.images.append(values)

    def file(self, address: str) -> Path:
        """The file of the site that a relative address on this page means."""
        path = unquote(urlsplit(address).path)
        return (self.path.parent / path).resolve() if path else self.path


@cache
def page(name: str) -> Page:
    return Page(SITE / name)


def toc_pages(entry: dict) -> list[str]:
    """All documents of a table of contents, in order."""
    own = [entry[key] for key in ("root", "file") if key in entry]
    below = [child for key in ("parts", "chapters", "sections") for child in entry.get(key, [])]
    return own + [name for child in below for name in toc_pages(child)]


TOC = toc_pages(yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8")))
CHAPTERS = yaml.safe_load((BOOK / "chapters.yml").read_text(encoding="utf-8"))
READY = [f"{chapter['part']}/{chapter['name']}" for chapter in CHAPTERS if chapter["ready"]]
PAGES = [f"{name}.html" for name in TOC]


def weight(name: str) -> int:
    """Bytes a reader's browser receives for a page before anything on it is touched.

    Text travels compressed, as web hosts send it; the widget library, which is fetched only when
    the reader comes near a widget, is not counted; the fonts of the text are.
    """
    here = page(name)
    files = {here.path} | {here.file(address) for address in here.assets}
    files |= set((SITE / "vendor" / "fonts").glob("*.woff2"))
    return sum(
        len(gzip.compress(file.read_bytes()))
        if file.suffix in FETCHED_ON_LOAD | {".html", ".svg"}
        else file.stat().st_size
        for file in files
    )


def test_every_ready_chapter_and_its_exercises_stand_in_the_contents() -> None:
    chapters = [name.removeprefix("chapters/") for name in TOC if name.startswith("chapters/")]
    exercises = [name.removeprefix("exercises/") for name in TOC if name.startswith("exercises/")]
    assert chapters == READY
    assert exercises == READY
    for name in READY:
        place = TOC.index(f"chapters/{name}")
        assert TOC[place + 1] == f"exercises/{name}", "exercises follow their chapter"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_requests_only_files_the_site_serves(name: str) -> None:
    here = page(name)
    outside = [address for address in here.assets if urlsplit(address).netloc]
    assert not outside, f"{name} asks other hosts for {outside}"
    missing = [address for address in here.assets if not here.file(address).is_file()]
    assert not missing, f"{name} asks for files that are not there: {missing}"


def test_style_sheets_request_only_files_the_site_serves() -> None:
    used = {here.file(a) for here in map(page, PAGES) for a in here.assets if ".css" in a}
    assert used
    for sheet in used | set((SITE / "live").rglob("*.css")):
        text = sheet.read_text(encoding="utf-8")
        addresses = re.findall(r"url\(\s*['\"]?([^'\")]+)", text)
        addresses += re.findall(r"@import\s+['\"]([^'\"]+)", text)
        for address in addresses:
            if address.startswith(("data:", "#")):
                continue
            assert not urlsplit(address).netloc, f"{sheet.name} asks another host for {address}"
            assert (sheet.parent / urlsplit(address).path).resolve().is_file(), (
                f"{sheet.name} asks for {address}, which is not there"
            )


@pytest.mark.parametrize("name", PAGES)
def test_links_within_the_site_lead_somewhere(name: str) -> None:
    here = page(name)
    for link in here.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or link.startswith("#"):
            continue
        target = here.file(link)
        assert target.is_file(), f"{name} links to {link}, which is not there"
        if parts.fragment and target.suffix == ".html":
            anchors = page(str(target.relative_to(SITE.resolve()))).anchors
            assert unquote(parts.fragment) in anchors, f"{name}: no anchor for {link}"


@pytest.mark.parametrize("name", PAGES)
def test_every_image_says_what_it_shows(name: str) -> None:
    silent = [image.get("src", "")[:80] for image in page(name).images if not image.get("alt")]
    assert not silent, f"{name} has images without alternative text: {silent}"


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_light(name: str) -> None:
    limit = 2 * MEGABYTE if name.startswith(("chapters/", "exercises/")) else MEGABYTE
    assert weight(name) < limit, f"{name} weighs {weight(name) / MEGABYTE:.2f} MB"


@pytest.mark.parametrize("name", PAGES)
def test_heavy_scripts_are_only_on_the_pages_that_use_them(name: str) -> None:
    here = page(name)
    scripts = " ".join(here.assets)
    assert ("mathjax" in scripts) == ('class="math ' in here.text)
    assert ("widgets.mjs" in scripts) == ("widget-view+json" in here.text)
    assert "thebe" not in " ".join(a for a in here.assets if a.endswith(".js"))
    assert "fontawesome.js" not in scripts


@pytest.mark.parametrize("name", PAGES)
def test_without_a_repository_address_no_button_points_at_one(name: str) -> None:
    url = yaml.safe_load((BOOK / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    anchors = re.findall(r"<a\s[^>]*>", page(name).text)
    buttons = [anchor for anchor in anchors if re.search(r'class="[^"]*\bbtn\b', anchor)]
    assert any('href="http' in button for button in buttons) == bool(url)


def test_the_front_page_lists_all_chapters_and_links_the_ready_ones() -> None:
    table = page("intro.html").text.split('<table class="chapter-table">')[1].split("</table>")[0]
    numbers = re.findall(r'class="chapter-number">([\d.]+)<', table)
    assert numbers == [chapter["number"] for chapter in CHAPTERS]
    assert len(numbers) == 26
    assert re.findall(r'href="chapters/([^"]+)\.html"', table) == READY


def test_each_live_model_is_served_with_its_chapter() -> None:
    for name in READY:
        text = page(f"chapters/{name}.html").text
        assert f'data-live="../../live/{name}/"' in text, f"chapter {name} has no live model"
        served = sum(file.stat().st_size for file in (SITE / "live" / name).iterdir())
        assert (SITE / "live" / name / "demo.js").is_file()
        assert served < 4 * MEGABYTE, f"the live model of {name} weighs {served / MEGABYTE:.1f} MB"
