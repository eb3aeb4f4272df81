"""The modes ``int8`` and ``int16x8``: the whole model in integers, by ``litert-quantizer``."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError, from_extra
from edgeprune.models.tflite import graph
from edgeprune.progress import each
from edgeprune.quantize.zero_channels import mend_biases
from edgeprune.text.untrusted import reason_of

RANDOM_SAMPLES = 16
"""Calibration inputs made where the user gave none."""


INTEGER_MODES = {"int8": "static_wi8_ai8", "int16x8": "static_wi8_ai16"}
"""Modes whose layers compute on integers, and the quantizer's own recipe for each."""


def full_integer(model: graph.Model, mode: str, samples: Sequence[Sequence[Array]]) -> bytes:
    """The model in integers throughout, by ``litert-quantizer``: 8-bit weights in both modes.

    Args:
        model: A float model.
        mode: One of :data:`INTEGER_MODES`: activations of 8 or of 16 bits.
        samples: To find the activations' ranges.

    Raises:
        ModelError: The samples do not fit, or the quantizer refuses the model.
        ConfigError: ``litert-quantizer`` is not installed.
    """
    subgraph = model.subgraphs[0]
    _give_each_a_name(model)
    if not model.signatureDefs:  # the quantizer calls a model by its signature
        names = [f"input_{k}" for k in range(len(subgraph.inputs))]
        graph.add_signature(model, names, [f"output_{k}" for k in range(len(subgraph.outputs))])
    signature = model.signatureDefs[0]
    by_tensor = {int(entry.tensorIndex): entry.name.decode() for entry in signature.inputs}
    names = [by_tensor[index] for index in graph.io_tensors(model)[0]]
    feeds = [
        dict(zip(names, _fitted(sample, input_tensors(model)), strict=True)) for sample in samples
    ]
    try:
        # The quantizer draws a progress bar through Python, which ``quiet`` lets pass.
        with quiet(), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            key = signature.signatureKey.decode()
            quantized = _by_quantizer(graph.write(model), mode, key, feeds)
            return mend_biases(quantized, model)
    except (RuntimeError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise ModelError(f"cannot be quantized to {mode}: {reason_of(error)}") from error


def _give_each_a_name(model: graph.Model) -> None:
    """Renames tensors of a name that is taken: the quantizer tells tensors apart by their names."""
    taken: set[bytes] = set()
    for subgraph in model.subgraphs:
        for number, tensor in enumerate(subgraph.tensors):
            name = bytes(tensor.name or b"")
            while name in taken:
                name += b"#%d" % number
            if name != (tensor.name or b""):
                tensor.name = name
            taken.add(name)


def _fitted(sample: Sequence[Array], tensors: list[graph.Tensor]) -> list[Array]:
    """The sample's arrays in the inputs' types and shapes.

    Raises:
        ModelError: They are too few, too many, or of another size.
    """
    if len(sample) != len(tensors):
        raise ModelError(f"calibration gives {len(sample)} inputs, the model has {len(tensors)}")
    fitted = []
    for values, tensor in zip(sample, tensors, strict=True):
        shape = graph.shape_of(tensor)
        if values.size != math.prod(shape):
            raise ModelError(f"calibration data of shape {values.shape} for an input of {shape}")
        fitted.append(values.reshape(shape).astype(graph.dtype_of(tensor)))
    return fitted


def _by_quantizer(tflite: bytes, mode: str, signature: str, feeds: list[dict[str, Any]]) -> bytes:
    with from_extra("quantize", f"--quantize {mode}"):
        from litert_quantizer import quantizer, recipe

    worker = quantizer.Quantizer(tflite, getattr(recipe, INTEGER_MODES[mode])())
    ranges: dict[str, dict[str, Any]] = {}
    # One sample at a time: over several the quantizer averages with 0.95 for what came before,
    # so the first sample would nearly decide, and whatever lies outside its range be cut off.
    for feed in each(feeds, "calibration sample"):
        for name, seen in worker.calibrate({signature: [feed]}, num_threads=2).items():
            ranges[name] = _widened(ranges.get(name), seen)
    result = worker.quantize(ranges, enable_progress_report=False, enable_progress_bar=False)
    return graph.opened(bytes(result.quantized_model))


def _widened(known: dict[str, Any] | None, seen: dict[str, Any]) -> dict[str, Any]:
    """The range that holds both; a tensor that is not measured has none."""
    if not known or not seen:
        return seen or known or {}
    return {
        "min": np.minimum(known["min"], seen["min"]),
        "max": np.maximum(known["max"], seen["max"]),
    }


def input_tensors(model: graph.Model) -> list[graph.Tensor]:
    """The model's inputs, in the file's order."""
    return [model.subgraphs[0].tensors[index] for index in graph.io_tensors(model)[0]]


def random_samples(model: graph.Model, seed: int) -> list[list[Array]]:
    """Uniform inputs in [0, 1), :data:`RANDOM_SAMPLES` of them."""
    rng = np.random.default_rng(seed)
    shapes = [graph.shape_of(tensor) for tensor in input_tensors(model)]
    return [[rng.random(s, np.float32) for s in shapes] for _ in range(RANDOM_SAMPLES)]
