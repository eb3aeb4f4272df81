"""The whole line on an emulated phone: an adbd of ours that runs this machine's commands."""

import json
import subprocess
import sys
import threading

import nets
import pytest
from adb_rig import Adbd
from adb_server import adb_server
from emulated import SHIPPED

from edgeprune import cli
from edgeprune.devices.toolchain.zig import host_isa

pytestmark = [pytest.mark.device]


@pytest.fixture
def phone(home, monkeypatch, tmp_path):
    """A phone that adb has, of a board with this machine's instruction set."""
    monkeypatch.chdir(tmp_path)
    text = (SHIPPED / "pixel-8.toml").read_text()
    text = text.replace("pixel-8", "phone").replace("aarch64", host_isa())
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "phone.toml").write_text(
        text.replace("/data/local/tmp", str(tmp_path / "data"))
    )
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(tmp_path / "boards"))
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    (tmp_path / "fast.toml").write_text("[run]\nsessions = 2\nruns = 4\nwarmup = 1\n")
    with adb_server(tmp_path):
        adbd = Adbd(tmp_path)
        subprocess.run(
            ["adb", "connect", adbd.address], check=True, capture_output=True, timeout=60
        )
        yield adbd
        adbd.close()


def deploy(*options):
    argv = ["deploy", "net.tflite", "--board", "phone", "--recipe", "fast.toml", *options]
    with pytest.raises(SystemExit) as done:
        cli.main(argv)
    return done.value.code


def test_the_only_phone_is_measured_without_a_bench_and_left_clean(phone, capsys):
    assert deploy("--json") == 0
    result = json.loads(capsys.readouterr().out)
    for variant in result["variants"]:
        assert variant["latency_us"]["runs"] == 8
        assert variant["parity"]["where"].startswith("phone")
        states = [one["state"] for one in variant["sessions"]]
        assert all(one["wait_share"] is not None and one["load_1min"] >= 0 for one in states)
    assert phone.left() == []
    names = {path.name for path in (phone.home / "data").rglob("*") if path.is_file()}
    assert {"edgeprune-agent", "start-agent", "libLiteRt.so", "libc.so.6"} < names
    assert not any(name.endswith((".part", ".epz")) for name in names)


def test_a_phone_that_goes_meanwhile_is_exit_code_3_and_nothing_is_written(phone, capsys):
    (phone.home / "fast.toml").write_text("[run]\nsessions = 100\nruns = 1000\n")
    timer = threading.Timer(3.0, phone.strike, ["offline"])
    timer.start()
    assert deploy("--output", "out") == 3, capsys.readouterr().err
    timer.join()
    assert not (phone.home / "out").exists()
    phone.heal()
    assert phone.left() == []


def test_a_host_that_is_killed_leaves_nothing_running_on_the_phone(phone):
    code = (
        "import sys; from edgeprune.devices.device import Device; "
        "from edgeprune.devices.boards import load_board; "
        "from edgeprune.devices.transports.adb import Adb; "
        f"adb = Adb(load_board('phone'), Device('phone', serial='{phone.address}')); adb.open(); "
        "kept = adb.start(['cat'], {}); print('started', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as host:
        assert host.stdout.readline() == b"started\n"
        assert phone.left(0) != []
        host.kill()
    assert phone.left(5) == []
