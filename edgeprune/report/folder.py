"""The output folder, which comes into being whole or not at all."""

from __future__ import annotations

import errno
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeprune.errors import ConfigError

_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@contextmanager
def output_folder(wanted: Path | None, stem: str) -> Iterator[tuple[Path, Path]]:
    """Makes a folder aside and renames it into place once everything in it is written.

    Args:
        wanted: The user's ``--output``, or None for a free name.
        stem: Start of that name, in the current folder.

    Yields:
        The folder to write into, and the path at which it will lie afterwards.

    Raises:
        ConfigError: The folder exists and is not empty, or cannot be made.
    """
    target = wanted or _free_name(stem)
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ConfigError(f"{target}: exists already; choose another --output or remove it")
        made = [folder for folder in target.absolute().parents if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from error
    try:
        yield folder, target
        _rename(folder, target)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            parent.rmdir()
        if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
            raise ConfigError(f"{target}: cannot be written: {error.strerror}") from error
        raise


def _rename(folder: Path, target: Path) -> None:
    try:
        folder.chmod(0o755)
        if target.is_dir():
            target.rmdir()  # it was empty when we came
        folder.rename(target)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from error


def _free_name(stem: str) -> Path:
    names = itertools.chain([stem], (f"{stem}-{k}" for k in itertools.count(2)))
    return next(Path(name) for name in names if not Path(name).exists())
