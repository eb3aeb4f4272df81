"""A transport is one file: bench, doctor and the commands learn all of it from the class."""

import json
import sys

import pytest
from click.testing import CliRunner

import edgeprune.devices.transports as folder
from edgeprune import cli
from edgeprune.devices.bench import Bench, choose_device, choose_meters, load_bench
from edgeprune.devices.boards import load_board
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.doctor import diagnose
from edgeprune.errors import ConfigError
from edgeprune.files import paths

RS485 = """
from edgeprune.devices.transports.base import TRANSPORTS, CommandTransport, Completed, Probe

@TRANSPORTS.register
class Rs485(CommandTransport):
    needs_address = True
    bench_keys = ("serial",)
    own_keys = {"tty": str, "baud_rate": int}
    bench_example = 'tty = "/dev/ttyACM0"'
    used_for = "boards on a serial port"

    @classmethod
    def probes(cls, boards, agent):
        def look():
            raise FileNotFoundError(f"no tty for {boards[0].name}")
        return [Probe("serial ports", look, "plug one in")]

    def open(self):
        self.line = f"{self.device.own['tty']} at {self.device.own['baud_rate']}"

    def run(self, argv, timeout_s):
        return Completed(0, f"{self.line}: {' '.join(argv)}", "")

    def upload(self, source, target, offset, timeout_s): ...
    def start(self, argv, env, *, count_instructions=False): ...
    def close(self): ...
"""


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A transport that was not there before, a board that is reached by it, and a bench file."""
    more = tmp_path / "more transports"
    more.mkdir()
    (more / "rs485.py").write_text(RS485)
    (more / "_frames.py").write_text("raise ImportError('a helper is no part')\n")
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(more)])
    boards = tmp_path / "boards"
    boards.mkdir()
    text = (paths.shipped("boards") / "rpi4.toml").read_text()
    text = text.replace('"rpi4"', '"tiny"').replace('"ssh"', '"rs485"')
    (boards / "tiny.toml").write_text(text)
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(boards))
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(paths.cache_folder()))
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    file = tmp_path / "bench.toml"
    file.write_text("[devices.desk]\nboard = 'tiny'\ntty = '/dev/ttyUSB0'\nbaud_rate = 9600\n")
    yield file
    TRANSPORTS._parts.pop("rs485", None)
    sys.modules.pop("edgeprune.devices.transports.rs485", None)
    vars(folder).pop("rs485", None)


def test_it_is_offered_and_its_helpers_are_not(bench):
    assert TRANSPORTS.names() == [
        "adb",
        "local",
        "qemu",
        "qemu_system",
        "rs485",
        "serial_port",
        "ssh",
    ]


def test_its_device_is_found_in_the_bench_and_used(bench):
    board = load_board("tiny")
    device = choose_device(load_bench(bench), board, None)
    assert device.own == {"tty": "/dev/ttyUSB0", "baud_rate": 9600}
    with TRANSPORTS.get(board.transport.use)(board, device) as transport:
        assert transport.run(["ls"], 1.0).stdout == "/dev/ttyUSB0 at 9600: ls"
    assert choose_meters(load_bench(bench), board, device, "ppk2", None).is_named


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("baud_rate = 'fast'", "devices.two.baud_rate must be int, got 'fast'"),
        ("tyt = '/dev/ttyUSB1'", "unknown key 'devices.two.tyt'"),
        ("user = 'pi'", "a tiny is reached by rs485, which reads serial, tty, baud_rate"),
    ],
)
def test_the_bench_checks_the_keys_that_it_reads(bench, line, message):
    bench.write_text(f"[devices.two]\nboard = 'tiny'\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        load_bench(bench)
    assert message in str(caught.value)


def test_its_keys_are_its_own(bench):
    bench.write_text("[devices.pi]\nboard = 'rpi4'\ntty = '/dev/ttyUSB0'\n")
    with pytest.raises(ConfigError, match=r"unknown key 'devices\.pi\.tty'"):
        load_bench(bench)


def test_without_a_device_the_message_has_its_example(bench):
    with pytest.raises(ConfigError, match=r'board = "tiny" tty = "/dev/ttyACM0"'):
        choose_device(Bench(), load_board("tiny"), None)


def test_doctor_looks_at_what_it_needs_and_says_what_for(bench):
    diagnosis = diagnose(bench)
    assert diagnosis.needed_for["rs485"] == "boards on a serial port"
    (check,) = [check for check in diagnosis.checks if check.scope == "rs485"]
    assert (check.state, check.found, check.fix) == ("missing", "no tty for tiny", "plug one in")
    needs = {readiness.board: readiness.needs for readiness in diagnosis.boards}
    assert needs["tiny"] == ("plug one in",)
    assert any("bench.toml, or --host" in need for need in needs["rpi4"])
    shown = CliRunner().invoke(cli.edgeprune, ["doctor", "--bench", str(bench)])
    assert "for boards on a serial port:\n  missing serial ports: no tty for tiny" in shown.output


def test_a_transport_that_cannot_be_imported_harms_no_other(bench, tmp_path):
    (tmp_path / "more transports" / "rs485.py").write_text("import no_such_library\n")
    diagnosis = diagnose(bench)
    needs = {readiness.board: readiness.needs for readiness in diagnosis.boards}
    assert diagnosis.is_ok and needs["local"] == ()
    (check,) = [check for check in diagnosis.checks if check.scope == "rs485"]
    assert "needs no_such_library" in check.found


def test_its_devices_are_listed_and_have_no_host_key(bench):
    run = CliRunner().invoke
    listed = run(cli.edgeprune, ["devices", "list", "--bench", str(bench)])
    assert listed.exit_code == 0 and "desk" in listed.output and "host key" not in listed.output
    as_json = run(cli.edgeprune, ["devices", "list", "--bench", str(bench), "--json"])
    assert json.loads(as_json.output)[0]["own"]["tty"] == "/dev/ttyUSB0"
    refused = run(cli.edgeprune, ["devices", "trust", "desk", "--bench", str(bench)])
    assert isinstance(refused.exception, ConfigError)
    assert "reached without a host key" in str(refused.exception)
