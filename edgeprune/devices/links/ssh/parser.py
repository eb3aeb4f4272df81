"""OpenSSH's files as paramiko reads them, for machines without OpenSSH's client."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeprune.errors import ConfigError, from_extra
from edgeprune.files.read_file import read_text

with from_extra("ssh", "ssh"):
    import paramiko

_EXEC = re.compile(r"^\s*match\b.*\bexec\b", re.IGNORECASE | re.MULTILINE)


def hosts_in(file: Path) -> set[str]:
    """Hosts that OpenSSH's configuration names.

    Raises:
        ConfigError: The file cannot be read as one.
    """
    try:
        return set(paramiko.SSHConfig.from_path(str(file)).get_hostnames()) - {"*"}
    except (paramiko.ConfigParseError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error


def read_options(host: str, files: Sequence[Path]) -> dict[str, list[str]]:
    """Each key that the files say of a host, with its values; the first file goes first.

    Raises:
        ConfigError: A file cannot be read as configuration.
    """
    config = paramiko.SSHConfig()
    for path in files:
        try:
            text = read_text(path) if path.exists() else ""
            if _EXEC.search(text):  # paramiko would hand it our own standard input
                raise ConfigError("`Match exec` needs OpenSSH's client: install openssh-client")
            config.parse(io.StringIO(text))
        except (ConfigError, OSError, ValueError, paramiko.ConfigParseError) as error:
            raise ConfigError(f"{path}: cannot be read as ssh configuration: {error}") from error
    try:
        options: Mapping[str, Any] = config.lookup(host)
    except (paramiko.SSHException, KeyError, ValueError) as error:
        raise ConfigError(f"ssh configuration of {host}: {error}") from error
    return {
        key: value if isinstance(value, list) else [value]
        for key, value in options.items()
        if value is not None
    }
