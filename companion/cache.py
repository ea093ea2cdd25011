"""Data sets kept between runs: built once, checked by a checksum, rebuilt when damaged.

Every chapter's `data.py` uses this room. Notices name no path, so that they may stand in a page.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from companion.checkpoint import atomic_path


def cache_folder() -> Path:
    """The folder named by `COURSE_CACHE`, else the user's own cache folder for the course."""
    chosen = os.environ.get("COURSE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("rebuilding-2017", appauthor=False)


def cached_arrays(
    name: str, version: str, build: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The arrays that `build` returns, read from the cache when a sound copy is there.

    Args:
        name: what the arrays are, such as "kanji-strokes"; becomes the file's name.
        version: change it whenever `build` would give other bytes.
        build: makes the arrays. Object arrays are refused: reading them back would need pickle,
            which runs code from the file.

    Raises:
        TypeError: when `build` returns an object array.
        OSError: when the cache cannot be written; names the folder and the remedy.
    """
    title = f"{name}-{version}"
    path = cache_folder() / f"{title}.npz"
    checksum = path.with_suffix(".npz.sha256")
    if path.exists():
        arrays = _read(path, checksum)
        if arrays is not None:
            return arrays
        print(f"The cached copy of {title} is damaged; building it again.", file=sys.stderr)
    else:
        print(f"Building {title}; it is kept for the next run.", file=sys.stderr)
    arrays = {key: np.asarray(array) for key, array in build().items()}
    for key, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(
                f"Array {key!r} of {title} holds Python objects, which the cache would have to "
                "pickle. Store numbers or fixed-width strings, with an array of offsets if rows "
                "differ in length."
            )
    _write(path, checksum, arrays)
    return arrays


def _read(path: Path, checksum: Path) -> dict[str, np.ndarray] | None:
    """The arrays in `path`, or None when it does not match its checksum."""
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != checksum.read_text().strip():
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError):
        return None


def _write(path: Path, checksum: Path, arrays: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
        # Written last: a file without its checksum counts as damaged, never as sound.
        with atomic_path(checksum) as temporary:
            temporary.write_text(hashlib.sha256(buffer.getbuffer()).hexdigest() + "\n")
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise OSError(
            f"The cache folder {path.parent} cannot be written ({error.strerror}). "
            "Set COURSE_CACHE to a folder that can."
        ) from error
