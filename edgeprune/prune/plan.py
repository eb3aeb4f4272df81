"""Which weights of a model are pruned, how far each, and whether that can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from edgeprune.artifacts import FloatArray, Loaded, Pruned
from edgeprune.errors import ModelError
from edgeprune.prune.allocation import Candidate, allocate
from edgeprune.prune.patterns import by_magnitude
from edgeprune.prune.select import matching
from edgeprune.prune.spec import PruneSpec


class Named(Protocol):
    """Anything with the name of a weight tensor."""

    @property
    def name(self) -> str:
        """Layer path and weight name."""


Item = TypeVar("Item", bound=Named)


def wanted(found: Sequence[Item], spec: PruneSpec) -> list[Item]:
    """What is left of the prunable weights without the ignored layers.

    Raises:
        ModelError: A layer's name matches nothing, or nothing is left.
    """
    names = [one.name for one in found]
    ignored = {name for wish in spec.ignored for name in matching(wish, names)}
    left = [one for one in found if one.name not in ignored]
    if not left:
        raise ModelError("nothing is left to prune: every layer is ignored")
    return left


def sparsities(candidates: Sequence[Candidate], spec: PruneSpec) -> dict[str, float]:
    """Each layer's share of zeros.

    Raises:
        ModelError: A limit's name matches nothing, or the limits leave no room.
    """
    names = [one.name for one in candidates]
    limits: dict[str, float] = {}
    for limit in spec.limits:
        limits |= {name: limit.sparsity for name in matching(limit.layer, names)}
    return allocate(spec.allocation, candidates, spec.sparsity, limits)


def unpruned(model: Loaded, note: str) -> Pruned:
    """What the stage hands out where it did nothing."""
    return Pruned(model, {}, (), fine_tuned=False, profiling_only=False, notes=(note,))


def nothing_to_prune(model: Loaded, spec: PruneSpec) -> Pruned:
    """The model as it came, where it has no layer of the wished kind."""
    which = "pointwise convolution or dense layer" if spec.layers == "paying" else "such layer"
    note = f"nothing was pruned: the model has no {which} (layers = {spec.layers!r})"
    return unpruned(model, note)


OFF = 0.01
"""Share by which a layer may miss its sparsity before it is told. Source: ours."""


class Wish(NamedTuple):
    """What one layer shall become.

    Attributes:
        name: Of its weights.
        pattern: Name of the pattern.
        matrix: The weights, ``(out_channels, in_features)``.
        in_channels: Input channels, without a convolution's taps.
        sparsity: Wished share of zeros.
    """

    name: str
    pattern: str
    matrix: FloatArray
    in_channels: int
    sparsity: float


def prospects(wishes: Sequence[Wish]) -> list[str]:
    """Lines that say, before anything is trained, how far the wish can be met.

    Raises:
        ModelError: A pattern does not fit a weight.
    """
    lines, zeros, total = [], 0, 0
    for name, pattern, matrix, in_channels, sparsity in wishes:
        try:
            mask = by_magnitude(pattern, matrix, sparsity, in_channels).mask
        except ModelError as error:
            raise ModelError(f"{name}: {error}") from error
        share = 1 - float(np.mean(mask))
        zeros, total = zeros + int(np.sum(~mask)), total + mask.size
        if abs(share - sparsity) > OFF:
            word = "allows at most" if share < sparsity else "goes in steps, the nearest is"
            out_channels = len(matrix)
            lines.append(
                f"layer {name}: {pattern} {word} {share:.1%} of its {out_channels} x "
                f"{matrix.shape[1]} weights, {sparsity:.1%} was wished"
            )
    verdict = "can be met" if not lines else "is met but for the layers below"
    head = f"the wish {verdict}: {zeros:,} of {total:,} weights in {len(wishes)} layers go"
    return [f"{head} ({zeros / max(total, 1):.1%})", *lines]
