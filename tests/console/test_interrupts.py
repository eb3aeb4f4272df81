"""The first signal ends a run in order, also while results are written; the second at once."""

import signal
import subprocess
import sys

import pytest

from edgeprune.console import interrupts


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in interrupts._SIGNALS}
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    interrupts.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_of_them_interrupts(number):
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_what_must_not_be_interrupted_ends_first_and_says_so():
    done = []
    with pytest.raises(KeyboardInterrupt, match="the result is in out"), interrupts.uninterrupted():
        signal.raise_signal(signal.SIGTERM)
        done.append("written")
        interrupts.leaves("the result is in out")
    assert done == ["written"]


def test_an_interrupt_after_the_result_was_written_says_where_it_is():
    interrupts.leaves("the result is in out")
    with pytest.raises(KeyboardInterrupt, match="the result is in out"):
        signal.raise_signal(signal.SIGTERM)


def test_an_error_inside_is_not_hidden_by_the_signal():
    with pytest.raises(ZeroDivisionError), interrupts.uninterrupted():
        raise ZeroDivisionError


def test_a_signal_that_the_caller_ignores_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.install()
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


PROGRAM = (
    "import sys, time; from edgeprune.console import interrupts\n"
    "interrupts.install()\n"
    "with interrupts.uninterrupted():\n"
    "    print('ready', flush=True)\n"
    "    while not interrupts._State.is_pending: time.sleep(0.01)\n"
    "    interrupts._State.first_s -= interrupts._SAME_S\n"
    "    print('heard', flush=True)\n"
    "    time.sleep(3000)\n"
)


def test_the_second_one_ends_at_once():
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "heard\n"
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=300)
    assert process.returncode == 130 and "ended at once" in words and "Traceback" not in words
