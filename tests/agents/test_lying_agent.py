"""Whatever a device says, the host says one clean line, in bounded time and memory."""

import sys
from pathlib import Path

import agent_rig
import numpy as np
import pytest
from lying_agent import LIES

from edgeprune.agents import build
from edgeprune.agents import session as agents_session
from edgeprune.agents.interface import interface_of
from edgeprune.agents.session import AgentSession
from edgeprune.devices.links.pipes import Child
from edgeprune.devices.transports.base import Channel
from edgeprune.errors import DeviceError

LIAR = Path(__file__).parents[1] / "lying_agent.py"
MAX_READ_BYTES = 20 << 20
"""Of one conversation; each answer's own limit is far below."""


class Counted(Channel):
    """A channel to a program of this machine that notes how much was ever asked of it."""

    def __init__(self, child):
        self.child = child
        self.asked_bytes = 0

    def write(self, data, timeout_s):
        self.child.write(data, timeout_s)

    def read(self, size, timeout_s):
        self.asked_bytes += size
        return self.child.read(size, timeout_s)

    def close(self, timeout_s=5.0):
        self.child.close(min(timeout_s, 0.2))  # a liar that goes on is not waited for


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "net.tflite"
    path.write_bytes(agent_rig.small_net())
    return path


def converse(talk, command, model, hello_s=60.0):
    """Asks up to ``command``, all that an honest agent answers."""
    talk.hello(timeout_s=hello_s)
    talk.clock_s()
    talk.peak_memory_bytes()
    expected = interface_of(model.read_bytes())
    profile = command == "profile"
    talk.load(agent_rig.library(), str(model), profile=profile, expected=expected)
    sample = [np.zeros((1, 16, 16, 3), np.float32)]
    steps = {
        "infer": lambda: talk.infer([sample] * 2),
        "time": lambda: talk.time(1, 7, 30.0),
        "profile": lambda: talk.profile(1),
        "memory": talk.peak_memory_bytes,
        "hold": lambda: talk.hold({"/a": "x", "/b": "y"}),
        "unpack": lambda: talk.unpack("/a", "/b", 100),
    }
    if command in steps:
        steps[command]()
    if command == "sample":
        talk.sample_start([str(model)], "", 0.05)
        talk.sample_stop()
    talk.clock_s()


def ask_liar(lie, command, model):
    """What the host reads and says."""
    env = {"AGENT": str(build.agent("host")), "LIE": lie}
    channel = Counted(Child([sys.executable, str(LIAR)], env))
    with AgentSession(channel, "pi-01") as talk, pytest.raises(DeviceError) as caught:
        converse(talk, command, model, 1.0 if "within 1 s" in LIES[lie][2] else 60.0)
    return channel, caught


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_one_clean_line_that_names_device_and_command(lie, model, monkeypatch):
    monkeypatch.setattr(agents_session, "_TIME_TRIES", 2)
    command, _, words = LIES[lie]
    channel, caught = ask_liar(lie, command, model)
    line = str(caught.value)
    caught.match(words)
    assert caught.value.exit_code == 3
    assert line.isprintable() and len(line) < 1000 and "\ud800" not in line
    assert not line.startswith("edgeprune") or lie in ("last words",)
    assert channel.asked_bytes < MAX_READ_BYTES


def test_without_a_lie_the_same_conversation_is_believed(model):
    for command in ("infer", "time", "profile", "memory", "sample"):
        with agent_rig.session(build.agent("host")) as talk:
            converse(talk, command, model)


def test_there_are_as_many_lies_as_were_promised():
    assert len(LIES) >= 40 and len({command for command, _, _ in LIES.values()}) >= 9


def asked_for_times(model, is_counted):
    """How often a device that paused within what it timed is asked, and whether it is believed."""
    env = {"AGENT": str(build.agent("host")), "LIE": "times far shorter than their window"}
    channel = Counted(Child([sys.executable, str(LIAR)], env))
    questions = []
    write = channel.write
    channel.write = lambda data, timeout_s: (questions.append(data), write(data, timeout_s))
    with AgentSession(channel, "pi-01", is_counted=is_counted) as talk:
        talk.load(agent_rig.library(), str(model))
        try:
            believed = len(talk.time(1, 7, 30.0).latency_ns) == 7
        except DeviceError:
            believed = False
    return sum(b'"cmd":"time"' in one for one in questions), believed


def test_where_instructions_are_counted_nothing_is_asked_twice(model):
    assert asked_for_times(model, is_counted=True) == (1, True)
    assert asked_for_times(model, is_counted=False) == (5, False)
