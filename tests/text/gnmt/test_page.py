"""Chapter 1.1's live model in headless Chromium: it finds what the chapter's search finds."""

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page

from companion.text.gnmt import live as shipped
from companion.text.gnmt.batches import make_sources
from companion.text.gnmt.beam import (
    SMALLEST_COVERAGE,
    Hypothesis,
    Search,
    coverage_penalty,
    length_penalty,
    search,
)
from companion.text.gnmt.data import load_grammar, tokenize
from companion.text.gnmt.model import Architecture, Memory, State, Translator
from companion.text.gnmt.wordpieces import BEGIN, END, WORD_START, Wordpieces, clean
from tests.browser_site import (
    DESKTOP,
    PHONE,
    SITE,
    Visit,
    accessibility_faults,
    overflowing,
    show_theme,
    start_live,
    wait_for,
)

CHAPTER = "chapters/text/gnmt.html"
LIVE = SITE / "live" / "text" / "gnmt"
SENTENCE = "An English sentence"
FOLDER = "new URL(document.querySelector('.live').dataset.live, document.baseURI).href"
TRANSLATION = ".live .live-translation"

pytest_plugins = ["tests.browser_site"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def settings() -> dict:
    return json.loads((LIVE / "model.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def loaded() -> tuple[Translator, Wordpieces]:
    return shipped.load_shipped()


@pytest.fixture(scope="module")
def started(chromium: Browser, address: str) -> Iterator[Page]:
    """The live model, started once for all tests that use it."""
    visit = Visit(chromium, address, DESKTOP, "light")
    yield start_live(visit, CHAPTER)
    visit.close()


@pytest.fixture
def live(started: Page, settings: dict) -> Page:
    """The started live model with the chapter's search, no report heard yet."""
    search_by(started, **{name: settings["search"][name] for name in ("width", "alpha", "beta")})
    started.evaluate("results.length = 0")
    return started


LABELS = {"width": "Beam width", "alpha": "Length penalty α", "beta": "Coverage penalty β"}


def search_by(page: Page, **values: float) -> None:
    """Set the sliders, which are hidden after a refusal; each that moves translates again."""
    page.get_by_label(SENTENCE, exact=True).fill("the cat sleeps .")
    if page.locator(".live .live-controls").is_hidden():
        wait_for(page, "kind", "translation", lambda: press(page, "Translate"))
    for name, value in values.items():
        slider = page.get_by_label(LABELS[name], exact=True)
        if float(slider.input_value()) != value:
            wait_for(page, name, value, lambda to=slider, value=value: to.fill(str(value)))


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def press_in(page: Page, group: str, name: str) -> None:
    buttons = page.get_by_role("group", name=group, exact=True)
    buttons.get_by_role("button", name=name, exact=True).click()


def translate(page: Page, text: str) -> dict:
    """What the page makes of a text that it can translate."""
    page.get_by_label(SENTENCE, exact=True).fill(text)
    return wait_for(page, "kind", "translation", lambda: press(page, "Translate"))


def find(loaded: tuple[Translator, Wordpieces], text: str, settings: Search) -> list[Hypothesis]:
    """What the chapter's own search finds."""
    model, vocabulary = loaded
    return search(model, *make_sources([vocabulary.encode(clean(text))]), settings)[0]


def with_end(hypothesis: Hypothesis) -> list[int]:
    """The pieces, and the end sign if it came, for which the attention has a row."""
    return [*hypothesis.pieces, END][: len(hypothesis.attention)]


def check_translation(result: dict, loaded: tuple[Translator, Wordpieces]) -> None:
    """The page's hypotheses are those of the chapter: pieces, scores and what they looked at."""
    asked = Search(width=result["width"], alpha=result["alpha"], beta=result["beta"])
    expected = find(loaded, result["text"], asked)
    assert result["translation"] == loaded[1].decode(expected[0].pieces)
    assert len(result["hypotheses"]) == len(expected)
    for one, other in zip(result["hypotheses"], expected, strict=True):
        assert one["pieces"] == with_end(other)
        assert one["score"] == pytest.approx(other.score, abs=1e-4)
        assert one["logProbability"] == pytest.approx(other.log_probability, abs=1e-4)
        np.testing.assert_allclose(one["attention"], other.attention, atol=1e-4, rtol=0)


# ---------------------------------------------------------------- what it computes

ODD = [
    "L\u2019arbre qu'aujourd'hui, d'accord",
    "The  Cat's  whiskers;\tand\u00a0so on...",
    "e\u0301te\u0301 \u00c9T\u00c9 na\u00efve",
    "x_y 3.5 \u00bd \u732b\u304c a-b-c '' ' d' ?!",
    "l'\u00e9cole presqu'il jusqu'\u00e0 quelqu'un",
    "<s> </s> <unk> \u2581 \u2581the",
    "",
]


def test_the_page_spells_sentences_as_the_chapter_does(
    live: Page, settings: dict, loaded: tuple[Translator, Wordpieces]
) -> None:
    pairs = load_grammar("test")
    texts = [*pairs.sources[:1000:25], *pairs.targets[:1000:100], *pairs.sources[3:9], *ODD]
    found = live.evaluate(
        """async ([folder, settings, texts]) => {
          const { openVocabulary, clean, encode, decode } = await import(`${folder}pieces.js`);
          const vocabulary = openVocabulary(settings);
          return texts.map((text) => {
            const { numbers } = encode(clean(text), vocabulary);
            return [clean(text), numbers, decode(numbers, vocabulary)];
          });
        }""",
        [live.evaluate(FOLDER), settings, texts],
    )
    vocabulary = loaded[1]
    for text, (cleaned, numbers, decoded) in zip(texts, found, strict=True):
        assert cleaned == clean(text)
        assert numbers == vocabulary.encode(clean(text)), text
        assert decoded == vocabulary.decode(numbers), text


def test_test_sentences_are_translated_as_by_the_chapters_search(
    live: Page, loaded: tuple[Translator, Wordpieces]
) -> None:
    for sentence in load_grammar("test").sources[:2000:170]:
        result = translate(live, sentence)
        assert result["source"] == [*loaded[1].encode(sentence), END]
        check_translation(result, loaded)
        assert live.locator(TRANSLATION).inner_text() == result["translation"]


@pytest.mark.parametrize(
    "values",
    [
        {"width": 1},
        {"width": 8, "alpha": 1.5},
        {"width": 2, "alpha": 0, "beta": 0},
        {"width": 3, "beta": 1},
    ],
)
def test_the_sliders_set_the_search(
    live: Page, loaded: tuple[Translator, Wordpieces], values: dict
) -> None:
    search_by(live, **values)
    result = translate(live, load_grammar("test").sources[10])
    assert {name: result[name] for name in values} == values
    check_translation(result, loaded)


def test_a_longest_translation_is_cut_where_the_chapter_cuts_it(
    live: Page, loaded: tuple[Translator, Wordpieces]
) -> None:
    sentence = " ".join(["cat"] * 30)
    result = translate(live, sentence)
    check_translation(result, loaded)
    assert result["count"] <= 2 * len(result["source"]) + 10


def test_of_several_wishes_while_it_works_the_last_counts(
    live: Page, loaded: tuple[Translator, Wordpieces]
) -> None:
    texts = load_grammar("test").sources[20:24]
    wish = """(texts) => {
      const field = document.querySelector(".live .live-text-input");
      for (const text of texts) {
        field.value = text;
        field.dispatchEvent(new Event("input"));
        field.form.requestSubmit();
      }
    }"""
    wait_for(live, "text", texts[-1], lambda: live.evaluate(wish, texts))
    results = live.evaluate("results")
    assert [one["text"] for one in results] == [texts[0], texts[-1]]
    check_translation(results[-1], loaded)


class Chain:
    """A stand-in for a `Translator` whose step t depends on the last piece alone, by table t."""

    def __init__(self, seed: int, steps: int = 20, pieces: int = 9, source: int = 5):
        stream = torch.Generator().manual_seed(seed)
        scores = torch.randn(steps, pieces, pieces, generator=stream)
        looks = torch.randn(steps, pieces, source, generator=stream)
        self.log_probabilities = scores.log_softmax(dim=2)
        self.attention = (3 * looks).softmax(dim=2)
        self.attention[:, :, 1] = 0  # a piece that is never looked at
        self.architecture = Architecture(pieces)

    def encode(self, sources, lengths):
        nothing = torch.zeros(*sources.shape, 1)
        return Memory(nothing, nothing, torch.ones_like(sources, dtype=torch.bool))

    def start(self, batch, like):
        return State(torch.zeros(batch, 1, 1), torch.zeros(batch, 1, 1))

    def step(self, pieces, memory, state):
        time = int(state.h[0, 0, 0])
        tables = self.log_probabilities[time], self.attention[time]
        return *(table[pieces] for table in tables), State(state.h + 1, state.c)


@pytest.mark.parametrize("seed", range(6))
def test_the_beam_is_the_chapters_where_end_signs_abound_and_a_piece_is_never_read(
    live: Page, seed: int
) -> None:
    chain, asked = Chain(seed), Search(width=3)
    source = chain.attention.shape[2]
    length = torch.tensor([source])
    expected = search(chain, torch.zeros(1, source).long(), length, asked)[0]
    found = live.evaluate(
        """async ([folder, logProbabilities, attention, settings]) => {
          const { beamSearch } = await import(`${folder}beam.js`);
          const step = (pieces, rows, time) => ({
            logProbabilities: pieces.flatMap((piece) => logProbabilities[time][piece]),
            attention: pieces.map((piece) => attention[time][piece]),
            state: time + 1,
          });
          return (await beamSearch(step, 0, settings)).hypotheses;
        }""",
        [
            live.evaluate(FOLDER),
            chain.log_probabilities.tolist(),
            chain.attention.tolist(),
            {
                "width": asked.width,
                "alpha": asked.alpha,
                "beta": asked.beta,
                "smallestCoverage": SMALLEST_COVERAGE,
                "begin": BEGIN,
                "end": END,
                "longest": int(asked.longest(length)),
                "sourceLength": source,
            },
        ],
    )
    assert [one["pieces"] for one in found] == [with_end(one) for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["score"] == pytest.approx(other.score, abs=1e-4)


# ---------------------------------------------------------------- what it shows


def table(page: Page, name: str) -> list[list[str]]:
    """The texts of a table's cells, row by row, the head among them."""
    rows = page.locator(f".live table.{name} tr")
    return rows.evaluate_all("(rows) => rows.map((r) => [...r.cells].map((c) => c.textContent))")


def number(text: str) -> float:
    return float(text.replace("\u2212", "-"))


def word_groups(vocabulary: Wordpieces, numbers: list[int]) -> list[list[int]]:
    """Indices of the pieces of each word; the end sign stands alone."""
    groups: list[list[int]] = []
    for index, piece in enumerate(numbers):
        starts = piece == END or vocabulary.pieces[piece].startswith(WORD_START)
        if starts or not groups:
            groups.append([])
        groups[-1].append(index)
    return groups


def test_the_attention_map_shows_words_and_pieces(
    live: Page, loaded: tuple[Translator, Wordpieces]
) -> None:
    vocabulary = loaded[1]
    result = translate(live, "the wizard didn't see the old doctors .")
    best = result["hypotheses"][0]
    weights = np.array(best["attention"])
    rows = word_groups(vocabulary, best["pieces"])
    columns = word_groups(vocabulary, result["source"])
    assert len(columns) < len(result["source"])  # or it would show nothing

    head, *body = table(live, "live-heat")
    assert head == ["", *clean(result["text"]).split(), "(end)"]
    assert [row[0] for row in body] == [*result["translation"].split(), "(end)"]
    by_words = [[weights[row][:, column].sum(axis=1).mean() for column in columns] for row in rows]
    shown = np.array([[int(cell.rstrip("%")) for cell in row[1:]] for row in body])
    np.testing.assert_allclose(shown, 100 * np.array(by_words), atol=0.5 + 1e-3)
    cells = live.locator(".live-heat tbody td")
    colours = cells.evaluate_all("(all) => all.map((e) => getComputedStyle(e).backgroundColor)")
    order = np.argsort(shown.flatten())
    assert colours[order[0]] != colours[order[-1]]

    live.get_by_role("radio", name="pieces", exact=True).check()
    head, *body = table(live, "live-heat")
    assert head[1:-1] == [vocabulary.pieces[piece] for piece in result["source"][:-1]]
    shown = np.array([[int(cell.rstrip("%")) for cell in row[1:]] for row in body])
    np.testing.assert_allclose(shown, 100 * weights, atol=0.5 + 1e-3)
    live.get_by_role("radio", name="words", exact=True).check()


def test_the_beam_is_shown_after_each_piece_with_the_parts_of_its_scores(
    live: Page, loaded: tuple[Translator, Wordpieces]
) -> None:
    result = translate(live, "she didn't give the white umbrella to the old doctor .")
    rows = table(live, "live-beam")[1:]
    ended = [row for row in rows if row[0].endswith(" ended")]
    assert len(ended) == len(result["hypotheses"])
    for row, one in zip(ended, result["hypotheses"], strict=True):
        assert row[0] == f"{loaded[1].decode(one['pieces'])} ended"
        score, log_probability, penalty, covered = map(number, row[1:])
        attention = torch.tensor(one["attention"])
        mask = torch.ones(attention.shape[1], dtype=torch.bool)
        expected = coverage_penalty(attention, mask, result["beta"])
        assert covered == pytest.approx(expected.item(), abs=0.006)
        expected = length_penalty(len(one["pieces"]), result["alpha"])
        assert penalty == pytest.approx(expected, abs=0.006)
        assert log_probability == pytest.approx(one["logProbability"], abs=0.006)
        assert score == pytest.approx(one["score"], abs=0.006)
    scores = [number(row[1]) for row in rows]
    assert scores == sorted(scores, reverse=True)

    slider = live.get_by_label("Pieces written", exact=True)
    assert slider.input_value() == slider.get_attribute("max") == str(result["count"])
    slider.fill("1")
    rows = table(live, "live-beam")[1:]
    assert len(rows) == result["width"]
    assert not any(row[0].endswith("ended") for row in rows)
    assert live.locator(".live-beam caption").inner_text() == "After 1 piece, best score first"
    assert live.locator(".live-slider output", has_text=" of ").inner_text() == (
        f"1 of {result['count']}"
    )


def test_the_beam_grows_before_the_readers_eyes_until_it_is_touched(live: Page) -> None:
    count = translate(live, "the cat sleeps .")["count"]
    live.emulate_media(reduced_motion="no-preference")
    slider = live.get_by_label("Pieces written", exact=True)
    slider.evaluate(
        "(e) => { window.seen = []; e.addEventListener('input', () => seen.push(Number(e.value))) }"
    )
    press(live, "Grow again")
    live.wait_for_function("(last) => seen.at(-1) === last", arg=count)
    assert live.evaluate("seen") == list(range(1, count + 1))
    press(live, "Grow again")
    slider.press("Home")
    live.wait_for_timeout(400)
    assert slider.input_value() == "1"
    live.emulate_media(reduced_motion="reduce")


# ---------------------------------------------------------------- how a sentence is written


def offered(page: Page) -> list[str]:
    group = page.get_by_role("group", name="Words that may come next", exact=True)
    return group.get_by_role("button").all_inner_texts()


def test_words_at_hand_make_a_sentence_and_its_mark_translates_it(
    live: Page, settings: dict, loaded: tuple[Translator, Wordpieces]
) -> None:
    press(live, "Clear")
    first = [settings["words"][index] for index in settings["followers"][""]]
    assert offered(live) == first
    live.get_by_text("words of the training sentences").click()
    for word in ("the", "cats", "sleep"):
        press_in(live, "First letters", word[0])
        press_in(live, f"Words with {word[0]}", word)
        followers = settings["followers"][word]
        assert offered(live) == [settings["words"][index] for index in followers]
    live.get_by_text("words of the training sentences").click()
    assert live.get_by_label(SENTENCE, exact=True).input_value() == "the cats sleep "
    result = wait_for(
        live, "kind", "translation", lambda: press_in(live, "Words that may come next", ".")
    )
    assert result["text"] == "the cats sleep . "
    check_translation(result, loaded)


def test_the_word_list_holds_every_word_of_the_training_sentences(live: Page) -> None:
    words = {w for s in load_grammar("train").sources for w in tokenize(s) if w[0].isalpha()}
    summary = live.get_by_text("words of the training sentences")
    assert f"All {len(words):,} words" in summary.inner_text()
    summary.click()
    letters = live.get_by_role("group", name="First letters", exact=True).get_by_role("button")
    shown = []
    for letter in letters.all():
        letter.click()
        group = live.get_by_role("group", name=f"Words with {letter.inner_text()}", exact=True)
        shown += group.get_by_role("button").all_inner_texts()
    summary.click()
    assert shown == sorted(words)


def test_a_begun_word_is_completed(live: Page) -> None:
    field = live.get_by_label(SENTENCE, exact=True)
    field.fill("she saw the umb")
    assert offered(live) == ["umbrella", "umbrellas"]
    press(live, "umbrella")
    assert field.input_value() == "she saw the umbrella "
    field.fill("she saw the umbrella.")
    assert offered(live) == []
    field.fill("the constructor ")  # what every object has is no word
    assert offered(live) == []


def test_unknown_words_are_named_and_translated_from_their_pieces(
    live: Page, loaded: tuple[Translator, Wordpieces]
) -> None:
    result = translate(live, "The wizard saw 猫 .")
    check_translation(result, loaded)
    note = live.locator(".live [role=status] .live-help").inner_text()
    assert "Training held no “wizard”, “猫”" in note
    assert "It cannot even read “猫”." in note
    translate(live, "the cat saw her .")
    assert live.locator(".live [role=status] .live-help").inner_text() == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("  ", "Write an English sentence first."),
        ("猫 が いる", "in no script or words that the model knows"),
        ("the cat " * 49 + "the cats", "reads at most 99. Split it into shorter sentences."),
    ],
)
def test_what_cannot_be_translated_gets_a_sentence(live: Page, text: str, why: str) -> None:
    live.get_by_label(SENTENCE, exact=True).fill(text)
    result = wait_for(live, "kind", "refusal", lambda: press(live, "Translate"))
    assert why in result["why"]
    assert live.get_by_text(result["why"]).is_visible()
    assert live.locator(".live table.live-heat").is_hidden()
    assert live.locator(TRANSLATION).inner_text() == ""


# ---------------------------------------------------------------- whom it serves


def tab_to(page: Page, reached: Callable[[], bool]) -> None:
    for _ in range(60):
        if reached():
            return
        page.keyboard.press("Tab")
    pytest.fail("the keyboard does not get there")


def test_the_keyboard_alone_writes_and_searches(
    live: Page, loaded: tuple[Translator, Wordpieces]
) -> None:
    live.get_by_label(SENTENCE, exact=True).focus()
    live.keyboard.press("Control+A")
    live.keyboard.type("the ")
    first = offered(live)[0]
    focused = "document.activeElement.textContent"
    tab_to(live, lambda: live.evaluate(focused) == first)
    live.keyboard.press("Enter")
    assert live.get_by_label(SENTENCE, exact=True).input_value() == f"the {first} "
    assert live.evaluate(focused) == offered(live)[0]  # not lost with the buttons it was on
    live.get_by_label(SENTENCE, exact=True).focus()
    live.keyboard.press("End")
    live.keyboard.type("sleeps .")
    result = wait_for(live, "kind", "translation", lambda: live.keyboard.press("Enter"))
    assert result["text"] == f"the {first} sleeps ."
    width = "document.activeElement.labels?.[0]?.textContent === 'Beam width'"
    tab_to(live, lambda: live.evaluate(width))
    result = wait_for(live, "width", result["width"] + 1, lambda: live.keyboard.press("ArrowRight"))
    check_translation(result, loaded)


def test_the_running_live_model_passes_axe_in_light_and_dark(live: Page) -> None:
    live.get_by_text("words of the training sentences").click()  # unfold them
    translate(live, "The wizard saw the white umbrella .")
    live.get_by_label(SENTENCE, exact=True).fill("the ")
    for theme in ("dark", "light"):
        show_theme(live, theme)
        assert accessibility_faults(live) == [], theme
    live.get_by_text("words of the training sentences").click()


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
def test_on_a_phone_a_finger_picks_an_example_and_nothing_overflows(
    visit: Visit, settings: dict
) -> None:
    page = start_live(visit, CHAPTER)
    example = settings["examples"][0]
    tap = page.get_by_role("button", name=example, exact=True).tap
    result = wait_for(page, "kind", "translation", tap)
    assert result["text"] == example
    page.wait_for_function(
        """(text) => {
          const said = document.querySelector(".live .live-translation");
          const { top, bottom } = said.getBoundingClientRect();
          return said.textContent === text && top >= -1 &&
            bottom <= innerHeight + 1;  // it scrolls by whole pixels
        }""",
        arg=result["translation"],
    )
    assert overflowing(page) == []


def test_a_network_that_fails_says_so_and_the_page_stays_usable(
    visit: Visit, settings: dict
) -> None:
    other = json.dumps({**settings, "hidden": settings["hidden"] + 1})
    visit.context.route("**/gnmt/model.json", lambda route: route.fulfill(body=other))
    page = start_live(visit, CHAPTER)
    result = wait_for(page, "kind", "refusal", lambda: press(page, "Translate"))
    assert result["why"].startswith("The model failed: ")
    assert page.get_by_text(result["why"]).is_visible()
