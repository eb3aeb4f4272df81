"""SavedModels: those of Keras 2 as Keras models, others as functions."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.load.checks import check_weights
from edgeprune.load.keras_dtype import in_float32
from edgeprune.load.keras_file import model_weights
from edgeprune.load.keras_watch import bounded_building
from edgeprune.load.saved_folder import GRAPH, KERAS, stored_bytes, write_copy
from edgeprune.load.saved_graph import check_graph
from edgeprune.load.saved_keras import checked_metadata
from edgeprune.models.keras import messages
from edgeprune.models.keras.flavours import (
    import_keras,
    import_tensorflow,
    library_errors,
    set_weights,
)
from edgeprune.models.keras.tf_function import to_tflite
from edgeprune.text.untrusted import reason_of

_SIGNATURE = "serving_default"


def load(path: Path, sha256: str, allow_code: bool) -> Loaded:
    """Reads the folder of a SavedModel.

    TensorFlow sees a copy of the folder, written from what was checked; the user's own only where
    its code may run.

    Returns:
        The Keras model where Keras 2 wrote its layers beside the graph, else float TFLite made
        from the signature ``serving_default``, which later stages can prune as such.

    Raises:
        CodeRefused: The graph holds operators that are not on the list, or a layer carries code.
        ModelError: The folder is damaged, or nothing in it can be called.
    """
    parsed = _parse(path)
    source = ModelFile(path, sha256, "saved-model")
    if allow_code:
        return _loaded(path, source, bool(_keras_objects(path, parsed)[0]))
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        target = Path(folder) / "model"
        has_layers = _copy(path, parsed, target)
        return _loaded(target, source, has_layers)


def _copy(path: Path, parsed: Any, target: Path) -> bool:
    """Checks everything, and writes the copy.

    Returns:
        Whether Keras 2 wrote its layers into it.

    Raises:
        CodeRefused: As ``load``.
        ModelError: As ``load``.
    """
    stored = stored_bytes(path)
    check_graph(parsed, str(path))
    objects, metadata = _keras_objects(path, parsed)
    for item in objects:
        item.metadata = checked_metadata(item.metadata, item.identifier, stored, str(path))
    content = None if metadata is None else metadata.SerializeToString()
    write_copy(path, target, parsed.SerializeToString(), content)
    return bool(objects)


def _loaded(folder: Path, source: ModelFile, has_layers: bool) -> Loaded:
    """The model in a folder, as Keras layers if they can be made.

    Raises:
        ModelError: It cannot be loaded, or has no weights.
    """
    path, reason = source.path, ""
    with bounded_building("tf_keras", stored_bytes(path), str(path)):
        if has_layers:
            try:
                model = _load_keras(folder)
            except library_errors() as error:
                reason = f" ({reason_of(error).replace(str(folder), str(path))})"
            else:
                check_weights(path, model_weights(model))
                return Loaded(source, keras=model, flavour="tf_keras")
        tflite = _load_function(folder, path)
    note = f"{path.name} holds no Keras layers that can be loaded{reason}: its function was"
    return Loaded(source, tflite=tflite, notes=(f"{note} converted as it is",))


def _parse(path: Path) -> Any:
    """The graph of ``saved_model.pb``.

    Raises:
        ModelError: It is damaged.
    """
    parsed = messages.saved_model()
    from google.protobuf.message import DecodeError

    try:
        parsed.ParseFromString((path / GRAPH).read_bytes())
    except DecodeError as error:
        raise ModelError(f"{path}: damaged {GRAPH}: {reason_of(error)}") from error
    if not parsed.meta_graphs:
        raise ModelError(f"{path}: {GRAPH} holds no graph")
    return parsed


def _keras_objects(path: Path, parsed: Any) -> tuple[list[Any], Any]:
    """What Keras 2 wrote about its objects, and the file that holds it.

    Before TensorFlow 2.5 it stood in the graph itself; then there is no such file.

    Returns:
        Messages with ``identifier`` and ``metadata``, and the message around them or None.

    Raises:
        ModelError: The file is damaged.
    """
    file = path / KERAS
    if not file.is_file():
        objects = [
            node.user_object
            for meta in parsed.meta_graphs
            for node in meta.object_graph_def.nodes
            if node.user_object.identifier.startswith("_tf_keras_") and node.user_object.metadata
        ]
        return objects, None
    metadata = messages.saved_metadata()
    from google.protobuf.message import DecodeError

    try:
        metadata.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise ModelError(f"{path}: damaged {KERAS}: {reason_of(error)}") from error
    return [node for node in metadata.nodes if node.metadata], metadata


def _load_keras(path: Path) -> Any:
    keras = import_keras("tf_keras")
    with quiet():
        model = keras.models.load_model(path, compile=False)
    if not isinstance(model, keras.Model):
        raise ValueError(f"its root is a {type(model).__name__}, no Keras model")
    return _in_float32(model)


def _in_float32(model: Any) -> Any:
    """The same layers in float32; the model itself where it cannot say what it is made of."""
    try:
        with quiet():
            config, floats = in_float32(model.get_config())
            if not floats:
                return model
            single = type(model).from_config(config)
            set_weights(single, model.get_weights())
    except library_errors():  # a subclass of the user's
        return model
    return single


def _load_function(folder: Path, path: Path) -> bytes:
    """The serving function of the SavedModel in ``folder`` as TFLite; messages name ``path``.

    Raises:
        ModelError: There is none, or it cannot be converted.
    """
    tf = import_tensorflow()
    try:
        with quiet():
            loaded = tf.saved_model.load(folder)
        signatures = dict(loaded.signatures)
    except library_errors() as error:
        reason = reason_of(error).replace(str(folder), str(path))
        raise ModelError(f"{path}: damaged SavedModel: {reason}") from error
    function = signatures.get(_SIGNATURE)
    if function is None:
        there = ", ".join(signatures) or "none"
        raise ModelError(f"{path}: has no signature {_SIGNATURE!r}; there are: {there}")
    check_weights(path, ((v.name, v.numpy()) for v in function.graph.variables))
    names = list(function.structured_input_signature[1])
    specs = []
    for name in names:
        spec = function.structured_input_signature[1][name]
        sizes = spec.shape.as_list() if spec.shape.rank is not None else [None, None]
        if None in sizes[1:]:
            raise ModelError(
                f"{path}: input {name!r} has the open shape {spec.shape}: save it with a fixed one"
            )
        specs.append(tf.TensorSpec([1, *sizes[1:]] if sizes else [], spec.dtype, name=name))
    try:
        return to_tflite(
            lambda *inputs: function(**dict(zip(names, inputs, strict=True))),
            specs,
            list(function.structured_outputs),
        )
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
