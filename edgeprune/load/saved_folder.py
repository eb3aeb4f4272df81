"""The folder of a SavedModel: plain files in it, and a copy that holds no more than is needed."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from edgeprune.errors import ModelError
from edgeprune.files.paths import real_path

GRAPH = "saved_model.pb"
KERAS = "keras_metadata.pb"

MAX_FILES = 10_000
MAX_GRAPH_BYTES = (1 << 31) - 1
"""What a protocol buffer can hold."""

_VARIABLES = re.compile(r"variables\.(index|data-\d{5}-of-\d{5})")


def check_folder(path: Path) -> None:
    """Refuses a folder with links, devices or pipes in it.

    Args:
        path: The folder, which may itself be named by a link.

    Raises:
        ModelError: It holds something other than files and folders, or very many.
    """
    for count, item in enumerate(real_path(path).rglob("*")):
        mode = item.lstat().st_mode
        shown = repr(str(item.relative_to(real_path(path)))[:80])
        if stat.S_ISLNK(mode):
            raise ModelError(
                f"{path}: {shown} is a link, and might lead out of the folder: copy it with cp -rL"
            )
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise ModelError(f"{path}: {shown} is neither a file nor a folder")
        if count >= MAX_FILES:
            raise ModelError(f"{path}: holds more than {MAX_FILES:,} files")
    if (path / GRAPH).stat().st_size > MAX_GRAPH_BYTES:
        raise ModelError(f"{path}: {GRAPH} is larger than 2 GB")


def stored_bytes(path: Path) -> int:
    """Bytes of all variables of a SavedModel."""
    return sum(item.stat().st_size for item in _variable_files(path))


def write_copy(path: Path, target: Path, graph: bytes, metadata: bytes | None) -> None:
    """Writes a SavedModel of our own from parts that were checked.

    Args:
        path: The user's folder, whose variables the copy links to.
        target: The folder to make.
        graph: Content of ``saved_model.pb``.
        metadata: Content of ``keras_metadata.pb``, if there is one.
    """
    (target / "variables").mkdir(parents=True)
    (target / GRAPH).write_bytes(graph)
    if metadata is not None:
        (target / KERAS).write_bytes(metadata)
    for item in _variable_files(path):
        (target / "variables" / item.name).symlink_to(item)


def _variable_files(path: Path) -> list[Path]:
    folder = real_path(path) / "variables"
    items = folder.iterdir() if folder.is_dir() else ()
    return sorted(item for item in items if _VARIABLES.fullmatch(item.name) and item.is_file())
