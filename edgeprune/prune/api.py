"""Pruning from Python, on a model in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from edgeprune.artifacts import Array, Dataset, Flavour, Loaded, ModelFile
from edgeprune.errors import ModelError
from edgeprune.prune.keras_model import Weight, prunable_weights
from edgeprune.prune.masking import Masks
from edgeprune.prune.plan import sparsities, wanted
from edgeprune.prune.shares import candidates, check_needs
from edgeprune.prune.spec import PruneSpec, check
from edgeprune.recipe import Limit


class Wishes(TypedDict, total=False):
    """What may be wished of pruning: the keys of a recipe's table ``[prune]``.

    :class:`edgeprune.recipe.PruneTable` says what each means, and its default. ``limits`` is a
    mapping of layer names to sparsities here.
    """

    sparsity: float
    pattern: str
    allocation: str
    layers: str
    ignored: Sequence[str]
    limits: Mapping[str, float]
    schedule: str
    rounds: int
    rewind: str
    rewind_step: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    control: bool


def spec_of(wishes: Wishes) -> PruneSpec:
    """The wishes as the stage takes them.

    Raises:
        ModelError: A value lies outside its range.
    """
    values: dict[str, Any] = dict(wishes)
    values["ignored"] = tuple(wishes.get("ignored", ()))
    values["limits"] = tuple(Limit(*pair) for pair in wishes.get("limits", {}).items())
    try:
        spec = PruneSpec(**values)
    except TypeError as error:
        raise ModelError(f"no such wish: {error}") from error
    check(spec)
    return spec


def loaded(model: Any) -> Loaded:
    """A Keras model in memory as the stages take it.

    Raises:
        ModelError: It is no Keras model.
    """
    return Loaded(ModelFile(Path("memory"), "", "memory"), keras=model, flavour=flavour_of(model))


def flavour_of(model: Any) -> Flavour:
    """Which Keras a model belongs to.

    Raises:
        ModelError: It is no Keras model.
    """
    roots = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if hasattr(model, "layers") and roots & {"tf_keras", "keras"}:
        return "tf_keras" if "tf_keras" in roots else "keras"
    raise ModelError(
        f"expected a model of Keras 2 (tf_keras) or Keras 3, got {type(model).__name__}"
    )


def dataset_of(data: tuple[Array, Array] | Dataset | None) -> Dataset | None:
    """Inputs and targets to train on, as the stages take them."""
    if data is None or isinstance(data, Dataset):
        return data
    x, y = (np.asarray(part) for part in data)
    return Dataset(x, y, x[:0], y[:0], "memory")


def masks(model: Any, **wishes: Unpack[Wishes]) -> Masks:
    """Masks to train a model with, in a loop of your own.

        with edgeprune.masks(model, sparsity=0.9) as masks:
            masks.update()
            model.fit(x, y)

    or ``model.fit(x, y, callbacks=[edgeprune.masks(model, sparsity=0.9).callback()])``, which
    grows them while it trains. Nothing is pruned before the first ``update``.

    Args:
        model: A built model of either Keras, of any kind; its weights will be changed.
        wishes: See :class:`Wishes`; those about training say nothing here.

    Raises:
        ModelError: There is nothing to prune, a value lies outside its range, a layer's name
            matches nothing, or the pattern is ``kernel``, which needs a board.
    """
    spec, flavour = spec_of(wishes), flavour_of(model)
    if spec.pattern == "kernel":
        raise ModelError("the pattern kernel chooses for a board: use `edgeprune compress`")
    check_needs(spec, has_training=False, has_board=False)
    found = prunable_weights(model, spec.layers)
    if not found:
        raise ModelError(f"the model has no layers to prune (layers = {spec.layers!r})")
    weights = [
        Weight(one.name, one.variable, spec.pattern, one.out_axis) for one in wanted(found, spec)
    ]
    return Masks(model, weights, sparsities(candidates(weights), spec), flavour=flavour)
