"""Whole files or none: written under a temporary name and moved, read only when plain and small."""

import json
import os
import stat
from pathlib import Path
from typing import Any


class Refused(ValueError):
    """Something that is not taken; the message says what it is and what was expected."""


def write(path: Path, content: str | bytes) -> None:
    """Write `content` so that nobody ever sees half of it; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def write_json(path: Path, document: Any) -> None:
    """`write` of a JSON document."""
    write(path, json.dumps(document, indent=1) + "\n")


def read_plain(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Refused for a symbolic link, a pipe, a device, a folder or anything larger; OSError when it
    cannot be read.
    """
    # Without O_NONBLOCK the opening of a named pipe would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_symlink():
        raise Refused(f"{path.name} is a symbolic link: expected the notebook itself")
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{path.name} is not a plain file: expected a notebook")
        if status.st_size > limit:
            raise Refused(
                f"{path.name} has {status.st_size:,} bytes, more than the {limit:,} allowed: "
                "clear its outputs"
            )
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Refused(f"{path.name} has more than the {limit:,} bytes allowed: clear its outputs")
    return data
