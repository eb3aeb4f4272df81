"""Where the lease of a device lies: on the device, but for those that live on this machine."""

from __future__ import annotations

import hashlib
import os

from edgeprune.devices.transports.base import CommandTransport
from edgeprune.errors import ConfigError
from edgeprune.files import paths

FOLDER_VARIABLE = "EDGEPRUNE_LOCK_FOLDER"
"""Environment variable: where lock and lease of this machine lie, in place of /tmp."""


def lease_folder(transport: CommandTransport) -> str:
    """The folder for the agent's ``lease``; empty for the device's own place.

    Emulated boards share this machine's files and not its lease: each has a folder of its own.

    Raises:
        ConfigError: It cannot be made.
    """
    if not transport.shares_files:
        return ""
    if not transport.emulated:
        return os.environ.get(FOLDER_VARIABLE, "")
    name = hashlib.sha256(transport.where.encode()).hexdigest()[:16]
    folder = paths.data_folder() / "leases" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made: {error.strerror or error}") from error
    return str(folder.absolute())
