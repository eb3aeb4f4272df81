"""The recipe that ``litert-quantizer`` follows: which of its scopes computes on which integers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgeprune.models.tflite import graph
from edgeprune.quantize.layer_modes import name_of

INTEGER_MODES = {"int8": "static_wi8_ai8", "int16x8": "static_wi8_ai16"}
"""Modes whose layers compute on integers, and the quantizer's own recipe for each."""

_ACTIVATION_BITS = {"int8": 8, "int16x8": 16}
_WEIGHT_BITS = 8

_MAX_SCOPE = 10_000
"""Characters of a scope that the quantizer looks at. Source: its ``get_op_scope``."""


def scopes_of(model: graph.Model, mode: str, modes: Mapping[str, str]) -> dict[str, list[str]]:
    """The quantizer's scopes that compute on integers, by their mode.

    A scope is an operator, or all inputs or all outputs of a subgraph. Inputs are as fine as the
    finest layer that reads one of them, outputs as the finest that makes one: float32 is finer
    than ``int16x8``, and that finer than ``int8``. So what a layer in float32 reads first is never
    rounded before.

    Args:
        model: Each tensor has a name of its own.
        mode: Of inputs and outputs that no layer makes finer.
        modes: Each layer's mode by its name.
    """
    scopes: dict[str, list[str]] = defaultdict(list)
    for subgraph in model.subgraphs:
        inputs, outputs = {int(i) for i in subgraph.inputs}, {int(i) for i in subgraph.outputs}
        readers, makers = [mode], [mode]
        for op in subgraph.operators:
            own = modes.get(name_of(subgraph, op), "none")
            if inputs.intersection(int(i) for i in op.inputs):
                readers.append(own)
            if outputs.intersection(int(i) for i in op.outputs):
                makers.append(own)
            scopes[own].append(_scope(subgraph, op.outputs))
        scopes[_finest(readers)].append(_scope(subgraph, subgraph.inputs))
        scopes[_finest(makers)].append(_scope(subgraph, subgraph.outputs))
    return {own: found for own, found in scopes.items() if own in INTEGER_MODES}


def quantizer_recipe(mode: str, scopes: Mapping[str, Sequence[str]] | None) -> list[Any]:
    """A recipe in the quantizer's own form.

    Args:
        mode: Of everything, where there are no scopes.
        scopes: Those that compute on integers by their mode; all others stay as they are.
    """
    from litert_quantizer import qtyping, recipe, recipe_manager

    if scopes is None:
        whole: list[Any] = getattr(recipe, INTEGER_MODES[mode])()
        return whole
    manager = recipe_manager.RecipeManager()
    for own, names in scopes.items():
        manager.add_static_config(
            f"^(?:{'|'.join(map(re.escape, names))})$",
            qtyping.TFLOperationName.ALL_SUPPORTED,
            _ACTIVATION_BITS[own],
            _WEIGHT_BITS,
        )
    made: list[Any] = manager.get_quantization_recipe()
    return made


def _finest(modes: Sequence[str]) -> str:
    if any(mode not in INTEGER_MODES for mode in modes):
        return "none"
    return max(modes, key=_ACTIVATION_BITS.__getitem__)


def _scope(subgraph: graph.Subgraph, tensors: Iterable[int]) -> str:
    """As the quantizer writes it: each name with a semicolon behind it."""
    names = [graph.tensor_name(subgraph.tensors[int(i)]) for i in tensors if i >= 0]
    return "".join(f"{name};" for name in names if name)[:_MAX_SCOPE]
