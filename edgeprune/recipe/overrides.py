"""A recipe with the user's own values in place of some of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edgeprune.errors import ConfigError
from edgeprune.recipe import Recipe, checked, load_recipe
from edgeprune.recipe.channels_table import CHANNEL_RATIO
from edgeprune.recipe.prune_parts import CHANNEL, CRITERIA
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.task_table import TaskTable, task_faults


def recipe_of(
    name: str,
    sparsity: float | None,
    pattern: str | None,
    quantize: str | None,
    criterion: str | None = None,
    layers: str | None = None,
    kernels: str | None = None,
) -> Recipe:
    """The named recipe with the user's own values in place.

    A criterion that prunes at once brings its schedule with it where the recipe names no other.

    Raises:
        ConfigError: There is no such recipe, or a value lies outside its range.
    """
    recipe = load_recipe(name)
    given = {"sparsity": sparsity, "pattern": pattern, "quantize": quantize}
    prune, table = recipe.prune, recipe.quantize
    if pattern == CHANNEL and sparsity is None:
        sparsity = CHANNEL_RATIO
    if sparsity is not None:
        prune = dataclasses.replace(prune, sparsity=sparsity)
    if pattern is not None:
        prune = dataclasses.replace(prune, pattern=pattern)
    if criterion is not None:
        is_default = prune.schedule == PruneTable().schedule
        at_once = not CRITERIA[criterion].while_training and is_default
        schedule = "one_shot" if at_once else prune.schedule
        prune = dataclasses.replace(prune, criterion=criterion, schedule=schedule)
    if layers is not None:
        prune = dataclasses.replace(prune, layers=layers)
    if quantize is not None:
        table = dataclasses.replace(table, mode=quantize)
    sparsify = recipe.sparsify
    if kernels is not None:
        sparsify = dataclasses.replace(sparsify, kernels=kernels)
    fixed = tuple(name for name, value in given.items() if value is not None)
    return checked(
        dataclasses.replace(recipe, prune=prune, quantize=table, sparsify=sparsify, fixed=fixed)
    )


def timed_by(recipe: Recipe, timing: Mapping[str, Any]) -> Recipe:
    """The recipe with the user's own timing in place.

    Args:
        recipe: A recipe.
        timing: Values of :class:`edgeprune.recipe.run_table.RunTable` by key.

    Raises:
        ConfigError: A value lies outside its range.
    """
    run = dataclasses.replace(recipe.run, **timing)
    return checked(dataclasses.replace(recipe, run=run))


def with_task(recipe: Recipe, said: Mapping[str, str]) -> Recipe:
    """The recipe with what the user says the model is for.

    Args:
        recipe: A recipe.
        said: Words by key: ``task``, ``loss``, ``metric``; those that are missing are the recipe's.

    Raises:
        ConfigError: A word is none of ours, or they do not go together.
    """
    if not said:
        return recipe
    fields = {"kind" if key == "task" else key: word for key, word in said.items()}
    table = dataclasses.replace(recipe.task, **fields)
    check_said(table.kind, table.loss, table.metric)
    return dataclasses.replace(recipe, task=table)


def check_said(task: str, loss: str, metric: str) -> None:
    """Checks the words of ``--task``, ``--loss`` and ``--metric``.

    Raises:
        ConfigError: One is none of ours, or they do not go together.
    """
    if faults := task_faults(TaskTable(task, loss, metric)):
        raise ConfigError("--task, --loss, --metric: " + "; ".join(faults))
