"""Writes what a layer does as a product of matrices: rows of inputs times its weight matrix.

Then one theory serves dense layers and convolutions alike: for every row ``x`` of
:meth:`Unrolled.rows` the layer gives ``W x``, and ``W`` is the kernel as ``(out_channels,
in_features)`` in the order of :meth:`edgeprune.models.keras.weights.Weight.matrix`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.errors import ModelError

MOST_ELEMENTS = 1 << 24
"""Of one block of rows: 64 MiB of float32."""

ROWS_PER_FEATURE = 256
"""Enough for moments whose noise is far below the damping. Source: measured on ResNet-8."""


@dataclass(frozen=True)
class Window:
    """How a convolution reads its input, one entry per spatial axis.

    Attributes:
        size: Size of the kernel.
        strides: In input pixels.
        dilation: Distance of the kernel's elements.
        padding: ``valid``, ``same`` or ``causal``.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str

    def patches(self, x: FloatArray) -> FloatArray:
        """Every patch that the kernel meets: ``(n, *output_size, *size, channels)``, a view.

        Source: the padding of TensorFlow's "SAME": ``(ceil(n / s) - 1) s + (k - 1) d + 1 - n``
        pixels, of which the smaller half goes before; "causal" pads ``(k - 1) d`` before
        (https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding").

        Args:
            x: Shape ``(n, *input_size, channels)``.
        """
        axes = tuple(range(1, 1 + len(self.size)))
        reach = [(k - 1) * d + 1 for k, d in zip(self.size, self.dilation, strict=True)]
        pads = [
            self._pads(length, stride, span)
            for length, stride, span in zip(x.shape[1:-1], self.strides, reach, strict=True)
        ]
        if any(any(pad) for pad in pads):
            x = np.pad(x, [(0, 0), *pads, (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=axes)
        # Now (n, *positions, channels, *reach).
        steps = [slice(None, None, stride) for stride in self.strides]
        holes = [slice(None, None, distance) for distance in self.dilation]
        windows = windows[(slice(None), *steps, slice(None), *holes)]
        return np.moveaxis(windows, len(axes) + 1, -1)

    def _pads(self, length: int, stride: int, span: int) -> tuple[int, int]:
        if self.padding == "valid":
            return 0, 0
        if self.padding == "causal":
            return span - 1, 0
        total = max((-(-length // stride) - 1) * stride + span - length, 0)
        return total // 2, total - total // 2


class Unrolled:
    """One layer's inputs as rows.

    Attributes:
        groups: Groups of a grouped convolution; each has its own rows and its own share of the
            output channels, consecutive ones.
        in_features: Elements of a row.
    """

    def __init__(self, layer: Any) -> None:
        """Reads the layer's configuration.

        Raises:
            ModelError: The layer is of a kind that is no product of this form.
        """
        kinds = {kind.__name__ for kind in type(layer).__mro__}
        self.groups = 1
        self._window: Window | None = None
        self._depthwise: FloatArray | None = None
        self._contracted: Sequence[int] = ()
        kernel = getattr(layer, "pointwise_kernel", None)
        kernel = layer.kernel if kernel is None else kernel
        self.in_features = int(np.prod(kernel.shape[:-1]))
        if kinds & {"SeparableConv1D", "SeparableConv2D"}:
            self._window = _window(layer)
            self._depthwise = np.asarray(layer.depthwise_kernel.numpy())
        elif kinds & {"Conv1D", "Conv2D", "Conv3D"} and not _is_transposed(kinds):
            self._window = _window(layer)
            self.groups = int(layer.groups)
        elif "EinsumDense" in kinds:
            self._contracted = _contracted(layer)
        elif "Dense" not in kinds:
            raise ModelError(
                f"layer {layer.name!r} of class {type(layer).__name__}: only dense layers and "
                "convolutions that are not transposed can be pruned from calibration data; name "
                "it in ignored, or use another criterion"
            )
        self._channels_first = getattr(layer, "data_format", None) == "channels_first"

    def rows(self, x: FloatArray, samples: int = 0) -> Iterator[FloatArray]:
        """The rows that a batch of inputs gives, in blocks of bounded size.

        A convolution on a large map gives more rows than its moments need, and neighbours hardly
        differ. So every k-th is taken, with an odd k that visits all columns of a map, such that
        all samples give :data:`ROWS_PER_FEATURE` rows for each element of a row, or all they have.

        Args:
            x: The layer's input, ``(n, ...)``.
            samples: Of how many samples the moments will be; 0 takes every row.

        Yields:
            Arrays of shape ``(groups, rows, in_features)``.
        """
        if self._channels_first and self._window is not None:
            x = np.moveaxis(x, 1, -1)
        pixels = int(np.prod(x.shape[1:-1])) if self._window is not None else x[0].size
        block = max(1, MOST_ELEMENTS // max(1, pixels * self.in_features * self.groups))
        step = self._step(pixels, samples)
        for first in range(0, len(x), block):
            yield self._rows(x[first : first + block], step)

    def _step(self, pixels: int, samples: int) -> int:
        if self._window is None:
            return 1
        rows = pixels // int(np.prod(self._window.strides)) * samples
        step = max(1, rows // (ROWS_PER_FEATURE * self.in_features))
        return step - 1 + step % 2

    def _rows(self, x: FloatArray, step: int) -> FloatArray:
        if self._window is None:
            if self._contracted:
                x = np.moveaxis(x, self._contracted, range(-len(self._contracted), 0))
            return x.reshape(1, -1, self.in_features)
        patches = self._window.patches(x)
        places = np.arange(0, int(np.prod(patches.shape[: 1 + len(self._window.size)])), step)
        patches = patches[np.unravel_index(places, patches.shape[: 1 + len(self._window.size)])]
        if self._depthwise is not None:
            return _filtered(patches, self._depthwise)[None]
        per_group = patches.shape[-1] // self.groups
        patches = patches.reshape(*patches.shape[:-1], self.groups, per_group)
        return np.moveaxis(patches, -2, 0).reshape(self.groups, -1, self.in_features)


def can_unroll(layer: Any) -> bool:
    """Whether :class:`Unrolled` knows the layer."""
    try:
        Unrolled(layer)
    except ModelError:
        return False
    return True


def _window(layer: Any) -> Window:
    return Window(
        tuple(layer.kernel_size),
        tuple(layer.strides),
        tuple(layer.dilation_rate),
        str(layer.padding),
    )


def _is_transposed(kinds: set[str]) -> bool:
    return any("Transpose" in kind for kind in kinds)


def _filtered(patches: FloatArray, kernel: FloatArray) -> FloatArray:
    """A depthwise convolution of patches ``(rows, *size, channels)``, multipliers side by side."""
    channels, multiplier = kernel.shape[-2:]
    flat = patches.reshape(len(patches), -1, channels)
    sums = np.einsum("rkc,kcm->rcm", flat, kernel.reshape(-1, channels, multiplier))
    return np.asarray(sums.reshape(len(patches), channels * multiplier))


def _contracted(layer: Any) -> tuple[int, ...]:
    """The input's axes, from the end, that an EinsumDense sums over, in its kernel's order."""
    inputs, _, rest = str(layer.equation).replace(" ", "").partition(",")
    kernel, _, outputs = rest.partition("->")
    summed = kernel[:-1]
    simple = kernel[-1] in outputs and kernel[-1] not in inputs
    if not simple or any(axis in outputs or axis not in inputs for axis in summed):
        raise ModelError(
            f"layer {layer.name!r} with equation {layer.equation!r}: only an EinsumDense whose "
            "kernel's last axis is its one output axis can be pruned from calibration data"
        )
    return tuple(inputs.index(axis) - len(inputs) for axis in summed)
