"""Cycles of blocks of machine code in each core's pipelines, as ``blocks.csv`` has them.

``benchmarks/block_cycles.py`` makes the table, for what the pinned runtime ran in many networks.
"""

from __future__ import annotations

import csv
import hashlib
from functools import cache
from pathlib import Path

from edgeprune.errors import ConfigError

TABLE = Path(__file__).with_name("blocks.csv")
DIGEST_DIGITS = 12
"""Of a block's SHA-256; of ten thousand blocks two share them once in six million tables."""


def digest_of(code: bytes) -> str:
    """What the table knows a block by."""
    return hashlib.sha256(code).hexdigest()[:DIGEST_DIGITS]


@cache
def block_cycles(pipelines: str) -> dict[str, float]:
    """Cycles of each known block, by its digest.

    Args:
        pipelines: LLVM's name of the scheduling model.

    Raises:
        ConfigError: The table is damaged, or lacks that model.
    """
    try:
        with TABLE.open(newline="", encoding="ascii") as file:
            rows = csv.DictReader(file)
            return {row["block"]: float(row[pipelines]) for row in rows if row[pipelines]}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise ConfigError(
            f"{TABLE}: has no cycles of {pipelines} ({error}): reinstall edgeprune"
        ) from error
