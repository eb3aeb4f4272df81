"""What is kept of a training on disk, so that it can go on after it was killed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import shutil
import time
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.model import Loaded
from edgeprune.files import paths
from edgeprune.files.decoder_errors import DECODER_ERRORS
from edgeprune.files.whole_file import write_whole
from edgeprune.progress import kept

Lists = Mapping[str, list[Array]]

ABANDONED_S = 30 * 24 * 3600
"""Age at which a training that nobody took up again loses its checkpoints. Source: ours."""


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
    """

    path: Path

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
        write_whole(
            self.path, lambda file: np.savez(file, allow_pickle=False, **arrays), replace=True
        )

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


def folder_for(
    model: Loaded,
    options: Mapping[str, Any],
    max_accuracy_drop: float | None,
    data: TrainingData,
) -> Path | None:
    """The folder of one training's checkpoints; None for a model that comes from no file.

    The same model file, options, data and libraries lead to the same folder.

    Args:
        model: As it comes from its file.
        options: All that the training depends on, as JSON can hold it.
        max_accuracy_drop: What the training may cost, or None.
        data: What it is trained with.
    """
    if not model.source.sha256:
        return None
    digest = hashlib.sha256()
    about = {
        "model": model.source.sha256,
        "options": dict(options),
        "max_accuracy_drop": max_accuracy_drop,
        "task": dataclasses.asdict(data.task),
        "augment": data.augment,
        "held_out": data.held_out,
        "fresh": data.fresh is not None,
        "versions": [
            importlib.metadata.version(name)
            for name in ("tensorflow", str(model.flavour).replace("_", "-"), "edgeprune")
            if _is_installed(name)
        ],
    }
    digest.update(json.dumps(about, sort_keys=True).encode())
    for array in (data.x, data.y):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return checkpoint_folder() / digest.hexdigest()[:32]


def checkpoint_folder() -> Path:
    """Where all trainings keep theirs."""
    return paths.data_folder() / "training"


def remove(folder: Path | None) -> None:
    """Removes the checkpoints of a training that is done, and those that were abandoned."""
    if folder is None:
        return
    shutil.rmtree(folder, ignore_errors=True)
    kept("")
    for other in folder.parent.glob("*"):
        if other.is_dir() and time.time() - _last_saved_s(other) > ABANDONED_S:
            shutil.rmtree(other, ignore_errors=True)


def _last_saved_s(folder: Path) -> float:
    """When something in a folder was written last, as the clock tells time."""
    times_s = []
    for file in (folder, *folder.glob("*")):
        with contextlib.suppress(FileNotFoundError):  # of a training that runs beside this one
            times_s.append(file.stat().st_mtime)
    return max(times_s, default=time.time())


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
