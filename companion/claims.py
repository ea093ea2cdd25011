"""Measuring a paper's claim again: arms, seeds, intervals, a verdict, and the file that keeps them.

A chapter's ``claim.py`` holds one `Claim` named ``CLAIM``; ``python -m companion.claims
vision/sketch_rnn --seeds 5`` runs it and writes ``claim.json`` beside it. The rules are fixed
before anything runs: every arm gets the same budget and the same list of learning rates, chosen by
the validation metric on seed 0; the verdict comes from the 95% interval of the difference between
method and baseline, paired by seed.

Reading a ``claim.json`` and showing it needs the standard library only.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import html
import importlib
import importlib.util
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from companion.checkpoint import atomic_path

PACKAGE = Path(__file__).parent
MEASURED_ROOMS = ("data.py", "model.py", "train.py", "claim.py")

Metrics = dict[str, float]


@dataclass(frozen=True)
class PaperFigure:
    """What the paper reports; ``text`` is "direction only: ..." where its number is unconfirmed."""

    arm: str
    text: str
    source: str


@dataclass(frozen=True)
class Study:
    """A comparison without a verdict: mean and spread of ``metrics`` over ``seeds`` for each arm.

    ``metrics`` maps a metric's key to its column heading. A study whose data pip cannot install
    says in ``available`` how to find out whether they are here and in ``command`` how to get them:
    where they are missing its recorded rows are kept as they are.
    """

    name: str
    title: str
    question: str
    arms: tuple[str, ...]
    metrics: dict[str, str]
    unit: str = ""
    seeds: int = 3
    paper: str = ""
    available: Callable[[], bool] | None = None
    command: str = ""

    def can_run(self) -> bool:
        """Whether its data are on this machine."""
        return self.available is None or self.available()


@dataclass(frozen=True)
class Claim:
    """A chapter's experiment and how it is judged.

    ``experiment(arm, seed, size, learning_rate)`` trains and returns metrics, among them ``metric``
    and ``validation`` (the same quantity on validation data, by which learning rates are chosen).
    ``references(size)`` returns the trivial baseline's and the oracle's scores by name.
    ``direction`` is "lower" or "higher". ``kind`` is "reproduced" for real data and "recovered"
    where the effect was planted in generated data. ``tolerance`` is how far a rerun on another
    machine may lie from the recorded metric and still confirm it. Arms of studies that are not
    headline arms use the method's learning rate.
    """

    chapter: str
    title: str
    statement: str
    kind: str
    metric: str
    unit: str
    direction: str
    method: str
    baseline: str
    learning_rates: tuple[float, ...]
    experiment: Callable[[str, int, str, float], Metrics]
    references: Callable[[str], Metrics]
    paper: tuple[PaperFigure, ...]
    tolerance: float
    ablations: tuple[str, ...] = ()
    studies: tuple[Study, ...] = ()

    def __post_init__(self) -> None:
        if self.direction not in ("lower", "higher"):
            raise ValueError(f"direction {self.direction!r} is neither 'lower' nor 'higher'")
        if self.kind not in ("reproduced", "recovered"):
            raise ValueError(f"kind {self.kind!r} is neither 'reproduced' nor 'recovered'")
        if len(self.arms) > 4:
            raise ValueError(f"a headline has at most 4 arms, this one has {len(self.arms)}")

    @property
    def arms(self) -> tuple[str, ...]:
        """The headline's arms: method, baseline, ablations."""
        return (self.method, self.baseline, *self.ablations)


# --- the statistics ----------------------------------------------------------------------------


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Student's 95% confidence interval of the mean. Raises ``ValueError`` below two values."""
    from scipy.stats import t

    values = list(values)
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two values, got {len(values)}")
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.fmean(values)
    return mean - half, mean + half


def verdict(difference: tuple[float, float], direction: str) -> str:
    """*holds*, *does not hold* or *inconclusive*, from the interval of method minus baseline."""
    low, high = difference
    if direction == "higher":
        low, high = -high, -low
    if high < 0:
        return "holds"
    return "does not hold" if low > 0 else "inconclusive"


# --- the code that was measured ----------------------------------------------------------------


def code_hash(chapter: str) -> str:
    """SHA-256 of the syntax trees, less docstrings, of the chapter's measured rooms and imports.

    Imports are followed inside ``companion``, except into this module and the rooms that only show
    or save. Comments, docstrings and layout do not count.
    """
    rooms = [PACKAGE / chapter / room for room in MEASURED_ROOMS]
    seen: dict[str, str] = {}
    waiting = [room for room in rooms if room.exists()]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(PACKAGE).as_posix()
        if name in seen or name in _NOT_NUMERIC:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        waiting += [found for found in _imported(tree) if found.exists()]
        seen[name] = _dumped(_without_docstrings(tree))
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(f"{name}\n{seen[name]}\n".encode())
    return digest.hexdigest()


_NOT_NUMERIC = {"claims.py", "progress.py", "checkpoint.py", "figures.py", "players.py", "cache.py"}


def _dumped(tree: ast.Module) -> str:
    """The same text under Python 3.11, whose trees lack a field, 3.12, and 3.13, which omits it."""
    empty = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    return ast.dump(tree, **empty).replace(", type_params=[]", "")


def _imported(tree: ast.Module) -> list[Path]:
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    parts = [module.split(".")[1:] for module in modules if module.startswith("companion.")]
    return [PACKAGE.joinpath(*part).with_suffix(".py") for part in parts]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


# --- running -----------------------------------------------------------------------------------


def load_claim(chapter: str) -> Claim:
    """The chapter's `Claim`. Raises ``ValueError`` naming the known chapters when there is none."""
    if not (PACKAGE / chapter / "claim.py").exists():
        known = sorted(
            path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("*/*/claim.py")
        )
        raise ValueError(f"no claim for chapter {chapter!r}; there are: {', '.join(known)}")
    return importlib.import_module(f"companion.{chapter.replace('/', '.')}.claim").CLAIM


def run_once(claim: Claim, arm: str, seed: int, size: str, learning_rate: float) -> dict:
    """One run of the experiment on one thread, as the record that ``claim.json`` keeps."""
    import torch

    torch.set_num_threads(1)
    started = time.perf_counter()
    metrics = claim.experiment(arm, seed, size, learning_rate)
    for name in ("validation", claim.metric):
        if name not in metrics and arm in claim.arms:
            raise KeyError(f"the experiment returned no {name!r} for arm {arm!r}: {metrics}")
    return {
        "arm": arm,
        "seed": seed,
        "learning_rate": learning_rate,
        "metrics": {name: round(float(value), 5) for name, value in metrics.items()},
        "minutes": round((time.perf_counter() - started) / 60, 2),
        "code": code_hash(claim.chapter),
        "machine": machine(),
        "torch": _versions()["torch"],
    }


def run(
    claim: Claim, seeds: int, size: str = "laptop", path: Path | None = None, jobs: int = 2
) -> dict:
    """Run what is missing, write ``claim.json`` after every finished run, return its content.

    Runs of the same code that an earlier, interrupted call finished are kept; runs of other code
    are made again, except those of studies whose data are not here.
    Raises ``ValueError`` below five seeds at a size other than ``smoke``.
    """
    if seeds < 5 and size != "smoke":
        raise ValueError(f"a headline needs at least 5 seeds, got {seeds}")
    path = path or PACKAGE / claim.chapter / "claim.json"
    code = code_hash(claim.chapter)
    absent = [study for study in claim.studies if not study.can_run()]
    for study in absent:
        print(f"Not run, its data are missing: {study.title}. To get them: {study.command}")
    kept = {arm for study in absent for arm in study.arms}
    recorded = load(path)["runs"] if path.exists() else []
    runs = [run for run in recorded if run["code"] == code or run["arm"] in kept]

    def finish(wanted: list[tuple[str, int, float]]) -> None:
        done = {(run["arm"], run["seed"], run["learning_rate"]) for run in runs}
        missing = [task for task in dict.fromkeys(wanted) if task not in done]
        for record in _parallel(claim, missing, size, jobs):
            runs.append(record)
            _write(path, _summary(claim, runs, seeds, size))
            print(_line(claim, record, len(runs)), flush=True)

    finish([(arm, 0, rate) for arm in claim.arms for rate in claim.learning_rates])
    rates = _chosen_rates(claim, runs)
    headline = [(arm, seed, rates[arm]) for seed in range(seeds) for arm in claim.arms]
    studies = [
        (arm, seed, rates.get(arm, rates[claim.method]))
        for study in claim.studies
        if study not in absent
        for seed in range(study.seeds)
        for arm in study.arms
    ]
    finish(headline + studies)
    summary = _summary(claim, runs, seeds, size)
    _write(path, summary)
    return summary


def recheck(claim: Claim, path: Path | None = None, size: str = "laptop", jobs: int = 2) -> dict:
    """Rerun seed 0 of every headline arm; renew the stamp where each agrees within the tolerance.

    Raises ``ValueError`` naming the arm, the recorded and the new value where one does not.
    """
    path = path or PACKAGE / claim.chapter / "claim.json"
    recorded = load(path)
    rates = {arm: recorded["arms"][arm]["learning_rate"] for arm in claim.arms}
    for record in _parallel(claim, [(arm, 0, rates[arm]) for arm in claim.arms], size, jobs):
        old = next(
            run["metrics"][claim.metric]
            for run in recorded["arms"][record["arm"]]["runs"]
            if run["seed"] == 0
        )
        new = record["metrics"][claim.metric]
        if abs(new - old) > claim.tolerance:
            raise ValueError(
                f"{record['arm']}, seed 0: {claim.metric} is {new:.4g}, recorded was {old:.4g}, "
                f"further than the tolerance {claim.tolerance:g}: run `make claims` in full"
            )
    code = code_hash(claim.chapter)
    recorded["runs"] = [run | {"code": code} for run in recorded["runs"]]
    recorded["stamp"]["code"] = code
    recorded["stamp"]["rechecked"] = time.strftime("%Y-%m-%d")
    _write(path, recorded)
    return recorded


def _parallel(
    claim: Claim, tasks: list[tuple[str, int, float]], size: str, jobs: int
) -> Iterable[dict]:
    """Records as they finish: processes here, or the cluster that joblib's configuration names."""
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=jobs, return_as="generator_unordered")
    return pool(delayed(run_once)(claim, arm, seed, size, rate) for arm, seed, rate in tasks)


def _chosen_rates(claim: Claim, runs: list[dict]) -> dict[str, float]:
    """For each headline arm, the learning rate with the best validation metric on seed 0."""
    sign = 1 if claim.direction == "lower" else -1
    chosen = {}
    for arm in claim.arms:
        tried = [run for run in runs if run["arm"] == arm and run["seed"] == 0]
        if tried:
            best = min(tried, key=lambda run: sign * run["metrics"]["validation"])
            chosen[arm] = best["learning_rate"]
    return chosen


def _summary(claim: Claim, runs: list[dict], seeds: int, size: str) -> dict:
    """Everything ``claim.json`` says, computed from the runs."""
    rates = _chosen_rates(claim, runs)
    arms = {arm: _arm(claim, runs, arm, rates[arm], seeds) for arm in claim.arms if arm in rates}
    pairs = _paired(claim, arms)
    difference = interval(pairs) if len(pairs) > 1 else None
    complete = len(pairs) >= seeds
    return {
        "chapter": claim.chapter,
        "title": claim.title,
        "statement": claim.statement,
        "kind": claim.kind,
        "metric": claim.metric,
        "unit": claim.unit,
        "direction": claim.direction,
        "method": claim.method,
        "baseline": claim.baseline,
        "paper": [vars(figure) for figure in claim.paper],
        "references": claim.references(size),
        "arms": arms,
        "difference": difference
        and {
            "mean": statistics.fmean(pairs),
            "interval": list(difference),
            "pairs": len(pairs),
        },
        "verdict": verdict(difference, claim.direction) if complete and difference else None,
        "studies": [_study(claim, runs, study, rates) for study in claim.studies],
        "stamp": {
            "code": code_hash(claim.chapter),
            "machine": _all_named("machine", runs, machine()),
            "versions": _versions() | {"torch": _all_named("torch", runs, _versions()["torch"])},
            "minutes": round(sum(run["minutes"] for run in runs), 1),
            "date": time.strftime("%Y-%m-%d"),
            "size": size,
            "seeds": seeds,
        },
        "runs": sorted(runs, key=lambda run: (run["arm"], run["seed"], run["learning_rate"])),
    }


def _arm(claim: Claim, runs: list[dict], arm: str, rate: float, seeds: int) -> dict:
    mine = [run for run in runs if run["arm"] == arm]
    chosen = sorted(
        (run for run in mine if run["learning_rate"] == rate and run["seed"] < seeds),
        key=lambda run: run["seed"],
    )
    values = [run["metrics"][claim.metric] for run in chosen]
    return {
        "learning_rate": rate,
        "tuning": {
            f"{run['learning_rate']:g}": run["metrics"]["validation"]
            for run in sorted(mine, key=lambda run: run["learning_rate"])
            if run["seed"] == 0
        },
        "runs": [{key: run[key] for key in ("seed", "metrics", "minutes")} for run in chosen],
        "mean": statistics.fmean(values),
        "interval": list(interval(values)) if len(values) > 1 else None,
    }


def _paired(claim: Claim, arms: dict) -> list[float]:
    """Method minus baseline for every seed that both have."""
    if not {claim.method, claim.baseline} <= arms.keys():
        return []
    values = [
        {run["seed"]: run["metrics"][claim.metric] for run in arms[arm]["runs"]}
        for arm in (claim.method, claim.baseline)
    ]
    return [values[0][seed] - values[1][seed] for seed in sorted(values[0]) if seed in values[1]]


def _study(claim: Claim, runs: list[dict], study: Study, rates: dict[str, float]) -> dict:
    rows = []
    for arm in study.arms:
        rate = rates.get(arm, rates.get(claim.method))
        chosen = [
            run
            for run in runs
            if run["arm"] == arm and run["seed"] < study.seeds and run["learning_rate"] == rate
        ]
        values = {
            name: [run["metrics"][name] for run in chosen if name in run["metrics"]]
            for name in study.metrics
        }
        rows.append(
            {
                "arm": arm,
                "seeds": len(chosen),
                "metrics": {
                    name: {"mean": statistics.fmean(found), "low": min(found), "high": max(found)}
                    for name, found in values.items()
                    if found
                },
            }
        )
    return {
        "name": study.name,
        "title": study.title,
        "question": study.question,
        "columns": study.metrics,
        "unit": study.unit,
        "paper": study.paper,
        "command": study.command,
        "rows": rows,
    }


def _line(claim: Claim, record: dict, count: int) -> str:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in record["metrics"].items())
    return (
        f"{count:3d}. {record['arm']}, seed {record['seed']}, learning rate "
        f"{record['learning_rate']:g}: {metrics} ({record['minutes']:.1f} min)"
    )


def machine() -> str:
    """The machine in words that name no host: cores and processor family."""
    return f"{os.cpu_count()}-core {platform.machine()}, {platform.system()}"


def _versions() -> dict[str, str]:
    import torch

    return {"python": platform.python_version(), "torch": torch.__version__.split("+")[0]}


def _all_named(what: str, runs: list[dict], here: str) -> str:
    """Every machine, or version, that a run names; those that name none were made ``here``."""
    return " and ".join(sorted({run.get(what, here) for run in runs}))


def _write(path: Path, content: dict) -> None:
    with atomic_path(path) as temporary:
        text = json.dumps(content, ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


# --- reading and showing -----------------------------------------------------------------------


def load(path: str | Path) -> dict:
    """The content of a ``claim.json``. Raises ``ValueError`` naming a damaged file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is damaged ({error}): restore it, or delete it and run `make claims`"
        ) from error


def is_stale(claim: dict) -> bool:
    """Whether the chapter's numeric code differs from the code that was measured."""
    return claim["stamp"]["code"] != code_hash(claim["chapter"])


def table_html(claim: dict) -> str:
    """The headline with its verdict, then each study, as HTML tables."""
    return "\n".join([_headline_html(claim), *(_study_html(study) for study in claim["studies"])])


def _headline_html(claim: dict) -> str:
    arms = list(claim["arms"].items())
    header = ["arm", f"{claim['metric']} ({claim['unit']})", "95% interval", "seeds", "rate"]
    rows = [
        [
            name,
            f"{arm['mean']:.2f}",
            _range(arm["interval"]),
            str(len(arm["runs"])),
            f"{arm['learning_rate']:g}",
        ]
        for name, arm in arms
    ]
    rows += [
        [f"({name})", f"{value:.2f}", "", "", ""] for name, value in claim["references"].items()
    ]
    difference = claim["difference"]
    if difference:
        rows.append(
            [
                f"{claim['method']} minus {claim['baseline']}",
                f"{difference['mean']:+.2f}",
                _range(difference["interval"], "+"),
                str(difference["pairs"]),
                "",
            ]
        )
    stamp = claim["stamp"]
    better = f"{claim['direction']} is better"
    paper = "; ".join(f"{figure['text']} ({figure['source']})" for figure in claim["paper"])
    return (
        f"<p><strong>{html.escape(claim['statement'])}</strong> "
        f"Verdict: <strong>{claim['verdict'] or 'not finished'}</strong> "
        f"({claim['kind']}; {better}).</p>"
        + _table(claim["title"], header, rows)
        + f"<p>The paper: {html.escape(paper)}. Ours: {stamp['machine']}, torch "
        f"{stamp['versions']['torch']}, {stamp['minutes']:.0f} minutes of one core in all, "
        f"{stamp['date']}.</p>"
    )


def _study_html(study: dict) -> str:
    columns = study["columns"]
    rows = [
        [row["arm"], *(_spread(row["metrics"].get(name)) for name in columns), str(row["seeds"])]
        for row in study["rows"]
    ]
    unit = f" In {study['unit']}." if study["unit"] else ""
    paper = f" The paper: {study['paper']}." if study["paper"] else ""
    command = study.get("command")
    source = f" Its data come by <code>{html.escape(command)}</code>." if command else ""
    return (
        f"<p><strong>{html.escape(study['title'])}.</strong> {html.escape(study['question'])}"
        f"{html.escape(unit)} Mean, and lowest to highest seed.{html.escape(paper)}{source}</p>"
        + _table(study["title"], ["arm", *columns.values(), "seeds"], rows)
    )


def _range(values: list[float] | None, sign: str = "") -> str:
    return f"{values[0]:{sign}.2f} to {values[1]:{sign}.2f}" if values else ""


def _spread(values: dict[str, float] | None) -> str:
    if values is None:
        return ""
    return f"{values['mean']:.2f} ({values['low']:.2f} to {values['high']:.2f})"


def _table(label: str, header: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th scope='col'>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        f"<tr><th scope='row'>{html.escape(row[0])}</th>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    # Wider than a phone: the table scrolls by itself, by keyboard too.
    name = html.escape(label)
    return (
        f"<div style='overflow-x:auto' tabindex='0' role='region' aria-label='{name}'>"
        f"<table class='course-claim'><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


# --- the command -------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Run or recheck one chapter's claim; 0, or 1 after a sentence saying what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m companion.claims", description=__doc__)
    parser.add_argument("chapter", help="such as vision/sketch_rnn")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once, one thread each")
    parser.add_argument("--backend", help="a joblib backend, such as dask or ray")
    parser.add_argument("--recheck", action="store_true", help="one seed an arm; renew the stamp")
    options = parser.parse_args(arguments)
    # Threads that spin while they wait would slow the process beside them a hundredfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import joblib

    try:
        claim = load_claim(options.chapter)
        with joblib.parallel_config(backend=options.backend or "loky"):
            if options.recheck:
                result = recheck(claim, jobs=options.jobs)
            else:
                result = run(claim, options.seeds, jobs=options.jobs)
    except (ValueError, OSError) as error:
        print(f"claims: {error}", file=sys.stderr)
        return 1
    print(f"{result['statement']} {result['verdict']}")
    return 0


if __name__ == "__main__":
    # Under -m this module is `__main__`; the chapter's Claim was made by `companion.claims`.
    sys.exit(importlib.import_module("companion.claims").main())
