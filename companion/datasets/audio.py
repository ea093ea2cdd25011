"""Recorded sound made ready for a network: read, checked, brought to 8 kHz and to one loudness.

`companion.datasets.speech` prepares the synthesiser's output with it, chapter 2.1 recordings.
"""

from __future__ import annotations

import importlib.util
import wave
from pathlib import Path

import numpy as np
from jaxtyping import Float

SAMPLE_RATE = 8000  # Hz: telephone quality, half of what the paper used
PEAK = 0.9  # the largest absolute sample after normalisation
MAX_CLIPPED = 0.001  # share of samples at full scale above which a recording is refused


class SpeechError(ValueError):
    """Speech that cannot be used or cannot be made; the message says which and why."""


def read_wav(path: str | Path) -> tuple[Float[np.ndarray, " time"], int]:
    """The samples of a mono 16-bit wav file, in [-1, 1), and its rate in Hz.

    Raises ``FileNotFoundError`` when there is no such file, and ``SpeechError`` when it is no wav
    file, has another sample width, or has several channels: which one is meant only you can say.
    """
    path = Path(path)
    try:
        with wave.open(str(path)) as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no wav file at {path}") from None
    except (wave.Error, EOFError) as error:
        raise SpeechError(f"{path} is not a wav file of plain samples ({error})") from error
    if channels != 1:
        raise SpeechError(f"{path} has {channels} channels; make it mono first")
    if width != 2:
        raise SpeechError(f"{path} has samples of {8 * width} bits; 16 bits are expected")
    samples = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")
    return samples.astype(np.float32) / 32768, rate


def prepare(
    samples: Float[np.ndarray, " time"], rate: int, name: str = "the audio"
) -> Float[np.ndarray, " time8k"]:
    """Mono ``samples`` at ``rate`` Hz as float32 at 8 kHz, their peak at 0.9.

    Any whole rate from 8,000 Hz up is accepted and resampled with a windowed-sinc filter that
    removes what lies above 4 kHz. Values are rounded to 16 bits, so that differences of the last
    bit between processors do not reach the data.

    Args:
        name: what the samples are called in an error, such as the file's name.

    Raises:
        SpeechError: when the audio is empty, silent, not mono, not finite, beyond [-1, 1], clipped
            (more than 0.1% of its samples at full scale), or of a lower rate.
    """
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1:
        raise SpeechError(f"{name} has shape {samples.shape}; mono audio (time,) is expected")
    if rate != int(rate) or rate < SAMPLE_RATE:
        raise SpeechError(
            f"{name} has {rate} samples a second; a whole number from {SAMPLE_RATE} up is expected"
        )
    if not len(samples):
        raise SpeechError(f"{name} is empty")
    if not np.isfinite(samples).all():
        raise SpeechError(f"{name} holds values that are not finite")
    loudness = np.abs(samples)
    if loudness.max() > 1:
        raise SpeechError(f"{name} reaches {loudness.max():.3g}; values in [-1, 1] are expected")
    if loudness.max() < 1e-3:
        raise SpeechError(f"{name} is silent: no sample is louder than {loudness.max():.1g}")
    clipped = float((loudness >= 32766 / 32768).mean())
    if clipped > MAX_CLIPPED:
        raise SpeechError(f"{name} is clipped: {clipped:.1%} of its samples are at full scale")
    samples = _resample(samples, int(rate))
    scaled = samples * (PEAK / np.abs(samples).max())
    return (np.round(scaled * 32767) / 32767).astype(np.float32)


def _resample(samples: Float[np.ndarray, " time"], rate: int) -> Float[np.ndarray, " time8k"]:
    if rate == SAMPLE_RATE:
        return samples
    require_extra("torchaudio")
    import torch
    import torchaudio

    return torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()


def require_extra(module: str) -> None:
    """Raise ``ModuleNotFoundError`` with the remedy when a module of the extra is missing."""
    if importlib.util.find_spec(module) is None:
        raise ModuleNotFoundError(
            f"the speech set needs the package {module.replace('_', '-')!r}, which is not "
            "installed: run `pip install 'rebuilding-2017[speech]'`",
            name=module,
        )
