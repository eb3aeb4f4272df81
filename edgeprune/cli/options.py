"""Options that several commands share, and what every command does with them."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.numbers import MAX_COUNT, MAX_SIZE, Number, ShareOption
from edgeprune.cli.words import (
    BOARD,
    DATA,
    DEVICE,
    DURATION,
    LOSS,
    METRIC,
    PATTERN,
    RECIPE,
    SCALE,
    TASK,
    ModelPath,
    Word,
)
from edgeprune.devices.boards import load_board
from edgeprune.errors import ConfigError
from edgeprune.recipe import Recipe
from edgeprune.recipe.efforts import EFFORTS
from edgeprune.recipe.faults import LAYERS
from edgeprune.recipe.overrides import check_said, recipe_of, with_task
from edgeprune.recipe.prune_parts import CRITERIA, PATTERNS_HELP
from edgeprune.recipe.quantize_table import MODES
from edgeprune.recipe.run_table import GOVERNORS
from edgeprune.sandbox.switch import SANDBOX_SWITCH
from edgeprune.tasks.vocabulary import LOSSES, TASK_METRICS, TASKS

if TYPE_CHECKING:
    from edgeprune.pipeline.outcome import Outcome

AT_ONCE = ", ".join(name for name, row in CRITERIA.items() if not row.while_training)

AUGMENT = ("auto", "none", "flips", "shifts", "flips-and-shifts")
"""Words of ``--augment``: those of :data:`edgeprune.data.augment.CHOICES`."""

Function = TypeVar("Function", bound=Callable[..., Any])


def recipe_options(function: Function) -> Function:
    """``--recipe`` and the options that override single values of it, handed on as ``recipe``.

    For commands with ``--board``.
    """

    @functools.wraps(function)
    def with_recipe(
        recipe: str | None,
        sparsity: float | None,
        pattern: str | None,
        quantize: str | None,
        criterion: str | None,
        layers: str | None,
        **rest: Any,
    ) -> Any:
        name = recipe or load_board(rest["board"]).recipe.default
        chosen = recipe_of(name, sparsity, pattern, quantize, criterion, layers)
        return function(recipe=chosen, **rest)

    command: Any = with_recipe
    for option in (  # decorators: the last one stands first in the help
        click.option("--quantize", type=Word(MODES), help="Storage and arithmetic."),
        click.option(
            "--pattern",
            type=PATTERN,
            help=f"Shape of what is left: {PATTERNS_HELP}; kernel chooses for each layer.",
        ),
        click.option(
            "--layers",
            type=Word(LAYERS, key="layers"),
            help="accelerated: what sparse kernels can run, the default; all: every convolution "
            "that is not depthwise as well, for size.",
        ),
        click.option(
            "--criterion",
            type=Word(list(CRITERIA), key="criterion"),
            help=f"What tells which weights matter least; {AT_ONCE} prune at once.",
        ),
        click.option(
            "--sparsity",
            type=ShareOption(),
            help="Share of zeros in each pruned tensor, as 90% or 0.9; with the pattern channel, "
            "of channels.",
        ),
        click.option(
            "--recipe", type=RECIPE, help="Name or .toml file; the board's own if not given."
        ),
    ):
        command = option(command)
    return cast(Function, command)


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
            help="Go on with data on which the model is no better than chance.",
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
        "folders of images, those on which the model stays as good.",
    )(function)


def data_options(function: Function) -> Function:
    """``--data``, ``--max-accuracy-drop``, and what the model is for, all of which need it."""

    @functools.wraps(function)
    def with_data(data: str | None, max_accuracy_drop: str | None, **rest: Any) -> Any:
        given = {"max-accuracy-drop": max_accuracy_drop}
        given |= {key: rest.get(key) for key in ("task", "loss", "metric")}
        if data is None and (asked := [key for key, value in given.items() if value is not None]):
            raise ConfigError(f"--{asked[0]} needs --data: without it accuracy is not measured")
        limit = None
        if max_accuracy_drop is not None:
            from edgeprune.tasks import parse_limit

            limit = parse_limit(max_accuracy_drop)
        check_said(*(rest.get(key) or "" for key in ("task", "loss", "metric")))
        return function(data=data, max_accuracy_drop=limit, **rest)

    command: Any = augment_option(input_options(cast(Function, with_data)))
    for option in (
        click.option(
            "--metric",
            type=METRIC,
            help="What is scored: " + _vocabulary(TASK_METRICS) + ". The first is taken if not "
            "given.",
        ),
        click.option(
            "--loss", type=LOSS, help="What is trained with: " + _vocabulary(LOSSES) + "."
        ),
        click.option(
            "--task",
            type=TASK,
            help=f"What the model is for: {', '.join(TASKS)}; found out if not given. Of several "
            "outputs, as --loss and --metric: NAME=WORD,NAME=WORD.",
        ),
        click.option(
            "--max-accuracy-drop",
            help="What may be lost on the test samples: 1% is one point of top-1 accuracy, and one "
            "percent of the dense model's own score by any other metric. What loses more is "
            "neither written nor deployed.",
        ),
        click.option(
            "--data",
            type=DATA,
            help=".npz file, folder of images by class, or package.module:function, which runs "
            "without network and can write to temporary files alone.",
        ),
    ):
        command = option(command)
    return cast(Function, command)


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


def device_options(function: Function) -> Function:
    """``--bench``, ``--host``, ``--wait``, ``--meter`` and ``--grid-factor``."""
    for option in (
        click.option(
            "--wait",
            "wait_s",
            type=DURATION,
            default="1h",
            show_default=True,
            callback=_duration_s,
            metavar="DURATION",
            help="How long to wait for a device that another run uses, as 90s, 10m or 2h; 0 does "
            "not wait.",
        ),
        click.option(
            "--grid-factor",
            type=Number(min=0),
            help="Grams of CO2e per kWh; the bench's if not given.",
        ),
        click.option(
            "--meter",
            help="What measures energy: a log as FILE.csv, NAME or NAME:WHICH, or none; the "
            "device's own if not given.",
        ),
        click.option(
            "--host",
            type=DEVICE,
            help="Device name in the bench, [USER@]ADDRESS[:PORT], serial number, or OpenSSH "
            "alias.",
        ),
        click.option("--bench", type=click.Path(path_type=Path), help="Bench file to use."),
    ):
        function = option(function)
    return function


_UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_MAX_WAIT_S = 7 * 24 * 3600.0


def _duration_s(context: click.Context, option: click.Parameter, value: str) -> float:
    """Seconds of a time with its unit.

    Raises:
        ConfigError: It has none, or is out of range.
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(s|m|min|h)", value.strip().lower())
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else -1.0
    if value.strip() == "0":
        return 0.0
    if not 0 <= seconds <= _MAX_WAIT_S:
        raise ConfigError(f"--wait must be 0 to 168h, as 90s, 10m or 2h, got {value!r}")
    return seconds


def timing_options(function: Function) -> Function:
    """``--effort``, ``--sessions``, ``--runs`` and ``--governor``, handed on as ``timing``."""

    @functools.wraps(function)
    def with_timing(**given: Any) -> Any:
        named = {key: given.pop(key) for key in ("effort", "sessions", "runs", "governor")}
        timing = {key: value for key, value in named.items() if value is not None}
        return function(timing=timing, **given)

    command: Any = with_timing
    for option in (
        click.option(
            "--governor",
            type=Word(GOVERNORS),
            help="Pin the device's clock while it is measured, and restore it (performance), or "
            "leave it as it is (keep); auto: performance, but keep on this machine.",
        ),
        click.option(
            "--runs",
            type=click.IntRange(max=MAX_COUNT),
            help="Timed inferences in each process, instead of the effort's.",
        ),
        click.option(
            "--sessions",
            type=click.IntRange(max=MAX_COUNT),
            help="Fresh processes a variant, instead of the effort's; a verdict needs 5.",
        ),
        click.option(
            "--effort",
            type=Word(list(EFFORTS)),
            help="How thoroughly to time: from 1 s a variant (quick, the default) and 10 s "
            "(standard) to a minute (full); soak: one stretch of 10 minutes, with the trend.",
        ),
    ):
        command = option(command)
    return cast(Function, command)


def json_option(function: Function) -> Function:
    """``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout."
    )(function)


def load_options(function: Function) -> Function:
    """``--allow-code``, ``--input-shape`` and ``--no-sandbox``."""
    allow_code = click.option(
        "--allow-code", is_flag=True, help="Load models that carry code, as Lambda layers do."
    )
    return input_shape_option(allow_code(sandbox_option(function)))


def sandbox_option(function: Function) -> Function:
    """``--no-sandbox``, which holds for the command that it is given to."""
    return click.option(
        "--no-sandbox",
        is_flag=True,
        expose_value=False,
        callback=_no_sandbox,
        help="Load the model, and call --data's function, with network and a disk to write to; "
        "EDGEPRUNE_SANDBOX=off says the same.",
    )(function)


def _no_sandbox(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        before = os.environ.get(SANDBOX_SWITCH)
        os.environ[SANDBOX_SWITCH] = "off"
        context.call_on_close(lambda: _put_back(before))


def _put_back(before: str | None) -> None:
    if before is None:
        os.environ.pop(SANDBOX_SWITCH, None)
    else:
        os.environ[SANDBOX_SWITCH] = before


def input_shape_option(function: Function) -> Function:
    """``--input-shape``."""
    return click.option(
        "--input-shape",
        callback=_shape,
        help="Sizes for dimensions that the model leaves open, without the batch, as 224,224,3.",
    )(function)


def _shape(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    try:
        sizes = tuple(int(size) for size in value.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1 or max(sizes) > MAX_SIZE:
        raise ConfigError(f"--input-shape must be sizes such as 224,224,3, got {value!r}")
    return sizes


def model_argument(function: Function) -> Function:
    """MODEL, which is looked at before any option."""
    return click.argument("model", type=ModelPath(path_type=Path), is_eager=True)(function)


def board_option(**rest: Any) -> Callable[[Function], Function]:
    """``--board``, the same in every command: a board's name or its file, read at once.

    Args:
        rest: As of ``click.option``; what says nothing else must be given.
    """
    given: dict[str, Any] = {
        "help": "Kind of board, or its .toml file; `edgeprune boards` lists them."
    }
    given |= rest or {"required": True}
    return click.option("--board", type=BOARD, **given)


def verbose_option(function: Function) -> Function:
    """``-v``."""
    return click.option(
        "-v", "--verbose", is_flag=True, help="Print all tables, kernels and notes as well."
    )(function)


def finish(outcome: Outcome, *, as_json: bool, verbose: bool) -> None:
    """Prints what a deployment brought: the answer, and all that is known with ``-v``."""
    from edgeprune.history.result_file import plain
    from edgeprune.pipeline.outcome import print_answer, print_outcome
    from edgeprune.report.terminal import print_layers

    if as_json:
        print_json(plain(outcome.result))
        return
    print_answer(outcome)
    if verbose:
        print_outcome(outcome)
        print_layers(outcome.result)
