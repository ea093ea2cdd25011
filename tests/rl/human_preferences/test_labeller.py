import errno
import json
import os

import numpy as np
import pytest

from companion.rl.human_preferences.data import Clips
from companion.rl.human_preferences.drawing import animation
from companion.rl.human_preferences.labeller import AnswerFile, AnswerFileError, Labeller


def clips(numbers, steps=3):
    """Clips of gymnasts, each told by its number."""
    values = np.random.default_rng(0).uniform(-1, 1, (20, steps, 8))[numbers]
    return Clips(values[..., :6], values[..., 6:])


FIRST, SECOND = clips([0, 1, 2, 3]), clips([4, 5, 6, 7])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers" / "mine.jsonl"


@pytest.fixture
def begun(path):
    """A file with three answers."""
    answers = AnswerFile(path, FIRST, SECOND)
    for pair, answer in enumerate(["second", "skip", "equal"]):
        answers.answer(pair, answer, 1.5)
    return path


def full_disk(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)


# --- the file ----------------------------------------------------------------------------------


def test_an_answer_is_on_the_disk_before_the_call_returns(path, monkeypatch):
    answers = AnswerFile(path, FIRST, SECOND)
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_text().splitlines()))
    answers.answer(0, "first", 2.25)
    assert len(synced) == 1 and len(synced[0]) == 2
    entry = json.loads(synced[0][1])
    assert (entry["pair"], entry["answer"], entry["seconds"]) == (0, "first", 2.25)
    assert entry["first"] != entry["second"] and entry["time"].endswith("+00:00")


def test_a_reopened_file_goes_on_with_the_first_pair_not_asked(begun):
    answers = AnswerFile(begun, FIRST, SECOND)
    assert answers.answers == {0: "second", 1: "skip", 2: "equal"}
    assert answers.next_pair() == 3
    answers.answer(3, "first", 0.5)
    assert answers.next_pair() is None
    assert AnswerFile(begun, FIRST, SECOND).answers == answers.answers


def test_comparisons_hold_what_was_preferred_and_leave_out_what_was_skipped(begun):
    found = AnswerFile(begun, FIRST, SECOND).comparisons()
    assert found.preferences.tolist() == [0.0, 0.5]
    np.testing.assert_array_equal(found.first.observations, FIRST.observations[[0, 2]])
    np.testing.assert_array_equal(found.second.actions, SECOND.actions[[0, 2]])


def test_before_the_first_answer_there_are_no_comparisons(path):
    assert len(AnswerFile(path, FIRST, SECOND).comparisons()) == 0


def test_answers_that_contradict_each_other_are_kept_and_counted(path):
    answers = AnswerFile(path, clips([0, 4, 1]), clips([4, 0, 5]))
    for pair in range(3):
        answers.answer(pair, "first", 1.0)  # clip 0 before clip 4, then clip 4 before clip 0
    found = answers.comparisons()
    assert (len(found), found.contradictions()) == (3, 1)


def test_undo_takes_back_the_latest_answer_also_after_reopening(begun):
    answers = AnswerFile(begun, FIRST, SECOND)
    assert answers.undo() == 2
    answers = AnswerFile(begun, FIRST, SECOND)
    assert answers.answers == {0: "second", 1: "skip"}
    assert (answers.undo(), answers.undo(), answers.undo()) == (1, 0, None)
    answers.answer(0, "first", 1.0)
    assert AnswerFile(begun, FIRST, SECOND).answers == {0: "first"}


def test_a_last_line_cut_anywhere_loses_that_answer_alone(begun):
    content = begun.read_bytes()
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    for cut in (last + 1, (last + len(content)) // 2, len(content) - 1):
        begun.write_bytes(content[:cut])
        with pytest.warns(UserWarning, match="cut off and is dropped: 2 answers are kept"):
            answers = AnswerFile(begun, FIRST, SECOND)
        assert answers.answers == {0: "second", 1: "skip"}
        answers.answer(2, "first", 1.0)
        assert AnswerFile(begun, FIRST, SECOND).answers == {0: "second", 1: "skip", 2: "first"}


def swapped(line):
    entry = json.loads(line)
    return json.dumps(entry | {"first": entry["second"], "second": entry["first"]}).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:20],
        lambda line: b"",
        lambda line: b"[1, 2]",
        lambda line: b"\xff" + line,
        lambda line: line.replace(b'"skip"', b'"perhaps"'),
        lambda line: line.replace(b'"pair": 1', b'"pair": 9'),
        lambda line: line.replace(b'"pair": 1', b'"pair": -1'),
        swapped,
    ],
)
def test_a_damaged_line_in_the_middle_is_named_and_nothing_is_changed(begun, damage):
    lines = begun.read_bytes().split(b"\n")
    lines[2] = damage(lines[2])
    begun.write_bytes(b"\n".join(lines))
    before = begun.read_bytes()
    with pytest.raises(AnswerFileError, match=r"Line 3 of .*mine\.jsonl is damaged"):
        AnswerFile(begun, FIRST, SECOND)
    assert begun.read_bytes() == before


@pytest.mark.parametrize("content", [b"{", b"no answers\n", b'{"pairs": 4}', b"[]\n"])
def test_a_file_that_is_no_file_of_answers_is_left_alone(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(AnswerFileError, match=r"Line 1 of .* is damaged"):
        AnswerFile(path, FIRST, SECOND)
    assert path.read_bytes() == content


def test_an_empty_file_is_begun(path):
    path.parent.mkdir()
    path.touch()
    AnswerFile(path, FIRST, SECOND).answer(0, "equal", 1.0)
    assert AnswerFile(path, FIRST, SECOND).answers == {0: "equal"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SECOND, FIRST),
        (FIRST[:3], SECOND[:3]),
        (FIRST, Clips(SECOND.observations, SECOND.actions * np.float32(1.001))),
    ],
    ids=["sides changed", "fewer pairs", "other actions"],
)
def test_answers_about_other_clips_are_refused(begun, first, second):
    with pytest.raises(AnswerFileError, match=r"4 pairs of other clips .* another path"):
        AnswerFile(begun, first, second)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (clips([0], steps=3), clips([1], steps=4), "clips of 3 and of 4 steps"),
        (FIRST, SECOND[:2], "4 first and 2 second clips are not pairs"),
        (FIRST[:0], SECOND[:0], "0 first and 0 second"),
    ],
)
def test_clips_that_make_no_pairs_are_refused_before_a_file_is_begun(path, first, second, message):
    with pytest.raises(ValueError, match=message):
        AnswerFile(path, first, second)
    assert not path.exists()


def test_an_answer_that_does_not_exist_is_refused(path):
    answers = AnswerFile(path, FIRST, SECOND)
    with pytest.raises(ValueError, match="'left' is no answer: choose one of first, second"):
        answers.answer(0, "left", 1.0)
    with pytest.raises(ValueError, match="no pair 4: choose 0 to 3"):
        answers.answer(4, "first", 1.0)


def test_two_notebooks_do_not_spoil_each_others_answers(begun):
    mine, yours = (AnswerFile(begun, FIRST, SECOND) for _ in range(2))
    yours.answer(3, "first", 1.0)
    with pytest.raises(AnswerFileError, match=r"Another program changed .* one notebook at a time"):
        mine.answer(3, "second", 1.0)
    assert AnswerFile(begun, FIRST, SECOND).answers[3] == "first"


def test_a_full_disk_leaves_the_file_as_it_was(begun, monkeypatch):
    answers, before = AnswerFile(begun, FIRST, SECOND), begun.read_bytes()
    with monkeypatch.context() as full:
        full_disk(full)
        with pytest.raises(OSError, match="No space left"):
            answers.answer(3, "first", 1.0)
    assert begun.read_bytes() == before and answers.next_pair() == 3
    answers.answer(3, "first", 1.0)
    assert AnswerFile(begun, FIRST, SECOND).answers[3] == "first"


# --- the widget --------------------------------------------------------------------------------


def shows(labeller, pair):
    both = FIRST[pair : pair + 1].joined(SECOND[pair : pair + 1])
    return animation(both, ["left", "right"], "The two clips to compare.") in labeller.clips.value


def test_buttons_answer_the_pair_that_is_shown_and_show_the_next(path):
    labeller = Labeller(FIRST, SECOND, path, "Which is better?")
    for pair, name in enumerate(["first", "second", "equal", "skip"]):
        assert shows(labeller, pair)
        assert f"Which is better? {pair} of 4 answered." in labeller.clips.value
        labeller.buttons[name].click()
    assert "All 4 pairs are answered, 1 of them skipped." in labeller.clips.value
    assert shows(labeller, 3)  # a still for the page
    assert labeller.comparisons().preferences.tolist() == [1.0, 0.0, 0.5]
    assert labeller.buttons["first"].disabled
    labeller.buttons["first"].click()
    assert AnswerFile(path, FIRST, SECOND).answers == {
        0: "first",
        1: "second",
        2: "equal",
        3: "skip",
    }


def test_keys_press_the_buttons(path):
    labeller = Labeller(FIRST, SECOND, path)
    for letters in ("l", "R", "x", "e ", "u", "lls"):  # the last letter of what came at once
        labeller.typed.value = letters
        assert labeller.typed.value == ""
    assert labeller.file.answers == {0: "first", 1: "second", 2: "skip"}


def test_a_labeller_goes_on_where_another_stopped(begun):
    labeller = Labeller(FIRST, SECOND, begun)
    assert shows(labeller, 3)
    assert "3 of 4 answered" in labeller.clips.value
    assert len(labeller.comparisons()) == 2
    labeller.buttons["undo"].click()
    assert shows(labeller, 2)


def test_there_is_nothing_to_undo_at_first(path):
    labeller = Labeller(FIRST, SECOND, path)
    assert labeller.buttons["undo"].disabled
    labeller.typed.value = "u"
    assert labeller.file.answers == {}


def test_an_answer_that_cannot_be_kept_is_asked_again(path, monkeypatch):
    labeller = Labeller(FIRST, SECOND, path)
    with monkeypatch.context() as full:
        full_disk(full)
        labeller.buttons["first"].click()
    assert "NOT KEPT" in labeller.clips.value and "No space left" in labeller.clips.value
    assert shows(labeller, 0) and len(labeller.comparisons()) == 0
    labeller.buttons["second"].click()
    assert "NOT KEPT" not in labeller.clips.value
    assert labeller.comparisons().preferences.tolist() == [0.0]


def test_what_a_page_keeps_of_a_labeller_names_no_folder(path):
    labeller = Labeller(FIRST, SECOND, path)
    assert str(path.parent) not in json.dumps(
        [part.get_state() for part in labeller.children], default=str
    )
