"""The wheel is whole: it deploys away from the checkout, in an environment without it."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nets
import pytest

from edgeprune.firmware.build import ports

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(argv, check=True, capture_output=True, timeout=300)
    return next(folder.glob("*.whl"))


def test_boards_recipes_and_agent_sources_travel_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, pattern in (
        ("boards", "*.toml"),
        ("device_agents", "*.[ch]"),
        ("device_agents", "*.md"),
        ("device_agents", "*.py"),
        ("firmware", "*.[ch]"),
        ("firmware", "*.ld"),
    ):
        for path in (ROOT / folder).rglob(pattern):
            assert f"edgeprune/_{folder}/{path.relative_to(ROOT / folder)}" in names
    for page in ("index.html", "reference/commands.html", "search/search_index.js"):
        assert f"edgeprune/_docs/{page}" in names
    for path in (ROOT / "edgeprune").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names


def test_the_wheel_deploys_away_from_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():  # as installers do: a program stays one
            archive.extract(entry, tmp_path / "site")
            (tmp_path / "site" / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    (tmp_path / "fast.toml").write_text("[run]\nsessions = 2\nruns = 3\n")
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "edgeprune", "deploy", "net.tflite"),
            *("--board", "local", "--recipe", "fast.toml", "--output", "out", "--json"),
        ],
        cwd=tmp_path,
        env=os.environ
        | {
            "PYTHONPATH": str(tmp_path / "site"),
            "EDGEPRUNE_HOME": str(tmp_path / "home"),
            "EDGEPRUNE_CACHE": str(tmp_path / "home" / "cache"),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "result.json").read_text())
    assert not (tmp_path / "home" / "cache" / "agents").exists(), "the agent is the wheel's own"


def test_the_wheel_carries_every_program_that_devices_run_with_its_sum(wheel):
    with zipfile.ZipFile(wheel) as archive:
        built = {name: archive.read(name) for name in archive.namelist() if "/_built/" in name}
        modes = {e.filename: e.external_attr >> 16 & 0o111 for e in archive.infolist()}
    programs = [name for name in built if not name.endswith(".sha256")]
    machines = sorted((name.split("/")[-1], built[name][18]) for name in programs)
    assert machines == [  # e_machine, ELF specification
        *(("edgeprune-agent", machine) for machine in (62, 183)),
        *(("edgeprune_kernels.o", machine) for machine in (62, 183, 183)),
        *((stub, 183) for stub in ("libc.so", "libdl.so")),  # Android's, by name
        *(("libedgeprune_kernels.so", machine) for machine in (62, 183, 183)),
        *(("libqemu_calls.so", machine) for machine in (62, 183)),
        *(("libqemu_cycles.so", machine) for machine in (62, 183)),
        *(("libqemu_instructions.so", machine) for machine in (62, 183)),
        *((f"{port}.elf", 40) for port in ports()),
    ]
    for name in programs:
        assert built[f"{name}.sha256"].decode() == hashlib.sha256(built[name]).hexdigest()
        assert modes[name] or name.endswith(".o"), name
        assert str(ROOT).encode() not in built[name]
