"""Student's t distribution, by adding up its density: the core needs no scipy."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

_STEP = 1e-4
_FARTHEST = 40.0
"""Beyond it lies less than 1 in 100,000 of four or more degrees of freedom."""


def student_t(degrees: int, confidence: float) -> float:
    """What a share ``confidence`` of all draws does not exceed, on either side of 0.

    Args:
        degrees: Degrees of freedom, 4 or more.
        confidence: Share in (0, 0.9999].

    >>> round(student_t(4, 0.95), 3), round(student_t(9, 0.95), 3), round(student_t(4, 0.99), 3)
    (2.776, 2.262, 4.604)
    """
    return float(np.searchsorted(_within(degrees), confidence) + 1) * _STEP


def student_p(t: float, degrees: int) -> float:
    """Two-sided p-value of a draw.

    Args:
        t: The draw, of either sign.
        degrees: Degrees of freedom, 4 or more.

    >>> round(student_p(2.776, 4), 3), student_p(0.0, 4)
    (0.05, 1.0)
    """
    steps = int(min(abs(t), _FARTHEST) / _STEP)
    return 1.0 if steps == 0 else max(0.0, 1.0 - float(_within(degrees)[steps - 1]))


@functools.lru_cache(maxsize=16)
def _within(degrees: int) -> NDArray[np.float64]:
    """Share of draws within each multiple of the step, both sides."""
    t = np.arange(0.0, _FARTHEST + _STEP, _STEP)
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2))
    density = (1 + t**2 / degrees) ** (-(degrees + 1) / 2) * scale / math.sqrt(degrees * math.pi)
    return np.asarray(np.cumsum(density[1:] + density[:-1]) * _STEP)
