"""How far each weight tensor of the final file is from the float one that it stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeprune.models.tflite.tensor_error import sqnr_db
from edgeprune.verify.filters import Filter, filters_of, paired


@dataclass(frozen=True)
class TensorError:
    """One weight tensor, before and after.

    Attributes:
        name: Name of the output of the operator that reads it.
        op: That operator, as ``CONV_2D``.
        stored_as: NumPy's name of the type that it is stored in.
        weights: Number of weights.
        mse: Mean squared error.
        sqnr_db: Signal-to-quantization-noise ratio in decibels; None where there is no error.
        max_abs_error: Largest absolute error.
        zeros_before: Zeros before.
        zeros_after: Zeros after.
        distinct_before: Distinct values before, zero included.
        distinct_after: Distinct stored values, zero included; each channel's scale is its own.
    """

    name: str
    op: str
    stored_as: str
    weights: int
    mse: float
    sqnr_db: float | None
    max_abs_error: float
    zeros_before: int
    zeros_after: int
    distinct_before: int
    distinct_after: int


def tensor_errors(before: bytes, after: bytes) -> list[TensorError]:
    """Compares the weights of a float file with those of what was made of it.

    Args:
        before: A float TFLite file.
        after: The same network quantized, sparse or both; weights are dequantized.

    Returns:
        One entry per weight tensor in graph order; tensors that are in one file only are left out.

    Raises:
        ModelError: A file is damaged.
    """
    files = [filters_of(before), filters_of(after)]
    keys = [[(one.name, one.values.size) for one in file] for file in files]
    pairs, _, _ = paired(files[0], files[1], keys)
    return [_error(old, now) for old, now in pairs]


def _error(old: Filter, now: Filter) -> TensorError:
    difference = old.values.reshape(-1).astype(np.float64) - now.values.reshape(-1)
    ratio_db = sqnr_db(old.values.reshape(-1), now.values.reshape(-1))
    return TensorError(
        name=now.name,
        op=now.op,
        stored_as=now.stored.dtype.name,
        weights=now.stored.size,
        mse=float(np.square(difference).mean()),
        sqnr_db=ratio_db if math.isfinite(ratio_db) else None,
        max_abs_error=float(np.abs(difference).max()),
        zeros_before=old.stored.size - int(np.count_nonzero(old.stored)),
        zeros_after=now.stored.size - int(np.count_nonzero(now.stored)),
        distinct_before=np.unique(old.stored).size,
        distinct_after=np.unique(now.stored).size,
    )
