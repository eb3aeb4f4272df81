"""The last resort: an error that edgeprune did not foresee becomes one line and a file.

The line says where it happened and names the file, which holds what a report of it needs.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

import edgeprune
from edgeprune.errors import EdgepruneError
from edgeprune.files import paths
from edgeprune.version import __version__

EXIT_CODE = 70
"""Exit code of an internal error. Source: ``EX_SOFTWARE`` of BSD's ``sysexits.h``."""

_PACKAGE = Path(edgeprune.__file__).parent
_MAX_FILES = 20
_SECRET = re.compile(r"(?i)((?:password|passwd|secret|token|key)[\w-]*[=:]\s*|//[^/\s:@]*:)[^\s@]+")


def report_crash(error: BaseException, argv: Sequence[str]) -> str:
    """Prints one line about an error that nothing foresaw, and keeps its details in a file.

    Args:
        error: The error, of whatever kind.
        argv: The command line without the program.

    Returns:
        The line; the exit code of an internal error is :data:`EXIT_CODE`.
    """
    try:
        return _reported(error, argv)
    except Exception as second:  # noqa: BLE001  # as where there is no memory left
        kinds = f"{type(error).__name__}, and {type(second).__name__} while it was reported"
        line = f"internal error ({kinds}): its details cannot be shown"
        os.write(2, f"edgeprune: {line}\n".encode())
        return line


def _reported(error: BaseException, argv: Sequence[str]) -> str:
    what = f"{type(error).__name__} in {_place(error)}"
    if getattr(error, "__notes__", None):  # from the child that held the model, with its traceback
        what = " ".join(str(error).split())[:300]
    details = _details(error, argv)
    kept = _keep(details)
    whose = "a fault of edgeprune, not of your file"
    if isinstance(error, MemoryError):
        whose = "more memory was asked for than this machine has"
    told = f"the details are in {kept}" if kept else "its details follow, since no file can be made"
    line = f"internal error ({what}): {whose}; {told}; please report it with them"
    click.echo(f"edgeprune: {line}", err=True)
    if kept is None:
        click.echo(details, err=True)
    return line


def watch_threads() -> None:
    """Lets errors in background threads and while objects are deleted print no traceback.

    Hooks that somebody else has set, as a test runner does, stay.
    """
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _in_a_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda _: None  # Python itself says that such an error is ignored


def _in_a_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        report_crash(arguments.exc_value, sys.argv[1:])


def _place(error: BaseException) -> str:
    """File and line of the innermost call inside edgeprune, or of the innermost at all."""
    frames = [(Path(f.f_code.co_filename), n) for f, n in traceback.walk_tb(error.__traceback__)]
    own = [(file.relative_to(_PACKAGE), n) for file, n in frames if _PACKAGE in file.parents]
    file, line = (own or frames or [(Path("an unknown place"), 0)])[-1]
    return f"{file.as_posix()}:{line}"


def _details(error: BaseException, argv: Sequence[str]) -> str:
    """What a report needs: versions, command line and traceback, without passwords."""
    try:
        trace = "".join(traceback.format_exception(error))
    except Exception as second:  # noqa: BLE001  # its own text may be what fails
        trace = f"{type(error).__name__}, whose traceback cannot be printed: {second!r}"
    lines = [
        f"edgeprune {__version__}, Python {platform.python_version()}, {platform.platform()}",
        " ".join(f"{name} {version}" for name, version in _versions()),
        "command: edgeprune " + " ".join(argv),
        "",
        trace,
    ]
    text = _SECRET.sub(r"\1***", "\n".join(lines))
    home = os.path.expanduser("~")
    return text.replace(home + os.sep, "~" + os.sep) if len(home) > 1 else text


def _versions() -> list[tuple[str, str]]:
    """The installed packages among those that edgeprune uses."""
    from importlib import metadata  # slow to import

    found = []
    for name in ("ai-edge-litert", "numpy", "tensorflow", "keras", "tf-keras", "litert-quantizer"):
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _keep(details: str) -> Path | None:
    """Writes the details into the user's data folder, else a temporary one; None if neither goes.

    The newest 20 stay in the data folder.
    """
    for find in (_crash_folder, _temporary_folder):
        try:
            folder = find()
            for old in sorted(folder.glob("*.txt"))[: 1 - _MAX_FILES]:
                old.unlink()
            file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}.txt"
            handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
                os.fchmod(handle, 0o600)  # whatever the umask is
                stream.write(details)
            return file
        except (EdgepruneError, OSError, RuntimeError, ValueError):
            continue
    return None


def _crash_folder() -> Path:
    folder = paths.data_folder() / "crashes"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="edgeprune-crash-"))
