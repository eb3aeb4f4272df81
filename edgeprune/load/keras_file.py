"""Files of Keras 2 and Keras 3: HDF5, and zip with ``config.json``.

No framework sees the user's file. Its description and weights are read and checked, and a file of
our own is written from them, which holds nothing else; that one is loaded.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.model import (
    Compiled,
    Flavour,
    Loaded,
    ModelFile,
)
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.load import keras_zip
from edgeprune.load.checks import check_weights
from edgeprune.load.compiled import compiled_with
from edgeprune.load.hdf5_file import check_hdf5, import_h5py
from edgeprune.load.keras_description import (
    application_classes,
    check_description,
    without_training,
)
from edgeprune.load.keras_dtype import in_float32
from edgeprune.load.keras_graph import check_layer_graph
from edgeprune.load.keras_json import read_description
from edgeprune.load.keras_size import check_activations, check_sizes
from edgeprune.load.keras_watch import bounded_building
from edgeprune.load.sniff import Kind
from edgeprune.models.keras.flavours import application_layers, import_keras, library_errors
from edgeprune.text.untrusted import reason_of

_CUSTOM = re.compile(r"(?:Unknown layer|Could not locate class|Unknown object):? '([^']+)'")
_NAMES = {"tf_keras": "Keras 2", "keras": "Keras 3"}
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class _Copy:
    """What was read from a file, and what was written for the frameworks.

    Attributes:
        file: The file of our own.
        description: The model's description, as dictionaries and lists.
        compiled: Losses and metrics that it was compiled with.
        version: The Keras that wrote the file, as ``3.15.1``.
        stored: Number of weights in it.
        allow_code: Whether the description may hold code, and was not checked.
        floats: Types other than float32 in which the user's model computes.
    """

    file: Path
    description: Any
    compiled: Compiled
    version: str
    stored: int
    allow_code: bool
    floats: frozenset[str] = frozenset()


def load(path: Path, kind: Kind, sha256: str, allow_code: bool) -> Loaded:
    """Reads a whole Keras model.

    The Keras that wrote the file loads it; if it cannot, the other one tries, and a note says so.

    Raises:
        CodeRefused: The file carries code and ``allow_code`` is False.
        ModelError: It is damaged, holds no model, or neither Keras can load it.
    """
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        copy = (_copy_hdf5 if kind is Kind.HDF5 else _copy_zip)(path, Path(folder), allow_code)
        return _load_copy(path, kind, copy, sha256)


def _load_copy(path: Path, kind: Kind, copy: _Copy, sha256: str) -> Loaded:
    """Lets the Kerases try.

    Raises:
        ModelError: Neither can load it.
    """
    first: Flavour = "keras" if copy.version.startswith("3") else "tf_keras"
    # Keras 2 does not look into the zip of Keras 3, nor the other way round.
    other: tuple[Flavour, ...] = ("tf_keras" if first == "keras" else "keras",)
    reasons: dict[str, str] = {}
    for flavour in (first, *(other if kind is Kind.HDF5 else ())):
        try:
            model = _load_with(flavour, path, copy)
        except library_errors() as error:
            unknown = _CUSTOM.search(str(error))
            if unknown and not reasons:
                raise ModelError(
                    f"{path}: layer class {unknown[1]!r} is not part of Keras, and its code is "
                    "not in the file: save the model as a Keras 2 SavedModel or as .tflite"
                ) from error
            reasons[_NAMES[flavour]] = reason_of(error, 160)
            continue
        check_weights(path, model_weights(model))
        notes = [
            f"{path.name} says it was written by {name}, which cannot load it ({reason}); "
            f"{_NAMES[flavour]} did"
            for name, reason in reasons.items()
        ]
        if copy.floats:
            names = ", ".join(sorted(copy.floats))
            notes.append(
                f"{path.name} computes in {names}: it is taken as float32, as TFLite needs"
            )
        if kind is Kind.ZIP:
            written = "keras2-keras" if first == "tf_keras" else "keras3-keras"
        else:
            written = "keras2-h5" if first == "tf_keras" else "keras3-h5"
        source = ModelFile(path, sha256, written)
        return Loaded(
            source,
            keras=model,
            flavour=flavour,
            notes=tuple(notes),
            compiled=copy.compiled,
        )
    why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise ModelError(f"{path}: cannot be loaded by {why}")


def model_weights(model: Any) -> Iterator[tuple[str, Array]]:
    """Name and values of every weight of a Keras model."""
    for weight in model.weights:
        if hasattr(weight, "numpy"):  # a vocabulary of Keras 2 has no values of its own
            yield str(getattr(weight, "path", "") or weight.name), np.asarray(weight.numpy())


def _load_with(flavour: Flavour, path: Path, copy: _Copy) -> Any:
    """Loads the copy with one Keras, which makes no more weights than the file holds.

    Raises:
        ModelError: It asks for more, or for activations that fit nowhere.
    """
    keras = import_keras(flavour)
    names = None if copy.allow_code else application_classes(copy.description)
    bounded = bounded_building(flavour, copy.stored, str(path))
    with quiet(), application_layers(flavour, names), bounded:
        model = keras.models.load_model(copy.file, compile=False, safe_mode=not copy.allow_code)
    check_activations(model, str(path))
    return model


def _compiled(text: str | bytes, path: Path, key: str = "") -> Compiled:
    """What a description says that the model was compiled with; nothing where it is damaged."""
    try:
        tree = read_description(text, str(path))
    except ModelError:
        return Compiled()
    return compiled_with(tree.get(key) if key and isinstance(tree, dict) else tree)


def _checked(text: str | bytes, stored: int, path: Path, allow_code: bool) -> Any:
    """A description without what compiling needs.

    Raises:
        CodeRefused: It holds or names code, and may not.
        ModelError: It cannot be read, or asks for what no honest file asks for.
    """
    tree = without_training(read_description(text, str(path)))
    if not allow_code:
        check_description(tree, str(path))
        check_layer_graph(tree, str(path))
        check_sizes(tree, stored, str(path))
    return tree


def _copy_hdf5(path: Path, folder: Path, allow_code: bool) -> _Copy:
    """The model of an HDF5 file, without its optimizer.

    Raises:
        CodeRefused: Its description holds or names code.
        ModelError: Damaged, only weights, or not from Keras.
    """
    h5py = import_h5py()
    target = folder / "model.h5"
    try:
        with h5py.File(path, "r") as file:
            stored = check_hdf5(file, path)
            config = file.attrs.get("model_config")
            version = _text(file.attrs.get("keras_version", b"2"))
            if config is None:
                only_weights = "layer_names" in file.attrs or "layers" in file or "vars" in file
                what = "only weights" if only_weights else "no Keras model"
                raise ModelError(
                    f"{path}: holds {what}, expected a whole model: save it with model.save()"
                )
            tree, floats = in_float32(_checked(_text(config), stored, path, allow_code))
            compiled = _compiled(_text(file.attrs.get("training_config", b"{}")), path)
            with h5py.File(target, "w") as clean:
                clean.attrs["model_config"] = json.dumps(tree).encode()
                clean.attrs["keras_version"] = version.encode()
                clean.attrs["backend"] = b"tensorflow"
                if "model_weights" in file:
                    file.copy("model_weights", clean)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: damaged HDF5 file: {reason_of(error)}") from error
    return _Copy(target, tree, compiled, version, stored, allow_code, floats)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _copy_zip(path: Path, folder: Path, allow_code: bool) -> _Copy:
    """The model of a ``.keras`` file.

    Raises:
        CodeRefused: Its description holds or names code.
        ModelError: Damaged, or not from Keras.
    """
    target, weights = folder / "model.keras", folder / "weights.h5"
    with keras_zip.opened(path) as archive:
        config = keras_zip.read_text(archive, keras_zip.CONFIG)
        metadata = keras_zip.read_text(archive, keras_zip.METADATA)
        version = _keras_version(metadata, path)
        if keras_zip.WEIGHTS not in archive.namelist():
            raise ModelError(f"{path}: a .keras file without {keras_zip.WEIGHTS}: no weights in it")
        keras_zip.extract(archive, keras_zip.WEIGHTS, weights)
        stored = _check_inner(weights, path)
        tree, floats = in_float32(_checked(config, stored, path, allow_code))
        texts = {
            keras_zip.METADATA: json.dumps({"keras_version": version, "date_saved": ""}),
            keras_zip.CONFIG: json.dumps(tree),
        }
        keras_zip.write_clean(target, texts, weights, archive)
    weights.unlink()
    compiled = _compiled(config, path, "compile_config")
    return _Copy(target, tree, compiled, version, stored, allow_code, floats)


def _check_inner(weights: Path, path: Path) -> int:
    """Checks the HDF5 file with the weights that lay in a ``.keras`` file.

    Returns:
        The number of weights.

    Raises:
        ModelError: It is damaged, or keeps data elsewhere.
    """
    with weights.open("rb") as stream:
        if stream.read(len(_HDF5_MAGIC)) != _HDF5_MAGIC:
            raise ModelError(f"{path}: {keras_zip.WEIGHTS} in it is no HDF5 file")
    try:
        with import_h5py().File(weights, "r") as file:
            return check_hdf5(file, weights, path)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = reason_of(error).replace(str(weights), keras_zip.WEIGHTS)
        raise ModelError(f"{path}: damaged {keras_zip.WEIGHTS}: {reason}") from error


def _keras_version(metadata: bytes, path: Path) -> str:
    """The Keras that wrote a ``.keras`` file.

    Raises:
        ModelError: It does not say so.
    """
    try:
        return str(json.loads(metadata)["keras_version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: metadata.json names no keras_version") from error
