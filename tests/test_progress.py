import io
import time

import pytest
from rich.console import Console

from edgeprune import progress as progress_module
from edgeprune.progress import Progress


def console(*, is_terminal: bool) -> Console:
    return Console(
        file=io.StringIO(), width=80, force_terminal=is_terminal, color_system=None, _environ={}
    )


def test_a_log_gets_plain_lines_with_the_seconds_at_the_end():
    log = console(is_terminal=False)
    with Progress(log) as progress, progress.stage("convert"):
        progress.say("to float32")
        time.sleep(0.06)
    lines = log.file.getvalue().splitlines()
    assert lines[:2] == ["convert ...", "convert: to float32"]
    assert lines[2].split() == ["convert", "0.1", "s"]
    assert len(lines) == 3


def test_seconds_are_kept_in_order_and_a_second_time_adds_up():
    with Progress(console(is_terminal=False)) as progress:
        for name in ("load", "prune", "load"):
            with progress.stage(name):
                time.sleep(0.02)
    assert list(progress.seconds) == ["load", "prune"]
    assert progress.seconds["load"] >= 0.04
    assert progress.seconds["prune"] >= 0.02


def test_a_stage_that_fails_says_so_and_lets_the_error_through():
    log = console(is_terminal=False)
    with pytest.raises(RuntimeError), Progress(log) as progress, progress.stage("push"):
        raise RuntimeError
    assert log.file.getvalue().splitlines()[-1].endswith("s  failed")
    assert "push" in progress.seconds


def test_a_short_stage_shows_no_spinner():
    terminal = console(is_terminal=True)
    with Progress(terminal) as progress, progress.stage("load"):
        progress.say("quick")
        time.sleep(0.3)
    assert "quick" not in terminal.file.getvalue()


def test_a_long_stage_shows_its_seconds_and_what_it_does(monkeypatch):
    monkeypatch.setattr(progress_module, "SPINNER_AFTER_S", 0.05)
    terminal = console(is_terminal=True)
    with Progress(terminal) as progress, progress.stage("run"):
        progress.say("dense: process 3 of 10")
        time.sleep(0.5)
    text = terminal.file.getvalue()
    assert "0 s  dense: process 3 of 10" in text
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
