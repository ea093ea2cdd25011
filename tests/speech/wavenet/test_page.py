"""Chapter 2.1's live model in headless Chromium: what it makes is what onnxruntime makes."""

import json
from collections.abc import Iterator

import numpy as np
import onnxruntime
import pytest
import torch
from playwright.sync_api import Browser, Page

from companion.speech.wavenet.generate import draw
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

CHAPTER = "chapters/speech/wavenet.html"
LIVE = SITE / "live" / "speech" / "wavenet"

pytest_plugins = ["tests.browser_site"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def settings() -> dict:
    return json.loads((LIVE / "model.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def started(chromium: Browser, address: str) -> Iterator[Page]:
    """The live model, started once for all tests that use it."""
    visit = Visit(chromium, address, DESKTOP, "light")
    yield start_live(visit, CHAPTER)
    visit.close()


@pytest.fixture
def live(started: Page) -> Page:
    """The started live model, no report heard yet."""
    started.evaluate("results.length = 0")
    return started


def choose(page: Page, **fields: object) -> None:
    """Fill in the form: `voice`, `word`, `temperature`, `seed`."""
    live = page.locator(".live")
    for name, value in fields.items():
        if name == "voice":
            live.get_by_role("radio", name=value, exact=True).check()
        else:
            label = {"word": "A word of the lexicon"}.get(name, name.capitalize())
            live.get_by_label(label, exact=True).fill(str(value))


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def replay(settings: dict, result: dict) -> Iterator[tuple[int, np.ndarray, float]]:
    """Each code that the page made, the logits it was drawn from and the random number.

    Each step starts from what the page drew before it, so that the last digits of two machines'
    arithmetic do not add up.
    """
    graph = onnxruntime.InferenceSession(LIVE / "step.onnx")
    voices = [voice["id"] for voice in settings["voices"]]
    speaker = voices.index(result["voice"])
    runs = settings["tracks"][result["text"]][speaker]["runs"]
    phonemes = [phoneme for phoneme, samples in runs for _ in range(samples)]
    random = Random(result["seed"], 0)
    zeros = np.zeros(settings["channels"], np.float32)
    queues = [[zeros] * dilation for dilation in settings["dilations"]]
    previous = settings["silent_code"]
    for code, phoneme in zip(result["codes"], phonemes, strict=False):
        single = {"previous": previous, "speaker": speaker, "phoneme": phoneme}
        feeds = {name: np.array([[value]], np.float32) for name, value in single.items()}
        feeds["past"] = np.stack([queue[0] for queue in queues])[None]
        logits, now = graph.run(["logits", "now"], feeds)
        queues = [[*queue[1:], row] for queue, row in zip(queues, now[0], strict=True)]
        yield code, logits, random()
        previous = code


def test_a_word_is_the_networks_own_draw_by_draw(live: Page, settings: dict) -> None:
    choose(live, voice="Scottish woman", word="hello", temperature=0.9, seed=7)
    result = wait_for(live, "kind", "speech", lambda: press(live, "Say it"))
    asked = {"text": "hello", "voice": "en-gb-scotland+f3", "temperature": 0.9, "seed": 7}
    assert {name: result[name] for name in asked} == asked
    assert result["rate"] > 0
    runs = settings["tracks"]["hello"][4]["runs"]
    assert len(result["codes"]) == sum(samples for _, samples in runs)

    for index, (code, logits, noise) in enumerate(replay(settings, result)):
        if index < 200:
            expected = draw(torch.from_numpy(logits), torch.tensor([noise]), result["temperature"])
            assert code == expected.item(), f"sample {index}"
        # Later on a random number may lie nearer to an edge than two machines' last digits.
        scaled = logits[0].astype(np.float64) / result["temperature"]
        running = np.cumsum(np.exp(scaled - scaled.max()))
        low, high = np.array([0, *running])[[code, code + 1]] / running[-1]
        assert low - 1e-4 <= noise <= high + 1e-4, f"sample {index}"
    assert len(set(result["codes"])) > 10


def test_the_waveform_its_phonemes_the_speed_and_the_player_are_shown(live: Page) -> None:
    choose(live, voice="American man", word="hello", seed=1)
    result = wait_for(live, "kind", "speech", lambda: press(live, "Say it"))
    live.wait_for_selector(".live audio[src^='blob:']")
    points = live.locator(".live figure polygon").get_attribute("points").split()
    assert len(points) == 4 * 500  # every column of the waveform, above and below
    assert live.locator(".live figure [aria-hidden]").inner_text().split() == ["h", "ə", "l", "oʊ"]
    picture = live.locator(".live figure svg").get_attribute("aria-label")
    assert picture == "Waveform of “hello” in the voice “American man”; phonemes h ə l oʊ"
    seconds = len(result["codes"]) / 8000
    status = f"Made “hello” in the voice “American man”: {seconds:.2f} s of sound."
    assert live.locator(".live figure").evaluate("(e) => e.previousSibling.textContent") == status
    said = live.locator(".live figure").inner_text()
    assert f"{round(result['rate']):,} samples a second" in said
    slower = result["rate"] < 8000
    ratio = 8000 / result["rate"] if slower else result["rate"] / 8000
    compared = f"{ratio:.1f} times {'slower' if slower else 'faster'} than real time (8,000)"
    assert compared in said
    duration = "document.querySelector('.live audio').duration"
    live.wait_for_function(f"Math.abs({duration} - {seconds}) < 1e-3")


def test_the_sound_file_holds_the_samples_of_the_codes(live: Page) -> None:
    from companion.speech.wavenet.data import mu_law_decode

    choose(live, word="yes", seed=3)
    result = wait_for(live, "kind", "speech", lambda: press(live, "Say it"))
    live.wait_for_selector(".live audio[src^='blob:']")
    content = live.evaluate(
        "fetch(document.querySelector('.live audio').src).then((r) => r.arrayBuffer())"
        ".then((buffer) => [...new Uint8Array(buffer)])"
    )
    assert bytes(content[:4]) == b"RIFF" and bytes(content[8:16]) == b"WAVEfmt "
    assert int.from_bytes(content[24:28], "little") == 8000
    samples = np.frombuffer(bytes(content[44:]), "<i2") / 32767
    np.testing.assert_allclose(samples, mu_law_decode(torch.tensor(result["codes"])), atol=1e-4)


def test_another_take_is_the_next_seed_and_another_sound(live: Page) -> None:
    choose(live, voice="American woman", word="a", temperature=1, seed=4)
    first = wait_for(live, "kind", "speech", lambda: press(live, "Say it"))
    second = wait_for(live, "kind", "speech", lambda: press(live, "Another take"))
    assert (first["seed"], second["seed"]) == (4, 5)
    assert first["codes"] != second["codes"]
    choose(live, seed=4)
    again = wait_for(live, "kind", "speech", lambda: press(live, "Say it"))
    assert again["codes"] == first["codes"]


def test_a_word_outside_the_lexicon_gets_a_sentence_with_the_words_there_are(live: Page) -> None:
    choose(live, word="Elephant")
    result = wait_for(live, "kind", "refusal", lambda: press(live, "Say it"))
    assert result["why"].startswith("The model cannot say “elephant”")
    assert "the digits zero to nine; the letters a to z; yes, no, hello" in result["why"]
    assert live.get_by_text(result["why"]).get_attribute("role") == "status"
    choose(live, word="constructor")  # what every object has is no word
    assert wait_for(live, "kind", "refusal", lambda: press(live, "Say it"))["text"] == "constructor"
    choose(live, word="  Good   MORNING ")
    result = wait_for(live, "kind", "speech", lambda: press(live, "Say it"))
    assert result["text"] == "good morning"


def test_a_pair_that_training_never_had_is_named_as_such(live: Page, settings: dict) -> None:
    for unseen in (True, False):
        text = next(t for t, tracks in settings["tracks"].items() if tracks[0]["unseen"] is unseen)
        choose(live, voice="American man", word=text)
        wait_for(live, "kind", "speech", lambda: press(live, "Say it"))
        note = "Training had this word by the other voices only"
        assert live.get_by_text(note).is_visible() is unseen


def test_stop_keeps_what_there_is_and_the_next_word_is_whole(live: Page, settings: dict) -> None:
    choose(live, voice="American man", word="good morning")
    press(live, "Say it")
    live.wait_for_function("document.querySelector('.live figure polygon').points.length > 8")
    result = wait_for(live, "kind", "stopped", lambda: press(live, "Stop"))
    runs = settings["tracks"]["good morning"][0]["runs"]
    assert 0 < len(result["codes"]) < sum(samples for _, samples in runs)
    assert live.get_by_text("Stopped “good morning”").is_visible()
    assert live.get_by_role("button", name="Stop", exact=True).is_disabled()
    choose(live, word="e")
    whole = wait_for(live, "kind", "speech", lambda: press(live, "Say it"))
    assert len(whole["codes"]) == sum(n for _, n in settings["tracks"]["e"][0]["runs"])


def test_the_keyboard_alone_chooses_and_says(live: Page) -> None:
    live.locator(".live-start").evaluate("(e) => e.closest('.live').scrollIntoView()")
    live.get_by_role("radio", name="American man", exact=True).focus()
    live.keyboard.press("ArrowDown")  # the next voice
    live.keyboard.press("Tab")  # the word
    live.keyboard.press("Control+A")
    live.keyboard.type("no")
    result = wait_for(live, "kind", "speech", lambda: live.keyboard.press("Enter"))
    assert (result["voice"], result["text"]) == ("en-us+f2", "no")
    for _ in range(12):
        if live.evaluate("document.activeElement.textContent") == "Another take":
            break
        live.keyboard.press("Tab")
    seed = result["seed"]
    result = wait_for(live, "seed", seed + 1, lambda: live.keyboard.press("Space"))
    assert (result["kind"], result["text"]) == ("speech", "no")


def test_the_running_live_model_passes_axe_in_light_and_dark(live: Page) -> None:
    live.get_by_text("words of the lexicon").click()  # unfold them
    choose(live, word="no")
    wait_for(live, "kind", "speech", lambda: press(live, "Say it"))
    live.wait_for_selector(".live audio[src^='blob:']")
    for theme in ("dark", "light"):
        show_theme(live, theme)
        assert accessibility_faults(live) == [], theme
    live.get_by_text("words of the lexicon").click()


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
def test_on_a_phone_a_finger_picks_a_word_and_nothing_overflows(visit: Visit) -> None:
    page = start_live(visit, CHAPTER)
    page.get_by_text("words of the lexicon").tap()
    tap = page.get_by_role("button", name="seven", exact=True).tap
    assert wait_for(page, "kind", "speech", tap)["text"] == "seven"
    box = page.locator(".live figure svg").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= PHONE[1], "the waveform is out of sight"
    assert overflowing(page) == []


def test_a_browser_without_workers_is_told(visit: Visit) -> None:
    visit.context.add_init_script("delete window.Worker")
    page = visit.open(CHAPTER)
    page.locator(".live-start").click()
    page.wait_for_selector('.live[data-state="failed"]')
    assert "cannot run the model beside the page" in page.inner_text(".live-status")
