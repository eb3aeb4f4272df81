"""Stage ``quantize``: fewer bits per weight, on the TFLite file. Zeros stay zeros in every mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.stored import Quantized, QuantizeMode
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.quantize.full_integer import (
    INTEGER_MODES,
    RANDOM_SAMPLES,
    full_integer,
    random_samples,
)
from edgeprune.quantize.storage import as_float16, as_int8, store, weights_of
from edgeprune.text.near_names import did_you_mean

__all__ = ["INTEGER_MODES", "RANDOM_SAMPLES", "check_mode", "obstacle", "quantize"]

_RUNS_PARTS = ("CALL", "IF", "WHILE")
"""Operators that run another subgraph, whose tensors the quantizer does not see."""

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
        seed: Random seed of the samples, where none are given.

    Returns:
        The new file; ``profiling_only`` where its ranges come from random samples.

    Raises:
        ModelError: The mode is unknown, the model is quantized already, a weight does not fit
            into 16 bits, or the calibration samples do not fit the model.
        ConfigError: ``int8`` or ``int16x8`` without ``litert-quantizer`` installed.
    """
    known = _MODES.get(mode)
    if known is None:
        raise ModelError(
            f"quantize must be one of {', '.join(_MODES)}, got {mode!r}{did_you_mean(mode, _MODES)}"
        )
    if known == "none":
        return Quantized(tflite, known, profiling_only=False)
    model = graph.read(tflite)
    _check(model, known)
    if known in INTEGER_MODES:
        samples = calibration or random_samples(model, seed)
        return Quantized(full_integer(model, known, samples), known, profiling_only=not calibration)
    store(model, as_float16 if known == "fp16" else as_int8)
    return Quantized(graph.write(model), known, profiling_only=False)


def obstacle(model: graph.Model, mode: str) -> tuple[str, str]:
    """Why a model cannot be stored in a mode, and what to do; empty where nothing is known.

    Args:
        model: The model.
        mode: As for :func:`quantize`.
    """
    if mode == "none":
        return "", ""
    for subgraph, op, operand, _ in weights_of(model):
        tensor = graph.stored_source(subgraph, op.inputs[operand])
        if graph.dtype_of(tensor) != np.float32 or tensor.sparsity is not None:
            name = graph.tensor_name(tensor)
            why = f"weights of {name!r} are already quantized or sparse, expected dense float32"
            return why, "use --quantize none"
    if mode in INTEGER_MODES:
        names = {graph.op_name(model, op) for part in model.subgraphs for op in part.operators}
        if found := sorted(names.intersection(_RUNS_PARTS)):
            why = f"what {found[0]} runs, as in a recurrent layer, cannot be calibrated"
            return why, "use --quantize int8-weights, fp16 or none"
    return "", ""


def check_mode(tflite: bytes, mode: str) -> None:
    """Refuses a mode that a model cannot be stored in, before anything is trained for it.

    Raises:
        ModelError: It cannot, or the file is damaged.
    """
    if mode != "none":
        _check(graph.view(tflite), mode)


def _check(model: graph.Model, mode: str) -> None:
    why, remedy = obstacle(model, mode)
    if why:
        raise ModelError(f"cannot be quantized to {mode}: {why}: {remedy}")
