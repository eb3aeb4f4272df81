"""SavedModels: those of Keras 2 as Keras models, others as functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeprune.artifacts import Loaded, ModelFile
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import (
    import_keras,
    import_tensorflow,
    library_errors,
    one_line,
    quiet,
)
from edgeprune.load.checks import check_weights
from edgeprune.load.guard import check_config, check_operators
from edgeprune.load.keras_file import model_weights
from edgeprune.tf_function import to_tflite

_SIGNATURE = "serving_default"


def load(path: Path, sha256: str, allow_code: bool) -> Loaded:
    """Reads the folder of a SavedModel.

    Returns:
        The Keras model where Keras 2 wrote its layers beside the graph, else float TFLite made
        from the signature ``serving_default``, which later stages can prune as such.

    Raises:
        CodeRefused: The graph calls Python or touches files, or a layer carries code.
        ModelError: The folder is damaged, or nothing in it can be called.
    """
    graph_file = _parse(path)
    descriptions = list(_keras_metadata(path, graph_file))
    if not allow_code:
        check_operators(_operators(graph_file), str(path))
        for text in descriptions:
            check_config(text, str(path))
    source = ModelFile(path, sha256, "saved-model")
    reason = ""
    if descriptions:
        try:
            model = _load_keras(path)
        except library_errors() as error:
            reason = f" ({one_line(error)})"
        else:
            check_weights(path, model_weights(model))
            return Loaded(source, keras=model, flavour="tf_keras")
    tflite = _load_function(path)
    note = f"{path.name} holds no Keras layers that can be loaded{reason}: its function was"
    return Loaded(source, tflite=tflite, notes=(f"{note} converted as it is",))


def _parse(path: Path) -> Any:
    """The graph of ``saved_model.pb``.

    Raises:
        ModelError: It is damaged.
    """
    import_tensorflow()
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    parsed = saved_model_pb2.SavedModel()
    try:
        parsed.ParseFromString((path / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise ModelError(f"{path}: damaged saved_model.pb: {one_line(error)}") from error
    if not parsed.meta_graphs:
        raise ModelError(f"{path}: saved_model.pb holds no graph")
    return parsed


def _operators(parsed: Any) -> Iterator[str]:
    """Names of all operators, those in functions included."""
    for meta in parsed.meta_graphs:
        yield from (node.op for node in meta.graph_def.node)
        for function in meta.graph_def.library.function:
            yield from (node.op for node in function.node_def)


def _keras_metadata(path: Path, parsed: Any) -> Iterator[str]:
    """JSON descriptions of Keras objects: in their own file, or before TF 2.5 in the graph.

    Raises:
        ModelError: The file is damaged.
    """
    file = path / "keras_metadata.pb"
    if not file.is_file():
        for meta in parsed.meta_graphs:
            for node in meta.object_graph_def.nodes:
                if node.user_object.identifier.startswith("_tf_keras_"):
                    yield from filter(None, [node.user_object.metadata])
        return
    import_keras("tf_keras")
    from google.protobuf.message import DecodeError
    from tf_keras.protobuf import saved_metadata_pb2

    metadata = saved_metadata_pb2.SavedMetadata()
    try:
        metadata.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise ModelError(f"{path}: damaged keras_metadata.pb: {one_line(error)}") from error
    yield from (node.metadata for node in metadata.nodes if node.metadata)


def _load_keras(path: Path) -> Any:
    keras = import_keras("tf_keras")
    with quiet():
        model = keras.models.load_model(path, compile=False)
    if not isinstance(model, keras.Model):
        raise ValueError(f"its root is a {type(model).__name__}, no Keras model")
    return model


def _load_function(path: Path) -> bytes:
    """The serving function as TFLite.

    Raises:
        ModelError: There is none, or it cannot be converted.
    """
    tf = import_tensorflow()
    try:
        with quiet():
            loaded = tf.saved_model.load(path)
        signatures = dict(loaded.signatures)
    except library_errors() as error:
        raise ModelError(f"{path}: damaged SavedModel: {one_line(error)}") from error
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
