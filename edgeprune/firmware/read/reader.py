"""What the readers of all operators ask of a network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.firmware.operations import Limits
from edgeprune.models.tflite import graph, sparse_tensor

_ACTIVATIONS = {0: (None, None), 1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
"""Smallest and largest real value. Source: enum ActivationFunctionType of the schema."""

_ACTIVATION_NAMES = {4: "TANH", 5: "SIGN_BIT"}


def half_away(value: float) -> int:
    """Rounds to the nearest integer, halves away from zero, as ``TfLiteRound`` does."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


class Reader:
    """One network while it is read."""

    def __init__(self, model: graph.Model) -> None:
        self.model = model
        self.subgraph = model.subgraphs[0]

    def tensor(self, index: int) -> Any:
        """A tensor of the network."""
        return self.subgraph.tensors[int(index)]

    def name(self, index: int) -> str:
        """A tensor's name, for people."""
        return graph.tensor_name(self.tensor(index))

    def shape(self, index: int) -> tuple[int, ...]:
        """A tensor's shape."""
        return graph.shape_of(self.tensor(index))

    def size(self, index: int) -> int:
        """How many elements a tensor has."""
        return math.prod(self.shape(index))

    def constant(self, index: int) -> Array | None:
        """A constant tensor's values in its shape, also of one that is stored sparse; else None."""
        if index < 0:
            return None
        tensor = self.tensor(index)
        if graph.dtype_of(tensor) is None:
            raise ModelError(
                f"{self.name(index)!r} is of a type that firmware does not know, such as int4: "
                "quantize with --quantize int8"
            )
        if tensor.sparsity is None:
            return graph.constant(self.model, tensor)
        stored = graph.stored_values(self.model, tensor)
        return sparse_tensor.decode(stored, tensor.sparsity, graph.shape_of(tensor))

    def known(self, index: int, what: str) -> Array:
        """A constant that an operator cannot do without.

        Raises:
            ModelError: It is computed.
        """
        values = self.constant(index)
        if values is None:
            raise ModelError(f"firmware takes {what} that are constant, and these are computed")
        return values

    def scale(self, index: int) -> tuple[float, int]:
        """Scale and zero point of an int8 tensor.

        Raises:
            ModelError: It has none, or one for each channel, or one out of range.
        """
        quantization = self.tensor(index).quantization
        scales: Any = () if quantization is None else quantization.scale
        zeros: Any = () if quantization is None else quantization.zeroPoint
        count = 0 if scales is None else len(scales)
        if count != 1 or zeros is None or len(zeros) != 1:
            raise ModelError(
                f"tensor {self.name(index)!r} has {count} scales, and firmware takes one scale and "
                "zero point for each tensor that is not a filter: quantize activations per tensor"
            )
        scale, zero_point = float(np.float32(scales[0])), int(zeros[0])
        if not 0 < scale < math.inf or not -128 <= zero_point <= 127:
            raise ModelError(
                f"tensor {self.name(index)!r} has scale {scale:g} and zero point {zero_point}, and "
                "int8 takes a scale above 0 and a zero point of -128 to 127: quantize again"
            )
        return scale, zero_point

    def limits(self, activation: int, index: int) -> Limits:
        """Smallest and largest stored output under a fused activation.

        Source: ``CalculateActivationRangeQuantized`` in ``tensorflow/lite/kernels/kernel_util.cc``.

        Raises:
            ModelError: The activation has no limits.
        """
        if activation not in _ACTIVATIONS:
            name = _ACTIVATION_NAMES.get(activation, str(activation))
            raise ModelError(f"firmware fuses RELU, RELU_N1_TO_1 and RELU6, and this is {name}")
        scale, zero_point = self.scale(index)
        ends = [-128, 127]
        for side, real in enumerate(_ACTIVATIONS[activation]):
            if real is not None:
                stored = zero_point + half_away(float(np.float32(real) / np.float32(scale)))
                ends[side] = max(ends[0], stored) if side == 0 else min(ends[1], stored)
        return ends[0], ends[1]

    def map_shape(self, index: int) -> tuple[int, int, int]:
        """Height, width and channels of a map.

        Raises:
            ModelError: It is no map of one image.
        """
        shape = self.shape(index)
        if len(shape) != 4 or shape[0] != 1:
            raise ModelError(
                f"firmware takes maps of shape (1, height, width, channels), and "
                f"{self.name(index)!r} is {shape}"
            )
        return shape[1], shape[2], shape[3]
