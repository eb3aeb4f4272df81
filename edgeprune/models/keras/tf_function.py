"""From a TensorFlow function to a float TFLite file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.constant_folding import check_folded
from edgeprune.models.keras.flavours import flat_outputs, import_tensorflow, library_errors
from edgeprune.models.keras.float_graph import in_float32
from edgeprune.models.tflite import graph
from edgeprune.text.untrusted import reason_of


def to_tflite(
    function: Callable[..., Any], specs: Sequence[Any], output_names: Sequence[str] = ()
) -> bytes:
    """Traces ``function``, freezes its variables and converts it.

    Args:
        function: Takes one tensor per spec; returns tensors, nested as it likes.
        specs: ``tf.TensorSpec`` with a name and a known shape each.
        output_names: Names for the output tensors; empty calls them ``output_0`` and so on.

    Returns:
        A float model whose inputs and outputs, and those of its only signature, are in the
        function's order.

    Raises:
        ModelError: It cannot be converted, needs operators outside TFLite's own, or asks for
            memory or time beyond all bounds.
    """
    tf = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2 as freeze,
    )

    def flat(*inputs: Any) -> list[Any]:
        # A copy of each, so that a tensor returned twice, or an input, is an output of its own.
        return [tf.identity(tensor) for tensor in flat_outputs(function(*inputs))]

    try:
        with quiet():
            # Frozen here because the converter leaves Keras 3's variables as resource variables.
            frozen = freeze(tf.function(flat, autograph=False).get_concrete_function(*specs))
            check_folded(frozen)
            single = in_float32(frozen)
            tflite = tf.lite.TFLiteConverter.from_concrete_functions([single]).convert()
    except library_errors() as error:
        raise ModelError(_refusal(error)) from error
    return _named(tflite, [spec.name for spec in specs], list(output_names))


def _refusal(error: Exception) -> str:
    operators = re.findall(r"(?:TF Select|Custom) ops: ([\w, ]+)", str(error))
    if operators:
        return f"TFLite has no operator for {', '.join(operators)}: replace those layers"
    changed = re.search(
        r"Input 0 of node (\S*?)/?(?:Assign\w*VariableOp\w*) was passed", str(error)
    )
    if changed:
        return (
            f"{changed[1] or 'a layer'} changes a variable at each inference, as layers with "
            "stateful=True and random ones do: save the model without, or hand in a .tflite file"
        )
    if "TensorListReserve" in str(error):
        return (
            "its recurrent layers were saved for any batch size, which TFLite cannot take: hand in "
            "the model as Keras saves it (.keras or .h5), or export it with a batch size of 1"
        )
    return f"cannot be converted to TFLite: {reason_of(error)}"


def _named(tflite: bytes, input_names: list[str], output_names: list[str]) -> bytes:
    """Checks the converter's operators and names inputs and outputs.

    Raises:
        ModelError: An operator is not TFLite's own, or an input is used by nothing.
    """
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    custom = {
        (model.operatorCodes[op.opcodeIndex].customCode or b"?").decode("utf-8", "replace")
        for op in subgraph.operators
        if graph.op_name(model, op) == "CUSTOM"
    }
    if custom:
        names = ", ".join(sorted(custom))
        raise ModelError(f"TFLite has no operator for {names}: replace those layers")
    if len(subgraph.inputs) != len(input_names):
        raise ModelError(f"the model uses {len(subgraph.inputs)} of its {len(input_names)} inputs")
    if len(output_names) != len(subgraph.outputs):
        output_names = [f"output_{k}" for k in range(len(subgraph.outputs))]
    _put_in_order(subgraph, input_names)
    taken = {graph.tensor_name(tensor) for tensor in subgraph.tensors}
    for index, name in zip(subgraph.outputs, output_names, strict=True):
        tensor = subgraph.tensors[index]
        if re.fullmatch(r"Identity(_\d+)?", graph.tensor_name(tensor)) and name not in taken:
            tensor.name = name.encode()
    graph.add_signature(model, input_names, output_names)
    return graph.write(model)


def _put_in_order(subgraph: graph.Subgraph, input_names: list[str]) -> None:
    """Sorts inputs by ``input_names`` and outputs by the numbers that TensorFlow gave them."""

    def output_number(index: int) -> int:
        match = re.fullmatch(r"Identity(?:_(\d+))?", graph.tensor_name(subgraph.tensors[index]))
        return int(match.group(1) or 0) if match else 0

    by_name = {graph.tensor_name(subgraph.tensors[i]): int(i) for i in subgraph.inputs}
    if set(by_name) == set(input_names):
        subgraph.inputs = np.array([by_name[name] for name in input_names], np.int32)
    subgraph.outputs = np.array(sorted(subgraph.outputs, key=output_number), np.int32)
