"""Where edgeprune keeps things: the user's folders, and the files that travel in the wheel."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from edgeprune.errors import ConfigError, DeviceError
from edgeprune.files.scratch import scratch_folder

HISTORY_VARIABLE = "EDGEPRUNE_HISTORY"
"""URL of a database for the history; it may hold a password."""

_PACKAGE = Path(__file__).parents[1]


def data_folder() -> Path:
    """The user's data folder: history and trusted host keys. ``EDGEPRUNE_HOME`` overrides it."""
    own = os.environ.get("EDGEPRUNE_HOME")
    return Path(own) if own else _of_user(platformdirs.user_data_dir)


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
    return _of_user(platformdirs.user_cache_dir)


def _of_user(find: Callable[..., str]) -> Path:
    """A folder below the user's home.

    Raises:
        ConfigError: Nothing says where the home is; a folder called ``~`` would be made here.
    """
    try:
        folder = Path(find("edgeprune", appauthor=False))
    except RuntimeError:  # neither HOME nor the system's list of users has it
        folder = Path()
    if not folder.is_absolute():
        raise ConfigError("this user has no home folder: set HOME, or EDGEPRUNE_HOME to a folder")
    return folder


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


def is_whole(file: Path) -> bool:
    """Whether a file of the cache is as :func:`keep` left it; a damaged one is to be made again."""
    try:
        return _sum_of(file).read_text(encoding="ascii") == digest_of(file)
    except (OSError, UnicodeDecodeError):
        return False


def put_whole(unfinished: Path, file: Path) -> None:
    """Renames a finished file into its place, once the disk has it: nobody ever sees half of it.

    Raises:
        OSError: It cannot be stored; inside :func:`aside` that becomes a DeviceError.
    """
    with unfinished.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(unfinished, file)


def keep(unfinished: Path, file: Path) -> None:
    """Renames a finished file into its place in the cache, with its SHA-256 beside it.

    Raises:
        OSError: The cache cannot be written; inside :func:`aside` that becomes a DeviceError.
    """
    sum_ = _sum_of(unfinished)
    sum_.write_text(digest_of(unfinished), encoding="ascii")
    put_whole(sum_, _sum_of(file))
    put_whole(unfinished, file)


def _sum_of(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")


def digest_of(file: Path) -> str:
    """The SHA-256 of a file's content, as hex digits.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def real_path(path: Path) -> Path:
    """Where a path leads, through links as far as they lead somewhere.

    ``Path.resolve`` raises a RuntimeError for links that lead to themselves, up to Python 3.12.
    """
    return Path(os.path.realpath(path))


def config_folder() -> Path:
    """The folder of ``bench.toml``. ``EDGEPRUNE_HOME`` overrides it."""
    own = os.environ.get("EDGEPRUNE_HOME")
    return Path(own) if own else _of_user(platformdirs.user_config_dir)


def shipped(name: str) -> Path:
    """A top-level folder of the repository, ``boards`` or ``device_agents``.

    It lies beside the package in a checkout, and inside the package as ``_<name>`` in a wheel.
    """
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name


def documentation() -> Path:
    """The documentation's pages: inside the package in a wheel, in ``build/site`` of a checkout."""
    inside = _PACKAGE / "_docs"
    return inside if inside.is_dir() else _PACKAGE.parent / "build" / "site"


def built_with_wheel(digest: str, name: str) -> Path:
    """Where the wheel carries a program that was compiled with it; a checkout has none.

    Args:
        digest: Names what it was compiled from.
        name: Of the file.
    """
    return _PACKAGE / "_built" / digest / name
