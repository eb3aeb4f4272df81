"""How much each layer loses by itself when a network computes on integers."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.edit import add_constant, set_operand
from edgeprune.quantize.full_integer import input_tensors
from edgeprune.quantize.layer_modes import layers_of, name_of
from edgeprune.quantize.storage import CHANNEL_AXIS
from edgeprune.text.untrusted import reason_of

PASSING = frozenset(
    "CONCATENATION EXPAND_DIMS GATHER MAX_POOL_2D PACK PAD RESHAPE SLICE SPLIT SQUEEZE "
    "STRIDED_SLICE TRANSPOSE UNPACK".split()
)
"""Operators that hand on the numbers that they get, and so lose nothing themselves."""


@dataclass(frozen=True)
class OwnError:
    """What is lost at one value of a network: an input, or what a layer makes.

    Attributes:
        layer: Whole name of the layer that makes it; of the layer that reads it, for an input.
        op: That layer's operator, as ``CONV_2D``.
        lost: Share of the signal that is lost, in [0, 1]: a channel's mean squared error over its
            variance, 1 at most, as a mean over the channels.
        weights_lost: The same with rounded weights and biases alone.
        layers: Whole names of the layers that must compute on floats so that nothing is lost: the
            layer, and its readers where it is its output that must not be rounded.
    """

    layer: str
    op: str
    lost: float
    weights_lost: float
    layers: tuple[str, ...]


def own_errors(
    model: graph.Model, integer: bytes, samples: Sequence[Sequence[Array]]
) -> list[OwnError]:
    """What each layer loses with float inputs: by its rounded weights, and by its rounded output.

    Channels count alike, however large their values: the layer behind may scale each as it needs,
    and a channel that has nearly no steps of its own is lost with the tensor's largest one in
    perfect order. Errors that layers in front made are left out, so that each layer answers for its
    own. One run of the float network with a second, rounded copy of each layer with weights tells
    all of it.

    Source: ours; that channels of unequal ranges are what hurts is from Nagel et al. 2019,
    "Data-Free Quantization Through Weight Equalization and Bias Correction", section 3.

    Args:
        model: The float model, each tensor with a name of its own.
        integer: The same in integers, for its scales and weights.
        samples: Inputs, one array of shape ``(1, ...)`` per input in the file's order.

    Returns:
        The largest loss first; none for values that are not rounded.

    Raises:
        ModelError: The host cannot run the model.
    """
    found = _Values(model, graph.view(integer))
    tallies: dict[str, dict[str, _Tally]] = defaultdict(lambda: defaultdict(_Tally))
    for row in found.run(samples):
        for name, value in row.items():
            noisy = found.copies.get(name)
            weighed = value if noisy is None else row[noisy]
            if name in found.names:
                tallies[name]["weights"].add(value, weighed)
                tallies[name]["output"].add(value, found.rounded(name, value))
                tallies[name]["all"].add(value, found.rounded(name, weighed))
    errors = [found.error(name, tally) for name, tally in tallies.items()]
    worst: dict[tuple[str, ...], OwnError] = {}
    for one in sorted((one for one in errors if one.lost > 0), key=lambda one: -one.lost):
        worst.setdefault(one.layers, one)
    return list(worst.values())


class _Tally:
    """Signal and noise of each channel, over all samples."""

    def __init__(self) -> None:
        self._sums: list[Any] = [0, 0.0, 0.0, 0.0]

    def add(self, value: FloatArray, noisy: FloatArray) -> None:
        """Counts one sample, shapes ``(..., channels)``."""
        channels = value.shape[-1] if value.ndim > 1 else 1
        flat = value.reshape(-1, channels).astype(np.float64)
        gap = noisy.reshape(-1, channels).astype(np.float64) - flat
        new = [len(flat), flat.sum(0), np.square(flat).sum(0), np.square(gap).sum(0)]
        self._sums = [old + one for old, one in zip(self._sums, new, strict=True)]

    def lost(self) -> float:
        """Mean over channels that vary at all."""
        count, total, squares, noise = self._sums
        variance = squares / count - np.square(total / count)
        varies = variance > 1e-12 * np.maximum(squares / count, 1e-30)
        if not varies.any():
            return 0.0
        shares = (noise / count)[varies] / variance[varies]
        return float(np.minimum(shares, 1.0).mean())


class _Values:
    """The float network with rounded copies of its layers, and what belongs to each value."""

    def __init__(self, model: graph.Model, integer: graph.Model) -> None:
        self.model, self.integer = copy.deepcopy(model), integer
        self.subgraph = self.model.subgraphs[0]
        self.kinds = layers_of(self.model)
        self.makers = graph.producers(self.subgraph)
        self.readers = graph.consumers(self.subgraph)
        stored = integer.subgraphs[0]
        self._stored = {graph.tensor_name(tensor): tensor for tensor in stored.tensors}
        self._integer_ops = {name_of(stored, op): op for op in stored.operators}
        self.index: dict[str, int] = {}
        for index in [*map(int, self.subgraph.inputs), *map(int, self.makers)]:
            name = graph.tensor_name(self.subgraph.tensors[index])
            if self._is_rounded(name, index):
                self.index[name] = index
        self.names = set(self.index)
        self.copies: dict[str, str] = {}
        for op in list(self.subgraph.operators):
            name = name_of(self.subgraph, op)
            if name in self.names and graph.op_name(self.model, op) in graph.FILTER_OPERANDS:
                self._copy(op, name)
        self.subgraph.outputs = np.array(list(self.index.values()), np.int32)
        self.model.signatureDefs = None

    def _is_rounded(self, name: str, index: int) -> bool:
        tensor, maker = self._stored.get(name), self.makers.get(index)
        if graph.dtype_of(self.subgraph.tensors[index]) != np.float32 or tensor is None:
            return False
        if maker is not None and graph.op_name(self.model, maker) in PASSING:
            return False
        kind = graph.dtype_of(tensor)
        scales = tensor.quantization.scale if tensor.quantization else None
        return kind in (np.int8, np.int16) and scales is not None and len(scales) == 1

    def _copy(self, op: graph.Operator, name: str) -> None:
        """Adds the operator once more, with weights as integers stand for them."""
        rounded = self._integer_ops[name]
        twin = copy.deepcopy(op)
        for operand in range(1, min(len(op.inputs), len(rounded.inputs))):
            if op.inputs[operand] >= 0 and rounded.inputs[operand] >= 0:
                tensor = self.integer.subgraphs[0].tensors[int(rounded.inputs[operand])]
                axis = CHANNEL_AXIS[graph.op_name(self.model, op)] if operand == 1 else 0
                values = _real(graph.constant(self.integer, tensor), tensor, axis)
                if values is not None:
                    own = add_constant(self.model, self.subgraph, values, f"{name}/{operand}")
                    set_operand(twin, operand, own)
        output = copy.copy(self.subgraph.tensors[int(op.outputs[0])])
        output.name = f"{name}/rounded".encode()
        self.subgraph.tensors.append(output)
        twin.outputs = np.array([len(self.subgraph.tensors) - 1], np.int32)
        self.subgraph.operators.append(twin)
        self.copies[name] = f"{name}/rounded"
        self.index[f"{name}/rounded"] = len(self.subgraph.tensors) - 1

    def run(self, samples: Sequence[Sequence[Array]]) -> Iterator[dict[str, FloatArray]]:
        """Every value by its name, sample by sample."""
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        tflite = graph.write(self.model)
        inputs = [int(i) for i in self.subgraph.inputs]
        tensors = input_tensors(self.model)
        try:
            with quiet():  # the runtime greets on stderr
                runtime = Interpreter(
                    model_content=bytes(tflite),
                    experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                    num_threads=1,
                )
                runtime.allocate_tensors()
            for sample in samples:
                for index, value, tensor in zip(inputs, sample, tensors, strict=True):
                    shaped = value.reshape(graph.shape_of(tensor))
                    runtime.set_tensor(index, shaped.astype(graph.dtype_of(tensor)))
                runtime.invoke()
                yield {name: np.array(runtime.get_tensor(k)) for name, k in self.index.items()}
        except (RuntimeError, ValueError) as error:
            why = reason_of(error)
            raise ModelError(f"LiteRT on the host cannot run the model: {why}") from error

    def rounded(self, name: str, value: FloatArray) -> FloatArray:
        """A value as the integer network hands it on."""
        tensor = self._stored[name]
        limits = np.iinfo(graph.dtype_of(tensor))
        scale, zero = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
        steps = np.clip(np.rint(value / scale) + zero, limits.min, limits.max)
        shown: FloatArray = ((steps - zero) * scale).astype(np.float32)
        return shown

    def error(self, name: str, tally: dict[str, _Tally]) -> OwnError:
        """What is lost at a value, and which layers could keep it."""
        index = self.index[name]
        maker = self.makers.get(index)
        behind = self._behind(index)
        lost, by_weights = tally["all"].lost(), tally["weights"].lost()
        layers = [] if maker is None else [name]
        if maker is None or tally["output"].lost() > by_weights:
            layers += behind
        said = layers[0] if layers else name
        return OwnError(said, self.kinds.get(said, ""), lost, by_weights, tuple(layers))

    def _behind(self, index: int) -> list[str]:
        """Layers that read a value, itself or handed on."""
        found: list[str] = []
        for op, _ in self.readers.get(index, []):
            name = name_of(self.subgraph, op)
            found.append(name)
            if graph.op_name(self.model, op) in PASSING:
                for output in op.outputs:
                    found += self._behind(int(output))
        return list(dict.fromkeys(found))


def _real(values: Array | None, tensor: graph.Tensor, axis: int) -> FloatArray | None:
    """What stored integers stand for; None for what is no constant, or of no scale."""
    if values is None or tensor.quantization is None or tensor.quantization.scale is None:
        return None
    scale = np.asarray(tensor.quantization.scale, np.float64)
    shape = [1] * values.ndim
    shape[axis] = scale.size
    real: FloatArray = (values * scale.reshape(shape)).astype(np.float32)
    return real
