"""The speech set: digits, letters and short phrases by six voices, with the time of every phoneme.

Chapters on sound use this room. A formant synthesiser, eSpeak NG, speaks: its voices are
artificial, and only it can tell when each phoneme begins. An *utterance* is one rendition of a
text by a voice; a *take* is the number of the rendition, and takes differ in speed and pitch.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from companion.cache import cached_arrays
from companion.datasets import espeak
from companion.datasets.audio import PEAK, SAMPLE_RATE, SpeechError, prepare
from companion.seeds import numpy_generator

__all__ = [
    "DIGITS",
    "LETTERS",
    "LEXICON",
    "PEAK",
    "PHRASES",
    "SAMPLE_RATE",
    "TAKES",
    "VOICES",
    "Interval",
    "SpeechError",
    "Utterance",
    "load_speech",
    "synthesise",
]

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
PHRASES = ("yes", "no", "hello", "good morning", "thank you", "well done", "go on", "stop")
LEXICON = DIGITS + LETTERS + PHRASES
# Pitched as men (around 100 Hz) and as women (around 200 Hz); three accents of English; klatt2 is
# a synthesiser of its own inside eSpeak NG.
VOICES = ("en-us", "en-us+f2", "en-us+m7", "en-us+klatt2", "en-gb-scotland+f3", "en-029+m4")
TAKES = 5
_SPEEDS = (140, 210)  # words a minute, from unhurried to brisk
_PITCHES = (40, 60)  # around the voice's own, 50, so that a voice stays itself
_CACHE_VERSION = "1"


@dataclass(frozen=True)
class Interval:
    """A word or phoneme and when it sounds: ``start`` to ``end``, in seconds of the utterance."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Utterance:
    """One rendition of ``text``.

    ``samples`` (time,) is float32 at 8 kHz with its peak at 0.9. ``phonemes`` are IPA symbols
    without stress marks, in order and without overlap; what no phoneme covers is silence.
    ``speed`` is in words a minute and ``pitch`` on eSpeak NG's scale of 0 to 99.
    """

    text: str
    voice: str
    samples: Float[np.ndarray, " time"]
    words: tuple[Interval, ...]
    phonemes: tuple[Interval, ...]
    speed: int
    pitch: int
    take: int = 0


def synthesise(
    text: str, voice: str, speed: int = 175, pitch: int = 50, take: int = 0
) -> Utterance:
    """``text`` said by ``voice``; the same arguments give the same samples. Takes about 10 ms.

    ``voice`` is any of eSpeak NG's, such as ``de`` or ``en-us+f4``, not only one of ``VOICES``.

    Raises ``SpeechError`` when eSpeak NG has no such voice, speed or pitch, or nothing to say, and
    ``ModuleNotFoundError`` with the remedy when the extra ``speech`` is not installed.
    """
    raw, rate, events = espeak.speak(text, voice, speed, pitch)
    samples = prepare(raw.astype(np.float32) / 32768, rate, f"{text!r} by {voice!r}")
    end = len(samples) / SAMPLE_RATE
    phonemes = _phonemes(events, end)
    return Utterance(text, voice, samples, _words(events, phonemes), phonemes, speed, pitch, take)


def _phonemes(events: list[espeak.Event], end: float) -> tuple[Interval, ...]:
    """Each phoneme until the next event; pauses and marks of a change of language are left out."""
    marks = [event for event in events if event.kind == espeak.PHONEME]
    times = [min(event.time, end) for event in marks] + [end]
    intervals = []
    for event, (start, stop) in zip(marks, itertools.pairwise(times), strict=True):
        label = event.label.strip("ˈˌ")  # stress shows in length and pitch
        if label and not label.startswith("(") and not label.startswith("_") and stop > start:
            intervals.append(Interval(label, start, stop))
    return tuple(intervals)


def _words(events: list[espeak.Event], phonemes: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """Each word from its first phoneme to the end of its last."""
    words = [event for event in events if event.kind == espeak.WORD]
    limits = [event.time for event in words[1:]] + [float("inf")]
    intervals = []
    for word, limit in zip(words, limits, strict=True):
        inside = [phone for phone in phonemes if word.time <= phone.start < limit]
        if inside:
            intervals.append(Interval(word.label, inside[0].start, inside[-1].end))
    return tuple(intervals)


def load_speech() -> list[Utterance]:
    """Every entry of ``LEXICON`` by every one of ``VOICES`` in ``TAKES`` takes, in that order.

    Speed and pitch of a take are drawn once, from a fixed seed. The first call makes the set in
    some ten seconds; later ones read it from the cache in a fraction of a second.
    """
    arrays = cached_arrays("speech", _CACHE_VERSION, _build)
    return _unpack(arrays)


def _build() -> dict[str, np.ndarray]:
    generator = numpy_generator(0, "speech", "takes")
    utterances = []
    for text, voice in itertools.product(LEXICON, VOICES):
        # Distinct speeds, so that no two takes of a pair can be the same waveform.
        speeds = generator.choice(np.arange(_SPEEDS[0], _SPEEDS[1] + 1), TAKES, replace=False)
        pitches = generator.integers(_PITCHES[0], _PITCHES[1] + 1, TAKES)
        for take, (speed, pitch) in enumerate(zip(speeds, pitches, strict=True)):
            utterances.append(synthesise(text, voice, int(speed), int(pitch), take))
    return _pack(utterances)


def _pack(utterances: list[Utterance]) -> dict[str, np.ndarray]:
    """The utterances as flat arrays; rows of different length are told apart by their counts."""
    arrays = {
        "texts": np.array([utterance.text for utterance in utterances]),
        "voices": np.array([utterance.voice for utterance in utterances]),
        "settings": np.array([(u.speed, u.pitch, u.take) for u in utterances], dtype=np.int32),
        "lengths": np.array([len(utterance.samples) for utterance in utterances]),
        "samples": np.concatenate(
            [np.round(utterance.samples * 32767).astype(np.int16) for utterance in utterances]
        ),
    }
    for name in ("words", "phonemes"):
        rows = [getattr(utterance, name) for utterance in utterances]
        flat = [interval for row in rows for interval in row]
        arrays[f"{name}_counts"] = np.array([len(row) for row in rows])
        arrays[f"{name}_labels"] = np.array([interval.label for interval in flat])
        arrays[f"{name}_times"] = np.array([(i.start, i.end) for i in flat])
    return arrays


def _unpack(arrays: dict[str, np.ndarray]) -> list[Utterance]:
    samples = np.split(arrays["samples"], np.cumsum(arrays["lengths"])[:-1])
    rows = {}
    for name in ("words", "phonemes"):
        labels, times = arrays[f"{name}_labels"].tolist(), arrays[f"{name}_times"].tolist()
        flat = iter([Interval(label, *time) for label, time in zip(labels, times, strict=True)])
        counts = arrays[f"{name}_counts"].tolist()
        rows[name] = [tuple(itertools.islice(flat, count)) for count in counts]
    return [
        Utterance(text, voice, (piece / 32767).astype(np.float32), words, phonemes, *settings)
        for text, voice, piece, words, phonemes, settings in zip(
            arrays["texts"].tolist(),
            arrays["voices"].tolist(),
            samples,
            rows["words"],
            rows["phonemes"],
            arrays["settings"].tolist(),
            strict=True,
        )
    ]
