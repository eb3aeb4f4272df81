"""SIGKILL of a search at random points, of its parent and of its child: nothing is done twice."""

import contextlib
import random
import signal
import subprocess
import time

import pytest
from searching.command import BOARD, Command

from edgeprune.searching.front import read_front

KILLS = 1
WAIT_S = 600.0


def wait_for(condition):
    """Waits on a machine that does much else, without taking much of it."""
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.1)


@pytest.fixture
def command(tmp_path):
    made = Command(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait(30)


def check_nothing_was_done_twice(command, before):
    now = command.trained()
    assert before.items() <= now.items()
    rows = command.rows()
    assert len(rows) == len(set(rows))


@pytest.mark.device
def test_killed_at_random_points_the_same_command_goes_on_to_the_same_answer(command):
    draw, before = random.Random(16), {}
    for _ in range(KILLS):
        process = command.start()
        wanted = len(command.judged()) + draw.randrange(4)
        while process.poll() is None and len(command.judged()) < wanted:
            time.sleep(0.1)
        with contextlib.suppress(subprocess.TimeoutExpired):  # and somewhere before the next
            process.wait(draw.uniform(0, 8))
        process.kill()
        process.wait(30)
        check_nothing_was_done_twice(command, before)
        before = command.trained()
    process = command.start()
    assert process.wait(WAIT_S) == 0, command.log.read_text()
    check_nothing_was_done_twice(command, before)
    front = read_front(command.folder / "out")
    assert front.is_complete and front.board(BOARD).chosen.is_measured


def check_the_best_so_far_is_left(command):
    assert "interrupted; the best so far is in" in command.log.read_text().splitlines()[-1]
    front = read_front(command.folder / "out")
    assert not front.is_complete and front.board(BOARD).recommended
    assert (command.folder / "out" / "index.html").is_file()
    assert (command.folder / "out" / f"best-{BOARD}.toml").is_file()
    assert "(predicted)" in front.board(BOARD).sentence or "as it is" in front.board(BOARD).sentence


@pytest.mark.device
def test_a_child_that_is_killed_costs_a_line_and_an_interrupt_leaves_the_best_so_far(tmp_path):
    command = Command(tmp_path, "1h")
    process = command.start()
    try:
        wait_for(lambda: process.poll() is not None or len(command.judged()) >= 1)
        command.kill_children(process)
        wait_for(lambda: process.poll() is not None or "another process" in command.log.read_text())
        before, judged = command.trained(), len(command.judged())
        wait_for(lambda: process.poll() is not None or len(command.judged()) > judged)
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 130, command.log.read_text()
    finally:
        process.kill()
    assert "another process goes on" in command.log.read_text()
    check_nothing_was_done_twice(command, before)
    check_the_best_so_far_is_left(command)


@pytest.mark.full_range
@pytest.mark.device
def test_an_interrupt_leaves_the_best_so_far(tmp_path):
    command = Command(tmp_path, "1h")
    process = command.start()
    wait_for(lambda: process.poll() is not None or len(command.judged()) >= 2)
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(WAIT_S) == 130, command.log.read_text()
    finally:
        process.kill()
    check_the_best_so_far_is_left(command)
