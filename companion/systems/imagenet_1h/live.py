"""Chapter 5.3, what the page shows: the claim's runs, and figures measured for the cost model.

``python -m companion.systems.imagenet_1h.live export FOLDER`` writes ``runs.json`` and the poster
from ``claim.json``; ``python -m companion.systems.imagenet_1h.live measure FOLDER`` writes
``link.json``, measured here in a minute in which nothing else should run.
"""

import itertools
import json
import math
import statistics
import sys
import time
from pathlib import Path

from companion import claims
from companion.live import write_whole
from companion.systems.imagenet_1h.claim import BASE_RATE, BATCHES, RECIPES, SMALL, settings_for
from companion.systems.imagenet_1h.cost import fit_link
from companion.systems.imagenet_1h.measure import measure_all_reduce, measure_scaling
from companion.systems.imagenet_1h.train import SETTINGS, Settings, learning_rate_at, new_network

RECORD = Path(__file__).with_name("claim.json")
MESSAGES = tuple(2**power for power in range(12, 25, 2))  # bytes, 4 kB to 16 MB
LIMIT = 300.0  # seconds for each of the two measurements, ample also where the machine is busy
POSTER_BATCH = 2048


# --- stored: the runs ----------------------------------------------------------------------------


def learning_curves(record: dict) -> dict:
    """What the page shows of a ``claim.json``: errors and losses by minibatch, recipe and seed.

    At the base batch the recipes are one, so it stands there once, with no recipe. Raises
    ``ValueError`` when the record has no runs of an arm, or none of its losses by epoch.
    """
    settings = settings_for(SMALL, "laptop", BASE_RATE)
    arms = [(SMALL, None)]
    arms += [(f"{batch:,}, {name}", name) for batch in BATCHES for name in RECIPES]
    return {
        "base": settings.base_batch,
        "samples": settings.samples,
        "epochs": settings.epochs,
        "recipes": [*RECIPES],
        "curves": [_curve(record, arm, recipe) for arm, recipe in arms],
    }


def _curve(record: dict, arm: str, recipe: str | None) -> dict:
    runs = [run for run in record["runs"] if run["arm"] == arm]
    if not runs:
        raise ValueError(f"claim.json holds no run of {arm!r}; run `make claims` to measure it")
    if any("final" in run["metrics"] and "loss 1" not in run["metrics"] for run in runs):
        raise ValueError(
            f"claim.json holds no losses by epoch of {arm!r}; run `make claims` to measure it again"
        )
    settings = settings_for(arm, "laptop", BASE_RATE)
    return {
        "batch": settings.batch,
        "recipe": recipe,
        "rate": rate_line(settings),
        "seeds": [
            {
                "seed": run["seed"],
                "error": round(run["metrics"]["test"], 3),
                "loss": losses_by_epoch(run["metrics"]),
            }
            for run in sorted(runs, key=lambda run: run["seed"])
        ],
    }


def losses_by_epoch(metrics: dict[str, float]) -> list[float]:
    """The mean training losses of epochs 1, 2, ... in nats, to four digits.

    They end where the run diverged: at the first epoch without one, or with one that is no number.
    """
    values = (metrics.get(f"loss {epoch}", math.nan) for epoch in itertools.count(1))
    return [float(f"{value:.4g}") for value in itertools.takewhile(math.isfinite, values)]


def rate_line(settings: Settings) -> list[tuple[float, float]]:
    """The learning rate of a run as a line through points (epoch, rate), upright where it falls."""
    per_epoch = settings.steps_per_epoch
    rates = [learning_rate_at(step, settings) for step in range(settings.steps)]
    points = [(0.0, rates[0])]
    if settings.warm_up:
        points.append((float(settings.warm_up), rates[settings.warm_up * per_epoch]))
    for step, (before, after) in enumerate(itertools.pairwise(rates), start=1):
        if after < before:
            points += [(step / per_epoch, before), (step / per_epoch, after)]
    points.append((float(settings.epochs), rates[-1]))
    return [(round(epoch, 6), float(f"{rate:.6g}")) for epoch, rate in points]


# --- stored: the poster --------------------------------------------------------------------------


def poster(shown: dict) -> str:
    """A still of the page as SVG: at 2,048 each recipe's mean loss, dashed that of the base batch.

    ``shown`` is what `learning_curves` gives.
    """
    base, *others = shown["curves"]
    chosen = [curve for curve in others if curve["batch"] == POSTER_BATCH]
    low = math.log(min(itertools.chain(*(mean_loss(curve) for curve in (base, *chosen)))))
    high = math.log(5)  # nats; what is above is cut

    def line(curve: dict, left: int, look: str) -> str:
        points = " ".join(
            f"{left + 140 * (epoch + 0.5) / shown['epochs']:.1f},"
            f"{100 - 92 * (min(math.log(loss), high) - low) / (high - low):.1f}"
            for epoch, loss in enumerate(mean_loss(curve))
        )
        return f'<polyline points="{points}" fill="none" stroke="currentColor" {look}/>'

    parts = []
    for place, curve in enumerate(chosen):
        left = 160 * place
        parts += [
            f'<path d="M{left} 4V104H{left + 140}" fill="none" stroke="currentColor" '
            'stroke-opacity="0.3"/>',
            line(base, left, 'stroke-width="2" stroke-dasharray="4 4" stroke-opacity="0.6"'),
            line(curve, left, 'stroke-width="2.5"'),
            f'<text x="{left + 70}" y="124">{curve["recipe"]}</text>',
        ]
    says = f"training loss by epoch: {POSTER_BATCH:,} at a time, dashed {shown['base']}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 460 152" aria-hidden="true" '
        'font-size="14" text-anchor="middle" fill="currentColor">\n'
        + "\n".join([*parts, f'<text x="230" y="148" font-size="12">{says}</text>'])
        + "\n</svg>\n"
    )


def mean_loss(curve: dict) -> list[float]:
    """Over the seeds, by epoch, up to the first epoch that not all of them have."""
    losses = [run["loss"] for run in curve["seeds"]]
    return [statistics.fmean(values) for values in zip(*losses, strict=False)]


# --- measured: what the cost model starts from ---------------------------------------------------


def measured_figures() -> dict:
    """Latency (s) and bandwidth (bytes/s) between two processes, and seconds of one step of one.

    The link is fitted to the chapter's ring; a step is that of this chapter's network on its share.
    Raises what `measure_all_reduce` and `fit_link` raise.
    """
    settings = SETTINGS["laptop"]
    scaling = measure_scaling(2, time_limit=LIMIT)
    records = measure_all_reduce(2, MESSAGES, ["ring"], time_limit=LIMIT)
    link = fit_link(
        [record["bytes"] for record in records], [record["seconds"] for record in records], 2
    )
    network = new_network(settings, 0)
    return {
        "machine": claims.machine(),
        "date": time.strftime("%Y-%m-%d"),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "share": settings.share,
        "compute": float(f"{settings.share / scaling['alone']:.4g}"),
        "latency": float(f"{link.latency:.4g}"),
        "bandwidth": float(f"{link.bandwidth:.4g}"),
    }


# --- the commands --------------------------------------------------------------------------------


def export_runs(folder: Path, record: Path = RECORD) -> None:
    """Write ``runs.json`` and ``poster.svg`` into ``folder``, from a ``claim.json``."""
    shown = learning_curves(claims.load(record))
    text = json.dumps(shown, separators=(",", ":"), allow_nan=False) + "\n"
    write_whole(folder / "runs.json", text)
    write_whole(folder / "poster.svg", poster(shown))


def main(arguments: list[str]) -> int:
    """The two commands of this module."""
    match arguments:
        case ["export", folder]:
            export_runs(Path(folder))
        case ["measure", folder]:
            write_whole(Path(folder) / "link.json", json.dumps(measured_figures(), indent=1) + "\n")
        case _:
            print("usage: ... live export|measure FOLDER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
