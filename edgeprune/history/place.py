"""Where the history is: one SQLite file of the user's, or a PostgreSQL database that many share."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from edgeprune.errors import ConfigError
from edgeprune.files import paths

VARIABLE = paths.HISTORY_VARIABLE
FILE_NAME = "history.sqlite"

_SCHEMES = ("postgresql", "postgres")


@dataclass(frozen=True)
class SqliteFile:
    """The user's own history.

    Attributes:
        path: The file.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def advice(self) -> str:
        """What to do where it cannot be used."""
        return "mend it, or move it away to start a new one"


@dataclass(frozen=True)
class PostgresDatabase:
    """A history on a server.

    Attributes:
        url: As the user gave it; it may hold a password and is never printed.
        shown: The same with neither user, password nor options.
    """

    url: str = field(repr=False)
    shown: str

    def __str__(self) -> str:
        return self.shown

    @property
    def advice(self) -> str:
        """What to do where it cannot be used."""
        return f"check the server and {VARIABLE}"


Place = SqliteFile | PostgresDatabase


def place() -> Place:
    """Where the history is: ``EDGEPRUNE_HISTORY``, or a file in the user's data folder.

    Raises:
        ConfigError: ``EDGEPRUNE_HISTORY`` is no PostgreSQL URL.
    """
    url = os.environ.get(VARIABLE, "").strip()
    if not url:
        return SqliteFile(paths.data_folder() / FILE_NAME)
    expected = f"{VARIABLE}: expected a URL such as postgresql://user@host/database"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{expected}, got one that cannot be read") from error
    if (
        parts.scheme not in _SCHEMES or "://" not in url
    ):  # of what is no URL, any part may be the password
        raise ConfigError(f"{expected}, got something else")
    if not parts.path.strip("/"):
        raise ConfigError(f"{expected}, got one that names no database")
    return PostgresDatabase(url, _shown(parts, port))


def _shown(parts: SplitResult, port: int | None) -> str:
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
    where = f"[{host}]" if ":" in host else host
    return f"postgresql://{where}{'' if port is None else f':{port}'}{parts.path}"
