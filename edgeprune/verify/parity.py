"""Parity: whether outputs are those of the reference, within what rounding explains."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array, Samples
from edgeprune.artifacts.measurement import Parity
from edgeprune.models.tflite import graph

FLOAT_REFERENCE = "LiteRT built-in kernels on the host, same weights stored dense"
INTEGER_REFERENCE = "XNNPACK on the host, same weights stored dense"

FLOAT_LIMIT = 1e-3
"""Largest float difference that passes, as a share of the largest absolute reference output.

Source: ours. Right kernels that sum in another order differed by up to 3e-6 on MobileNetV1,
ResNet-8 and the digits example, and by up to 9e-6 on 21 stock models (benchmarks/rounding.py), here
and on the emulated Cortex-A72; the wrong outputs of XNNPACK's NCHW rewrite differ by 0.01 and more
in small networks and by 0.005 in one of MobileNet's size.
"""

ROUNDING_FACTOR = 10.0
"""How many times the difference of right kernels on the host passes, where that is more.

Networks with large or random weights amplify rounding: EfficientNetV2B0 of Keras 2 with seeded
weights differs by 3.7e-4 of its largest output between two kernels on one machine.
Source: ours, benchmarks/rounding.py. Of 23 stock models of keras.applications with seeded random
weights, that one had the largest ratio: the emulated Cortex-A72 differed from the host's built-in
kernels by 6.9 times as much as the host's XNNPACK did, on 3 random inputs.
"""

INTEGER_ROUNDING_FACTOR = 1.0
"""The same for integer networks on boards without XNNPACK, whose reference is the built-in kernels.

Source: ours. Built-in kernels of LiteRT 2.3.0 here and of tflite-runtime 2.14.0 on an emulated
32-bit Arm processor differed by 4 steps on MLPerf Tiny's ResNet-8 quantized by us (32 random
inputs), and by 10 on MLPerf's own; here, XNNPACK and the built-in kernels differ by 8 and 44. On a
keyword net with int8 weights and float activations: by 2e-7 there, by 8.5e-3 here.
"""

INTEGER_LIMIT_STEPS = 4
"""Largest difference of integer outputs that passes, in quantization steps.

Source: ours. Host and emulated Cortex-A72 agreed to the bit on MLPerf Tiny's three int8 models, and
to one step on its keyword model pruned and quantized by us.
"""


@dataclass(frozen=True)
class Comparison:
    """One file and what its outputs must be.

    Attributes:
        name: The variant's.
        file: The file that runs on the board.
        reference: The same network stored dense.
        samples: Inputs.
        expected: The reference's outputs for them, on the host.
        rounding: By how much right kernels differ on the host, one number an output.
        xnnpack: Whether the board runs XNNPACK.
    """

    name: str
    file: bytes
    reference: bytes
    samples: Samples
    expected: Samples
    rounding: Sequence[float] = ()
    xnnpack: bool = True

    def parity(self, found: Samples, where: str = "") -> Parity:
        """Compares a board's outputs with the expected ones."""
        rounding, xnnpack = self.rounding, self.xnnpack
        return parity(self.reference, self.expected, found, where, rounding, xnnpack=xnnpack)

    def weakness(self) -> str:
        """Why parity says little about this network; empty if it says what it should.

        Wrong kernels would not be noticed where outputs hardly depend on anything, or where
        right ones differ nearly as much.
        """
        if is_flat(self.reference, self.expected):
            return "outputs hardly depend on the inputs, so parity says little"
        model = graph.view(self.reference)
        if self.xnnpack and graph.rounds_to_integers(model):
            return ""  # ``rounding`` is what integers may differ by, not what kernels do
        for k, index in enumerate(graph.io_tensors(model)[1][: len(self.rounding)]):
            tensor = model.subgraphs[0].tensors[index]
            values = np.stack([real_values(row[k], tensor) for row in self.expected])
            if _factor(model) * self.rounding[k] > limit_of(values, tensor):
                share = self.rounding[k] / np.abs(values).max()
                return (
                    f"the network amplifies rounding (right kernels differ by {share:.2g} of its "
                    "largest output on the host), so parity says little"
                )
        return ""

    def only(self, sample: int) -> Comparison:
        """The same for a single one of the samples."""
        part = slice(sample, sample + 1)
        return dataclasses.replace(self, samples=self.samples[part], expected=self.expected[part])


def parity(
    tflite: bytes,
    expected: Samples,
    found: Samples,
    where: str,
    rounding: Sequence[float] = (),
    *,
    xnnpack: bool = True,
) -> Parity:
    """Compares outputs, each output tensor by its own limit, and reports the worst.

    Args:
        tflite: The reference file, whose output tensors give type and scale.
        expected: The reference's outputs.
        found: The board's outputs.
        where: What made ``found``.
        rounding: By how much right kernels differ on the host, one number an output.
        xnnpack: Whether the board runs XNNPACK, which is then the reference for integers.
    """
    model = graph.view(tflite)
    tensors = [model.subgraphs[0].tensors[i] for i in graph.io_tensors(model)[1]]
    worst, limit, passed = 0.0, 0.0, True
    for k, tensor in enumerate(tensors):
        reference = np.stack([real_values(sample[k], tensor) for sample in expected])
        device = np.stack([real_values(sample[k], tensor) for sample in found])
        difference = np.abs(device - reference)
        largest = float(difference.max()) if np.isfinite(difference).all() else float("inf")
        allowed = limit_of(reference, tensor)
        if rounding:
            allowed = max(allowed, _factor(model) * rounding[k])
        right = bool(largest <= allowed and np.isfinite(largest))
        if passed and (not right or largest >= worst):
            worst, limit = largest, allowed
        passed = passed and right
    is_xnnpacks = xnnpack and graph.rounds_to_integers(model)
    return Parity(
        INTEGER_REFERENCE if is_xnnpacks else FLOAT_REFERENCE,
        worst,
        argmax_agreement(expected, found),
        len(found),
        where,
        limit,
        passed,
    )


def _factor(model: graph.Model) -> float:
    """How many times the difference of right kernels passes."""
    return INTEGER_ROUNDING_FACTOR if graph.rounds_to_integers(model) else ROUNDING_FACTOR


def is_flat(tflite: bytes, expected: Samples) -> bool:
    """Whether all outputs stay within their limits of parity whatever the input.

    Wrong kernels would not be noticed then, as in a deep network with untrained weights.

    Args:
        tflite: The reference file.
        expected: Its outputs; False for fewer than two samples, which show nothing.
    """
    if len(expected) < 2:
        return False
    model = graph.view(tflite)
    for k, index in enumerate(graph.io_tensors(model)[1]):
        tensor = model.subgraphs[0].tensors[index]
        values = np.stack([real_values(sample[k], tensor) for sample in expected])
        if float(np.ptp(values, axis=0).max(initial=0.0)) > limit_of(values, tensor):
            return False
    return True


def is_right(found: Array, expected: Array, tensor: graph.Tensor) -> bool:
    """Whether one value differs from the expected one by no more than its limit.

    Args:
        found: What was computed.
        expected: What should have been; what is no number there is never right.
        tensor: The value in the graph, for its scale.
    """
    reference = real_values(expected, tensor)
    difference = np.abs(real_values(found, tensor) - reference)
    return bool(np.isfinite(difference).all() and np.all(difference <= limit_of(reference, tensor)))


def real_values(values: Array, tensor: graph.Tensor) -> Array:
    """Values in the units that a quantized tensor stands for, as float64; others as they are."""
    quantization = tensor.quantization
    if values.dtype.kind in "iu" and quantization is not None and quantization.scale is not None:
        if len(quantization.scale):
            zero_point = float(quantization.zeroPoint[0])
            return (values.astype(np.float64) - zero_point) * float(quantization.scale[0])
    return values.astype(np.float64)


def limit_of(reference: Array, tensor: graph.Tensor) -> float:
    """The largest difference that passes.

    Args:
        reference: Expected values in the units that the tensor stands for.
        tensor: The value in the graph.
    """
    quantization = tensor.quantization
    dtype = graph.dtype_of(tensor)
    if dtype is not None and dtype.kind in "iu":
        has_scale = quantization is not None and quantization.scale is not None
        step = float(quantization.scale[0]) if has_scale and len(quantization.scale) else 1.0
        return INTEGER_LIMIT_STEPS * step
    return FLOAT_LIMIT * float(np.abs(reference).max(initial=0.0))


def argmax_agreement(expected: Samples, found: Samples) -> float | None:
    """Share of samples with the same largest output; None for what is no vector of classes."""
    if not expected or expected[0][0].ndim != 2 or expected[0][0].shape[1] < 2:
        return None
    same = [a[0].argmax() == b[0].argmax() for a, b in zip(expected, found, strict=True)]
    return float(np.mean(same))
