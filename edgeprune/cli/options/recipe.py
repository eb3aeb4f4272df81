"""Options that choose a recipe and override its values."""

from __future__ import annotations

import functools
from typing import Any, cast

import click

from edgeprune.cli.numbers import ShareOption
from edgeprune.cli.options import Function
from edgeprune.cli.words import PATTERN, RECIPE, Word
from edgeprune.devices.boards import load_board
from edgeprune.recipe.faults import LAYERS
from edgeprune.recipe.overrides import recipe_of
from edgeprune.recipe.prune_parts import CRITERIA, PATTERNS_HELP
from edgeprune.recipe.quantize_table import MODES
from edgeprune.recipe.small_tables import KERNELS

AT_ONCE = ", ".join(name for name, row in CRITERIA.items() if not row.while_training)


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
        kernels: str | None,
        **rest: Any,
    ) -> Any:
        name = recipe or load_board(rest["board"]).recipe.default
        chosen = recipe_of(name, sparsity, pattern, quantize, criterion, layers, kernels)
        return function(recipe=chosen, **rest)

    command: Any = with_recipe
    for option in (  # decorators: the last one stands first in the help
        click.option(
            "--kernels",
            type=Word(KERNELS, key="kernels"),
            help="What runs int8 layers with zeros in blocks of 1x4: the runtime's dense kernels, "
            "edgeprune's own sparse ones, or auto (the default): these where they are predicted "
            "to be faster on the board.",
        ),
        click.option(
            "--quantize", type=Word(MODES), help="How weights are stored and computed with."
        ),
        click.option(
            "--pattern",
            type=PATTERN,
            help=f"Pattern of the weights that stay: {PATTERNS_HELP}; kernel chooses for each "
            "layer.",
        ),
        click.option(
            "--layers",
            type=Word(LAYERS, key="layers"),
            help="Which layers are pruned: accelerated, those that sparse kernels can run (the "
            "default), or all, every convolution that is not depthwise as well, for size.",
        ),
        click.option(
            "--criterion",
            type=Word(list(CRITERIA), key="criterion"),
            help=f"How to tell which weights matter least; {AT_ONCE} prune at once.",
        ),
        click.option(
            "--sparsity",
            type=ShareOption(),
            help="Share of zeros in each pruned tensor, as 90% or 0.9; with the pattern channel, "
            "of channels.",
        ),
        click.option(
            "--recipe",
            type=RECIPE,
            help="Name of a recipe, or its .toml file; the board's own if not given.",
        ),
    ):
        command = option(command)
    return cast(Function, command)
