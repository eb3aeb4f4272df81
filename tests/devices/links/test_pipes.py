import sys
import time
from pathlib import Path

import pytest

from edgeprune.devices.links.pipes import Child, append_file, run_to_end
from edgeprune.errors import DeviceError, DeviceTimeout, DiskFull


def python(code):
    return Child([sys.executable, "-c", code], {})


def test_what_is_written_comes_back():
    child = python("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read(3_000_000))")
    data = bytes(range(256)) * 11719
    child.write(data[:3_000_000], 10)
    assert child.read(3_000_000, 10) == data[:3_000_000]
    assert child.close(5) == 0


def test_a_program_that_says_nothing_is_a_timeout_in_time():
    child = python("import time; time.sleep(60)")
    with pytest.raises(DeviceTimeout, match="sent nothing in time"):
        child.read(1, 0.3)
    assert child.close(0.1) == -9


def test_a_program_that_reads_nothing_is_a_timeout():
    child = python("import time; time.sleep(60)")
    with pytest.raises(DeviceTimeout, match="took no more input in time"):
        child.write(bytes(10_000_000), 0.3)
    child.close(0.1)


def test_the_last_words_of_a_program_that_ended_are_in_the_error():
    child = python("import sys; sys.exit('no such sensor')")
    with pytest.raises(
        DeviceError, match=r'ended with status 1; the device says: "no such sensor"'
    ):
        child.read(1, 10)
    assert child.close(5) == 1


def test_a_program_that_fills_standard_error_does_not_block():
    child = python("import sys; sys.stderr.write('x' * 1_000_000 + 'end'); print('done')")
    assert child.read(4, 10) == b"done"
    assert child.last_words().endswith("xend")
    assert child.close(5) == 0


def test_closing_kills_the_children_of_a_program_that_does_not_end():
    code = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', "
        "'import time; time.sleep(60)']); print(p.pid, flush=True); time.sleep(60)"
    )
    child = python(code)
    text = b""
    while not text.endswith(b"\n"):
        text += child.read(1, 10)
    assert child.close(0.1) == -9
    deadline = time.monotonic() + 5
    while _is_alive(int(text)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_alive(int(text))


def _is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_brings_back_status_and_both_outputs():
    argv = [sys.executable, "-c", "import sys; print('a b'); sys.stderr.write('c'); sys.exit(7)"]
    assert run_to_end(argv, 10) == (7, "a b\n", "c")


def test_a_command_that_takes_too_long_is_killed():
    with pytest.raises(DeviceTimeout, match="longer than"):
        run_to_end(["sleep", "60"], 0.3)


def test_a_program_that_does_not_exist_is_a_device_error():
    with pytest.raises(DeviceError, match="cannot be started"):
        Child(["/no/such/program"], {})
    with pytest.raises(DeviceError, match="cannot be started"):
        run_to_end(["/no/such/program"], 1)


def test_an_upload_goes_on_where_it_stopped(tmp_path):
    (tmp_path / "source").write_bytes(b"0123456789")
    (tmp_path / "target").write_bytes(b"0123")
    append_file(tmp_path / "source", tmp_path / "target", 4)
    assert (tmp_path / "target").read_bytes() == b"0123456789"


def test_a_full_file_system_is_told_apart(tmp_path):
    (tmp_path / "source").write_bytes(b"x" * 100)
    with pytest.raises(DiskFull, match="no room"):
        append_file(tmp_path / "source", Path("/dev/full"), 0)
