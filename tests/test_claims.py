"""The rules of a claim: rates, pairs, verdicts, resuming, and the hash of what was measured."""

import ast
import dataclasses
import json
import statistics

import pytest

from companion import claims
from companion.claims import Claim, PaperFigure, Study

CALLS = []


def experiment(arm, seed, size, learning_rate):
    """A fake: the method is better by 2 nats on average; a higher rate is better for it alone."""
    CALLS.append((arm, seed, learning_rate))
    base = {"method": 8.0, "baseline": 10.0, "other": 5.0}[arm] + 0.1 * (seed % 3)
    if arm == "method":
        base -= learning_rate
    else:
        base += learning_rate
    # Test is deliberately better at the rate that validation rejects.
    return {"validation": base, "loss": base + 0.01 * seed, "extra": float(seed)}


CLAIM = Claim(
    chapter="vision/sketch_rnn",
    title="A title",
    statement="The method beats the baseline.",
    kind="recovered",
    metric="loss",
    unit="nats",
    direction="lower",
    method="method",
    baseline="baseline",
    learning_rates=(0.1, 0.5),
    experiment=experiment,
    references=lambda size: {"trivial": 20.0},
    paper=(PaperFigure("method", "direction only: lower <loss>", "A paper, table 1"),),
    tolerance=0.05,
    studies=(Study("extra", "Extra", "What else?", ("method", "other"), {"extra": "more"}),),
)


@pytest.fixture(autouse=True)
def serial(monkeypatch):
    """Run in this process, where the fake can be counted."""
    CALLS.clear()
    monkeypatch.setattr(
        claims,
        "_parallel",
        lambda claim, tasks, size, jobs: (
            claims.run_once(claim, a, s, size, r) for a, s, r in tasks
        ),
    )


def test_known_interval():
    # Student's t for 4 degrees of freedom is 2.776; the deviation of 1..5 is 1.581.
    low, high = claims.interval([1, 2, 3, 4, 5])
    assert (low, high) == pytest.approx((3 - 1.963, 3 + 1.963), abs=1e-3)
    with pytest.raises(ValueError, match="two values"):
        claims.interval([1.0])


@pytest.mark.parametrize(
    ("difference", "direction", "expected"),
    [
        ((-2, -1), "lower", "holds"),
        ((-2, -1), "higher", "does not hold"),
        ((1, 2), "lower", "does not hold"),
        ((1, 2), "higher", "holds"),
        ((-1, 2), "lower", "inconclusive"),
        ((-1, 2), "higher", "inconclusive"),
    ],
)
def test_verdicts(difference, direction, expected):
    assert claims.verdict(difference, direction) == expected


def test_each_arm_gets_its_best_rate_by_validation_and_pairs_by_seed(tmp_path):
    result = claims.run(CLAIM, 5, path=tmp_path / "claim.json")
    assert result["arms"]["method"]["learning_rate"] == 0.5
    assert result["arms"]["baseline"]["learning_rate"] == 0.1
    assert set(result["arms"]["method"]["tuning"]) == {"0.1", "0.5"}
    method, baseline = (
        [run["metrics"]["loss"] for run in result["arms"][arm]["runs"]]
        for arm in ("method", "baseline")
    )
    pairs = [a - b for a, b in zip(method, baseline, strict=True)]
    assert result["difference"]["mean"] == pytest.approx(statistics.fmean(pairs))
    assert result["difference"]["interval"] == pytest.approx(list(claims.interval(pairs)))
    assert result["verdict"] == "holds"
    assert result == claims.load(tmp_path / "claim.json")


def test_a_study_reuses_headline_runs_and_shows_the_spread(tmp_path):
    result = claims.run(CLAIM, 5, path=tmp_path / "claim.json")
    assert len(CALLS) == len(set(CALLS))
    assert sum(arm == "method" for arm, _, _ in CALLS) == 6  # five seeds and the rejected rate
    rows = {row["arm"]: row for row in result["studies"][0]["rows"]}
    assert rows["method"]["seeds"] == rows["other"]["seeds"] == 3
    assert rows["other"]["metrics"]["extra"] == {"mean": 1.0, "low": 0.0, "high": 2.0}


def test_an_interrupted_run_keeps_its_finished_seeds(tmp_path):
    path = tmp_path / "claim.json"

    def interrupted(arm, seed, size, learning_rate):
        if len(CALLS) == 6:
            raise KeyboardInterrupt
        return experiment(arm, seed, size, learning_rate)

    with pytest.raises(KeyboardInterrupt):
        claims.run(dataclasses.replace(CLAIM, experiment=interrupted), 5, path=path)
    assert claims.load(path)["verdict"] is None
    before = list(CALLS)
    resumed = claims.run(CLAIM, 5, path=path)
    assert len(CALLS) == len(set(CALLS)) > len(before)
    whole = claims.run(CLAIM, 5, path=tmp_path / "whole.json")
    assert resumed["difference"] == whole["difference"]


def test_a_claim_finished_elsewhere_names_both_machines(tmp_path, monkeypatch):
    path = tmp_path / "claim.json"
    content = claims.run(CLAIM, 5, path=path)
    assert content["stamp"]["machine"] == claims.machine()
    content["runs"].pop()
    path.write_text(json.dumps(content))
    monkeypatch.setattr(claims, "machine", lambda: "an abacus")
    finished = claims.run(CLAIM, 5, path=path)
    assert len(finished["runs"]) == len(content["runs"]) + 1
    assert set(finished["stamp"]["machine"].split(" and ")) == {
        "an abacus",
        content["stamp"]["machine"],
    }


def test_runs_of_other_code_are_made_again(tmp_path):
    path = tmp_path / "claim.json"
    content = claims.run(CLAIM, 5, path=path)
    count = len(CALLS)
    for run in content["runs"]:
        run["code"] = "other"
    path.write_text(json.dumps(content))
    claims.run(CLAIM, 5, path=path)
    assert len(CALLS) == 2 * count


def test_recheck_renews_the_stamp_only_within_the_tolerance(tmp_path):
    path = tmp_path / "claim.json"
    content = claims.run(CLAIM, 5, path=path)
    content["stamp"]["code"] = "other"
    path.write_text(json.dumps(content))
    assert claims.is_stale(content)
    assert not claims.is_stale(claims.recheck(CLAIM, path=path))

    def drifted(arm, seed, size, learning_rate):
        metrics = experiment(arm, seed, size, learning_rate)
        return metrics | {"loss": metrics["loss"] + 0.06}

    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="method, seed 0"):
        claims.recheck(dataclasses.replace(CLAIM, experiment=drifted), path=path)
    assert claims.load(path)["stamp"]["code"] == "other"


def test_fewer_than_five_seeds_or_an_arm_without_its_metric_are_refused(tmp_path):
    with pytest.raises(ValueError, match="5 seeds, got 3"):
        claims.run(CLAIM, 3, path=tmp_path / "claim.json")
    silent = dataclasses.replace(CLAIM, experiment=lambda *_: {"validation": 1.0})
    with pytest.raises(KeyError, match="'loss'"):
        claims.run(silent, 5, path=tmp_path / "claim.json")


@pytest.mark.parametrize(
    "change", [{"direction": "up"}, {"kind": "real"}, {"ablations": ("a", "b", "c")}]
)
def test_a_malformed_claim_is_refused(change):
    with pytest.raises(ValueError):
        dataclasses.replace(CLAIM, **change)


def test_a_damaged_file_and_an_unknown_chapter_are_named(tmp_path, capsys):
    path = tmp_path / "claim.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"claim\.json is damaged"):
        claims.load(path)
    assert claims.main(["vision/nothing"]) == 1
    assert "vision/sketch_rnn" in capsys.readouterr().err


def test_the_hash_is_that_of_every_python():
    """3.12 gives functions and classes a field more, and 3.13 leaves out what is empty."""
    known = "Module(body=[FunctionDef(name='f', args=arguments(posonlyargs=[], args=[], "
    known += "kwonlyargs=[], kw_defaults=[], defaults=[]), body=[Pass()], decorator_list=[])], "
    assert claims._dumped(ast.parse("def f(): pass")) == known + "type_ignores=[])"


def test_the_hash_sees_code_and_not_comments(tmp_path, monkeypatch):
    package = tmp_path / "companion"
    room = package / "part" / "chapter"
    room.mkdir(parents=True)
    (package / "numbers.py").write_text("SIDE = 3\n")
    (package / "progress.py").write_text("BAR = 1\n")
    source = "from companion import numbers\nfrom companion.progress import BAR\nX = 1\n"
    (room / "model.py").write_text(source)
    monkeypatch.setattr(claims, "PACKAGE", package)

    def changed(path, text):
        before = claims.code_hash("part/chapter")
        old = path.read_text()
        path.write_text(text)
        after = claims.code_hash("part/chapter")
        path.write_text(old)
        return before != after

    assert not changed(room / "model.py", '"""A docstring."""\n# A comment.\n' + source)
    assert changed(room / "model.py", source.replace("X = 1", "X = 2"))
    assert changed(package / "numbers.py", "SIDE = 4\n")
    assert not changed(package / "progress.py", "BAR = 2\n")


def test_the_tables_show_every_arm_verdict_and_study_and_escape_text(tmp_path):
    result = claims.run(CLAIM, 5, path=tmp_path / "claim.json")
    page = claims.table_html(result)
    for text in (
        "method minus baseline",
        "holds",
        "trivial",
        "20.00",
        "lower &lt;loss&gt;",
        "more",
    ):
        assert text in page, text
    assert page.count("<table") == 2
    assert "not finished" in claims.table_html(result | {"verdict": None})


def test_a_study_whose_data_are_missing_keeps_its_recorded_rows(tmp_path, capsys):
    study = Study(
        "real",
        "Real",
        "On real data?",
        ("other",),
        {"extra": "more"},
        available=lambda: True,
        command="get <data>",
    )
    path = tmp_path / "claim.json"
    claims.run(dataclasses.replace(CLAIM, studies=(study,)), 5, path=path)
    content = claims.load(path)
    for run in content["runs"]:
        run["code"] = "of an earlier version"
    path.write_text(json.dumps(content), encoding="utf-8")
    CALLS.clear()
    absent = dataclasses.replace(study, available=lambda: False)
    again = claims.run(dataclasses.replace(CLAIM, studies=(absent,)), 5, path=path)
    assert {arm for arm, _, _ in CALLS} == {"method", "baseline"}
    assert again["studies"][0]["rows"] == content["studies"][0]["rows"]
    assert "get <data>" in capsys.readouterr().out
    assert "<code>get &lt;data&gt;</code>" in claims.table_html(again)
