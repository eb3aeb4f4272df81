"""How fast sparsity grows during a training."""

from __future__ import annotations

RAMP_SHARE = 0.5
"""Share of the training during which the sparsity grows; the rest recovers with frozen masks."""

UPDATES = 16
"""How often the masks are made anew while it grows."""


def cubic_sparsity(step: int, ramp_steps: int, final: float) -> float:
    """The sparsity to have before training step ``step``.

    ``s_t = s_f + (s_0 - s_f) (1 - t / T)^3`` with ``s_0 = 0``: most goes early, while many
    weights are redundant.

    Source: Zhu and Gupta 2017, "To prune, or not to prune", equation 1.

    Args:
        step: Counted from 0.
        ramp_steps: T; from it on the sparsity is ``final``. 0 has it from the start.
        final: s_f, in [0, 1).

    >>> [round(cubic_sparsity(t, 4, 0.8), 4) for t in (0, 2, 4, 9)]
    [0.0, 0.7, 0.8, 0.8]
    """
    if step >= ramp_steps:
        return final
    return final * (1 - (1 - step / ramp_steps) ** 3)


def update_steps(total_steps: int) -> list[int]:
    """The steps before which masks are made anew, the last one with the final sparsity.

    >>> update_steps(8)
    [1, 2, 3, 4]
    >>> update_steps(1)
    [0]
    """
    ramp = ramp_steps(total_steps)
    interval = max(1, ramp // UPDATES)
    return sorted({*range(interval, ramp, interval), ramp})


def ramp_steps(total_steps: int) -> int:
    """How many of the training's steps the sparsity grows for."""
    return int(total_steps * RAMP_SHARE)
