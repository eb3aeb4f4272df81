import io
import threading
import time

import pytest
from rich.console import Console

from edgeprune.console import interrupts
from edgeprune.progress import LINE_EVERY_S, SPINNER_AFTER_S, Progress, counted, each, kept, pushed


def console(*, is_terminal: bool) -> Console:
    return Console(
        file=io.StringIO(), width=80, force_terminal=is_terminal, color_system=None, _environ={}
    )


class Clock:
    """A clock that stands still until it is set."""

    now_s = 1000.0

    def __call__(self):
        return self.now_s


def test_a_log_gets_plain_lines_with_the_seconds_at_the_end():
    clock, log = Clock(), console(is_terminal=False)
    with Progress(log, clock) as progress, progress.stage("convert"):
        progress.say("to float32")
        clock.now_s += 0.06
    lines = log.file.getvalue().splitlines()
    assert lines[:2] == ["convert ...", "convert: to float32"]
    assert lines[2].split() == ["convert", "0.1", "s"]
    assert len(lines) == 3


def test_seconds_are_kept_in_order_and_a_second_time_adds_up():
    clock = Clock()
    with Progress(console(is_terminal=False), clock) as progress:
        for name in ("load", "prune", "load"):
            with progress.stage(name):
                clock.now_s += 2.0
    assert list(progress.seconds.items()) == [("load", 4.0), ("prune", 2.0)]


def test_a_stage_that_fails_says_so_and_lets_the_error_through():
    log = console(is_terminal=False)
    with pytest.raises(RuntimeError), Progress(log) as progress, progress.stage("push"):
        raise RuntimeError
    assert log.file.getvalue().splitlines()[-1].endswith("s  failed")
    assert "push" in progress.seconds


def test_a_short_stage_shows_no_spinner():
    clock, terminal = Clock(), console(is_terminal=True)
    with Progress(terminal, clock) as progress, progress.stage("load"):
        progress.say("quick")
        clock.now_s += SPINNER_AFTER_S - 0.1
        time.sleep(0.3)  # the spinner's own thread looks twice, or later
    assert "quick" not in terminal.file.getvalue()


def test_a_long_stage_shows_its_seconds_and_what_it_does():
    clock, terminal = Clock(), console(is_terminal=True)
    with Progress(terminal, clock) as progress, progress.stage("run"):
        progress.say("dense: process 3 of 10")
        clock.now_s += SPINNER_AFTER_S + 1.0
        for _ in range(6000):  # until the spinner's own thread has looked
            if "process 3" in terminal.file.getvalue():
                break
            time.sleep(0.01)
    text = terminal.file.getvalue()
    assert "3 s so far  dense: process 3 of 10" in text
    assert "\x1b[?25h" in text  # the cursor is shown again


def test_what_a_stage_prints_stays_on_standard_output(capsys):
    terminal = console(is_terminal=True)
    with Progress(terminal) as progress, progress.stage("run"):
        print('{"json": 1}')
    assert capsys.readouterr().out == '{"json": 1}\n'
    assert "json" not in terminal.file.getvalue()


def test_stages_may_be_nested():
    terminal = console(is_terminal=True)
    with Progress(terminal) as progress, progress.stage("outer"):
        with progress.stage("inner"):
            pass
        progress.say("still here")
    assert list(progress.seconds) == ["inner", "outer"]


def test_nothing_goes_to_standard_output(capsys):
    with Progress() as progress, progress.stage("load"):
        progress.say("reading [bold]net.h5[/bold]")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "reading [bold]net.h5[/bold]" in captured.err


@pytest.fixture
def beaten(monkeypatch):
    """A stage in a log, and a function that tells what it prints after so many seconds."""
    monkeypatch.setattr(Progress, "_beat_on", lambda *_: None)  # nobody else beats
    clock, log = Clock(), console(is_terminal=False)
    log.width = 200

    def after(seconds):
        before = len(log.file.getvalue())
        clock.now_s += seconds
        progress.beat()
        return log.file.getvalue()[before:]

    with Progress(log, clock) as progress, progress.stage("prune"):
        yield after


def test_a_log_hears_of_a_long_stage_each_half_minute(beaten):
    assert LINE_EVERY_S == 30.0
    assert beaten(29.0) == ""
    assert beaten(1.0) == "prune: 30 s so far\n"
    assert beaten(29.9) == ""
    assert beaten(0.1) == "prune: 1 min so far\n"


def test_the_line_says_how_far_it_is_and_how_long_it_will_take(beaten):
    beaten(10.0)
    counted(100, 900, "epoch 1 of 2, batch 100 of 450")
    beaten(19.0)
    counted(200, 900, "epoch 1 of 2, batch 200 of 450")
    assert beaten(1.0) == (
        "prune: epoch 1 of 2, batch 200 of 450; 30 s so far, about 2 min 13 s left\n"
    )


def test_a_stage_within_another_is_the_one_that_is_told_of():
    clock, log = Clock(), console(is_terminal=False)
    with Progress(log, clock) as progress, progress.stage("outer"):
        with progress.stage("inner"):
            clock.now_s += 31.0
            progress.beat()
        clock.now_s += 31.0
        progress.beat()
    lines = log.file.getvalue().splitlines()
    assert "inner: 31 s so far" in lines and "outer: 1 min 2 s so far" in lines


def test_what_is_counted_moves_no_cursor(beaten):
    counted(1, 2, "layer \x1b[2J 1 of 2")
    assert "\x1b" not in beaten(31.0)


def test_where_nothing_is_shown_counting_is_no_trouble():
    counted(1, 2, "layer 1 of 2")
    kept("nothing")
    assert list(each(iter("ab"), "layer")) == ["a", "b"]


def test_items_and_bytes_are_counted_as_people_do(beaten):
    items = each(["x"] * 1200, "layer")
    next(items)
    next(items)
    assert beaten(30.0).startswith("prune: layer 2 of 1,200; ")
    pushed("net.tflite", 1_500_000, 20_000_000)
    assert beaten(30.0).startswith("prune: net.tflite: 1.5 of 20.0 MB; ")


def test_what_an_interrupt_keeps_is_told_by_whoever_does_the_work(beaten, monkeypatch):
    monkeypatch.setattr(interrupts._State, "kept", "")
    kept("the training up to epoch 2 of 4 is kept")
    assert interrupts._State.kept == "the training up to epoch 2 of 4 is kept"
    kept("")
    assert interrupts._State.kept == ""


def test_the_thread_that_beats_ends_with_the_stages():
    before = set(threading.enumerate())  # those of earlier tests may be ending
    with Progress(console(is_terminal=False)) as progress:
        with progress.stage("load"):
            (own,) = set(threading.enumerate()) - before
        own.join(300.0)
        assert not own.is_alive()


def test_a_brief_log_has_long_stages_and_warnings_alone():
    clock, log = Clock(), console(is_terminal=False)
    with Progress(log, clock, brief=True) as progress:
        with progress.stage("convert"):
            progress.say("to float32")
            clock.now_s += 5.0
        with progress.stage("prune"):
            progress.say("epoch 1/4: loss 0.5")
            clock.now_s += 31.0
            progress.beat()
            progress.warn("the history cannot be written")
    lines = log.file.getvalue().splitlines()
    assert lines == [
        "prune: epoch 1/4: loss 0.5; 31 s so far",
        "warning: the history cannot be written",
        "prune               31.0 s",
    ]
    assert list(progress.seconds) == ["convert", "prune"]
