"""Chapter 4.3's live page in headless Chromium: its reward is learned as PyTorch would learn it."""

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Locator, Page

from companion.rl.human_preferences import gymnast, live, poses
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

CHAPTER = "chapters/rl/human_preferences.html"
LIVE = SITE / "live" / "rl" / "human_preferences"
FOLDER = "new URL(document.querySelector('.live').dataset.live, document.baseURI).href"
TASTES = ["handstands", "fast turns", "hanging still", "a bent body"]

pytest_plugins = ["tests.browser_site"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((LIVE / "bank.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def bank(stored: dict) -> live.Steps:
    return live.decode(stored["data"])


@pytest.fixture(scope="module")
def started(chromium: Browser, address: str) -> Iterator[Page]:
    """The live page, started once for all tests that use it."""
    visit = Visit(chromium, address, DESKTOP, "light")
    yield start_live(visit, CHAPTER)
    visit.close()


@pytest.fixture
def fresh(started: Page) -> Page:
    """The started page as it was at first."""
    choice(started, "Ask about", "the pair it doubts most").check()
    choice(started, "Or let somebody answer who likes", TASTES[0]).check()
    places(started).first.check()
    clear = press(started, "Start over")
    if clear.is_enabled():
        clear.click()
    return started


def press(page: Page, name: str) -> Locator:
    return page.locator(".live").get_by_role("button", name=name)


def choice(page: Page, group: str, option: str) -> Locator:
    group = page.get_by_role("group", name=group, exact=True)
    return group.get_by_role("radio", name=option, exact=True)


def places(page: Page) -> Locator:
    return page.locator(".taste-places").get_by_role("radio")


def after(page: Page, act: Callable[[], object]) -> dict:
    """Do `act`, and return the last report: all are made before it returns."""
    page.evaluate("results.length = 0")
    act()
    page.wait_for_function("results.length > 0")
    return page.evaluate("results.at(-1)")


def in_page(page: Page, module: str, body: str, *arguments: object) -> object:
    """What a function body gives that has the exports of `module` as `m` and `arguments` as `a`."""
    return page.evaluate(
        f"""async ([folder, a]) => {{ const m = await import(`${{folder}}{module}`); {body} }}""",
        [page.evaluate(FOLDER), arguments],
    )


# ---------------------------------------------------------------- the reward, against PyTorch


def torch_loss(weights: torch.Tensor, clips: torch.Tensor, preferences, counts) -> torch.Tensor:
    """The loss of one member, from the rewards of single steps.

    `clips` is (pairs, 2, steps, quantities): Bradley and Terry on sums, one answer in ten at
    random, a normal prior of the weights.
    """
    rewards = (clips @ weights).sum(dim=-1)
    chance = 0.9 * torch.sigmoid(rewards[:, 0] - rewards[:, 1]) + 0.05
    surprise = -preferences * chance.log() - (1 - preferences) * (1 - chance).log()
    return (counts * surprise).sum() + 5 * weights.square().sum()


def some_answers(seed: int) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(seed)
    clips = torch.randn(12, 2, 30, 9, generator=random, dtype=torch.float64)
    preferences = torch.tensor([1, 0, 0.5] * 4, dtype=torch.float64)
    counts = torch.tensor([0, 1, 1, 2, 3, 1] * 2, dtype=torch.float64)
    return clips, preferences, counts


def as_answers(clips: torch.Tensor, preferences: torch.Tensor) -> list[dict]:
    sums = clips.sum(dim=2)
    return [
        {"difference": (first - second).tolist(), "preference": preference}
        for (first, second), preference in zip(sums, preferences.tolist(), strict=True)
    ]


@pytest.mark.parametrize("size", [0.0, 0.05, 0.5])
def test_loss_and_gradient_are_pytorchs(fresh: Page, size: float) -> None:
    """From undecided to sure: a clip's reward is a sum, and wrong answers have a bounded price."""
    clips, preferences, counts = some_answers(3)
    weights = size * torch.randn(9, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    weights.requires_grad_()
    expected = torch_loss(weights, clips, preferences, counts)
    expected.backward()
    found = in_page(
        fresh,
        "reward.js",
        """const { loss, gradient } = m.lossAndGradient(Float64Array.from(a[0]), a[1], a[2]);
        return { loss, gradient: Array.from(gradient) };""",
        weights.tolist(),
        as_answers(clips, preferences),
        counts.tolist(),
    )
    assert found["loss"] == pytest.approx(expected.item(), rel=1e-9)
    np.testing.assert_allclose(found["gradient"], weights.grad, rtol=1e-9, atol=1e-9)


def test_a_fit_is_pytorchs_adam_on_each_members_own_sample(fresh: Page) -> None:
    clips, preferences, _ = some_answers(5)
    answers = as_answers(clips, preferences)
    samples = in_page(fresh, "reward.js", "return [0, 1, 2].map((n) => m.bootstrap(12, 7, n));")
    found = in_page(
        fresh,
        "reward.js",
        "return m.fit(a[0].map((one) => one), 9, 7).map((weights) => Array.from(weights));",
        answers,
    )
    assert len({tuple(sample) for sample in samples}) == 3
    for sample, member in zip(samples, found, strict=True):
        weights = torch.zeros(9, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([weights], 0.02)
        for _ in range(200):
            optimizer.zero_grad()
            torch_loss(weights, clips, preferences, torch.tensor(sample)).backward()
            optimizer.step()
        np.testing.assert_allclose(member, weights.detach(), rtol=1e-6, atol=1e-8)


def test_a_sample_draws_about_one_of_each_and_keeps_its_draws(fresh: Page) -> None:
    """As often 0 as a bootstrap leaves an answer out, 1 / e; a new answer changes no old count."""
    counts = in_page(fresh, "reward.js", "return m.bootstrap(4000, 1, 2);")
    assert np.mean(counts) == pytest.approx(1, abs=0.06)
    assert np.mean(np.array(counts) == 0) == pytest.approx(np.exp(-1), abs=0.03)
    assert in_page(fresh, "reward.js", "return m.bootstrap(10, 1, 2);") == counts[:10]


def test_chance_stays_between_one_and_nineteen_twentieths(fresh: Page) -> None:
    found = in_page(
        fresh, "reward.js", "return [-1e9, 0, 1e9].map((x) => m.preferenceProbability(x));"
    )
    assert found == pytest.approx([0.05, 0.5, 0.95])


def test_members_are_normalised_before_they_are_averaged(fresh: Page) -> None:
    """A member a thousand times as loud counts no more, and one that knows nothing counts 0."""
    steps = np.random.default_rng(0).standard_normal((500, 4))
    loud, quiet = np.array([1000.0, 0, 0, 0]), np.array([0, 0, 0.001, 0])
    found = in_page(
        fresh,
        "reward.js",
        "return Array.from(m.average(a[0].map((w) => Float64Array.from(w)), a[1]).mean);",
        [loud.tolist(), quiet.tolist(), [0, 0, 0, 0]],
        steps.tolist(),
    )
    scales = np.sqrt((steps**2).mean(axis=0))
    np.testing.assert_allclose(found, np.array([1 / scales[0], 0, 1 / scales[2], 0]) / 3)


# ---------------------------------------------------------------- what is seen


def observations_of(steps: np.ndarray) -> np.ndarray:
    return np.stack([gymnast.observe(each[..., :4].T) for each in steps])


def quantities_of(steps: np.ndarray) -> np.ndarray:
    """The nine quantities of each step, from what the world lets a policy see."""
    seen = observations_of(steps).astype(np.float64)
    cos_trunk, sin_trunk, cos_legs, sin_legs, trunk_speed, legs_speed = np.moveaxis(seen, -1, 0)
    return np.stack(
        [
            -cos_trunk,
            -cos_legs,
            sin_trunk,
            1 - cos_trunk * cos_legs - sin_trunk * sin_legs,
            np.abs(trunk_speed),
            np.abs(legs_speed),
            trunk_speed,
            *np.moveaxis(np.abs(steps[..., 4:]), -1, 0),
        ],
        axis=-1,
    )


def standardised(quantities: np.ndarray, of: np.ndarray) -> np.ndarray:
    return (quantities - of.mean(axis=(0, 1))) / of.std(axis=(0, 1))


def learned(result: dict, bank: live.Steps, steps: np.ndarray) -> np.ndarray:
    """The reward of steps, from the members that the page reports."""
    everywhere = quantities_of(bank)
    rewards = []
    for weights in np.array(result["members"]):
        scale = (standardised(everywhere, everywhere) @ weights).std()
        rewards.append(standardised(quantities_of(steps), everywhere) @ weights / scale)
    return np.mean(rewards, axis=0)


def test_the_page_reads_the_bank_and_its_quantities_as_python_does(
    fresh: Page, stored: dict, bank: live.Steps
) -> None:
    found = in_page(
        fresh,
        "bank.js",
        """const bank = m.openBank(a[0]);
        return bank.trajectories.map(({ steps, raw, seen, behaviour }) =>
          ({ steps, raw, behaviour, seen: seen.map((row) => Array.from(row)) }));""",
        stored,
    )
    np.testing.assert_allclose([one["steps"] for one in found], bank, atol=1e-12)
    raw = np.array([one["raw"] for one in found])
    np.testing.assert_allclose(raw, quantities_of(bank), atol=1e-5)
    standard = standardised(raw, raw)
    np.testing.assert_allclose([one["seen"] for one in found], standard, atol=1e-9)
    names = [name for name in stored["behaviours"] for _ in range(stored["each"])]
    assert [one["behaviour"] for one in found] == names


def test_the_gymnast_is_drawn_as_the_chapter_draws_it(
    fresh: Page, stored: dict, bank: live.Steps
) -> None:
    steps = bank[::7, ::9].reshape(-1, 6)
    found = in_page(
        fresh,
        "gymnast.js",
        """const names = ["arms", "torso", "head", "legs"];
        return a[0].map((step) => { const limbs = m.limbsOf(step, a[1]);
          return names.map((name) => limbs[name]); });""",
        steps.tolist(),
        stored["lengths"],
    )
    assert poses.GYMNAST_PARTS == ("arms", "torso", "head", "legs")
    expected = poses.gymnast_poses(observations_of(steps[None])[0])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_between_two_steps_an_angle_goes_the_shorter_way(fresh: Page) -> None:
    found = in_page(
        fresh,
        "gymnast.js",
        "return a[1].map((time) => m.poseAt(a[0], time));",
        [[3.1, -3.1], [-3.1, 3.1], [0, 0]],
        [0, 0.5, 1, 2.5],
    )
    turned = np.exp(1j * np.array(found))
    expected = [[3.1, -3.1], [np.pi, np.pi], [-3.1, 3.1], [0, 0]]
    np.testing.assert_allclose(turned, np.exp(1j * np.array(expected)), atol=1e-9)


# ---------------------------------------------------------------- what is learned


LEARN = """
  const { openBank } = await import(`${folder}bank.js`);
  const { TASTES } = await import(`${folder}quantities.js`);
  const bank = openBank(a[0]);
  return a[1].map((seed) => TASTES.map((taste) => {
    const learning = m.createLearning(bank, seed);
    learning.setDisputed(a[2]);
    learning.answerBy(taste, 20);
    const [right, all] = learning.tested(taste);
    return right / all;
  }));"""


def test_twenty_answers_teach_a_taste_and_doubt_asks_better_than_chance(
    fresh: Page, stored: dict
) -> None:
    """Over six seeds and four tastes, on pairs of trajectories that are never asked about."""
    disputed, at_random = (
        np.array(in_page(fresh, "learning.js", LEARN, stored, list(range(6)), way))
        for way in (True, False)
    )
    assert disputed.mean(axis=0).min() > 0.85
    assert disputed.mean() > 0.88
    assert disputed.mean() > at_random.mean()


def liking(bank: live.Steps, taste: str) -> np.ndarray:
    """What each trajectory is worth to a taste, on average a step."""
    trunk, legs, trunk_speed, legs_speed = np.moveaxis(bank[..., :4], -1, 0)
    return {
        "handstands": -1.2 * np.cos(trunk) - 0.9 * np.cos(legs),
        "fast turns": np.abs(trunk_speed),
        "hanging still": -np.abs(trunk_speed) - 0.5 * np.abs(legs_speed),
        "a bent body": 1 - np.cos(legs - trunk),
    }[taste].mean(axis=1)


@pytest.mark.parametrize("taste", TASTES)
def test_a_tastes_answers_bring_what_it_likes_to_the_top(
    fresh: Page, bank: live.Steps, taste: str
) -> None:
    choice(fresh, "Or let somebody answer who likes", taste).check()
    press(fresh, "10 answers by them").click()
    result = after(fresh, press(fresh, "10 answers by them").click)
    assert len(result["answers"]) == 20
    worth = liking(bank, taste)
    for answer in result["answers"]:
        ours, theirs = (
            liking(
                bank[None, clip["trajectory"], clip["start"] : clip["start"] + 30].astype(float),
                taste,
            )[0]
            for clip in answer["pair"]
        )
        assert answer["preference"] == (1 if ours > theirs else 0)
        assert all(clip["trajectory"] % 4 < 3 for clip in answer["pair"])  # none held out
    order = [one["trajectory"] for one in result["ranking"]]
    assert sorted(order) == list(range(len(bank)))
    assert result["shown"] == [*order[:3], order[-1]]
    liked = (worth - worth.mean()) / worth.std()
    assert liked[order[:3]].min() > 0 and liked[order[:3]].mean() > 0.5
    assert liked[order[-1]] < -0.5
    said = fresh.locator(".taste-said").inner_text()
    assert said.startswith(f"20 answers by somebody who likes {taste}. Of 400 pairs")


def test_the_reader_alone_is_told_what_was_foreseen_and_not_more(fresh: Page) -> None:
    said = fresh.locator(".taste-said")
    assert "Nothing has been learned yet" in said.inner_text()
    result = after(fresh, press(fresh, "Left is better").click)
    assert [one["by"] for one in result["answers"]] == ["you"]
    assert said.inner_text() == "1 answer."
    press(fresh, "Right is better").click()
    assert "The reward foresaw" in said.inner_text() and "of 1 before" in said.inner_text()
    press(fresh, "10 answers by them").click()
    assert "of more than one taste" in said.inner_text()
    assert "never asked about" not in said.inner_text()


def test_an_answer_taken_back_leaves_no_trace(fresh: Page) -> None:
    """Nor does a skip teach anything; and the same answers lead to the same reward and question."""
    first = after(fresh, press(fresh, "10 answers by them").click)
    press(fresh, "Equal").click()
    skipped = after(fresh, press(fresh, "Skip").click)
    assert [one["preference"] for one in skipped["answers"]][-1] == 0.5
    assert (len(skipped["answers"]), skipped["asked"]) == (11, 12)
    press(fresh, "Undo").click()
    back = after(fresh, press(fresh, "Undo").click)
    assert back == first
    empty = after(fresh, press(fresh, "Start over").click)
    assert empty["answers"] == [] and not np.any(empty["members"])
    assert press(fresh, "Undo").is_disabled()
    assert after(fresh, press(fresh, "10 answers by them").click) == first


def test_a_skip_changes_the_question_but_not_the_reward(fresh: Page) -> None:
    before = after(fresh, press(fresh, "10 answers by them").click)
    result = after(fresh, press(fresh, "Skip").click)
    assert result["members"] == before["members"] and result["pair"] != before["pair"]


def test_the_curve_and_the_order_are_the_reward(fresh: Page, bank: live.Steps) -> None:
    result = after(fresh, press(fresh, "10 answers by them").click)
    expected = learned(result, bank, bank)
    np.testing.assert_allclose(
        [one["reward"] for one in result["ranking"]],
        np.sort(expected.mean(axis=1))[::-1],
        atol=1e-4,
    )
    places(fresh).nth(3).check()
    points = fresh.locator(".taste-mean").get_attribute("points").split(" ")
    heights = [-float(point.split(",")[1]) for point in points]
    worst = expected[result["shown"][3]]
    np.testing.assert_allclose(heights, worst.clip(-4, 4), atol=1e-4)
    assert fresh.locator(".taste-member").count() == 3


def test_trained_policies_are_replayed_and_placed_by_the_readers_reward(
    fresh: Page, stored: dict, bank: live.Steps
) -> None:
    captions = fresh.locator("figcaption.taste-caption")
    assert "Your reward" not in captions.first.inner_text()
    result = after(fresh, press(fresh, "10 answers by them").click)
    others = np.array([one["reward"] for one in result["ranking"]])
    for episode in (1, 2, 0):
        press(fresh, "Another beginning").click()
        for policy, caption in zip(stored["policies"], captions.all(), strict=True):
            words = caption.inner_text()
            assert policy["name"] in words
            assert f"true return {policy['returns'][episode]:.1f}." in words
            reward = learned(result, bank, live.decode(policy["data"])[[episode]]).mean()
            # So near to another that rounding decides who is before whom.
            low, high = ((others > reward + aside).sum() for aside in (1e-4, -1e-4))
            assert low <= int(words.split("behind ")[1].split(" of")[0]) <= high


# ---------------------------------------------------------------- whom it serves


@pytest.mark.parametrize("visit", [(DESKTOP, "light")], indirect=True, ids=["desktop"])
def test_nothing_is_fetched_until_touched_and_no_webassembly_is_needed(visit: Visit) -> None:
    visit.context.add_init_script("delete window.WebAssembly")
    visit.open(CHAPTER)
    assert not [path for path in visit.answers if "/live/" in path]
    start_live(visit, CHAPTER)
    fetched = [path for path in visit.answers if "/live/rl/" in path]
    assert {path.split("/")[-1] for path in fetched} >= {"demo.js", "bank.json", "demo.css"}
    assert sum(visit.answers[path] for path in fetched) < 200_000
    assert not [path for path in visit.answers if "onnxruntime" in path]


def test_a_file_that_does_not_arrive_is_a_sentence_and_can_be_tried_again(visit: Visit) -> None:
    page = visit.open(CHAPTER)
    visit.context.route("**/bank.json", lambda route: route.fulfill(status=404))
    page.locator(".live-start").click()
    page.wait_for_selector('.live[data-state="failed"]')
    assert "bank.json could not be fetched" in page.inner_text(".live-status")
    visit.complaints.clear()  # the 404 itself
    visit.context.unroute("**/bank.json")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector('.live[data-state="running"]')


def test_the_keyboard_alone_answers(fresh: Page) -> None:
    press(fresh, "Left is better").focus()
    for key, preference in (("ArrowLeft", 1), ("ArrowRight", 0), ("e", 0.5), ("E", 0.5)):
        result = after(fresh, lambda key=key: fresh.keyboard.press(key))
        assert result["answers"][-1]["preference"] == preference
    assert after(fresh, lambda: fresh.keyboard.press("s"))["asked"] == 5
    assert after(fresh, lambda: fresh.keyboard.press("u"))["asked"] == 4
    # On a radio button the arrows choose, and do not answer.
    choice(fresh, "Or let somebody answer who likes", TASTES[0]).focus()
    fresh.evaluate("results.length = 0")
    fresh.keyboard.press("ArrowRight")
    assert choice(fresh, "Or let somebody answer who likes", TASTES[1]).is_checked()
    assert fresh.evaluate("results.length") == 0
    fresh.keyboard.press("Tab")
    result = after(fresh, lambda: fresh.keyboard.press("Enter"))
    assert len(result["answers"]) == 14 and result["answers"][-1]["by"] == TASTES[1]


def test_the_running_page_passes_axe_in_light_and_dark(fresh: Page) -> None:
    press(fresh, "10 answers by them").click()
    for theme in ("dark", "light"):
        show_theme(fresh, theme)
        assert accessibility_faults(fresh) == [], theme


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
def test_on_a_phone_a_finger_answers_and_nothing_overflows(visit: Visit) -> None:
    page = start_live(visit, CHAPTER)
    result = after(page, press(page, "Right is better").tap)
    assert result["answers"][0]["preference"] == 0
    assert len(after(page, press(page, "10 answers by them").tap)["answers"]) == 11
    places(page).nth(1).locator("..").tap()
    assert "along the second" in page.locator(".taste-curve").get_attribute("aria-label")
    assert overflowing(page) == []


def moves(page: Page) -> bool:
    """Whether the first gymnast's legs are elsewhere a moment later."""
    where = "document.querySelector('.taste-gymnast .taste-legs').getAttribute('x2')"
    page.locator(".taste-gymnast").first.scroll_into_view_if_needed()
    before = page.evaluate(where)
    page.wait_for_timeout(300)
    return page.evaluate(where) != before


def test_clips_rest_where_less_motion_is_asked_for_until_played(fresh: Page) -> None:
    first = fresh.locator(".taste-gymnast").first
    assert not moves(fresh)
    assert first.locator(".taste-legs").count() == 6  # poses of the whole clip
    press(fresh, "Play all clips").click()
    fresh.wait_for_function(
        "document.querySelector('.taste-gymnast').querySelectorAll('.taste-legs').length === 1"
    )
    assert moves(fresh)
    press(fresh, "Pause all clips").click()
    assert not moves(fresh)
