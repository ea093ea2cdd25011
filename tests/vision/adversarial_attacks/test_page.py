"""Chapter 3.11's live model in headless Chromium: its attacks are the chapter's."""

import base64
import io
import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Locator, Page
from torch import nn

from companion.vision.adversarial_attacks import attacks, stored
from companion.vision.adversarial_attacks.live import load_shipped
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

CHAPTER = "chapters/vision/adversarial_attacks.html"
LIVE = SITE / "live" / "vision" / "adversarial_attacks"
FOLDER = "new URL(document.querySelector('.live').dataset.live, document.baseURI).href"
ONE_STEP, TEN_STEPS, TWENTY_STEPS = "FGSM (1 step)", "PGD (10 steps)", "PGD (20 steps)"

pytest_plugins = ["tests.browser_site"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def networks() -> list[nn.Module]:
    return [load_shipped("plain"), load_shipped("pgd")]


@pytest.fixture(scope="module")
def started(chromium: Browser, address: str) -> Iterator[Page]:
    """The live model, started once for all tests that use it."""
    visit = Visit(chromium, address, DESKTOP, "light")
    page = start_live(visit, CHAPTER)
    page.get_by_text("More: where it starts").click()
    yield page
    visit.close()


@pytest.fixture
def live(started: Page) -> Page:
    """The started live model with our 3 on the pad, one step of FGSM at 0.15, nothing else."""
    for group, option in (
        ("PGD starts", "at the digit"),
        ("Gradient of", "each network itself"),
        ("Attack", ONE_STEP),
    ):
        radio = choice(started, group, option)
        if radio.is_enabled():
            radio.check()
    started.get_by_label("The attack wants").select_option("any other answer")
    move_epsilon(started, 0.15)
    take(started, 3)
    started.evaluate("results.length = 0")
    return started


def choice(page: Page, group: str, option: str) -> Locator:
    return page.get_by_role("group", name=group, exact=True).get_by_role("radio", name=option)


def after(page: Page, act: Callable[[], object], **wanted: object) -> dict:
    """Do `act`, and return the first report of an attack after it that is what is `wanted`."""
    page.evaluate("results.length = 0")
    act()
    found = page.wait_for_function(
        """(wanted) => results.find((result) => result.kind === "attack" &&
          Object.entries(wanted).every(([name, value]) => result[name] === value))""",
        arg=wanted,
    )
    return found.json_value()


def take(page: Page, digit: int) -> dict:
    press = page.get_by_role("button", name=f"Take our {digit}", exact=True).click
    return after(page, press, digit=digit)


def move_epsilon(page: Page, epsilon: float) -> dict:
    slider = page.locator(".live").get_by_label("Epsilon, the most")
    return after(page, lambda: slider.fill(str(epsilon)), epsilon=epsilon)


def to_images(values: list[float]) -> torch.Tensor:
    return torch.tensor(values).reshape(1, 1, 28, 28)


@torch.no_grad()
def logits_of(network: nn.Module, values: list[float]) -> np.ndarray:
    return network(to_images(values))[0].numpy()


def check_result(result: dict, networks: list[nn.Module]) -> None:
    """Within epsilon and [0, 1], and read as PyTorch reads the same images."""
    drawing = np.array(result["drawing"])
    for network, one in zip(networks, result["networks"], strict=True):
        image = np.array(one["image"])
        assert np.abs(image - drawing).max() <= result["epsilon"] + 1e-6
        assert image.min() >= 0 and image.max() <= 1
        for read, values in ((one["clean"], result["drawing"]), (one["read"], one["image"])):
            expected = logits_of(network, values)
            np.testing.assert_allclose(read["logits"], expected, atol=1e-4, rtol=1e-4)
            assert read["answer"] == expected.argmax()
            assert sum(read["probabilities"]) == pytest.approx(1)


def check_fgsm(
    result: dict, victims: list[nn.Module], labels: list[int], towards: bool = False
) -> None:
    """The images are PyTorch's, but for pixels with so small a gradient that rounding may turn it.

    A gradient of exactly 0, where no unit sees the paper, is no such pixel: it must not move.
    """
    drawing = to_images(result["drawing"])
    for victim, label, one in zip(victims, labels, result["networks"], strict=True):
        aim = torch.tensor([label])
        gradient = attacks.input_gradient(victim, drawing, aim).abs()
        sure = (gradient > 1e-5 * gradient.max()) | (gradient == 0)
        assert sure.double().mean() > 0.9
        targets = aim if towards else None
        expected = attacks.fgsm(victim, drawing, aim, result["epsilon"], targets=targets)
        difference = (to_images(one["image"]) - expected).abs()
        assert difference[sure].max() <= 1e-4


# ---------------------------------------------------------------- the drawing


def rasterise(page: Page, *drawings: list) -> list[np.ndarray]:
    """What the page makes of drawings, lists of strokes."""
    found = page.evaluate(
        """async ([folder, drawings]) => {
          const { toImage } = await import(`${folder}digit.js`);
          return drawings.map((strokes) => Array.from(toImage(strokes)));
        }""",
        [page.evaluate(FOLDER), drawings],
    )
    return [np.array(values).reshape(28, 28) for values in found]


def centre_of_mass(image: np.ndarray) -> np.ndarray:
    pixels = np.indices(image.shape) + 0.5  # rows, columns
    return (pixels * image).sum(axis=(1, 2)) / image.sum()


def test_a_straight_line_is_a_pen_of_two_pixels_in_the_middle(live: Page) -> None:
    """2.4 pixels across, 20 high: a closed form."""
    (image,) = rasterise(live, [[[70, 5], [70, 95]]])
    np.testing.assert_allclose(image[8:20, 12:16], [[0.2, 1, 1, 0.2]] * 12, atol=1e-5)
    assert image[:, :12].max() == image[:, 16:].max() == 0
    rows = np.flatnonzero(image.max(axis=1))
    assert (rows[0], rows[-1]) == (4, 23)


def test_size_and_place_on_the_pad_do_not_matter(live: Page) -> None:
    line = [[20.0, 30.0], [60.0, 25.0], [35.0, 85.0]]
    moved = [[5 + x / 2, 40 + y / 2] for x, y in line]
    first, second = rasterise(live, [line], [moved])
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_a_drawing_has_its_mass_in_the_middle_and_its_ink_inside(live: Page) -> None:
    for digit in range(10):
        image = np.array(take(live, digit)["drawing"]).reshape(28, 28)
        np.testing.assert_allclose(centre_of_mass(image), 14, atol=0.1)
        inked = [np.flatnonzero(image.max(axis=axis)) for axis in (0, 1)]
        assert max(places[-1] - places[0] + 1 for places in inked) in (20, 21, 22)
    blob = [[x, y] for x in range(10, 30, 2) for y in range(10, 30, 2)]
    (lopsided,) = rasterise(live, [blob, [[30, 30], [95, 95]]])
    assert lopsided[-1, :].max() < 1 and lopsided[:, -1].max() < 1  # not cut off
    (dot,) = rasterise(live, [[[50, 50], [51, 50]]])
    assert 0 < dot.sum() < 30


# ---------------------------------------------------------------- the attacks


@pytest.mark.parametrize("epsilon", [0.05, 0.3])
def test_fgsm_is_pytorchs_on_the_shipped_weights(
    live: Page, networks: list[nn.Module], epsilon: float
) -> None:
    move_epsilon(live, epsilon)
    fooled = []
    for digit in range(10):
        result = take(live, digit)
        check_result(result, networks)
        check_fgsm(result, networks, [digit, digit])
        fooled.append([one["read"]["answer"] != digit for one in result["networks"]])
    if epsilon == 0.3:
        assert np.sum(fooled, axis=0)[0] > np.sum(fooled, axis=0)[1]


def test_our_digits_are_read_right_by_both_networks_when_untouched(
    live: Page, networks: list[nn.Module]
) -> None:
    move_epsilon(live, 0)
    for digit in range(10):
        result = take(live, digit)
        check_result(result, networks)
        for one in result["networks"]:
            assert one["image"] == result["drawing"]
            assert one["clean"] == one["read"]
            assert one["read"]["answer"] == digit
    said = live.locator(".attack-said").first.inner_text()
    assert said.startswith("Untouched, the plain network says 9 (")


def test_pgd_raises_the_loss_as_far_as_the_chapters(live: Page, networks: list[nn.Module]) -> None:
    """From the digit itself, so that both climb from one point; a few signs may differ."""
    fgsm = take(live, 8)
    result = after(live, choice(live, "Attack", TWENTY_STEPS).check, steps=20)
    check_result(result, networks)
    label = torch.tensor([8])
    size = {"steps": 20, "step_size": 2.5 * 0.15 / 20}
    for network, one, step in zip(networks, result["networks"], fgsm["networks"], strict=True):
        theirs = attacks.iterated_fgsm(network, to_images(result["drawing"]), label, 0.15, **size)

        def loss(image: torch.Tensor, network: nn.Module = network) -> float:
            return nn.functional.cross_entropy(network(image), label).item()

        found = loss(to_images(one["image"]))
        assert found == pytest.approx(loss(theirs), rel=0.05, abs=0.01)
        assert found > loss(to_images(step["image"])) - 1e-3


FALSE_GRAPH = """async ([folder, image, wish]) => {
  const { attack } = await import(`${folder}attack.js`);
  const graph = async ({ image, label }) => {
    const aim = label.data.indexOf(1);
    return { gradient: image.data.map((value, index) => Math.cos(40 * value + index + aim)) };
  };
  return Array.from(await attack(graph, Float32Array.from(image), 3, wish));
}"""


@pytest.mark.parametrize("steps", [1, 10, 20])
@pytest.mark.parametrize("seed", [None, 1, 5])
@pytest.mark.parametrize("target", [None, 6])
def test_steps_projection_and_random_start_are_those_of_the_paper(
    live: Page, steps: int, seed: int | None, target: int | None
) -> None:
    """Against the same attack written here, on a gradient known in closed form."""
    epsilon = 0.2
    image = np.random.default_rng(0).choice([0, 0.1, 0.5, 1], 784).astype(np.float32)
    wish = {"epsilon": epsilon, "steps": steps, "seed": seed, "target": target}
    found = live.evaluate(FALSE_GRAPH, [live.evaluate(FOLDER), image.tolist(), wish])

    low, high = np.maximum(image - epsilon, 0), np.minimum(image + epsilon, 1)
    current = image
    if seed is not None and steps > 1:
        random = Random(seed, 0)
        noise = np.array([2 * random() - 1 for _ in image])
        current = (image + epsilon * noise).clip(low, high)
    stride = epsilon if steps == 1 else 2.5 * epsilon / steps
    for _ in range(steps):
        aim = 3 if target is None else target
        sign = np.sign(np.cos(40 * current + np.arange(784) + aim))
        current = current + (stride if target is None else -stride) * sign
        current = current.clip(low, high).astype(np.float32)
    # Where the cosine is nearly 0 the last digit of single precision may turn a sign.
    assert (np.abs(np.array(found) - current) < 1e-5).mean() > 0.99


def test_a_random_start_is_another_at_each_press_and_fgsm_has_none(
    live: Page, networks: list[nn.Module]
) -> None:
    another = live.get_by_role("button", name="Another random point")
    random = choice(live, "PGD starts", "at a random point")
    assert another.is_disabled() and random.is_disabled()
    plain = after(live, choice(live, "Attack", TEN_STEPS).check, steps=10)
    assert another.is_disabled() and random.is_enabled()
    results = [after(live, random.check, steps=10)]
    results += [after(live, another.click, seed=results[0]["seed"] + 1)]
    for result in results:
        check_result(result, networks)
    images = [one["networks"][0]["image"] for one in (plain, *results)]
    assert images[0] != images[1] != images[2]


def test_a_target_is_approached_and_the_label_can_be_each_networks_own(
    live: Page, networks: list[nn.Module]
) -> None:
    wants = live.get_by_label("The attack wants")
    result = after(live, lambda: wants.select_option("8"), target=8)
    check_result(result, networks)
    check_fgsm(result, networks, [8, 8], towards=True)
    for one in result["networks"]:
        assert one["read"]["probabilities"][8] > one["clean"]["probabilities"][8]
    wants.select_option("any other answer")
    drawn = live.get_by_label("The drawing is")
    assert drawn.input_value() == "3"
    result = after(live, lambda: drawn.select_option("5"), digit=5)
    check_fgsm(result, networks, [5, 5])
    result = after(live, lambda: drawn.select_option("what the network says"), digit=None)
    check_fgsm(result, networks, [one["clean"]["answer"] for one in result["networks"]])


def test_one_image_may_attack_both_networks(live: Page, networks: list[nn.Module]) -> None:
    plain = choice(live, "Gradient of", "the plain network, for both")
    result = after(live, plain.check, shared=True)
    check_result(result, networks)
    first, second = result["networks"]
    assert first["image"] == second["image"]
    check_fgsm(result, [networks[0]] * 2, [3, 3])


# ---------------------------------------------------------------- what it shows


def pixels_of(canvas: Locator) -> np.ndarray:
    """A canvas's colours, (height, width, 3)."""
    encoded = canvas.evaluate("(canvas) => canvas.toDataURL('image/png')").split(",")[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))


def words(probability: float) -> str:
    if probability > 0.99:
        return "over 99%"
    return "under 1%" if probability < 0.01 else f"{int(100 * probability + 0.5)}%"


def test_the_cards_show_image_change_and_probabilities(live: Page) -> None:
    result = move_epsilon(live, 0.3)
    drawing = np.array(result["drawing"])
    said = []
    for index, one in enumerate(result["networks"]):
        card = live.locator(".attack-card").nth(index)
        image = np.array(one["image"])
        shown = pixels_of(card.locator("canvas").nth(0)).reshape(784, 3)
        np.testing.assert_allclose(shown, 255 * (1 - image[:, None]).repeat(3, 1), atol=0.51)
        shown = pixels_of(card.locator("canvas").nth(1)).reshape(784, 3)
        change = (image - drawing) / 0.3
        assert (shown[change > 0.99] == [194, 71, 10]).all() and (change > 0.99).any()
        assert (shown[change < -0.99] == [11, 93, 130]).all() and (change < -0.99).any()
        assert (shown[change == 0] == 255).all()

        read, clean = one["read"], one["clean"]
        best = words(read["probabilities"][read["answer"]])
        assert card.locator(".attack-answer").inner_text() == f"{read['answer']}, {best}"
        before = words(clean["probabilities"][clean["answer"]])
        assert card.locator(".attack-before").inner_text() == f"before: {clean['answer']}, {before}"
        heights = card.locator(".attack-bar").evaluate_all(
            "(bars) => bars.map((e) => e.getBoundingClientRect().height"
            " / e.parentElement.clientHeight)"
        )
        np.testing.assert_allclose(heights, read["probabilities"], atol=0.02)
        still = "still says" if read["answer"] == clean["answer"] else "says"
        said.append(f"{still} {read['answer']} ({best})")
    text = f"At epsilon 0.30 the plain network {said[0]}; the PGD-trained one {said[1]}."
    status = live.locator(".attack-said").first
    assert status.inner_text() == text
    assert status.get_attribute("role") == "status"


def test_an_empty_pad_asks_for_a_digit(live: Page) -> None:
    clear = live.get_by_role("button", name="Clear").click
    result = wait_for(live, "kind", "refusal", clear)
    assert live.get_by_text(result["why"]).is_visible()
    assert live.locator(".attack-cards").is_hidden()
    take(live, 3)
    assert live.locator(".attack-cards").is_visible()


def test_a_drawing_by_mouse_has_no_label_but_the_networks_own(
    live: Page, networks: list[nn.Module]
) -> None:
    live.get_by_role("button", name="Clear").click()
    pad = live.locator(".live-pad svg")
    pad.scroll_into_view_if_needed()
    frame = pad.bounding_box()

    def draw() -> None:
        at = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in line]
        live.mouse.move(*at[0])
        live.mouse.down()
        for point in at[1:]:
            live.mouse.move(*point)
        live.mouse.up()

    line = [(0.2, 0.2), (0.8, 0.2), (0.7, 0.4), (0.5, 0.9)]
    result = after(live, draw, digit=None)
    check_result(result, networks)
    assert [one["clean"]["answer"] for one in result["networks"]] == [7, 7]
    check_fgsm(result, networks, [7, 7])


def test_a_network_that_fails_says_so_and_the_photographs_still_work(visit: Visit) -> None:
    other = SITE / "live" / "vision" / "sketch_rnn" / "initial.onnx"
    visit.context.route("**/plain.onnx", lambda route: route.fulfill(path=other))
    page = start_live(visit, CHAPTER)
    assert page.get_by_text("The model failed: ").is_visible()
    result = wait_for(page, "epsilon", 2, lambda: stored_slider(page).fill("2"))
    assert result["kind"] == "photograph"


# ---------------------------------------------------------------- the photographs


def stored_slider(page: Page) -> Locator:
    return page.locator(".live").get_by_label("Stored step")


@pytest.mark.parametrize("name", stored.CREDITS)
def test_the_photographs_are_the_stored_ones_byte_for_byte(live: Page, name: str) -> None:
    described = json.loads((LIVE / "photographs.json").read_text(encoding="utf-8"))
    one = next(each for each in described["photographs"] if each["name"] == name)
    photograph, attacked = stored.read_strip(LIVE / f"{name}.webp")
    choice(live, "Photograph", name).check()
    picture, change = live.locator(".attack-photographs canvas").all()
    for index, (attack, title) in enumerate(stored.ATTACKS.items()):
        choice(live, "Stored attack", title).check()
        wait_for(live, "epsilon", 0, lambda: stored_slider(live).fill("0"))
        np.testing.assert_array_equal(pixels_of(picture), photograph)
        for step, epsilon in enumerate(stored.EPSILONS):
            value = str(step + 1)
            result = wait_for(
                live, "epsilon", epsilon, lambda value=value: stored_slider(live).fill(value)
            )
            assert (result["name"], result["attack"]) == (name, attack)
            expected = attacked[index * len(stored.EPSILONS) + step]
            np.testing.assert_array_equal(pixels_of(picture), expected)
            added = stored.unstretch(pixels_of(change), epsilon)
            np.testing.assert_array_equal(photograph + added, expected)
            answer, probability = one["attacked"][attack][step][0]
            said = live.locator(".attack-said").last.inner_text()
            assert said.startswith(f"At epsilon {epsilon}/255 the network ")
            assert f"says “{answer}” ({words(probability)}" in said


def test_a_photograph_that_does_not_arrive_is_a_sentence(visit: Visit) -> None:
    page = start_live(visit, CHAPTER)
    visit.context.route("**/cat.webp", lambda route: route.fulfill(status=404))
    choice(page, "Photograph", "cat").check()
    page.get_by_text("cat.webp could not be fetched").wait_for()
    visit.complaints.clear()  # the 404 itself
    visit.context.unroute("**/cat.webp")
    wait_for(page, "name", "rocket", choice(page, "Photograph", "rocket").check)
    wait_for(page, "name", "cat", choice(page, "Photograph", "cat").check)


# ---------------------------------------------------------------- whom it serves


def tab_to(page: Page, name: str) -> None:
    """Press the tabulator until the element with this label has the focus."""
    focused = """(name) => [document.activeElement.getAttribute("aria-label"),
      document.activeElement.labels?.[0]?.textContent].some((text) => text?.includes(name))"""
    for _ in range(80):
        if page.evaluate(focused, name):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the keyboard does not get to {name}")


def test_the_keyboard_alone_takes_draws_and_attacks(live: Page) -> None:
    live.locator(".live-pad svg").focus()
    tab_to(live, "Take our 5")
    after(live, lambda: live.keyboard.press("Enter"), digit=5)
    tab_to(live, "FGSM")
    after(live, lambda: live.keyboard.press("ArrowDown"), steps=10)
    tab_to(live, "Epsilon, the most")
    after(live, lambda: live.keyboard.press("ArrowRight"), epsilon=0.16)
    tab_to(live, "Stored step")
    both_ends = ("Home", "End")  # at least one of them is news, wherever the slider stands
    wait_for(live, "kind", "photograph", lambda: [live.keyboard.press(key) for key in both_ends])
    live.locator(".live-pad svg").focus()
    wait_for(live, "kind", "refusal", lambda: live.keyboard.press("Backspace"))
    keys = ["Space", *["ArrowDown"] * 8, "Space"]
    after(live, lambda: [live.keyboard.press(key) for key in keys], digit=None)


def test_the_running_live_model_passes_axe_in_light_and_dark(live: Page) -> None:
    choice(live, "Attack", TEN_STEPS).check()
    for theme in ("dark", "light"):
        show_theme(live, theme)
        assert accessibility_faults(live) == [], theme


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
def test_on_a_phone_a_finger_attacks_and_nothing_overflows(visit: Visit) -> None:
    page = start_live(visit, CHAPTER)
    page.get_by_text("More: where it starts").tap()
    tap = page.get_by_role("button", name="Take our 7", exact=True).tap
    after(page, tap, digit=7)
    after(page, choice(page, "Attack", TEN_STEPS).tap, steps=10)
    pad = page.locator(".live-pad svg")
    assert pad.bounding_box()["width"] > 200
    assert page.evaluate("(e) => getComputedStyle(e).touchAction", pad.element_handle()) == "none"
    assert overflowing(page) == []
