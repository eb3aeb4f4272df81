"""What every loaded model must be: whole, with weights, and finite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError

UNPACKED_LIMIT_BYTES = 8 << 30
"""Most that a file may hold once unpacked. TFLite ends at 2 GB; Adam's state triples that."""

_RATIO_LIMIT = 100
_SMALL_BYTES = 256 << 20


def unpacked_limit_bytes(path: Path) -> int:
    """Most that a file of its size may unpack to: 100 times it or 256 MiB, and at most 8 GiB."""
    return min(UNPACKED_LIMIT_BYTES, max(_SMALL_BYTES, _RATIO_LIMIT * path.stat().st_size))


def check_unpacked(path: Path, declared_bytes: int, where: Path | None = None) -> None:
    """Refuses a file that would unpack to far more than it is.

    Args:
        path: The file.
        declared_bytes: What it says it holds, uncompressed.
        where: The file that the message names, where ``path`` came out of another.

    Raises:
        ModelError: More than 8 GiB, or more than 256 MiB and 100 times the file.
    """
    limit = unpacked_limit_bytes(path)
    if declared_bytes > limit:
        raise ModelError(
            f"{where or path}: declares {declared_bytes:,} bytes when unpacked, more than the "
            f"limit of {limit:,} for a file of its size"
        )


def check_weights(path: Path, weights: Iterable[tuple[str, Array]]) -> None:
    """Refuses a model without weights, or with weights that are no finite numbers.

    Args:
        path: The file.
        weights: Name and values of each.

    Raises:
        ModelError: As said; the message names the tensor.
    """
    count = 0
    for name, values in weights:
        count += values.size
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            wrong = int(values.size - np.isfinite(values).sum())
            raise ModelError(
                f"{path}: weight {name!r} holds {wrong} of {values.size} values that are NaN or "
                "infinite: train the model again"
            )
    if not count:
        raise ModelError(f"{path}: the model has no weights at all")
