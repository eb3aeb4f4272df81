"""How many random cases a proof tries: few in the suite, more where somebody asks for more.

``benchmarks/longer_proofs.py`` asks; the cases of the suite are the first ones there too.
"""

from __future__ import annotations

import os

FACTOR = int(os.environ.get("EDGEPRUNE_ROUNDS", "1"))


def times(count: int) -> int:
    """As many cases as asked for, where the suite tries ``count``."""
    return count * FACTOR
