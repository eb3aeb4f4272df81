"""How new an operator a runtime takes: each release knows each up to some version."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from packaging.version import Version

from edgeprune.devices.boards import Runtime
from edgeprune.files.tables import read_toml

_FILE = Path(__file__).with_suffix(".toml")


def newest_versions(runtime: Runtime) -> Mapping[str, int]:
    """The newest version of each operator that a runtime has, where LiteRT 2.3.0 has a newer one.

    Args:
        runtime: Any; of a release that was not asked, what the one before it has.

    Returns:
        Operator to version, 0 where the runtime lacks it; empty for 2.3.0 and newer, and for a
        version that is none.
    """
    try:
        version = Version(runtime.version)
    except ValueError:  # InvalidVersion, or a number of thousands of digits
        return {}
    tables = _tables()
    asked = sorted(found for use, found in tables if use == runtime.use)
    last = max((found for found in asked if found <= version), default=next(iter(asked), None))
    return {} if last is None else tables[runtime.use, last]


@cache
def _tables() -> dict[tuple[str, Version], dict[str, int]]:
    """By the runtime's name and version."""
    found = {}
    for key, table in read_toml(_FILE).items():
        use, version = key.split()
        versions = table if isinstance(table, dict) else {}
        found[use, Version(version)] = {name: int(newest) for name, newest in versions.items()}
    return found
