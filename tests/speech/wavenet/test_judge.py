import pytest
import torch

from companion.checkpoint import load_weights
from companion.speech.wavenet import judge
from companion.speech.wavenet.data import load_clips


@pytest.mark.parametrize("kind", ["speaker", "word"])
def test_the_shipped_judges_hear_what_is_recorded_of_them(kind):
    _, metadata = load_weights(judge.JUDGES)
    loaded = judge.load_judge(kind)
    for split, floor in (("test", 0.95), ("unseen", 0.7)):
        share = judge.accuracy(loaded, load_clips(split), kind)
        assert share == pytest.approx(float(metadata[f"{kind} {split}"]), abs=0.02)
        assert share >= floor  # a sixth of the speakers, an eighteenth of the words by chance


def test_a_text_that_is_no_word_has_no_class():
    clips = load_clips("test")
    classes = judge.labels(clips, "word").tolist()
    assert {text for text, label in zip(clips.texts, classes, strict=True) if label < 0} == set(
        "abcdefghijklmnopqrstuvwxyz"
    )
    assert all(
        judge.WORDS[label] == text
        for text, label in zip(clips.texts, classes, strict=True)
        if label >= 0
    )


def test_a_clip_keeps_its_class_whatever_stands_beside_it():
    loaded, clips = judge.load_judge("word"), load_clips("test")
    chosen = clips.codes[:6]
    together = loaded.classify(chosen)
    assert together == [loaded.classify([clip])[0] for clip in chosen]


def test_a_tone_sounds_in_its_own_band():
    seconds = torch.arange(8_000) / 8_000
    for hertz in (500, 1_000, 2_500):
        tone = torch.sin(2 * torch.pi * hertz * seconds)[None]
        band = judge.spectrogram(tone)[0].mean(dim=1).argmax().item()
        assert band == round(hertz * judge.WINDOW / 8_000)


def test_a_clip_of_more_than_a_second_is_refused():
    with pytest.raises(ValueError, match="at most 8000 samples; a clip has 8001"):
        judge.padded([torch.full((8_001,), 128)])
