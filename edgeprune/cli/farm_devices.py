"""The part of ``edgeprune devices`` that is about the farm: who has a device, and who may."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.device import duration_s
from edgeprune.cli.options.output import json_option
from edgeprune.cli.words import DEVICE, DURATION
from edgeprune.text.untrusted import printable

if TYPE_CHECKING:
    from edgeprune.farm.desk import DeviceState


def state_line(state: DeviceState) -> str:
    """How a device stands with the farm, in a line for people."""
    parts = [state.state]
    if state.state_message and state.state == "offline":
        parts[0] += f" ({state.state_message})"
    if state.holder is not None:
        until = f" until {_time(state.lease_until_ms)}" if state.lease_until_ms else ""
        parts.append(f"{'leased' if state.lease_job else 'taken'} by {state.holder}{until}")
    if state.quarantine_reason is not None:
        since = f" since {_time(state.quarantined_ms)}" if state.quarantined_ms else ""
        parts.append(f"in quarantine{since}: {state.quarantine_reason}")
    return printable(", ".join(parts))


def add_to(group: click.Group) -> None:
    """Adds the commands to ``edgeprune devices``."""
    for command in (take, release, break_, restore):
        group.add_command(command)


@click.command(epilog="Example: edgeprune devices take desk-pi --for 2h")
@click.argument("name", type=DEVICE)
@click.option(
    "--for",
    "for_s",
    type=DURATION,
    default="1h",
    show_default=True,
    callback=duration_s,
    metavar="DURATION",
    help="For how long, as 90s, 10m or 2h; then the farm has it again.",
)
@json_option
def take(name: str, for_s: float, as_json: bool) -> None:
    """Keep the farm off the device NAME for a while."""
    from edgeprune.farm import desk

    _tell(desk.take(name, for_s), as_json)


@click.command(epilog="Example: edgeprune devices release desk-pi")
@click.argument("name", type=DEVICE)
@json_option
def release(name: str, as_json: bool) -> None:
    """Give the device NAME, which a person took, back to the farm."""
    from edgeprune.farm import desk

    _tell(desk.release(name), as_json)


@click.command("break", epilog="Example: edgeprune devices break desk-pi")
@click.argument("name", type=DEVICE)
@json_option
def break_(name: str, as_json: bool) -> None:
    """End whatever lease the device NAME has.

    The job that runs there is ended and tried again; its result is refused.
    """
    from edgeprune.farm import desk

    _tell(desk.break_lease(name), as_json)


@click.command(epilog="Example: edgeprune devices restore desk-pi")
@click.argument("name", type=DEVICE)
@json_option
def restore(name: str, as_json: bool) -> None:
    """Trust the device NAME again, which is in quarantine.

    What is usual for its golden model is found out anew.
    """
    from edgeprune.farm import desk

    _tell(desk.restore(name), as_json)


def _tell(state: DeviceState, as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(state))
    else:
        click.echo(f"{state.device}: {state_line(state)}")


def _time(at_ms: int) -> str:
    at = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).astimezone()
    return f"{at:%Y-%m-%d %H:%M}"
