"""What was measured is put where nothing that fails later can take it away."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgeprune import history
from edgeprune.artifacts.measurement import RunResult
from edgeprune.console import interrupts
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.files.whole_file import Content, shown, write_whole
from edgeprune.history.result import Result
from edgeprune.history.result_file import FILE_NAME, json_text
from edgeprune.report.folder import OutputFolder

Warn = Callable[[str], None]
RESCUED = "rescued"


def save(
    folder: OutputFolder,
    result: Result,
    others: Mapping[str, Callable[[Path], None]],
    warn: Warn,
    *,
    records: bool = True,
) -> None:
    """Writes the result first, then records the run, then writes what can be made again.

    Args:
        folder: The run's; it is kept as soon as the result is in it.
        result: A valid result.
        others: Further files of the folder, each with what writes it.
        warn: Takes a line on what could not be done although the result is safe.
        records: Whether the run goes into the history.

    Raises:
        ConfigError: The folder does not take the result; where it was to be recorded, the message
            says where it is instead.
    """
    content = json_text(result)
    try:
        folder.write(FILE_NAME, content)
    except ConfigError as error:
        if not records:
            raise
        raise ConfigError(f"{error}; {kept_elsewhere(result, folder.path.name)}") from error
    folder.is_kept = True
    interrupts.leaves(f"the result is in {shown(folder.path)}")
    try:
        if records:
            history.record(result)
    except ConfigError as error:
        again = f"edgeprune report {shown(folder.path)} --record"
        warn(f"the result is in {shown(folder.path)} but not recorded: {error}; then: {again}")
    for name, write in others.items():
        try:
            write(folder.path / name)
        except Exception as error:  # noqa: BLE001  # the result is there, whatever it is
            reason = str(error) or type(error).__name__
            warn(f"{name} is missing: {reason}")


def kept_elsewhere(result: Result, name: str) -> str:
    """Puts a result into the history, or where a file can be written, or on standard output.

    Args:
        result: A valid result.
        name: Of the folder that did not take it.

    Returns:
        Where it is, as the end of a message.
    """
    try:
        number = history.record(result)
        return f"what was measured is recorded: `edgeprune report {number}` shows it"
    except ConfigError:
        pass
    try:
        file = rescue(f"{name}.json", json_text(result))
        return f"what was measured is in {file}: `edgeprune report {file}` shows it"
    except ConfigError:
        print(json_text(result), end="")
        return "what was measured is on standard output, since no file could be written"


@contextlib.contextmanager
def raw_kept(run: RunResult) -> Iterator[None]:
    """Keeps what a device brought back, as it came, where the block makes no result of it."""
    try:
        yield
    except Exception as error:
        content = json.dumps(dataclasses.asdict(run), default=_listed, indent=1)
        try:
            file = rescue("measured.json", content)
        except ConfigError:
            raise error from None
        error.args = (f"{error}; what was measured is in {file}, as it came", *error.args[1:])
        raise


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def rescue(name: str, content: Content) -> Path:
    """Writes a file into the first place that takes it.

    Args:
        name: Of the file; the time goes before it.
        content: What to write.

    Returns:
        The file.

    Raises:
        ConfigError: No place takes it.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    places = []
    with contextlib.suppress(ConfigError, RuntimeError):  # a user without a home
        places.append(paths.data_folder() / RESCUED)
        places.append(Path.home() / "edgeprune-rescued")
    places.append(Path("/tmp/edgeprune-rescued"))
    last: Exception = ConfigError(f"{name}: there is no place to write it")
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
            ends = ("", *(f"-{number}" for number in range(2, 100)))
            free = (place / f"{stamp}{end}-{name}" for end in ends)
            file = next(candidate for candidate in free if not candidate.exists())
            write_whole(file, content)
            return file
        except (OSError, ConfigError, StopIteration) as error:
            last = error
    raise ConfigError(str(last)) from last
