"""Options that several commands share, and what every command does with them."""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from edgeprune.board import load_board
from edgeprune.channels_table import CHANNEL, CHANNEL_RATIO
from edgeprune.errors import ConfigError
from edgeprune.recipe import MODES, PATTERNS_HELP, Recipe, checked, load_recipe

if TYPE_CHECKING:
    from edgeprune.pipeline import Outcome

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
        **rest: Any,
    ) -> Any:
        name = recipe or load_board(rest["board"]).recipe.default
        return function(recipe=recipe_of(name, sparsity, pattern, quantize), **rest)

    command: Any = with_recipe
    for option in (  # decorators: the last one stands first in the help
        click.option("--quantize", type=click.Choice(MODES), help="Storage and arithmetic."),
        click.option(
            "--pattern",
            help=f"Shape of what is left: {PATTERNS_HELP}; kernel chooses for each layer.",
        ),
        click.option(
            "--sparsity",
            type=float,
            help="Share of zeros in each pruned tensor; with the pattern channel, of channels.",
        ),
        click.option("--recipe", help="Name or .toml file; the board's own if not given."),
    ):
        command = option(command)
    return cast(Function, command)


def device_options(function: Function) -> Function:
    """``--bench`` and ``--host``."""
    for option in (
        click.option("--host", help="Device name in the bench, address, or OpenSSH alias."),
        click.option("--bench", type=click.Path(path_type=Path), help="Bench file to use."),
    ):
        function = option(function)
    return function


def json_option(function: Function) -> Function:
    """``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout."
    )(function)


def load_options(function: Function) -> Function:
    """``--allow-code`` and ``--input-shape``."""
    for option in (
        click.option(
            "--input-shape",
            callback=_shape,
            help="Fills what the model leaves open, without the batch, as 224,224,3.",
        ),
        click.option("--allow-code", is_flag=True, help="Load files with code, such as Lambda."),
    ):
        function = option(function)
    return function


def _shape(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    try:
        sizes = tuple(int(size) for size in value.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise ConfigError(f"--input-shape must be sizes such as 224,224,3, got {value!r}")
    return sizes


def model_argument(function: Function) -> Function:
    """The model's path, checked by the load stage."""
    return click.argument("model", type=click.Path(path_type=Path))(function)


def recipe_of(
    name: str, sparsity: float | None, pattern: str | None, quantize: str | None
) -> Recipe:
    """The named recipe with the user's own values in place.

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
    if quantize is not None:
        table = dataclasses.replace(table, mode=quantize)
    fixed = tuple(name for name, value in given.items() if value is not None)
    return checked(dataclasses.replace(recipe, prune=prune, quantize=table, fixed=fixed))


def print_json(value: Any) -> None:
    """Writes one JSON document to stdout."""
    json.dump(value, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def finish(outcome: Outcome, *, as_json: bool, with_layers: bool = False) -> int:
    """Prints what a deployment brought and returns the command's exit code."""
    from edgeprune.pipeline import print_outcome
    from edgeprune.report.terminal import print_layers

    if as_json:
        print_json(outcome.result)
    else:
        print_outcome(outcome)
        if with_layers:
            print_layers(outcome.result, only="deployed")
        click.echo(f"written to {outcome.folder}")
    if outcome.failure:
        click.echo(f"edgeprune: {outcome.failure}", err=True)
    return 1 if outcome.failure else 0
