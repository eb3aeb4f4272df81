"""Adding a device to ``bench.toml``, whose other lines stay as a person wrote them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from edgeprune.devices.bench import load_bench, transport_of
from edgeprune.devices.boards import load_board
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.files.read_file import read_text
from edgeprune.files.whole_file import Reserved

_WAIT_S = 10.0
_NAME = re.compile(r"[\w.-]{1,64}")


def add_device(name: str, keys: Mapping[str, object], path: Path | None = None) -> Path:
    """Adds a device's table at the end of the bench file.

    Args:
        name: What to call the device.
        keys: Its keys with their values; None is left out.
        path: The bench file; the user's own if None. It is made if it is missing.

    Returns:
        The file.

    Raises:
        ConfigError: The name is taken or none, a key or a value is wrong, or the file cannot be
            written; it is as before then.
    """
    file = path or paths.config_folder() / "bench.toml"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be a device's name: letters, digits and _ . - can")
    table = {key: value for key, value in keys.items() if value is not None}
    load_board(str(table.get("board")))  # which says what boards there are
    transport = transport_of(str(table["board"]))
    if transport is not None and transport.needs_address and "host" in transport.bench_keys:
        if "host" not in table:
            raise ConfigError(f"a {table['board']} needs an address: give --host ADDRESS")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with Reserved(file, replace=True, wait_s=_WAIT_S) as reserved:
            before = read_text(file) if file.exists() else ""
            if name in (load_bench(file).devices if file.exists() else {}):
                raise ConfigError(f"{file}: there is a device called {name!r} already")
            text = before.rstrip("\n") + "\n\n" if before.strip() else ""
            text += tomli_w.dumps({"devices": {name: table}})
            _check(text, file)
            reserved.write(text)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror or error}") from error
    return file


def _check(text: str, file: Path) -> None:
    """Reads the file as it will be.

    Raises:
        ConfigError: It would not be a bench file.
    """
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # `devices` is written in one line, say
        raise ConfigError(
            f"{file}: a table cannot be added at its end ({error}): add it by hand"
        ) from error
    with paths.aside(file.parent) as folder:
        trial = folder / file.name
        trial.write_text(text, encoding="utf-8")
        try:
            load_bench(trial)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(trial), str(file))) from error
