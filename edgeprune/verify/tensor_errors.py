"""How far each weight tensor of the final file is from the float one that it stands for."""

from __future__ import annotations

import math

import numpy as np

from edgeprune.artifacts.tensor_error import TensorError
from edgeprune.models.tflite.tensor_error import sqnr_db
from edgeprune.verify.filters import Filter, filters_of, paired


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
