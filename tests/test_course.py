"""The book's own Sphinx extension: the table of chapters, the ledger, the live region."""

import copy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sphinx.errors import ExtensionError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book" / "_ext"))
import course

CHAPTER = {
    "part": "vision",
    "name": "sketch_rnn",
    "number": "3.4",
    "title": "Draw <fast>",
    "paper": "Ha and Eck 2017",
    "ready": True,
    "minutes": {"human": 90, "machine": 8},
}
CLAIM = {
    "chapter": "vision/sketch_rnn",
    "title": "Sketch-RNN",
    "statement": "Conditional is better",
    "kind": "reproduced",
    "metric": "bound",
    "unit": "nats per drawing",
    "direction": "lower",
    "references": {"one Gaussian": 190.0},
    "method": "conditional",
    "baseline": "decoder-only",
    "paper": [{"arm": "conditional", "text": "lower", "source": "Table 1"}],
    "arms": {
        "conditional": {"runs": [{}] * 5, "mean": 60.04, "interval": [59.1, 60.9]},
        "decoder-only": {"runs": [{}] * 5, "mean": 61.5, "interval": [61.0, 62.0]},
    },
    "difference": {"mean": -1.46, "interval": [-1.9, -0.5], "pairs": 5},
    "verdict": "holds",
    "studies": [
        {
            "name": "kl",
            "title": "Weight of the KL term",
            "question": "What does it trade?",
            "columns": {"kl": "KL", "probe": "probe"},
            "paper": "Same.",
            "unit": "nats",
            "rows": [
                {
                    "arm": "w = 0.25",
                    "seeds": 3,
                    "metrics": {"kl": {"mean": 31.0, "low": 30.0, "high": 32.0}},
                }
            ],
        }
    ],
    "stamp": {"machine": "two cores", "minutes": 41.2, "date": "2026-11-22"},
}


def claim(**changes: object) -> dict:
    return {**copy.deepcopy(CLAIM), **changes}


def test_a_ready_chapter_is_linked_relative_to_the_page_and_another_is_not() -> None:
    planned = {**CHAPTER, "name": "gan", "number": "3.5", "ready": False, "minutes": None}
    table = course.chapter_table([CHAPTER, planned], "../")
    assert '<a href="../chapters/vision/sketch_rnn.html">Draw &lt;fast&gt;</a>' in table
    assert "gan.html" not in table
    assert "90 min" in table and "8 min" in table and "planned" in table
    assert "2 chapters, of which 1 is ready" in table


def test_chapters_stand_in_the_order_of_the_parts() -> None:
    text = {**CHAPTER, "part": "text", "number": "1.1"}
    table = course.chapter_table([CHAPTER, text], "")
    assert table.index(">Text<") < table.index(">1.1<") < table.index(">Vision<")


@pytest.mark.parametrize(
    ("entry", "named"),
    [({**CHAPTER, "part": "cooking"}, "cooking"), ({"part": "vision"}, "number")],
)
def test_a_bad_entry_is_named(tmp_path: Path, entry: dict, named: str) -> None:
    path = tmp_path / "chapters.yml"
    path.write_text(str([entry]), encoding="utf-8")
    with pytest.raises(ExtensionError, match=named):
        course.read_chapters(path)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(60.04, "60.0"), (-1.456, "−1.46"), (0.01234, "0.0123"), (1234.5, "1234"), (0, "0.00")],
)
def test_figures_have_three_significant_digits(value: float, shown: str) -> None:
    assert course.number(value) == shown


def test_a_missing_figure_is_a_dash() -> None:
    assert course.number(None) == "–"


def test_the_ledger_keeps_reproduced_and_recovered_apart() -> None:
    claims = [(claim(title="Real"), False), (claim(title="Planted", kind="recovered"), False)]
    reproduced = course.headline_table(claims, "reproduced", "")
    assert "Real" in reproduced and "Planted" not in reproduced
    assert "Planted" in course.headline_table(claims, "recovered", "")
    assert "No claim of this kind" in course.headline_table(claims[:1], "recovered", "")


def test_a_failed_claim_is_as_prominent_as_one_that_holds() -> None:
    rows = [
        course.headline_row(claim(verdict=verdict), "", stale=False)
        for verdict in ("holds", "does not hold", "inconclusive")
    ]
    shapes = {
        row.replace(course.VERDICTS[verdict], "C").replace(verdict, "V")
        for row, verdict in zip(rows, ("holds", "does not hold", "inconclusive"), strict=True)
    }
    assert len(shapes) == 1, "rows differ in more than the verdict"


def test_a_row_shows_ours_beside_the_paper_with_seeds_and_machine() -> None:
    row = course.headline_row(claim(), "", stale=False)
    assert '60.0 <small class="interval">[59.1, 60.9]</small>' in row
    assert '−1.46 <small class="interval">[−1.90, −0.500]</small>' in row
    assert "lower <small>Table 1</small>" in row
    assert "one Gaussian 190" in row
    assert "bound, nats per drawing; lower is better" in row
    assert "5 seeds, 41.2 minutes, two cores, 2026-11-22" in row


def test_only_a_stale_claim_is_marked() -> None:
    assert "verdict-stale" in course.headline_row(claim(), "", stale=True)
    assert "verdict-stale" not in course.headline_row(claim(), "", stale=False)


def test_a_study_shows_every_arm_with_its_spread() -> None:
    table = course.study_html(CLAIM["studies"][0])
    assert "w = 0.25" in table and '31.0 <small class="interval">[30.0, 32.0]</small>' in table
    assert "<td>–</td>" in table, "the arm has no figure for the probe"
    assert "What does it trade? The paper: Same." in table


def test_an_unfinished_claim_says_so_and_hides_no_number() -> None:
    unfinished = claim(verdict=None, difference=None)
    unfinished["arms"]["conditional"]["interval"] = None
    row = course.headline_row(unfinished, "", stale=False)
    assert "not finished" in row and "60.0" in row


def test_a_live_region_is_a_button_and_requests_nothing_by_itself() -> None:
    region = course.live_html("vision/sketch_rnn", "../../", "", "Draw.")
    assert 'data-live="../../live/vision/sketch_rnn/"' in region
    assert "<noscript>" in region and "<button" in region
    assert "<script" not in region and "src=" not in region


@pytest.mark.parametrize("url", ["", "https://github.com/someone/course"])
def test_repository_buttons_follow_the_address(url: str) -> None:
    config = SimpleNamespace(html_theme_options={"repository_url": url})
    course.set_repository_buttons(None, config)
    assert config.html_theme_options["use_repository_button"] == bool(url)
    assert bool(config.html_theme_options["launch_buttons"]["colab_url"]) == bool(url)


def test_a_build_without_browser_libraries_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ExtensionError, match=r"tools/vendor\.py"):
        course.require_vendor(SimpleNamespace(srcdir=tmp_path))
