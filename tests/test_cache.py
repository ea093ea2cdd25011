import errno
import os
from pathlib import Path

import numpy as np
import pytest

from companion.cache import cache_folder, cached_arrays


class Builder:
    """Builds the same arrays each time and counts how often it was asked to."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"points": np.arange(2000.0).reshape(-1, 2), "names": np.array(["井", "川"])}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def assert_same(arrays):
    expected = Builder()()
    assert arrays.keys() == expected.keys()
    for key, array in arrays.items():
        assert array.dtype == expected[key].dtype
        np.testing.assert_array_equal(array, expected[key])


def test_built_once_then_read(folder, capsys):
    build = Builder()
    assert_same(cached_arrays("strokes", "1", build))
    assert "Building strokes-1" in capsys.readouterr().err
    assert_same(cached_arrays("strokes", "1", build))
    assert build.calls == 1
    assert capsys.readouterr().err == ""
    assert sorted(path.name for path in folder.iterdir()) == [
        "strokes-1.npz",
        "strokes-1.npz.sha256",
    ]


def test_the_bytes_are_the_same_each_time(folder):
    cached_arrays("a", "1", Builder())
    cached_arrays("b", "1", Builder())
    assert (folder / "a-1.npz").read_bytes() == (folder / "b-1.npz").read_bytes()


def test_another_version_is_built_anew():
    build = Builder()
    cached_arrays("strokes", "1", build)
    cached_arrays("strokes", "2", build)
    assert build.calls == 2


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def lose_the_checksum(path):
    path.with_name(path.name + ".sha256").unlink()


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, empty, lose_the_checksum])
def test_a_damaged_file_is_built_again_with_a_notice_of_one_line(folder, capsys, damage):
    build = Builder()
    cached_arrays("strokes", "1", build)
    damage(folder / "strokes-1.npz")
    capsys.readouterr()
    assert_same(cached_arrays("strokes", "1", build))
    assert build.calls == 2
    notice = capsys.readouterr().err
    assert notice.count("\n") == 1 and "damaged" in notice
    assert str(folder) not in notice
    assert_same(cached_arrays("strokes", "1", build))
    assert build.calls == 2


def test_object_arrays_are_refused_by_name():
    with pytest.raises(TypeError, match="'ragged' of strokes-1"):
        cached_arrays("strokes", "1", lambda: {"ragged": np.array([[1], [1, 2]], dtype=object)})


def test_a_failing_build_leaves_nothing_behind(folder):
    def fail():
        raise ValueError("no such character")

    with pytest.raises(ValueError, match="no such character"):
        cached_arrays("strokes", "1", fail)
    assert not folder.exists()


def test_a_full_disk_gives_a_sentence_and_leaves_no_piece(folder, monkeypatch):
    def write_half(path, data):
        with open(path, "wb") as file:
            file.write(bytes(data)[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match=r"strokes-1\.npz.*Free some space"):
        cached_arrays("strokes", "1", Builder())
    assert list(folder.iterdir()) == []


def test_a_cache_that_cannot_be_a_folder_gives_the_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="Set COURSE_CACHE to a folder"):
        cached_arrays("strokes", "1", Builder())


def test_the_default_folder_is_the_users_own(monkeypatch):
    monkeypatch.delenv("COURSE_CACHE")
    assert cache_folder().is_absolute()
    assert cache_folder().name == "rebuilding-2017"
