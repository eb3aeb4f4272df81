from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[2] / "requirements.lock"

OF_PIP = ("pip", "setuptools", "wheel")  # which `pip freeze` leaves out


def locked():
    lines = [line.split("==") for line in LOCK.read_text().splitlines() if "==" in line]
    return {canonicalize_name(name): version for name, version in lines}


def needed_by(name):
    try:
        wanted = map(Requirement, requires(name) or [])
    except PackageNotFoundError:  # only other systems have it
        return []
    return [one for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})]


def test_what_is_locked_fits_together():
    versions = locked()
    wrong = [
        f"{name} needs {one}, and the lock has {version}"
        for name in versions
        for one in needed_by(name)
        if (version := versions.get(canonicalize_name(one.name)))
        and not one.specifier.contains(version, prereleases=True)
    ]
    assert wrong == []


def test_what_is_needed_is_locked():
    versions = locked()
    missing = {
        f"{one.name} of {name}"
        for name in versions
        for one in needed_by(name)
        if canonicalize_name(one.name) not in {*versions, *OF_PIP}
    }
    assert missing == set()
