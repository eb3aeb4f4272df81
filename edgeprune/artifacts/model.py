"""The model as the user handed it in, and as it goes through the stages that train it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Flavour = Literal["keras", "tf_keras"]

Storage = Literal["float32", "float16", "sparse", "integers"]
"""How a file stores its weights."""


@dataclass(frozen=True)
class ModelFile:
    """The file that the user handed in.

    Attributes:
        path: File, or folder for a SavedModel.
        sha256: Hex digest of the file, or of all files of the folder in sorted order.
        format: ``keras2-h5``, ``keras2-keras``, ``keras3-h5``, ``keras3-keras``, ``saved-model`` or
            ``tflite``.
    """

    path: Path
    sha256: str
    format: str


@dataclass(frozen=True)
class Compiled:
    """What a Keras model was compiled with, as far as edgeprune knows the words.

    Attributes:
        losses: Names of losses by head; the key is empty for one that is for all heads.
        metrics: Names of metrics likewise.
    """

    losses: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """A model in memory: either a Keras model or the bytes of a ``.tflite`` file.

    Attributes:
        source: Where it came from.
        keras: The Keras model (``keras.Model`` or ``tf_keras.Model``), or None.
        flavour: Which Keras ``keras`` belongs to, or None.
        tflite: The file's bytes, or None.
        with_own: The file as it came, where layers of ``tflite`` stand in it as operators that
            edgeprune's own kernels run; else None.
        notes: What the user should know about the loading, one line each.
        input_shape: What fills open dimensions of a Keras model's inputs, without the batch; None
            where the user gave nothing.
        compiled: Losses and metrics that a Keras model was compiled with.
        stored: How the file stores its weights, as far as it is a ``.tflite`` file.
        made: What tells a model that stages made of it from all others, as
            :func:`edgeprune.training.store.identity_after` gives it; empty for the model as it
            came.
    """

    source: ModelFile
    keras: Any = None
    flavour: Flavour | None = None
    tflite: bytes | None = None
    with_own: bytes | None = None
    notes: tuple[str, ...] = ()
    input_shape: tuple[int, ...] | None = None
    compiled: Compiled = field(default_factory=Compiled)
    stored: Storage = "float32"
    made: str = ""

    @property
    def identity(self) -> str:
        """What tells this model from all others; empty where it comes from no file."""
        return self.source.sha256 and (self.made or self.source.sha256)

    @property
    def record(self) -> LoadRecord:
        """Where it came from, without the model."""
        return LoadRecord(self.source, self.notes)


@dataclass(frozen=True)
class LoadRecord:
    """What the stage ``load`` found, without the model.

    Attributes:
        source: Where the model came from.
        notes: What the user should know about the loading, one line each.
    """

    source: ModelFile
    notes: tuple[str, ...] = ()
