"""Options that several commands share, and what every command does with them."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from edgeprune.recipe import MODES, PATTERNS, Recipe, checked, load_recipe

Function = TypeVar("Function", bound=Callable[..., Any])


def recipe_options(function: Function) -> Function:
    """``--recipe`` and the options that override single values of it."""
    for option in (
        click.option("--recipe", "recipe_name", default=None, help="Name or .toml file.  [auto]"),
        click.option(
            "--sparsity", type=float, help="Share of zeros in each pruned tensor, 0 to 1."
        ),
        click.option("--pattern", type=click.Choice(PATTERNS), help="Shape of what is left."),
        click.option("--quantize", type=click.Choice(MODES), help="Storage and arithmetic."),
    ):
        function = option(function)
    return function


def device_options(function: Function) -> Function:
    """``--bench`` and ``--host``."""
    for option in (
        click.option("--bench", type=click.Path(path_type=Path), help="Bench file to use."),
        click.option("--host", help="Device name in the bench, address, or OpenSSH alias."),
    ):
        function = option(function)
    return function


def json_option(function: Function) -> Function:
    """``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout."
    )(function)


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
    prune, table = recipe.prune, recipe.quantize
    if sparsity is not None:
        prune = dataclasses.replace(prune, sparsity=sparsity)
    if pattern is not None:
        prune = dataclasses.replace(prune, pattern=pattern)
    if quantize is not None:
        table = dataclasses.replace(table, mode=quantize)
    recipe = dataclasses.replace(recipe, prune=prune, quantize=table)
    return checked(recipe)


def print_json(value: Any) -> None:
    """Writes one JSON document to stdout."""
    json.dump(value, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")
