import io
import re
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from companion import progress
from companion.progress import track


class Clock:
    """Stands in for the time module; each reading is `step` seconds later."""

    def __init__(self, step):
        self.step, self.now = step, 0.0

    def perf_counter(self):
        self.now += self.step
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_every_item_comes_once_and_in_order(capsys):
    assert list(track(range(5), "counting")) == [0, 1, 2, 3, 4]
    assert list(track(iter("ab"), "spelling")) == ["a", "b"]
    assert list(track([], "nothing")) == []


def test_a_short_loop_in_a_log_is_one_line(capsys):
    progress_bar = track(range(200), "training")
    for step in progress_bar:
        progress_bar.note(f"loss {step / 100:.2f}")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.fullmatch(r"training: 200 in \d+\.\d s · [\d,]+ a second · loss 1.99", lines[0])


def test_a_long_loop_in_a_log_writes_a_line_every_half_minute(capsys, monkeypatch):
    monkeypatch.setattr(progress, "time", Clock(step=1.0))
    for _ in track(range(100), "training"):
        pass
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "30 of 100 · 30.0 s · 1:10 left" in lines[0]
    assert lines[-1].startswith("training: 100 in 1:41 · 0.99 a second")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_stopped_loop_says_how_far_it_came(capsys, error):
    with pytest.raises(error):
        for step in track(range(10), "training"):
            if step == 3:
                raise error
    assert "training: stopped after 3 of 10 in" in capsys.readouterr().err


def test_a_loop_of_unknown_length_takes_the_total_it_is_given(capsys, monkeypatch):
    monkeypatch.setattr(progress, "time", Clock(step=31.0))
    for _ in track(iter(range(2)), "reading", total=2):
        pass
    assert "1 of 2" in capsys.readouterr().err


def test_a_terminal_shows_one_bar_with_the_note(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress_bar = track(range(30), "training")
    for step in progress_bar:
        progress_bar.note(f"loss {step}")
    shown = terminal.getvalue()
    assert shown.count("\n") == 1
    assert "training: 100%" in shown.split("\r")[-1]
    assert "30/30" in shown and "loss" in shown


NOTEBOOK_CODE = """
import time
from companion.progress import track
bar = track(range(40), "training")
for step in bar:
    time.sleep(0.05)
    bar.note(f"loss {1 / (step + 1):.3f}")
"""


def test_jupyter_updates_one_output_that_ends_as_a_plain_line(monkeypatch):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK_CODE)])
    updates = []

    class Client(NotebookClient):
        def process_message(self, message, cell, cell_index):
            if message["msg_type"] == "update_display_data":
                updates.append(message["content"]["data"]["text/plain"])
            return super().process_message(message, cell, cell_index)

    Client(notebook, kernel_name="python3", timeout=60).execute()
    outputs = notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["display_data"]
    line = outputs[0].data["text/plain"]
    last = re.fullmatch(r"training: 40 in (\d+\.\d) s · \d+(\.\d+)? a second · loss 0.025", line)
    assert any("█" in update and "of 40" in update for update in updates)
    # A start, at most two updates a second, and the last line.
    assert 3 <= len(updates) <= 2 * float(last.group(1)) + 3
