"""Standard output and error that are closed, full, broken or of a narrow encoding."""

import itertools
import json
import signal
import subprocess
import sys
import time

import pytest
from full_range import also

COMMAND = f"{sys.executable} -m edgeprune"


def shell(line):
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )


PRINTS = ("boards", "boards --json", "--help", "boards rpi4")
READERS = ("true", "head -n 1", "head -c 1")
PAIRS = [(argv, READERS[k % 3]) for k, argv in enumerate(PRINTS)]
OTHERS = [pair for pair in itertools.product(PRINTS, READERS) if pair not in PAIRS]


@pytest.mark.parametrize(("argv", "reader"), [*PAIRS, *(also(*pair) for pair in OTHERS)])
def test_a_reader_that_goes_away_fails_nothing(argv, reader):
    done = shell(f"{COMMAND} {argv} | {reader}; echo ${{PIPESTATUS[0]}}")
    assert done.stdout.splitlines()[-1].endswith("0")
    assert done.stderr == ""


def test_the_exit_code_is_that_of_the_command_whoever_reads():
    program = (
        "import click, sys\n"
        "from edgeprune import cli\n"
        "@click.command()\n"
        "def boards():\n"
        "    for line in range(100000):\n"
        "        click.echo(line)\n"
        "    print('the work went on', file=sys.stderr)\n"
        "    return 1\n"
        "cli.edgeprune.add_command(boards)\n"
        "cli._Commands.get_command = lambda self, ctx, name: boards\n"
        "cli.main(['boards'])\n"
    )
    line = '"$0" -c "$1" | true; echo ${PIPESTATUS[0]}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, program], capture_output=True, text=True, timeout=300
    )
    assert (done.stdout, done.stderr) == ("1\n", "the work went on\n")


CLOSED = [("boards", 0, ">&-"), ("boards rpi9", 2, "2>&-"), ("boards", 0, "<&- >&- 2>&-")]
MORE_CLOSED = [
    (*case, closed)
    for case in (("boards", 0), ("boards rpi9", 2))
    for closed in (">&-", "2>&-", "<&- >&- 2>&-", "<&-", "<&- >&-", "<&- 2>&-")
    if (*case, closed) not in CLOSED
]


@pytest.mark.parametrize(
    ("argv", "code", "closed"), [*CLOSED, *(also(*case) for case in MORE_CLOSED)]
)
def test_closed_streams_count_as_read_by_nobody(argv, code, closed):
    done = shell(f"{COMMAND} {argv} {closed}")
    assert done.returncode == code
    assert code or done.stderr == ""


@pytest.mark.parametrize("argv", ["boards", also("boards --json"), "--help"])
def test_output_that_cannot_be_written_is_one_line_and_exit_code_2(argv):
    done = shell(f"{COMMAND} {argv} > /dev/full")
    assert done.returncode == 2
    says = "edgeprune: standard output cannot be written: No space left on device\n"
    assert done.stderr == says


def test_a_full_disk_under_the_log_fails_nothing():
    done = shell(f"{COMMAND} boards --json 2> /dev/full")
    assert done.returncode == 0 and json.loads(done.stdout)
    assert shell(f"{COMMAND} boards rpi9 2> /dev/full").returncode == 2


NAMES = ("'größe €'", "$'\\xff'", "$'\\xed\\xa0\\x80'")
TERMINALS = (
    "PYTHONIOENCODING=ascii",
    "PYTHONIOENCODING=latin-1",
    "LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0",
    "LC_ALL=C",
    "LC_ALL=no_SUCH.locale",
)
NARROW = [(environ, NAMES[(k - 1) % 3]) for k, environ in enumerate(TERMINALS)]
"""Latin-1 with the name that it has a part of: there alone strict writing would fail."""
MORE_NARROW = [pair for pair in itertools.product(TERMINALS, NAMES) if pair not in NARROW]


@pytest.mark.parametrize(("environ", "name"), [*NARROW, *(also(*pair) for pair in MORE_NARROW)])
def test_no_encoding_of_the_terminal_is_too_narrow(environ, name):
    done = shell(f"env {environ} {COMMAND} report {name}")
    assert done.returncode == 2
    assert done.stderr.startswith("edgeprune: ") and len(done.stderr.splitlines()) == 1


def test_a_pipe_that_does_not_block_gets_everything():
    program = (
        "import os, sys\n"
        "os.set_blocking(1, False)\n"
        "from edgeprune.console import streams\n"
        "streams.prepare()\n"
        "sys.stdout.write('x' * 1000000)\n"
        "sys.stdout.flush()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    time.sleep(0.2)  # the pipe is full by now, and the writer waits
    out, _ = process.communicate(timeout=300)
    assert (process.returncode, len(out)) == (0, 1000000)


def test_ctrl_c_while_the_program_is_still_being_imported():
    program = (
        "import builtins, os, signal, sys\n"
        "real = builtins.__import__\n"
        "def slow(name, *rest):\n"
        "    if name == 'edgeprune.cli':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *rest)\n"
        "from edgeprune.__main__ import main\n"
        "builtins.__import__ = slow\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 130
    assert done.stderr == "edgeprune: interrupted; nothing was left behind\n"
