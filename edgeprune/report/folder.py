"""The output folder: its name is taken at the start, and what is measured stays in it.

While a run writes into it, it is locked and holds a file that says who does. A killed run's folder
is found by that file: one without a result is removed when the next run starts beside it, and one
with a result is kept, and the run recorded.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from edgeprune import history
from edgeprune.errors import ConfigError
from edgeprune.files import scratch
from edgeprune.files.paths import real_path
from edgeprune.files.whole_file import Content, shown, write_whole
from edgeprune.history import result_file
from edgeprune.report import latencies, tensor_errors
from edgeprune.text.holder import holder_line, shown_holder

MARK = ".edgeprune-run"
"""In a folder that a run writes into: who does, for people."""

MADE = "and made it"
"""In that file, of a folder that goes as a whole if the run is killed."""

FILES = (
    "dense.tflite",
    "deployed.tflite",
    "deployed-portable.tflite",
    "dense-fine-tuned.tflite",
    "float32.tflite",
    "sensitivity.json",
    "recipe.toml",
    "report.txt",
    "report.html",
    latencies.FILE_NAME,
    tensor_errors.FILE_NAME,
    result_file.FILE_NAME,
)
"""All that a run writes: nothing else is ever removed from a folder."""

_NAME_BYTES = 200
_CLAIM_WAIT_S = 1.0

Say = Callable[[str], None]


class OutputFolder:
    """A folder that belongs to this run.

    Attributes:
        path: Where it is, as the user named it.
        is_kept: Whether it stays; without that, all that was written goes at the end.
    """

    def __init__(self, path: Path, descriptor: int, new_folders: list[Path]) -> None:
        """``descriptor``: of the locked folder; ``new_folders``: made for it, itself first."""
        self.path = path
        self.is_kept = False
        self._descriptor = descriptor
        self._new_folders = new_folders

    @property
    def origin(self) -> str:
        """Whether the folder goes with a killed run, or was there before it."""
        return MADE if self._new_folders else "which was there before"

    def write(self, name: str, content: Content) -> Path:
        """Writes one of :data:`FILES`.

        Raises:
            ConfigError: It cannot be written; the message names the folder.
        """
        try:
            write_whole(self.path / name, content, replace=True)
        except ConfigError as error:
            reason = str(error).rpartition(": cannot be written: ")[2]
            raise ConfigError(f"{shown(self.path)}: cannot be written: {reason}") from error
        return self.path / name

    @contextlib.contextmanager
    def aside(self) -> Iterator[Callable[[str, Content], Path]]:
        """Room for files that may replace those here, gone at the end: yields what writes one.

        Raises:
            ConfigError: A file cannot be written.
        """
        with contextlib.ExitStack() as held:
            try:
                room = held.enter_context(scratch.scratch_folder(self.path))
            except OSError as error:
                reason = f"cannot be written: {error.strerror}"
                raise ConfigError(f"{shown(self.path)}: {reason}") from error

            def write(name: str, content: Content) -> Path:
                write_whole(room / name, content, is_durable=False)
                return room / name

            yield write

    def clear(self) -> None:
        """Removes what was written so far, because something else is to be written."""
        _remove_files(self.path)

    def close(self) -> None:
        """Ends the run's claim, and removes what it wrote unless that is to stay."""
        with contextlib.suppress(OSError):
            (self.path / MARK).unlink(missing_ok=True)
        if not self.is_kept:
            _remove_files(self.path)
            with contextlib.suppress(OSError):
                for folder in self._new_folders:
                    folder.rmdir()
        os.close(self._descriptor)


@contextlib.contextmanager
def output_folder(wanted: Path | None, stem: str, command: str, say: Say) -> Iterator[OutputFolder]:
    """Takes a folder for a run, whose name nobody else gets from then on.

    Args:
        wanted: The user's ``--output``, or None for a free name.
        stem: Start of that name, in the current folder.
        command: What writes, for others to read.
        say: Takes a line on what a killed run had left there.

    Yields:
        The folder. What is in it is removed at the end unless ``is_kept`` was set.

    Raises:
        ConfigError: The folder is not empty, is another run's, or cannot be made.
    """
    path = wanted if wanted is not None else Path(_plain_name(stem))
    try:
        _clear_up_beside(path, say)
        folder = _taken(path) if wanted is not None else _taken_free(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{shown(path)}: cannot be written: {reason}") from error
    try:
        folder.write(MARK, f"{holder_line(command)} writes into this folder\n{folder.origin}\n")
        yield folder
    finally:
        folder.close()


def _taken(path: Path) -> OutputFolder:
    """The folder that the user named: a new one, or one that is empty.

    Raises:
        ConfigError: It is not empty, or another run's.
        OSError: It cannot be made.
    """
    if os.path.lexists(path) and not path.is_dir():
        raise ConfigError(f"{shown(path)}: exists already; choose another --output or remove it")
    new_folders = [each for each in (path, *path.absolute().parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    descriptor = _claim(path, _CLAIM_WAIT_S)
    if descriptor is None:
        raise ConfigError(f"{shown(path)}: {_writer(path)}; choose another --output")
    if any(path.iterdir()):
        os.close(descriptor)
        raise ConfigError(f"{shown(path)}: exists already; choose another --output or remove it")
    return OutputFolder(path, descriptor, new_folders)


def _taken_free(path: Path) -> OutputFolder:
    """The first free name of ``path``, ``path-2``, ``path-3``, ..."""
    for number in itertools.count(1):
        name = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            name.mkdir()
        except FileExistsError:
            continue
        descriptor = _claim(name)
        if descriptor is not None:
            return OutputFolder(name, descriptor, [name])
    raise AssertionError("there is always a next number")


def _claim(path: Path, wait_s: float = 0.0) -> int | None:
    """The descriptor of a folder that is now ours, or None where another run has it.

    Raises:
        OSError: It cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        is_ours = scratch.lock(descriptor, real_path(path), wait_s)
    except OSError as error:
        if not scratch.has_no_locks(error):
            os.close(descriptor)
            raise
        is_ours = not (path / MARK).exists()
    if is_ours:
        return descriptor
    os.close(descriptor)
    return None


def _clear_up_beside(path: Path, say: Say) -> None:
    """Removes what killed runs left beside a folder to be, and keeps those that have a result."""
    parent = real_path(path).parent
    scratch.remove_leftovers(parent)
    with contextlib.suppress(OSError):
        beside = [each for each in parent.iterdir() if each.is_dir()]
        for folder in beside:
            mark = folder / MARK
            if not mark.is_file():
                continue
            with scratch.claimed(folder) as descriptor:
                if descriptor is not None:
                    _clear_up(folder, mark, say)


def _clear_up(folder: Path, mark: Path, say: Say) -> None:
    name = shown(folder.name)
    scratch.remove_leftovers(folder)
    if not (folder / result_file.FILE_NAME).exists():
        goes_whole = MADE in mark.read_text(encoding="utf-8", errors="replace").splitlines()
        _remove_files(folder)
        mark.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds something of the user's
            if goes_whole:
                folder.rmdir()
        return
    try:
        number, is_new = history.record_once(result_file.read_result(folder))
    except ConfigError as error:
        say(f"{name}: the result of a run that was killed is not recorded: {error}")
        return
    mark.unlink(missing_ok=True)
    if is_new:
        say(f"{name}: the result of a run that was killed is now recorded as run {number}")


def remove_unfinished(parent: Path) -> None:
    """Removes what killed runs left in a folder, whose results nobody is to have."""
    scratch.remove_leftovers(parent)
    for mark in parent.glob(f"*/{MARK}"):
        with scratch.claimed(mark.parent) as descriptor, contextlib.suppress(OSError):
            if descriptor is not None:
                _remove_files(mark.parent)
                mark.unlink(missing_ok=True)
                mark.parent.rmdir()


def _remove_files(folder: Path) -> None:
    scratch.remove_leftovers(folder)
    for name in FILES:
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def _writer(path: Path) -> str:
    """Who writes into a folder, in one line."""
    try:
        line = (path / MARK).read_text(encoding="utf-8", errors="replace")[:300]
    except OSError:
        line = ""
    return f"{shown_holder(line.partition(' writes into')[0])} writes into this folder"


def _plain_name(stem: str) -> str:
    """A stem that is a harmless name of a folder, and not too long for one with a number."""
    plain = (
        "".join(character if character.isprintable() else "_" for character in stem).lstrip("-.")
        or "model"
    )
    return plain.encode(errors="surrogateescape")[:_NAME_BYTES].decode(errors="ignore")
