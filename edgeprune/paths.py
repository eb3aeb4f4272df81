"""Where edgeprune keeps things: the user's folders, and the files that travel in the wheel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from edgeprune.errors import DeviceError
from edgeprune.scratch import scratch_folder

_PACKAGE = Path(__file__).parent


def data_folder() -> Path:
    """The user's data folder: history and trusted host keys. ``EDGEPRUNE_HOME`` overrides it."""
    own = os.environ.get("EDGEPRUNE_HOME")
    return Path(own) if own else Path(platformdirs.user_data_dir("edgeprune", appauthor=False))


def cache_folder() -> Path:
    """Built agents and fetched runtimes; may be deleted at any time.

    ``EDGEPRUNE_CACHE`` overrides it, so that one cache can serve several homes.
    """
    own = os.environ.get("EDGEPRUNE_CACHE")
    if own:
        return Path(own)
    home = os.environ.get("EDGEPRUNE_HOME")
    if home:
        return Path(home) / "cache"
    return Path(platformdirs.user_cache_dir("edgeprune", appauthor=False))


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """A passing folder inside ``folder`` of the cache, from which a finished file is renamed.

    So two processes may make the same file at once, and nobody ever sees half of one.

    Raises:
        DeviceError: The cache cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder) as temporary:
            yield temporary
    except OSError as error:
        reason = error.strerror or error
        raise DeviceError(
            f"{folder} cannot be written ({reason}): set EDGEPRUNE_CACHE to a folder that can be"
        ) from error


def config_folder() -> Path:
    """The folder of ``bench.toml``. ``EDGEPRUNE_HOME`` overrides it."""
    own = os.environ.get("EDGEPRUNE_HOME")
    return Path(own) if own else Path(platformdirs.user_config_dir("edgeprune", appauthor=False))


def shipped(name: str) -> Path:
    """A top-level folder of the repository, ``boards`` or ``device_agents``.

    It lies beside the package in a checkout, and inside the package as ``_<name>`` in a wheel.
    """
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name
