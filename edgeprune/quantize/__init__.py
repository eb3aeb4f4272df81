"""Stage ``quantize``: fewer bits per weight, on the TFLite file. Zeros stay zeros in every mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeprune import graph
from edgeprune.artifacts import Array, Quantized, QuantizeMode
from edgeprune.errors import ModelError
from edgeprune.quantize.full_integer import (
    INTEGER_MODES,
    RANDOM_SAMPLES,
    full_integer,
    random_samples,
)
from edgeprune.quantize.storage import as_float16, as_int8, store, weights_of

__all__ = ["INTEGER_MODES", "RANDOM_SAMPLES", "quantize"]

_MODES: dict[str, QuantizeMode] = {
    "none": "none",
    "fp16": "fp16",
    "int8": "int8",
    "int8-weights": "int8-weights",
    "int16x8": "int16x8",
}


def quantize(
    tflite: bytes,
    mode: str,
    calibration: Sequence[Sequence[Array]] | None,
    seed: int = 0,
) -> Quantized:
    """Quantizes a float TFLite file.

    Args:
        tflite: A float32 model.
        mode: ``none`` leaves it. ``fp16`` stores weights and biases in 16 bits and computes in
            float32. ``int8-weights`` stores weights in 8 bits, symmetric and per output channel,
            and computes in float32. ``int8`` computes in 8-bit integers, inputs and outputs
            included; ``int16x8`` has activations of 16 bits, which is nearly as exact as float32
            and slow: XNNPACK has no kernels for it.
        calibration: Samples, each one array of shape ``(1, ...)`` per input in the file's
            order; only the modes of :data:`INTEGER_MODES` use them, to find the activations'
            ranges. None makes :data:`RANDOM_SAMPLES` uniform ones in [0, 1).
        seed: Of the random samples.

    Returns:
        The new file; ``profiling_only`` where its ranges come from random samples.

    Raises:
        ModelError: The mode is unknown, the model is quantized already, a weight does not fit
            into 16 bits, or the calibration samples do not fit the model.
        ConfigError: ``int8`` or ``int16x8`` without ``litert-quantizer`` installed.
    """
    known = _MODES.get(mode)
    if known is None:
        raise ModelError(f"quantize must be one of {', '.join(_MODES)}, got {mode!r}")
    if known == "none":
        return Quantized(tflite, known, profiling_only=False)
    model = graph.read(tflite)
    _check_float(model)
    if known in INTEGER_MODES:
        samples = calibration or random_samples(model, seed)
        return Quantized(full_integer(model, known, samples), known, profiling_only=not calibration)
    store(model, as_float16 if known == "fp16" else as_int8)
    return Quantized(graph.write(model), known, profiling_only=False)


def _check_float(model: graph.Model) -> None:
    for subgraph, op, operand, _ in weights_of(model):
        tensor = graph.stored_source(subgraph, op.inputs[operand])
        if graph.dtype_of(tensor) != np.float32 or tensor.sparsity is not None:
            raise ModelError(
                f"weights of {graph.tensor_name(tensor)!r} are already quantized or sparse, "
                "expected dense float32: use --quantize none"
            )
