"""Follows channels through a model, from its inputs to its outputs."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from edgeprune.channels.graph_view import (
    Node,
    check_has_graph,
    input_keys,
    is_model,
    nodes,
    output_keys,
    shape_of,
)
from edgeprune.channels.identities import Ids
from edgeprune.channels.rules import rule_for
from edgeprune.channels.rules.base import Binding, LayerCall, Ledger, Resize, Work, last_size
from edgeprune.errors import ConfigError, ModelError


@dataclass(frozen=True)
class Trace:
    """Where a model's channels are.

    Attributes:
        bindings: Axes of weights, in model order.
        resizes: Entries of layers' configurations.
        work: Where multiply-accumulates are done.
        roots: For every identity the one that stands for its set.
        reasons: Root to reason, of the sets that have to stay.
        limits: Root to the largest share of its group that may go.
        held: Path of a layer that is not pruned at all, and why.
    """

    bindings: tuple[Binding, ...]
    resizes: tuple[Resize, ...]
    work: tuple[Work, ...]
    roots: Ids
    reasons: Mapping[int, str]
    limits: Mapping[int, float]
    held: Mapping[str, str]


def trace(
    model: Any, ignored: Collection[str] = (), limits: Mapping[str, float] | None = None
) -> Trace:
    """Applies each layer's rule to each of its calls.

    Args:
        model: Sequential or functional; models within it are followed too.
        ignored: Layers, by name, path (``inner/conv``) or pattern of the shell, whose output
            channels stay.
        limits: Layer, named likewise, to the largest share of its output channels that may go.

    Raises:
        ModelError: The model has no graph that can be followed.
        ConfigError: ``ignored`` or ``limits`` name no layer of the model.
    """
    check_has_graph(model)
    walk = _Walk(frozenset(ignored), dict(limits or {}))
    walk.run(model)
    walk.check_names()
    ledger = walk.ledger
    roots = ledger.identities.roots()
    caps: dict[int, float] = {}
    for ids, limit in walk.limited:
        for root in set(roots[ids].tolist()):
            caps[root] = min(limit, caps.get(root, 1.0))
    return Trace(
        tuple(ledger.bindings.values()),
        tuple(ledger.resizes.values()),
        tuple(ledger.work),
        roots,
        ledger.identities.reasons(),
        caps,
        ledger.held,
    )


class _Walk:
    def __init__(self, ignored: frozenset[str], limits: dict[str, float]) -> None:
        self.ledger = Ledger()
        self.limited: list[tuple[Ids, float]] = []
        self._ignored = ignored
        self._limits = limits
        self._paths: dict[int, str] = {}
        self._names: set[str] = set()

    def run(self, model: Any) -> None:
        """Follows the outermost model, whose inputs and outputs stay."""
        inputs = []
        for tensor in model.inputs:
            ids = self.ledger.identities.new(last_size(shape_of(tensor)))
            self.ledger.identities.fix(ids, "it is an input of the model")
            inputs.append(ids)
        for ids in self._graph(model, "", inputs):
            self.ledger.identities.fix(ids, "it is an output of the model")

    def check_names(self) -> None:
        """Refuses options that name no layer.

        Raises:
            ConfigError: With the nearest names.
        """
        for name in (*self._ignored, *self._limits):
            if not _fits(name, self._names):
                names = sorted(self._names)
                near = difflib.get_close_matches(name, names, 3, 0.4)
                hint = (
                    f"near it: {', '.join(near)}" if near else f"there are {', '.join(names[:5])}"
                )
                raise ConfigError(f"the model has no layer called {name!r}; {hint}")

    def _graph(self, model: Any, prefix: str, inputs: list[Ids]) -> list[Ids]:
        tensors = dict(zip(input_keys(model), inputs, strict=True))
        for node in nodes(model):
            ids = [tensors[key] for key in node.inputs]
            outputs = self._call(node, prefix + str(node.layer.name), ids)
            tensors.update(zip(node.outputs, outputs, strict=True))
        return [tensors[key] for key in output_keys(model)]

    def _call(self, node: Node, path: str, inputs: list[Ids]) -> list[Ids]:
        if self._paths.setdefault(id(node.layer), path) != path:
            raise ModelError(
                f"layer {path!r} is also {self._paths[id(node.layer)]!r}, in another model: use "
                "one copy in each"
            )
        call = LayerCall(node, path, inputs, self.ledger)
        if is_model(node.layer):
            outputs = self._nested(call)
        else:
            outputs = self._apply(call)
        self._note_options(call, outputs)
        return outputs

    def _nested(self, call: LayerCall) -> list[Ids]:
        """A model within the model; its inputs' declared sizes follow its channels."""
        for ids, layer in zip(call.inputs, call.layer.inputs, strict=True):
            self._resize_input(call, ids, str(layer._keras_history[0].name))
        return self._graph(call.layer, f"{call.path}/", call.inputs)

    def _resize_input(self, call: LayerCall, ids: Ids, name: str) -> None:
        key = f"{call.path}/{name}"
        known = self.ledger.resizes.get((key, "batch_shape"))
        if known is not None:
            call.unify(known.ids, ids)
        else:
            self.ledger.resizes[key, "batch_shape"] = Resize(key, "batch_shape", -1, ids)

    def _apply(self, call: LayerCall) -> list[Ids]:
        rule = rule_for(call.layer)
        if rule is None:
            if getattr(call.layer, "weights", None):
                self.ledger.held[call.path] = "stays whole: there is no rule for its class"
            return call.fixed_outputs("has no rule for channels")
        if getattr(call.layer, "quantization_mode", None) or getattr(
            call.layer, "lora_enabled", False
        ):
            return call.fixed_outputs("is quantized or has LoRA weights")
        outputs = rule(call)
        shapes = call.node.output_shapes
        if [len(ids) for ids in outputs] != [last_size(shape) for shape in shapes]:
            raise ModelError(
                f"the rule for {call.kind} gives {[len(ids) for ids in outputs]} channels for "
                f"layer {call.path!r}, whose outputs are {list(shapes)}"
            )
        return outputs

    def _note_options(self, call: LayerCall, outputs: list[Ids]) -> None:
        names = {call.path, str(call.layer.name)}
        self._names |= names
        if any(_fits(layer, names) for layer in self._ignored):
            call.fix(outputs, "is to be ignored")
        for layer, limit in self._limits.items():
            if _fits(layer, names):
                self.limited += [(ids, limit) for ids in outputs]


def _fits(layer: str, names: Collection[str]) -> bool:
    return any(fnmatchcase(name, layer) for name in names)
