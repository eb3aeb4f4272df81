"""What a plan is made of: the operations of an int8 network, with their integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.firmware.loops import Loop, row_steps

Limits = tuple[int, int]
"""Smallest and largest output."""

MAX_PRODUCT = 1 << 14
"""Of a weight and an activation, both int8."""


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
    limits: Limits


@dataclass(frozen=True, eq=False)  # arrays do not compare; each is itself alone
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
        """No sum is larger, whatever the weights and the input: what firmware checks too."""
        row = int(self.weights.shape[1])
        return row * MAX_PRODUCT + int(np.abs(self.bias).max())


@dataclass(frozen=True)
class Broadcast:
    """How ADD, SUB and MUL visit their inputs: ``struct ep_broadcast`` of a plan.

    Attributes:
        sizes: How often each loop runs, the innermost last.
        steps: Of each input, in each loop; 0 where it is repeated.
        constants: The bytes of an input that is constant, else None.
    """

    sizes: Loop
    steps: tuple[Loop, Loop]
    constants: tuple[bytes | None, bytes | None]

    def is_dense(self, number: int) -> bool:
        """Whether each element of an input is visited once, in its order."""
        dense = row_steps(self.sizes)
        return all(
            size == 1 or step == whole
            for size, step, whole in zip(self.sizes, self.steps[number], dense, strict=True)
        )


@dataclass(frozen=True)
class Add:
    """ADD or SUB.

    Attributes:
        op: Its name in the schema.
        broadcast: How it visits its inputs.
        zero_points: Of the inputs and of the output.
        multipliers: Of the inputs and of the output.
        shifts: To the right, of the inputs and of the output.
        limits: Smallest and largest output.
    """

    op: str
    broadcast: Broadcast
    zero_points: tuple[int, int, int]
    multipliers: tuple[int, int, int]
    shifts: tuple[int, int, int]
    limits: Limits


@dataclass(frozen=True)
class Mul:
    """MUL.

    Attributes:
        broadcast: How it visits its inputs.
        zero_points: Of the inputs and of the output.
        multiplier: Of the product.
        shift: To the right, of the product.
        limits: Smallest and largest output.
    """

    broadcast: Broadcast
    zero_points: tuple[int, int, int]
    multiplier: int
    shift: int
    limits: Limits


@dataclass(frozen=True)
class Pool:
    """AVERAGE_POOL_2D or MAX_POOL_2D.

    Attributes:
        op: Its name in the schema.
        window: How it looks at its input.
    """

    op: str
    window: Window


@dataclass(frozen=True)
class Lookup:
    """A function of one int8: an activation, QUANTIZE, arithmetic with one constant.

    Attributes:
        elements: How many.
        table: 256 outputs, int8, for the inputs as uint8 from 0 on.
    """

    elements: int
    table: bytes


@dataclass(frozen=True)
class Mean:
    """MEAN: outputs ``(outer, inner)`` from inputs ``(outer, reduced, inner)``.

    Attributes:
        outer: Elements in front of the dimensions that are averaged.
        reduced: Elements of the dimensions that are averaged.
        inner: Elements behind them.
        multiplier: Of a sum, the division by ``reduced`` included.
        shift: To the right, of a sum.
        zero_points: Of input and output.
    """

    outer: int
    reduced: int
    inner: int
    multiplier: int
    shift: int
    zero_points: tuple[int, int]


@dataclass(frozen=True)
class Copy:
    """Elements in another order: PAD, CONCATENATION, TRANSPOSE, slices.

    Attributes:
        sizes: How often each loop runs, the innermost last.
        in_steps: Steps of each loop in the input.
        out_steps: Steps of each loop in the output.
        in_offset: The first element read.
        out_offset: The first element written.
        fill_bytes: Elements of the output that are filled before; 0 for none.
        fill: What with.
        border: For a PAD of height and width alone, rows above and columns to the left.
        size: For such a PAD, height and width of its input.
    """

    sizes: Loop
    in_steps: Loop
    out_steps: Loop
    in_offset: int = 0
    out_offset: int = 0
    fill_bytes: int = 0
    fill: int = 0
    border: tuple[int, int] | None = None
    size: tuple[int, int] | None = None


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


Operation = Convolution | Add | Mul | Pool | Lookup | Mean | Copy | Softmax | Alias


@dataclass(frozen=True)
class Part:
    """An operator, or a part of one.

    Attributes:
        operation: What is computed.
        inputs: Tensors that are computed, not constant ones.
        output: The tensor that it makes, or a part of it.
    """

    operation: Operation
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class Step(Part):
    """A part in its place.

    Attributes:
        layer: Its operator's number in the file.
        name: Its operator's name in the schema.
    """

    layer: int
    name: str
