"""An error that nothing foresaw: one line, a file with the details, exit code 70."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgeprune.cli import crash

FAULTY = """
import sys, threading
from edgeprune import cli
from edgeprune.cli import boards

class Odd(Exception):
    def __str__(self):
        raise ValueError("it cannot even be printed")

def endless():
    return endless()

def odd():
    raise Odd

def link():
    raise BrokenPipeError(32, "Broken pipe")

def in_a_thread():
    thread = threading.Thread(target=lambda: [][3])
    thread.start()
    thread.join()
    return []

def unraisable():
    class Last:
        def __del__(self):
            [][3]
    Last()
    return []

faults = {
    "IndexError": lambda: [][3],
    "MemoryError": lambda: bytearray(1 << 62),
    "RecursionError": endless,
    "Odd": odd,
    "link": link,
    "thread": in_a_thread,
    "unraisable": unraisable,
}
def untold():
    from edgeprune.cli import crash
    crash._details = lambda *arguments: endless()
    return [][3]

faults["untold"] = untold
boards.board_names = faults[sys.argv[1]]
cli.main(["boards", "--json"] + sys.argv[2:])
"""


def fail(tmp_path, fault, *argv, **environ):
    home = {"EDGEPRUNE_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", FAULTY, fault, *argv],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **home, **environ},
    )


def details(done):
    return Path(done.stderr.split("details are in ")[1].split(";")[0])


@pytest.mark.parametrize("fault", ["IndexError", "MemoryError", "RecursionError", "Odd"])
def test_any_error_is_one_line_that_names_the_place_and_a_file(tmp_path, fault):
    done = fail(tmp_path, fault)
    assert done.returncode == crash.EXIT_CODE == 70
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(done.stdout)["error"]["kind"] == "InternalError"
    assert f"edgeprune: internal error ({fault} in cli/boards.py:" in done.stderr
    file = details(done)
    assert file.parent == tmp_path / "home" / "crashes"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert "edgeprune 0." in text and "numpy " in text and "command: edgeprune boards" in text
    assert fault == "Odd" or "Traceback" in text


@pytest.mark.parametrize("home", ["/dev/null", "/proc/none"])
def test_without_a_data_folder_the_details_go_to_a_temporary_one(tmp_path, home):
    done = fail(tmp_path, "IndexError", EDGEPRUNE_HOME=home)
    assert done.returncode == 70
    assert len(done.stderr.splitlines()) == 1
    assert details(done).is_relative_to(tmp_path)
    assert "Traceback" in details(done).read_text()


def test_passwords_stay_out_of_the_file(tmp_path):
    argv = ("http://me:verysecret@host", "--password=verysecret", "TOKEN=verysecret")
    done = fail(tmp_path, "IndexError")
    assert "verysecret" not in crash._details(ValueError("x"), argv)
    assert done.returncode == 70


def test_only_the_newest_files_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path))
    kept = [crash._keep(str(number)) for number in range(crash._MAX_FILES + 3)]
    assert [file.exists() for file in kept] == [False] * 3 + [True] * crash._MAX_FILES


def test_a_broken_link_to_a_device_is_no_success_and_no_internal_error(tmp_path):
    done = fail(tmp_path, "link")
    assert done.returncode == json.loads(done.stdout)["error"]["exit_code"] == 3
    assert done.stderr == "edgeprune: the connection to the device broke: Broken pipe; try again\n"


def test_an_error_in_a_thread_is_one_line_as_well(tmp_path):
    done = fail(tmp_path, "thread")
    assert len(done.stderr.splitlines()) == 1
    assert "internal error (IndexError in " in done.stderr
    assert "Traceback" in details(done).read_text()


def test_an_error_that_python_ignores_is_not_printed(tmp_path):
    done = fail(tmp_path, "unraisable")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_hooks_of_somebody_else_stay(monkeypatch):
    def own(_):
        pass

    monkeypatch.setattr(threading, "excepthook", own)
    monkeypatch.setattr(sys, "unraisablehook", own)
    crash.watch_threads()
    assert threading.excepthook is own and sys.unraisablehook is own


def test_an_error_that_cannot_even_be_told_is_one_line(tmp_path):
    done = fail(tmp_path, "untold")
    assert done.returncode == crash.EXIT_CODE
    assert done.stderr == (
        "edgeprune: internal error (IndexError, and RecursionError while it was reported): its "
        "details cannot be shown\n"
    )


def test_an_installation_that_lacks_what_it_needs_is_one_line():
    program = (
        "import sys\n"
        "sys.modules['click'] = None\n"
        "from edgeprune.__main__ import main\n"
        "sys.argv[1:] = ['boards']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "its installation is not whole" in done.stderr and "click" in done.stderr
