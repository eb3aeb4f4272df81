"""The device's lock: one agent at a time, whichever agent it is, and never a stale one."""

import os
import signal
import stat

import agent_rig
import pytest
from waits import until

from edgeprune.agents.session import AgentSession
from edgeprune.devices.transports.local import LocalChannel
from edgeprune.errors import AgentRefusal

LINE = "anna@lab3 (edgeprune run, process 12, since 2026-11-28 12:03 UTC)"


@pytest.fixture(scope="module", params=agent_rig.KINDS)
def agent(request, tmp_path_factory):
    return agent_rig.agent(request.param, tmp_path_factory.mktemp("agent"))


@pytest.fixture
def sessions(agent):
    """Starts agents of one kind, all of which are ended."""
    children = []

    def start(other=None):
        child = agent_rig.start(other or agent)
        children.append(child)
        return AgentSession(LocalChannel(child))

    start.children = children
    yield start
    for child in children:
        child.close(5)


def test_one_agent_has_the_lock_and_others_are_told_whose_it_is(sessions, tmp_path):
    first, second = sessions(), sessions()
    assert first.lock(str(tmp_path), LINE) is None
    assert first.lock(str(tmp_path), LINE) is None  # asked again, it still has it
    assert second.lock(str(tmp_path), "other") == LINE
    first.close()
    assert second.lock(str(tmp_path), "other") is None
    assert sessions().lock(str(tmp_path), LINE) == "other"


@pytest.mark.parametrize("other", ["plain", "python"])
def test_both_agents_lock_the_same_file(sessions, tmp_path, other):
    assert sessions().lock(str(tmp_path), LINE) is None
    foreign = agent_rig.agent(other, tmp_path)
    assert sessions(foreign).lock(str(tmp_path), "other") == LINE


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_agent_leaves_no_lock(sessions, tmp_path, number):
    first, second = sessions(), sessions()
    assert first.lock(str(tmp_path), LINE) is None
    os.kill(first.hello().pid, number)
    until(lambda: second.lock(str(tmp_path), "other") is None)


def test_the_file_is_every_users_to_lock(sessions, tmp_path):
    assert sessions().lock(str(tmp_path), LINE) is None
    file = tmp_path / "edgeprune-device.lock"
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 and file.read_text() == LINE


def test_a_file_that_may_only_be_read_is_locked_too(sessions, tmp_path):
    file = tmp_path / "edgeprune-device.lock"
    file.write_text("of another user")
    file.chmod(0o444)
    assert sessions().lock(str(tmp_path), LINE) is None
    assert sessions().lock(str(tmp_path), LINE) in ("of another user", LINE)  # root writes all


def test_a_longer_line_than_there_was_before_and_a_shorter_one(sessions, tmp_path):
    for line in ("x" * 240, "short"):
        session = sessions()
        assert session.lock(str(tmp_path), line) is None
        assert sessions().lock(str(tmp_path), "other") == line
        session.close()


@pytest.mark.parametrize("kind", ["folder", "link", "pipe", "large", "second name"])
def test_what_is_no_lock_file_is_refused_and_not_written(sessions, tmp_path, kind):
    file, other = tmp_path / "edgeprune-device.lock", tmp_path / "other"
    other.write_text("precious")
    if kind == "folder":
        file.mkdir()
    elif kind == "link":
        file.symlink_to("other")
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "large":
        file.write_bytes(bytes(1000))
    else:
        os.link(other, file)
    with pytest.raises(AgentRefusal, match=f"no lock in {tmp_path}"):
        sessions().lock(str(tmp_path), LINE)
    assert other.read_text() == "precious"


def test_a_folder_that_does_not_exist_is_refused(sessions, tmp_path):
    with pytest.raises(AgentRefusal, match="No such file"):
        sessions().lock(str(tmp_path / "missing"), LINE)


def test_the_sanitizers_found_nothing(sessions, tmp_path):
    session = sessions()
    session.lock(str(tmp_path), LINE)
    assert sessions.children[-1].close(5) == 0, sessions.children[-1].last_words()
