"""Where a result comes from: an output folder, a file, or the history."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeprune import history
from edgeprune.errors import ConfigError
from edgeprune.history.result import Result
from edgeprune.history.result_file import read_result


@dataclass(frozen=True)
class Source:
    """A result with its place.

    Attributes:
        name: The place as the user named it.
        result: A valid result.
        page: Where its page goes if the user names no file.
    """

    name: str
    result: Result
    page: Path


def find_result(name: str) -> Source:
    """The result that ``name`` means.

    Args:
        name: An output folder, a ``result.json``, or a run's number in the history. A folder or
            file of that name goes before a run.

    Raises:
        ConfigError: There is no such result, or it is not valid.
    """
    path = Path(name)
    number = name.removeprefix("#")
    is_number = number.isascii() and number.isdecimal() and len(number) < 19
    if path.exists() or not is_number:
        result = read_result(path)
        folder = path if path.is_dir() else path.parent
        return Source(name, result, folder / "report.html")
    try:
        run = history.run(int(number))
    except ConfigError as error:
        raise ConfigError(
            f"{error}; `edgeprune report --history` lists them, and no file has that name"
        ) from error
    return Source(f"#{number}", run.result, Path(f"report-{number}.html"))
