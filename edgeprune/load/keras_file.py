"""Files of Keras 2 and Keras 3: HDF5, and zip with ``config.json``."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgeprune.artifacts import Array, Flavour, Loaded, ModelFile
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import (
    application_layers,
    import_keras,
    library_errors,
    one_line,
    quiet,
)
from edgeprune.load.checks import check_unpacked, check_weights
from edgeprune.load.guard import check_config
from edgeprune.load.sniff import Kind

_CONFIG_LIMIT_BYTES = 64 << 20
_CUSTOM = re.compile(r"(?:Unknown layer|Could not locate class|Unknown object):? '([^']+)'")
_NAMES = {"tf_keras": "Keras 2", "keras": "Keras 3"}


def load(path: Path, kind: Kind, sha256: str, allow_code: bool) -> Loaded:
    """Reads a whole Keras model.

    The Keras that wrote the file loads it; if it cannot, the other one tries, and a note says so.

    Raises:
        CodeRefused: The file carries code and ``allow_code`` is False.
        ModelError: It is damaged, holds no model, or neither Keras can load it.
    """
    config, version = _read_hdf5(path) if kind is Kind.HDF5 else _read_zip(path)
    if not allow_code:
        check_config(config, str(path))
    first: Flavour = "keras" if version.startswith("3") else "tf_keras"
    # Keras 2 does not look into the zip of Keras 3, nor the other way round.
    other: tuple[Flavour, ...] = ("tf_keras" if first == "keras" else "keras",)
    reasons: dict[str, str] = {}
    for flavour in (first, *(other if kind is Kind.HDF5 else ())):
        try:
            model = _load_with(flavour, path, kind, allow_code)
        except library_errors() as error:
            unknown = _CUSTOM.search(str(error))
            if unknown:
                raise ModelError(
                    f"{path}: layer class {unknown[1]!r} is not part of Keras, and its code is "
                    "not in the file: save the model as a Keras 2 SavedModel or as .tflite"
                ) from error
            reasons[_NAMES[flavour]] = one_line(error, 160)
            continue
        check_weights(path, model_weights(model))
        notes = [
            f"{path.name} says it was written by {name}, which cannot load it ({reason}); "
            f"{_NAMES[flavour]} did"
            for name, reason in reasons.items()
        ]
        if kind is Kind.ZIP:
            written = "keras2-keras" if first == "tf_keras" else "keras3-keras"
        else:
            written = "keras2-h5" if first == "tf_keras" else "keras3-h5"
        source = ModelFile(path, sha256, written)
        return Loaded(source, keras=model, flavour=flavour, notes=tuple(notes))
    why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise ModelError(f"{path}: cannot be loaded by {why}")


def model_weights(model: Any) -> Iterator[tuple[str, Array]]:
    """Name and values of every weight of a Keras model."""
    for weight in model.weights:
        yield str(getattr(weight, "path", weight.name)), np.asarray(weight.numpy())


def _load_with(flavour: Flavour, path: Path, kind: Kind, allow_code: bool) -> Any:
    """Loads the file with one Keras, through a link whose ending tells it the format."""
    keras = import_keras(flavour)
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder, quiet():
        link = Path(folder) / ("model.h5" if kind is Kind.HDF5 else "model.keras")
        link.symlink_to(path.resolve())
        with application_layers(flavour):
            return keras.models.load_model(link, compile=False, safe_mode=not allow_code)


def _read_hdf5(path: Path) -> tuple[str, str]:
    """Description and Keras version of an HDF5 file.

    Raises:
        ModelError: Damaged, only weights, or not from Keras.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            check_unpacked(path, sum(_dataset_bytes(path, file)))
            config = file.attrs.get("model_config")
            version = file.attrs.get("keras_version", b"2")
            only_weights = "layer_names" in file.attrs or "layers" in file or "vars" in file
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: damaged HDF5 file: {one_line(error)}") from error
    if config is None:
        what = "only weights" if only_weights else "no Keras model"
        raise ModelError(f"{path}: holds {what}, expected a whole model: save it with model.save()")
    return _text(config), _text(version)


def _dataset_bytes(path: Path, group: Any, depth: int = 0) -> Iterator[int]:
    """Uncompressed size of each dataset.

    Raises:
        ModelError: One lies outside the file.
    """
    import h5py

    if depth > 100:
        raise ModelError(f"{path}: HDF5 groups are nested more than 100 deep")
    for key in group:
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ModelError(f"{path}: {key!r} is a link to elsewhere, expected data in the file")
        item = group[key]
        if isinstance(item, h5py.Group):
            yield from _dataset_bytes(path, item, depth + 1)
        elif item.external or item.is_virtual:
            raise ModelError(f"{path}: {key!r} keeps its data in another file")
        else:
            yield int(item.nbytes)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _read_zip(path: Path) -> tuple[str, str]:
    """Description and Keras version of a ``.keras`` file.

    Raises:
        ModelError: Damaged, or not from Keras.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {item.filename: item for item in archive.infolist()}
            check_unpacked(path, sum(item.file_size for item in members.values()))
            for name in members:
                if name.startswith("/") or ".." in Path(name).parts:
                    raise ModelError(f"{path}: member {name!r} would be unpacked elsewhere")
            missing = [n for n in ("config.json", "metadata.json") if n not in members]
            if missing:
                raise ModelError(f"{path}: a zip file without {missing[0]}: no Keras model")
            config, metadata = (
                _member(path, archive, members[n]) for n in ("config.json", "metadata.json")
            )
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{path}: damaged .keras file: {one_line(error)}") from error
    if damaged:
        raise ModelError(f"{path}: damaged .keras file: bad checksum of {damaged}")
    try:
        version = str(json.loads(metadata)["keras_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: metadata.json names no keras_version") from error
    return config, version


def _member(path: Path, archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> str:
    if item.file_size > _CONFIG_LIMIT_BYTES:
        raise ModelError(f"{path}: {item.filename} is larger than {_CONFIG_LIMIT_BYTES:,} bytes")
    return archive.read(item).decode("utf-8", "replace")
