"""The corpus and the list of names once more, at the oldest Keras 3 that may be installed."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from full_range import also
from load.attacks import containers, descriptions, saved_keras, saved_models

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


REFUSED = [*descriptions.ATTACKS, *containers.ATTACKS, *saved_keras.ATTACKS, *saved_models.ATTACKS]
ATTACKS = "tests/load/test_attacks.py"
SAMPLE = [f"{ATTACKS}::test_attacks_are_refused_in_one_line[{one.name}]" for one in REFUSED[::12]]
"""What the guard refuses before any Keras is asked depends on none; some show that it does not."""


@pytest.mark.parametrize("attacks", [SAMPLE, also([ATTACKS])], ids=["some", "all"])
def test_attacks_are_refused_and_names_are_known_at_the_oldest_keras(oldest, attacks):
    folder, version = oldest
    code = (
        "import keras, sys, pytest; "
        f"assert keras.__version__ == {version!r}, keras.__file__; "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    tests = ["tests/load/test_keras_names.py", *attacks]
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
