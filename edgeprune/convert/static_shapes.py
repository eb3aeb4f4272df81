"""Fixes the shapes of a TFLite file: open dimensions, and operators that only compute with shapes.

Converters write SHAPE, STRIDED_SLICE, PACK and RESHAPE where a batch was left open. With the batch
at 1 their results are constants, and are stored as such: the runtime's native interface takes no
outputs whose shapes it learns at each inference, nor those that it knows before the first one (as
of SHAPE, RANK, RANGE), and XNNPACK no operators on such tensors.
"""

from __future__ import annotations

import copy
import math

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.host_shapes import PlannedTensors, planned_tensors

_OF_SHAPE = frozenset({"RANK", "SHAPE"})
"""Operators that read no values, only a shape."""

_EXACT = frozenset(
    "ABS ADD ADD_N BROADCAST_ARGS BROADCAST_TO CAST CONCATENATION CUMSUM DIV EQUAL EXPAND_DIMS "
    "FILL FLOOR_DIV FLOOR_MOD GATHER GATHER_ND GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND "
    "LOGICAL_NOT LOGICAL_OR MAXIMUM MINIMUM MUL NEG NOT_EQUAL ONE_HOT PACK RANGE REDUCE_ALL "
    "REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RESHAPE SELECT SELECT_V2 SIGN SLICE SPLIT "
    "SPLIT_V SQUEEZE STRIDED_SLICE SUB SUM TILE TRANSPOSE UNPACK WHERE ZEROS_LIKE".split()
)
"""Operators without state or chance: the host computes on constants what any board would."""

_MAX_ELEMENTS = 1 << 16
"""Of a result that becomes a constant of the file; a larger one is left to the board. Ours."""

_MAX_ROUNDS = 64
"""Each round fixes shapes that depend on the last one's constants; real files need 2 to 4. Ours."""


def with_static_shapes(tflite: bytes, input_shape: tuple[int, ...] | None = None) -> bytes:
    """A model with batch 1 and every shape that is known before the first inference.

    Args:
        tflite: Any model.
        input_shape: Fills the open dimensions of inputs, without the batch; None where the user
            gave nothing.

    Returns:
        The new file; ``tflite`` itself where there is nothing to fix. Shapes that depend on the
        data stay open.

    Raises:
        ModelError: An input leaves open another dimension than the batch and ``input_shape`` is
            None, or it does not fit.
    """
    model = graph.read(tflite)
    is_changed = _fix_inputs(model, input_shape)
    if not is_changed and not _may_fold(model):
        return tflite
    for _ in range(_MAX_ROUNDS):
        try:
            plan = planned_tensors(graph.write(model))
        except ModelError:  # an operator that this runtime lacks: said elsewhere, by its name
            break
        _note_shapes(model, plan)
        if not _fold(model, plan):
            break
        is_changed = True
    return graph.write(model) if is_changed else tflite


def _fix_inputs(model: graph.Model, input_shape: tuple[int, ...] | None) -> bool:
    """Gives the inputs their shapes; whether anything in the file was open.

    Raises:
        ModelError: As :func:`with_static_shapes`.
    """
    subgraph = model.subgraphs[0]
    inputs = [subgraph.tensors[int(index)] for index in subgraph.inputs]
    asked = [tensor for tensor in inputs if -1 in _signature(tensor)[1:]]
    open_inputs = [tensor for tensor in inputs if -1 in _signature(tensor)]
    if open_inputs and all(len(_signature(tensor)) == 1 for tensor in open_inputs):
        return _fix_lengths(model, open_inputs, input_shape)
    if input_shape is not None:
        for tensor in asked or inputs:
            _check_fit(tensor, input_shape)
    elif asked:
        raise ModelError(
            f"input {graph.tensor_name(asked[0])!r} has the open shape "
            f"({_shown(_signature(asked[0])[1:])}): give --input-shape, as 224,224,3, or convert "
            "the model with a fixed one"
        )
    for tensor in asked:
        tensor.shape = np.array([1, *(input_shape or ())], np.int32)
    is_open = _is_open(model)
    for tensor in inputs:
        if -1 in _signature(tensor)[:1]:
            tensor.shape = np.array([1, *graph.shape_of(tensor)[1:]], np.int32)
        tensor.shapeSignature = None
    return is_open


def _fix_lengths(
    model: graph.Model, inputs: list[graph.Tensor], input_shape: tuple[int, ...] | None
) -> bool:
    """Gives inputs of one open dimension, as a waveform's, their length: it is no batch.

    Raises:
        ModelError: As :func:`with_static_shapes`.
    """
    if input_shape is None or len(input_shape) != 1:
        raise ModelError(
            f"input {graph.tensor_name(inputs[0])!r} is a row of any length, without a batch: give "
            "--input-shape with one size, as 16000, or convert the model with a fixed one"
        )
    for tensor in inputs:
        tensor.shape, tensor.shapeSignature = np.array(input_shape, np.int32), None
    return True


def _is_open(model: graph.Model) -> bool:
    return any(-1 in _signature(tensor) for part in model.subgraphs for tensor in part.tensors)


def _may_fold(model: graph.Model) -> bool:
    """Whether a graph of fixed sizes computes with shapes, or an output from constants alone."""
    subgraph = model.subgraphs[0]
    leaving = {int(index) for index in subgraph.outputs}
    for op in subgraph.operators:
        name = graph.op_name(model, op)
        is_output = not leaving.isdisjoint(int(out) for out in op.outputs)
        operands = [subgraph.tensors[int(i)] for i in op.inputs if i >= 0]
        if name in _OF_SHAPE:
            return True
        if is_output and name in _EXACT:
            if all(graph.constant(model, one) is not None for one in operands):
                return True
    return False


def _signature(tensor: graph.Tensor) -> tuple[int, ...]:
    """The shape, with -1 where the file leaves it open."""
    if tensor.shapeSignature is None or not len(tensor.shapeSignature):
        return graph.shape_of(tensor)
    return tuple(int(size) for size in tensor.shapeSignature)


def _check_fit(tensor: graph.Tensor, input_shape: tuple[int, ...]) -> None:
    sizes = _signature(tensor)[1:]
    pairs = list(zip(sizes, input_shape, strict=False))
    if len(sizes) != len(input_shape) or any(size not in (-1, ours) for size, ours in pairs):
        raise ModelError(
            f"input {graph.tensor_name(tensor)!r} has the shape ({_shown(sizes)}), which "
            f"--input-shape {','.join(map(str, input_shape))} does not fit"
        )


def _shown(sizes: tuple[int, ...]) -> str:
    return ", ".join("?" if size < 0 else str(size) for size in sizes)


def _note_shapes(model: graph.Model, plan: PlannedTensors) -> None:
    """Writes the runtime's shapes into the file's tensors.

    It takes the file's own word for a RESHAPE whose shape it has yet to compute.
    """
    tensors, makers = model.subgraphs[0].tensors, graph.producers(model.subgraphs[0])
    for index, shape in plan.shapes.items():
        is_computed = graph.op_name(model, makers[index]) == "RESHAPE" and any(
            graph.constant(model, tensors[int(i)]) is None for i in makers[index].inputs[1:]
        )
        if is_computed and -1 in _signature(tensors[index]):
            continue
        tensors[index].shape = np.array(shape, np.int32)
        tensors[index].shapeSignature = None


def _fold(model: graph.Model, plan: PlannedTensors) -> bool:
    """Stores results that are known now as constants; whether there were any."""
    subgraph = model.subgraphs[0]
    made = {int(out) for op in subgraph.operators for out in op.outputs}
    known = {
        index
        for index, tensor in enumerate(subgraph.tensors)
        if index not in made and not tensor.isVariable
        if graph.constant(model, tensor) is not None or 0 in graph.shape_of(tensor)
    }
    fixed = set(range(len(subgraph.tensors))) - plan.dynamic
    folded: list[graph.Operator] = []
    for op in subgraph.operators:
        name = graph.op_name(model, op)
        operands = [int(i) for i in op.inputs if i >= 0]
        is_known = name in _EXACT and bool(operands) and known.issuperset(operands)
        if is_known or (name in _OF_SHAPE and fixed.issuperset(operands)):
            results = [int(out) for out in op.outputs]
            if all(_fits(subgraph, plan, i) for i in results):
                folded.append(op)
                known.update(results)
    if not folded:
        return False
    values = _computed(model, folded)
    gone = [op for op in folded if all(int(out) in values for out in op.outputs)]
    for index in (int(out) for op in gone for out in op.outputs):
        tensor, value = subgraph.tensors[index], values[index]
        tensor.shape, tensor.shapeSignature = np.array(value.shape, np.int32), None
        # A tensor without elements has nothing to store: part of a SPLIT_V can be one.
        if value.size:
            tensor.buffer = graph.add_buffer(model, np.ascontiguousarray(value).tobytes())
    numbers = {id(op) for op in gone}
    subgraph.operators = [op for op in subgraph.operators if id(op) not in numbers]
    return bool(gone)


def _fits(subgraph: graph.Subgraph, plan: PlannedTensors, index: int) -> bool:
    """Whether a result may become a constant, as far as its size is known."""
    if graph.dtype_of(subgraph.tensors[index]) is None:
        return False
    return index in plan.dynamic or math.prod(plan.shapes.get(index, ())) <= _MAX_ELEMENTS


def _computed(model: graph.Model, operators: list[graph.Operator]) -> dict[int, Array]:
    """Results of operators on constants and shapes, by the host's built-in kernels.

    Those that the host cannot compute, or that are too large, are left out.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    part, numbers = _extracted(model, operators)
    try:
        with quiet():
            interpreter = Interpreter(
                model_content=graph.write(part),
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                num_threads=1,
            )
            interpreter.allocate_tensors()
            interpreter.invoke()
            found = {
                index: np.array(interpreter.get_tensor(numbers[index]))
                for op in operators
                for index in map(int, op.outputs)
            }
    except (RuntimeError, ValueError):
        return {}
    return {index: value for index, value in found.items() if value.size <= _MAX_ELEMENTS}


def _extracted(
    model: graph.Model, operators: list[graph.Operator]
) -> tuple[graph.Model, dict[int, int]]:
    """A model of these operators alone, and its numbers of the tensors.

    What they read and none of them makes is an input, unless it is stored.
    """
    subgraph = model.subgraphs[0]
    part = schema.ModelT()
    part.version, part.operatorCodes = 3, model.operatorCodes
    part.buffers, inside = [schema.BufferT()], schema.SubGraphT()
    part.subgraphs, inside.tensors, inside.operators = [inside], [], []
    numbers: dict[int, int] = {}
    for index in sorted({int(i) for op in operators for i in (*op.inputs, *op.outputs) if i >= 0}):
        numbers[index] = len(inside.tensors)
        tensor = copy.copy(subgraph.tensors[index])
        data = model.buffers[tensor.buffer].data
        tensor.buffer = 0 if data is None else graph.add_buffer(part, np.asarray(data).tobytes())
        inside.tensors.append(tensor)
    produced = {int(out) for op in operators for out in op.outputs}
    read = {int(i) for op in operators for i in op.inputs if i >= 0}
    bare = {i for i in read - produced if model.buffers[subgraph.tensors[i].buffer].data is None}
    inside.inputs = np.array([numbers[i] for i in sorted(bare)], np.int32)
    inside.outputs = np.array([numbers[i] for i in sorted(produced)], np.int32)
    for op in operators:
        moved = copy.copy(op)
        moved.inputs = np.array([numbers.get(int(i), -1) for i in op.inputs], np.int32)
        moved.outputs = np.array([numbers[int(i)] for i in op.outputs], np.int32)
        inside.operators.append(moved)
    return part, numbers
