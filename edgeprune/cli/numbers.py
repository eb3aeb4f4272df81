"""Numbers on the command line: finite, and of a size that a computer counts with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from edgeprune.errors import ConfigError
from edgeprune.text.share import parse_share
from edgeprune.text.size import parse_size

T = TypeVar("T")

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


class _Parsed(click.ParamType[T]):
    """A number with a unit of its own.

    Attributes:
        name: What it is called in the help.
        parse: Reads it; raises ValueError, in words that can follow a colon.
    """

    parse: Callable[[str], T]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Reads the number.

        Raises:
            ConfigError: It is none.
        """
        if not isinstance(value, str):
            return cast(T, value)
        try:
            return self.parse(value)
        except ValueError as error:
            name = param.opts[0] if param is not None else self.name
            raise ConfigError(f"{name} {value.strip()!r}: {error}") from error


class SizeOption(_Parsed[int]):
    """A size of memory as ``100kB``, in bytes."""

    name = "size"
    parse = staticmethod(parse_size)


class ShareOption(_Parsed[float]):
    """A share as ``90%`` or ``0.9``; its range is checked by whoever takes it."""

    name = "share"
    parse = staticmethod(parse_share)
