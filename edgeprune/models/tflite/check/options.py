"""Values of options and operands without which an operator has no meaning.

Source: ``Prepare`` of the kernels in LiteRT's ``tflite/kernels``.
"""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgeprune.errors import ModelError

_POSITIVE = (
    "strideW",
    "strideH",
    "dilationWFactor",
    "dilationHFactor",
    "filterWidth",
    "filterHeight",
    "blockSize",
)
_KNOWN = {
    "padding": set(vars(schema.Padding).values()),
    "fusedActivationFunction": set(vars(schema.ActivationFunctionType).values()),
    "weightsFormat": set(vars(schema.FullyConnectedOptionsWeightsFormat).values()),
}


def check_options(op: Any, where: str) -> None:
    """Checks the options of one operator.

    Args:
        op: An ``OperatorT``.
        where: It in words, for messages.

    Raises:
        ModelError: A stride of 0, an unknown padding, or the like.
    """
    options = op.builtinOptions
    if options is None:
        return
    for key in _POSITIVE:
        if getattr(options, key, 1) < 1:
            raise ModelError(f"{where} has a {key} of {getattr(options, key)}")
    for key, known in _KNOWN.items():
        if hasattr(options, key) and getattr(options, key) not in known:
            raise ModelError(f"{where} has the unknown {key} {getattr(options, key)}")
