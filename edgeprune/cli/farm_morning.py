"""The morning at the end of ``edgeprune farm run``, where the plan asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgeprune.errors import ConfigError
from edgeprune.files.whole_file import shown

if TYPE_CHECKING:
    from edgeprune.farm.plan import Plan


def check_extra() -> None:
    """Looks for what reads changes over nights.

    Raises:
        ConfigError: It is not installed.
    """
    from edgeprune.farm.confirming import missing

    if why := missing():
        raise ConfigError(why)


def check_morning(plan: Plan) -> None:
    """Looks before a night whether its morning can be written.

    Raises:
        ConfigError: It cannot be.
    """
    if plan.morning is None:
        return
    check_extra()
    from edgeprune.morning.outputs import check

    check(plan, plan.morning)


def write_morning(plan: Plan, night: str, code: int, *, is_news: bool = True) -> int:
    """Writes the morning of a night that is over; each thing that fails is one line.

    Args:
        plan: Whose night it was.
        night: The night's name.
        code: The exit code that the night itself has.
        is_news: Something was done; else nobody is called to look, and what was killed while it
            wrote is made good.

    Returns:
        The exit code: ``code`` where the night has one, else that of the first failure.
    """
    if plan.morning is None:
        return code
    from edgeprune.morning.outputs import write

    written = write(plan, plan.morning, night, is_news=is_news)
    for error in written.troubles:
        click.echo(f"morning: {error}; `edgeprune farm report` writes it again", err=True)
    if plan.morning.site is not None and not written.troubles:
        index = plan.path_of(plan.morning.site) / "index.html"
        click.echo(f"written to {shown(index)}", err=True)
    if written.morning is not None and not written.morning.is_ok:
        code = code or 1
    return code or next((error.exit_code for error in written.troubles), 0)
