"""The files of a model that a device half is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeprune.artifacts.measurement import Variant
from edgeprune.models.tflite import graph
from edgeprune.pipeline.compressed import Compressed


def write_variants(done: Compressed, write: Callable[[str, bytes], Path]) -> list[Variant]:
    """Writes each variant's file; ``dense`` first, unless it is what is deployed anyway.

    Where the device is given layers in edgeprune's own kernels, the file that any runtime takes is
    written beside, as ``deployed-portable.tflite``.

    Args:
        done: What the host half made.
        write: Writes a file of a name, and says where it is.
    """

    def variant(name: str, tflite: bytes, reference: bytes, **rest: Any) -> Variant:
        file = write(f"{name}.tflite", tflite)
        sparsity = graph.weight_sparsity(tflite)
        return Variant(name, file, reference, sparsity, **rest)

    own = done.sparsified.own
    deployed = variant(
        "deployed" if own is None else "deployed-portable",
        done.sparsified.tflite,
        done.quantized_dense,
        profiling_only=done.profiling_only,
        expected=done.sparsified.expected,
    )
    if own is not None:
        file = write("deployed.tflite", own.tflite)
        deployed = dataclasses.replace(deployed, name="deployed", file=file, expected=own.expected)
    if done.dense == done.sparsified.deployed or (own is not None and own.is_brought):
        return [deployed]
    if done.dense_int8 is not None:
        only, fits = done.quantized.profiling_only, done.fits_dense
        dense = variant(
            "dense", done.dense_int8, done.dense_int8, profiling_only=only, measured=fits
        )
    else:
        is_run = done.runs_float
        dense = variant("dense", done.dense, done.dense, profiling_only=False, measured=is_run)
    variants = [dense, deployed]
    if done.control is not None:
        variants.append(
            variant(
                "dense-fine-tuned",
                done.control,
                done.control,
                profiling_only=False,
                measured=False,
            )
        )
    if done.dense_int8 is not None:
        variants.append(
            variant("float32", done.dense, done.dense, profiling_only=False, measured=False)
        )
    return variants
