"""Which weights of a model are pruned, how far each, and whether that can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import Pruned
from edgeprune.errors import ModelError
from edgeprune.models.select import matching
from edgeprune.pruning.allocation import Candidate, allocate
from edgeprune.pruning.patterns import by_magnitude
from edgeprune.recipe.prune_parts import PATTERNS
from edgeprune.recipe.prune_table import PruneTable


class Named(Protocol):
    """Anything with the name of a weight tensor."""

    @property
    def name(self) -> str:
        """Layer path and weight name."""


Item = TypeVar("Item", bound=Named)


def wanted(candidates: Sequence[Item], spec: PruneTable) -> list[Item]:
    """What is left of the prunable weights without the ignored layers.

    Raises:
        ModelError: A layer's name matches nothing, or nothing is left.
    """
    names = [item.name for item in candidates]
    ignored = {name for layer in spec.ignored for name in matching(layer, names)}
    left = [item for item in candidates if item.name not in ignored]
    if not left:
        raise ModelError("nothing is left to prune: every layer is ignored")
    return left


class Channelled(Named, Protocol):
    """A weight tensor of which the input channels are known."""

    @property
    def in_channels(self) -> int:
        """Input channels, without a convolution's taps."""


Fitting = TypeVar("Fitting", bound=Channelled)


def that_fit(items: Sequence[Fitting], spec: PruneTable) -> tuple[list[Fitting], list[str]]:
    """What blocks along the input channels fit where every layer is pruned, and a line on others.

    The first convolution has three channels; who wants every layer pruned need not name it.
    """
    match = re.fullmatch(PATTERNS["blocks"].form, spec.pattern)
    columns = int(match.group(2)) if match and spec.layers == "all" else 1
    fit = [item for item in items if item.in_channels >= columns]
    left = [item.name for item in items if item.in_channels < columns]
    if not fit or not left:
        return list(items), []
    names = ", ".join(left)
    return fit, [f"{names}: stays whole, since it has fewer input channels than {spec.pattern}"]


def sparsities(candidates: Sequence[Candidate], spec: PruneTable) -> dict[str, float]:
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


def nothing_to_prune(model: Loaded, spec: PruneTable) -> Pruned:
    """The model as it came, where it has no layer of the kind to prune."""
    if spec.layers != "accelerated":
        return unpruned(model, "nothing was pruned: the model has no convolution or dense layer")
    return unpruned(
        model,
        "nothing was pruned: the model has no pointwise convolution or dense layer, which sparse "
        f"kernels could run; {_ALL}",
    )


_ALL = '--layers all (layers = "all" in [prune]) prunes the other convolutions too, for size alone'


def left_whole(pruned: Sequence[int], every: Sequence[int]) -> list[str]:
    """A line on the weights that are not pruned because no sparse kernel could run them.

    Args:
        pruned: Sizes of the weights that sparse kernels can run.
        every: Sizes of those and of all others that can be pruned.
    """
    layers, weights = len(every) - len(pruned), sum(every) - sum(pruned)
    if not layers:
        return []
    where = "1 other layer" if layers == 1 else f"{layers} other layers"
    return [f"{weights:,} weights in {where} stay whole: no sparse kernel could run them; {_ALL}"]


SPARSITY_TOLERANCE = 0.01
"""Share by which a layer may miss its sparsity before a line says so. Source: ours."""


class LayerGoal(NamedTuple):
    """What one layer shall become.

    Attributes:
        name: Name of the layer's weights.
        pattern: Name of the pattern.
        matrix: The weights, ``(out_channels, in_features)``.
        in_channels: Input channels, without a convolution's taps.
        sparsity: Share of zeros that it is to have.
    """

    name: str
    pattern: str
    matrix: FloatArray
    in_channels: int
    sparsity: float


def prospects(goals: Sequence[LayerGoal]) -> list[str]:
    """Lines that say, before anything is trained, how far the sparsity can be reached.

    Raises:
        ModelError: A pattern does not fit a weight.
    """
    lines, zeros, total = [], 0, 0
    for name, pattern, matrix, in_channels, sparsity in goals:
        try:
            mask = by_magnitude(pattern, matrix, sparsity, in_channels).mask
        except ModelError as error:
            raise ModelError(f"{name}: {error}") from error
        share = 1 - float(np.mean(mask))
        zeros, total = zeros + int(np.sum(~mask)), total + mask.size
        if abs(share - sparsity) > SPARSITY_TOLERANCE:
            word = "allows at most" if share < sparsity else "goes in steps and allows"
            out_channels = len(matrix)
            lines.append(
                f"layer {name}: {pattern} {word} {share:.1%} of its {out_channels} x "
                f"{matrix.shape[1]} weights, {sparsity:.1%} was asked for"
            )
    verdict = "can be reached" if not lines else "cannot be reached in all layers"
    where = "1 layer" if len(goals) == 1 else f"{len(goals)} layers"
    head = f"the sparsity {verdict}: {zeros:,} of {total:,} weights in {where} become zero"
    return [f"{head} ({zeros / max(total, 1):.1%})", *lines]
