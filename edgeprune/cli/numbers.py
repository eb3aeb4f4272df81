"""Numbers on the command line: finite, and of a size that a computer counts with."""

from __future__ import annotations

import math
from typing import Any

import click

from edgeprune.errors import ConfigError
from edgeprune.text.share import parse_share

MAX_COUNT = 1_000_000_000
"""More than anybody waits for, of runs or of rows."""

MAX_SIZE = (1 << 31) - 1
"""Of one dimension: TFLite stores sizes in 32 bits."""


class Number(click.FloatRange):
    """A number; ``nan`` and ``inf`` are words of people who want no limit, and are none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Checks range and finiteness; click ends the command where they do not hold."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class ShareOption(click.ParamType[float]):
    """A share as ``90%`` or ``0.9``; its range is checked by whoever takes it."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Reads the share.

        Raises:
            ConfigError: It is none.
        """
        if isinstance(value, float):
            return value
        try:
            return parse_share(str(value))
        except ValueError as error:
            name = param.opts[0] if param is not None else self.name
            raise ConfigError(f"{name} {str(value).strip()!r}: {error}") from error
