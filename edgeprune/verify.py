"""Stage ``verify``: are the outputs right, and how good are they?

Parity compares the board's outputs with the host's for the same network stored dense, which no
sparse kernel ever runs. It finds wrong kernels and wrong encodings; what pruning and rounding cost
is the accuracy's business. The host uses LiteRT's built-in kernels, which share no code with the
board's, but for integer networks: there built-in kernels round otherwise (an error of one step in a
layer grew to 44 steps in ResNet-8's output), while XNNPACK's agree to a step on x86 and Arm.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeprune import graph
from edgeprune.artifacts import Accuracy, Array, Dataset, Parity, RunResult, Samples, Variant
from edgeprune.errors import ModelError, VerifyError
from edgeprune.keras_flavours import quiet

FLOAT_REFERENCE = "LiteRT built-in kernels on the host, same weights stored dense"
INTEGER_REFERENCE = "XNNPACK on the host, same weights stored dense"

FLOAT_LIMIT = 1e-3
"""Largest float difference that passes, as a share of the largest absolute reference output.

Source: ours. Right kernels that sum in another order differed by up to 3e-6 on MobileNetV1,
ResNet-8 and the digits example, here and on the emulated Cortex-A72;
the wrong outputs of XNNPACK's NCHW rewrite differ by 0.02 and more.
"""

INTEGER_LIMIT_STEPS = 4
"""Largest difference of integer outputs that passes, in quantization steps.

Source: ours. Host and emulated Cortex-A72 agreed to the bit on MLPerf Tiny's three int8 models, and
to one step on its keyword model pruned and quantized by us.
"""


def sample_inputs(tflite: bytes, data: Dataset | None, count: int, seed: int = 0) -> Samples:
    """Inputs to compare outputs on: the first test samples, or seeded random ones.

    Random floats are uniform in [0, 1), random integers span their type.

    Raises:
        ModelError: An input has a type that cannot be made, or the data has too few inputs.
    """
    model = graph.read(tflite)
    tensors = [model.subgraphs[0].tensors[i] for i in graph.io_tensors(model)[0]]
    if data is not None and len(tensors) == 1:
        count = min(count, len(data.x_test))
        return [[as_input(data.x_test[i : i + 1], tensors[0])] for i in range(count)]
    rng = np.random.default_rng(seed)
    return [[_random(rng, tensor) for tensor in tensors] for _ in range(count)]


def _random(rng: np.random.Generator, tensor: graph.Tensor) -> Array:
    dtype, shape = graph.dtype_of(tensor), _fixed_shape(tensor)
    if dtype is None:
        raise ModelError(f"input {graph.tensor_name(tensor)!r} has a type edgeprune cannot make")
    if dtype.kind == "f":
        return rng.random(shape, np.float32).astype(dtype)
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
    dtype, shape = graph.dtype_of(tensor), _fixed_shape(tensor)
    if values.size != np.prod(shape):
        raise ModelError(f"data of shape {values.shape[1:]} for an input of shape {shape[1:]}")
    values = values.reshape(shape)
    quantization = tensor.quantization
    has_scale = quantization is not None and quantization.scale is not None
    if dtype is not None and dtype.kind in "iu" and has_scale and len(quantization.scale):
        steps = np.rint(values / quantization.scale[0]) + quantization.zeroPoint[0]
        limits = np.iinfo(dtype)
        quantized: Array = np.clip(steps, limits.min, limits.max).astype(dtype)
        return quantized
    return values.astype(dtype)


class HostModel:
    """A model in the host's own interpreter.

    Args:
        tflite: The file's bytes.
        reference: Use the built-in kernels instead of XNNPACK.
    """

    def __init__(self, tflite: bytes, *, reference: bool) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        resolver = (
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if reference else OpResolverType.AUTO
        )
        try:
            with quiet():  # the runtime greets on stderr
                self._interpreter: Any = Interpreter(
                    model_content=tflite, experimental_op_resolver_type=resolver, num_threads=2
                )
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"LiteRT on the host cannot run the model: {_line(error)}") from error
        model = graph.read(tflite)
        self._inputs, self._outputs = graph.io_tensors(model)
        self.output_tensors = [model.subgraphs[0].tensors[i] for i in self._outputs]
        self.input_tensors = [model.subgraphs[0].tensors[i] for i in self._inputs]

    def __call__(self, sample: Sequence[Array]) -> list[Array]:
        """Outputs of one inference, in the graph's order.

        Raises:
            ModelError: The runtime refused.
        """
        try:
            for index, value in zip(self._inputs, sample, strict=True):
                self._interpreter.set_tensor(index, value)
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"LiteRT on the host failed: {_line(error)}") from error
        return [np.array(self._interpreter.get_tensor(index)) for index in self._outputs]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def reference_outputs(tflite: bytes, samples: Samples) -> Samples:
    """Outputs of the host's trusted kernels for ``samples``; ``tflite`` must be stored dense.

    Raises:
        ModelError: The host cannot run the model.
    """
    model = HostModel(tflite, reference=not graph.computes_on_integers(graph.read(tflite)))
    return [model(sample) for sample in samples]


def check_conversion(tflite: bytes, samples: Samples, expected: Samples) -> None:
    """Compares the converted model on the host with the Keras model that it was made of.

    Outputs are matched by their sizes, because a converter may reorder them.

    Raises:
        VerifyError: They differ by more than :data:`FLOAT_LIMIT`.
    """
    found = reference_outputs(tflite, samples)
    for ours, theirs in zip(found, expected, strict=True):
        for value in theirs:
            limit = FLOAT_LIMIT * max(float(np.abs(value).max(initial=0.0)), 1e-30)
            gaps = [float(np.abs(o - value).max()) for o in ours if o.shape == value.shape]
            if not gaps or not min(gaps) <= limit:
                raise VerifyError("the converted model does not compute what the Keras model does")


def parity(tflite: bytes, expected: Samples, found: Samples, where: str) -> Parity:
    """Compares outputs, each output tensor by its own limit, and reports the worst.

    Args:
        tflite: The reference file, whose output tensors give type and scale.
        expected: The reference's outputs.
        found: The board's outputs.
        where: What made ``found``.
    """
    model = graph.read(tflite)
    tensors = [model.subgraphs[0].tensors[i] for i in graph.io_tensors(model)[1]]
    worst, limit, passed = 0.0, 0.0, True
    for k, tensor in enumerate(tensors):
        reference = np.stack([_real(sample[k], tensor) for sample in expected])
        device = np.stack([_real(sample[k], tensor) for sample in found])
        difference = np.abs(device - reference)
        largest = float(difference.max()) if np.isfinite(difference).all() else float("inf")
        allowed = _limit(reference, tensor)
        if passed and (largest > allowed or largest >= worst):
            worst, limit = largest, allowed
        passed = passed and largest <= allowed
    is_integer = graph.computes_on_integers(model)
    return Parity(
        INTEGER_REFERENCE if is_integer else FLOAT_REFERENCE,
        worst,
        _argmax_agreement(expected, found),
        len(found),
        where,
        limit,
        passed,
    )


def with_parity(
    found: RunResult,
    variants: Sequence[Variant],
    expected: Mapping[str, Samples],
    outputs: Mapping[str, Samples],
) -> RunResult:
    """Adds each variant's parity to what a device brought back.

    Args:
        found: The run.
        variants: Those that ran.
        expected: The reference's outputs by variant.
        outputs: The device's outputs by variant.

    Raises:
        VerifyError: A variant's outputs are wrong on the device.
    """
    where = f"{found.device.id}, {found.device.runtime_version}"
    references = {variant.name: variant.reference for variant in variants}
    measured, reasons = [], list(found.reasons)
    for item in found.measured:
        name = item.variant
        if is_flat(references[name], expected[name]):
            reasons.append(f"{name}: outputs hardly depend on the inputs, so parity says little")
        checked = parity(references[name], expected[name], outputs[name], where)
        if not checked.passed:
            raise VerifyError(
                f"{name}: outputs on {where} differ from the reference by "
                f"{checked.max_abs_diff:.3g}, more than {checked.limit:.3g}; nothing was written"
            )
        measured.append(dataclasses.replace(item, parity=checked))
    return dataclasses.replace(found, measured=tuple(measured), reasons=tuple(reasons))


def is_flat(tflite: bytes, expected: Samples) -> bool:
    """Whether all outputs stay within their limits of parity whatever the input.

    Wrong kernels would not be noticed then, as in a deep network with untrained weights.

    Args:
        tflite: The reference file.
        expected: Its outputs; False for fewer than two samples, which show nothing.
    """
    if len(expected) < 2:
        return False
    model = graph.read(tflite)
    for k, index in enumerate(graph.io_tensors(model)[1]):
        tensor = model.subgraphs[0].tensors[index]
        values = np.stack([_real(sample[k], tensor) for sample in expected])
        if float(np.ptp(values, axis=0).max(initial=0.0)) > _limit(values, tensor):
            return False
    return True


def _real(values: Array, tensor: graph.Tensor) -> Array:
    quantization = tensor.quantization
    if values.dtype.kind in "iu" and quantization is not None and quantization.scale is not None:
        if len(quantization.scale):
            zero_point = float(quantization.zeroPoint[0])
            return (values.astype(np.float64) - zero_point) * float(quantization.scale[0])
    return values.astype(np.float64)


def _limit(reference: Array, tensor: graph.Tensor) -> float:
    quantization = tensor.quantization
    dtype = graph.dtype_of(tensor)
    if dtype is not None and dtype.kind in "iu":
        has_scale = quantization is not None and quantization.scale is not None
        step = float(quantization.scale[0]) if has_scale and len(quantization.scale) else 1.0
        return INTEGER_LIMIT_STEPS * step
    return FLOAT_LIMIT * float(np.abs(reference).max(initial=0.0))


def _argmax_agreement(expected: Samples, found: Samples) -> float | None:
    """Share of samples with the same largest output; None for what is no vector of classes."""
    if not expected or expected[0][0].ndim != 2 or expected[0][0].shape[1] < 2:
        return None
    same = [a[0].argmax() == b[0].argmax() for a, b in zip(expected, found, strict=True)]
    return float(np.mean(same))


def accuracy(tflite: bytes, data: Dataset) -> Accuracy | None:
    """Scores a file on the test samples, on the host.

    Returns:
        Top-1 share for integer labels (at 0.5 for a single output), mean squared error for other
        targets and for a model that reproduces its input; None where there is nothing to score.

    Raises:
        ModelError: The host cannot run the model.
    """
    model = HostModel(tflite, reference=False)
    if len(model.input_tensors) != 1:
        return None
    outputs = np.stack(
        [
            _real(model([as_input(data.x_test[i : i + 1], model.input_tensors[0])])[0], tensor)
            for tensor in model.output_tensors[:1]
            for i in range(len(data.x_test))
        ]
    ).reshape(len(data.x_test), -1)
    targets = data.y_test
    if targets is None and outputs.shape[1] == data.x_test[0].size:
        targets = data.x_test
    if targets is None:
        return None
    count = len(data.x_test)
    if targets.dtype.kind in "iub" and targets.ndim == 1:
        labels = outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(int)
        return Accuracy("top1", float(np.mean(labels == targets)), count)
    error = outputs - targets.reshape(count, -1).astype(np.float64)
    return Accuracy("mse", float(np.mean(error**2)), count)
