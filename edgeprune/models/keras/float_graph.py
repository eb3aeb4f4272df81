"""TensorFlow functions that compute in half, bfloat16 or double, as functions in float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgeprune.models.keras.flavours import import_tensorflow


def in_float32(function: Any) -> Any:
    """The same computation in float32, which differs by no more than the narrower type rounds.

    TFLite has most operators in float32 alone.

    Args:
        function: A ``ConcreteFunction`` without variables.

    Returns:
        It, or a new one with inputs and outputs of the same names in the same order.
    """
    tf = import_tensorflow()
    others = {tf.half.as_datatype_enum, tf.bfloat16.as_datatype_enum, tf.double.as_datatype_enum}
    definition = function.graph.as_graph_def()
    if not any(_types(node) & others for node in _nodes(definition)):
        return function
    for node in _nodes(definition):
        for attribute in node.attr.values():
            _change(tf, attribute, others)
    for inner in definition.library.function:
        for argument in (*inner.signature.input_arg, *inner.signature.output_arg):
            if argument.type in others:
                argument.type = tf.float32.as_datatype_enum
    inputs, outputs = ([t.name for t in ts] for ts in (function.inputs, function.outputs))
    wrapped = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(definition, name=""), []
    )
    graph = wrapped.graph
    return wrapped.prune(
        [graph.get_tensor_by_name(name) for name in inputs],
        [graph.get_tensor_by_name(name) for name in outputs],
    )


def _nodes(definition: Any) -> Iterator[Any]:
    """Every node, those of functions that nodes call included."""
    yield from definition.node
    for inner in definition.library.function:
        yield from inner.node_def


def _types(node: Any) -> set[int]:
    """The types that a node names."""
    kinds = set()
    for attribute in node.attr.values():
        kind = attribute.WhichOneof("value")
        if kind == "type":
            kinds.add(attribute.type)
        elif kind == "tensor":
            kinds.add(attribute.tensor.dtype)
        elif kind == "list":
            kinds.update(attribute.list.type)
    return kinds


def _change(tf: Any, attribute: Any, others: set[int]) -> None:
    """Lets one attribute of a node name float32 instead of another float."""
    single = tf.float32.as_datatype_enum
    kind = attribute.WhichOneof("value")
    if kind == "type" and attribute.type in others:
        attribute.type = single
    elif kind == "tensor" and attribute.tensor.dtype in others:
        values = tf.make_ndarray(attribute.tensor).astype("float32")
        attribute.tensor.CopyFrom(tf.make_tensor_proto(values))
    elif kind == "list":
        attribute.list.type[:] = [single if one in others else one for one in attribute.list.type]
