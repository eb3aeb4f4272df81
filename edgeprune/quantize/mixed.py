"""Files whose layers are stored and computed in several modes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.quantize.full_integer import Calibrated
from edgeprune.quantize.layer_modes import layers_of, spoken
from edgeprune.quantize.storage import as_float16, as_int8, store

_STORED = {"fp16": as_float16, "int8-weights": as_int8}
_COMPUTED = {"int8": np.dtype(np.int8), "int16x8": np.dtype(np.int16)}


def mixed(calibrated: Calibrated, mode: str, modes: Mapping[str, str]) -> bytes:
    """A file with some layers on integers and some on floats, which may be stored narrow.

    Between the two the file converts, in ``QUANTIZE`` and ``DEQUANTIZE``.

    Args:
        calibrated: The float model.
        mode: That of most layers; what cannot be computed in it stays in float32.
        modes: Each layer's mode by its name.

    Raises:
        ModelError: The quantizer refuses the model, or a layer has no kernel for its own mode.
    """
    model = graph.read(calibrated.quantized(mode, modes))
    _check_computed(model, calibrated.model, modes, mode)
    store_layers(model, mode, modes)
    return graph.write(model)


def store_layers(model: graph.Model, mode: str, modes: Mapping[str, str] | None) -> None:
    """Stores the weights narrow of those layers that compute on floats.

    Args:
        model: Is changed.
        mode: That of all layers where ``modes`` is None.
        modes: Each layer's mode by its name.
    """
    for own, stored_as in _STORED.items():
        if modes is None and own == mode:
            store(model, stored_as)
        elif modes is not None and (names := {name for name in modes if modes[name] == own}):
            store(model, stored_as, names)


def _check_computed(
    model: graph.Model, original: graph.Model, modes: Mapping[str, str], mode: str
) -> None:
    """Refuses a file in which a layer does not compute as it was to, though it was named.

    Raises:
        ModelError: Which layer, and what to do.
    """
    tensors = {graph.tensor_name(t): t for part in model.subgraphs for t in part.tensors}
    floats = {
        graph.tensor_name(t)
        for part in original.subgraphs
        for t in part.tensors
        if graph.dtype_of(t) == np.float32
    }
    for name, own in modes.items():
        if own == mode or own not in _COMPUTED or name not in floats or name not in tensors:
            continue
        if graph.dtype_of(tensors[name]) != _COMPUTED[own]:
            known = layers_of(original)
            raise ModelError(
                f"layer {spoken(name, known)!r} cannot be computed in {own}, for which the runtime "
                "has no such kernel: give it another mode in [quantize] layers"
            )
