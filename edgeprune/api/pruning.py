"""Pruning from Python, on a model in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from edgeprune import pruning
from edgeprune.api.keywords import with_options
from edgeprune.api.options import table_of
from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Flavour, Loaded, ModelFile
from edgeprune.artifacts.pruned import Pruned
from edgeprune.channels.stage import remove_channels
from edgeprune.errors import ModelError
from edgeprune.models.keras.weights import Weight, prunable_weights
from edgeprune.pruning.calibration.samples import calibration
from edgeprune.pruning.masks.masking import Masks
from edgeprune.pruning.masks.pruner import pruner
from edgeprune.pruning.plan import sparsities, wanted
from edgeprune.pruning.shares import candidates, check_needs
from edgeprune.pruning.spec import check
from edgeprune.recipe.channels_table import (
    CHANNEL_RATIO,
    ChannelLimit,
    ChannelsTable,
    channel_faults,
    channels_of,
)
from edgeprune.recipe.prune_parts import CHANNEL
from edgeprune.recipe.prune_table import RECOVERIES, Limit, PruneTable
from edgeprune.training.context import StageContext, silent
from edgeprune.training.training_data import training_data


class ChannelOptions(TypedDict, total=False):
    """How channels are removed: the keys of a recipe's table ``[channels]``.

    :class:`edgeprune.recipe.channels_table.ChannelsTable` says what each means, and its default.
    ``limits`` is a mapping of layer names to pruning ratios here.
    """

    pruning_ratio: float
    macs: float
    criterion: str | Callable[[Any], Any]
    scope: str
    round_to: int
    finer_where_small: bool
    ignored: Sequence[str]
    limits: Mapping[str, float]
    epochs: int
    batch_size: int
    learning_rate: float


class PruneOptions(TypedDict, total=False):
    """How a model is pruned: the keys of a recipe's table ``[prune]``.

    :class:`edgeprune.recipe.prune_table.PruneTable` says what each means, and its default.

    Attributes:
        limits: Layers that may not be pruned as far as the others: sparsities by name, or by
            pattern of the shell.
        channels: The keys of the table ``[channels]``, see :class:`ChannelOptions`: where it
            removes some and nothing is said of ``sparsity`` or ``pattern``, only channels go.
    """

    sparsity: float
    pattern: str
    allocation: str
    layers: str
    ignored: Sequence[str]
    limits: Mapping[str, float]
    criterion: str
    calibration_samples: int
    recovery: Sequence[str]
    schedule: str
    rounds: int
    rewind: str
    rewind_step: int
    epochs: int
    batch_size: int
    learning_rate: float
    distillation: float
    temperature: float
    seed: int
    control: bool
    channels: ChannelOptions


def tables_of(options: PruneOptions) -> tuple[PruneTable, ChannelsTable]:
    """The options as the two stages take them; the pattern ``channel`` is written out.

    Raises:
        ModelError: A value lies outside its range.
    """
    asked: dict[str, Any] = dict(options.get("channels", {}))
    asked["ignored"] = tuple(asked.get("ignored", ()))
    asked["limits"] = tuple(ChannelLimit(*pair) for pair in dict(asked.get("limits", {})).items())
    channels = table_of(ChannelsTable, asked, of="channels")
    spec = spec_of(options)
    if faults := channel_faults(channels, spec.pattern):
        raise ModelError("channels: " + "; ".join(faults))
    if not {"sparsity", "pattern"} & options.keys() and not channels.is_noop:
        spec = dataclasses.replace(spec, sparsity=0.0)
    return channels_of(spec, channels)


def spec_of(options: PruneOptions) -> PruneTable:
    """The options as the stage takes them, without those about channels.

    Raises:
        ModelError: A value lies outside its range.
    """
    values: dict[str, Any] = dict(options)
    values.pop("channels", None)
    if options.get("pattern") == CHANNEL:
        values.setdefault("sparsity", CHANNEL_RATIO)
    values["ignored"] = tuple(options.get("ignored", ()))
    values["recovery"] = tuple(options.get("recovery", RECOVERIES))
    values["limits"] = tuple(Limit(*pair) for pair in options.get("limits", {}).items())
    spec = table_of(PruneTable, values)
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


@with_options(PruneOptions, PruneTable)
def prune(
    model: Any,
    data: tuple[Array, Array] | Dataset | None = None,
    progress: Callable[[str], None] | None = None,
    max_accuracy_drop: float | None = None,
    **options: Unpack[PruneOptions],
) -> Pruned:
    """Prunes a copy of a Keras model in memory: ``edgeprune.prune(model, sparsity=0.9)``.

    Args:
        model: A built model of either Keras, of any kind; it is not changed.
        data: Inputs ``(n, ...)`` and targets to calibrate on, and to fine-tune with while it is
            pruned; None zeroes the weights at once.
        progress: Told a line per epoch, or None.
        max_accuracy_drop: As in :class:`edgeprune.training.context.StageContext`.
        options: Further keywords, below: the keys of a recipe's table ``[prune]``.

    Returns:
        The pruned model is its ``keras``; masks and counts are beside it.

    Raises:
        ModelError: As :func:`edgeprune.pruning.prune`.
        ConfigError: An option about channels names no layer or criterion.
    """
    spec, channels = tables_of(options)
    context = StageContext(
        dataset_of(data), progress or silent, spec.seed, max_accuracy_drop=max_accuracy_drop
    )
    smaller = remove_channels(loaded(model), channels, context, spec.control)
    return pruning.prune(smaller, spec, context)


@with_options(PruneOptions, PruneTable)
def masks(
    model: Any, data: tuple[Array, Array] | Dataset | None = None, **options: Unpack[PruneOptions]
) -> Masks:
    """Masks to train a model with, in a loop of your own.

        with edgeprune.masks(model, sparsity=0.9) as masks:
            masks.update()
            model.fit(x, y)

    or ``model.fit(x, y, callbacks=[edgeprune.masks(model, sparsity=0.9).callback()])``, which
    grows them while it trains. Nothing is pruned before the first ``update``.

    Args:
        model: A built model of either Keras, of any kind; its weights will be changed.
        data: Inputs ``(n, ...)`` and targets, for criteria that look at samples.
        options: Further keywords, below; those about training say nothing here.

    Raises:
        ModelError: There is nothing to prune, a value lies outside its range, a layer's name
            matches nothing, or the pattern is ``kernel``, which needs a board.
    """
    spec, flavour = spec_of(options), flavour_of(model)
    if spec.pattern == "kernel":
        raise ModelError(
            "the pattern kernel chooses by a board's costs, and there is no board here: name "
            "another pattern, or use `edgeprune compress --board ...`"
        )
    if spec.pattern == CHANNEL or options.get("channels"):
        raise ModelError(
            "masks cannot remove channels: use edgeprune.prune or prune_channels first"
        )
    check_needs(spec, has_training=False, has_board=False)
    prunable = prunable_weights(model, spec.layers)
    if not prunable:
        raise ModelError(f"the model has no layers to prune (layers = {spec.layers!r})")
    weights = [
        Weight(weight.name, weight.variable, spec.pattern, weight.out_axis)
        for weight in wanted(prunable, spec)
    ]
    dataset = dataset_of(data)
    samples = calibration(dataset, spec, training_data(dataset, model))
    shares = sparsities(candidates(model, weights, spec, samples), spec)
    to_sparsities = pruner(model, weights, spec, samples)
    return Masks(model, weights, shares, flavour=flavour, pruner=to_sparsities)
