"""What the page shows: the claim's runs as they were, and the figures its times start from."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from companion.systems.imagenet_1h import claim, cost, live
from companion.systems.imagenet_1h.train import SETTINGS, learning_rate_at, new_network

FOLDER = Path(__file__).parents[3] / "book/live/systems/imagenet_1h"
ARMS = [claim.SMALL, *(f"{b:,}, {name}" for b in claim.BATCHES for name in claim.RECIPES)]


def record(epochs: int = 3) -> dict:
    """A small ``claim.json``: seeds out of order, and an arm that the page does not show."""
    losses = {f"loss {epoch}": 2.0 / epoch for epoch in range(1, epochs + 1)}
    metrics = {"test": 2.12345, "validation": 2.0, "final": 0.1, **losses}
    arms = [*ARMS, "2,048, normalised together"]
    return {
        "runs": [{"arm": arm, "seed": seed, "metrics": metrics} for arm in arms for seed in (1, 0)]
    }


# --- the runs


def test_each_minibatch_and_recipe_is_shown_once_with_its_seeds_in_order():
    shown = live.learning_curves(record())
    assert shown["base"] == 64
    found = [(curve["batch"], curve["recipe"]) for curve in shown["curves"]]
    assert found == [(64, None), *itertools.product(claim.BATCHES, claim.RECIPES)]
    for curve in shown["curves"]:
        assert [run["seed"] for run in curve["seeds"]] == [0, 1]
        for run in curve["seeds"]:
            assert run["error"] == pytest.approx(2.123, abs=1e-9)
            assert run["loss"] == [2.0, 1.0, 0.6667]


def test_a_diverged_run_keeps_its_error_and_the_losses_before():
    diverged = record()
    runs = [run for run in diverged["runs"] if run["arm"] == "4,096, rule alone"]
    runs[0]["metrics"] = {"test": 90.0, "loss 1": 11.5, "loss 2": float("inf"), "loss 3": 1.0}
    runs[1]["metrics"] = {"test": 90.0, "validation": 90.0}
    curve = next(
        curve
        for curve in live.learning_curves(diverged)["curves"]
        if (curve["batch"], curve["recipe"]) == (4096, "rule alone")
    )
    assert [(run["error"], run["loss"]) for run in curve["seeds"]] == [(90, []), (90, [11.5])]


def test_a_record_without_an_arm_or_without_losses_by_epoch_is_refused():
    missing = {"runs": [run for run in record()["runs"] if run["arm"] != claim.SMALL]}
    with pytest.raises(ValueError, match="no run of 'batch 64'"):
        live.learning_curves(missing)
    with pytest.raises(ValueError, match="no losses by epoch of 'batch 64'"):
        live.learning_curves(record(epochs=0))


@pytest.mark.parametrize("arm", ARMS)
def test_the_line_of_the_rate_is_the_rate_at_every_step(arm):
    settings = claim.settings_for(arm, "laptop", claim.BASE_RATE)
    epochs, rates = np.array(live.rate_line(settings)).T
    # A little later than the step, since at a fall the line has both rates.
    later = np.arange(settings.steps) / settings.steps_per_epoch + 1e-5
    expected = [learning_rate_at(step, settings) for step in range(settings.steps)]
    np.testing.assert_allclose(np.interp(later, epochs, rates), expected, rtol=1e-3)
    assert epochs[-1] == settings.epochs


def test_the_poster_draws_the_means_of_2048_and_dashes_the_base():
    curves = live.learning_curves(record())
    text = live.poster(curves)
    assert text.count("<polyline") == 6 and text.count("stroke-dasharray") == 3
    assert all(f">{name}</text>" in text for name in claim.RECIPES)
    curves["curves"][0]["seeds"][0]["loss"] = [4.0, 1.0]  # as far as all seeds go
    assert live.mean_loss(curves["curves"][0]) == [3.0, 1.0]


# --- the measured figures


def test_the_figures_come_from_one_worker_and_from_a_fit_to_the_ring(monkeypatch):
    planted = cost.Link(latency=2e-4, bandwidth=1e9)

    def measure_all_reduce(world_size, sizes, algorithms, **limits):
        return [
            {"bytes": n, "seconds": cost.all_reduce_seconds(n, world_size, planted), "algorithm": a}
            for n in sizes
            for a in algorithms
        ]

    monkeypatch.setattr(live, "measure_all_reduce", measure_all_reduce)
    monkeypatch.setattr(live, "measure_scaling", lambda world_size, **limits: {"alone": 4000.0})
    figures = live.measured_figures()
    assert figures["latency"] == pytest.approx(2e-4, rel=1e-3)
    assert figures["bandwidth"] == pytest.approx(1e9, rel=1e-3)
    assert figures["compute"] == pytest.approx(64 / 4000)


# --- what the site serves


def test_the_page_shows_the_runs_of_the_claim(tmp_path):
    live.export_runs(tmp_path)
    for name in ("runs.json", "poster.svg"):
        assert (FOLDER / name).read_bytes() == (tmp_path / name).read_bytes(), (
            f"{name} is of another claim.json: run python -m companion.systems.imagenet_1h.live "
            "export book/live/systems/imagenet_1h"
        )
    assert (FOLDER / "runs.json").stat().st_size < 60_000


def test_the_page_computes_with_measured_figures_of_this_network():
    figures = json.loads((FOLDER / "link.json").read_text(encoding="utf-8"))
    network = new_network(SETTINGS["laptop"], 0)
    assert figures["parameters"] == sum(weights.numel() for weights in network.parameters())
    assert figures["share"] == SETTINGS["laptop"].share
    assert cost.Link(figures["latency"], figures["bandwidth"])
    assert figures["compute"] > 0 and figures["machine"] and figures["date"]


def test_the_page_weighs_little():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 150_000


def test_an_export_is_json_and_an_unknown_command_is_told(tmp_path, capsys):
    path = tmp_path / "claim.json"
    path.write_text(json.dumps(record()), encoding="utf-8")
    live.export_runs(tmp_path, path)
    shown = json.loads((tmp_path / "runs.json").read_text(encoding="utf-8"))
    assert shown == json.loads(json.dumps(live.learning_curves(record())))
    assert live.main([]) == 2
    assert "usage" in capsys.readouterr().err
