"""The device's lease: a newer epoch ends older agents, whose results are refused."""

import agent_rig
import pytest
from waits import until

from edgeprune.agents.session import AgentSession
from edgeprune.devices.links.pipes import Child
from edgeprune.devices.transports.local import LocalChannel
from edgeprune.errors import AgentRefusal, DeviceError

FILE = "edgeprune-device.lease"


@pytest.fixture(scope="module", params=agent_rig.KINDS)
def agent(request, tmp_path_factory):
    return agent_rig.agent(request.param, tmp_path_factory.mktemp("agent"))


@pytest.fixture
def sessions(agent):
    """Starts agents of one kind, all of which are ended."""
    children: list[Child] = []

    def start(other=None):
        children.append(agent_rig.start(other or agent))
        return AgentSession(LocalChannel(children[-1]))

    yield start
    for child in children:
        child.close(5)


def is_ended(session):
    try:
        session.clock_s(5)
    except DeviceError:
        return True
    return False


def test_agents_of_one_epoch_share_the_device(sessions, tmp_path):
    for _ in range(3):
        session = sessions()
        session.lease(str(tmp_path), 7)
        session.lease(str(tmp_path), 7)
        session.clock_s()
    assert int((tmp_path / FILE).read_text()) == 7


@pytest.mark.parametrize("other", ["plain", "python"])
def test_a_newer_epoch_kills_all_older_agents(sessions, tmp_path, other):
    foreign = agent_rig.agent(other, tmp_path)
    older = [sessions(), sessions(foreign), sessions()]
    for epoch, session in zip((3, 5, 5), older, strict=True):
        session.lease(str(tmp_path), epoch)
    assert is_ended(older[0]) and not is_ended(older[1])
    newer = sessions(foreign)
    newer.lease(str(tmp_path), 6)
    assert all(map(is_ended, older))
    newer.clock_s()


def test_an_older_epoch_is_refused_and_disturbs_nobody(sessions, tmp_path):
    newer, stale = sessions(), sessions()
    newer.lease(str(tmp_path), 1 << 40)
    with pytest.raises(AgentRefusal, match="lease of epoch 9 is over: epoch 1099511627776 has"):
        stale.lease(str(tmp_path), 9)
    newer.clock_s()
    with pytest.raises(AgentRefusal, match="another lease"):
        newer.lease(str(tmp_path), (1 << 40) + 1)
    assert int((tmp_path / FILE).read_text()) == 1 << 40


def test_no_result_is_handed_out_under_an_old_lease(sessions, tmp_path):
    """Also where the agent could not be killed, as one of another user's."""
    session = sessions()
    session.lease(str(tmp_path), 5)
    (tmp_path / FILE).write_text("0000000000000000006\n")
    with pytest.raises(AgentRefusal, match="lease of epoch 5 is over: epoch 6 has the device"):
        session.hello()
    until(lambda: is_ended(session))


def test_the_epoch_outlives_its_agents(sessions, tmp_path):
    session = sessions()
    session.lease(str(tmp_path), 5)
    session.close()
    with pytest.raises(AgentRefusal, match="epoch 5 has the device"):
        sessions().lease(str(tmp_path), 4)


@pytest.mark.parametrize("epoch", [0, -1, (1 << 53) + 1])
def test_what_is_no_epoch_is_refused(sessions, tmp_path, epoch):
    with pytest.raises(AgentRefusal, match="epoch"):
        sessions().lease(str(tmp_path), epoch)


def test_a_place_that_takes_no_file_is_refused(sessions, tmp_path):
    with pytest.raises(AgentRefusal, match="no place for a lease"):
        sessions().lease(str(tmp_path / "missing"), 1)
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AgentRefusal, match="no place for a lease"):
        sessions().lease(str(tmp_path), 1)
    assert not (tmp_path / "elsewhere").exists()
