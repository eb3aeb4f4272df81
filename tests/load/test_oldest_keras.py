"""The corpus and the list of names once more, at the oldest Keras 3 that may be installed."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def oldest(tmp_path_factory):
    """A folder with that Keras, and its version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    line = next(d for d in project["optional-dependencies"]["keras"] if d.startswith("keras>"))
    version = re.match(r"keras>=([\d.]+)", line)[1]
    folder = tmp_path_factory.mktemp("oldest-keras")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    subprocess.run([*command, f"keras=={version}"], check=True, timeout=300, capture_output=True)
    return folder, version


def test_the_oldest_keras_has_the_fixes_that_were_published(oldest):
    assert tuple(map(int, oldest[1].split("."))) >= (3, 13, 2)


def test_attacks_are_refused_and_names_are_known_at_the_oldest_keras(oldest):
    folder, version = oldest
    code = (
        "import keras, sys, pytest; "
        f"assert keras.__version__ == {version!r}, keras.__file__; "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    tests = ["tests/load/test_attacks.py", "tests/load/test_keras_names.py"]
    options = ["-q", "-p", "no:cacheprovider", "-k", "not every_listed_class_exists"]
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code, *options, *tests],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
