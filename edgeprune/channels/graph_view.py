"""The graph of a Sequential or functional model, in one form for both Kerases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgeprune.artifacts.model import Flavour
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_tensorflow

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Node:
    """One call of a layer, of a nested model or, in Keras 3, of an operation.

    Attributes:
        layer: What is called.
        inputs: Keys of the tensors that it reads, in the order of its arguments.
        outputs: Keys of those that it makes.
        input_shapes: One for each input, the batch first.
        output_shapes: One for each output.
        args: Positional arguments as they were given, tensors included.
        kwargs: Those given by name.
    """

    layer: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def flavour_of(model: Any) -> Flavour:
    """Which Keras a model or a layer belongs to."""
    roots = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    return "tf_keras" if "tf_keras" in roots else "keras"


def is_model(layer: Any) -> bool:
    """Whether the layer is a model with a graph of its own."""
    return _graph(layer) is not None


def check_has_graph(model: Any) -> None:
    """Refuses models whose graph is not known.

    Raises:
        ModelError: A subclassed model, or one that was not built.
    """
    if is_model(model):
        return
    name, kind = getattr(model, "name", "?"), type(model).__name__
    if kind == "Sequential":
        raise ModelError(
            f"model {name!r} is not built: give it an Input, or call it once on data, first"
        )
    raise ModelError(
        f"model {name!r} is of class {kind}, whose graph is hidden in Python code: channels are "
        "removed from Sequential and functional models; build it as keras.Model(inputs, outputs)"
    )


def input_keys(model: Any) -> list[int]:
    """Keys of the model's inputs, in order."""
    return [id(tensor) for tensor in _graph(model).inputs]


def output_keys(model: Any) -> list[int]:
    """Keys of the model's outputs, in order."""
    return [id(tensor) for tensor in _graph(model).outputs]


def nodes(model: Any) -> Iterator[Node]:
    """The model's calls in an order in which each comes after what it reads, inputs left out."""
    by_depth = _graph(model)._nodes_by_depth
    view = _keras_2 if flavour_of(model) == "tf_keras" else _keras_3
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if not node.is_input:
                yield view(node)


def shape_of(tensor: Any) -> Shape:
    """The symbolic tensor's shape, None where a size is open."""
    try:
        return tuple(tensor.shape)
    except ValueError:  # TensorFlow, where even the rank is open
        return ()


def _graph(model: Any) -> Any:
    for candidate in (model, getattr(model, "_functional", None)):
        if getattr(candidate, "_nodes_by_depth", None) and getattr(candidate, "inputs", None):
            return candidate
    return None


def _keras_3(node: Any) -> Node:
    arguments = node.arguments
    return _node(node.operation, node.input_tensors, node.outputs, arguments.args, arguments.kwargs)


def _keras_2(node: Any) -> Node:
    outputs = import_tensorflow().nest.flatten(node.outputs)
    return _node(node.layer, node.keras_inputs, outputs, node.call_args, node.call_kwargs)


def _node(layer: Any, inputs: Any, outputs: Any, args: Any, kwargs: Any) -> Node:
    return Node(
        layer,
        tuple(id(tensor) for tensor in inputs),
        tuple(id(tensor) for tensor in outputs),
        tuple(shape_of(tensor) for tensor in inputs),
        tuple(shape_of(tensor) for tensor in outputs),
        tuple(args),
        dict(kwargs),
    )
