"""Whether what finds changes over nights is installed."""

from __future__ import annotations

import importlib.util

from edgeprune.errors import ConfigError

_PACKAGES = ("scipy", "ruptures")


def check_extra() -> None:
    """Looks for the packages of the extra ``farm``; to be called before the morning is read.

    Raises:
        ConfigError: One is missing.
    """
    for name in _PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"changes over nights need {name}: pip install 'edgeprune[farm]'")
