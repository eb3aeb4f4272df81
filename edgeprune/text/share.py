"""Shares as people write them: ``1%``, ``0.01``, ``50 %``. One meaning, wherever asked for."""

from __future__ import annotations

import re
from typing import Annotated

SHARE = "share"
"""Marks the keys of tables that hold shares, so that a table of TOML takes ``"50%"`` for them."""

Share = Annotated[float, SHARE]
"""A share of 1; 0.5 is 50 %."""

WANTED = "expected a percentage such as 1%, or a share below 1 such as 0.01"

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"


def parse_share(text: str) -> float:
    """The share that a text says; whoever asks for it checks its range.

    Args:
        text: A percentage such as ``1%``, or a share below 1 such as ``0.01``. A number from 1 on
            needs its percent sign: ``1`` may be meant as 1 % or as everything.

    Raises:
        ValueError: It says none, in words that can follow a colon.

    >>> parse_share("1%"), parse_share("0.02"), parse_share(" 150 % ")
    (0.01, 0.02, 1.5)
    """
    match = re.fullmatch(rf"\s*({_NUMBER})\s*(%?)\s*", text, re.ASCII)
    if match is None:
        raise ValueError(WANTED)
    number = float(match.group(1))
    if match.group(2):
        return number / 100
    if not number < 1:
        raise ValueError(
            "a number without a percent sign is a share, and below 1: write "
            f"{number:g}% or {number / 100:g} for {number:g} percent"
            if number <= 100
            else WANTED
        )
    return number
