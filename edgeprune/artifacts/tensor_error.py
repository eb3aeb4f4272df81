"""What quantization changed in one weight tensor."""

from __future__ import annotations

from dataclasses import dataclass


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
