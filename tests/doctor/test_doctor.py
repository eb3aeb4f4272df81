import importlib.metadata
import importlib.util
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from full_range import also

from edgeprune.doctor import diagnose, probes
from edgeprune.files import paths
from edgeprune.prediction.cost import cycles


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home; the cache stays, so that agents are not compiled again for each test."""
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(paths.cache_folder()))
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def check_of(diagnosis, name):
    return next(check for check in diagnosis.checks if check.name == name)


def needs_of(diagnosis, board):
    return next(found.needs for found in diagnosis.boards if found.board == board)


def only_on_path(folder: Path, monkeypatch, *programs: str) -> Path:
    """A PATH of one folder that holds nothing but ``programs``."""
    folder.mkdir()
    for program in programs:
        found = shutil.which(program)
        assert found is not None
        (folder / program).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A PATH without emulators, each of which takes longer to try than all the rest."""
    only_on_path(tmp_path / "bin", monkeypatch, "ssh")


def test_this_machine_is_ready_and_ssh_boards_need_a_device(home, request):
    diagnosis = diagnose()
    assert diagnosis.is_ok
    assert needs_of(diagnosis, "local") == ()
    assert needs_of(diagnosis, "rpi4-emulated") == ()
    assert check_of(diagnosis, "agent").found.endswith("answers")
    kept = f"0, 0.0 MB of at most 4 GB, in {home / 'home' / 'training'}"
    assert check_of(diagnosis, "kept trainings").found == kept
    counts = f"0, 0.0 MB of at most 0.5 GB, in {home / 'home' / 'emulated'}"
    assert check_of(diagnosis, "kept counts of emulated boards").found == counts
    assert check_of(diagnosis, "instruction counting").found.startswith("works: ")
    assert check_of(diagnosis, "counting for estimated times").found == "works"
    assert check_of(diagnosis, "LLVM").found == "llvm-mca-19 works"
    costs = check_of(diagnosis, "costs in cycles").found
    assert costs.startswith("times predicted for 8 cores, decisions by cycles on cortex-a72, ")
    assert "cortex-a53" not in costs
    (home / "home").mkdir(exist_ok=True)
    (home / "home" / "bench.toml").write_text(
        '[devices.desk]\nboard = "rpi4"\nhost = "198.51.100.7"\n'
    )
    request.getfixturevalue("bare")
    with_device = diagnose()
    assert check_of(with_device, "bench.toml").found == "desk"
    for board in ("rpi4", "rpi5"):
        assert any("bench.toml, or --host ADDRESS" in need for need in needs_of(diagnosis, board))
    assert needs_of(with_device, "rpi4") == ()
    assert needs_of(with_device, "rpi5") != ()


def test_a_damaged_table_of_cycles_keeps_no_board_from_working(home, monkeypatch):
    file = home / "loop_cycles.csv"
    file.write_text("kernel,loop,cortex-a53\n")
    monkeypatch.setattr(cycles, "LOOP_CYCLES", file)
    cycles._loop_cycles.cache_clear()
    try:
        diagnosis = diagnose()
    finally:
        cycles._loop_cycles.cache_clear()
    check = check_of(diagnosis, "costs in cycles")
    assert check.state != "ok" and "nothing is known of kernels on cortex-a53" in check.found
    assert diagnosis.is_ok and needs_of(diagnosis, "rpi4-emulated") == ()


def test_without_qemu_only_emulated_boards_need_something(home, monkeypatch):
    only_on_path(home / "bin", monkeypatch)
    diagnosis = diagnose()
    assert diagnosis.is_ok
    assert needs_of(diagnosis, "local") == ()
    llvm = check_of(diagnosis, "LLVM")
    assert (llvm.state, llvm.fix) == ("missing", "apt-get install llvm-19")
    assert [check_of(diagnosis, name).state for name in ("qemu-aarch64", "arm64 libraries")] == [
        "missing",
        "missing",
    ]
    assert needs_of(diagnosis, "rpi4-emulated") == (
        "apt-get install qemu-user libc6-arm64-cross libstdc++6-arm64-cross",
    )


@pytest.mark.parametrize(
    ("script", "version", "counting"),
    [
        ("echo qemu-aarch64 version 10; exit 0", "ok", "takes no plug-ins"),
        ("echo cannot run >&2; exit 1", "broken", "takes no plug-ins"),
    ],
)
def test_a_qemu_that_does_not_count_is_broken_and_named(
    home, monkeypatch, script, version, counting
):
    folder = only_on_path(home / "bin", monkeypatch, "sh")
    fake = folder / "qemu-aarch64"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    diagnosis = diagnose()
    assert check_of(diagnosis, "qemu-aarch64").state == version
    check = check_of(diagnosis, "instruction counting")
    assert check.state == "broken"
    assert counting in check.found
    assert check_of(diagnosis, "counting for estimated times").state == "broken"
    assert needs_of(diagnosis, "rpi4-emulated") != ()


def test_a_home_that_takes_no_files_is_broken_and_stops_every_board(home):
    (home / "home").write_text("a file, where a folder is wanted")
    diagnosis = diagnose()
    assert check_of(diagnosis, "data folder").state == "broken"
    assert not diagnosis.is_ok
    assert needs_of(diagnosis, "local") != ()
    assert needs_of(diagnosis, "rpi4-emulated") != ()


@pytest.mark.usefixtures("bare")
def test_a_full_disk_is_broken(monkeypatch):
    usage = shutil.disk_usage(os.sep)._replace(free=10_000_000)
    monkeypatch.setattr(probes.shutil, "disk_usage", lambda folder: usage)
    check = check_of(diagnose(), "data folder")
    assert check.state == "broken"
    assert "10 MB free, wanted 500" in check.found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[devices.desk]\nbord = 'rpi4'\n", "did you mean 'devices.desk.board'"),
        also("[devices", "not TOML"),
        also("[devices.desk]\nboard = 'rpi44'\n", "no board is 'rpi44'"),
    ],
)
@pytest.mark.usefixtures("bare")
def test_a_wrong_bench_file_is_broken_and_harms_only_ssh_boards(home, text, fault):
    (home / "bench.toml").write_text(text)
    diagnosis = diagnose(home / "bench.toml")
    check = check_of(diagnosis, "bench.toml")
    assert check.state == "broken"
    assert fault in check.found
    assert str(home / "bench.toml") in check.found
    assert diagnosis.is_ok
    assert needs_of(diagnosis, "local") == ()


@pytest.mark.usefixtures("bare")
def test_a_wrong_board_file_of_the_users_own_harms_only_that_board(home, monkeypatch):
    own = home / "own"
    own.mkdir()
    (own / "mine.toml").write_text("schema = 1\n")
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(own))
    diagnosis = diagnose()
    assert "missing 'name'" in needs_of(diagnosis, "mine")[0]
    assert diagnosis.is_ok


@pytest.mark.usefixtures("bare")
def test_a_board_with_an_unknown_transport_names_those_that_exist(home, monkeypatch):
    own = home / "own"
    own.mkdir()
    text = (paths.shipped("boards") / "rpi4.toml").read_text()
    (own / "mine.toml").write_text(text.replace('"rpi4"', '"mine"').replace('"ssh"', '"telnet"'))
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(own))
    (need,) = needs_of(diagnose(), "mine")
    assert "no transport is called 'telnet'; there are: adb, local, qemu" in need


@pytest.mark.parametrize(
    "make", [also(lambda file: file.mkdir()), lambda file: file.write_text("Bogus yes\n")]
)
@pytest.mark.usefixtures("bare")
def test_an_ssh_config_that_cannot_be_read_is_broken(home, make):
    (home / ".ssh").mkdir()
    make(home / ".ssh" / "config")
    check = check_of(diagnose(), "ssh config")
    assert check.state == "broken"
    assert check.scope == "ssh"


@pytest.mark.usefixtures("bare")
def test_an_ssh_config_tells_its_hosts(home):
    (home / ".ssh").mkdir()
    (home / ".ssh" / "config").write_text("Host pi pi5\n  User me\nHost *\n  Port 22\n")
    assert check_of(diagnose(), "ssh config").found.endswith("config, 2 hosts")


@pytest.mark.usefixtures("bare")
def test_a_missing_core_package_is_no_crash_and_exits_not_ok(monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name in ("msgspec", "tensorflow"):
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    diagnosis = diagnose()
    assert not diagnosis.is_ok
    assert check_of(diagnosis, "tensorflow").state == "missing"
    assert "pip install 'msgspec" in needs_of(diagnosis, "local")[0]


@pytest.mark.usefixtures("bare")
def test_a_missing_extra_leaves_everything_else_ready(monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "tensorflow":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    diagnosis = diagnose()
    assert diagnosis.is_ok
    assert needs_of(diagnosis, "local") == ()


@pytest.mark.usefixtures("bare")
def test_an_agent_that_cannot_be_compiled_is_broken_and_says_why(home, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(home / "empty cache"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    diagnosis = diagnose()
    check = check_of(diagnosis, "agent")
    assert check.state == "broken"
    assert "pip install 'edgeprune[build]'" in check.found


@pytest.mark.parametrize(("flags", "is_noted"), [("avx avx2 sse2", True), ("sse2", False)])
@pytest.mark.usefixtures("bare")
def test_only_a_cpu_with_avx_is_told_that_sparse_kernels_never_run(monkeypatch, flags, is_noted):
    import edgeprune.doctor
    from edgeprune.devices.boards import Cpu

    cpu = Cpu("host", "x86_64", tuple(flags.split()))
    monkeypatch.setattr(edgeprune.doctor, "resolved_cpu", lambda declared: cpu)
    notes = " ".join(diagnose().notes)
    assert ("sparse kernels never run on this CPU (AVX)" in notes) == is_noted


@pytest.mark.usefixtures("bare")
def test_debug_probes_are_looked_for_and_a_fault_of_theirs_harms_no_board(home, monkeypatch):
    diagnosis = diagnose()
    assert check_of(diagnosis, "debug probes (pyocd)").state == "ok"
    monkeypatch.setitem(sys.modules, "pyocd", None)
    (check,) = probes.flashers()
    assert (check.state, check.scope) == ("missing", "flash") and "udev" in check.fix
    assert "flash" in diagnosis.needed_for
