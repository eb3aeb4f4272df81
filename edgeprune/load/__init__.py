"""Stage ``load``: a user's file becomes a model in memory, and no code in it runs.

What a file is, is told from what is inside it, never from its name.
"""

from __future__ import annotations

from pathlib import Path

from edgeprune.artifacts.model import Loaded
from edgeprune.errors import ModelError
from edgeprune.load import keras_file, saved_model, tflite_file
from edgeprune.load.digest import digest_of
from edgeprune.load.saved_folder import check_folder
from edgeprune.load.sniff import Kind, sniff
from edgeprune.load.storage import stored_as
from edgeprune.models.keras.flavours import import_keras

__all__ = ["import_keras", "load", "stored_as"]


def load(path: Path, allow_code: bool = False) -> Loaded:
    """Reads a trained model.

    Args:
        path: ``.h5`` of Keras 2 or 3, ``.keras``, ``.tflite``, ``.epz``, or the folder of a
            SavedModel.
        allow_code: Also load a file that carries code, as Lambda layers do, and let it run.

    Returns:
        Keras models as such; a SavedModel without Keras layers converted to float TFLite.

    Raises:
        CodeRefused: The file carries code and ``allow_code`` is False.
        ModelError: The file is missing, damaged, no model, has no weights, or has weights that
            are not finite.
    """
    kind = sniff(path)
    try:
        if kind is Kind.SAVED_MODEL:
            check_folder(path)
        digest = digest_of(path)
        if kind in (Kind.TFLITE, Kind.EPZ):
            return tflite_file.load(path, digest)
        if kind is Kind.SAVED_MODEL:
            return saved_model.load(path, digest, allow_code)
        return keras_file.load(path, kind, digest, allow_code)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise ModelError(f"{path}: does not fit into this machine's memory") from error
