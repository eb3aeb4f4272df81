"""Each wall holds: a child tries what it should prevent."""

import dataclasses
import os
import socket
import subprocess
import sys

import pytest

from edgeprune.sandbox import limits
from edgeprune.sandbox.parent import Reach, confined
from edgeprune.sandbox.probe import Attempts, probe
from edgeprune.sandbox.switch import SANDBOX_SWITCH
from edgeprune.sandbox.walls import NAMES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="walls are Linux's")


@pytest.fixture
def attempts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (tmp_path / "private").write_bytes(b"x")
        yield Attempts(port, tmp_path, os.getpid(), limits.memory_bytes() + (1 << 30))


def refused(attempts, **rest):
    found = {one.what: one.refused for one in confined(probe, attempts, **rest)}
    assert found.pop("write a file inside") == ""
    return found


def test_the_child_reaches_nothing_outside_and_writes_into_its_own_folder(attempts):
    assert all(refused(attempts).values())
    assert [path.name for path in attempts.outside.iterdir()] == ["private"]


@pytest.mark.parametrize("what", ["file", "folder", "all"])
def test_what_is_given_can_be_read_and_still_not_written(what, attempts):
    given = {"file": (attempts.outside / "private",), "folder": (attempts.outside,), "all": None}
    found = refused(attempts, reach=Reach(readable=given[what]))
    assert found.pop("read a file outside") == ""
    assert all(found.values())


def test_without_walls_the_same_attempts_succeed_so_that_they_show_something(attempts, monkeypatch):
    monkeypatch.setenv(SANDBOX_SWITCH, "off")
    small = dataclasses.replace(attempts, memory_bytes=1 << 20)
    assert set(refused(small).values()) == {""}


def walls_of(program, **rest):
    """What a fresh process, in which walls can be broken one by one, says it has closed."""
    head = (
        "from edgeprune.sandbox import landlock, limits, namespaces, syscalls, walls\n"
        "import os, sys\n"
        "def no(*_): raise OSError(1, 'not here')\n"
    )
    tail = (
        f"w = walls.Walls([{str(rest['writable'])!r}], 1 << 33)\n"
        "w.before_fork()\n"
        "if os.fork() == 0:\n"
        "    held = w.in_child()\n"
        "    try:\n"
        f"        open({str(rest['outside'])!r} + '/new', 'w')\n"
        "    except OSError as error:\n"
        "        print('write', error.errno)\n"
        "    try:\n"
        "        import socket; socket.socket().connect(('127.0.0.1', 9))\n"
        "    except OSError as error:\n"
        "        print('connect', error.errno)\n"
        "    for one in held: print(one.name, bool(one.held_by), one.missing)\n"
        "    sys.stdout.flush(); os._exit(0)\n"
        "os.wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", head + program + tail], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "broken, errors",
    [
        ("namespaces.read_only_disk = no\nsyscalls.refuse = no\n", ("write 13", "connect 13")),
        ("landlock.restrict = no\nsyscalls.refuse = no\n", ("write 30", "connect 101")),
        ("namespaces.linux.unshare = no\nlandlock.restrict = no\n", ("connect 1",)),
        ("namespaces.linux.unshare = no\nsyscalls.refuse = no\n", ("write 13", "connect 13")),
    ],
)
def test_a_wall_holds_by_each_of_its_means_alone(broken, errors, tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    said = walls_of(broken, writable=inside, outside=outside)
    assert all(error in said for error in errors), said
    for name in NAMES:
        assert f"\n{name} " in f"\n{said}"


def test_what_is_missing_is_told_with_its_reason(tmp_path):
    said = walls_of(
        "namespaces.linux.unshare = no\nlandlock.restrict = no\n",
        writable=tmp_path,
        outside=tmp_path,
    )
    assert "disk False ('read-only mounts: not here', 'Landlock: not here')" in said


def offers_all():
    """Asked in a process of its own: some of it cannot be undone."""
    program = (
        "import sys\n"
        "from edgeprune.sandbox import landlock, namespaces\n"
        "landlock.version()\n"
        "sys.exit(any(namespaces.separate().values()))\n"
    )
    return subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_every_means_holds_where_the_system_offers_it(attempts):
    """As here, where the tests run as root with namespaces; elsewhere the others must do."""
    if not offers_all():
        pytest.skip("this system does not offer every means")
    walls = []
    confined(probe, attempts, closed=walls.extend)
    assert [wall.missing for wall in walls] == [()] * len(NAMES), walls
