import dataclasses

import pytest

from edgeprune.devices.bench import (
    Bench,
    EnergyPlan,
    choose_device,
    choose_meters,
    load_bench,
)
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device, MeterTable
from edgeprune.energy.grid import WORLD, Grid
from edgeprune.errors import ConfigError

DESK = Device(board="rpi4", name="desk", host="198.51.100.7")
SHELF = Device(board="rpi4", name="shelf", host="198.51.100.8")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path))
    return tmp_path


def bench_of(*devices):
    return Bench({device.name: device for device in devices})


def test_a_desk_without_a_file_is_empty():
    assert load_bench() == Bench()


def test_every_key_is_read_and_devices_get_their_tables_names(home):
    (home / "bench.toml").write_text(
        '[devices.desk]\nboard = "rpi4"\nhost = "198.51.100.7"\nuser = "pi"\nport = 2222\n'
        'key = "~/.ssh/pi"\njump = "me@gate"\nfolder = "/var/tmp/e"\ncpus = [2, 3]\n'
        'password_env = "PI_PASSWORD"\n[devices.tv]\nboard = "rpi5"\n'
    )
    bench = load_bench()
    assert bench.devices["desk"] == Device(
        board="rpi4", name="desk", host="198.51.100.7", user="pi", port=2222, key="~/.ssh/pi",
        jump="me@gate", folder="/var/tmp/e", cpus=(2, 3), password_env="PI_PASSWORD",
    )  # fmt: skip
    assert bench.devices["tv"] == Device(board="rpi5", name="tv")


def test_a_named_file_goes_before_the_users_own(home, tmp_path):
    (home / "bench.toml").write_text("[devices.desk]\nboard = 'rpi4'\n")
    other = tmp_path / "other.toml"
    other.write_text("[devices.tv]\nboard = 'rpi5'\n")
    assert list(load_bench(other).devices) == ["tv"]


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        load_bench(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[devices.desk]\n", "missing 'devices.desk.board'"),
        ("[devices.desk]\nboard = 'rpi4'\nhots = 'x'\n", "did you mean 'devices.desk.host'"),
        ("[devices.desk]\nboard = 'rpi4'\nport = '22'\n", "devices.desk.port must be int"),
        ("[devices.desk]\nboard = 'rpi4'\nport = true\n", "devices.desk.port must be int"),
        ("[devices.desk]\nboard = 'rpi4'\ncpus = ['2']\n", "devices.desk.cpus[0] must be int"),
        ("[desk]\nboard = 'rpi4'\n", "unknown key 'desk'"),
        ("devices = 1\n", "devices must be a table"),
    ],
)
def test_each_fault_names_file_and_key(home, text, message):
    (home / "bench.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_bench()
    assert message in str(caught.value)
    assert str(home / "bench.toml") in str(caught.value)


def test_the_only_device_of_a_board_is_chosen():
    other = Device(board="rpi5", name="tv")
    assert choose_device(bench_of(DESK, other), load_board("rpi4"), None) == DESK


def test_of_several_devices_one_must_be_named():
    bench, board = bench_of(DESK, SHELF), load_board("rpi4")
    with pytest.raises(ConfigError, match=r"several devices are a rpi4: .*desk, shelf"):
        choose_device(bench, board, None)
    assert choose_device(bench, board, "shelf") == SHELF


PHONE = Device(board="pixel-8", name="mine", serial="39LX0DLJH0")
OTHER_PHONE = Device(board="pixel-8", name="yours", serial="39LX0DLJH1")


def test_of_several_phones_one_may_be_named_by_its_serial_number():
    bench, board = bench_of(PHONE, OTHER_PHONE), load_board("pixel-8")
    with pytest.raises(ConfigError, match=r"several devices are a pixel-8: .*mine, yours"):
        choose_device(bench, board, None)
    assert choose_device(bench, board, "39LX0DLJH1") == OTHER_PHONE
    assert choose_device(bench, board, "mine") == PHONE
    with pytest.raises(ConfigError, match="device '39LX0DLJH1' is a pixel-8, not a rpi4"):
        choose_device(bench, load_board("rpi4"), "39LX0DLJH1")


def test_a_phone_needs_no_file_as_adb_may_have_only_one():
    board = load_board("pixel-8")
    assert choose_device(Bench(), board, None) == Device(board="pixel-8", name="pixel-8")


@pytest.mark.parametrize(
    ("text", "user", "host", "port", "name"),
    [
        ("198.51.100.9", None, "198.51.100.9", None, "198.51.100.9"),
        ("pi@198.51.100.9", "pi", "198.51.100.9", None, "198.51.100.9"),
        ("pi@desk:2222", "pi", "desk", 2222, "desk:2222"),
        ("desk:22", None, "desk", 22, "desk:22"),
        ("[2001:db8::7]:2222", None, "2001:db8::7", 2222, "[2001:db8::7]:2222"),
        ("pi@[2001:db8::7]", "pi", "2001:db8::7", None, "2001:db8::7"),
        ("pi@2001:db8::7", "pi", "2001:db8::7", None, "2001:db8::7"),
        ("fe80::1%eth0", None, "fe80::1%eth0", None, "fe80::1%eth0"),
        ("ssh://pi@desk:2222/", "pi", "desk", 2222, "desk:2222"),
    ],
)
def test_an_address_is_understood_as_it_is_written(home, text, user, host, port, name):
    expected = Device(board="rpi4", name=name, user=user, host=host, port=port)
    assert choose_device(Bench(), load_board("rpi4"), text) == expected
    (home / "bench.toml").write_text(f"[devices.desk]\nboard = 'rpi4'\nhost = '{text}'\n")
    assert load_bench().devices["desk"] == dataclasses.replace(expected, name="desk")


@pytest.mark.parametrize(
    "text",
    ["", "pi@", "desk:", "desk:0", "desk:65536", "desk:ssh", "a b", "-oProxyCommand=x", "pi@-x",
     "[desk]:22", "[2001:db8::7", "a/b", "pi@desk:22:22", "a\x1b[2J", "-x@desk"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_one_clean_line(text):
    with pytest.raises(ConfigError, match=r"^--host: ") as caught:
        choose_device(Bench(), load_board("rpi4"), text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("board = 'rpi44'", "devices.desk: no board is 'rpi44'; did you mean rpi4?"),
        ("board = 'rpi4'\nserial = 'A1'", "devices.desk.serial: a rpi4 is reached by ssh, which"),
        ("board = 'pixel-8'\nkey = 'k'", "devices.desk.key: a pixel-8 is reached by adb, which"),
        ("board = 'local'\nhost = 'x'", "devices.desk.host: a local is reached by local, which"),
        ("board = 'rpi4'\nport = 0", "devices.desk.port must be 1 to 65535"),
        ("board = 'rpi4'\nhost = 'a:x'", "devices.desk.host: 'a:x' is no address"),
        ("board = 'rpi4'\nhost = 'a@b'\nuser = 'c'", "a@b says user a, and `user` says c"),
        ("board = 'rpi4'\nhost = 'a:1'\nport = 2", "a:1 says port 1, and `port` says 2"),
        ("board = 'pixel-8'\nhost = 'a@b'", "a phone knows no user"),
        ("board = 'rpi4'\nmeter = {use = 'pkp2'}", "no meter is 'pkp2'; did you mean ppk2?"),
        ("board = 'rpi4'\nname = 'x'", "unknown key 'devices.desk.name'"),
        ("board = 'rpi4'\nown = {}", "unknown key 'devices.desk.own'"),
    ],
)
def test_what_a_table_cannot_mean_is_told_as_soon_as_it_is_read(home, lines, message):
    (home / "bench.toml").write_text(f"[devices.desk]\n{lines}\n")
    with pytest.raises(ConfigError) as caught:
        load_bench()
    assert message in str(caught.value)


def test_faults_of_several_devices_are_told_at_once(home):
    (home / "bench.toml").write_text(
        "[devices.a]\nboard = 'rpi44'\n[devices.b]\nboard = 'rpi4'\nport = 0\n"
    )
    with pytest.raises(ConfigError, match=r"devices\.a: .*; devices\.b\.port"):
        load_bench()


def test_a_board_of_this_machine_has_no_address():
    with pytest.raises(ConfigError, match=r"--host 10\.0\.0\.7: local has no address"):
        choose_device(Bench(), load_board("local"), "10.0.0.7")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("39LX0DLJH0", "39LX0DLJH0", None), ("10.0.0.7:5555", "10.0.0.7", 5555),
     ("usb:1-2", "usb:1-2", None), ("emulator-5554", "emulator-5554", None)],
)  # fmt: skip
def test_a_phone_is_named_by_serial_number_or_address(text, host, port):
    device = choose_device(Bench(), load_board("pixel-8"), text)
    assert device == Device("pixel-8", text, host=host, port=port)


def test_a_device_of_another_board_is_refused():
    with pytest.raises(ConfigError, match="device 'desk' is a rpi4, not a rpi5"):
        choose_device(bench_of(DESK), load_board("rpi5"), "desk")


def test_no_device_says_how_to_add_one(home):
    with pytest.raises(ConfigError, match="give --host ADDRESS, or add to") as caught:
        choose_device(Bench(), load_board("rpi4"), None)
    assert str(home / "bench.toml") in str(caught.value)


@pytest.mark.parametrize("name", ["local", "rpi4-emulated"])
def test_boards_of_this_machine_need_no_device(name):
    assert choose_device(Bench(), load_board(name), None) == Device(board=name, name=name)


def test_a_devices_meter_and_the_grid_are_read(home):
    (home / "bench.toml").write_text(
        "[grid]\ng_per_kwh = 56\nsource = 'RTE 2024'\n"
        "[devices.desk]\nboard = 'rpi4'\nhost = '198.51.100.7'\n"
        "[devices.desk.meter]\nuse = 'csv'\nat = '~/log.csv'\nvoltage_v = 5.1\n"
        "rails = ['Main (A)']\nzero = '2026-01-31T12:00:00'\n"
    )
    bench = load_bench()
    assert bench.grid == Grid(56.0, "RTE 2024")
    assert bench.devices["desk"].meter == MeterTable(
        "csv", "~/log.csv", ("Main (A)",), 5.1, "2026-01-31T12:00:00"
    )


@pytest.mark.parametrize("factor", [0, -5.0])
def test_a_grid_without_a_factor_above_0_is_refused(home, factor):
    (home / "bench.toml").write_text(f"[grid]\ng_per_kwh = {factor}\nsource = 'x'\n")
    with pytest.raises(ConfigError, match=r"bench\.toml: grid\.g_per_kwh must be > 0"):
        load_bench()


def plan_of(named=None, meter=None, board="rpi5", g_per_kwh=None, bench=None):
    device = Device(board=board, name="desk", meter=meter)
    return choose_meters(bench or Bench(), load_board(board), device, named, g_per_kwh)


def test_the_flag_goes_before_the_devices_meter_and_that_before_the_boards():
    own = MeterTable("ppk2", "/dev/ttyACM0", voltage_v=5.0)
    assert plan_of() == EnergyPlan((MeterTable("rpi5_pmic"),), False, plan_of().missing)
    assert plan_of(meter=own) == EnergyPlan((own,), True)
    assert plan_of("joulescope", own) == EnergyPlan((MeterTable("joulescope"),), True)


def test_the_flag_may_say_which_and_keeps_the_rest_of_the_devices_table():
    own = MeterTable("csv", "old.csv", voltage_v=5.0)
    assert plan_of("new.csv", own).meters == (MeterTable("csv", "new.csv", voltage_v=5.0),)
    assert plan_of("csv", own).meters == (own,)
    assert plan_of("ppk2:/dev/ttyACM1", own).meters == (MeterTable("ppk2", "/dev/ttyACM1"),)


def test_a_board_without_a_sensor_names_the_meter_to_buy():
    plan = plan_of(board="rpi4")
    assert plan.meters == () and not plan.is_named
    assert "a Raspberry Pi 4 has no power sensor" in plan.missing
    assert "Joulescope" in plan.missing


def test_an_emulated_board_has_nothing_to_measure():
    with pytest.raises(ConfigError, match="rpi4-emulated is emulated and draws no power"):
        plan_of("log.csv", board="rpi4-emulated")


def test_none_switches_energy_off():
    assert plan_of("none").meters == ()
    assert plan_of("none").missing == "--meter none was given"


def test_the_grid_is_the_flags_then_the_benchs_then_the_worlds():
    assert plan_of().grid == WORLD
    france = Bench(grid=Grid(56.0, "RTE 2024"))
    assert plan_of(bench=france).grid == Grid(56.0, "RTE 2024")
    assert plan_of(bench=france, g_per_kwh=300.0).grid == Grid(300.0, "--grid-factor")
    with pytest.raises(ConfigError, match="--grid-factor must be > 0"):
        plan_of(g_per_kwh=0.0)
