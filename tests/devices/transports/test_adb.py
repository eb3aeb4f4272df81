import contextlib
import random
import subprocess
import threading
import time

import pytest
from adb_rig import Adbd
from adb_server import adb_server, free_port

from edgeprune.devices.links.adb import link
from edgeprune.devices.links.adb import server as adb_servers
from edgeprune.devices.links.adb.program import Program
from edgeprune.errors import DeviceError, DeviceTimeout

pytestmark = [pytest.mark.device]
NASTY = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned #",
    "' ; touch pwned ; '",
    '" && touch pwned && "',
    "$HOME",
    "a  b\tc",
    "*",
    "\\",
    "-n",
    "",
    "näme",
    "A=b",
    "!!",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with adb_server(tmp_path_factory.mktemp("adb")) as port:
        yield port


@pytest.fixture(params=["shell_v2,cmd,stat_v2", "cmd"], ids=["shell_v2", "without shell_v2"])
def phone(request, server, tmp_path):
    adbd = Adbd(tmp_path, request.param)
    yield adbd
    adbd.close()


@pytest.fixture
def new_phone(server, tmp_path):
    adbd = Adbd(tmp_path)
    yield adbd
    adbd.close()


def test_arguments_arrive_as_they_are_whatever_they_contain(phone):
    with phone.adb() as adb:
        done = adb.run(["printf", "%s|", *NASTY], 5)
    assert done.stdout == "".join(token + "|" for token in NASTY)
    assert not (phone.home / "pwned").exists()


def test_exit_codes_are_the_programs_own(phone):
    with phone.adb() as adb:
        assert adb.run(["true"], 5).code == 0
        done = adb.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 5)
        assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")
        assert adb.run(["sh", "-c", "kill -9 $$"], 5).code == 128 + 9
        assert adb.run(["no-such-program"], 5).code == 127
        assert adb.run(["sh", "-c", "exit 0; echo 7"], 5).stdout == ""


def test_a_command_that_ends_while_its_input_is_closed_has_succeeded(phone, monkeypatch):
    def late(program, data, timeout_s):
        program._await(lambda: False, time.monotonic() + 60)
        push(program, data, timeout_s)

    push = Program._push
    monkeypatch.setattr(Program, "_push", late)
    with phone.adb() as adb:
        assert adb.run(["echo", "quick"], 60).stdout == "quick\n"


def test_a_command_that_runs_too_long_is_killed_with_its_children(phone):
    with phone.adb() as adb:
        with pytest.raises(DeviceTimeout):
            adb.run(["sh", "-c", "sleep 45671 & sleep 45671; :"], 0.5)
        assert phone.left() == []
        assert adb.run(["echo", "still connected"], 5).code == 0


def test_megabytes_of_complaints_do_not_block_the_output(phone):
    script = "head -c 5000000 /dev/zero >&2; echo done"
    with phone.adb() as adb:
        done = adb.run(["sh", "-c", script], 20)
        assert done.stdout == "done\n"
        assert len(done.stderr) == 1 << 16


def test_a_program_gets_its_variables_and_any_bytes_both_ways(phone):
    data = bytes(range(256)) * 64 + random.Random(1).randbytes(3_000_000)
    with phone.adb() as adb:
        channel = adb.start(["sh", "-c", 'printf %s "$WORD"; exec cat'], {"WORD": "a 'b'"})
        assert channel.read(5, 5) == b"a 'b'"
        writer = threading.Thread(target=channel.write, args=(data, 20))
        writer.start()
        assert channel.read(len(data), 20) == data
        writer.join()
        assert channel.close() is None
        channel.close()
    assert phone.left() == []


def test_a_program_that_takes_no_input_is_killed_in_time_and_the_phone_stays(phone):
    with phone.adb() as adb:
        channel = adb.start(["sleep", "45672"], {})
        with pytest.raises(DeviceTimeout, match="took no more input"):
            channel.write(bytes(20_000_000), 1)
        assert phone.left() == []
        assert adb.run(["echo", "alive"], 5).stdout == "alive\n"


def test_last_words_are_told_when_a_program_ends_early(phone):
    with phone.adb() as adb:
        channel = adb.start(["sh", "-c", "echo no such model >&2; exit 4"], {})
        with pytest.raises(DeviceError, match=r'status 4; the device says: "no such model"'):
            channel.read(10, 5)
        with pytest.raises(DeviceError, match=r'status 4; the device says: "no such model"'):
            channel.write(b"x", 5)
        channel = adb.start(["sh", "-c", "sleep 0.1; kill -9 $$"], {})
        with pytest.raises(DeviceError, match="signal 9"):
            channel.read(10, 5)
        with pytest.raises(DeviceTimeout):
            adb.start(["cat"], {}).read(1, 0.2)


def test_closing_ends_the_program_even_one_that_ignores_its_input(phone):
    with phone.adb() as adb:
        polite = adb.start(["sh", "-c", "cat; :"], {})
        rude = adb.start(["sh", "-c", "sleep 45673; :"], {})
        polite.close()
        rude.close(0.3)
        assert phone.left() == []


def test_no_phone_may_be_silent_for_long():
    assert 2 * link.BEAT_S < link.SILENCE_S and link.BEAT_S + link.SILENCE_S < 5


@contextlib.contextmanager
def impatience():
    """A phone that says nothing is given up at once, not after some seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "BEAT_S", 0.1)
        patch.setattr(link, "SILENCE_S", 0.5)
        yield


@pytest.mark.parametrize("kind", ["drop", "stall", "offline"])
def test_a_phone_that_vanishes_is_noticed(phone, kind):
    with phone.adb() as adb:
        channel = adb.start(["cat"], {})
        phone.strike(kind)
        with impatience():
            with pytest.raises(DeviceError, match="connection broke"):
                channel.read(1, 60)
            with pytest.raises(DeviceError):
                adb.run(["true"], 60)
    phone.heal()
    with phone.adb() as adb:
        assert adb.run(["echo", "back"], 5).stdout == "back\n"
    assert phone.left() == []


def test_a_phone_whose_network_failed_is_connected_to_anew(new_phone):
    """The adb server still holds the old connection, on which nothing moves."""
    with new_phone.adb() as adb, pytest.raises(DeviceError, match="no sign of life"):
        new_phone.strike("dead")
        with impatience():
            adb.run(["sleep", "60"], 60)
    with new_phone.adb() as adb:
        assert adb.run(["echo", "back"], 5).stdout == "back\n"


def test_a_quiet_phone_is_not_taken_for_a_lost_one(new_phone):
    with new_phone.adb() as adb:
        assert adb.run(["sh", "-c", "sleep 4; echo there"], 60).stdout == "there\n"


def test_an_address_where_no_phone_is_is_told(new_phone):
    with pytest.raises(DeviceError, match=r"failed to connect|unable to connect|cannot connect"):
        new_phone.adb(host=f"127.0.0.1:{free_port()}").open()


def test_a_phone_that_does_not_allow_this_computer_is_told(new_phone):
    new_phone.allows = False
    with pytest.raises(DeviceError, match="unauthorized: unlock it and allow this computer"):
        new_phone.adb().open()


def test_a_serial_number_that_adb_does_not_have_is_told(new_phone, monkeypatch):
    monkeypatch.setattr(adb_servers, "_SETTLE_S", 0.3)
    with pytest.raises(DeviceError, match="adb says absent: is it plugged in"):
        new_phone.adb(host=None, serial="39LX0DLJH0").open()


def test_without_a_name_the_only_phone_is_taken_and_several_are_refused(server, tmp_path):
    subprocess.run(["adb", "disconnect"], check=True, capture_output=True, timeout=10)
    one, two = Adbd(tmp_path), Adbd(tmp_path)
    try:
        with pytest.raises(DeviceError, match="adb sees no phone"):
            one.adb(host=None).open()
        with one.adb(), one.adb(host=None) as found:
            assert found._link.serial == one.address
            with two.adb(), pytest.raises(DeviceError, match="2 phones: name one by `serial`"):
                one.adb(host=None).open()
    finally:
        one.close()
        two.close()


def test_several_phones_work_at_once_each_under_its_own_serial_number(server, tmp_path):
    phones = [Adbd(tmp_path) for _ in range(3)]
    found = {}

    def work(number):
        script = f"for n in 1 2 3 4 5; do echo {number}; sleep 0.1; done"
        found[number] = transports[number].run(["sh", "-c", script], 10).stdout

    transports = [phone.adb() for phone in phones]
    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    try:
        for (
            transport
        ) in transports:  # one by one: Debian 12's adb server has crashed on three at once
            transport.open()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    finally:
        for transport in transports:
            transport.close()
        for phone in phones:
            phone.close()
    assert found == {number: f"{number}\n" * 5 for number in range(3)}


def test_a_command_that_prints_without_an_end_is_ended(phone):
    with phone.adb() as way:
        with pytest.raises(DeviceError, match="a command printed more than 4 MiB"):
            way.run(["yes"], 60)
        assert way.run(["echo", "still there"], 20).stdout == "still there\n"


def test_a_program_that_may_not_be_run_says_what_may_be_wrong(phone):
    with phone.adb() as way, pytest.raises(DeviceError, match=r"status 126; .*mounted noexec"):
        way.start(["/etc/passwd"], {}).read(1, 20)
