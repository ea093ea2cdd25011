"""Takes submissions from the zip that a learning-management system makes, unpacked with suspicion.

Nothing is unpacked where the archive says: each notebook is read, with a limit, and written as
submitted/STUDENT/NAME/NAME.ipynb. Known are three ways of naming, and `pattern` adds others:

    Moodle       Ada Lovelace_4711_assignsubmission_file_/anything.ipynb      student 4711
    Canvas       lovelaceada_4711_98765_anything.ipynb (or ..._LATE_4711_...) student 4711
    folders      ada/anything.ipynb or ada/NAME/anything.ipynb                student ada
"""

import re
import stat
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tools.grading import assign, files
from tools.grading.batch import NAME
from tools.grading.files import Refused
from tools.grading.submission import LARGEST

MOST_MEMBERS = 20_000
PATTERNS = (
    r"^(?:[^/]+/)?[^/]*_(?P<student>\d+)_assignsubmission_[^/]*/.*\.ipynb$",
    r"^(?:[^/]+/)?[^/_]+_(?:LATE_)?(?P<student>\d+)_\d+_[^/]*\.ipynb$",
    r"^(?:submitted/)?(?P<student>[^/]+)/(?:[^/]+/)?[^/]+\.ipynb$",
)


@dataclass
class Taken:
    """Whose submissions were taken, and what the instructor should know."""

    students: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(course: Path, name: str, archive: Path, pattern: str | None = None) -> Taken:
    """Take the notebooks of assignment `name` from `archive`; those taken before are replaced.

    Refused for an unknown assignment, an archive that cannot be read, or a pattern without
    (?P<student>...). A member that cannot be taken is in the notes, and stops no other.
    """
    if name not in assign.read_course(course)["assignments"]:
        raise Refused(f"there is no assignment {name!r} in {course}")
    patterns = [_pattern(pattern)] if pattern else [re.compile(text) for text in PATTERNS]
    taken = Taken()
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            if len(members) > MOST_MEMBERS:
                raise Refused(f"{archive} has {len(members)} members, more than {MOST_MEMBERS}")
            for student, found in _by_student(members, patterns, taken).items():
                _take(opened, course, name, student, found, taken)
    except (zipfile.BadZipFile, OSError) as error:
        raise Refused(f"{archive} cannot be read as a zip archive: {error}") from error
    taken.students.sort()
    return taken


def _pattern(text: str) -> re.Pattern:
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise Refused(f"the pattern {text!r} is no regular expression: {error}") from error
    if "student" not in compiled.groupindex:
        raise Refused(f"the pattern {text!r} has no group (?P<student>...)")
    return compiled


def _by_student(
    members: list[zipfile.ZipInfo], patterns: list[re.Pattern], taken: Taken
) -> dict[str, list[zipfile.ZipInfo]]:
    found: dict[str, list[zipfile.ZipInfo]] = {}
    for member in members:
        if member.is_dir() or member.filename.startswith("__MACOSX/"):
            continue
        why = _suspect(member)
        matches = (pattern.search(member.filename) for pattern in patterns)
        match = next((match for match in matches if match), None)
        if why is None and match is None:
            if not member.filename.endswith(".ipynb"):
                continue
            why = "its name does not say whose it is: give --pattern"
        if why is None and not NAME.fullmatch(match["student"]):
            why = f"{match['student'][:60]!r} is no name of a student"
        if why is not None:
            taken.notes.append(f"{member.filename[:200]!r} was not taken: {why}")
            continue
        found.setdefault(match["student"], []).append(member)
    return found


def _suspect(member: zipfile.ZipInfo) -> str | None:
    """Why a member is not touched, or None."""
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in member.orig_filename:
        return "its path climbs out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "it is a symbolic link"
    if member.flag_bits & 1:
        return "it is encrypted"
    if member.file_size > LARGEST:
        return f"it has {member.file_size:,} bytes, more than the {LARGEST:,} allowed"
    return None


def _take(
    opened: zipfile.ZipFile,
    course: Path,
    name: str,
    student: str,
    members: list[zipfile.ZipInfo],
    taken: Taken,
) -> None:
    """Write the student's notebook: that called NAME.ipynb if there is one, else the newest."""
    named = [member for member in members if PurePosixPath(member.filename).stem == name]
    member = max(named or members, key=lambda one: (one.date_time, one.filename))
    if len(members) > 1:
        taken.notes.append(f"{student}: {len(members)} notebooks; {member.filename[:200]!r} counts")
    try:
        with opened.open(member) as file:
            data = file.read(LARGEST + 1)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, RuntimeError) as error:
        taken.notes.append(f"{member.filename[:200]!r} was not taken: it is damaged ({error})")
        return
    if len(data) > LARGEST:
        taken.notes.append(f"{member.filename[:200]!r} was not taken: more than {LARGEST:,} bytes")
        return
    folder = course / "submitted" / student / name
    if folder.is_symlink() or folder.parent.is_symlink():
        taken.notes.append(f"{student}: not taken: {folder} is a symbolic link")
        return
    files.write(folder / f"{name}.ipynb", data)
    taken.students.append(student)
