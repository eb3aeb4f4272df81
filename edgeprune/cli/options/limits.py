"""``--max-size`` and ``--max-memory``: what a network may take on a board."""

from __future__ import annotations

from typing import Any, cast

import click

from edgeprune.cli.numbers import SizeOption
from edgeprune.cli.options import Function


def limit_options(function: Function) -> Function:
    """Both, handed on as ``max_size`` and ``max_memory`` in bytes, or None."""
    command: Any = function
    for option in (
        click.option(
            "--max-memory",
            type=SizeOption(),
            help="Most RAM for the arena on a microcontroller, as 32kB; what the firmware leaves "
            "if not given.",
        ),
        click.option(
            "--max-size",
            type=SizeOption(),
            help="Most bytes of the deployed file, or of the plan in a microcontroller's flash, as "
            "100kB; no limit, or a slot, if not given.",
        ),
    ):
        command = option(command)
    return cast(Function, command)
