"""The native agent on a processor that keeps the highest byte first, as qemu-user runs it."""

import sys
import time
from pathlib import Path

import agent_rig
import compiled
import pytest
from container_files import CONTENTS, packed

from edgeprune.agents import build
from edgeprune.agents.sampler import AgentSampler
from edgeprune.agents.session import AgentSession
from edgeprune.devices.links.pipes import Child
from edgeprune.devices.toolchain import zig
from edgeprune.devices.transports.local import LocalChannel

pytestmark = [pytest.mark.device, pytest.mark.full_range]
MACHINE = "s390x"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """An agent that carries its own libc, so that nothing of the machine need be here."""
    zig_cc = [sys.executable, "-m", "ziglang", "cc", "-target", f"{MACHINE}-linux-musl", "-static"]
    compiler, sources = [*zig_cc, *agent_rig.C11, *agent_rig.WARNINGS, "-O1"], build.agent_sources()
    folder, env = tmp_path_factory.mktemp("agent"), zig._environment()
    agent = compiled.program(folder, "edgeprune-agent", compiler, sources, env=env)
    child = Child([f"qemu-{MACHINE}", str(agent)], {})
    yield AgentSession(LocalChannel(child))
    assert child.close(60.0) == 0, child.last_words()


def test_it_says_what_it_runs_on(session):
    assert session.hello().machine == MACHINE


def test_samples_are_little_endian(session, tmp_path):
    (tmp_path / "power").write_text("42\n")
    sampler = AgentSampler(session)
    begin_s = session.clock_s()
    sampler.start([str(tmp_path / "power"), str(tmp_path / "gone")], "", 0.01)
    time.sleep(0.1)
    rows = sampler.stop()
    assert {row.texts for row in rows} == {("42", None)}
    assert all(begin_s <= row.time_s <= session.clock_s() for row in rows)


def test_containers_are_unpacked(session, tmp_path):
    for name, content in CONTENTS.items():
        (tmp_path / "model.epz").write_bytes(packed(content))
        target = Path(tmp_path / "model.tflite")
        session.unpack(str(tmp_path / "model.epz"), str(target), 1 << 30)
        assert target.read_bytes() == content, name
