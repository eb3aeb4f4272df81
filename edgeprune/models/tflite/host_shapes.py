"""What the host's interpreter knows of a model's tensors before the first inference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.text.untrusted import reason_of

_SIZELESS = (
    schema.TensorType.STRING,
    schema.TensorType.RESOURCE,
    schema.TensorType.VARIANT,
)
"""Types whose tensors the interpreter must not be asked for before an inference: it crashes."""


_WRITABLE = {np.dtype(name) for name in "float32 float16 int8 uint8 int32 bool".split()}
"""What Python's way into the native interface takes as inputs. Source: ours, each type tried with
ai-edge-litert 2.3.0; the agent's own takes them all."""

_TRIALS = 3
"""Inferences on random inputs: a size that depends on the data shows in one of them. Ours."""


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

    subgraph = graph.view(tflite).subgraphs[0]
    produced = {int(out) for op in subgraph.operators for out in op.outputs}
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
        raise ModelError(f"LiteRT on the host cannot run the model: {reason_of(error)}") from error
    shapes: dict[int, tuple[int, ...]] = {}
    dynamic = set()
    for index in sorted(produced & details.keys()):
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


def native_trouble(tflite: bytes) -> str:
    """What LiteRT's native interface says to inferences on this machine; empty if it runs them.

    It is the interface that the agent in C calls on a board, of the same release. Inputs that the
    built-in kernels refuse as well, as a number to divide by that is 0, are no trouble of it.

    Args:
        tflite: A model without variable tensors; its inputs are of types that NumPy has.
    """
    with quiet():  # the library greets, and says good-bye when its objects go
        return _native_trouble(tflite)


def _native_trouble(tflite: bytes) -> str:
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.environment import Environment

    model = graph.view(tflite)
    tensors = [model.subgraphs[0].tensors[index] for index in graph.io_tensors(model)[0]]
    if any(graph.dtype_of(tensor) not in _WRITABLE for tensor in tensors):
        return ""
    environment, rng, values = Environment.create(), np.random.default_rng(0), None
    try:
        compiled = CompiledModel.from_buffer(tflite, environment=environment)
        inputs = compiled.create_input_buffers(0)
        outputs = compiled.create_output_buffers(0)
        for _ in range(_TRIALS):
            values = [_some_values(rng, tensor) for tensor in tensors]
            for buffer, value in zip(inputs, values, strict=True):
                buffer.write(value)
            compiled.run_by_index(0, inputs, outputs)
    except (RuntimeError, ValueError, TypeError) as error:
        return reason_of(error) if values is None or _infers(tflite, values) else ""
    return ""


def _infers(tflite: bytes, values: list[Array]) -> bool:
    """Whether the built-in kernels run one inference."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(
            model_content=tflite,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            num_threads=1,
        )
        interpreter.allocate_tensors()
        for entry, value in zip(interpreter.get_input_details(), values, strict=True):
            interpreter.set_tensor(entry["index"], value)
        interpreter.invoke()
    except (RuntimeError, ValueError):
        return False
    return True


def _some_values(rng: np.random.Generator, tensor: graph.Tensor) -> Array:
    """Floats of both signs, and zeros for whole numbers, which may be indices."""
    values = rng.normal(size=graph.shape_of(tensor))
    dtype = graph.dtype_of(tensor)
    is_float = dtype is not None and dtype.kind == "f"
    return (values if is_float else np.zeros_like(values)).astype(dtype)
