"""What runs models on a board goes there, and starts there."""

import pytest

from edgeprune.agents import build
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.errors import DeviceError
from edgeprune.push.programs import needed_programs, push_programs

pytestmark = [pytest.mark.device, pytest.mark.usefixtures("home")]


@pytest.fixture
def board_in_python(lab):
    """The rig's device, reached as a board whose agent runs on its own Python."""
    with lab.ssh() as ssh:
        ssh.board = load_board("rpi3-32")
        yield ssh


def test_the_agent_in_python_goes_there_and_answers_over_ssh(lab, board_in_python, tmp_path):
    wheel = tmp_path / "runtime.whl"
    wheel.write_bytes(b"a wheel that nobody opens")
    there, library = push_programs(board_in_python, build.python_agent(), wheel)
    assert there.endswith("/edgeprune-agent.pyz") and library.endswith("/runtime.whl")
    with start_agent(board_in_python, there) as session:
        assert ", on Python 3." in session.hello().agent_version
        session.sample_start([], "echo 1", 0.01)
        assert session.clock_s() <= session.clock_s()
        assert session.sample_stop()
    assert lab.gone("edgeprune-agent")


def test_a_board_of_another_kind_is_refused_before_anything_is_fetched(board_in_python):
    with pytest.raises(DeviceError, match=r"runs a 64-bit Python on .*, expected one for armv7l"):
        needed_programs(board_in_python)
