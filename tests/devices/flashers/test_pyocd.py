"""Flashing through pyOCD itself, as far as it goes without a board: no chip was flashed here."""

import json
import socketserver
import threading

import pytest

from edgeprune import cli
from edgeprune.devices.boards import board_names, load_board
from edgeprune.devices.flashers import pyocd
from edgeprune.devices.flashers.base import DebugProbe, choose_probe
from edgeprune.errors import ConfigError, DeviceError, DeviceTimeout, EdgepruneError

ST = DebugProbe("066DFF50", "NUCLEO-L4R5ZI", "stm32l4r5zi")
J_LINK = DebugProbe("683123456", "J-Link", None)
ANSWERS = {
    "capabilities": [],
    "supported_wire_protocols": ["DEFAULT", "SWD"],
    "accessible_pins": [0, 0],
}


class Lent(socketserver.StreamRequestHandler):
    """A probe that a ``pyocd server`` lends, to no chip: a line of JSON each way."""

    def handle(self):
        for line in self.rfile:
            self.server.heard.append(json.loads(line))
            request = self.server.heard[-1]
            if self.server.is_silent:
                continue
            answer = {"id": request["id"], "status": 0}
            if request["request"] == "readprop":
                answer["result"] = ANSWERS.get(request["arguments"][0])
            if request["request"] == "connect":
                answer |= {"status": 3, "error": "no chip answers"}
            self.wfile.write(json.dumps(answer).encode() + b"\n")


@pytest.fixture
def lent():
    """Starts a server of one probe; its serial number is returned."""
    servers = []

    def start(is_silent=False):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Lent)
        server.daemon_threads, server.is_silent, server.heard = True, is_silent, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server, f"remote:127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def image(tmp_path):
    file = tmp_path / "x.elf"
    file.write_bytes(b"\x7fELF")
    return file


class Listed(pyocd.PyOcd):
    def __init__(self, *probes):
        self.found = probes

    def probes(self):
        return self.found


def refusal(*arguments):
    with pytest.raises(EdgepruneError) as caught:
        choose_probe(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_only_probe_is_taken_and_of_several_the_named_one():
    assert choose_probe(Listed(ST), None, "stm32l4r5zitx") is ST
    both = Listed(ST, J_LINK)
    assert choose_probe(both, "066dff50", "stm32l4r5zitx") is ST
    assert choose_probe(both, "000683123456", "nrf52840") is J_LINK  # as its USB port has it


def test_which_probe_is_missing_is_said_with_those_that_there_are():
    assert "no debug probe is plugged in" in refusal(Listed(), None, "nrf52840")
    both = Listed(ST, J_LINK)
    several = refusal(both, None, "nrf52840")
    assert "several" in several and "066DFF50 (NUCLEO-L4R5ZI), 683123456 (J-Link)" in several
    assert "no debug probe has the serial number 7" in refusal(both, "7", "nrf52840")


def test_a_probe_on_another_board_is_refused():
    assert "is on a stm32l4r5zi, and the board has a nrf52840" in refusal(
        Listed(ST), None, "nrf52840"
    )


def test_pyocd_lists_its_probes():
    assert all(isinstance(each, DebugProbe) for each in pyocd.PyOcd().probes())


@pytest.mark.parametrize(
    "output",
    ["", "{}", "[]", "nonsense", '{"status": 0, "boards": [{}]}', '{"status": 0, "boards": [1]}'],
)
def test_a_list_that_is_none_is_an_error(monkeypatch, output):
    monkeypatch.setattr(pyocd, "run_to_end", lambda *given: (0, output, ""))
    with pytest.raises(DeviceError, match="cannot list debug probes"):
        pyocd.PyOcd().probes()


def test_a_fault_that_pyocd_tells_is_told_on(monkeypatch):
    output = '{"status": 1, "boards": [], "error": "no usb"}'
    monkeypatch.setattr(pyocd, "run_to_end", lambda *given: (0, output, ""))
    with pytest.raises(DeviceError, match="cannot list debug probes: no usb"):
        pyocd.PyOcd().probes()


def flashing(serial, image, target="nrf52840", timeout_s=60.0):
    flasher = pyocd.PyOcd()
    flasher.flash(image, target, choose_probe(flasher, serial, target), timeout_s)


def test_pyocd_takes_our_words_and_why_it_fails_is_one_line(lent, image):
    server, serial = lent()
    with pytest.raises(DeviceError, match="failed: Target not detected"):
        flashing(serial, image)
    assert [one["request"] for one in server.heard][:2] == ["hello", "open"]


def test_a_chip_that_pyocd_does_not_know_says_how_to_teach_it(lent, image):
    with pytest.raises(ConfigError, match=r"pyocd knows no stm32x yet: .* pack install stm32x$"):
        flashing(lent()[1], image, "stm32x")


def test_a_probe_that_says_nothing_is_given_up(lent, image):
    with pytest.raises(DeviceTimeout, match="did not end within 4 s: unplug"):
        flashing(lent(is_silent=True)[1], image, timeout_s=4.0)


def test_nobody_at_the_other_end_is_an_error(image):
    with pytest.raises(DeviceError, match=r"failed: .*refused"):
        flashing("remote:127.0.0.1:9", image)


def told(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        cli.main(["firmware", "flash", *words])
    assert ended.value.code in (2, 3)
    return capsys.readouterr().err.strip()


def test_only_boards_as_sold_are_flashed(capsys):
    assert "rpi4 is no microcontroller" in told(capsys, "--board", "rpi4")
    assert "mps2-an386 is not flashed: it is emulated" in told(capsys, "--board", "mps2-an386")
    boards = [load_board(name) for name in board_names()]
    sold = [one for one in boards if one.agent.use == "firmware" and "emulated" not in one.vendor]
    assert {one.name for one in sold if one.flash} == {
        "nrf52840-dk",
        "nucleo-l4r5zi",
        "nucleo-u575zi-q",
    }
    for one in sold:
        assert (one.flash is not None) == (one.transport.use == "serial_port")


def test_without_pyocd_the_command_that_installs_it_is_named(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "pyocd", None)
    assert told(capsys, "--board", "nrf52840-dk").endswith("pip install 'edgeprune[flash]'")


def test_a_board_without_a_probe_is_told_before_anything_is_written(capsys):
    assert "no debug probe is plugged in" in told(capsys, "--board", "nrf52840-dk")
