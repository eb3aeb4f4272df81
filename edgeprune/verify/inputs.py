"""Inputs to compare outputs on, and data as a tensor stores it."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import Array, Samples
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.macs import size

COMPARED, COMPARED_LARGE = 16, 4
"""Inputs whose outputs are compared, and how many where an emulator computes a large network."""

LARGE_MACS = 100_000_000
"""Multiplications of a large network: some two seconds of an emulator's. Source: ours."""

_MAX_SCALE = 1e30
"""Of what is quantized at once: a larger one overflows float32."""


def compared(asked: int | None, tflite: bytes | None = None) -> int:
    """How many inputs are compared.

    Args:
        asked: As the recipe says; None where it says nothing.
        tflite: The network, where an emulator computes it.

    Raises:
        ModelError: The file is damaged.
    """
    if asked is not None:
        return asked
    macs = None if tflite is None else size(tflite).macs
    return COMPARED_LARGE if macs is not None and macs > LARGE_MACS else COMPARED


def sample_inputs(tflite: bytes, x_test: Array | None, count: int, seed: int = 0) -> Samples:
    """Inputs to compare outputs on: the first test samples, and seeded random ones to fill up.

    Random floats are uniform in [0, c), where c is drawn from [0, 1) for each input, because noise
    of one strength looks alike to a network with a global mean; random integers span their type,
    and floats that are quantized at once span what their integers can hold.

    Args:
        tflite: The model.
        x_test: The user's test samples, shape ``(n, *input_shape)``, or None.
        count: How many inputs.
        seed: Of the random ones.

    Raises:
        ModelError: An input has a type that cannot be made.
    """
    model = graph.view(tflite)
    indices = graph.io_tensors(model)[0]
    tensors = [model.subgraphs[0].tensors[i] for i in indices]
    samples: Samples = []
    if x_test is not None and len(tensors) == 1:
        samples = [[as_input(row[None], tensors[0])] for row in x_test[:count]]
    rng = np.random.default_rng(seed)
    missing = count - len(samples)
    spans = [_quantized_span(model, index) for index in indices]
    ends = list(zip(tensors, spans, strict=True))
    return samples + [[_random(rng, *end) for end in ends] for _ in range(missing)]


def _quantized_span(model: graph.Model, index: int) -> tuple[float, float] | None:
    """The least and the largest that a QUANTIZE, the only reader of an input, can hold."""
    subgraph = model.subgraphs[0]
    ops = [op for op in subgraph.operators if index in op.inputs]
    if len(ops) != 1 or graph.op_name(model, ops[0]) != "QUANTIZE":
        return None
    made = subgraph.tensors[int(ops[0].outputs[0])]
    dtype, stored = graph.dtype_of(made), made.quantization
    is_known = stored is not None and stored.scale is not None and stored.zeroPoint is not None
    if dtype is None or dtype.kind not in "iu" or not is_known or len(stored.scale) != 1:
        return None
    scale, limits = float(stored.scale[0]), np.iinfo(dtype)
    ends = [scale * (end - int(stored.zeroPoint[0])) for end in (limits.min, limits.max)]
    return (ends[0], ends[1]) if 0 < scale < _MAX_SCALE else None


def _random(
    rng: np.random.Generator, tensor: graph.Tensor, span: tuple[float, float] | None
) -> Array:
    dtype, shape = graph.dtype_of(tensor), _fixed_shape(tensor)
    if dtype is None:
        raise ModelError(f"input {graph.tensor_name(tensor)!r} has a type edgeprune cannot make")
    if dtype.kind == "f" and span is not None:
        return rng.uniform(*span, shape).astype(dtype)
    if dtype.kind == "f":
        return (rng.random(shape, np.float32) * np.float32(rng.random())).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    limits = np.iinfo(dtype)
    if dtype.itemsize > 2:  # indices, most likely: small ones are valid everywhere
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


def _fixed_shape(tensor: graph.Tensor) -> tuple[int, ...]:
    return tuple(max(size, 1) for size in graph.shape_of(tensor))


def as_input(values: Array, tensor: graph.Tensor) -> Array:
    """Values in the units of the data, as the tensor stores them: quantized where it is integer.

    Raises:
        ModelError: The values do not fit the tensor's shape.
    """
    row: Array
    (row,) = as_inputs(values, tensor)
    return row


def as_inputs(values: Array, tensor: graph.Tensor) -> Array:
    """Samples ``(n, ...)`` as :func:`as_input` gives each, ``(n, *shape)`` of the tensor's shape.

    Raises:
        ModelError: A sample does not fit the tensor's shape.
    """
    dtype, shape = graph.dtype_of(tensor), _fixed_shape(tensor)
    if values.size != len(values) * np.prod(shape):
        raise ModelError(f"data of shape {values.shape[1:]} for an input of shape {shape[1:]}")
    values = values.reshape(len(values), *shape)
    quantization = tensor.quantization
    has_scale = quantization is not None and quantization.scale is not None
    if dtype is not None and dtype.kind in "iu" and has_scale and len(quantization.scale):
        steps = np.rint(values / quantization.scale[0]) + quantization.zeroPoint[0]
        limits = np.iinfo(dtype)
        quantized: Array = np.clip(steps, limits.min, limits.max).astype(dtype)
        return quantized
    return values.astype(dtype)
