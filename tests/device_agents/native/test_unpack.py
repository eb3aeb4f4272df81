"""The native agent unpacks containers into files: whole ones, or none."""

import agent_rig
import emulated
import pytest
from container_files import CONTENTS, HOSTILE, everything, packed

from edgeprune.agents import build
from edgeprune.agents.session import AgentSession
from edgeprune.devices.transports.local import LocalChannel
from edgeprune.errors import DeviceError


@pytest.fixture(
    scope="module", params=["host", "sanitized", pytest.param("emulated", marks=pytest.mark.device)]
)
def session(request, tmp_path_factory):
    """An agent on this machine, under sanitizers, and on the emulated Raspberry Pi 4."""
    if request.param == "emulated":
        with emulated.agent() as talk:
            yield talk
        return
    folder = tmp_path_factory.mktemp("agent")
    program = build.agent("host") if request.param == "host" else agent_rig.sanitized_agent(folder)
    with agent_rig.session(program) as talk:
        yield talk


def test_the_agent_unpacks_files(session, tmp_path):
    for name, content in everything().items():
        (tmp_path / "model.epz").write_bytes(packed(content))
        target = tmp_path / "model.tflite"
        made = session.unpack(str(tmp_path / "model.epz"), str(target), 1 << 30)
        assert made == len(content) and target.read_bytes() == content, name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.epz", "model.tflite"]


def test_a_content_as_large_as_the_limit_is_unpacked_and_a_larger_one_is_not(session, tmp_path):
    content = CONTENTS["one layer"]
    (tmp_path / "model.epz").write_bytes(packed(content))
    ask = (str(tmp_path / "model.epz"), str(tmp_path / "model.tflite"))
    assert session.unpack(*ask, len(content)) == len(content)
    with pytest.raises(DeviceError, match="more bytes than the limit"):
        session.unpack(*ask, len(content) - 1)


def test_the_agent_leaves_the_former_file_where_a_container_is_refused(session, tmp_path):
    target = tmp_path / "model.tflite"
    target.write_bytes(b"former")
    for container in HOSTILE.values():
        (tmp_path / "model.epz").write_bytes(container)
        with pytest.raises(DeviceError, match=r"model\.epz: "):
            session.unpack(str(tmp_path / "model.epz"), str(target), 1 << 30)
    (tmp_path / "model.epz").write_bytes(packed(CONTENTS["one layer"]))
    with pytest.raises(DeviceError, match="more bytes than the limit"):
        session.unpack(str(tmp_path / "model.epz"), str(target), 1000)
    with pytest.raises(DeviceError, match="cannot be read: No such file"):
        session.unpack(str(tmp_path / "absent.epz"), str(target), 1000)
    with pytest.raises(DeviceError, match="cannot be written: No such file"):
        session.unpack(str(tmp_path / "model.epz"), str(tmp_path / "no" / "x"), 1 << 30)
    assert target.read_bytes() == b"former"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.epz", "model.tflite"]


@pytest.mark.parametrize("kind", ["link", "link to nothing", "second name", "file", "folder"])
def test_the_agent_writes_through_no_link_that_somebody_laid(session, tmp_path, kind):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    target = tmp_path / "model.tflite"
    (tmp_path / "model.epz").write_bytes(packed(CONTENTS["one layer"]))
    part = tmp_path / f"model.tflite.part{session.hello().pid}"
    if kind == "second name":
        part.hardlink_to(precious)
    elif kind == "folder":
        part.mkdir()
    elif kind == "file":  # that an agent of the same number left
        part.write_bytes(bytes(1 << 20))
    else:
        part.symlink_to("precious" if kind == "link" else "nothing")
    if kind == "folder":
        with pytest.raises(DeviceError, match="cannot be written: "):
            session.unpack(str(tmp_path / "model.epz"), str(target), 1 << 30)
    else:
        session.unpack(str(tmp_path / "model.epz"), str(target), 1 << 30)
        assert target.read_bytes() == CONTENTS["one layer"] and not target.is_symlink()
    assert precious.read_text() == "precious" and not (tmp_path / "nothing").exists()


@pytest.fixture(scope="module")
def faulty_write(tmp_path_factory):
    return agent_rig.faulty_write(tmp_path_factory.mktemp("faulty"))


@pytest.mark.parametrize("fault", ["nothing", "short", "interrupted"])
def test_writes_that_take_less_than_they_were_given(faulty_write, tmp_path, fault):
    """A file that takes nothing for ever is an error: the agent does not try for ever."""
    content = CONTENTS["one layer"]
    (tmp_path / "model.epz").write_bytes(packed(content))
    target = tmp_path / "model.tflite"
    env = {"LD_PRELOAD": str(faulty_write), "FAULT": fault}
    child = agent_rig.start(build.agent("host"), env)
    ask = AgentSession(LocalChannel(child)).unpack
    if fault == "nothing":
        with pytest.raises(DeviceError, match="its content cannot be written: Input/output error"):
            ask(str(tmp_path / "model.epz"), str(target), 1 << 30, timeout_s=20)
        assert [path.name for path in tmp_path.iterdir()] == ["model.epz"]
    else:
        ask(str(tmp_path / "model.epz"), str(target), 1 << 30)
        assert target.read_bytes() == content
    assert child.close(60) == 0, child.last_words()
