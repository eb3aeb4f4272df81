"""Times as people write them: ``90s``, ``10m``, ``2h``. One meaning, wherever asked for."""

from __future__ import annotations

import re

_UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

MAX_S = 7 * 24 * 3600.0
"""Nothing that a person waits for takes longer. Source: ours."""


def parse_duration(text: str) -> float:
    """Seconds of a time with its unit, or of ``0``.

    Raises:
        ValueError: It has no unit, or is out of range, in words that can follow the key.

    >>> parse_duration("90s"), parse_duration("1.5 h"), parse_duration("0")
    (90.0, 5400.0, 0.0)
    """
    word = text.strip().lower()
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(s|m|min|h)", word)
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else -1.0
    if word == "0":
        return 0.0
    if not 0 <= seconds <= MAX_S:
        raise ValueError(f"must be 0 to 168h, as 90s, 10m or 2h, got {text!r}")
    return seconds


def duration_text(seconds: float) -> str:
    """A time as people say it, rounded to its unit.

    >>> duration_text(90), duration_text(600), duration_text(5400), duration_text(20)
    ('1.5 minutes', '10 minutes', '1.5 hours', '20 seconds')
    """
    for unit_s, unit in ((3600.0, "hour"), (60.0, "minute")):
        if seconds >= unit_s:
            count = f"{seconds / unit_s:.3g}"
            return f"{count} {unit}" + "s" * (count != "1")
    return f"{seconds:.0f} seconds"
