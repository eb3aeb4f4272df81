"""The wheel is whole: it deploys away from the checkout, in an environment without it."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile

import nets
import pytest
from containerfile import ROOT, instructions

from edgeprune.firmware.build import ports


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Runs a RUN instruction with the container's folders below a passing one, without network.

    What pip would fetch is this environment's own; it installs what was built, and nothing else.
    """
    root = tmp_path_factory.mktemp("container")
    (root / "wheels").mkdir()
    subprocess.run(
        [sys.executable, "-m", "venv", "--system-site-packages", root / "venv"], check=True
    )
    own = next((root / "venv").glob("lib/python*/site-packages"))
    (own / "outer.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")))

    def run(command, folder=ROOT):
        command = command.replace("/wheels", f"{root}/wheels")
        command = command.replace("pip wheel", "pip wheel --no-build-isolation")
        command = command.replace(
            "pip install", "pip install --no-deps --no-index --force-reinstall"
        )
        env = os.environ | {
            "PATH": f"{root}/venv/bin:{os.environ['PATH']}",
            "EXTRAS": "ssh,quantize",
            "PACKAGES": "",
        }
        env.pop("PYTHONPATH", None)
        return subprocess.run(
            ["sh", "-ec", command], cwd=folder, env=env, capture_output=True, text=True, timeout=600
        )

    run.root = root
    return run


@pytest.fixture(scope="module")
def wheel(shell):
    """Built as the container's first stage does it."""
    build, _ = instructions()
    (command,) = [rest for word, rest in build if word == "RUN"]
    done = shell(command)
    assert done.returncode == 0, done.stderr
    return next((shell.root / "wheels").glob("*.whl"))


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


def test_the_containers_commands_install_it_and_diagnose(shell, wheel):
    _, final = instructions()
    packages, install, _, doctor = [rest for word, rest in final if word == "RUN"]
    assert shell(packages).returncode == 0  # none are asked for
    done = shell(install)
    assert done.returncode == 0, done.stderr
    done = shell(doctor, shell.root)
    assert done.returncode == 0, done.stdout + done.stderr
    code = "import edgeprune; print(edgeprune.__file__)"
    done = shell(f"python -c '{code}'", shell.root)
    assert str(shell.root) in done.stdout
