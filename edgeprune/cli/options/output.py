"""What a command prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options import Function

if TYPE_CHECKING:
    from edgeprune.pipeline.outcome import Outcome


def json_option(function: Function) -> Function:
    """``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout."
    )(function)


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
