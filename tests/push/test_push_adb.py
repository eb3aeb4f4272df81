"""What ``push`` promises, over adb, and with one fault at a random point of each push."""

import hashlib
import os
import random
import stat
import subprocess

import pytest
from adb_rig import FAULTS, Adbd, Fault
from adb_server import adb_server
from full_range import also

from edgeprune.errors import DeviceError, DiskFull
from edgeprune.push import push
from edgeprune.push.own_name import own_name

pytestmark = [pytest.mark.device]
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with adb_server(tmp_path_factory.mktemp("adb")) as port:
        yield port


@pytest.fixture(params=["shell_v2,cmd,stat_v2", "cmd"], ids=["shell_v2", "without shell_v2"])
def phone(request, server, tmp_path):
    (tmp_path / "phone").mkdir()
    adbd = Adbd(tmp_path / "phone", request.param)
    yield adbd
    adbd.close()


def make(folder, name="model.tflite", size=MIB, seed=0):
    file = folder / name
    file.write_bytes(random.Random(seed).randbytes(size))
    return file


def place(phone, file):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return phone.home / "ep" / digest[:16] / file.name


def test_files_arrive_under_their_names_and_are_not_sent_twice(phone, tmp_path):
    model, agent, empty = make(tmp_path), make(tmp_path, "agent", 999, 1), make(tmp_path, "e", 0)
    agent.chmod(0o755)
    with phone.adb() as adb:
        first = push(adb, [model, agent, empty])
        again = push(adb, [model, agent, empty])
    assert [item.moved_bytes for item in first] == [MIB, 999, 0]
    assert [item.moved_bytes for item in again] == [0, 0, 0]
    for file, item in zip((model, agent, empty), first, strict=True):
        there = place(phone, file)
        assert item.path == str(there)
        assert there.read_bytes() == file.read_bytes()
        assert bool(there.stat().st_mode & stat.S_IXUSR) == (file == agent)
        assert os.listdir(there.parent) == [file.name]


@pytest.mark.parametrize("name", ["$(touch pwned).so", "'; touch pwned; '", "-rf", "a b", "ü*?\\"])
def test_no_file_name_reaches_a_shell_as_code(phone, tmp_path, name):
    file = make(tmp_path, name, 1000)
    with phone.adb() as adb:
        assert push(adb, [file])[0].moved_bytes == 1000
    assert place(phone, file).read_bytes() == file.read_bytes()
    assert not list(phone.home.rglob("pwned"))


def part_of(final, transport):
    """Where this host sends a file before it is whole."""
    with own_name(transport.where) as ours:
        return final.with_name(f"{final.name}.{ours}.part")


def test_only_what_is_missing_is_sent(phone, tmp_path):
    file = make(tmp_path, seed=3)
    with phone.adb() as adb:
        part = part_of(place(phone, file), adb)
    part.parent.mkdir(parents=True)
    part.write_bytes(file.read_bytes()[:300_001])
    with phone.adb() as adb:
        assert push(adb, [file])[0].moved_bytes == MIB - 300_001
    assert place(phone, file).read_bytes() == file.read_bytes()
    assert not part.exists()


@pytest.fixture
def small_disk(phone):
    """A file system of 4 MiB in place of the phone's folder."""
    folder = phone.home / "ep"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_gets_its_bytes_back(phone, small_disk, tmp_path):
    with phone.adb() as adb:
        with pytest.raises(DiskFull, match="5,242,880 are needed"):
            push(adb, [make(tmp_path, size=5 * MIB)])
        file, upload = make(tmp_path, "b", 3 * MIB), adb.upload

        def crowded(*arguments):
            (small_disk / "other").write_bytes(bytes(2 * MIB))
            upload(*arguments)

        adb.upload = crowded
        with pytest.raises(DiskFull, match="no room"):
            push(adb, [file])
        del adb.upload
        files = [path for path in small_disk.rglob("*") if path.is_file() and path.stat().st_size]
        assert files == [small_disk / "other"]
        (small_disk / "other").unlink()
        assert push(adb, [file])[0].moved_bytes == 3 * MIB


@pytest.mark.parametrize("seed", [*range(7), *map(also, range(7, 40))])
def test_a_push_with_a_fault_at_any_point_leaves_no_false_file_and_is_resumed(
    server, tmp_path, seed
):
    """Every seventh phone has no shell_v2."""
    home = tmp_path / "phone"
    home.mkdir()
    phone = Adbd(home, "cmd" if seed % 7 == 6 else "shell_v2,cmd,stat_v2")
    try:
        broken_push(phone, make(tmp_path, size=3_000_000, seed=100 + seed), seed)
    finally:
        phone.close()


def broken_push(phone, file, seed):
    """Pushes with a fault, looks at what is there, and pushes again."""
    size, final = file.stat().st_size, place(phone, file)
    with phone.adb() as adb:
        part = part_of(final, adb)
    at_bytes = random.Random(seed).randrange(1, size + 2000)
    phone.fault = fault = Fault(FAULTS[seed % len(FAULTS)], at_bytes)
    try:
        with phone.adb() as adb:
            push(adb, [file], 3.0)
        broke = ""
    except DeviceError as error:
        broke = str(error)
    assert fault.struck or not broke
    if final.exists():
        assert final.read_bytes() == file.read_bytes()
    phone.heal()
    assert phone.left() == []
    arrived = part.read_bytes() if part.exists() else b""
    with phone.adb() as adb:
        moved_bytes = push(adb, [file])[0].moved_bytes
    assert final.read_bytes() == file.read_bytes()
    assert os.listdir(final.parent) == [file.name]
    if arrived and file.read_bytes().startswith(arrived):
        assert moved_bytes == size - len(arrived)
