"""The lock file serves every Python that the project admits."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()


def pinned():
    return [Requirement(line) for line in LINES if line and not line.startswith(("#", "-"))]


def oldest_python():
    """The first release of the oldest Python: Debian's may be any later one of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = re.search(r">=([\d.]+)", project["requires-python"])
    return f"{found[1]}.0"


def test_every_pinned_package_admits_the_oldest_python():
    oldest, refusing = oldest_python(), []
    for one in pinned():
        try:
            admits = metadata.metadata(one.name).get("Requires-Python")
        except metadata.PackageNotFoundError:  # an extra that is not installed here
            continue
        if admits and not SpecifierSet(admits).contains(oldest):
            refusing.append(f"{one.name} wants Python {admits}")
    assert not refusing
    assert len(pinned()) > 100
