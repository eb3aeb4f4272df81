"""The store of trainings: what one came to is kept by what it was, and never trained again.

A training's identity is a digest of all that it depends on. It names the folder that holds its
checkpoint while it lasts and its result afterwards, and it is the identity of the model that it
makes: a chain of trainings is told apart by all of its links.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.model import Loaded
from edgeprune.errors import ConfigError
from edgeprune.files import kept_folders, paths
from edgeprune.progress import kept
from edgeprune.text.untrusted import reason_of
from edgeprune.training.checkpoint import Checkpoint
from edgeprune.training.schedule import GrowingMasks

UNUSED_S = 30 * 24 * 3600
"""Age at which a training goes that nobody asked for again. Source: ours."""

MAX_BYTES = 4 * 10**9
"""What all trainings may take together; the least recently used go first.

Some 1,000 results of a network of a million weights, or 10 of the largest network that fits into a
phone; what a user's disk has to spare. Source: ours.
"""

_ROOMS = ("channels", "clustering", "data", "models/keras", "pruning", "qat", "tasks", "training")
"""Folders whose code decides what a training comes to: a checkout's version does not tell."""


@dataclass(frozen=True)
class Place:
    """Where one training is kept.

    Attributes:
        folder: In the user's data folder.
    """

    folder: Path

    @property
    def checkpoint(self) -> Checkpoint:
        """The state after an epoch, while the training lasts."""
        return Checkpoint(self.folder / "epochs.npz")

    @property
    def result(self) -> Checkpoint:
        """What it came to: weights, masks and notes."""
        return Checkpoint(self.folder / "trained.npz", is_packed=True)


def store_folder() -> Path:
    """Where all trainings are kept."""
    return paths.data_folder() / "training"


def identity_after(
    model: Loaded,
    done: Mapping[str, Any],
    data: TrainingData | None,
    *,
    max_accuracy_drop: float | None = None,
    beside: Sequence[Loaded] = (),
) -> str:
    """The identity of what a training makes of a model.

    The same model, options, data, code and libraries lead to the same one. Of data that are new in
    every epoch those of the first count: its random seed is as fixed as theirs.

    Args:
        model: What is trained.
        done: What is done to it: all that it depends on, as JSON can hold it.
        data: What it is trained with; None where nothing is trained.
        max_accuracy_drop: What the training may cost, or None.
        beside: Other models that the training asks: a teacher, and what is compared with.

    Returns:
        A hex digest; empty where a model comes from no file, or an option is a function.
    """
    models = [one.identity for one in (model, *beside)]
    about: dict[str, Any] = {
        "models": models,
        "done": dict(done),
        "max_accuracy_drop": max_accuracy_drop,
        "versions": [
            importlib.metadata.version(name)
            for name in ("tensorflow", str(model.flavour).replace("_", "-"), "numpy", "edgeprune")
            if _is_installed(name)
        ],
        "code": _code(),
    }
    if data is not None:
        about |= {
            "task": dataclasses.asdict(data.task),
            "augment": data.augment,
            "held_out": data.held_out,
            "is_watched": data.is_watched,
            "fresh": data.fresh is not None,
        }
    try:
        text = json.dumps(about, sort_keys=True)
    except TypeError:
        return ""
    if not all(models):
        return ""
    digest = hashlib.sha256(text.encode())
    feed(digest, () if data is None else (data.x, data.y))
    return digest.hexdigest()


def feed(digest: hashlib._Hash, arrays: Iterable[Any]) -> None:
    """Has a digest take arrays in, with their types and shapes."""
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)


def place_of(identity: str) -> Place | None:
    """Where the training with this identity is kept; None for an empty one."""
    return Place(store_folder() / identity[:32]) if identity else None


def taken(place: Place, model: Any, masks: GrowingMasks | None) -> tuple[str, ...] | None:
    """Puts what a training came to into a model, and into its masks.

    Args:
        place: The training's.
        model: As it is before that training, of either Keras.
        masks: What the training drives, or None.

    Returns:
        The training's notes; None where it has no result, or a damaged one: nothing has changed
        then.
    """
    found = place.result.load()
    if found is None:
        return None
    lists, facts = found
    variables, values = list(model.variables), lists.get("weights", [])
    if [_form(v.numpy()) for v in variables] != [_form(value) for value in values]:
        return None
    names = [] if masks is None else [weight.name for weight in masks.weights]
    if facts.get("masks") != names or len(lists.get("masks", [])) != len(names):
        return None
    if masks is not None:
        masks.set(dict(zip(names, lists["masks"], strict=True)))
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    with contextlib.suppress(OSError):  # another process may have removed it meanwhile
        os.utime(place.result.path, follow_symlinks=False)
    return tuple(facts["notes"])


def keep(
    place: Place,
    model: Any,
    masks: GrowingMasks | None,
    notes: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Keeps what a training came to, in place of its checkpoint; makes room for it.

    Args:
        place: The training's.
        model: Trained, of either Keras.
        masks: What the training drove, or None.
        notes: The training's.
        say: Told where nothing could be written.
    """
    weights = [] if masks is None else masks.weights
    lists = {
        "weights": [np.asarray(variable.numpy()) for variable in model.variables],
        "masks": [] if masks is None else [masks.masks[one.name] for one in weights],
    }
    facts = {"notes": list(notes), "masks": [one.name for one in weights]}
    try:
        place.result.save(lists, facts)
    except (OSError, ConfigError) as error:
        say(f"what was trained could not be kept: {reason_of(error)}")
        return
    with contextlib.suppress(OSError):
        place.checkpoint.path.unlink()
    kept(f"what is trained is kept in {place.folder.parent}: the same command goes on from there")
    make_room(place.folder.parent)


def make_room(folder: Path, max_bytes: int = MAX_BYTES) -> None:
    """Removes trainings that nobody used for long, and the least recently used beyond a limit.

    Args:
        folder: Holds a folder for each training.
        max_bytes: What they may take together.
    """
    kept_folders.make_room(folder, max_bytes, UNUSED_S)


def summary() -> str:
    """How many trainings are kept, what they take, and where, in words."""
    return kept_folders.summary(store_folder(), MAX_BYTES)


def _form(array: Array) -> tuple[str, tuple[int, ...]]:
    values = np.asarray(array)
    return values.dtype.str, values.shape


@functools.cache
def _code() -> str:
    """A digest of the code that trains."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for room in _ROOMS:
        for file in sorted((package / room).rglob("*.py")):
            digest.update(f"{file.relative_to(package)}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
