"""What a plan is made of: the operations of an int8 network, with their integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array


@dataclass(frozen=True)
class Window:
    """How outputs of a convolution or a pool look at their input.

    Attributes:
        input: Height, width, channels.
        output: Height, width, channels.
        kernel: Height, width.
        stride: Rows, columns.
        dilation: Rows, columns.
        pad: Rows above, columns to the left.
        zero_points: Of the input and of the output.
        limits: Smallest and largest output: the fused activation's, and int8's.
    """

    input: tuple[int, int, int]
    output: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]
    zero_points: tuple[int, int]
    limits: tuple[int, int]


@dataclass(frozen=True)
class Convolution:
    """CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED.

    Attributes:
        op: Its name in the schema.
        window: How it looks at its input.
        weights: int8, shape ``(out_channels, row)``: a row holds ``kernel * in_channels``, for a
            depthwise convolution ``kernel``.
        bias: int64, shape ``(out_channels,)``: with the input's zero point taken out.
        multipliers: Shape ``(out_channels,)``.
        shifts: To the right, shape ``(out_channels,)``.
    """

    op: str
    window: Window
    weights: Array
    bias: Array
    multipliers: Array
    shifts: Array

    @property
    def max_sum(self) -> int:
        """The largest absolute sum that any input can give."""
        ends = np.abs(self.weights.astype(np.int64)).sum(axis=1) * 128
        return int((ends + np.abs(self.bias)).max())


@dataclass(frozen=True)
class Add:
    """ADD of two tensors of one shape.

    Attributes:
        elements: Of each.
        zero_points: Of the inputs and of the output.
        multipliers: Of the inputs and of the output.
        shifts: To the right, of the inputs and of the output.
        limits: Smallest and largest output.
    """

    elements: int
    zero_points: tuple[int, int, int]
    multipliers: tuple[int, int, int]
    shifts: tuple[int, int, int]
    limits: tuple[int, int]


@dataclass(frozen=True)
class AveragePool:
    """AVERAGE_POOL_2D.

    Attributes:
        window: How it looks at its input.
    """

    window: Window


@dataclass(frozen=True)
class Softmax:
    """SOFTMAX over the last dimension.

    Attributes:
        rows: How many.
        columns: Elements of a row.
        multiplier: Of a difference to the largest.
        left_shift: Of a difference to the largest.
        diff_min: Differences below give 0.
    """

    rows: int
    columns: int
    multiplier: int
    left_shift: int
    diff_min: int


@dataclass(frozen=True)
class Alias:
    """RESHAPE and its like: the output is the input."""


Operation = Convolution | Add | AveragePool | Softmax | Alias


@dataclass(frozen=True)
class Step:
    """An operation in its place.

    Attributes:
        layer: Its number in the file.
        operation: What is computed.
        inputs: Tensors that are computed, not constant ones.
        output: The tensor that it makes.
    """

    layer: int
    operation: Operation
    inputs: tuple[int, ...]
    output: int
