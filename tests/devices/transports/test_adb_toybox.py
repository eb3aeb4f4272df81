"""The commands that edgeprune sends, on what Android has: mksh as shell, toybox as tools."""

import os
import random
import shutil
import threading
import time
from pathlib import Path

import pytest
from adb_rig import Adbd
from adb_server import adb_server

from edgeprune.errors import DeviceTimeout, DiskFull
from edgeprune.measure.device_state import find_sources
from edgeprune.measure.reading import parse_reading
from edgeprune.meters.base import Row
from edgeprune.push import push
from edgeprune.push.own_name import own_name

pytestmark = [pytest.mark.device]
TOOLS = (
    *(
        "cat",
        "chmod",
        "df",
        "find",
        "grep",
        "head",
        "id",
        "kill",
        "mkdir",
        "mv",
        "printf",
        "rm",
        "rmdir",
    ),
    *("sha256sum", "sleep", "sync", "tail", "true", "wc"),
)
NASTY = ["$(touch pwned)", "' ; touch pwned ; '", "$HOME", "a  b\tc", "*", "\\", "-n", "", "A=b"]
SIZE = 1_000_000


@pytest.fixture(params=["shell_v2,cmd", "cmd"], ids=["shell_v2", "without shell_v2"])
def phone(request, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, program in [("sh", "mksh"), *((tool, "toybox") for tool in TOOLS)]:
        found = shutil.which(program)
        assert found, "apt-get install mksh toybox"
        (tools / name).symlink_to(found)
    (tmp_path / "home").mkdir()
    with adb_server(tmp_path):
        adbd = Adbd(tmp_path / "home", request.param, tools)
        yield adbd
        adbd.close()


def test_quoting_exit_codes_signals_and_kills(phone):
    with phone.adb() as adb:
        done = adb.run(["printf", "%s|", *NASTY], 5)
        assert done.stdout == "".join(f"{word}|" for word in NASTY)
        done = adb.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 5)
        assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")
        assert adb.run(["sh", "-c", "kill -9 $$"], 5).code == 128 + 9
        with pytest.raises(DeviceTimeout):
            adb.run(["sh", "-c", "sleep 45675 & sleep 45675; :"], 0.5)
        assert phone.left(1) == []
    assert not (phone.home / "pwned").exists()


def test_the_phones_state_is_found_and_its_answers_are_understood(phone):
    zone = phone.home / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-0-0-usr\n")
    (zone / "temp").write_text("41000\n")
    answers = {
        "thermalservice": "IsStatusOverride: false\nThermal Status: 3\n",
        "battery": "Current state:\n  AC powered: false\n  present: true\n  level: 55\n",
    }
    for service, text in answers.items():
        (phone.home / service).write_text(text)
    dumpsys = phone.tools / "dumpsys"
    dumpsys.write_text(f"#!{phone.tools}/sh\ncat {phone.home}/$1\n")
    dumpsys.chmod(0o755)
    with phone.adb() as adb:
        sources = find_sources(adb, (), str(phone.home))
        answer = adb.run(["sh", "-c", sources.command], 5)
    assert sources.is_android and sources.zones == (str(zone / "temp"),)
    texts = [None] * (len(sources.files(1)) - 1) + ["41000", answer.stdout]
    found = parse_reading(Row(1.0, tuple(texts)), sources)
    assert answer.code == 0 and found.temperature_c == 41.0
    assert (found.thermal_status, found.battery_percent, found.on_mains) == (3, 55.0, False)


def test_a_script_without_a_first_line_is_run(phone):
    """As the agent is started through its loader."""
    script = phone.home / "start"
    script.write_text("exec printf %s launched\n")
    script.chmod(0o755)
    with phone.adb() as adb:
        assert adb.run([str(script)], 5).stdout == "launched"


def test_a_push_is_resumed_checked_and_swept(phone, tmp_path):
    file = tmp_path / "model.tflite"
    file.write_bytes(random.Random(1).randbytes(SIZE))
    stale = phone.home / "ep" / "0123456789abcdef" / "old.part"
    stale.parent.mkdir(parents=True)
    stale.write_text("x")
    os.utime(stale, (1, time.time() - 49 * 3600))
    with phone.adb() as adb:
        there = Path(push(adb, [file])[0].path)
        assert push(adb, [file])[0].moved_bytes == 0
        with own_name(adb.where) as ours:
            part = there.with_name(f"{there.name}.{ours}.part")
        there.rename(part)
        os.truncate(part, 300_001)
        os.utime(part, (1, time.time() - 23 * 3600))  # broken off yesterday
        assert push(adb, [file])[0].moved_bytes == SIZE - 300_001
        with pytest.raises(DiskFull):
            adb.upload(file, "/dev/full", 0, 5)
    assert there.read_bytes() == file.read_bytes()
    assert os.listdir(there.parent) == [file.name]
    assert not stale.exists()


def test_any_bytes_go_both_ways(phone):
    data = bytes(range(256)) * 64 + random.Random(2).randbytes(SIZE)
    with phone.adb() as adb:
        channel = adb.start(["cat"], {"WORD": "b"})
        writer = threading.Thread(target=channel.write, args=(data, 20))
        writer.start()
        assert channel.read(len(data), 20) == data
        writer.join()
        channel.close()
    assert phone.left(2) == []
