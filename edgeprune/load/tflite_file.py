"""``.tflite`` files, and those in a ``.epz`` container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.errors import ModelError
from edgeprune.load.checks import check_weights, unpacked_limit_bytes
from edgeprune.load.storage import stored_as
from edgeprune.models.epz import is_epz, unpack
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.plan_reader import with_runtime_kernels
from edgeprune.text.untrusted import reason_of

_LIMIT_BYTES = 1 << 31


def load(path: Path, sha256: str) -> Loaded:
    """Reads and checks a TFLite file, float or quantized, unpacking it from a container.

    Raises:
        ModelError: It is damaged, larger than 2 GB, or has no weights or no finite ones.
    """
    from ai_edge_litert.interpreter import Interpreter

    if path.stat().st_size >= _LIMIT_BYTES:
        raise ModelError(f"{path}: larger than 2 GB, TFLite's limit")
    tflite = path.read_bytes()
    notes: tuple[str, ...] = ()
    if is_epz(tflite):
        tflite, notes = _unpacked(path, tflite)
    try:
        came = graph.opened(tflite)
        tflite = graph.opened(with_runtime_kernels(came))
        check_weights(path, _constants(tflite.graph))
    except ModelError as error:
        line = str(error)
        raise ModelError(line if line.startswith(str(path)) else f"{path}: {line}") from error
    try:
        Interpreter(model_content=tflite)  # runs LiteRT's own verifier over all offsets
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: damaged TFLite file: {reason_of(error)}") from error
    source = ModelFile(path, sha256, "tflite")
    with_own = came if tflite != came else None
    return Loaded(source, tflite=tflite, with_own=with_own, notes=notes, stored=stored_as(tflite))


def _unpacked(path: Path, packed: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A container's content, and the line that says so."""
    try:
        tflite = unpack(packed, min(unpacked_limit_bytes(path), _LIMIT_BYTES))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return tflite, (f"{path.name}: {len(packed):,} bytes, unpacked to {len(tflite):,}",)


_BOUNDS = frozenset({"MINIMUM", "MAXIMUM", "SELECT", "SELECT_V2", "PADV2", "ADD", "FILL"})
"""Operators whose constants may be infinite: limits that limit nothing, and masks of attention."""


def _constants(model: graph.Model) -> Iterator[tuple[str, Array]]:
    """Name and values of everything stored that an operator could multiply with.

    Infinities that only bound or mask something are left out.
    """
    for subgraph in model.subgraphs:
        readers = graph.consumers(subgraph)
        for index, tensor in enumerate(subgraph.tensors):
            dtype = graph.dtype_of(tensor)
            if dtype is None or model.buffers[tensor.buffer].data is None:
                continue
            if dtype.kind == "f" or dtype.itemsize == 1:
                values = graph.stored_values(model, tensor)
                names = {graph.op_name(model, op) for op, _ in readers.get(index, ())}
                if dtype.kind == "f" and names <= _BOUNDS:
                    values = values[~np.isinf(values)]
                yield graph.tensor_name(tensor), values
