"""What firmware cannot run, said in one line with what to do next, before anything is planned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np

from edgeprune.errors import ModelError
from edgeprune.firmware.ends import ends_of
from edgeprune.firmware.read.reader import Reader
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.layer_names import short_name

_MAX_RANK = 6
"""``EP_MAX_RANK`` of ``firmware/include/edgeprune/plan.h``."""

_STATE = "VAR_HANDLE"
"""The operator that names a variable."""

_QUANTIZE = "quantize it with --quantize int8 and calibration data (--data)"
_FROM_FLOAT = "go back to the float model, and quantize that with --quantize int8 and --data"
_INT8_IO = (
    "convert it again, all of it quantized, with converter.inference_input_type = "
    "converter.inference_output_type = tf.int8"
)


def check_network(reader: Reader) -> None:
    """Refuses networks that are not int8 throughout, or whose shapes are not known.

    Raises:
        ModelError: What was found, and what to do.
    """
    model = reader.model
    if _STATE in {graph.op_name(model, op) for op in reader.subgraph.operators}:
        raise ModelError(
            f"the model keeps state from one inference to the next ({_STATE}, as streaming models "
            "do), and firmware begins each anew: export it without state, which takes the whole "
            "window at once, or run it on a board with Linux"
        )
    if len(model.subgraphs) > 1:
        raise ModelError(
            f"the model has {len(model.subgraphs)} subgraphs (a loop or a condition), and firmware "
            "runs one, straight through: export the model without control flow"
        )
    types = {graph.dtype_of(t) for t in _activations(reader)}
    if np.dtype(np.int16) in types and not types & {np.dtype(np.int8), np.dtype(np.float32)}:
        raise ModelError(
            f"the model's activations are int16, and firmware computes on int8: {_FROM_FLOAT}"
        )
    if np.dtype(np.int8) not in types:
        if graph.computes_on_integers(model):
            raise ModelError(
                "the model is dynamic-range (int8 weights, float activations), and firmware "
                f"computes on int8 throughout: {_FROM_FLOAT}"
            )
        raise ModelError(f"the model is float, and firmware computes on int8: {_QUANTIZE}")
    _check_one_precision(reader)


def _check_one_precision(reader: Reader) -> None:
    """Refuses a network some of whose layers compute on int8 and others on something else.

    Raises:
        ModelError: Which one does, and what to do.
    """
    found: dict[str, str] = {}
    for op in reader.subgraph.operators:
        if graph.op_name(reader.model, op) in graph.FILTER_OPERANDS:
            dtype = graph.dtype_of(reader.tensor(int(op.inputs[0])))
            kind = "an unknown type" if dtype is None else dtype.name
            found.setdefault(kind, short_name(reader.name(int(op.outputs[0]))))
    others = [(kind, layer) for kind, layer in found.items() if kind != "int8"]
    if "int8" in found and others:
        kind, layer = others[0]
        raise ModelError(
            f"the model is of mixed precision: layer {layer!r} computes on {kind}, others on "
            "int8, and firmware computes on int8 alone: quantize all of it to int8, without layers "
            "in [quantize], or run it on a board with Linux"
        )


def check_ends(reader: Reader) -> None:
    """Refuses inputs and outputs that are not int8 in the plan, or whose size is not fixed.

    Raises:
        ModelError: Which, and what to do.
    """
    ends = ends_of(reader.model)
    for word, indices in (("input", ends.stored_inputs), ("output", ends.stored_outputs)):
        for index in indices:
            _check_end(reader, word, index)


def _activations(reader: Reader) -> list[Any]:
    """What operators compute on and make, beside shapes and other int32 or int64."""
    found = {int(i) for i in reader.subgraph.inputs}
    for op in reader.subgraph.operators:
        found |= {int(i) for i in op.outputs}
    return [reader.tensor(i) for i in sorted(found)]


def _check_end(reader: Reader, word: str, index: int) -> None:
    tensor = reader.tensor(index)
    dtype = graph.dtype_of(tensor)
    if dtype != np.int8:
        name = "an unknown type" if dtype is None else dtype.name
        raise ModelError(
            f"{word} {reader.name(index)!r} is {name}, and firmware takes int8 in and out: "
            f"{_INT8_IO}"
        )
    signature = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
    unknown = [axis for axis, size in enumerate(signature) if size < 0 and axis > 0]
    if unknown:
        raise ModelError(
            f"{word} {reader.name(index)!r} has no fixed size along axis {unknown[0]}, and "
            "firmware plans its memory ahead: convert the model with a fixed input shape"
        )
    if len(reader.shape(index)) > _MAX_RANK:
        raise ModelError(f"{word} {reader.name(index)!r} has more than {_MAX_RANK} dimensions")
    if reader.constant(index) is not None:
        raise ModelError(f"{word} {reader.name(index)!r} is constant: remove it from the model")
    reader.scale(index)


def check_operators(
    reader: Reader, needed: Collection[tuple[int, str, Any]], known: Collection[str]
) -> None:
    """Refuses operators that firmware lacks, all in one line.

    DEQUANTIZE is none of them: what it stands for is that the model is float there.

    Raises:
        ModelError: Each by its name, with the numbers of its layers.
    """
    missing: dict[str, list[int]] = defaultdict(list)
    for layer, name, op in needed:
        if name not in known and name != "DEQUANTIZE":
            missing[_full_name(reader, name, op)].append(layer)
    if missing:
        words = [
            f"{name} (layer{'s' if len(layers) > 1 else ''} {_some(layers)})"
            for name, layers in sorted(missing.items())
        ]
        raise ModelError(
            f"the firmware has no kernel for {', '.join(words)}: replace them in the model, or run "
            f"it on a board with Linux; it has {', '.join(sorted(known))}"
        )


def _full_name(reader: Reader, name: str, op: Any) -> str:
    code = reader.model.operatorCodes[op.opcodeIndex].customCode
    return f"{name} {code.decode('utf-8', 'replace')!r}" if name == "CUSTOM" and code else name


def _some(layers: list[int]) -> str:
    shown = [str(layer) for layer in layers[:8]]
    return ", ".join(shown) + (f" and {len(layers) - 8} more" if len(layers) > 8 else "")


def check_types(reader: Reader, name: str, tensors: Collection[int]) -> None:
    """Refuses an operator that computes on something other than int8.

    Args:
        reader: The network.
        name: The operator's, in the schema.
        tensors: What it computes on and what it makes; constants are looked at where they are used.

    Raises:
        ModelError: Which tensor, of which type, and what to do.
    """
    for index in tensors:
        dtype = graph.dtype_of(reader.tensor(index))
        if dtype == np.int8 or reader.constant(index) is not None:
            continue
        found = "of an unknown type" if dtype is None else dtype.name
        advice = _INT8_IO if name in ("QUANTIZE", "DEQUANTIZE") else _QUANTIZE
        raise ModelError(
            f"{reader.name(index)!r} is {found}, and firmware computes on int8 throughout: {advice}"
        )
