"""What was done to a model, in one line, by the recipe that was in force."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgeprune.artifacts.stored import OWN_PREFIX
from edgeprune.history.result import Result, known
from edgeprune.history.result.variant import Variant
from edgeprune.report.figures import percent_text

_STORED_AS = {
    "none": "in float32",
    "fp16": "in float16",
    "int8": "in int8 throughout",
    "int8-weights": "with int8 weights",
    "int16x8": "in int8, with int16 activations",
}


def treatment(
    recipe: Mapping[str, Any], sparsity: float, *, is_trained: bool, own_layers: int = 0
) -> str:
    """What was done to the deployed network, as a phrase.

    Args:
        recipe: As in a result; what it does not hold was not done.
        sparsity: Share of zeros in the deployed file's weights.
        is_trained: Whether there was something to train, and to train with.
        own_layers: Layers that run in edgeprune's own kernels.
    """
    phrases = [
        *_channels(_each(recipe, "channels")),
        *_zeros(_each(recipe, "prune"), sparsity),
    ]
    if clusters := _table(recipe, "cluster").get("clusters"):
        phrases.append(f"clustered to {clusters} values a layer")
    if is_trained and (phrases or any(_each(recipe, "tune"))):
        phrases += _trained(recipe)
    mode = _table(recipe, "quantize").get("mode", "none")
    others = _others(_table(recipe, "quantize"), mode)
    if phrases or mode != "none" or others:
        stored = _STORED_AS.get(mode, f"as {mode}")
        phrases.append(f"stored {stored.removesuffix(' throughout') if others else stored}{others}")
    if own_layers:
        layers = "1 layer" if own_layers == 1 else f"{own_layers} layers"
        phrases.append(f"{layers} in edgeprune's own sparse kernels")
    return ", ".join(phrases) if phrases else "nothing, measured as it is"


def treatment_of(result: Result) -> str:
    """The same, of a result. A TFLite file cannot be trained, nor anything without data."""
    task = known(result.task)
    is_trained = task is not None and task.train > 0 and result.model.format != "tflite"
    return treatment(
        result.recipe,
        result.deployed.sparsity,
        is_trained=is_trained,
        own_layers=own_layers(result.deployed),
    )


def own_layers(variant: Variant) -> int:
    """How many layers of a network ran in edgeprune's own kernels, by the device's own profile."""
    return sum(layer.kernel.startswith(OWN_PREFIX) for layer in variant.layers)


def _each(recipe: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The tables of this name in the recipe's steps, and its own."""
    return [*(_table(step, name) for step in recipe.get("steps") or ()), _table(recipe, name)]


def _table(recipe: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = recipe.get(name)
    return table if isinstance(table, Mapping) else {}


def _channels(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Channels that went, of several times together.

    >>> _channels([{"macs": 0.5}, {"macs": 0.5}])
    ['without channels, so that 25.0% of the work is left']
    """
    macs = math.prod(table.get("macs", 1) for table in tables)
    channels = math.prod(1 - table.get("pruning_ratio", 0) for table in tables)
    phrases = []
    if macs != 1:
        phrases.append(f"without channels, so that {percent_text(macs)} of the work is left")
    if channels != 1:
        phrases.append(f"without {percent_text(1 - channels)} of its channels")
    return phrases


def _zeros(tables: Sequence[Mapping[str, Any]], sparsity: float) -> list[str]:
    """Of several prunings the last one's pattern is what is left."""
    patterns = [one.get("pattern", "unstructured") for one in tables if one.get("sparsity")]
    if not patterns or not sparsity:
        return []
    zeros, pattern = percent_text(sparsity), patterns[-1]
    if pattern == "unstructured":
        return [f"pruned to {zeros} zeros"]
    shape = "the fastest pattern for each layer" if pattern == "kernel" else f"pattern {pattern}"
    return [f"pruned to {zeros} zeros ({shape})"]


def _others(quantize: Mapping[str, Any], mode: str) -> str:
    """The layers that a recipe stores otherwise than the rest, in words; empty where none are.

    >>> _others({"layers": [{"layer": "stem", "mode": "none"}]}, "int8")
    ' but for stem in float32'
    """
    named: dict[str, str] = {}
    for one in quantize.get("layers") or ():
        named |= {one["layer"]: one["mode"]}
    words = [
        f"{layer} {_STORED_AS.get(own, f'as {own}').removesuffix(' throughout')}"
        for layer, own in named.items()
        if own != mode
    ]
    shown = ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")
    return f" but for {shown}" if words else ""


def _trained(recipe: Mapping[str, Any]) -> list[str]:
    epochs = sum(one.get("epochs", 0) for one in _each(recipe, "tune"))
    epochs += sum(one.get("epochs", 0) for one in _each(recipe, "prune") if one.get("sparsity"))
    epochs += sum(one.get("epochs", 0) for one in _each(recipe, "channels") if _channels([one]))
    cluster = _table(recipe, "cluster")
    epochs += cluster.get("epochs", 0) if cluster.get("clusters") else 0
    epochs += _table(recipe, "qat").get("epochs", 0)
    epochs += _table(recipe, "quantize").get("qat_epochs", 0)  # of earlier results
    if not epochs:
        return []
    return [f"trained for {epochs} epoch{'s' if epochs > 1 else ''}"]
