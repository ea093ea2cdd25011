"""The shipped generators: trained and read back at smoke size, their record, damaged files."""

import dataclasses
import json

import pytest
import torch
from torch import nn

from companion.checkpoint import CheckpointError, load_weights
from companion.seeds import generator
from companion.vision.cyclegan import horses, shipped
from companion.vision.cyclegan.data import Unpaired
from companion.vision.cyclegan.model import Architecture, translate
from companion.vision.cyclegan.train import Settings

SMALL = Architecture(width=4, num_blocks=1, discriminator_width=4, receptive_field=16)
TINY = Settings(SMALL, steps=2, minutes=0, batch_size=1)


@pytest.fixture
def few(monkeypatch) -> tuple[horses.Scenes, horses.Scenes]:
    """A test set of three horses, the first ridden, and three zebras, for the scores."""
    tame = horses.horse_scenes(generator(0, "horses"), 3)
    tame = dataclasses.replace(tame, rider=torch.tensor([True, False, False]))
    scenes = tame, horses.zebra_scenes(generator(0, "zebras"), 3)
    monkeypatch.setattr(shipped, "scenes_of", lambda split: {"test": scenes}[split])
    return scenes


def test_what_is_trained_is_saved_in_half_precision_and_read_back(few, tmp_path):
    path = tmp_path / "some.safetensors"
    pictures = torch.rand(2, 3, 16, 16, generator=generator(0)) * 2 - 1
    shipped.train_shipped(path, "cpu", TINY, Unpaired(pictures, pictures))
    state, recorded = load_weights(path)
    assert all(part.dtype == torch.float16 for part in state.values())
    assert not any(name.startswith("judge") for name in state)
    assert json.loads(recorded["settings"])["architecture"]["width"] == 4
    networks = shipped.load_shipped(path)
    again = shipped.held_out_scores(*networks)
    assert all(recorded[name] == f"{score:.2f}" for name, score in again.items())
    assert [each.name for each in tmp_path.iterdir()] == [path.name]  # no checkpoint stays
    one, other = (translate(network, pictures) for network in networks)
    assert (one - other).abs().max() > 1e-3


def test_scores_of_a_copy_and_of_the_true_partner_are_known(few, monkeypatch):
    """A generator that does nothing scores what a copy does; the truth has no error anywhere."""
    monkeypatch.setattr(shipped, "translate", lambda network, pictures: pictures)
    idle = shipped.held_out_scores(nn.Identity(), nn.Identity())
    for name in ("horses", "zebras"):
        for place in ("on the animal", "beside it"):
            assert idle[f"{name} translated, {place}"] == idle[f"{name} copied, {place}"]
        assert idle[f"{name} there and back"] == 0
        assert idle[f"{name} copied, on the animal"] > 20 > 1 > idle[f"{name} copied, beside it"]

    def truth(network, pictures):
        sides = [(scenes, shipped.partners_of(scenes)) for scenes in few]
        sides += [(partners, scenes) for scenes, partners in sides]
        return next(
            horses.draw(there).images
            for here, there in sides
            if torch.equal(pictures, horses.draw(here).images)
        )

    monkeypatch.setattr(shipped, "translate", truth)
    right = shipped.held_out_scores(nn.Identity(), nn.Identity())
    for name, score in right.items():
        if "contrast" not in name and "copied" not in name:
            assert score == 0, name
    for name in ("horses", "zebras"):
        true, copied = (right[f"{name} {which}, contrast"] for which in ("partner", "copied"))
        assert right[f"{name} translated, contrast"] == true
        assert (true > 2 * copied) if name == "horses" else (copied > 2 * true)


@pytest.mark.weights
def test_the_shipped_generators_score_as_recorded_and_stripe_as_a_copy_does_not():
    _, recorded = load_weights(shipped.WEIGHTS)
    scores = shipped.held_out_scores(*shipped.load_shipped())
    for name, score in scores.items():
        assert score == pytest.approx(float(recorded[name]), abs=0.1), name
    settings = json.loads(recorded["settings"])
    expected = dataclasses.asdict(shipped.SETTINGS)
    assert {name: expected[name] for name in expected if name != "minutes"} == {
        name: settings[name] for name in settings if name != "minutes"
    }
    for name in ("horses", "zebras"):
        translated, copied, true = (
            scores[f"{name} {which}, contrast"] for which in ("translated", "copied", "partner")
        )
        assert abs(translated - true) < 0.3 * abs(copied - true)
        assert scores[f"{name} there and back"] < 10


def test_damaged_weights_are_refused_by_name(tmp_path):
    damaged = tmp_path / "weights.safetensors"
    damaged.write_bytes(shipped.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        shipped.load_shipped(damaged)
