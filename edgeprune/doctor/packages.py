"""Python and the packages that edgeprune and its extras ask for, by their metadata alone."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from edgeprune.doctor.check import EVERY_BOARD, FAULTS, Check
from edgeprune.text.untrusted import reason_of

CHECKOUT = Path(__file__).parents[2]
_EXTRAS = ("keras", "quantize", "example", "flash", "build", "dask")
"""Optional parts of edgeprune beside those of transports: each is a scope of its own."""


def package_checks(extras: Mapping[str, str] | None = None) -> Iterator[Check]:
    """Python itself, and every package that edgeprune or one of its extras asks for.

    Args:
        extras: Optional parts of edgeprune that a transport needs, each with the transport's name.
    """
    owners = extras or {}
    try:
        python, requirements = _wanted(CHECKOUT, (*owners, *_EXTRAS))
    except FAULTS as error:
        fix = "pip install --force-reinstall edgeprune"
        yield Check(
            "edgeprune", "broken", f"its own metadata: {reason_of(error)}", EVERY_BOARD, fix
        )
        return
    version = platform.python_version()
    if python.contains(version, prereleases=True):
        yield Check("python", "ok", version, EVERY_BOARD)
    else:
        yield Check(
            "python", "broken", f"{version}, wanted {python}", EVERY_BOARD, "install Python 3.11"
        )
    for requirement, scope in requirements:
        yield _package(requirement, owners.get(scope, scope))


def _package(requirement: Requirement, scope: str) -> Check:
    """One package, by its metadata: nothing is imported, so a heavy one costs no time."""
    name, wanted = requirement.name, requirement.specifier
    fix = f"pip install '{name}{wanted}'"
    try:
        version = importlib.metadata.version(name)
        if version is None:  # a half-removed package has metadata without a version
            raise ValueError("its metadata names no version")
        if name == "tensorflow" and importlib.util.find_spec("tensorflow") is None:
            raise ValueError("its metadata is there, the package is not")
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "missing", f"not installed, wanted {wanted}", scope, fix)
    except FAULTS as error:
        return Check(name, "broken", reason_of(error), scope, f"{fix} --force-reinstall")
    if wanted.contains(version, prereleases=True):
        return Check(name, "ok", version, scope)
    return Check(name, "broken", f"{version}, wanted {wanted}", scope, fix)


def _wanted(
    checkout: Path, extras: Sequence[str] = _EXTRAS
) -> tuple[SpecifierSet, list[tuple[Requirement, str]]]:
    """Python versions and packages that edgeprune asks for, each with what it is needed for.

    Raises:
        ImportError: edgeprune is neither installed nor run from a checkout.
    """
    own = checkout / "pyproject.toml"
    if own.is_file():
        project = tomllib.loads(own.read_text(encoding="utf-8"))["project"]
        python = project["requires-python"]
        tables = project["optional-dependencies"]
        groups = [
            (EVERY_BOARD, project["dependencies"]),
            *((name, tables[name]) for name in extras),
        ]
    else:
        metadata = importlib.metadata.metadata("edgeprune")
        python = metadata["Requires-Python"]
        lines = metadata.get_all("Requires-Dist") or []
        groups = [(EVERY_BOARD, [line for line in lines if "extra ==" not in line])]
        groups += [
            (name, [line for line in lines if f"extra == '{name}'" in line.replace('"', "'")])
            for name in extras
        ]
    wanted = [(Requirement(line), extra) for extra, lines in groups for line in lines]
    return SpecifierSet(python), wanted
