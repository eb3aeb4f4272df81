"""Options for the board, the device and how it is measured."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from edgeprune.cli.numbers import MAX_COUNT, Number
from edgeprune.cli.options import Function
from edgeprune.cli.words import BOARD, DEVICE, DURATION, Word
from edgeprune.errors import ConfigError
from edgeprune.recipe.efforts import EFFORTS
from edgeprune.recipe.run_table import GOVERNORS
from edgeprune.text.duration import parse_duration


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


def device_options(function: Function) -> Function:
    """``--bench``, ``--host``, ``--wait``, ``--meter`` and ``--grid-factor``."""
    for option in (
        click.option(
            "--wait",
            "wait_s",
            type=DURATION,
            default="1h",
            show_default=True,
            callback=duration_s,
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


def duration_s(context: click.Context, option: click.Parameter, value: str) -> float:
    """Seconds of a time with its unit.

    Raises:
        ConfigError: It has none, or is out of range.
    """
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ConfigError(f"--{option.opts[-1].lstrip('-')} {error}") from error


_TIMING = ("effort", "sessions", "runs", "governor", "again")


def timing_options(function: Function) -> Function:
    """What is measured how often, and how; handed on as ``timing``."""

    @functools.wraps(function)
    def with_timing(**given: Any) -> Any:
        named = {key: given.pop(key) for key in _TIMING}
        timing = {key: value for key, value in named.items() if value is not None}
        return function(timing=timing, **given)

    command: Any = with_timing
    for option in (
        click.option(
            "--again",
            is_flag=True,
            default=None,
            help="On an emulated board, count and compute all anew, instead of taking what an "
            "earlier run of the same file brought.",
        ),
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
