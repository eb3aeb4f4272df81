import hashlib
import os
import pickle
import random
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from full_range import also
from lossy_link import lossy_link

from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.ssh.host_keys import known_keys_file
from edgeprune.devices.transports.local import Local
from edgeprune.errors import ConfigError, DeviceError, DeviceTimeout, DiskFull
from edgeprune.push import Pushed, clear_leftovers, push
from edgeprune.push.own_name import own_name

pytestmark = [pytest.mark.device, pytest.mark.usefixtures("home")]
MIB = 1 << 20


@pytest.fixture
def small_disk(lab):
    """A file system of 4 MiB on the device, at ``/root/small``."""
    (lab.device.home / "small").mkdir(exist_ok=True)
    lab.device.nsenter("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", "/root/small")
    yield "/root/small"
    lab.device.nsenter("umount", "/root/small")


def make(folder, name="model.tflite", size=MIB, seed=0):
    file = folder / name
    file.write_bytes(random.Random(seed).randbytes(size))
    return file


def place(lab, file, folder="ep"):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return lab.device.home / folder / digest[:16] / file.name


def test_files_of_a_shared_file_system_stay_where_they_are(tmp_path):
    file = make(tmp_path)
    with Local(load_board("local"), Device(board="local")) as local:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert push(local, [file]) == [Pushed(str(file), digest, 0)]


def test_files_arrive_under_their_names_and_are_not_sent_twice(lab, tmp_path):
    model, agent, empty = make(tmp_path), make(tmp_path, "agent", 999, 1), make(tmp_path, "e", 0)
    agent.chmod(0o755)
    with lab.ssh() as ssh:
        first = push(ssh, [model, agent, empty])
        assert place(lab, agent).stat().st_mode & stat.S_IXUSR
        place(lab, agent).chmod(0o644)
        again = push(ssh, [model, agent, empty])
    assert [item.moved_bytes for item in first] == [MIB, 999, 0]
    assert [item.moved_bytes for item in again] == [0, 0, 0]
    assert [item.path for item in again] == [item.path for item in first]
    for file, item in zip((model, agent, empty), first, strict=True):
        there = place(lab, file)
        assert item.path == "/root/" + str(there.relative_to(lab.device.home))
        assert item.sha256 == hashlib.sha256(there.read_bytes()).hexdigest()
        assert bool(there.stat().st_mode & stat.S_IXUSR) == (file == agent)
        assert there.read_bytes() == file.read_bytes()
        assert os.listdir(there.parent) == [file.name]


@pytest.mark.parametrize("folder", ["~/here", "here", "/root/here", "~", "~//here/"])
def test_a_folder_may_be_absolute_or_relative_to_the_logins_home(lab, tmp_path, folder):
    file = make(tmp_path, size=10)
    with lab.ssh(folder=folder) as ssh:
        pushed = push(ssh, [file])[0]
    expected = "" if folder == "~" else "here/"
    assert pushed.path == f"/root/{expected}{pushed.sha256[:16]}/{file.name}"


def test_a_folder_of_another_login_is_refused(lab, tmp_path):
    with lab.ssh(folder="~mallory/x") as ssh, pytest.raises(ConfigError, match="~mallory"):
        push(ssh, [make(tmp_path)])


@pytest.mark.parametrize("name", ["$(touch pwned).so", "'; touch pwned; '", "-rf", "a b", "ü*?\\"])
def test_no_file_name_reaches_a_shell_as_code(lab, tmp_path, name):
    file = make(tmp_path, name, 1000)
    with lab.ssh() as ssh:
        assert push(ssh, [file])[0].moved_bytes == 1000
        assert push(ssh, [file])[0].moved_bytes == 0
    assert place(lab, file).read_bytes() == file.read_bytes()
    assert not list(lab.device.home.rglob("pwned"))


def test_a_name_or_file_that_cannot_be_sent_is_told(lab, tmp_path):
    with lab.ssh() as ssh:
        with pytest.raises(ConfigError, match="newline"):
            push(ssh, [make(tmp_path, "a\nb")])
        with pytest.raises(ConfigError, match="cannot be read"):
            push(ssh, [tmp_path / "absent"])


def part_of(final, transport):
    """Where this host sends a file before it is whole."""
    with own_name(transport.where) as ours:
        return final.with_name(f"{final.name}.{ours}.part")


def test_a_file_that_was_damaged_on_the_device_is_sent_again(lab, tmp_path):
    file = make(tmp_path, seed=2)
    with lab.ssh() as ssh:
        push(ssh, [file])
        place(lab, file).write_bytes(bytes(MIB))
        assert push(ssh, [file])[0].moved_bytes == MIB
        place(lab, file).write_bytes(b"short")
        assert push(ssh, [file])[0].moved_bytes == MIB
    assert place(lab, file).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("kept", "moved"),
    [(300_001, MIB - 300_001), (MIB, 0), (0, MIB), (-300_001, MIB), (2 * MIB, MIB)],
    ids=["true prefix", "whole", "empty", "false prefix", "too long"],
)
def test_only_what_is_missing_is_sent(lab, tmp_path, kept, moved):
    file = make(tmp_path, seed=3)
    with lab.ssh() as ssh:
        part = part_of(place(lab, file), ssh)
    place(lab, file).unlink(missing_ok=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    content = file.read_bytes() + bytes(MIB)
    part.write_bytes(content[:kept] if kept >= 0 else b"?" + content[1:-kept])
    with lab.ssh() as ssh:
        assert push(ssh, [file])[0].moved_bytes == moved
    assert place(lab, file).read_bytes() == file.read_bytes()
    assert not part.exists()


def test_two_processes_of_one_host_and_another_host_push_one_file_at_once(
    lab, tmp_path, monkeypatch
):
    """Each would spoil what it appends to beside another."""
    file = make(tmp_path, size=3 * MIB, seed=77)
    lab.shape("100mbit")
    program = (
        "import sys; from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1]); import pickle\n"
        "from edgeprune.push import push\n"
        "with pickle.loads(bytes.fromhex(sys.argv[2])) as ssh:\n"
        "    print(push(ssh, [Path(sys.argv[3])])[0].moved_bytes)\n"
    )
    transport = pickle.dumps(lab.ssh()).hex()
    argv = [sys.executable, "-c", program, str(Path(__file__).parent), transport, str(file)]
    other = os.environ | {"EDGEPRUNE_HOME": str(tmp_path / "other")}
    (tmp_path / "other").mkdir()
    shutil.copy(known_keys_file(), tmp_path / "other" / "known_hosts.json")
    try:
        pushing = [
            subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
            for env in (os.environ, os.environ, other)
        ]
        moved = [int(one.communicate(timeout=120)[0]) for one in pushing]
    finally:
        lab.shape(None)
    assert 0 in moved[:2]  # of one host's the second one waits, and finds it
    assert set(moved) <= {0, 3 * MIB} and any(moved)  # both find it where the other host was faster
    assert place(lab, file).read_bytes() == file.read_bytes()
    assert os.listdir(place(lab, file).parent) == [file.name]


def test_what_killed_runs_left_goes_with_the_next_and_nothing_else_does(lab, tmp_path):
    folder = lab.device.home / "ep"
    gone = [
        folder / "00112233445566aa" / "probe.tflite",
        folder / "00112233445566ab" / "deployed.tflite.epz",
        folder / "00112233445566ac" / "deployed.tflite.part4711",
    ]
    kept = [
        folder / "00112233445566ac" / "deployed.tflite",
        folder / "00112233445566ad" / "deployed.tflite.0a1b2c3d.part",
        folder / "notes" / "probe.tflite",
        lab.device.home / "00112233445566aa" / "probe.tflite",
    ]
    for file in (*gone, *kept):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x", encoding="utf-8")
    with lab.ssh() as ssh:
        clear_leftovers(ssh)
    assert not any(file.exists() for file in gone)
    assert all(file.exists() for file in kept)
    assert not gone[0].parent.exists() and not gone[1].parent.exists()


def test_what_broke_off_days_ago_goes_and_nothing_else_does(lab, tmp_path):
    folder, ours = lab.device.home / "ep", "0123456789abcdef"
    stale = folder / ours / "old.part"
    kept = [
        folder / ours / "young.part",
        folder / ours / "model.tflite",
        folder / ours / "deeper" / "theirs.part",
        folder / "theirs.part",
        folder / "notes" / "theirs.part",
        folder / "0123456789abcdeX" / "theirs.part",
        lab.device.home / ours / "theirs.part",
    ]
    for file in (stale, *kept):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x", encoding="utf-8")
        if "young" not in file.name:
            os.utime(file, (1, time.time() - 49 * 3600))
    with lab.ssh() as ssh:
        push(ssh, [make(tmp_path)])
    assert not stale.exists()
    assert all(file.exists() for file in kept)


def test_a_disk_that_is_too_small_is_told_before_anything_is_sent(lab, tmp_path, small_disk):
    file = make(tmp_path, size=5 * MIB)
    with lab.ssh(folder=small_disk) as ssh, pytest.raises(DiskFull, match="5,242,880 are needed"):
        push(ssh, [file])
    listing = lab.device.nsenter("find", small_disk, "-name", file.name)
    assert listing == ""


def test_a_disk_that_fills_up_meanwhile_gets_its_bytes_back(lab, tmp_path, small_disk):
    file = make(tmp_path, size=3 * MIB)
    with lab.ssh(folder=small_disk) as ssh:
        upload = ssh.upload

        def crowded(*arguments):
            lab.device.nsenter("dd", "if=/dev/zero", f"of={small_disk}/other", "bs=1M", "count=2")
            upload(*arguments)

        ssh.upload = crowded
        with pytest.raises(DiskFull, match="no room"):
            push(ssh, [file])
        del ssh.upload
        files = lab.device.nsenter("find", small_disk, "-type", "f").split()
        assert files == [f"{small_disk}/other"]
        lab.device.nsenter("rm", f"{small_disk}/other")
        assert push(ssh, [file])[0].moved_bytes == 3 * MIB


def test_a_read_only_folder_is_told_in_one_line(lab, tmp_path, small_disk):
    lab.device.nsenter("mount", "-o", "remount,ro", small_disk)
    for folder in (small_disk, f"{small_disk}/new"):
        with lab.ssh(folder=folder) as ssh, pytest.raises(DeviceError, match="Read-only") as caught:
            push(ssh, [make(tmp_path)])
        assert "\n" not in str(caught.value)


def test_a_device_without_a_needed_tool_is_told(lab, tmp_path):
    lab.device.nsenter("mount", "--bind", "/dev/null", "/usr/bin/sha256sum")
    try:
        with lab.ssh() as ssh, pytest.raises(DeviceError, match="lacks sha256sum"):
            push(ssh, [make(tmp_path)])
    finally:
        lab.device.nsenter("umount", "/usr/bin/sha256sum")


def test_a_sync_that_takes_no_files_is_called_without(lab, tmp_path):
    (lab.device.home / "sync").write_text(
        "#!/bin/sh\n[ $# = 0 ] || exit 1\necho synced >> /root/synced\n", encoding="utf-8"
    )
    (lab.device.home / "sync").chmod(0o755)
    lab.device.nsenter("mount", "--bind", "/root/sync", "/usr/bin/sync")
    try:
        with lab.ssh() as ssh:
            push(ssh, [make(tmp_path, seed=4)])
    finally:
        lab.device.nsenter("umount", "/usr/bin/sync")
    assert (lab.device.home / "synced").read_text(encoding="utf-8").split() == ["synced"] * 2


def test_content_that_arrives_wrong_is_removed_and_told(lab, tmp_path):
    file = make(tmp_path, seed=5)
    with lab.ssh() as ssh:
        upload = ssh.upload

        def damaging(source, target, offset, timeout_s):
            upload(source, target, offset, timeout_s)
            ssh.run(["sh", "-c", 'printf x >> "$1"', "sh", target], 5)

        ssh.upload = damaging
        with pytest.raises(DeviceError, match="arrived as"):
            push(ssh, [file])
    assert os.listdir(place(lab, file).parent) == []


def test_a_slow_link_that_loses_packets_delivers_right(lab, tmp_path):
    file = make(tmp_path, size=500_000, seed=6)
    with lossy_link(lab.device.space, lab.octets, delay_s=0.05, loss=0.01) as link:
        with lab.ssh(host=link.address) as ssh:
            started_s = time.monotonic()
            ssh.run(["true"], 5)
            assert time.monotonic() - started_s > 0.05
            assert push(ssh, [file])[0].moved_bytes == 500_000
    assert place(lab, file).read_bytes() == file.read_bytes()
    assert link.dropped > 0


@pytest.mark.parametrize("seed", [*range(4), *map(also, range(4, 20))])
def test_a_push_broken_at_any_point_leaves_no_half_file_and_is_resumed(lab, tmp_path, seed):
    """At a quarter of the points the cable is pulled; else the device's sshd is killed."""
    size, timeout_s, dice = 6_000_000, 1.0, random.Random(seed)
    file = make(tmp_path, f"model-{seed}-{os.getpid()}", size, 100 + seed)
    final = place(lab, file)
    with lab.ssh() as ssh:
        part = part_of(final, ssh)
    lab.shape("100mbit")  # about half a second for the file
    strike = lab.cut if seed % 4 == 0 else lab.device.kill_sessions
    try:
        with lab.ssh() as ssh:
            timer = threading.Timer(dice.uniform(0.0, 0.6), strike)
            timer.start()
            try:
                push(ssh, [file], timeout_s)
                broke = False
            except DeviceError:
                broke = True
            timer.join()
    finally:
        lab.mend()
        lab.shape(None)
    assert lab.gone(file.name)
    arrived = part.stat().st_size if part.exists() else 0
    if final.exists():
        assert final.read_bytes() == file.read_bytes()
    with lab.ssh() as ssh:
        moved_bytes = push(ssh, [file])[0].moved_bytes
    assert final.read_bytes() == file.read_bytes()
    assert os.listdir(final.parent) == [file.name]
    if broke and arrived:
        assert moved_bytes == size - arrived
        assert moved_bytes < size


def test_a_link_that_stalls_is_given_up_after_the_timeout(lab, tmp_path):
    file = make(tmp_path, size=30_000_000, seed=7)
    lab.shape("100mbit")
    with lab.ssh() as ssh:
        ssh.run(["mkdir", "-p", "/root/ep"], 5)
        timer = threading.Timer(0.5, lab.cut)
        timer.start()
        try:
            with pytest.raises(DeviceTimeout, match="took no bytes"):
                ssh.upload(file, "/root/ep/stalled", 0, 1.0)
        finally:
            timer.join()
            lab.mend()
            lab.shape(None)
    assert lab.gone("stalled")
