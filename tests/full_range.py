"""What the suite shows with a few cases, and ``benchmarks/full_range.py`` with all of them."""

import os

import pytest

TIMES = int(os.environ.get("EDGEPRUNE_FULL_RANGE", "0"))
"""0 in the suite; else how many times the full number of examples is drawn."""


def examples(suite, full):
    """How many examples a hypothesis test draws.

    Args:
        suite: In the suite.
        full: In the full range.
    """
    return full * TIMES if TIMES else suite


def also(*values, id=None):
    """One more case of a kind that the suite shows with others: the full range alone runs it."""
    return pytest.param(*values, id=id, marks=pytest.mark.full_range)
