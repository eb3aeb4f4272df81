"""What is published beside the code: licence, citation, bill of materials."""

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import yaml

from edgeprune.version import __version__

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_licence_version_and_repository_are_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["license"] == citation["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert citation["version"] == __version__
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]


def test_the_bill_of_materials_names_every_package_with_its_version(tmp_path):
    script = (ROOT / "release").read_text(encoding="utf-8")
    found = re.search(r"-m (cyclonedx_py environment .*?) \\\n", script)
    venv.create(tmp_path / "core", symlinks=True, with_pip=False)
    there = next((tmp_path / "core").glob("lib/python*/site-packages"))
    for entry in Path(sysconfig.get_paths()["purelib"]).glob("*.dist-info"):
        if entry.name.startswith(("numpy-", "click-")):
            (there / entry.name).symlink_to(entry)
    argv = [sys.executable, "-m", *found[1].split(), "-o", str(tmp_path / "s.json")]
    argv.append(str(tmp_path / "core" / "bin" / "python"))
    subprocess.run(argv, check=True, capture_output=True, timeout=300)
    document = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert document["bomFormat"] == "CycloneDX" and "timestamp" not in document["metadata"]
    versions = {one["name"]: one.get("version") for one in document["components"]}
    assert set(versions) == {"numpy", "click"} and all(versions.values())


def test_the_script_is_whole():
    subprocess.run(["bash", "-n", ROOT / "release"], check=True, timeout=300)
