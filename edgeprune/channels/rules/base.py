"""What a rule is: it says how channels pass through one kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from edgeprune.channels.graph_view import Node, Shape
from edgeprune.channels.identities import Identities, Ids

Role = Literal["output", "input", "depthwise", "scale", "other"]
"""What an axis of a weight is to a channel: ``output`` makes it, ``input`` reads it, ``depthwise``
filters it, ``scale`` multiplies it, ``other`` belongs to it (biases, statistics)."""


@dataclass(frozen=True)
class Binding:
    """One axis of one weight, and the channels along it.

    Attributes:
        layer: The layer's path.
        kind: Name of the layer's class.
        weight: Attribute of the weight, as ``kernel``.
        variable: The weight itself.
        axis: Counted from 0.
        role: What the axis is to the channels.
        ids: One for each position.
        width: Channels in one unit; None where that is how often it occurs along the axis.
    """

    layer: str
    kind: str
    weight: str
    variable: Any
    axis: int
    role: Role
    ids: Ids
    width: int | None = None


@dataclass(frozen=True)
class Resize:
    """An entry of a layer's configuration that counts channels.

    Attributes:
        layer: The layer's path.
        key: Key of the configuration, as ``filters``.
        index: Where in a list, as -1 for the last of ``target_shape``; None for a plain number.
        ids: What it counts.
    """

    layer: str
    key: str
    index: int | None
    ids: Ids


@dataclass(frozen=True)
class Work:
    """Where multiply-accumulates are done: every element of a weight is used at ``positions``."""

    variable: Any
    positions: int | None


class LayerCall:
    """One call of one layer, as its rule sees it.

    A layer that is called more than once binds the same weights again: their channels are joined,
    so that one choice of channels suits every call.

    Attributes:
        layer: The layer, nested model or operation.
        path: The layer's name, after those of the models around it.
        kind: Name of the layer's class.
        node: The call: arguments and shapes.
        inputs: Channels of every input.
    """

    def __init__(self, node: Node, path: str, inputs: list[Ids], ledger: Ledger) -> None:
        self.layer = node.layer
        self.path = path
        self.kind = type(node.layer).__name__
        self.node = node
        self.inputs = inputs
        self._ledger = ledger
        self._makes = False  # has kernels, so that its channels are worth a word

    @property
    def output_shape(self) -> Shape:
        """Of the first output, the batch first."""
        return self.node.output_shapes[0]

    def new(self, size: int, key: str = "output") -> Ids:
        """Channels that this layer makes; the same ones at every call."""
        made = self._ledger.made
        if (self.path, key) not in made:
            made[self.path, key] = self._ledger.identities.new(size)
        return made[self.path, key]

    def bind(self, weight: str, axis: int, ids: Ids, role: Role, width: int | None = None) -> None:
        """Says which channels lie along an axis of a weight; a weight that is None is left out."""
        variable = attrgetter(weight)(self.layer)
        if variable is None:
            return
        axis %= len(variable.shape)
        key = (self.path, weight, axis)
        known = self._ledger.bindings.get(key)
        if known is not None:
            self.unify(known.ids, ids)
            return
        self._ledger.bindings[key] = Binding(
            self.path, self.kind, weight, variable, axis, role, ids, width
        )

    def resize(self, key: str, ids: Ids, index: int | None = None) -> None:
        """Says that an entry of the configuration counts these channels."""
        known = self._ledger.resizes.get((self.path, key))
        if known is not None:
            self.unify(known.ids, ids)
            return
        self._ledger.resizes[self.path, key] = Resize(self.path, key, index, ids)

    def work(self, weight: str, positions: int | None) -> None:
        """Says at how many positions each element of a weight is multiplied; None: unknown."""
        self._makes = True
        self._ledger.work.append(Work(attrgetter(weight)(self.layer), positions))

    def unify(self, a: Ids, b: Ids) -> None:
        """Says that the channels at equal positions go together."""
        if len(a) == len(b):
            self._ledger.identities.unify(a, b)
        else:
            self.fix([a, b], "meets tensors of different channel counts")

    def fix(self, many: list[Ids], reason: str) -> None:
        """Says that these channels have to stay; the layer's name comes before the reason."""
        for ids in many:
            self._ledger.identities.fix(ids, f"{self.path!r} ({self.kind}) {reason}")

    def fixed_outputs(self, reason: str) -> list[Ids]:
        """Channels of every output, which have to stay, as have those of every input."""
        if self._makes:
            self._ledger.held[self.path] = f"all channels stay: {self.kind} {reason}"
        self.fix(self.inputs, reason)
        outputs = []
        for k, shape in enumerate(self.node.output_shapes):
            ids = self.new(last_size(shape), f"fixed {k}")
            self.fix([ids], reason)
            outputs.append(ids)
        return outputs


class Ledger:
    """What all rules have said about a model; ``held`` has layers that are not pruned at all."""

    def __init__(self) -> None:
        self.identities = Identities()
        self.bindings: dict[tuple[str, str, int], Binding] = {}
        self.resizes: dict[tuple[str, str], Resize] = {}
        self.work: list[Work] = []
        self.made: dict[tuple[str, str], Ids] = {}
        self.held: dict[str, str] = {}


Rule = Callable[[LayerCall], list[Ids]]
"""Binds the layer's weights, and returns the channels of every output."""

RULES: dict[str, Rule] = {}
"""Class to rule: ``Conv2D`` for a layer of Keras, ``ops.Add`` for an operation of Keras 3, and
``module.name`` for any other class."""


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Decorator: the rule for layers of these classes, and not of classes derived from them.

    Args:
        kinds: ``Conv2D`` for a layer of either Keras, ``ops.Add`` for an operation of Keras 3,
            ``my_package.layers.MyConv`` for any other class.
    """

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return enter


def last_size(shape: Shape) -> int:
    """Number of channels of a tensor; 0 where it has no channel axis of known size."""
    return (shape[-1] or 0) if len(shape) > 1 else 0
