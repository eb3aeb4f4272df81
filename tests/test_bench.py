import pytest

from edgeprune.bench import Bench, Device, choose_device, load_bench
from edgeprune.board import load_board
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
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read"):
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


def test_an_address_needs_no_file():
    device = choose_device(Bench(), load_board("rpi4"), "pi@198.51.100.9")
    assert (device.board, device.host) == ("rpi4", "pi@198.51.100.9")


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
