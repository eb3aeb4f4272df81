"""Tensors of a TFLite file: type, shape, stored values and quantization hold together.

Source: ``tflite/core/interpreter_builder.cc`` (``ParseTensors``, ``ParseQuantization``) and
``SetTensorParametersReadOnly`` of ``tflite/core/subgraph.cc``, which refuse the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.errors import ModelError
from edgeprune.models.tflite.check.sparsity import check_sparsity

_TYPE = schema.TensorType
ELEMENT_BITS = {
    _TYPE.FLOAT32: 32,
    _TYPE.FLOAT16: 16,
    _TYPE.INT32: 32,
    _TYPE.UINT8: 8,
    _TYPE.INT64: 64,
    _TYPE.BOOL: 8,
    _TYPE.INT16: 16,
    _TYPE.COMPLEX64: 64,
    _TYPE.INT8: 8,
    _TYPE.FLOAT64: 64,
    _TYPE.COMPLEX128: 128,
    _TYPE.UINT64: 64,
    _TYPE.UINT32: 32,
    _TYPE.UINT16: 16,
    _TYPE.INT4: 4,
    _TYPE.BFLOAT16: 16,
    _TYPE.INT2: 2,
    _TYPE.UINT4: 4,
    _TYPE.FLOAT8_E4M3FN: 8,
    _TYPE.FLOAT8_E5M2: 8,
}
"""Tensor type to the bits of one element; strings, resources and variants have no fixed size."""

_OPEN_TYPES = (_TYPE.STRING, _TYPE.RESOURCE, _TYPE.VARIANT)
_ZERO_POINTS = {_TYPE.INT8: (-128, 127), _TYPE.UINT8: (0, 255), _TYPE.INT16: (-32768, 32767)}

MAX_RANK = 64
"""Of NumPy arrays; LiteRT's kernels end at 8."""

MAX_TENSOR_BYTES = 1 << 40
"""A tensor of 1 TB fits into no device; sizes beyond it overflow on the way."""


def stored_bytes(buffer: Any) -> int:
    """Bytes that a buffer holds, inside the file's tables or behind them."""
    return int(buffer.size) if buffer.offset else 0 if buffer.data is None else len(buffer.data)


def check_tensor(tensor: Any, buffer: Any, where: str) -> None:
    """Checks one tensor with its buffer; an empty list of scales becomes None.

    Args:
        tensor: A ``TensorT``.
        buffer: The tensor's ``BufferT``.
        where: The tensor in words, for messages.

    Raises:
        ModelError: Something about it contradicts itself.
    """
    if tensor.type not in ELEMENT_BITS and tensor.type not in _OPEN_TYPES:
        raise ModelError(f"{where} has the unknown type {tensor.type}")
    shape = _shape(tensor, where)
    size = math.prod(shape)
    bits = ELEMENT_BITS.get(tensor.type, 8)
    if size * bits > 8 * MAX_TENSOR_BYTES:
        raise ModelError(f"{where} has the impossible shape {_text(shape)}")
    stored = stored_bytes(buffer)
    if stored and tensor.isVariable:
        raise ModelError(f"{where} is a variable and has stored values")
    if tensor.sparsity is not None:
        if tensor.type not in ELEMENT_BITS or bits < 8:
            raise ModelError(f"{where} is stored sparse with a type that cannot be")
        check_sparsity(tensor.sparsity, shape, stored * 8 / bits, where)
    elif stored and tensor.type in ELEMENT_BITS and stored != -(-size * bits // 8):
        raise ModelError(
            f"{where} has {stored} stored bytes, and its shape {_text(shape)} needs "
            f"{-(-size * bits // 8)}"
        )
    elif stored and tensor.type == _TYPE.STRING and not buffer.offset:
        _check_strings(np.asarray(buffer.data, np.uint8).tobytes(), where)
    if tensor.quantization is not None:
        _check_quantization(tensor, shape, where)


def _shape(tensor: Any, where: str) -> tuple[int, ...]:
    """The shape, every size checked."""
    for sizes, least, what in ((tensor.shape, 0, "shape"), (tensor.shapeSignature, -1, "open")):
        if sizes is None:
            continue
        if len(sizes) > MAX_RANK:
            raise ModelError(f"{where} has {len(sizes)} dimensions, and at most {MAX_RANK} can be")
        if any(int(size) < least for size in sizes):
            raise ModelError(f"{where} has the impossible {what} {_text(sizes)}")
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    signature = tensor.shapeSignature
    if signature is not None and len(signature) not in (0, len(shape)):
        raise ModelError(f"{where} has two shapes of different ranks")
    for variant in tensor.variantTensors or ():
        if variant.shape is not None and len(variant.shape) > MAX_RANK:
            raise ModelError(f"{where} has a variant of {len(variant.shape)} dimensions")
    return shape


def _check_strings(data: bytes, where: str) -> None:
    """Count, then the offset of each string and of the end. Source: ``tflite/string_util.h``."""
    words = np.frombuffer(data[: len(data) // 4 * 4], "<i4")
    count = int(words[0]) if len(words) else -1
    if not 0 <= count <= len(words) - 2:
        raise ModelError(f"{where} has damaged strings")
    offsets = words[1 : count + 2]
    begins = 4 * (count + 2)
    if offsets[0] != begins or offsets[-1] > len(data) or (np.diff(offsets) < 0).any():
        raise ModelError(f"{where} has damaged strings")


def _check_quantization(tensor: Any, shape: tuple[int, ...], where: str) -> None:
    quantization = tensor.quantization
    scales, zero_points = quantization.scale, quantization.zeroPoint
    if scales is None or not len(scales):
        quantization.scale = None  # an empty list says the same
        return
    scales = np.asarray(scales)
    if not np.isfinite(scales).all() or (scales < 0).any():
        raise ModelError(f"{where} has a quantization scale that is no positive number")
    if zero_points is None or len(zero_points) != len(scales):
        count = 0 if zero_points is None else len(zero_points)
        raise ModelError(f"{where} has {len(scales)} scales and {count} zero points")
    low, high = _ZERO_POINTS.get(tensor.type, (-(1 << 31), (1 << 31) - 1))
    zero_points = np.asarray(zero_points)
    if (zero_points < low).any() or (zero_points > high).any():
        raise ModelError(f"{where} has a zero point outside of its type's range")
    axis = int(quantization.quantizedDimension)
    if len(scales) > 1 and (
        not 0 <= axis < max(len(shape), 1) or (shape and shape[axis] != len(scales))
    ):
        raise ModelError(
            f"{where} has {len(scales)} scales along dimension {axis} of its shape {_text(shape)}"
        )


def _text(shape: Any) -> str:
    """A shape in a message; a long one is cut."""
    sizes = [str(int(size)) for size in shape[:8]]
    return f"({', '.join(sizes)}{', ...' if len(shape) > 8 else ''})"
