"""Inputs and outputs that a file has as float32 or uint8, and its plan as int8.

Converters put QUANTIZE behind a float input and DEQUANTIZE before a float output. A plan begins
behind the one and ends before the other; what they do is done on the host, bit for bit as LiteRT's
reference kernels do it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph

_SIGN_BIT = 0x80
_MAX_STEPS = float(1 << 30)
"""Most steps of its scale that an input may be away from 0: LiteRT casts them to 32 bits."""


@dataclass(frozen=True)
class End:
    """An input or output of a network.

    Attributes:
        tensor: Its number in the file.
        stored: Number of the int8 tensor that a plan has in its place; the same where the file has
            int8 there.
    """

    tensor: int
    stored: int


@dataclass(frozen=True)
class Ends:
    """All inputs and outputs of a network, in its order."""

    inputs: tuple[End, ...]
    outputs: tuple[End, ...]

    @property
    def stored_inputs(self) -> list[int]:
        """Tensors that a plan takes."""
        return [end.stored for end in self.inputs]

    @property
    def stored_outputs(self) -> list[int]:
        """Tensors that a plan gives."""
        return [end.stored for end in self.outputs]

    @property
    def converted(self) -> list[int]:
        """Tensors that a plan takes in another type than the file."""
        return [end.stored for end in self.inputs if end.stored != end.tensor]


def ends_of(model: graph.Model) -> Ends:
    """Where a plan of a network begins and ends.

    An end that is neither int8 nor converted in one plain step stays, for the plan to refuse.
    """
    subgraph = model.subgraphs[0]
    inputs, outputs = graph.io_tensors(model)
    readers, makers = graph.consumers(subgraph), graph.producers(subgraph)
    begins = []
    for tensor in inputs:
        ops = [op for op, _ in readers.get(tensor, ())]
        is_plain = len(ops) == 1 and graph.op_name(model, ops[0]) == "QUANTIZE"
        stored = int(ops[0].outputs[0]) if is_plain and tensor not in outputs else tensor
        begins.append(_end(model, tensor, stored))
    finishes = []
    for tensor in outputs:
        maker, stored = makers.get(tensor), tensor
        if maker is not None and graph.op_name(model, maker) in ("DEQUANTIZE", "QUANTIZE"):
            stored = int(maker.inputs[0])
        finishes.append(_end(model, tensor, stored))
    return Ends(tuple(begins), tuple(finishes))


def _end(model: graph.Model, tensor: int, stored: int) -> End:
    tensors = model.subgraphs[0].tensors
    return End(tensor, stored if _is_plain(tensors[tensor], tensors[stored]) else tensor)


def _is_plain(outer: graph.Tensor, inner: graph.Tensor) -> bool:
    """Whether the host can convert between the two: float32, or uint8 of the same scale."""
    dtype, scale = graph.dtype_of(outer), _scale(inner)
    if graph.dtype_of(inner) != np.int8 or scale is None:
        return False
    if graph.shape_of(outer) != graph.shape_of(inner):
        return False
    return dtype == np.float32 or (
        dtype == np.uint8 and _scale(outer) == (scale[0], scale[1] + 128)
    )


def _scale(tensor: graph.Tensor) -> tuple[float, int] | None:
    """Scale and zero point of a tensor that has one of each."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or quantization.zeroPoint is None:
        return None
    if len(quantization.scale) != 1 or len(quantization.zeroPoint) != 1:
        return None
    return float(np.float32(quantization.scale[0])), int(quantization.zeroPoint[0])


def as_stored(model: graph.Model, sample: Sequence[Array]) -> list[Array]:
    """Inputs of one inference as the plan takes them.

    Args:
        model: A network that has a plan.
        sample: One array an input, of the file's type and shape.

    Raises:
        ModelError: A float is none, or so large that LiteRT's own result is undefined.
    """
    ends = zip(sample, _each(model, ends_of(model).inputs), strict=True)
    return [_quantized(values, *end) if end is not None else values for values, end in ends]


def as_given(model: graph.Model, outputs: Sequence[Array]) -> list[Array]:
    """Outputs of one inference as the file gives them.

    Args:
        model: A network that has a plan.
        outputs: One int8 array an output.
    """
    ends = zip(outputs, _each(model, ends_of(model).outputs), strict=True)
    return [_dequantized(values, *end) if end is not None else values for values, end in ends]


def conversions(model: graph.Model, who: str = "this machine converts") -> str | None:
    """What is converted, in one line for people; None where the file has int8 in and out."""
    ends = ends_of(model)
    words = []
    for word, each in (("input", ends.inputs), ("output", ends.outputs)):
        for found in _each(model, each):
            if found is not None:
                tensor, (scale, zero_point) = found
                name, dtype = graph.tensor_name(tensor), graph.dtype_of(tensor)
                words.append(f"{dtype} {word} {name!r} (scale {scale:g}, zero point {zero_point})")
    if not words:
        return None
    return f"the board takes and gives int8; {who} {', '.join(words)}"


def _each(
    model: graph.Model, ends: Sequence[End]
) -> Iterator[tuple[graph.Tensor, tuple[float, int]] | None]:
    """Of each end the file's tensor, scale and zero point; None where nothing is converted."""
    tensors = model.subgraphs[0].tensors
    for end in ends:
        scale = None if end.tensor == end.stored else _scale(tensors[end.stored])
        yield None if scale is None else (tensors[end.tensor], scale)


def _quantized(values: Array, tensor: graph.Tensor, scale: tuple[float, int]) -> Array:
    """Source: ``AffineQuantize`` of ``tensorflow/lite/kernels/internal/reference/quantize.h``."""
    if values.dtype == np.uint8:
        flipped: Array = (values ^ np.uint8(_SIGN_BIT)).view(np.int8)
        return flipped
    with np.errstate(over="ignore", invalid="ignore"):
        steps = (values.astype(np.float32) / np.float32(scale[0])).astype(np.float64)
    if not (np.abs(steps) < _MAX_STEPS).all():
        raise ModelError(
            f"input {graph.tensor_name(tensor)!r} holds NaN, or numbers that its scale of "
            f"{scale[0]:g} cannot hold: look at the data"
        )
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + scale[1]
    quantized: Array = np.clip(rounded, -128, 127).astype(np.int8)
    return quantized


def _dequantized(values: Array, tensor: graph.Tensor, scale: tuple[float, int]) -> Array:
    """Source: ``Dequantize`` of ``tensorflow/lite/kernels/internal/reference/dequantize.h``."""
    if graph.dtype_of(tensor) == np.uint8:
        flipped: Array = values.view(np.uint8) ^ np.uint8(_SIGN_BIT)
        return flipped
    real: Array = (scale[0] * (values.astype(np.int64) - scale[1])).astype(np.float32)
    return real
