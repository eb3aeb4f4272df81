"""The devices of this host, as the farm knows them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgeprune.devices.bench import load_bench
from edgeprune.devices.boards import board_names
from edgeprune.errors import ConfigError
from edgeprune.farm.dask.messages import device_name
from edgeprune.farm.inventory import FarmDevice, inventory
from edgeprune.files import paths
from edgeprune.text.untrusted import one_line


def devices_of(bench: Path | None, host: str) -> tuple[dict[str, FarmDevice], list[str]]:
    """All devices that this host has, is or emulates.

    Args:
        bench: Bench file, or None for the user's own.
        host: What this host is called.

    Returns:
        The devices by their names with the farm; and a line for each board that is wrong.

    Raises:
        ConfigError: The bench file is wrong.
    """
    desk = load_bench(bench)
    devices, wrong = {}, []
    for board in board_names():
        try:
            found = inventory(desk, [board])
        except ConfigError as error:
            wrong.append(one_line(error))
            continue
        for one in found.values():
            name = device_name(one.plain, host)
            devices[name] = dataclasses.replace(one, name=name)
    return devices, wrong


def files_folder() -> Path:
    """Where files from the farm are kept on a host."""
    return paths.cache_folder() / "farm" / "files"
