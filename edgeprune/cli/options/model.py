"""The model, and how it is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from edgeprune.cli.numbers import MAX_SIZE
from edgeprune.cli.options import Function
from edgeprune.cli.words import ModelPath
from edgeprune.errors import ConfigError
from edgeprune.sandbox.switch import SANDBOX_SWITCH


def model_argument(function: Function) -> Function:
    """MODEL, which is looked at before any option."""
    return click.argument("model", type=ModelPath(path_type=Path), is_eager=True)(function)


def models_argument(function: Function) -> Function:
    """MODELS, one or more, which are looked at before any option."""
    kind = ModelPath(path_type=Path)
    argument = click.argument("models", type=kind, nargs=-1, required=True, is_eager=True)
    return argument(function)


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
        help="Load the model, and call --data's function, without walls: with network and a disk "
        "to write to. EDGEPRUNE_SANDBOX=off does the same.",
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
