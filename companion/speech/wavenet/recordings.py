"""Chapter 2.1, recorded speech: Asterisk's prompts, and your own folder of one folder a speaker.

Both give `Clips` as `companion.speech.wavenet.data` does, resampled to 8 kHz, each file's peak at
0.9. Nobody has marked the phonemes of these recordings, so that every sample's phoneme is 0: train
on them without local conditioning.

Recordings are held out by file, within each speaker: about a tenth for validation, a tenth for
test. A test file is by a speaker heard in training, and may hold a word said there in another file.
"""

import hashlib
import os
from pathlib import Path

import torch

from companion.datasets.audio import SpeechError, prepare, read_wav
from companion.datasets.speech import DIGITS, LETTERS
from companion.speech.wavenet.data import Clips, mu_law_encode

ASTERISK_FOLDER = "/usr/share/asterisk/sounds/en_US_f_Allison"
SPLITS = ("train", "validation", "test")
_NOT_SPEECH = ("beep", "beeperr", "ascending-2tone")
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBERS = {
    **{str(number): word for number, word in enumerate((*DIGITS, *_TEENS.split()))},
    **{str(10 * number): word for number, word in enumerate(_TENS.split(), start=2)},
    **{word: word for word in ("hundred", "thousand", "million", "billion", "minus", "oh")},
}
_ALPHABET = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar "
    "papa quebec romeo sierra tango uniform victor whiskey x-ray yankee zulu"
)
_PHONETIC = {f"{word[0]}_p": word for word in _ALPHABET.split()} | {"9_p": "niner"}


def load_asterisk(split: str, folder: str | Path | None = None, words_only: bool = False) -> Clips:
    """The recorded prompts of Asterisk: one woman, Allison Smith, 25 minutes at 8 kHz.

    They are in Debian's package ``asterisk-core-sounds-en-wav`` (CC BY-SA 3.0). Files of
    pure silence and tones are left out. ``texts`` are known for numbers, letters and the phonetic
    alphabet, whose files are named by what they say.

    Args:
        split: ``train``, ``validation`` or ``test``.
        folder: where the prompts are; by default the environment's ``COURSE_ASTERISK``, else where
            Debian puts them.
        words_only: only the files whose text is known.

    Raises ``FileNotFoundError`` with the remedy when there are no prompts in the folder.
    """
    folder = Path(folder) if folder else asterisk_folder()
    paths = [
        path
        for path in sorted(folder.rglob("*.wav"))
        if path.parent.name != "silence" and path.stem not in _NOT_SPEECH
    ]
    if words_only:
        paths = [path for path in paths if _asterisk_text(path)]
    if not paths:
        raise FileNotFoundError(
            f"there are no Asterisk prompts in {folder}: install Debian's package "
            "asterisk-core-sounds-en-wav, or set COURSE_ASTERISK to the folder that holds digits/"
        )
    chosen = held_out_by_file(paths, split)
    return _load(
        [(path, "Allison") for path in chosen], folder, [_asterisk_text(p) for p in chosen]
    )


def asterisk_folder() -> Path:
    """Where the prompts are expected: the environment's ``COURSE_ASTERISK``, or Debian's place."""
    return Path(os.environ.get("COURSE_ASTERISK") or ASTERISK_FOLDER)


def _asterisk_text(path: Path) -> str:
    """What a prompt says, if its name tells; else ""."""
    known = {"digits": _NUMBERS, "phonetic": _PHONETIC, "letters": {x: x for x in LETTERS}}
    return known.get(path.parent.name, {}).get(path.stem, "")


def load_folder(folder: str | Path, split: str, limit: int | None = None) -> Clips:
    """Mono 16-bit wav files in one folder a speaker, as VCTK has them in ``wav48/p225/``.

    Args:
        folder: holds the speakers' folders, or a folder ``wav48`` that does.
        split: ``train``, ``validation`` or ``test``.
        limit: at most so many files a speaker, the first by name. A clip takes 16 bytes a sample
            in memory, 8 MB a minute; all 44 hours of VCTK would take some 20 GB.

    Raises:
        FileNotFoundError: when the folder holds no speaker's folder with wav files.
        SpeechError: when a speaker has fewer than three files, or a file is empty, silent,
            clipped, stereo, not 16-bit, or below 8 kHz; names the file.
    """
    folder = Path(folder)
    root = folder / "wav48" if (folder / "wav48").is_dir() else folder
    speakers = sorted({path.parent for path in root.glob("*/*.wav")})
    if not speakers:
        raise FileNotFoundError(f"{root} holds no folder with wav files; one a speaker is expected")
    chosen = []
    for speaker in speakers:
        paths = sorted(speaker.glob("*.wav"))[:limit]
        chosen += [(path, speaker.name) for path in held_out_by_file(paths, split)]
    return _load(chosen, root, [""] * len(chosen))


def held_out_by_file(paths: list[Path], split: str) -> list[Path]:
    """The files of a split; which they are depends on their names alone.

    Raises ``ValueError`` for an unknown split and ``SpeechError`` for fewer than three files.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
    if len(paths) < len(SPLITS):
        raise SpeechError(
            f"{len(paths)} files of a speaker ({paths[0] if paths else 'none'}) cannot be split "
            "in training, validation and test; three are needed at least"
        )
    shuffled = sorted(paths, key=lambda path: hashlib.sha256(_name(path).encode()).digest())
    held_out = max(1, len(paths) // 10)
    first = {"test": 0, "validation": held_out, "train": 2 * held_out}[split]
    last = {"test": held_out, "validation": 2 * held_out, "train": len(paths)}[split]
    return sorted(shuffled[first:last])


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _load(files: list[tuple[Path, str]], root: Path, texts: list[str]) -> Clips:
    codes = []
    for path, _ in files:
        samples, rate = read_wav(path)
        codes.append(mu_law_encode(torch.from_numpy(prepare(samples, rate, str(path)))))
    voices = tuple(sorted({voice for _, voice in files}))
    return Clips(
        codes=codes,
        phonemes=[torch.zeros_like(clip) for clip in codes],
        speakers=torch.tensor([voices.index(voice) for _, voice in files]),
        texts=texts,
        names=[path.relative_to(root).as_posix() for path, _ in files],
        voices=voices,
    )
