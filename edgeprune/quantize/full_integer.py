"""The modes ``int8`` and ``int16x8``: layers in integers, by ``litert-quantizer``."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError, from_extra
from edgeprune.models.tflite import graph
from edgeprune.progress import each
from edgeprune.quantize.output_values import mend_outputs
from edgeprune.quantize.scopes import quantizer_recipe, scopes_of
from edgeprune.quantize.zero_channels import mend_biases
from edgeprune.text.untrusted import reason_of

RANDOM_SAMPLES = 16
"""Calibration inputs made where the user gave none."""


def full_integer(model: graph.Model, mode: str, samples: Sequence[Sequence[Array]]) -> bytes:
    """The model in integers throughout: 8-bit weights in both modes.

    Args:
        model: A float model; its tensors are given a name each.
        mode: One of :data:`~edgeprune.quantize.scopes.INTEGER_MODES`: activations of 8 or 16 bits.
        samples: To find the activations' ranges.

    Raises:
        ModelError: The samples do not fit, or the quantizer refuses the model.
        ConfigError: ``litert-quantizer`` is not installed.
    """
    return Calibrated(model, samples).quantized(mode)


class Calibrated:
    """A float model whose activations' ranges are looked for once, however often it is quantized.

    Args:
        model: Its tensors are given a name each; it is not to be changed any more.
        samples: To find the activations' ranges.

    Raises:
        ModelError: The samples do not fit.
    """

    def __init__(self, model: graph.Model, samples: Sequence[Sequence[Array]]) -> None:
        self.model = model
        subgraph = model.subgraphs[0]
        give_each_a_name(model)
        if not model.signatureDefs:  # the quantizer calls a model by its signature
            names = [f"input_{k}" for k in range(len(subgraph.inputs))]
            outputs = [f"output_{k}" for k in range(len(subgraph.outputs))]
            graph.add_signature(model, names, outputs)
        signature = model.signatureDefs[0]
        by_tensor = {int(entry.tensorIndex): entry.name.decode() for entry in signature.inputs}
        names = [by_tensor[index] for index in graph.io_tensors(model)[0]]
        inputs = input_tensors(model)
        self._key = signature.signatureKey.decode()
        self._feeds = [dict(zip(names, _fitted(sample, inputs), strict=True)) for sample in samples]
        self._tflite = graph.write(model)
        self._ranges: dict[str, dict[str, dict[str, Any]]] = {}

    def quantized(self, mode: str, modes: Mapping[str, str] | None = None) -> bytes:
        """The model in integers, or in part.

        Args:
            mode: One of :data:`~edgeprune.quantize.scopes.INTEGER_MODES`. With ``modes`` any, that
                of the model's inputs and outputs where no layer there is finer.
            modes: Each layer's mode by its name; layers of no integer mode stay in float32. None
                computes everything in ``mode``.

        Raises:
            ModelError: The quantizer refuses the model.
            ConfigError: ``litert-quantizer`` is not installed.
        """
        scopes = None if modes is None else scopes_of(self.model, mode, modes)
        used = [mode] if scopes is None else sorted(scopes)
        if not used:
            return self._tflite
        try:
            # The quantizer draws a progress bar through Python, which ``quiet`` lets pass.
            with quiet(), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
                ranges: dict[str, dict[str, Any]] = {}
                for own in used:
                    ranges |= self._ranges_for(own)
                worker = self._worker(mode, scopes)
                result = worker.quantize(
                    ranges, enable_progress_report=False, enable_progress_bar=False
                )
                quantized = graph.opened(bytes(result.quantized_model))
                return mend_biases(mend_outputs(quantized), self.model)
        except (RuntimeError, ValueError, KeyError, TypeError, NotImplementedError) as error:
            what = mode if modes is None else "the modes of its layers"
            raise ModelError(f"cannot be quantized to {what}: {reason_of(error)}") from error

    def _worker(self, mode: str, scopes: Mapping[str, Sequence[str]] | None) -> Any:
        with from_extra("quantize", f"--quantize {mode}"):
            from litert_quantizer import quantizer

        return quantizer.Quantizer(self._tflite, quantizer_recipe(mode, scopes))

    def _ranges_for(self, mode: str) -> dict[str, dict[str, Any]]:
        """Least and largest value of each tensor that a mode rounds, by the tensor's name."""
        if mode not in self._ranges:
            with from_extra("quantize", f"--quantize {mode}"):
                from litert_quantizer.calibrator import Calibrator
                from litert_quantizer.recipe_manager import RecipeManager

            manager = RecipeManager()
            manager.load_quantization_recipe(quantizer_recipe(mode, None))
            # It is asked about each operator anew at each sample, and looks through all its rules.
            manager.get_quantization_configs = functools.cache(manager.get_quantization_configs)
            # The quantizer's own way over several samples averages with 0.95 for what came before,
            # so the first sample would nearly decide, and whatever lies outside its range be cut
            # off. Each sample by itself begins with fresh variables.
            calibrator = Calibrator(self._tflite, num_threads=2, qsv_update_func=_widened)
            for feed in each(self._feeds, "calibration sample"):
                calibrator.calibrate({self._key: [feed]}, manager)
            self._ranges[mode] = calibrator.get_model_qsvs()
        return self._ranges[mode]


def give_each_a_name(model: graph.Model) -> None:
    """Renames tensors of no name, or one that is taken: the quantizer tells them apart by it."""
    taken: set[bytes] = set()
    for subgraph in model.subgraphs:
        for number, tensor in enumerate(subgraph.tensors):
            name = bytes(tensor.name or b"tensor")
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


def _widened(known: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    """The range that holds both; a tensor that is not measured has none."""
    if not known or not seen:
        return seen or known
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
