"""Stage ``quantize``: fewer bits per weight, on the TFLite file. Zeros stay zeros in every mode."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune import graph
from edgeprune.artifacts import Array, FloatArray, Quantized, QuantizeMode
from edgeprune.errors import ConfigError, ModelError
from edgeprune.keras_flavours import one_line, quiet

RANDOM_SAMPLES = 16
"""Calibration inputs made where the user gave none."""

_CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
_MODES: dict[str, QuantizeMode] = {
    "none": "none",
    "fp16": "fp16",
    "int8": "int8",
    "int8-weights": "int8-weights",
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
            included.
        calibration: Samples, each one array of shape ``(1, ...)`` per input in the file's
            order; only ``int8`` uses them, to find the activations' ranges. None makes
            :data:`RANDOM_SAMPLES` uniform ones in [0, 1).
        seed: Of the random samples.

    Returns:
        The new file; ``profiling_only`` where its ranges come from random samples.

    Raises:
        ModelError: The mode is unknown, the model is quantized already, a weight does not fit
            into 16 bits, or the calibration samples do not fit the model.
        ConfigError: ``int8`` without ``litert-quantizer`` installed.
    """
    known = _MODES.get(mode)
    if known is None:
        raise ModelError(f"quantize must be one of {', '.join(_MODES)}, got {mode!r}")
    if known == "none":
        return Quantized(tflite, known, profiling_only=False)
    model = graph.read(tflite)
    _check_float(model)
    if known == "int8":
        samples = calibration or _random_samples(model, seed)
        return Quantized(_full_integer(model, samples), known, profiling_only=not calibration)
    _store(model, _as_float16 if known == "fp16" else _as_int8)
    return Quantized(graph.write(model), known, profiling_only=False)


def _weights(model: graph.Model) -> Iterator[tuple[graph.Subgraph, graph.Operator, int, str]]:
    """Subgraph, operator, operand and operator's name, for every filter and then bias."""
    for subgraph in model.subgraphs:
        for op in list(subgraph.operators):
            name = graph.op_name(model, op)
            if name in graph.FILTER_OPERANDS:
                for operand in (1, 2):
                    if operand < len(op.inputs) and op.inputs[operand] >= 0:
                        yield subgraph, op, operand, name


def _check_float(model: graph.Model) -> None:
    for subgraph, op, operand, _ in _weights(model):
        tensor = graph.stored_source(subgraph, op.inputs[operand])
        if graph.dtype_of(tensor) != np.float32 or tensor.sparsity is not None:
            raise ModelError(
                f"weights of {graph.tensor_name(tensor)!r} are already quantized or sparse, "
                "expected dense float32: use --quantize none"
            )


Stored = tuple[Array, FloatArray | None]
"""Values as stored, and the scale per channel; None for float values."""


def _as_float16(values: FloatArray, operand: int, axis: int, name: str) -> Stored | None:
    """Filters and biases alike.

    LiteRT 1.4 to 2.1 compute garbage from 16-bit filters beside 32-bit biases.
    """
    if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        raise ModelError(f"weights of {name!r} exceed 65504, fp16's largest number: use int8")
    return values.astype(np.float16), None


def _as_int8(values: FloatArray, operand: int, axis: int, name: str) -> Stored | None:
    """Filters only: symmetric in [-127, 127], zero point 0, one scale per output channel."""
    if operand != 1:
        return None
    others = tuple(k for k in range(values.ndim) if k != axis)
    scale = np.abs(values).max(axis=others, keepdims=True) / np.float32(127)
    # A channel of zeros, or one so small that the division above underflows.
    scale[scale < np.finfo(np.float32).tiny] = 1
    return np.rint(values / scale).astype(np.int8), scale.reshape(-1)


def _store(
    model: graph.Model, stored_as: Callable[[FloatArray, int, int, str], Stored | None]
) -> None:
    """Replaces weights by a narrower constant and a DEQUANTIZE that feeds their readers."""
    done: set[tuple[int, int]] = set()
    for subgraph, op, operand, name in _weights(model):
        index = int(op.inputs[operand])
        tensor = subgraph.tensors[index]
        values = graph.constant(model, tensor)
        if values is None or (id(subgraph), index) in done:
            continue  # computed at run time, or shared with an operator before
        axis = _CHANNEL_AXIS[name]
        stored = stored_as(values, operand, axis, graph.tensor_name(tensor))
        if stored is not None:
            done.add((id(subgraph), index))
            _dequantize(model, subgraph, index, stored, axis)


def _dequantize(
    model: graph.Model, subgraph: graph.Subgraph, index: int, stored: Stored, axis: int
) -> None:
    """Turns the constant into the output of a DEQUANTIZE of a new, narrow constant."""
    values, scale = stored
    wide = subgraph.tensors[index]
    narrow = schema.TensorT()
    narrow.shape = np.array(wide.shape, np.int32)
    narrow.hasRank = wide.hasRank
    narrow.name = f"{graph.tensor_name(wide)}/stored".encode()
    narrow.buffer = graph.add_buffer(model, np.ascontiguousarray(values).tobytes())
    wide.buffer = 0  # by convention the empty one
    if scale is None:
        narrow.type, version = schema.TensorType.FLOAT16, 3
    else:
        # Version 2 takes int8, version 5 one scale per channel.
        narrow.type, version = schema.TensorType.INT8, 5 if scale.size > 1 else 2
        narrow.quantization = schema.QuantizationParametersT()
        narrow.quantization.scale = scale.astype(np.float32)
        narrow.quantization.zeroPoint = np.zeros(scale.size, np.int64)
        narrow.quantization.quantizedDimension = axis
    subgraph.tensors.append(narrow)
    op = schema.OperatorT()
    op.opcodeIndex = graph.opcode_index(model, "DEQUANTIZE", version)
    op.inputs = np.array([len(subgraph.tensors) - 1], np.int32)
    op.outputs = np.array([index], np.int32)
    op.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    op.builtinOptions = schema.DequantizeOptionsT()
    subgraph.operators.insert(0, op)


def _inputs(model: graph.Model) -> list[graph.Tensor]:
    return [model.subgraphs[0].tensors[index] for index in graph.io_tensors(model)[0]]


def _random_samples(model: graph.Model, seed: int) -> list[list[Array]]:
    rng = np.random.default_rng(seed)
    shapes = [graph.shape_of(tensor) for tensor in _inputs(model)]
    return [[rng.random(s, np.float32) for s in shapes] for _ in range(RANDOM_SAMPLES)]


def _full_integer(model: graph.Model, samples: Sequence[Sequence[Array]]) -> bytes:
    """The model in 8-bit integers throughout, by ``litert-quantizer``.

    Raises:
        ModelError: The samples do not fit, or the quantizer refuses the model.
        ConfigError: ``litert-quantizer`` is not installed.
    """
    subgraph = model.subgraphs[0]
    if not model.signatureDefs:  # the quantizer calls a model by its signature
        names = [f"input_{k}" for k in range(len(subgraph.inputs))]
        graph.add_signature(model, names, [f"output_{k}" for k in range(len(subgraph.outputs))])
    signature = model.signatureDefs[0]
    by_tensor = {int(entry.tensorIndex): entry.name.decode() for entry in signature.inputs}
    names = [by_tensor[index] for index in graph.io_tensors(model)[0]]
    feeds = [dict(zip(names, _fitted(sample, _inputs(model)), strict=True)) for sample in samples]
    try:
        # The quantizer draws a progress bar through Python, which ``quiet`` lets pass.
        with quiet(), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            return _by_quantizer(graph.write(model), signature.signatureKey.decode(), feeds)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--quantize int8 needs {error.name}: pip install 'edgeprune[quantize]'"
        ) from error
    except (RuntimeError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise ModelError(f"cannot be quantized to int8: {one_line(error)}") from error


def _fitted(sample: Sequence[Array], tensors: list[graph.Tensor]) -> list[Array]:
    """The sample's arrays in the inputs' types and shapes.

    Raises:
        ModelError: They are too few, too many, or of another size.
    """
    if len(sample) != len(tensors):
        raise ModelError(f"calibration gives {len(sample)} inputs, the model has {len(tensors)}")
    fitted = []
    for values, tensor in zip(sample, tensors, strict=True):
        shape = graph.shape_of(tensor)
        if values.size != math.prod(shape):
            raise ModelError(f"calibration data of shape {values.shape} for an input of {shape}")
        fitted.append(values.reshape(shape).astype(graph.dtype_of(tensor)))
    return fitted


def _by_quantizer(tflite: bytes, signature: str, feeds: list[dict[str, Any]]) -> bytes:
    from litert_quantizer import quantizer, recipe

    worker = quantizer.Quantizer(tflite, recipe.static_wi8_ai8())
    ranges = worker.calibrate({signature: feeds}, num_threads=2)
    result = worker.quantize(ranges, enable_progress_report=False, enable_progress_bar=False)
    return bytes(result.quantized_model)
