"""Channel pruning from end to end: follow channels, score, choose, and rebuild."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from edgeprune.artifacts.arrays import BoolArray
from edgeprune.channels.choose import (
    Choice,
    Rounding,
    Scope,
    global_choice,
    local_choice,
    macs_choice,
    scores_of,
    smallest_ratio,
)
from edgeprune.channels.criteria.base import CRITERIA, Scorer
from edgeprune.channels.evidence import Evidence, Scores
from edgeprune.channels.groups import Group, groups_of, held_back
from edgeprune.channels.identities import Ids
from edgeprune.channels.macs import macs_counter
from edgeprune.channels.rebuild import rebuild
from edgeprune.channels.rules.base import Role
from edgeprune.channels.trace import Trace, trace
from edgeprune.errors import ConfigError, ModelError
from edgeprune.text.near_names import did_you_mean
from edgeprune.training.capture import Calibration


@dataclass(frozen=True, eq=False)
class Removed:
    """What went of one axis of one weight.

    Attributes:
        layer: The layer's path, as ``inner/conv``.
        weight: Attribute of the weight, as ``kernel``.
        axis: Counted from 0.
        role: What the axis is to the channels.
        size: Length of the axis before.
        positions: Which of them went, ascending.
    """

    layer: str
    weight: str
    axis: int
    role: Role
    size: int
    positions: Ids


@dataclass(frozen=True, eq=False)
class ChannelRemoval:
    """A model without the channels that matter least.

    Attributes:
        model: A plain Keras model of the same class, not compiled.
        groups: What could be pruned, of the model as it was.
        units_left: How many units each of them has now.
        removed: Every axis of a weight that became shorter.
        pruning_ratio: Share of each group, or of all groups together, that was to go.
        channels_before: Output channels of all layers with kernels, also of those that stay whole.
        channels_after: How many of them are left.
        macs_before: Multiply-accumulates; None where an input has an open size.
        macs_after: The same for the new model.
        notes: What stays, with the reason; one line each.
    """

    model: Any
    groups: tuple[Group, ...]
    units_left: tuple[int, ...]
    removed: tuple[Removed, ...]
    pruning_ratio: float
    channels_before: int
    channels_after: int
    macs_before: int | None
    macs_after: int | None
    notes: tuple[str, ...]


def find_groups(
    model: Any, *, ignored: Collection[str] = (), limits: Mapping[str, float] | None = None
) -> tuple[Group, ...]:
    """The groups of channels that :func:`prune_channels` could remove; see there.

    Raises:
        ModelError: The model's graph cannot be followed.
        ConfigError: ``ignored`` or ``limits`` name no layer of the model.
    """
    return groups_of(trace(model, ignored, limits))


def prune_channels(  # noqa: PLR0913 - each is a choice of the user's
    model: Any,
    *,
    pruning_ratio: float | None = None,
    macs: float | None = None,
    criterion: str | Scorer = "l2",
    scope: Scope | None = None,
    round_to: int = 1,
    finer_where_small: bool = False,
    ignored: Collection[str] = (),
    limits: Mapping[str, float] | None = None,
    samples: Calibration | None = None,
) -> ChannelRemoval:
    """Removes channels with everything that makes, filters and reads them.

    The new model answers what the old one would if nothing read the removed channels; see
    :func:`edgeprune.channels.masked_dense`. Its inputs and outputs keep their shapes.
    Removing a share p of all channels removes about 1 - (1 - p)**2 of a convolution's weights,
    because it loses inputs as well.

    Args:
        model: Sequential or functional, of either Keras, models within it included. Not changed.
        pruning_ratio: Share of channels to remove, in [0, 1), rounded down; or give ``macs``.
        macs: Largest share of the multiply-accumulates to keep, in (0, 1]: the smallest ratio that
            reaches it is taken.
        criterion: Name of a criterion, or a function from a group to scores.
        scope: ``local`` takes the share of every group; ``global`` of the model as a whole, lowest
            scores first; ``macs`` of the model as a whole, more from groups on which more
            multiply-accumulates hang. None is ``macs`` where ``macs`` is given, else ``local``.
        round_to: What stays of a group is rounded up to a multiple of this many channels.
        finer_where_small: Whether groups of less than two such multiples are rounded to half of
            it, a quarter and so on, as far as 2.
        ignored: Layers, by name, path (``inner/conv``) or pattern of the shell, whose output
            channels all stay.
        limits: Layer, named likewise, to the largest share of its output channels that may go, in
            [0, 1].
        samples: Inputs and targets, which only the criterion ``taylor`` needs.

    Raises:
        ModelError: The model's graph is not known, nothing in it may be removed, or ``macs`` cannot
            be reached.
        ConfigError: An option is out of its range, or names no layer or criterion.
    """
    _check(pruning_ratio, macs, round_to, limits, scope)
    traced = trace(model, ignored, limits)
    groups, notes = groups_of(traced), held_back(traced)
    if not groups:
        why = "; ".join(notes[:3]) or "it has no convolution or dense layer"
        raise ModelError(f"no channels of model {model.name!r} may be removed: {why}")
    scores = scores_of(groups, _scorer(criterion, Evidence(model, groups, samples)))
    choose = _choice(
        traced,
        groups,
        scores,
        scope or ("local" if macs is None else "macs"),
        Rounding(round_to, finer_where_small),
    )
    ratio = pruning_ratio or 0.0
    if macs is not None:
        ratio = _ratio_for(traced, groups, choose, macs)
    chosen = choose(ratio)
    stays = _stays(traced, groups, chosen)
    count = macs_counter(traced)
    makers = [stays[one.ids] for one in traced.bindings if one.role == "output"]
    return ChannelRemoval(
        model=_rebuilt(model, traced, stays),
        groups=groups,
        units_left=tuple(g.units - len(gone) for g, gone in zip(groups, chosen, strict=True)),
        removed=_removed(traced, stays),
        pruning_ratio=ratio,
        channels_before=sum(len(kept) for kept in makers),
        channels_after=sum(int(kept.sum()) for kept in makers),
        macs_before=count(None),
        macs_after=count(stays),
        notes=(*notes, *_unscored(groups, scores)),
    )


def _check(
    ratio: float | None,
    macs: float | None,
    round_to: int,
    limits: Mapping[str, float] | None,
    scope: str | None,
) -> None:
    if (ratio is None) == (macs is None):
        raise ConfigError(f"give either pruning_ratio or macs: got {ratio} and {macs}")
    if ratio is not None and not 0 <= ratio < 1:
        raise ConfigError(f"pruning_ratio must be in [0, 1), got {ratio}")
    if macs is not None and not 0 < macs <= 1:
        raise ConfigError(f"macs must be in (0, 1], got {macs}")
    if round_to < 1:
        raise ConfigError(f"round_to must be at least 1, got {round_to}")
    if scope not in (None, *get_args(Scope)):
        known = ", ".join(f"{one!r}" for one in get_args(Scope))
        hint = did_you_mean(str(scope), get_args(Scope))
        raise ConfigError(f"scope must be one of {known}, got {scope!r}{hint}")
    for layer, limit in (limits or {}).items():
        if not 0 <= limit <= 1:
            raise ConfigError(f"the limit of layer {layer!r} must be in [0, 1], got {limit}")


def _scorer(criterion: str | Scorer, evidence: Evidence) -> Scorer:
    if not isinstance(criterion, str):
        return criterion
    known = CRITERIA.get(criterion)
    return lambda group: known(group, evidence)


def _choice(
    traced: Trace,
    groups: Sequence[Group],
    scores: Sequence[Scores | None],
    scope: Scope,
    rounding: Rounding,
) -> Choice:
    if scope == "macs":
        cost = _cost(traced, groups)
        none = [np.zeros(0, np.intp)] * len(groups)
        whole, macs = cost(none), []
        for k, group in enumerate(groups):
            macs.append(whole - cost([*none[:k], np.arange(group.units), *none[k + 1 :]]))
        return macs_choice(groups, scores, rounding, macs)
    return (local_choice if scope == "local" else global_choice)(groups, scores, rounding)


def _cost(traced: Trace, groups: Sequence[Group]) -> Callable[[list[Ids]], float]:
    """A function from the units that go to the multiply-accumulates that stay."""
    count = macs_counter(traced)
    if count(None) is None:
        raise ModelError(
            "multiply-accumulates cannot be counted, because an input of the model has an open "
            "size: give pruning_ratio with scope local or global, or build the model with a fixed "
            "size"
        )
    return lambda chosen: float(count(_stays(traced, groups, chosen)) or 0)


def _ratio_for(traced: Trace, groups: Sequence[Group], choose: Choice, macs: float) -> float:
    cost = _cost(traced, groups)
    whole = cost([np.zeros(0, np.intp)] * len(groups))
    return smallest_ratio(choose, cost, macs * whole)


def _stays(traced: Trace, groups: Sequence[Group], chosen: Sequence[Ids]) -> BoolArray:
    """For every identity, whether it stays."""
    roots = np.ones(len(traced.roots), dtype=np.bool_)
    for group, units in zip(groups, chosen, strict=True):
        roots[group.roots[units]] = False
    return np.asarray(roots[traced.roots])


def _rebuilt(model: Any, traced: Trace, stays: BoolArray) -> Any:
    edits: dict[str, dict[tuple[str, int | None], int]] = defaultdict(dict)
    for resize in traced.resizes:
        if not stays[resize.ids].all():
            edits[resize.layer][resize.key, resize.index] = int(stays[resize.ids].sum())
    kept: dict[int, list[tuple[int, Ids]]] = defaultdict(list)
    for binding in traced.bindings:
        if not stays[binding.ids].all():
            kept[id(binding.variable)].append((binding.axis, np.flatnonzero(stays[binding.ids])))
    return rebuild(model, edits, kept)


def _removed(traced: Trace, stays: BoolArray) -> tuple[Removed, ...]:
    return tuple(
        Removed(b.layer, b.weight, b.axis, b.role, len(b.ids), np.flatnonzero(~stays[b.ids]))
        for b in traced.bindings
        if not stays[b.ids].all()
    )


def _unscored(groups: Sequence[Group], scores: Sequence[Scores | None]) -> tuple[str, ...]:
    return tuple(
        f"{group.name}: all {group.channels} channels stay: the criterion has no score for them"
        for group, one in zip(groups, scores, strict=True)
        if one is None
    )
