"""Chapter 1.1, real data: sentence pairs from LibreOffice's help, in English and French.

Each page of the help is an HTML file in the folder of its language, with the same name and the same
paragraphs in every language. Debian's packages libreoffice-help-en-us and libreoffice-help-fr put
them into `FOLDER`. The text is under the Mozilla Public License 2.0.
"""

import re
import zlib
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from companion.text.gnmt.data import Pairs, PairsError, tokenize
from companion.text.gnmt.wordpieces import clean

FOLDER = Path("/usr/share/libreoffice/help")
SPLITS = ("train", "validation", "test")
FEWEST_WORDS, MOST_WORDS = 3, 15

_PARAGRAPHS = ("p", "h1", "h2", "h3", "h4", "h5", "h6")
_LABELS = ("title is :", "this page is :")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def load_libreoffice(split: str, folder: str | Path = FOLDER) -> Pairs:
    """Sentence pairs of 3 to 15 words on either side, in the form of `clean`, none twice.

    Whole pages are held out, one in twenty for ``validation`` and for ``test``; what training pages
    say too is left out there. Raises ``ValueError`` naming an unknown split, and `PairsError` where
    the folder holds no help in both languages.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
    return _splits(Path(folder))[split]


@cache
def _splits(folder: Path) -> dict[str, Pairs]:
    english, french = folder / "en-US", folder / "fr"
    pages = sorted(page.relative_to(english) for page in english.rglob("*.html"))
    pages = [page for page in pages if (french / page).is_file()]
    if not pages:
        raise PairsError(
            f"{folder} holds no pages in both en-US and fr. Install Debian's packages "
            "libreoffice-help-en-us and libreoffice-help-fr, or pass the folder that holds them"
        )
    found: dict[str, dict[str, str]] = {name: {} for name in SPLITS}
    for page in pages:
        sentences = found[_split_of(page)]
        for source, target in page_pairs(_read(english / page), _read(french / page)):
            sentences.setdefault(source, target)
    for held_out in ("validation", "test"):
        for source in found["train"]:
            found[held_out].pop(source, None)
    return {split: Pairs(list(some), list(some.values())) for split, some in found.items()}


def page_pairs(english: str, french: str) -> list[tuple[str, str]]:
    """The sentence pairs of a page in both languages; none when its paragraphs do not match.

    Paragraphs with as many sentences on both sides are cut into sentences.
    """
    paragraphs = _paragraphs(english), _paragraphs(french)
    if len(paragraphs[0]) != len(paragraphs[1]):
        return []
    pairs = []
    for both in zip(*paragraphs, strict=True):
        sides = [_SENTENCE_END.split(text) for text in both]
        if len(sides[0]) != len(sides[1]):
            continue
        for source, target in zip(*map(_cleaned, sides), strict=True):
            if _is_translation(source, target):
                pairs.append((source, target))
    return pairs


def _is_translation(source: str, target: str) -> bool:
    """Of fitting lengths, and neither left in English nor one of the pages' own labels."""
    lengths = len(tokenize(source)), len(tokenize(target))
    fits = all(FEWEST_WORDS <= length <= MOST_WORDS for length in lengths)
    return fits and source != target and not source.startswith(_LABELS)


def _cleaned(sentences: list[str]) -> list[str]:
    return [clean(sentence) for sentence in sentences]


def _split_of(page: Path) -> str:
    share = zlib.crc32(page.as_posix().encode()) % 20
    return {0: "test", 1: "validation"}.get(share, "train")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _paragraphs(html: str) -> list[str]:
    reader = _Reader()
    reader.feed(html)
    return [" ".join("".join(text).split()) for text in reader.paragraphs]


class _Reader(HTMLParser):
    """Collects the text within paragraphs and headings, whatever markup stands inside."""

    def __init__(self) -> None:
        super().__init__()
        self.paragraphs: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _PARAGRAPHS:
            self.paragraphs.append([])
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.paragraphs[-1].append(data)
