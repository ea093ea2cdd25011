"""Chapter 2.1, data: speech as mu-law codes, with its speaker and the phoneme at every sample.

The paper codes 16-bit audio in 256 values by mu-law companding (section 2.2) and gives the network
who speaks (global conditioning) and what is said (local conditioning, section 2.5). A *clip* is
one rendition of a text by a speaker. The speech set of `companion.datasets.speech` has the
phonemes; recordings (`companion.speech.wavenet.recordings`) do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from companion.datasets.speech import (
    LEXICON,
    SAMPLE_RATE,
    VOICES,
    SpeechError,
    Utterance,
    load_speech,
)

MU = 255
NUM_CODES = MU + 1
SILENT_CODE = 128  # what a sample of 0 becomes
# IPA without stress. Index 0 is silence, and stands for every sample of unlabelled recordings.
# fmt: off
PHONEMES = (
    "",
    "a", "aɪ", "aː", "b", "d", "dʒ", "eɪ", "eː", "f", "h", "iə", "iː", "j", "k", "l", "m", "n",
    "o", "oə", "oʊ", "oː", "p", "r", "s", "t", "tʃ", "t̪", "uː", "v", "w", "z", "æ", "ŋ", "ɑə",
    "ɑː", "ɑːɹ", "ɒ", "ɔ", "ɔə", "ɔːɹ", "ə", "əl", "ɛ", "ɡ", "ɪ", "ɹ", "ʉ", "ʉː", "ʊ", "ʌ", "θ",
)
# fmt: on
SPLITS = ("train", "validation", "test", "unseen")
_VALIDATION_TAKE, _TEST_TAKE = 3, 4


# --- mu-law ------------------------------------------------------------------------------------


def mu_law_encode(samples: Float[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
    """Samples in [-1, 1] as codes 0 to 255: f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu).

    Section 2.2 of the paper. Codes stand for evenly spaced values of f, from -1 (0) to 1 (255),
    and the nearest is taken; taking the next lower one instead would double the largest error
    and shift every sample down. Zero lies halfway between two codes and becomes 128.

    Raises ``SpeechError`` for samples that are not finite or lie beyond [-1, 1].
    """
    samples = torch.as_tensor(samples, dtype=torch.float64)
    if not torch.isfinite(samples).all() or (samples.abs() > 1).any():
        raise SpeechError("mu-law codes samples in [-1, 1]; some are not finite or lie beyond")
    squeezed = samples.sign() * torch.log1p(MU * samples.abs()) / np.log1p(MU)
    return torch.floor((squeezed + 1) / 2 * MU + 0.5).long()


def mu_law_decode(codes: Int64[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The sample in [-1, 1] that each code stands for: the inverse of ``mu_law_encode``.

    Raises ``SpeechError`` for codes that are not whole numbers from 0 to 255.
    """
    codes = torch.as_tensor(codes)
    if codes.is_floating_point() or ((codes < 0) | (codes > MU)).any():
        raise SpeechError(f"mu-law codes are whole numbers from 0 to {MU}")
    squeezed = 2 * codes.double() / MU - 1
    return (squeezed.sign() * torch.expm1(squeezed.abs() * np.log1p(MU)) / MU).float()


# --- clips -------------------------------------------------------------------------------------


def phoneme_track(utterance: Utterance) -> Int64[Tensor, " time"]:
    """The index in ``PHONEMES`` of what sounds at each sample; 0 where nothing does.

    Raises ``SpeechError`` for a phoneme outside ``PHONEMES``, which English words have not by
    the voices of the set, but may have by others.
    """
    track = torch.zeros(len(utterance.samples), dtype=torch.int64)
    for phoneme in utterance.phonemes:
        start, end = (round(time * SAMPLE_RATE) for time in (phoneme.start, phoneme.end))
        track[start:end] = phoneme_index(phoneme.label)
    return track


def phoneme_index(label: str) -> int:
    """The index of a phoneme in ``PHONEMES``; ``SpeechError`` when it is not there."""
    if label not in PHONEMES:
        raise SpeechError(
            f"the phoneme {label!r} is not one of the {len(PHONEMES) - 1} that the set has: "
            + " ".join(PHONEMES[1:])
        )
    return PHONEMES.index(label)


@dataclass(frozen=True)
class Clips:
    """Clips ready for training; clip i has ``codes[i]`` and ``phonemes[i]`` of one length.

    ``speakers`` (clips,) index ``voices``. ``texts`` are what is said, "" where nobody wrote it
    down; ``names`` tell clips apart.
    """

    codes: list[Int64[Tensor, " time"]]
    phonemes: list[Int64[Tensor, " time"]]
    speakers: Int64[Tensor, " clips"]
    texts: list[str]
    names: list[str]
    voices: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def seconds(self) -> float:
        """How long all clips last together."""
        return sum(map(len, self.codes)) / SAMPLE_RATE

    def speaker(self, voice: str) -> int:
        """The index of a voice; ``SpeechError`` when no clip could be by it."""
        if voice not in self.voices:
            raise SpeechError(f"unknown speaker {voice!r}; there are {', '.join(self.voices)}")
        return self.voices.index(voice)


def is_unseen(text: str, voice: str) -> bool:
    """Whether this voice is never heard saying this text in training: 22 of the 264 pairs."""
    return LEXICON.index(text) % (2 * len(VOICES)) == 2 * VOICES.index(voice)


def load_clips(split: str) -> Clips:
    """Clips of the speech set: ``train``, ``validation``, ``test`` or ``unseen``.

    A validation or test clip is another take of a text by a voice that training has in three
    takes: the words, the voices and their pairing are known, the speed is never the same, the
    pitch mostly not, and no waveform is shared. In ``unseen`` the voice has been heard and the
    text has been heard, but never this text by this voice.

    Raises ``ValueError`` for another split.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
    chosen = []
    for utterance in load_speech():
        take = {_VALIDATION_TAKE: "validation", _TEST_TAKE: "test"}.get(utterance.take, "train")
        where = "unseen" if is_unseen(utterance.text, utterance.voice) else take
        if where == split:
            chosen.append(utterance)
    return Clips(
        codes=[mu_law_encode(torch.from_numpy(utterance.samples)) for utterance in chosen],
        phonemes=[phoneme_track(utterance) for utterance in chosen],
        speakers=torch.tensor([VOICES.index(utterance.voice) for utterance in chosen]),
        texts=[utterance.text for utterance in chosen],
        names=[f"{utterance.text} {utterance.voice} {utterance.take}" for utterance in chosen],
        voices=VOICES,
    )


def thin_out(clips: Clips, interval: int) -> Clips:
    """The clips 0, ``interval``, 2 * ``interval``, ..., where all would take too long."""
    chosen = slice(None, None, interval)
    return replace(
        clips,
        codes=clips.codes[chosen],
        phonemes=clips.phonemes[chosen],
        speakers=clips.speakers[chosen],
        texts=clips.texts[chosen],
        names=clips.names[chosen],
    )


# --- batches -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """``mask`` is True where a sample is the clip's own, False where the row was filled up."""

    codes: Int64[Tensor, "batch time"]
    speakers: Int64[Tensor, " batch"]
    phonemes: Int64[Tensor, "batch time"]
    mask: Bool[Tensor, "batch time"]

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on ``device``."""
        return Batch(*(tensor.to(device) for tensor in vars(self).values()))


def make_batch(clips: Clips, rows: list[tuple[int, int]], length: int) -> Batch:
    """Row i is clip ``rows[i][0]`` from sample ``rows[i][1]`` on, ``length`` samples of it.

    A clip that ends sooner is filled up with silence.
    """
    codes = torch.full((len(rows), length), SILENT_CODE)
    phonemes = torch.zeros(len(rows), length, dtype=torch.int64)
    mask = torch.zeros(len(rows), length, dtype=torch.bool)
    for row, (index, start) in enumerate(rows):
        piece = clips.codes[index][start : start + length]
        codes[row, : len(piece)] = piece
        phonemes[row, : len(piece)] = clips.phonemes[index][start : start + length]
        mask[row, : len(piece)] = True
    return Batch(codes, clips.speakers[[index for index, _ in rows]], phonemes, mask)


def training_batches(
    clips: Clips, batch_size: int, length: int, generator: torch.Generator
) -> Iterator[Batch]:
    """Random crops of ``length`` samples without end, every crop equally likely.

    A clip shorter than ``length`` counts as one crop, filled up.

    Raises ``SpeechError`` when there are no clips, ``ValueError`` for sizes below 1.
    """
    if not len(clips):
        raise SpeechError("there are no clips to draw from")
    if batch_size < 1 or length < 1:
        raise ValueError(f"batch_size {batch_size} and length {length} must be at least 1")
    starts = torch.tensor([max(len(codes) - length, 0) + 1 for codes in clips.codes])
    ends = starts.cumsum(0)
    while True:
        drawn = torch.randint(int(ends[-1]), (batch_size,), generator=generator)
        index = torch.searchsorted(ends, drawn, right=True)
        start = drawn - (ends - starts)[index]
        yield make_batch(clips, list(zip(index.tolist(), start.tolist(), strict=True)), length)


def evaluation_batches(clips: Clips, most_samples: int = 150_000) -> Iterator[Batch]:
    """Every clip once, whole, in order of length, each batch as long as its longest clip.

    A batch has at most ``most_samples`` samples, filled up ones included, or one longer clip:
    recordings of twenty seconds, 32 at once, would take more memory than a laptop has.
    """
    order = sorted(range(len(clips)), key=lambda index: len(clips.codes[index]))
    chosen: list[int] = []
    for index in order:
        length = len(clips.codes[index])
        if chosen and (len(chosen) + 1) * length > most_samples:
            yield make_batch(clips, [(one, 0) for one in chosen], len(clips.codes[chosen[-1]]))
            chosen = []
        chosen.append(index)
    if chosen:
        yield make_batch(clips, [(one, 0) for one in chosen], len(clips.codes[chosen[-1]]))


# --- trivial baselines -------------------------------------------------------------------------


def unigram_bits(training: Clips, held_out: Clips) -> float:
    """Bits per sample of ``held_out`` by how often each code came in training, plus one."""
    counts = torch.bincount(torch.cat(training.codes), minlength=NUM_CODES).double() + 1
    bits = -torch.log2(counts / counts.sum())
    return float(bits[torch.cat(held_out.codes)].mean())


def bigram_bits(training: Clips, held_out: Clips) -> float:
    """Bits per sample by how often each code followed the one before; silence goes first.

    To each code's counts one more is added, shared out by the codes' overall frequency.
    """
    counts = torch.zeros(NUM_CODES * NUM_CODES, dtype=torch.float64)
    counts += torch.bincount(_pairs(training), minlength=len(counts))
    counts = counts.view(NUM_CODES, NUM_CODES)
    overall = counts.sum(0) + 1
    smoothed = counts + overall / overall.sum()
    bits = -torch.log2(smoothed / smoothed.sum(1, keepdim=True)).flatten()
    return float(bits[_pairs(held_out)].mean())


def _pairs(clips: Clips) -> Int64[Tensor, " samples"]:
    """Each code with the one before it, as one number."""
    first = torch.tensor([SILENT_CODE])
    return torch.cat([torch.cat([first, c[:-1]]) * NUM_CODES + c for c in clips.codes])
