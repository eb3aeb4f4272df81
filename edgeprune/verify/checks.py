"""Checks of our own stages on the host: what conversion and rewriting must not change."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import Samples
from edgeprune.errors import VerifyError
from edgeprune.verify.host import reference_outputs, rounding_of
from edgeprune.verify.parity import FLOAT_LIMIT, ROUNDING_FACTOR

REWRITE_LIMIT = 1e-5
"""Largest difference that an exact rewrite may make, as a share of the largest absolute output.

More passes for a network that amplifies rounding, as right kernels differ there by more.
Source: ours, benchmarks/rounding.py. Of 15 stock models of keras.applications with seeded random
weights, turned by 180 degrees, 13 differed by no more than this on 8 random inputs, MobileNetV2-96
the most with 9.9e-6; the other two differ by more between two kernels without any rewrite.
"""


def check_conversion(tflite: bytes, samples: Samples, expected: Samples) -> None:
    """Compares the converted model on the host with the Keras model that it was made of.

    Outputs are matched by their sizes, because a converter may reorder them.

    Raises:
        VerifyError: They differ by more than :data:`~edgeprune.verify.parity.FLOAT_LIMIT` and by
            more than rounding explains.
    """
    found = reference_outputs(tflite, samples)
    slack = ROUNDING_FACTOR * max(rounding_of(tflite, samples))
    for ours, theirs in zip(found, expected, strict=True):
        for value in theirs:
            limit = max(FLOAT_LIMIT * float(np.abs(value).max(initial=0.0)), slack, 1e-30)
            gaps = [float(np.abs(o - value).max()) for o in ours if o.shape == value.shape]
            if not gaps or not min(gaps) <= limit:
                raise VerifyError("the converted model does not compute what the Keras model does")


def check_rewrite(original: bytes, rewritten: bytes, samples: Samples) -> float:
    """Compares a rewritten float model with the original, both on the host's built-in kernels.

    Args:
        original: The model before the rewrite.
        rewritten: The model after it, with the same inputs and outputs in the same order.
        samples: Inputs of either.

    Returns:
        The largest difference as a share of that output's largest absolute value; 0.0 for equal
        outputs.

    Raises:
        ModelError: The host cannot run one of them.
        VerifyError: They differ by more than :data:`REWRITE_LIMIT` and by more than rounding
            explains, or in number or shape of outputs, or an output of one alone is no number.
    """
    before = reference_outputs(original, samples)
    after = reference_outputs(rewritten, samples)
    shapes = [[[value.shape for value in row] for row in rows] for rows in (before, after)]
    if shapes[0] != shapes[1]:
        raise VerifyError("the rewritten model has other outputs than the original")
    worst, rounding = 0.0, rounding_of(original, samples)
    for k in range(len(rounding)):
        theirs = np.stack([row[k] for row in before]).astype(np.float64)
        ours = np.stack([row[k] for row in after]).astype(np.float64)
        if np.array_equal(ours, theirs, equal_nan=True):
            continue
        largest = max(float(np.abs(theirs).max()), float(np.finfo(np.float32).tiny))
        share = float(np.abs(ours - theirs).max()) / largest
        limit = max(REWRITE_LIMIT, ROUNDING_FACTOR * rounding[k] / largest)
        if not share <= limit:
            raise VerifyError(
                f"output {k} of the rewritten model differs from the original's by {share:.3g} of "
                f"its largest value, more than {limit:.2g}; nothing was written"
            )
        worst = max(worst, share)
    return worst
