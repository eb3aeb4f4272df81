"""Patterns by name: ``unstructured``, blocks as ``2x1`` or ``1x4``, N of M as ``2:4``."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import numpy as np

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.errors import ModelError
from edgeprune.pruning.highest import check_scores
from edgeprune.pruning.patterns.base import PATTERNS, Pattern
from edgeprune.recipe.prune_parts import PATTERNS as KINDS
from edgeprune.recipe.prune_parts import no_pattern

__all__ = ["PATTERNS", "Pattern", "Pruning", "by_magnitude", "pattern"]


class Pruning(NamedTuple):
    """A pruned weight matrix.

    Attributes:
        values: Shape ``(out_channels, in_features)``: kept weights, and zeros.
        mask: The same shape, True where a weight is kept.
    """

    values: FloatArray
    mask: BoolArray


@functools.cache
def pattern(name: str) -> Pattern:
    """The pattern of this name.

    ``RxC`` removes blocks of R consecutive output channels by C consecutive input channels,
    ``N:M`` keeps N of every M consecutive input channels; another name is a kind that takes no
    numbers.

    Raises:
        ModelError: The name says nothing that exists, or its numbers make no pattern.

    >>> pattern("2x1")
    Blocks(rows=2, columns=1)
    """
    for kind in KINDS.values():
        if kind.form and (match := re.fullmatch(kind.form, name)):
            with_numbers: Pattern = PATTERNS.get(kind.name)(*map(int, match.groups()))
            return with_numbers
    if name not in KINDS or KINDS[name].form or not KINDS[name].is_shape:
        raise ModelError(no_pattern(name))
    plain: Pattern = PATTERNS.get(name)()
    return plain


def by_magnitude(
    name: str, weights: FloatArray, sparsity: float, in_channels: int | None = None
) -> Pruning:
    """Removes the smallest weights in a pattern.

    Args:
        name: The pattern's.
        weights: Shape ``(out_channels, in_features)``; not changed.
        sparsity: Share to remove, in [0, 1).
        in_channels: As in :class:`Pattern`; None where that is ``in_features``.

    Raises:
        ModelError: ``sparsity`` lies outside [0, 1), a weight is NaN, or the pattern does not fit.
    """
    shape = pattern(name)
    check_scores(weights, sparsity)
    share = shape.share(sparsity)
    mask = shape.mask(np.abs(weights), share, in_channels or weights.shape[1])
    return Pruning(shape.finish(weights, mask), mask)
