"""Groups: channels that go together, and whose places in the model are the same."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.base import Binding, Role
from edgeprune.channels.trace import Trace


@dataclass(frozen=True, eq=False)
class Member:
    """One axis of one weight that holds a group's channels.

    Attributes:
        layer: The layer's path.
        kind: Name of the layer's class.
        weight: Attribute of the weight, as ``kernel``.
        variable: The Keras variable itself.
        axis: Counted from 0.
        role: What the axis is to the channels; see ``rules.base.Role``.
        positions: Shape ``(units, k)``: where along the axis each unit is.
    """

    layer: str
    kind: str
    weight: str
    variable: Any
    axis: int
    role: Role
    positions: Ids

    def per_unit(self, values: Array) -> Array:
        """What belongs to each unit, of an array of the weight's shape: its values or gradients.

        Returns:
            Shape ``(units, k)``.
        """
        rows = np.moveaxis(values, self.axis, 0).reshape(values.shape[self.axis], -1)
        return rows[self.positions].reshape(len(self.positions), -1)


@dataclass(frozen=True, eq=False)
class Group:
    """Units that compete with each other; a unit is removed as a whole or not at all.

    Attributes:
        name: Paths of the layers that make these channels, joined by ``+``.
        units: Number of units: channels, attention heads, or groups of a grouped convolution.
        width: Channels of the making layer in one unit.
        members: Everything that holds these channels.
        max_ratio: Largest share of the units that may go.
        roots: Identity of every unit.
    """

    name: str
    units: int
    width: int
    members: tuple[Member, ...]
    max_ratio: float
    roots: Ids

    @property
    def channels(self) -> int:
        """Units times width."""
        return self.units * self.width

    def details(self) -> str:
        """The group as text: a line for itself and one for each member."""
        wide = f" of {self.width} channels" if self.width > 1 else ""
        lines = [f"group {self.name}: {self.units} units{wide}"]
        for member in self.members:
            size = member.positions.size
            lines.append(
                f"  {member.role:<9} {member.layer} ({member.kind}) {member.weight} "
                f"axis {member.axis}: {size} of {member.variable.shape[member.axis]}"
            )
        return "\n".join(lines)


def groups_of(traced: Trace) -> tuple[Group, ...]:
    """Groups of the channels that may go, in model order.

    Units belong to one group if they lie, equally often, along the same axes of the same weights;
    so a tensor joined of several others is a multiple of ``round_to`` if each of its groups is.
    """
    places = [_places(binding, traced) for binding in traced.bindings]
    held: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for k, place in enumerate(places):
        for root, where in place.items():
            held[root].append((k, len(where)))
    alike: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for root in sorted(held):
        if any(traced.bindings[k].role == "output" for k, _ in held[root]):
            alike[tuple(held[root])].append(root)
    return tuple(
        _group([(traced.bindings[k], places[k]) for k, _ in key], roots, traced)
        for key, roots in alike.items()
    )


def held_back(traced: Trace) -> tuple[str, ...]:
    """A line for every layer some of whose output channels have to stay, with the reason."""
    lines = [f"{layer}: {reason}" for layer, reason in traced.held.items()]
    for binding in traced.bindings:
        roots = traced.roots[binding.ids].tolist()
        fixed = [traced.reasons[root] for root in roots if root in traced.reasons]
        if binding.role == "output" and fixed:
            lines.append(f"{binding.layer}: {len(fixed)} of {len(roots)} channels stay: {fixed[0]}")
    return tuple(dict.fromkeys(lines))


def _places(binding: Binding, traced: Trace) -> dict[int, list[int]]:
    """Root to positions along the axis, of the channels that may go."""
    where: dict[int, list[int]] = defaultdict(list)
    for position, root in enumerate(traced.roots[binding.ids].tolist()):
        if root not in traced.reasons:
            where[root].append(position)
    return where


def _group(
    held: list[tuple[Binding, dict[int, list[int]]]], roots: list[int], traced: Trace
) -> Group:
    members = tuple(
        Member(
            binding.layer,
            binding.kind,
            binding.weight,
            binding.variable,
            binding.axis,
            binding.role,
            np.array([places[root] for root in roots], dtype=np.intp),
        )
        for binding, places in held
    )
    makers = [k for k, member in enumerate(members) if member.role == "output"]
    return Group(
        "+".join(dict.fromkeys(members[k].layer for k in makers)),
        len(roots),
        held[makers[0]][0].width or members[makers[0]].positions.shape[1],
        members,
        min(traced.limits.get(root, 1.0) for root in roots),
        np.array(roots, dtype=np.intp),
    )
