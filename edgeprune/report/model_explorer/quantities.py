"""What an overlay shows of each node: a value where it is known, and nothing where it is not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgeprune.artifacts.tensor_error import TensorError
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.errors import ConfigError
from edgeprune.history.result import Layer, Result, Variant
from edgeprune.models.tflite.layer_names import short_name
from edgeprune.prediction import explain
from edgeprune.prediction.xnnpack.releases import LATEST
from edgeprune.report.model_explorer.nodes import Nodes

Value = float | int | str

DENSE, SPARSE, NEW = "#cfd8dc", "#4db6ac", "#ffb74d"
"""Colours of what is one thing or the other."""

_LOW, _HIGH = (255, 248, 225), (230, 81, 0)
"""Ends of the scale of numbers, red, green and blue."""


@dataclass(frozen=True)
class Quantity:
    """One quantity of a network's nodes.

    Attributes:
        key: Of its file.
        name: As the viewer shows it.
        values: By node.
        colors: By node, as ``#rrggbb``.
        is_sum: Whether those of several nodes add up.
    """

    key: str
    name: str
    values: Mapping[str, Value]
    colors: Mapping[str, str]
    is_sum: bool = False


@dataclass(frozen=True)
class Found:
    """What is known of a network.

    Attributes:
        quantities: All of them; one that is not known has no values.
        remarks: What they leave out, a line each.
    """

    quantities: tuple[Quantity, ...]
    remarks: tuple[str, ...] = field(default=())


def quantities(result: Result, variant: Variant, nodes: Nodes) -> Found:
    """Kernel, time, instructions and sparsity of each node.

    Args:
        result: The variant's.
        variant: One network.
        nodes: Of its file.
    """
    known = nodes.kinds
    layers = {layer.name: layer for layer in variant.layers if layer.name in known}
    remarks = []
    if others := len(variant.layers) - len(layers):
        remarks.append(f"{others} of {len(variant.layers)} kernels belong to no node of the file")
    if nodes.nameless:
        remarks.append(f"{nodes.nameless} operators have no name of their own")
    if not variant.layers:
        remarks.append("no kernels: they were not profiled")
    if not any(layer.latency_us is not None for layer in variant.layers):
        where = "an emulated board has none" if result.is_emulated else "none was profiled"
        remarks.append(f"times of nodes are left out: {where}")
    elif result.validity.verdict != "valid":
        remarks.append(f"times cannot be relied on: the result is {result.validity.verdict}")
    core, estimated = _estimated(result, nodes, remarks)
    counted = {n: one.instructions for n, one in layers.items() if one.instructions is not None}
    times = {n: round(one.latency_us, 3) for n, one in layers.items() if one.latency_us is not None}
    return Found(
        (
            _scale("time", "time (us)", times, is_sum=True),
            _scale("instructions", "instructions (emulated)", counted, is_sum=True),
            _scale(
                "instructions-estimated",
                f"instructions (estimated for {core})",
                estimated,
                is_sum=True,
            ),
            _percent("sparsity", "zeros in the weights (%)", nodes.sparsity),
            _kernels(layers),
        ),
        tuple(remarks),
    )


def errors(tensors: Sequence[TensorError], nodes: Nodes) -> Quantity:
    """What quantization changed in each node's weights: noise beside signal, as amplitudes."""
    shares = {}
    for tensor in tensors:
        if tensor.name in nodes.kinds and (tensor.sqnr_db is not None or not tensor.mse):
            ratio_db = math.inf if tensor.sqnr_db is None else tensor.sqnr_db
            shares[tensor.name] = 10 ** (-ratio_db / 20)
    values = {name: float(f"{100 * share:.3g}") for name, share in shares.items()}
    return _scale("error", "error of the weights (%)", values)


def changes(before: Nodes, after: Nodes) -> Quantity:
    """Which nodes of a network the original lacks, or has as another operator."""
    there = {_layer(name): kind for name, kind in before.kinds.items()}
    values: dict[str, Value] = {}
    for name, kind in after.kinds.items():
        was = there.get(_layer(name))
        if was != kind:
            values[name] = "new" if was is None else f"was {was}"
    return Quantity("change", "beside dense.tflite", values, dict.fromkeys(values, NEW))


def _layer(name: str) -> str:
    """What the names of a tensor have in common, fused with others or not."""
    return short_name(name)


def _kernels(layers: Mapping[str, Layer]) -> Quantity:
    values = {name: layer.kernel for name, layer in layers.items()}
    colors = {name: SPARSE if layer.sparse else DENSE for name, layer in layers.items()}
    return Quantity("kernel", "kernel that ran", values, colors)


def _estimated(result: Result, nodes: Nodes, remarks: list[str]) -> tuple[str, dict[str, int]]:
    """The core that costs were measured on, and each node's instructions."""
    try:
        board = load_board(result.board)
        release = board.runtime.version if board.runtime.has_xnnpack else LATEST
        plan = explain(nodes.model, resolved_cpu(board.cpu), release=release)
    except ConfigError as error:
        remarks.append(f"no estimated instructions: {error}")
        return "", {}
    found = {
        operator.name: round(operator.instructions)
        for operator in plan.operators
        if operator.instructions is not None and operator.name in nodes.kinds
    }
    if plan.rough:
        remarks.append(f"instructions of {', '.join(plan.rough)} are guessed: nobody measured them")
    if not found:
        remarks.append("no estimated instructions: only float32 on aarch64 was measured")
    return plan.cost_core, found


def _percent(key: str, name: str, shares: Mapping[str, float]) -> Quantity:
    values = {node: round(100 * share, 1) for node, share in shares.items()}
    return Quantity(key, name, values, {node: _color(share) for node, share in shares.items()})


def _scale(
    key: str, name: str, values: Mapping[str, float | int], *, is_sum: bool = False
) -> Quantity:
    """Numbers, coloured from nothing to the largest of them."""
    highest = max(values.values(), default=0) or 1
    colors = {node: _color(value / highest) for node, value in values.items()}
    return Quantity(key, name, values, colors, is_sum)


def _color(share: float) -> str:
    """A place on the scale.

    >>> _color(0), _color(1)
    ('#fff8e1', '#e65100')
    """
    mixed = (round(low + share * (high - low)) for low, high in zip(_LOW, _HIGH, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
