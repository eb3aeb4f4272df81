import copy
import tomllib

import pytest

from edgeprune.devices import boards as board_module
from edgeprune.devices.boards import Cpu, board_names, load_board, parse_board, resolved_cpu
from edgeprune.devices.cpuinfo import PARTS
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import (
    TRANSPORTS,
    CommandTransport,
    LineTransport,
    command_transport,
    line_transport,
)
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.firmware.build import ports
from edgeprune.firmware.encode import VERSION
from edgeprune.meters.base import METERS

SHIPPED = sorted(path.stem for path in paths.shipped("boards").glob("*.toml"))


def raw_board(name="rpi4"):
    return tomllib.loads((paths.shipped("boards") / f"{name}.toml").read_text(encoding="utf-8"))


def refusal(raw, stem="rpi4") -> str:
    with pytest.raises(ConfigError) as caught:
        parse_board(raw, "boards/rpi4.toml", stem)
    message = str(caught.value)
    assert message.startswith("boards/rpi4.toml: ")
    assert "\n" not in message
    return message


def keys_of(table, prefix=()):
    """The path of every key in a parsed board file, tables' own included."""
    for key, value in table.items():
        yield (*prefix, key)
        if isinstance(value, dict) and key != "source":
            yield from keys_of(value, (*prefix, key))


def table_at(raw, path):
    for key in path:
        raw = raw[key]
    return raw


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_board_is_right(name):
    board = load_board(name)
    assert board.name == name
    if board.agent.use == "native":
        assert board.agent.target == "host" or board.agent.target.startswith(board.cpu.isa)
    if board.kind == "microcontroller":
        assert board.agent.target in ports() and board.runtime.version == str(VERSION)
    else:
        assert board.cpu.core == "host" or board.cpu.core in PARTS
    has_no_files = board.kind in ("host", "emulated", "microcontroller")
    assert (board.transport.folder is None) == has_no_files


@pytest.mark.parametrize("name", SHIPPED)
def test_every_transport_of_a_shipped_board_exists(name):
    assert load_board(name).transport.use in TRANSPORTS.names()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_meter_of_a_shipped_board_exists_and_a_board_without_one_says_what_to_buy(name):
    board = load_board(name)
    assert set(board.meters.use) <= set(METERS.names())
    is_emulated = TRANSPORTS.get(board.transport.use).emulated
    assert board.meters.use or board.meters.missing or is_emulated


def test_the_promised_boards_are_shipped():
    cores = {load_board(name).cpu.core for name in SHIPPED if load_board(name).kind == "emulated"}
    assert {"cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76", "cortex-a78", "cortex-x1"} <= (
        cores
    )
    assert {"local", "rpi4", "rpi5", "jetson-orin", "rpi4-emulated"} <= set(board_names())
    assert {"mps2-an386", "mps3-an547"} <= set(board_names())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_board_is_reached_by_a_transport_of_its_kind(name):
    board = load_board(name)
    wanted = LineTransport if board.kind == "microcontroller" else CommandTransport
    assert issubclass(TRANSPORTS.get(board.transport.use), wanted)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kind", "linux", "a microcontroller runs firmware, and nothing else does"),
        ("cpu.isa", "aarch64", "a microcontroller has one of Arm's M profile, as armv7e-m"),
        ("agent.use", "native", "agent.use 'native' with runtime.use 'edgeprune-firmware'"),
        ("memory.flash_bytes", None, "missing 'memory.flash_bytes'"),
        ("memory.flash_bytes", 0, "memory.flash_bytes must be > 0"),
    ],
)
def test_a_microcontroller_runs_firmware_out_of_flash(key, value, message):
    raw = raw_board("mps2-an386")
    *path, last = key.split(".")
    table_at(raw, path)[last] = value
    if value is None:
        del table_at(raw, path)[last], raw["source"][key]
    assert message in refusal(raw, stem="mps2-an386")


def test_a_transport_that_runs_no_commands_is_refused_where_commands_are_needed():
    raw = raw_board() | {"transport": {"use": "qemu_system"}}
    board = parse_board(raw, "boards/rpi4.toml", "rpi4")
    with pytest.raises(ConfigError, match=r"'qemu_system' runs no commands, which agent.use 'nat"):
        command_transport(board, Device("rpi4"))
    raw = raw_board("mps2-an386") | {"transport": {"use": "ssh"}}
    board = parse_board(raw, "boards/mps2-an386.toml", "mps2-an386")
    with pytest.raises(
        ConfigError, match=r"'ssh' leads to no firmware, which agent.use 'firmware'"
    ):
        line_transport(board, Device("mps2-an386"))


def test_the_emulated_board_has_the_core_and_features_of_the_one_that_it_stands_for():
    emulated, real = load_board("rpi4-emulated").cpu, load_board("rpi4").cpu
    assert (emulated.core, emulated.isa, emulated.features) == (real.core, real.isa, real.features)


OPTIONAL = {
    ("memory",), ("cpu", "cores"), ("cpu", "clock_hz"), ("transport", "folder"),
    ("meters", "missing"),
}  # fmt: skip


@pytest.mark.parametrize("path", list(keys_of(raw_board())), ids=".".join)
def test_every_key_is_required_or_known_to_be_optional(path):
    raw = raw_board()
    del table_at(raw, path[:-1])[path[-1]]
    for source in [key for key in raw.get("source", {}) if key.startswith(".".join(path))]:
        del raw["source"][source]
    if path in OPTIONAL:
        assert parse_board(raw, "boards/rpi4.toml", "rpi4")
    else:
        assert f"missing '{'.'.join(path)}'" in refusal(raw)


@pytest.mark.parametrize("path", list(keys_of(raw_board())), ids=".".join)
def test_a_misspelt_key_is_refused_with_the_right_one(path):
    raw = raw_board()
    table = table_at(raw, path[:-1])
    table[path[-1] + "x"] = table.pop(path[-1])
    wrong, right = ".".join(path) + "x", ".".join(path)
    assert f"unknown key '{wrong}' (did you mean '{right}'?)" in refusal(raw)


@pytest.mark.parametrize("path", list(keys_of(raw_board())), ids=".".join)
def test_every_wrong_type_is_refused_and_the_key_named(path):
    right = type(table_at(raw_board(), path))
    for value in (True, 1.5, "text", ["list", 1], {"table": 1}, 7):
        if type(value) is not right or right in (list, dict):
            raw = raw_board()
            table_at(raw, path[:-1])[path[-1]] = value
            assert ".".join(path) in refusal(raw)


def test_a_number_is_no_truth_value():
    raw = raw_board()
    raw["cpu"]["cores"] = True
    assert "cpu.cores must be int, got True" in refusal(raw)


def test_a_name_other_than_the_files_is_refused():
    assert "name 'rpi4' must equal the file's stem 'pi'" in refusal(raw_board(), stem="pi")


@pytest.mark.parametrize("number", ["cpu.cores", "cpu.clock_hz", "memory.ram_bytes"])
def test_a_hardware_number_without_a_source_is_refused(number):
    raw = raw_board()
    del raw["source"][number]
    assert f"{number} has no entry in [source]" in refusal(raw)


@pytest.mark.parametrize("value", [0, -4])
@pytest.mark.parametrize("number", ["cpu.cores", "cpu.clock_hz", "memory.ram_bytes"])
def test_a_hardware_number_is_above_zero(number, value):
    raw = raw_board()
    table, key = number.split(".")
    raw[table][key] = value
    assert f"{number} must be > 0" in refusal(raw)


def test_a_source_of_no_number_is_refused():
    raw = raw_board()
    raw["source"]["cpu.volts"] = "a guess"
    assert "source 'cpu.volts' names no number" in refusal(raw)


def test_an_unknown_kind_lists_the_known():
    assert "kind 'toaster' must be one of host, linux" in refusal(raw_board() | {"kind": "toaster"})


def test_another_schema_is_refused():
    assert "schema must be 1, got 2" in refusal(raw_board() | {"schema": 2})


def test_all_faults_are_told_at_once():
    raw = copy.deepcopy(raw_board())
    raw["kind"] = "toaster"
    raw["cpu"]["cores"] = 0
    message = refusal(raw, stem="pi")
    assert all(part in message for part in ("toaster", "cpu.cores", "'pi'"))


def test_a_board_that_nobody_has_lists_those_that_exist():
    with pytest.raises(
        ConfigError, match=r"no board is called 'rpi6'; there are: .*rpi4, rpi4-emu"
    ):
        load_board("rpi6")


def test_the_users_own_folder_comes_first(tmp_path, monkeypatch):
    text = (paths.shipped("boards") / "rpi4.toml").read_text(encoding="utf-8")
    (tmp_path / "rpi4.toml").write_text(text.replace('"Raspberry Pi"', '"mine"'))
    (tmp_path / "desk.toml").write_text(text.replace('"rpi4"', '"desk"'))
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(tmp_path))
    assert load_board("rpi4").vendor == "mine"
    assert load_board("desk").cpu.core == "cortex-a72"
    assert {"desk", "rpi5"} <= set(board_names())


def test_a_named_core_is_taken_as_it_stands():
    cpu = load_board("rpi4").cpu
    assert resolved_cpu(cpu) is cpu


def test_this_machine_is_described_as_the_kernel_does():
    cpu = resolved_cpu(load_board("local").cpu)
    assert cpu.isa in ("x86_64", "aarch64")
    assert {"sse2", "asimd"} & set(cpu.features)


def test_a_machine_without_cpuinfo_has_no_features(monkeypatch):
    def missing(path, **named):
        raise FileNotFoundError(path)

    monkeypatch.setattr(board_module.Path, "read_text", missing)
    assert resolved_cpu(Cpu("host", "host", ())).features == ()
