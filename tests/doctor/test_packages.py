import importlib.metadata
from email.message import Message

import pytest
from packaging.requirements import Requirement

from edgeprune.doctor import packages


def state(name: str, wanted: str = ">=1,<2"):
    return packages._package(Requirement(name + wanted), "local")


@pytest.fixture
def installed(monkeypatch):
    versions: dict[str, object] = {}

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    return versions


def test_a_package_within_its_limits_is_ok(installed):
    installed["rich"] = "1.5"
    check = state("rich")
    assert (check.state, check.found, check.fix) == ("ok", "1.5", None)


def test_a_package_that_is_not_there_is_missing_and_says_how_to_get_it(installed):
    check = state("rich")
    assert check.state == "missing"
    assert check.fix == "pip install 'rich<2,>=1'"


@pytest.mark.parametrize("version", ["0.9", "2.0"])
def test_a_package_outside_its_limits_is_broken_and_says_both(installed, version):
    installed["rich"] = version
    check = state("rich")
    assert check.state == "broken"
    assert version in check.found
    assert "<2,>=1" in check.found
    assert check.fix is not None


@pytest.mark.parametrize("version", [None, "not a version"])
def test_damaged_metadata_is_broken_and_not_a_crash(installed, version):
    installed["rich"] = version
    assert state("rich").state == "broken"


def test_tensorflow_without_its_package_is_broken_although_its_metadata_is_there(
    installed, monkeypatch
):
    installed["tensorflow"] = "1.5"
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    check = state("tensorflow")
    assert check.state == "broken"
    assert "the package is not" in check.found


def test_a_checkout_and_a_wheel_ask_for_the_same(monkeypatch):
    """A wheel has metadata and no pyproject.toml; both must lead to the same list."""
    python, requirements = packages._wanted(packages.CHECKOUT)
    metadata = Message()
    metadata["Requires-Python"] = str(python)
    for requirement, scope in requirements:
        extra = "" if scope in ("local", "ssh") else f"; extra == '{scope}'"
        metadata["Requires-Dist"] = f"{requirement}{extra}"
    metadata["Requires-Dist"] = 'ruff>=0.17; extra == "dev"'
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: metadata)
    python_of_wheel, of_wheel = packages._wanted(packages.CHECKOUT / "no such folder")
    assert python_of_wheel == python
    assert [(item.name, item.specifier, scope) for item, scope in of_wheel] == [
        (item.name, item.specifier, scope) for item, scope in requirements
    ]
    names = [item.name for item, _ in of_wheel]
    assert "tensorflow" in names
    assert "ruff" not in names


def test_an_unknown_installation_is_one_broken_check(monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "CHECKOUT", tmp_path)

    def metadata(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", metadata)
    (check,) = packages.package_checks()
    assert (check.name, check.state, check.scope) == ("edgeprune", "broken", "local")


def test_another_python_is_broken(monkeypatch):
    monkeypatch.setattr(packages.platform, "python_version", lambda: "3.8.1")
    check = next(iter(packages.package_checks()))
    assert (check.name, check.state) == ("python", "broken")
    assert "3.8.1, wanted" in check.found
