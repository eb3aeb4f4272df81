"""What TFLite's builtin operators take and give: number of operands, ranks, and kind of options.

Source: ``Prepare`` of the kernels in LiteRT's ``tflite/kernels`` (``TF_LITE_ENSURE_EQ`` on
``NumInputs`` and ``NumDimensions``), and ``tflite/core/api/flatbuffer_conversions.cc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ai_edge_litert import schema_py_generated as schema

BUILTIN_NAMES: dict[int, str] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
"""Value of ``BuiltinOperator`` to its name in the schema, as ``CONV_2D``."""

MAP = 4
"""Dimensions of a map: batch, height, width, channels."""

MANY = 1 << 20
"""More operands than any operator has."""


@dataclass(frozen=True)
class Form:
    """What one builtin operator looks like.

    Attributes:
        inputs: Fewest and most operands.
        outputs: Fewest and most results.
        options: Name of its options table; None where the passes of edgeprune read none.
        ranks: Operand to the rank that it must have; where one is a map, so is the first result.
        optional: Operands that may be left out, as -1.
    """

    inputs: tuple[int, int]
    outputs: tuple[int, int] = (1, 1)
    options: str | None = None
    ranks: Mapping[int, int] = field(default_factory=dict)
    optional: frozenset[int] = frozenset()


def _each(names: str, form: Form) -> dict[str, Form]:
    return dict.fromkeys(names.split(), form)


_ONE, _TWO, _THREE = (1, 1), (2, 2), (3, 3)
_SEVERAL = (1, MANY)
_BIAS = frozenset({2})

FORMS: Mapping[str, Form] = {
    **_each(
        "ABS CAST CEIL COS DENSIFY DEQUANTIZE ELU EXP FLOOR HARD_SWISH LOG LOGICAL_NOT LOGISTIC "
        "LOG_SOFTMAX NEG QUANTIZE RANK RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT SHAPE SIGN "
        "SIN SQRT SQUARE TANH ZEROS_LIKE L2_NORMALIZATION",
        Form(_ONE),
    ),
    **_each(
        "EQUAL FLOOR_DIV FLOOR_MOD GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR "
        "MAXIMUM MINIMUM NOT_EQUAL POW PRELU SQUARED_DIFFERENCE ARG_MAX ARG_MIN BROADCAST_TO "
        "EXPAND_DIMS FILL GATHER_ND MIRROR_PAD PAD REVERSE_V2 TILE",
        Form(_TWO),
    ),
    "ADD": Form(_TWO, options="AddOptions"),
    "SUB": Form(_TWO, options="SubOptions"),
    "MUL": Form(_TWO, options="MulOptions"),
    "DIV": Form(_TWO, options="DivOptions"),
    "TRANSPOSE": Form(_TWO, options="TransposeOptions"),
    "GATHER": Form(_TWO, options="GatherOptions"),
    "BATCH_MATMUL": Form(_TWO, options="BatchMatMulOptions"),
    "PADV2": Form(_THREE),
    **_each("SELECT SELECT_V2 SLICE", Form(_THREE)),
    **_each(
        "MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL",
        Form(_TWO, options="ReducerOptions"),
    ),
    **_each(
        "AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D",
        Form(_ONE, options="Pool2DOptions", ranks={0: 4}),
    ),
    "CONV_2D": Form((2, 3), options="Conv2DOptions", ranks={0: 4, 1: 4, 2: 1}, optional=_BIAS),
    "DEPTHWISE_CONV_2D": Form(
        (2, 3), options="DepthwiseConv2DOptions", ranks={0: 4, 1: 4, 2: 1}, optional=_BIAS
    ),
    "TRANSPOSE_CONV": Form(
        (3, 4),
        options="TransposeConvOptions",
        ranks={0: 1, 1: 4, 2: 4, 3: 1},
        optional=frozenset({3}),
    ),
    "FULLY_CONNECTED": Form(
        (2, 3), (1, 2), options="FullyConnectedOptions", ranks={1: 2, 2: 1}, optional=_BIAS
    ),
    "SOFTMAX": Form(_ONE, options="SoftmaxOptions"),
    "LEAKY_RELU": Form(_ONE, options="LeakyReluOptions"),
    "GELU": Form(_ONE, options="GeluOptions"),
    "RESHAPE": Form((1, 2), options="ReshapeOptions"),
    "SQUEEZE": Form(_ONE, options="SqueezeOptions"),
    "STRIDED_SLICE": Form((4, 4), options="StridedSliceOptions"),
    "RESIZE_BILINEAR": Form(_TWO, options="ResizeBilinearOptions", ranks={0: 4}),
    "RESIZE_NEAREST_NEIGHBOR": Form(_TWO, options="ResizeNearestNeighborOptions", ranks={0: 4}),
    "SPACE_TO_DEPTH": Form(_ONE, options="SpaceToDepthOptions", ranks={0: 4}),
    "DEPTH_TO_SPACE": Form(_ONE, options="DepthToSpaceOptions", ranks={0: 4}),
    "CONCATENATION": Form(_SEVERAL, options="ConcatenationOptions"),
    "PACK": Form(_SEVERAL, options="PackOptions"),
    "UNPACK": Form(_ONE, _SEVERAL, options="UnpackOptions"),
    "SPLIT": Form(_TWO, _SEVERAL, options="SplitOptions"),
    "SPLIT_V": Form(_THREE, _SEVERAL, options="SplitVOptions"),
    "WHILE": Form(_SEVERAL, _SEVERAL, options="WhileOptions"),
    "IF": Form(_SEVERAL, (0, MANY), options="IfOptions"),
    "CALL_ONCE": Form((0, 0), (0, 0), options="CallOnceOptions"),
}
"""Builtin operators that the passes of edgeprune look into, by name; others may have any form."""
