"""Stage ``quantize``: fewer bits per weight, on the TFLite file. Zeros stay zeros in every mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.stored import Quantized, QuantizeMode
from edgeprune.errors import ModelError
from edgeprune.models.tflite import edit, graph
from edgeprune.quantize.full_integer import (
    RANDOM_SAMPLES,
    Calibrated,
    give_each_a_name,
    random_samples,
)
from edgeprune.quantize.layer_modes import carried, layer_modes, layers_of
from edgeprune.quantize.mixed import mixed, store_layers
from edgeprune.quantize.scopes import INTEGER_MODES
from edgeprune.quantize.storage import weights_of
from edgeprune.recipe.quantize_table import LayerMode
from edgeprune.text.near_names import did_you_mean

__all__ = ["INTEGER_MODES", "RANDOM_SAMPLES", "check_mode", "obstacle", "quantize"]

_RUNS_PARTS = ("CALL", "IF", "WHILE")
"""Operators that run another subgraph, whose tensors the quantizer does not see."""

_MODES: dict[str, QuantizeMode] = {
    "none": "none",
    "fp16": "fp16",
    "int8": "int8",
    "int8-weights": "int8-weights",
    "int16x8": "int16x8",
}


def quantize(
    tflite: bytes,
    mode: str,
    calibration: Sequence[Sequence[Array]] | None,
    seed: int = 0,
    layers: Sequence[LayerMode] = (),
    named_in: bytes | None = None,
) -> Quantized:
    """Quantizes a float TFLite file.

    Args:
        tflite: A float32 model.
        mode: ``none`` leaves it. ``fp16`` stores weights and biases in 16 bits and computes in
            float32. ``int8-weights`` stores weights in 8 bits, symmetric and per output channel,
            and computes in float32. ``int8`` computes in 8-bit integers, inputs and outputs
            included; ``int16x8`` has activations of 16 bits, which is nearly as exact as float32
            and slow: XNNPACK has no kernels for it.
        calibration: Samples, each one array of shape ``(1, ...)`` per input in the file's
            order; only the modes of :data:`INTEGER_MODES` use them, to find the activations'
            ranges. None makes :data:`RANDOM_SAMPLES` uniform ones in [0, 1).
        seed: Random seed of the samples, where none are given.
        layers: Layers with another mode, by :func:`~edgeprune.quantize.layer_modes.named`; later
            entries win. Between a layer on integers and one on floats the file converts. Inputs and
            outputs are as fine as the finest layer there.
        named_in: The file in which ``layers`` are looked for, where ``tflite`` is a rewritten one;
            None for itself.

    Returns:
        The new file; ``profiling_only`` where its ranges come from random samples.

    Raises:
        ModelError: A mode is unknown, an entry fits no layer, a layer has no kernels for its mode,
            the model is quantized already, a weight does not fit into 16 bits, or the calibration
            samples do not fit the model.
        ConfigError: ``int8`` or ``int16x8`` without ``litert-quantizer`` installed.
    """
    known = _known(mode)
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    if len(graph.needed_operators(subgraph)) < len(subgraph.operators):
        edit.sweep(subgraph)  # what no output needs has neither ranges nor a mode
        edit.compact(model)
    modes: dict[str, str] | None = None
    used = {known}
    if layers:
        give_each_a_name(model)
        modes = _modes(model, known, layers, named_in)
        used = {_known(own) for own in modes.values()} or used
    if used == {"none"}:
        return Quantized(tflite, known, profiling_only=False)
    for own in used:
        _check(model, own)
    if used.isdisjoint(INTEGER_MODES):
        store_layers(model, known, modes)
        return Quantized(graph.write(model), known, profiling_only=False)
    calibrated = Calibrated(model, calibration or random_samples(model, seed))
    if len(used) == 1:
        return Quantized(calibrated.quantized(next(iter(used))), known, not calibration)
    return Quantized(mixed(calibrated, known, modes or {}), known, not calibration)


def _known(mode: str) -> QuantizeMode:
    known = _MODES.get(mode)
    if known is None:
        raise ModelError(
            f"quantize must be one of {', '.join(_MODES)}, got {mode!r}{did_you_mean(mode, _MODES)}"
        )
    return known


def _modes(
    model: graph.Model, mode: str, entries: Sequence[LayerMode], named_in: bytes | None
) -> dict[str, str]:
    """Each layer's mode by its name."""
    own = layers_of(model)
    if named_in is None:
        return layer_modes(own, mode, entries)
    original = graph.read(named_in)
    give_each_a_name(original)
    return carried(layer_modes(layers_of(original), mode, entries), own, mode)


def obstacle(model: graph.Model, mode: str) -> tuple[str, str]:
    """Why a model cannot be stored in a mode, and what to do; empty where nothing is known.

    Args:
        model: The model.
        mode: As for :func:`quantize`.
    """
    if mode == "none":
        return "", ""
    for subgraph, op, operand, _ in weights_of(model):
        tensor = graph.stored_source(subgraph, op.inputs[operand])
        if graph.dtype_of(tensor) != np.float32 or tensor.sparsity is not None:
            name = graph.tensor_name(tensor)
            why = f"weights of {name!r} are already quantized or sparse, expected dense float32"
            return why, "use --quantize none"
    if mode in INTEGER_MODES:
        names = {graph.op_name(model, op) for part in model.subgraphs for op in part.operators}
        if found := sorted(names.intersection(_RUNS_PARTS)):
            why = f"what {found[0]} runs, as in a recurrent layer, cannot be calibrated"
            return why, "use --quantize int8-weights, fp16 or none"
    return "", ""


def check_mode(tflite: bytes, mode: str, layers: Sequence[LayerMode] = ()) -> None:
    """Refuses a mode that a model cannot be stored in, before anything is trained for it.

    Args:
        tflite: The model.
        mode: As for :func:`quantize`.
        layers: As for :func:`quantize`.

    Raises:
        ModelError: It cannot, an entry fits no layer, or the file is damaged.
    """
    used = {mode}
    if layers:
        used = set(layer_modes(layers_of(graph.view(tflite)), mode, layers).values()) or used
    for own in sorted(used - {"none"}):
        _check(graph.view(tflite), own)


def _check(model: graph.Model, mode: str) -> None:
    why, remedy = obstacle(model, mode)
    if why:
        raise ModelError(f"cannot be quantized to {mode}: {why}: {remedy}")
