"""Which night it is: from noon to noon, so that a run after midnight goes on with its evening."""

from __future__ import annotations

import datetime
import re

from edgeprune.errors import ConfigError
from edgeprune.farm.plan import Plan

_NOON = datetime.timedelta(hours=12)
_NAME = re.compile(r"[\w-][\w. -]{0,99}")
"""As a plan's name and a date; a folder is called so."""


def check_night_name(name: str) -> None:
    """Checks a name that a person gives to a night.

    Raises:
        ConfigError: No folder can be called so.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"--night {name!r} must be 1 to 100 letters, digits, spaces and _ . -, and begin with "
            "neither a space nor a dot"
        )


def night_name(plan: Plan, now: datetime.datetime) -> str:
    """What the night of a moment is called: ``nightly 2026-11-29``.

    Args:
        plan: Whose night it is.
        now: With a time zone; the local date counts.
    """
    return f"{plan.name} {(now.astimezone() - _NOON).date().isoformat()}"
