"""Mu-law, clips, splits and batches of the speech set, and the loaders of recorded speech."""

import itertools
import math
import wave

import numpy as np
import pytest
import torch

from companion.datasets.speech import LEXICON, SAMPLE_RATE, VOICES, SpeechError, load_speech
from companion.datasets.speech import synthesise as say
from companion.speech.wavenet import data, recordings

# --- mu-law


def test_known_codes():
    samples = torch.tensor([-1.0, -1e-5, 0.0, 1e-5, 1.0])
    assert data.mu_law_encode(samples).tolist() == [0, 127, 128, 128, 255]
    assert data.mu_law_encode(samples).dtype == torch.int64
    # By hand: f(0.1) = ln(26.5) / ln(256) = 0.591, and (0.591 + 1) / 2 * 255 = 202.8.
    assert data.mu_law_encode(torch.tensor([0.1])).item() == 203
    assert data.mu_law_encode(torch.tensor([-0.1])).item() == 52


def test_decoding_inverts_encoding_at_every_code():
    codes = torch.arange(data.NUM_CODES)
    samples = data.mu_law_decode(codes)
    assert samples[[0, -1]].tolist() == [-1, 1]
    assert (samples.diff() > 0).all()
    torch.testing.assert_close(samples, -samples.flip(0))
    assert torch.equal(data.mu_law_encode(samples), codes)


def test_rounding_to_nearest_gives_the_signal_to_noise_ratio_that_flooring_loses():
    samples = 0.1 * torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    samples = samples.clamp(-1, 1)

    def ratio_and_bias(codes):
        error = data.mu_law_decode(codes) - samples
        return 10 * math.log10(samples.square().mean() / error.square().mean()), error.mean()

    squeezed = samples.sign() * torch.log1p(255 * samples.abs()) / math.log(256)
    floored = torch.floor((squeezed + 1) / 2 * 255).long()
    nearest, bias = ratio_and_bias(data.mu_law_encode(samples))
    lower, shift = ratio_and_bias(floored)
    assert nearest > 37
    assert nearest - lower > 5
    assert abs(bias) < 1e-4 < 1e-3 < abs(shift)


@pytest.mark.parametrize("value", [1.01, -2.0, math.nan, math.inf])
def test_samples_beyond_the_range_are_refused(value):
    with pytest.raises(SpeechError, match=r"\[-1, 1\]"):
        data.mu_law_encode(torch.tensor([0.0, value]))


@pytest.mark.parametrize("codes", [[256], [-1], [3.0]])
def test_codes_out_of_range_are_refused(codes):
    with pytest.raises(SpeechError, match="0 to 255"):
        data.mu_law_decode(torch.tensor(codes))


# --- phonemes


def test_the_inventory_is_what_the_set_says():
    heard = {phoneme.label for utterance in load_speech() for phoneme in utterance.phonemes}
    assert data.PHONEMES[0] == ""
    assert sorted(heard) == sorted(data.PHONEMES[1:])
    assert len(set(data.PHONEMES)) == len(data.PHONEMES)


def test_the_track_follows_the_events():
    utterance = say("seven", "en-us")
    track = data.phoneme_track(utterance)
    assert track.shape == utterance.samples.shape
    order = [data.PHONEMES[index] for index, _ in itertools.groupby(track.tolist())]
    assert order == ["", "s", "ɛ", "v", "ə", "n", ""]
    vowel = utterance.phonemes[1]
    assert (track == data.phoneme_index("ɛ")).sum() == pytest.approx(
        (vowel.end - vowel.start) * SAMPLE_RATE, abs=1
    )


def test_a_foreign_phoneme_is_named():
    with pytest.raises(SpeechError, match="the phoneme 'e'"):
        data.phoneme_track(say("seven", "es-419"))


# --- clips


@pytest.fixture(scope="module")
def splits():
    return {split: data.load_clips(split) for split in data.SPLITS}


def test_splits_share_no_clip_and_leave_none_out(splits):
    names = [name for clips in splits.values() for name in clips.names]
    assert len(names) == len(set(names)) == len(load_speech())
    waveforms = [tuple(codes.tolist()) for clips in splits.values() for codes in clips.codes]
    assert len(set(waveforms)) == len(waveforms)


def pairs(clips):
    return {(text, clips.voices[i]) for text, i in zip(clips.texts, clips.speakers, strict=True)}


def test_test_takes_are_of_known_pairs_and_unseen_pairs_are_never_trained(splits):
    known = pairs(splits["train"])
    assert pairs(splits["test"]) == pairs(splits["validation"]) == known
    unseen = pairs(splits["unseen"])
    assert not unseen & known
    assert unseen | known == set(itertools.product(LEXICON, VOICES))
    assert {voice for _, voice in unseen} == set(VOICES)
    assert {text for text, _ in unseen} <= {text for text, _ in known}


def test_a_clip_is_its_utterance(splits):
    clips = splits["test"]
    index = clips.names.index("seven en-us+f2 4")
    utterance = next(
        u for u in load_speech() if (u.text, u.voice, u.take) == ("seven", "en-us+f2", 4)
    )
    assert clips.texts[index] == "seven"
    assert clips.voices[clips.speakers[index]] == "en-us+f2"
    decoded = data.mu_law_decode(clips.codes[index]).numpy()
    error = decoded - utterance.samples
    assert 10 * np.log10((utterance.samples**2).mean() / (error**2).mean()) > 35
    assert torch.equal(clips.phonemes[index], data.phoneme_track(utterance))


def test_unknown_split_and_speaker_are_named(splits):
    with pytest.raises(ValueError, match="'dev'"):
        data.load_clips("dev")
    with pytest.raises(SpeechError, match="'nobody'"):
        splits["test"].speaker("nobody")
    assert splits["test"].speaker(VOICES[2]) == 2


def test_trivial_baselines_order_and_beat_guessing(splits):
    unigram = data.unigram_bits(splits["train"], splits["test"])
    bigram = data.bigram_bits(splits["train"], splits["test"])
    assert 4 < bigram < unigram < 8


def test_baselines_of_a_known_source():
    """Codes that alternate cost one bit each to the unigram, almost none to the bigram."""
    codes = torch.tensor([10, 20] * 50_000)
    clips = data.Clips([codes], [torch.zeros_like(codes)], torch.tensor([0]), [""], ["x"], ("one",))
    assert data.unigram_bits(clips, clips) == pytest.approx(1, abs=0.01)
    assert data.bigram_bits(clips, clips) < 0.01


# --- batches


@pytest.fixture
def ramps():
    """Three clips whose codes tell clip and place: 5, 8 and 12 samples."""
    codes = [100 * index + torch.arange(length) for index, length in enumerate((5, 8, 12))]
    return data.Clips(
        codes=codes,
        phonemes=[clip % 7 for clip in codes],
        speakers=torch.tensor([2, 0, 1]),
        texts=["a", "b", "c"],
        names=["a", "b", "c"],
        voices=("x", "y", "z"),
    )


def test_crops_are_runs_of_one_clip_with_its_speaker_and_phonemes(ramps):
    batch = next(data.training_batches(ramps, 64, 8, torch.Generator().manual_seed(0)))
    assert batch.codes.shape == batch.phonemes.shape == batch.mask.shape == (64, 8)
    assert batch.codes.dtype == batch.phonemes.dtype == batch.speakers.dtype == torch.int64
    for codes, phonemes, mask, speaker in zip(
        batch.codes, batch.phonemes, batch.mask, batch.speakers, strict=True
    ):
        inside = codes[mask]
        assert (inside.diff() == 1).all()
        assert torch.equal(phonemes[mask], inside % 7)
        assert ramps.speakers[inside[0] // 100] == speaker
        assert len(inside) == (5 if speaker == 2 else 8)
        assert (codes[~mask] == data.SILENT_CODE).all()
        assert (phonemes[~mask] == 0).all()


def test_every_crop_is_equally_likely(ramps):
    batches = data.training_batches(ramps, 700, 8, torch.Generator().manual_seed(0))
    starts = torch.cat([next(batches).codes[:, 0] for _ in range(10)])
    values, counts = starts.unique(return_counts=True)
    assert values.tolist() == [0, 100, 200, 201, 202, 203, 204]
    assert (counts - 1000).abs().max() < 150


def test_crops_depend_on_the_generator_alone(ramps):
    first, again, other = (
        next(data.training_batches(ramps, 16, 4, torch.Generator().manual_seed(seed))).codes
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_evaluation_covers_every_sample_once(ramps, splits):
    (batch,) = data.evaluation_batches(ramps)
    assert batch.codes.shape == (3, 12)
    assert sorted(batch.codes[batch.mask].tolist()) == sorted(torch.cat(ramps.codes).tolist())
    assert batch.mask.sum(dim=1).tolist() == [5, 8, 12]
    total = sum(int(batch.mask.sum()) for batch in data.evaluation_batches(splits["test"]))
    assert total == sum(map(len, splits["test"].codes))


def test_evaluation_never_holds_more_samples_than_it_may(ramps):
    shapes = [tuple(batch.codes.shape) for batch in data.evaluation_batches(ramps, 16)]
    assert shapes == [(2, 8), (1, 12)]
    # A clip longer than that comes alone.
    alone = [tuple(batch.codes.shape) for batch in data.evaluation_batches(ramps, 9)]
    assert alone == [(1, 5), (1, 8), (1, 12)]


def test_batches_refuse_what_they_cannot_draw(ramps):
    generator = torch.Generator()
    empty = data.Clips([], [], torch.zeros(0, dtype=torch.int64), [], [], ("x",))
    with pytest.raises(SpeechError, match="no clips"):
        next(data.training_batches(empty, 2, 4, generator))
    with pytest.raises(ValueError, match="length 0"):
        next(data.training_batches(ramps, 2, 0, generator))


# --- recordings


def write_wav(path, frequency, rate=8000, seconds=0.2, channels=1, level=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(rate * seconds)) / rate
    samples = np.repeat(level * np.sin(2 * np.pi * frequency * time), channels)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


@pytest.fixture
def vctk(tmp_path):
    """Two speakers of twelve files in VCTK's layout, at VCTK's rate of 48 kHz."""
    for number, speaker in enumerate(("p225", "p226")):
        for index in range(1, 13):
            name = f"{speaker}_{index:03}.wav"
            frequency = 200 + 100 * number + 5 * index
            write_wav(tmp_path / "wav48" / speaker / name, frequency, rate=48000)
    return tmp_path


def test_vctk_layout_is_resampled_and_split_by_file_within_each_speaker(vctk):
    clips = {split: recordings.load_folder(vctk, split) for split in recordings.SPLITS}
    assert [len(clips[split]) for split in recordings.SPLITS] == [20, 2, 2]
    names = [name for split in clips.values() for name in split.names]
    assert len(set(names)) == 24
    assert "p225/p225_001.wav" in names
    for split in clips.values():
        assert split.voices == ("p225", "p226")
        assert set(split.speakers.tolist()) == {0, 1}
        assert all(len(codes) == 1600 for codes in split.codes)
        assert all(not track.any() for track in split.phonemes)
    clip = clips["test"]
    power = np.abs(np.fft.rfft(data.mu_law_decode(clip.codes[0]).numpy()))
    index = int(clip.names[0][-7:-4])
    expected = 200 + 100 * int(clip.speakers[0]) + 5 * index
    assert np.argmax(power) * SAMPLE_RATE / 1600 == pytest.approx(expected, abs=5)


def test_speakers_folders_may_lie_directly_and_be_limited(vctk):
    whole = recordings.load_folder(vctk / "wav48", "train")
    assert len(whole) == 20
    assert len(recordings.load_folder(vctk, "train", limit=5)) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"channels": 2}, "2 channels"), ({"level": 0}, "silent"), ({"seconds": 0}, "empty")],
)
def test_a_bad_recording_is_named(vctk, changes, message):
    for index in range(1, 13):
        write_wav(vctk / "wav48" / "p225" / f"p225_{index:03}.wav", 200, **changes)
    with pytest.raises(SpeechError, match=rf"p225_0\d\d\.wav.* {message}"):
        recordings.load_folder(vctk, "train")


def test_too_few_files_or_none_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="one a speaker"):
        recordings.load_folder(tmp_path, "train")
    write_wav(tmp_path / "me" / "a.wav", 300)
    with pytest.raises(SpeechError, match="three are needed"):
        recordings.load_folder(tmp_path, "train")
    with pytest.raises(ValueError, match="'unseen'"):
        recordings.load_folder(tmp_path, "unseen")


@pytest.fixture
def prompts(tmp_path):
    """A small folder in the layout of Asterisk's prompts."""
    files = [f"digits/{number}" for number in (0, 1, 2, 3, 19, 40)]
    files += ["digits/hundred", "digits/h-1", "letters/a", "letters/dash", "phonetic/b_p"]
    files += ["agent-pass", "beep", "silence/1"]
    for index, name in enumerate(files):
        level = 0 if name.startswith("silence") else 0.3
        write_wav(tmp_path / f"{name}.wav", 200 + 10 * index, level=level)
    return tmp_path


def test_prompts_are_named_by_their_files(prompts, monkeypatch):
    monkeypatch.setenv("COURSE_ASTERISK", str(prompts))
    clips = [recordings.load_asterisk(split) for split in recordings.SPLITS]
    texts = {name: text for c in clips for name, text in zip(c.names, c.texts, strict=True)}
    assert texts == {
        "digits/0.wav": "zero",
        "digits/1.wav": "one",
        "digits/2.wav": "two",
        "digits/3.wav": "three",
        "digits/19.wav": "nineteen",
        "digits/40.wav": "forty",
        "digits/hundred.wav": "hundred",
        "digits/h-1.wav": "",
        "letters/a.wav": "a",
        "letters/dash.wav": "",
        "phonetic/b_p.wav": "bravo",
        "agent-pass.wav": "",
    }
    words = [recordings.load_asterisk(s, prompts, words_only=True) for s in recordings.SPLITS]
    assert sum(map(len, words)) == 9
    assert all(text for clips in words for text in clips.texts)
    assert words[0].voices == ("Allison",)


def test_missing_prompts_name_the_package(tmp_path):
    with pytest.raises(FileNotFoundError, match="asterisk-core-sounds-en-wav"):
        recordings.load_asterisk("train", tmp_path)
