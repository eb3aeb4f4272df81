"""Which TensorFlow operators a file may hold: ``operators.toml``, read once."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path

_FILE = Path(__file__).with_name("operators.toml")

STATELESS = "stateless"
"""Pure functions of their inputs, and calls of other functions of the graph."""

STATEFUL = "stateful"
"""Variables, random numbers and checks."""

SAVER = "saver"
"""What reads and writes the files of variables."""


@functools.cache
def operator_list(part: str) -> frozenset[str]:
    """Names of all operators in one part of the list, as ``STATELESS``."""
    table: dict[str, list[str]] = tomllib.loads(_FILE.read_text("utf-8"))[part]
    return frozenset(name for names in table.values() for name in names)
