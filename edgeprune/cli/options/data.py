"""Options for the data, and for what the model is for."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click

from edgeprune.cli.options import Function
from edgeprune.cli.words import DATA, LOSS, METRIC, SCALE, TASK, Word
from edgeprune.errors import ConfigError
from edgeprune.recipe import Recipe
from edgeprune.recipe.overrides import check_said, with_task
from edgeprune.tasks.vocabulary import LOSSES, TASK_METRICS, TASKS
from edgeprune.text.duration import parse_duration

AUGMENT = ("auto", "none", "flips", "shifts", "flips-and-shifts")
"""Words of ``--augment``: those of :data:`edgeprune.data.augment.CHOICES`."""


def input_options(function: Function) -> Function:
    """``--scale`` and ``--allow-weak``, which belong to ``--data``."""

    @functools.wraps(function)
    def with_inputs(data: str | None, scale: str | None, allow_weak: bool, **rest: Any) -> Any:
        if data is None and (scale is not None or allow_weak):
            asked = "--allow-weak" if scale is None else "--scale"
            raise ConfigError(f"{asked} needs --data: there are no inputs without it")
        if scale is not None:
            from edgeprune.data.scale import parse_scale

            parse_scale(scale)
        return function(data=data, scale=scale, allow_weak=allow_weak, **rest)

    command: Any = with_inputs
    for option in (
        click.option(
            "--allow-weak",
            is_flag=True,
            help="Use the data even if the model is no better than chance on them.",
        ),
        click.option(
            "--scale",
            type=SCALE,
            metavar="RANGE",
            help="Map inputs onto the range that the model was trained with: LOW..HIGH as -1..1 or "
            "0..1; for images also caffe or torch (means of ImageNet) and bgr.",
        ),
    ):
        command = option(command)
    return cast(Function, command)


def augment_option(function: Function) -> Function:
    """``--augment``, for what trains."""
    return click.option(
        "--augment",
        type=Word(AUGMENT),
        default="auto",
        show_default=True,
        help="Train on other views of images too: mirrored, and moved by up to 10%; auto: for "
        "folders of images and arrays of colour images, those on which the model stays as good.",
    )(function)


BUDGET = (
    "Time in which the best network is searched where no recipe is named, as 90s, 10m or 2h.  "
    "[default: 10m]"
)
LIMIT = (
    "Largest loss that is accepted on the test samples: 1% is one point of top-1 accuracy, and one "
    "percent of the dense model's own score by any other metric. A model that loses more is "
    "neither written nor deployed."
)


def data_options(
    function: Function, *, budget: str = BUDGET, limit: str = LIMIT, is_required: bool = False
) -> Function:
    """``--data``, ``--max-accuracy-drop``, and what the model is for, all of which need it.

    Args:
        function: The command.
        budget: Help of ``--budget``.
        limit: Help of ``--max-accuracy-drop``.
        is_required: Whether the command does nothing without data.
    """

    @functools.wraps(function)
    def with_data(
        data: str | None, max_accuracy_drop: str | None, budget: str | None, **rest: Any
    ) -> Any:
        given = {"max-accuracy-drop": max_accuracy_drop, "budget": budget}
        given |= {key: rest.get(key) for key in ("task", "loss", "metric")}
        if data is None and (asked := [key for key, value in given.items() if value is not None]):
            raise ConfigError(f"--{asked[0]} needs --data: without it accuracy is not measured")
        share = None
        if max_accuracy_drop is not None:
            from edgeprune.tasks import parse_limit

            share = parse_limit(max_accuracy_drop)
        budget_s = None if budget is None else _budget_s(budget)
        check_said(*(rest.get(key) or "" for key in ("task", "loss", "metric")))
        return function(data=data, max_accuracy_drop=share, budget_s=budget_s, **rest)

    command: Any = augment_option(input_options(cast(Function, with_data)))
    for option in (
        click.option(
            "--metric",
            type=METRIC,
            help="Metric to score with, by task: " + _vocabulary(TASK_METRICS) + ". The first is "
            "taken if not given.",
        ),
        click.option(
            "--loss", type=LOSS, help="Loss to train with, by task: " + _vocabulary(LOSSES) + "."
        ),
        click.option(
            "--task",
            type=TASK,
            help=f"What the model is for: {', '.join(TASKS)}; found out if not given. For several "
            "outputs NAME=WORD,NAME=WORD, as with --loss and --metric.",
        ),
        click.option(
            "--budget",
            metavar="TIME",
            help=budget,
        ),
        click.option(
            "--max-accuracy-drop",
            help=limit,
        ),
        click.option(
            "--data",
            type=DATA,
            required=is_required,
            help=".npz file, folder of images by class, or package.module:function, which runs "
            "without network and can write to temporary files alone.",
        ),
    ):
        command = option(command)
    return cast(Function, command)


def _budget_s(text: str) -> float:
    """Seconds of ``--budget``.

    Raises:
        ConfigError: It is no time.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--budget {error}") from error


def task_options(function: Function) -> Function:
    """Puts ``--task``, ``--loss`` and ``--metric`` of :func:`data_options` into the recipe.

    Below :func:`recipe_options`.
    """

    @functools.wraps(function)
    def with_said(
        recipe: Recipe, task: str | None, loss: str | None, metric: str | None, **rest: Any
    ) -> Any:
        given = {"task": task, "loss": loss, "metric": metric}
        said = {key: value for key, value in given.items() if value is not None}
        return function(recipe=with_task(recipe, said), **rest)

    return cast(Function, with_said)


def _vocabulary(words: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{task}: {', '.join(words[task])}" for task in TASKS)
