import sys

import agent_rig
import numpy as np
import pytest

from edgeprune.agents import build
from edgeprune.agents.start import start_agent
from edgeprune.agents.wire import Frame, pack
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError, DeviceTimeout


@pytest.fixture
def local():
    with TRANSPORTS.get("local")(load_board("local"), Device(board="local")) as transport:
        yield transport


def test_arguments_arrive_as_they_are(local):
    words = ["a b", "$HOME", "'\"`", "", "*", "\\", ";ls", "ü\n"]
    done = local.run([sys.executable, "-c", "import sys; print(sys.argv[1:])", *words], 10)
    assert (done.code, done.stdout.strip()) == (0, repr(words))


def test_a_command_that_takes_too_long_is_a_timeout(local):
    with pytest.raises(DeviceTimeout):
        local.run(["sleep", "60"], 0.2)


def test_a_program_that_does_not_exist_is_a_device_error(local):
    with pytest.raises(DeviceError, match="cannot be started"):
        local.start(["/no/such/program"], {})


def test_variables_reach_the_program(local):
    channel = local.start(["sh", "-c", 'printf "$EP_WORD"'], {"EP_WORD": "four"})
    assert channel.read(4, 5) == b"four"
    assert channel.close() is None
    assert channel.close() is None  # twice does no harm


def test_an_agent_runs_a_model(local, tmp_path):
    (tmp_path / "m.tflite").write_bytes(agent_rig.unknown_batch())
    with start_agent(local, str(build.agent("host"))) as agent:
        agent.load(agent_rig.library(), str(tmp_path / "m.tflite"))
        found = agent.infer([[np.array([[-1, 1, -2, 2]], np.float32)]])
        assert agent.close() is None  # nothing counts instructions here
    np.testing.assert_array_equal(found[0][0], [[0, 1, 0, 2]])


def test_an_agent_that_ended_is_a_device_error_with_its_last_words(local, tmp_path):
    with start_agent(
        local, "/bin/sh", loader=["/bin/sh", "-c", "echo no power >&2; exit 4"]
    ) as agent:
        with pytest.raises(DeviceError, match=r'ended with status 4; the device says: "no power"'):
            agent.hello()


def test_a_login_shells_greeting_is_skipped(local):
    script = f'echo "Welcome!"; exec {build.agent("host")}'
    with start_agent(local, "agent", loader=["/bin/sh", "-c", script]) as agent:
        assert agent.hello().agent_version


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            {"id": 1, "ok": True, "protocol": 1, "os": "x"},
            "wrong: agent_version is nothing",
        ),
        ({"id": 1, "ok": True, "protocol": 2}, "speaks protocol 2, expected 1"),
        ({"id": 9, "ok": True}, "wrong: id is 9, expected 1"),
        ({"id": 1}, "wrong: error is nothing, expected a text"),
    ],
)
def test_a_program_that_answers_nonsense_is_a_device_error(local, answer, words):
    said = pack(Frame(answer))
    code = f"import sys; sys.stdout.buffer.write({said!r}); sys.stdout.flush(); sys.stdin.read()"
    loader = [sys.executable, "-c", code]
    with start_agent(local, "agent", loader=loader) as agent:
        with pytest.raises(DeviceError, match=words):
            agent.hello()


def test_a_command_that_prints_without_an_end_is_ended(local):
    with pytest.raises(DeviceError, match="yes printed more than 4 MiB"):
        local.run(["yes"], 60)
