"""Shapes of what an operator reads and makes fit each other, where they are known.

Each rule says the shape of the first result, with None for a size that the rule leaves open. A
shape that is open in the file (an unknown size in ``shape_signature``, or no rank) is not held
against anything. Source: ``Prepare`` of the kernels in LiteRT's ``tflite/kernels``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.errors import ModelError

Shape = tuple[int, ...]
Open = tuple[int | None, ...]


class _Unfit(Exception):
    """Operands that do not fit each other; its text says how."""


class _OpenShape(Exception):
    """A rule asked for a shape that is open."""


class Operands:
    """What one operator reads and makes, as its rule asks for it.

    Attributes:
        options: The operator's options table.
        count: Number of its operands.
    """

    def __init__(self, model: Any, subgraph: Any, op: Any) -> None:
        self._model = model
        self._tensors = [subgraph.tensors[i] if i >= 0 else None for i in op.inputs]
        self.options = op.builtinOptions
        self._made = subgraph.tensors[op.outputs[0]]
        self.count = len(self._tensors)

    def has(self, operand: int) -> bool:
        """Whether an operand is there, and its shape known."""
        return operand < self.count and known_shape(self._tensors[operand]) is not None

    def shape(self, operand: int) -> Shape:
        """Of an operand; where it is open, the rule ends here."""
        return _closed(known_shape(self._tensors[operand]))

    @property
    def made(self) -> Shape:
        """Shape of the first result; where it is open, the rule ends here."""
        return _closed(known_shape(self._made))

    def integers(self, operand: int) -> list[int] | None:
        """A constant operand's numbers; None where it is computed."""
        tensor = self._tensors[operand]
        if tensor is None or tensor.sparsity is not None:
            return None
        dtype = {schema.TensorType.INT32: "<i4", schema.TensorType.INT64: "<i8"}.get(tensor.type)
        data = self._model.buffers[tensor.buffer].data if self._model.buffers else None
        if data is None or not len(data) or dtype is None:
            return None
        return [int(value) for value in np.asarray(data, np.uint8).view(dtype)]


def known_shape(tensor: Any) -> Shape | None:
    """A tensor's shape; None where it is open, or where there is none and no word of a scalar."""
    if tensor is None:
        return None
    signature = tensor.shapeSignature
    if signature is not None and any(int(size) < 0 for size in signature):
        return None
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    return shape if shape or tensor.hasRank else None


def _closed(shape: Shape | None) -> Shape:
    if shape is None:
        raise _OpenShape
    return shape


def check_shapes(model: Any, subgraph: Any, op: Any, name: str, where: str) -> None:
    """Checks one operator whose operands are known to exist.

    Raises:
        ModelError: Its operands do not fit each other, or what it makes does not fit them.
    """
    rule = RULES.get(name)
    if rule is None:
        return
    operands = Operands(model, subgraph, op)
    try:
        wanted = rule(operands)
        made = operands.made if wanted is not None else ()
    except _OpenShape:
        return
    except _Unfit as error:
        raise ModelError(f"{where} {error}") from None
    if wanted is None:
        return
    fits = len(made) == len(wanted) and all(
        w in (None, m) for w, m in zip(wanted, made, strict=True)
    )
    if not fits:
        raise ModelError(
            f"{where} makes the shape {_text(wanted)}, and tensor {op.outputs[0]} is {_text(made)}"
        )


def _convolution(operands: Operands) -> Open:
    image, kernel = operands.shape(0), _filter(operands)
    groups = image[3] // kernel[3]
    _fits(
        image[3] % kernel[3] == 0 and groups > 0 and kernel[0] % groups == 0,
        f"has a filter of {kernel[3]} channels for a map of {image[3]}",
    )
    _bias(operands, 2, kernel[0])
    return (image[0], *_window(operands, image, kernel[1:3]), kernel[0])


def _depthwise(operands: Operands) -> Open:
    image, kernel = operands.shape(0), _filter(operands)
    _fits(
        kernel[0] == 1 and image[3] > 0 and kernel[3] % image[3] == 0,
        f"has a filter of the shape {_text(kernel)} for a map of {image[3]} channels",
    )
    multiplier = kernel[3] // image[3]
    operands.options.depthMultiplier = operands.options.depthMultiplier or multiplier
    _fits(
        operands.options.depthMultiplier == multiplier,
        "has another depth multiplier than its filter",
    )
    _bias(operands, 2, kernel[3])
    return (image[0], *_window(operands, image, kernel[1:3]), kernel[3])


def _transposed(operands: Operands) -> Open:
    kernel, image = _filter(operands), operands.shape(2)
    _fits(
        kernel[3] == image[3],
        f"has a filter of {kernel[3]} channels for a map of {image[3]}",
    )
    _bias(operands, 3, kernel[0])
    return (image[0], None, None, kernel[0])


def _pool(operands: Operands) -> Open:
    image, options = operands.shape(0), operands.options
    kernel = (options.filterHeight, options.filterWidth)
    return (image[0], *_window(operands, image, kernel), image[3])


def _window(operands: Operands, image: Shape, kernel: Shape) -> Shape:
    """Height and width behind a window that moves over a map."""
    options = operands.options
    sizes = []
    for size, width, axis in ((image[1], kernel[0], "H"), (image[2], kernel[1], "W")):
        dilation = getattr(options, f"dilation{axis}Factor", 1)
        stride = getattr(options, f"stride{axis}")
        reach = (width - 1) * dilation + 1 if options.padding == schema.Padding.VALID else 1
        sizes.append((size - reach) // stride + 1)
    _fits(min(sizes) >= 0, f"has a window larger than its map of {image[1]}x{image[2]}")
    return tuple(sizes)


def _dense(operands: Operands) -> None:
    values, weights = operands.shape(0), _filter(operands)
    _fits(
        len(values) > 0 and math.prod(values) % weights[1] == 0,
        f"has weights for {weights[1]} values, and gets the shape {_text(values)}",
    )
    _bias(operands, 2, weights[0])
    made, rows = operands.made, math.prod(values) // weights[1]
    _fits(
        (made[-1:] == weights[:1] and math.prod(made) == rows * weights[0]),
        f"makes {weights[0]} values for each of {rows} rows, and not the shape {_text(made)}",
    )


def _filter(operands: Operands) -> Shape:
    shape = operands.shape(1)
    _fits(math.prod(shape) > 0, f"has a filter without elements, of the shape {_text(shape)}")
    return shape


def _bias(operands: Operands, operand: int, channels: int) -> None:
    if operands.has(operand):
        size = operands.shape(operand)[0]
        _fits(size == channels, f"has {size} biases for {channels} channels")


def _same(operands: Operands) -> Open:
    return operands.shape(0)


def _broadcast(operands: Operands) -> Open | None:
    first, second = operands.shape(0), operands.shape(1)
    rank = max(len(first), len(second))
    pairs = zip(*((1,) * (rank - len(one)) + one for one in (first, second)), strict=True)
    sizes = []
    for one, other in pairs:
        _fits(
            one == other or 1 in (one, other),
            f"reads the shapes {_text(first)} and {_text(second)}",
        )
        sizes.append(other if one == 1 else one)
    return tuple(sizes)


def _as_many(operands: Operands) -> None:
    image, made = operands.shape(0), operands.made
    _fits(
        math.prod(image) == math.prod(made),
        f"makes the shape {_text(made)} of {_text(image)}",
    )


def _pad(operands: Operands) -> Open | None:
    image, amounts = operands.shape(0), operands.integers(1)
    if amounts is None:
        return None
    _fits(len(amounts) == 2 * len(image) and min(amounts) >= 0, f"pads by {amounts[:8]}")
    return tuple(s + a + b for s, a, b in zip(image, amounts[::2], amounts[1::2], strict=True))


def _reduced(operands: Operands) -> Open | None:
    image, axes = operands.shape(0), operands.integers(1)
    if axes is None:
        return None
    gone = {_axis(axis, image) for axis in axes}
    if operands.options.keepDims:
        return tuple(1 if i in gone else size for i, size in enumerate(image))
    return tuple(size for i, size in enumerate(image) if i not in gone)


def _joined(operands: Operands) -> Open | None:
    image = operands.shape(0)
    axis = _axis(operands.options.axis, image)
    others = [operands.shape(k) for k in range(operands.count) if operands.has(k)]
    for other in others:
        _fits(
            len(other) == len(image)
            and other[:axis] == image[:axis]
            and other[axis + 1 :] == image[axis + 1 :],
            f"joins the shapes {_text(image)} and {_text(other)}",
        )
    whole = sum(one[axis] for one in others) if len(others) == operands.count else None
    return (*image[:axis], whole, *image[axis + 1 :])


def _turned(operands: Operands) -> Open | None:
    image, order = operands.shape(0), operands.integers(1)
    if order is None:
        return None
    axes = [_axis(axis, image) for axis in order]
    _fits(sorted(axes) == list(range(len(image))), f"permutes axes by {order[:8]}")
    return tuple(image[axis] for axis in axes)


def _to_depth(operands: Operands) -> Open:
    image, block = operands.shape(0), operands.options.blockSize
    _fits(
        image[1] % block == 0 and image[2] % block == 0,
        f"has blocks of {block} in a map of {image[1]}x{image[2]}",
    )
    return (image[0], image[1] // block, image[2] // block, image[3] * block * block)


def _to_space(operands: Operands) -> Open:
    image, block = operands.shape(0), operands.options.blockSize
    _fits(image[3] % (block * block) == 0, f"has blocks of {block} in {image[3]} channels")
    return (image[0], image[1] * block, image[2] * block, image[3] // (block * block))


def _resized(operands: Operands) -> Open | None:
    image, size = operands.shape(0), operands.integers(1)
    if size is None:
        return None
    _fits(len(size) == 2 and min(size) > 0, f"resizes to {size[:8]}")
    return (image[0], *size, image[3])


def _strided(operands: Operands) -> None:
    image, found = operands.shape(0), [operands.integers(k) for k in (1, 2, 3)]
    lengths = {len(one) for one in found if one is not None}
    _fits(
        len(lengths) < 2 and max(lengths, default=0) <= 2 * len(image) + 2,
        "has begin, end and strides of different lengths",
    )
    _fits(found[2] is None or 0 not in found[2], "has a stride of 0")


def _sliced(operands: Operands) -> None:
    image = operands.shape(0)
    for found in (operands.integers(1), operands.integers(2)):
        _fits(
            found is None or len(found) == len(image),
            f"slices the shape {_text(image)} by another number of axes",
        )


def _along(operands: Operands) -> None:
    _axis(operands.options.axis, operands.shape(0))


def _packed(operands: Operands) -> Open | None:
    image = operands.shape(0)
    axis = _axis(operands.options.axis, (*image, 1))
    return (*image[:axis], operands.count, *image[axis:])


def _split(operands: Operands) -> None:
    axis = operands.integers(0)
    if axis is not None:
        _fits(len(axis) == 1, "has several axes")
        _axis(axis[0], operands.shape(1))


def _axis(axis: int, shape: Shape) -> int:
    """An axis counted from the first one."""
    _fits(-len(shape) <= axis < len(shape), f"names the axis {axis} of the shape {_text(shape)}")
    return axis % len(shape)


def _fits(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _Unfit(otherwise)


def _text(shape: Open) -> str:
    """A shape in a message; a long one is cut."""
    sizes = ["?" if size is None else str(size) for size in shape[:8]]
    return f"({', '.join(sizes)}{', ...' if len(shape) > 8 else ''})"


Rule = Callable[[Operands], Open | None]

RULES: Mapping[str, Rule] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), _pool),
    **dict.fromkeys(
        (
            "ABS CEIL COS DENSIFY DEQUANTIZE ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC "
            "LOG_SOFTMAX NEG QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT SIN SOFTMAX "
            "SQRT SQUARE TANH CAST"
        ).split(),
        _same,
    ),
    **dict.fromkeys("ADD SUB MUL DIV MAXIMUM MINIMUM SQUARED_DIFFERENCE PRELU".split(), _broadcast),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), _reduced),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), _as_many),
    "CONCATENATION": _joined,
    "TRANSPOSE": _turned,
    "SPACE_TO_DEPTH": _to_depth,
    "DEPTH_TO_SPACE": _to_space,
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), _resized),
    "STRIDED_SLICE": _strided,
    "SLICE": _sliced,
    **dict.fromkeys(("GATHER", "UNPACK"), _along),
    "PACK": _packed,
    "SPLIT": _split,
}
"""Operator to its rule."""
