"""``edgeprune search``: the best networks of one model for several boards."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options import Function
from edgeprune.cli.options.data import data_options, task_options
from edgeprune.cli.options.device import duration_s, timing_options
from edgeprune.cli.options.limits import limit_options
from edgeprune.cli.options.model import load_options, model_argument
from edgeprune.cli.options.output import json_option, verbose_option
from edgeprune.cli.words import BOARD, DURATION, Word
from edgeprune.errors import ConfigError
from edgeprune.recipe import Recipe, load_recipe
from edgeprune.recipe.overrides import timed_by

if TYPE_CHECKING:
    from edgeprune.auto.goal import Objective
    from edgeprune.searching.front import Front

OBJECTIVES = ("latency", "energy", "size", "memory")
"""Words of ``--minimize``: those of :data:`edgeprune.auto.goal.OBJECTIVES`."""

_BUDGET = (
    "Time of the search, as 10m or 2h; making and measuring what it found comes on top.  "
    "[default: 1h]"
)
_LIMIT = (
    "Largest loss of the network to take: 1% is one point of top-1 accuracy, and one percent of "
    "the dense model's own score by any other metric.  [default: 1%]"
)


def _with_auto(function: Function) -> Function:
    """Hands on the recipe that a search begins with."""

    @functools.wraps(function)
    def with_recipe(**rest: Any) -> Any:
        return function(recipe=load_recipe("auto"), **rest)

    return cast(Function, with_recipe)


def _with_data(function: Function) -> Function:
    return data_options(function, budget=_BUDGET, limit=_LIMIT, is_required=True)


@click.command(
    epilog="Example: edgeprune search digits.h5 --data digits.npz --board rpi4-emulated "
    "--board mps2-an386 --budget 10m -o best"
)
@model_argument
@click.option(
    "--board",
    "boards",
    type=BOARD,
    multiple=True,
    required=True,
    help="Kind of board, or its .toml file; give several for one search.",
)
@_with_data
@_with_auto
@task_options
@click.option(
    "--minimize",
    type=Word(OBJECTIVES),
    multiple=True,
    default=("latency",),
    show_default=True,
    help="What is to be small; give several to weigh them equally.",
)
@limit_options
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Random seed of trainings.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write; where it holds this search already, it goes on.",
)
@load_options
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="[BOARD=]HOST",
    help="Device name in the bench, address, serial number or alias of a board's device.",
)
@click.option("--bench", type=click.Path(path_type=Path), help="Bench file to use.")
@click.option("--meter", help="What measures energy; the devices' own if not given.")
@click.option(
    "--wait",
    "wait_s",
    type=DURATION,
    default="1h",
    show_default=True,
    callback=duration_s,
    metavar="DURATION",
    help="How long to wait for a device that another run uses.",
)
@timing_options
@verbose_option
@json_option
def search(  # noqa: PLR0913  one a group of options
    model: Path,
    boards: tuple[str, ...],
    minimize: tuple[str, ...],
    hosts: tuple[str, ...],
    seed: int,
    as_json: bool,
    verbose: bool,
    recipe: Recipe,
    timing: dict[str, Any],
    **rest: Any,
) -> int:
    """Search the best networks of MODEL for some boards, and measure them there.

    One search trains for all boards. Every network of the answer is made in full, measured beside
    yours, and lies in the folder with its recipe and its report; best-BOARD.toml is the one to
    take. Ctrl-C ends with the best so far; the same command goes on.
    """
    from edgeprune.pipeline.request import Request
    from edgeprune.progress import Progress
    from edgeprune.searching.request import DEFAULT_BUDGET_S, SearchRequest
    from edgeprune.searching.session import Interrupted, run_search

    recipe = timed_by(recipe, timing)
    recipe = dataclasses.replace(recipe, prune=dataclasses.replace(recipe.prune, seed=seed))
    limit, budget_s = rest.pop("max_accuracy_drop"), rest.pop("budget_s")
    each = Request(
        model=model,
        board=boards[0],
        recipe=recipe,
        command="edgeprune search",
        **rest,
    )
    request = SearchRequest(
        each,
        boards,
        minimize=cast("tuple[Objective, ...]", tuple(dict.fromkeys(minimize))),
        hosts=_hosts(hosts, boards),
        budget_s=DEFAULT_BUDGET_S if budget_s is None else budget_s,
        **({} if limit is None else {"limit": limit}),
    )
    with Progress(brief=not verbose) as progress:
        try:
            front = run_search(request, progress)
        except Interrupted as interrupt:
            if interrupt.front is not None and not as_json:
                _finish(interrupt.front, request.folder, as_json=False, verbose=verbose)
            raise
    _finish(front, request.folder, as_json=as_json, verbose=verbose)
    return front.exit_code


def _hosts(given: tuple[str, ...], boards: tuple[str, ...]) -> dict[str, str]:
    """Hosts by board.

    Raises:
        ConfigError: One names no board where there are several, or a board twice.
    """
    hosts: dict[str, str] = {}
    for text in given:
        board, separator, host = text.partition("=")
        if not separator and len(boards) == 1:
            board, host = boards[0], text
        elif not separator:
            raise ConfigError(f"--host {text}: say whose it is, as {boards[0]}={text}")
        if board in hosts:
            raise ConfigError(f"--host: two for {board}")
        hosts[board] = host
    return hosts


def _finish(front: Front, folder: Path, *, as_json: bool, verbose: bool) -> None:
    import msgspec

    from edgeprune.searching.terminal import print_front

    if as_json:
        print_json(msgspec.to_builtins(front))
    else:
        print_front(front, folder, verbose=verbose)
