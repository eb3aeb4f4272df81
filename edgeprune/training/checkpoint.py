"""A file with arrays and facts of a training: whole at every moment, and None where damaged."""

from __future__ import annotations

import json
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.files.decoder_errors import DECODER_ERRORS
from edgeprune.files.whole_file import write_whole

Lists = Mapping[str, list[Array]]

_DAMAGED = (
    *DECODER_ERRORS,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy, zipfile and json raise for files that are damaged."""


@dataclass(frozen=True)
class Checkpoint:
    """One training's file.

    Attributes:
        path: In the user's data folder.
        is_packed: Takes less space and longer to write: for a file that is written once.
    """

    path: Path
    is_packed: bool = False

    def save(self, lists: Lists, facts: Mapping[str, Any]) -> None:
        """Writes the file anew; at every moment there is a whole one, the old or the new.

        Args:
            lists: Arrays.
            facts: What JSON can hold.

        Raises:
            OSError: Its folder cannot be made.
            ConfigError: It cannot be written.
        """
        arrays = {f"{name}:{k}": a for name, part in lists.items() for k, a in enumerate(part)}
        about = {"facts": dict(facts), "sizes": {name: len(part) for name, part in lists.items()}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        arrays["about"] = np.array(json.dumps(about))
        save: Any = np.savez_compressed if self.is_packed else np.savez
        write_whole(self.path, lambda file: save(file, allow_pickle=False, **arrays), replace=True)

    def load(self) -> tuple[dict[str, list[Array]], dict[str, Any]] | None:
        """What :meth:`save` was given last; None where there is no file, or a damaged one."""
        try:
            # Opened here, because numpy leaves a damaged file open.
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                lists = {
                    name: [file[f"{name}:{k}"] for k in range(count)]
                    for name, count in about["sizes"].items()
                }
        except _DAMAGED:
            return None
        return lists, about["facts"]
