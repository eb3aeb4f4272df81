"""What the host's interpreter knows of a model's tensors before the first inference."""

from __future__ import annotations

from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from edgeprune import graph
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import one_line, quiet

_SIZELESS = (
    schema.TensorType.STRING,
    schema.TensorType.RESOURCE,
    schema.TensorType.VARIANT,
)
"""Types whose tensors the interpreter must not be asked for before an inference: it crashes."""


@dataclass(frozen=True)
class PlannedTensors:
    """Tensors of the first subgraph that operators make.

    Attributes:
        shapes: Shape by tensor index, where it is the same at every inference.
        dynamic: Tensors whose shape the runtime learns at each inference anew.
    """

    shapes: dict[int, tuple[int, ...]]
    dynamic: frozenset[int]


def planned_tensors(tflite: bytes) -> PlannedTensors:
    """Plans a model's memory with the host's built-in kernels, and runs nothing.

    Raises:
        ModelError: The runtime cannot prepare the model.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    subgraph = graph.read(tflite).subgraphs[0]
    made = {int(out) for op in subgraph.operators for out in op.outputs}
    try:
        with quiet():  # the runtime greets on stderr
            interpreter = Interpreter(
                model_content=tflite,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                num_threads=1,
            )
            interpreter.allocate_tensors()
            details = {entry["index"]: entry for entry in interpreter.get_tensor_details()}
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"LiteRT on the host cannot run the model: {one_line(error)}") from error
    shapes: dict[int, tuple[int, ...]] = {}
    dynamic = set()
    for index in sorted(made & details.keys()):
        shape = tuple(int(size) for size in details[index]["shape"])
        if subgraph.tensors[index].type in _SIZELESS:
            continue
        try:
            interpreter.get_tensor(index)
            shapes[index] = shape
        except ValueError:  # a tensor without memory: of no size yet, or of size 0
            if 0 in shape:
                shapes[index] = shape
            else:
                dynamic.add(index)
    return PlannedTensors(shapes, frozenset(dynamic))
