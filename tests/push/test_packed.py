import os
import stat

import pytest
from container_files import clustered, dense_net

from edgeprune.agents import build
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.local import Local
from edgeprune.errors import DeviceError
from edgeprune.push import Pushed, packed, push
from edgeprune.push.packed import push_models

pytestmark = [pytest.mark.device, pytest.mark.usefixtures("home")]
TFLITE = dense_net(clustered((100, 784), 0.08, 16))


@pytest.fixture
def model(tmp_path):
    """A file of its own for each test, so that none is there before."""
    file = tmp_path / "model.tflite"
    file.write_bytes(TFLITE + str(tmp_path).encode())
    return file


@pytest.fixture
def slow(monkeypatch):
    """A link that is said to carry 30 kB/s, ten seconds for the model, and is quick in truth."""
    monkeypatch.setattr(packed, "_rate_bytes_s", lambda *_: 30_000.0)


@pytest.fixture
def quick(monkeypatch):
    """However busy this machine is."""
    monkeypatch.setattr(packed, "_rate_bytes_s", lambda *_: 10_000_000.0)


def test_a_links_rate_is_measured_behind_what_its_buffers_swallow(lab):
    """A busy machine makes it slower, never quicker."""
    with lab.ssh() as ssh:
        lab.shape("800kbit")
        try:
            found_bytes_s = packed._rate_bytes_s(ssh, 60.0)
        finally:
            lab.shape(None)
    assert 0 < found_bytes_s < 2 * 100_000


def agent_on(ssh, lab):
    """The agent on the device, put there past the slow link."""
    target = lab.device.home / "agent"
    target.write_bytes(build.agent("host").read_bytes())
    target.chmod(0o755)
    return "/root/agent"


def on_device(lab, pushed):
    return lab.device.home / os.path.relpath(pushed.path, "/root")


def test_over_a_slow_link_a_model_goes_packed_and_arrives_as_it_was(lab, slow, model):
    said = []
    with lab.ssh() as ssh:
        [pushed] = push_models(ssh, agent_on(ssh, lab), [model], said.append)
        assert push_models(ssh, "/absent", [model], said.append) == [
            Pushed(pushed.path, pushed.sha256, 0)
        ]
        assert push(ssh, [model]) == [Pushed(pushed.path, pushed.sha256, 0)]
    there = on_device(lab, pushed)
    assert there.read_bytes() == model.read_bytes()
    assert stat.S_IMODE(there.stat().st_mode) == 0o644
    assert os.listdir(there.parent) == ["model.tflite"]
    assert 0 < pushed.moved_bytes < 0.1 * len(TFLITE)
    assert pushed.packed_bytes == pushed.moved_bytes
    size = model.stat().st_size
    assert said == [f"model.tflite: {size:,} bytes pushed as {pushed.moved_bytes:,} of .epz"]
    assert not list(lab.device.home.rglob("*.epz"))


def test_a_board_whose_agent_unpacks_nothing_gets_the_model_itself(lab, slow, model):
    with lab.ssh() as ssh:
        ssh.board = load_board("rpi3-32")
        [pushed] = push_models(ssh, "/absent", [model], pytest.fail)
    assert pushed.moved_bytes == model.stat().st_size
    assert on_device(lab, pushed).read_bytes() == model.read_bytes()


def test_over_a_quick_link_nothing_is_packed(lab, quick, model):
    with lab.ssh() as ssh:
        [pushed] = push_models(ssh, "/absent", [model], pytest.fail)
    assert pushed.moved_bytes == model.stat().st_size
    assert on_device(lab, pushed).read_bytes() == model.read_bytes()


def test_what_packing_hardly_shrinks_goes_as_it_is(lab, slow, tmp_path):
    file = tmp_path / "noise"
    file.write_bytes(os.urandom(200_000))
    with lab.ssh() as ssh:
        [pushed] = push_models(ssh, "/absent", [file], pytest.fail)
    assert pushed.moved_bytes == 200_000


def test_an_agent_that_cannot_unpack_is_an_error_and_leaves_nothing(lab, slow, model):
    with lab.ssh() as ssh, pytest.raises(DeviceError):
        push_models(ssh, "/bin/false", [model], pytest.fail)
    assert not list(lab.device.home.rglob("*.epz"))


def test_a_device_that_shares_files_gets_them_as_they_are(model):
    with Local(load_board("local"), Device(board="local")) as local:
        [pushed] = push_models(local, "/absent", [model], pytest.fail)
    assert pushed.path == str(model) and pushed.moved_bytes == 0
