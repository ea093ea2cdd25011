"""The speech set: repeatable, aligned with its phonemes, and plain about what it refuses."""

import hashlib
import itertools
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from companion.datasets import audio, espeak, speech
from companion.datasets.speech import SAMPLE_RATE, SpeechError, synthesise


@pytest.fixture(scope="module")
def utterances():
    return speech.load_speech()


def digest(*utterances):
    joined = b"".join(utterance.samples.tobytes() for utterance in utterances)
    return hashlib.sha256(joined).hexdigest()


# --- eSpeak NG


def test_known_phonemes_of_seven():
    utterance = synthesise("seven", "en-us")
    assert [phoneme.label for phoneme in utterance.phonemes] == ["s", "ɛ", "v", "ə", "n"]
    assert [word.label for word in utterance.words] == ["seven"]
    assert utterance.samples.dtype == np.float32
    assert 0.4 < len(utterance.samples) / SAMPLE_RATE < 0.5
    assert np.abs(utterance.samples).max() == pytest.approx(speech.PEAK, abs=1e-4)


def test_a_language_switch_is_no_phoneme():
    labels = [phoneme.label for phoneme in synthesise("seven", "de").phonemes]
    assert labels == ["s", "ɛ", "v", "ə", "n"]


def test_words_of_a_phrase_in_order():
    words = synthesise("good morning", "en-us").words
    assert [word.label for word in words] == ["good", "morning"]
    assert words[0].end <= words[1].start


def test_a_call_depends_on_its_arguments_alone_also_in_a_fresh_process():
    first = synthesise("six", "en-us+m7")
    synthesise("a longer phrase that moves the library on", "en-us+f2", speed=120)
    assert digest(synthesise("six", "en-us+m7")) == digest(first)
    program = (
        "import hashlib\nfrom companion.datasets.speech import synthesise\n"
        "print(hashlib.sha256(synthesise('six', 'en-us+m7').samples.tobytes()).hexdigest())"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert fresh.stdout.strip() == digest(first)


def test_threads_do_not_disturb_one_another():
    calls = list(itertools.product(("one", "two", "good morning"), speech.VOICES[:3]))
    alone = [digest(synthesise(*call)) for call in calls]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda call: digest(synthesise(*call)), calls))
    assert together == alone


def test_speed_shortens_and_pitch_raises_the_voice():
    slow, fast = (synthesise("seven", "en-us", speed=speed) for speed in (120, 220))
    assert len(slow.samples) > 1.2 * len(fast.samples)
    low, high = (fundamental(synthesise("nine", "en-us", pitch=pitch), "aɪ") for pitch in (30, 70))
    assert high > 1.1 * low


def fundamental(utterance, label):
    """The pitch in Hz of a vowel, from the first peak of its autocorrelation."""
    vowel = next(phoneme for phoneme in utterance.phonemes if phoneme.label == label)
    start, end = int(vowel.start * SAMPLE_RATE), int(vowel.end * SAMPLE_RATE)
    samples = utterance.samples[start:end]
    correlation = np.correlate(samples, samples, "full")[len(samples) - 1 :]
    lags = np.arange(SAMPLE_RATE // 320, SAMPLE_RATE // 60)
    return SAMPLE_RATE / lags[np.argmax(correlation[lags])]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("seven", "xx-nowhere"), "no voice 'xx-nowhere'"),
        (("seven", "en-us+nobody"), "unknown variant 'nobody'"),
        (("seven", ""), "no voice ''"),
        (("", "en-us"), "text to speak is expected, got ''"),
        (("  ", "en-us"), "text to speak is expected"),
        (("a\0b", "en-us"), "text to speak is expected"),
        (("...", "en-us"), r"'\.\.\.'"),
        (("seven", "en-us", 20), "speed is 20"),
        (("seven", "en-us", 175, 120), "pitch is 120"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(arguments, message):
    with pytest.raises(SpeechError, match=message):
        synthesise(*arguments)


def test_a_wrong_path_is_an_error_and_no_exit(monkeypatch, tmp_path):
    import espeakng_loader

    with monkeypatch.context() as patch:
        patch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path))
        with pytest.raises(SpeechError, match="voices are not in"):
            synthesise("seven", "en-us")
    with monkeypatch.context() as patch:
        patch.setattr(espeakng_loader, "get_library_path", lambda: str(tmp_path / "none.so"))
        with pytest.raises(SpeechError, match="cannot be opened"):
            synthesise("seven", "en-us")
    assert len(synthesise("seven", "en-us").samples)


@pytest.mark.parametrize("module", ["espeakng_loader", "torchaudio"])
def test_a_missing_package_names_the_extra(monkeypatch, module):
    found = audio.importlib.util.find_spec
    monkeypatch.setattr(
        audio.importlib.util, "find_spec", lambda name: None if name == module else found(name)
    )
    with pytest.raises(ModuleNotFoundError, match=r"rebuilding-2017\[speech\]"):
        synthesise("seven", "en-us")


def test_importing_the_room_opens_no_library():
    program = (
        "import sys, companion.datasets.speech\n"
        "assert not {'espeakng_loader', 'torchaudio', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_library_is_closed_after_each_call():
    synthesise("seven", "en-us")
    if sys.platform == "linux":
        with open("/proc/self/maps") as maps:
            assert "espeak" not in maps.read()


# --- the set


def test_every_entry_by_every_voice_in_every_take(utterances):
    named = [(u.text, u.voice, u.take) for u in utterances]
    expected = itertools.product(speech.LEXICON, speech.VOICES, range(speech.TAKES))
    assert named == list(expected)
    assert len(speech.VOICES) >= 6
    assert 300 < sum(len(u.samples) for u in utterances) / SAMPLE_RATE < 900


def test_no_two_utterances_are_the_same_waveform(utterances):
    assert len({u.samples.tobytes() for u in utterances}) == len(utterances)
    pairs = {}
    for utterance in utterances:
        pairs.setdefault((utterance.text, utterance.voice), set()).add(utterance.speed)
    assert all(len(speeds) == speech.TAKES for speeds in pairs.values())


def test_the_cached_set_is_what_the_synthesiser_says(utterances):
    for kept in utterances[:: len(utterances) // 7]:
        said = synthesise(kept.text, kept.voice, kept.speed, kept.pitch, kept.take)
        np.testing.assert_array_equal(kept.samples, said.samples)
        assert (kept.words, kept.phonemes) == (said.words, said.phonemes)


def test_phonemes_are_in_order_and_cover_their_words(utterances):
    for utterance in utterances:
        end = len(utterance.samples) / SAMPLE_RATE
        assert utterance.phonemes[0].start >= 0
        assert utterance.phonemes[-1].end <= end + 1e-9
        for phoneme in utterance.phonemes:
            assert phoneme.start < phoneme.end
        for before, after in itertools.pairwise(utterance.phonemes):
            assert before.end <= after.start
        assert " ".join(word.label for word in utterance.words) == utterance.text
        assert utterance.words[0].start == utterance.phonemes[0].start
        assert utterance.words[-1].end == utterance.phonemes[-1].end
        covered = sum(phoneme.end - phoneme.start for phoneme in utterance.phonemes)
        assert covered > 0.6 * end


def test_sound_is_where_the_phonemes_are(utterances):
    """Vowels are loud, hissing is quieter, and what no phoneme covers is quieter still."""
    loudness = {"iː": [], "aɪ": [], "s": [], "silence": []}
    for utterance in utterances:
        samples, rest = utterance.samples, np.ones(len(utterance.samples), dtype=bool)
        for phoneme in utterance.phonemes:
            start, end = (round(t * SAMPLE_RATE) for t in (phoneme.start, phoneme.end))
            rest[start:end] = False
            if phoneme.label in loudness:
                loudness[phoneme.label].append(np.sqrt((samples[start:end] ** 2).mean()))
        loudness["silence"].append(np.sqrt((samples[rest] ** 2).mean()) if rest.any() else 0)
    level = {label: np.median(values) for label, values in loudness.items()}
    assert min(level["iː"], level["aɪ"]) > 3 * level["s"]
    assert level["s"] > level["silence"]


def test_hissing_is_high_and_vowels_are_low():
    utterance = synthesise("seven", "en-us")
    centre = {}
    for phoneme in utterance.phonemes[:2]:
        start, end = (round(t * SAMPLE_RATE) for t in (phoneme.start, phoneme.end))
        power = np.abs(np.fft.rfft(utterance.samples[start:end])) ** 2
        frequencies = np.fft.rfftfreq(end - start, 1 / SAMPLE_RATE)
        # Below 300 Hz hides a thump at the start of the hiss.
        heard = frequencies > 300
        centre[phoneme.label] = (power * frequencies)[heard].sum() / power[heard].sum()
    assert centre["s"] > 1.5 * centre["ɛ"]


def test_voices_differ_in_spectrum_more_than_their_takes_do(utterances):
    window = torch.hann_window(256)

    def spectrum(utterance):
        frames = torch.stft(
            torch.from_numpy(utterance.samples), 256, 64, window=window, return_complex=True
        )
        return (frames.abs().square().mean(dim=1) + 1e-6).log()

    means = {}
    for take in (0, 1):
        for voice in speech.VOICES:
            chosen = [
                spectrum(u)
                for u in utterances
                if u.voice == voice and u.take == take and u.text in speech.DIGITS
            ]
            means[voice, take] = torch.stack(chosen).mean(dim=0)
    for voice in speech.VOICES:
        own = (means[voice, 0] - means[voice, 1]).square().mean()
        for other in set(speech.VOICES) - {voice}:
            assert (means[voice, 0] - means[other, 1]).square().mean() > 3 * own


# --- recorded audio


def tone(rate, seconds=0.5, frequency=440.0, level=0.3):
    return level * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_any_rate_from_8_khz_becomes_8_khz_at_the_same_pitch(rate):
    prepared = audio.prepare(tone(rate), rate)
    assert prepared.dtype == np.float32
    assert len(prepared) == pytest.approx(4000, abs=1)
    assert np.abs(prepared).max() == pytest.approx(audio.PEAK, abs=1e-3)
    power = np.abs(np.fft.rfft(prepared))
    assert np.argmax(power) * SAMPLE_RATE / len(prepared) == pytest.approx(440, abs=3)


def test_what_8_khz_cannot_hold_is_filtered_out_before():
    mixed = tone(22050, frequency=440) + tone(22050, frequency=7000)
    power = np.abs(np.fft.rfft(audio.prepare(mixed, 22050))) ** 2
    alias = power[480:520].sum()  # 7,000 Hz would fold to 1,000 Hz
    assert alias < 1e-4 * power.sum()


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(0), 8000, "empty"),
        (np.zeros(800), 8000, "silent"),
        (np.zeros((800, 2)), 8000, "mono"),
        (np.clip(tone(8000, level=3.0), -1, 1), 8000, "clipped"),
        (tone(8000, level=3.0), 8000, "reaches 3"),
        (np.array([0.1, np.nan]), 8000, "finite"),
        (tone(4000), 4000, "4000 samples a second"),
        (tone(8000), 8000.5, "whole number"),
    ],
)
def test_unusable_audio_is_refused(samples, rate, message):
    with pytest.raises(SpeechError, match=message):
        audio.prepare(samples, rate)


def write_wav(path, samples, rate=8000, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)


def test_a_wav_file_comes_back(tmp_path):
    whole = np.array([0, 1, -32768, 32767], dtype="<i2")
    write_wav(tmp_path / "a.wav", whole.tobytes(), rate=11025)
    samples, rate = audio.read_wav(tmp_path / "a.wav")
    assert rate == 11025
    assert (samples * 32768).tolist() == [0, 1, -32768, 32767]


def test_unusable_files_are_refused_by_name(tmp_path):
    write_wav(tmp_path / "stereo.wav", bytes(400), channels=2)
    write_wav(tmp_path / "bytes.wav", bytes(400), width=1)
    (tmp_path / "text.wav").write_text("not sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    for name, message in [("stereo", "2 channels"), ("bytes", "8 bits"), ("text", "not a wav")]:
        with pytest.raises(SpeechError, match=rf"{name}\.wav.* {message}"):
            audio.read_wav(tmp_path / f"{name}.wav")
    with pytest.raises(SpeechError, match=r"empty\.wav"):
        audio.read_wav(tmp_path / "empty.wav")
    with pytest.raises(FileNotFoundError, match=r"none\.wav"):
        audio.read_wav(tmp_path / "none.wav")


def test_an_event_keeps_a_phoneme_of_eight_bytes_and_drops_a_cut_character():
    event = espeak._Event(type=espeak.PHONEME, audio_position=250)
    event.id.string[:] = "ˈɔːɹ".encode()
    assert espeak._to_event(event, "") == espeak.Event(espeak.PHONEME, 0.25, "ˈɔːɹ")
    event.id.string[:] = "aˈɔːɹ".encode()[:8]
    assert espeak._to_event(event, "").label == "aˈɔː"
