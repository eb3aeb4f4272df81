"""The wheel is whole: it deploys away from the checkout, in an environment without it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nets
import pytest

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
    ):
        for path in (ROOT / folder).rglob(pattern):
            assert f"edgeprune/_{folder}/{path.relative_to(ROOT / folder)}" in names
    for path in (ROOT / "edgeprune").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names


def test_the_wheel_deploys_away_from_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
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
    assert (tmp_path / "home" / "cache" / "agents").is_dir(), "the agent was built from the wheel"
