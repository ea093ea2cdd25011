import dataclasses

import pytest
import torch

from companion.speech.wavenet import claim
from companion.speech.wavenet.data import load_clips
from companion.speech.wavenet.model import new_model


def weights(arm: str) -> int:
    model = new_model(claim.settings_for(arm, "laptop", 1e-3).architecture, 0)
    return sum(weight.numel() for weight in model.parameters())


def test_the_arms_that_are_compared_have_as_many_weights():
    assert weights("undilated") == weights("dilated")
    assert weights("recorded, undilated") == weights("recorded, dilated")
    assert weights("ReLU") == pytest.approx(weights("dilated"), rel=0.1)


def test_arms_differ_in_the_architecture_alone():
    plain = claim.settings_for("dilated", "laptop", 1e-3)
    for arm in claim.CHANGES:
        settings = claim.settings_for(arm, "laptop", 1e-3)
        assert dataclasses.replace(settings, architecture=plain.architecture) == plain


def test_the_cost_stacks_have_equally_many_layers():
    assert {blocks * layers for blocks, layers in claim.COST_STACKS} == {24}


def test_judges_get_the_clips_voice_and_word_and_no_sample_of_it(monkeypatch):
    """Speech that is the clip itself is judged right; the same speech for another voice is not."""
    clips = load_clips("test")
    chosen = [index for index, text in enumerate(clips.texts) if text in claim.WORDS]
    model = new_model(claim.settings_for("dilated", "smoke", 1e-3).architecture, 0)

    def perfect(_, speakers, phonemes, noise, temperature):
        assert torch.equal(speakers, clips.speakers[chosen])
        assert noise.shape == phonemes.shape
        codes = torch.full_like(phonemes, 128)
        for row, index in zip(codes, chosen, strict=True):
            assert len(clips.codes[index]) <= len(row)
            row[: len(clips.codes[index])] = clips.codes[index]
        return codes

    monkeypatch.setattr(claim, "generate_cached", perfect)
    scores = claim.judge_speech(model, clips, 0, "laptop")
    assert scores["speaker"] > 0.95
    assert scores["word"] > 0.95
    voices = clips.speakers.clone()
    monkeypatch.setattr(
        claim, "generate_cached", lambda m, s, p, n, t: perfect(m, voices[chosen], p, n, t)
    )
    turned = dataclasses.replace(clips, speakers=(clips.speakers + 1) % len(clips.voices))
    assert claim.judge_speech(model, turned, 0, "laptop")["speaker"] < 0.05


def test_a_slope_is_the_exponent_of_a_power():
    fields = torch.tensor([20.0, 200.0, 2_000.0])
    assert claim._slope(fields.log(), (3 * fields**0.7).log()) == pytest.approx(0.7)
