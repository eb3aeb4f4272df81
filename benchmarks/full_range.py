"""Runs the proofs that the test suite shows with fewer cases, in their full range.

The suite keeps, of every kind of fault, the cases that find it soonest. The other networks, seeds,
layouts and storages stand beside them in the same files, marked ``full_range``; this runs those,
and nothing else. Which subjects there are, and how many cases each has:

    python benchmarks/full_range.py --list

One subject, or all of them:

    python benchmarks/full_range.py tests/training
    python benchmarks/full_range.py

Tests that draw their cases at random draw more of them here; ``--times 10`` draws ten times as many
again.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """The exit code of pytest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("subject", nargs="*", default=["tests"], help="files or folders of tests")
    parser.add_argument(
        "--list", action="store_true", help="count the cases instead of running them"
    )
    parser.add_argument("--times", type=int, default=1, help="draw that many times the examples")
    asked = parser.parse_args()
    os.chdir(ROOT)
    os.environ["EDGEPRUNE_FULL_RANGE"] = str(asked.times)
    arguments = ["-m", "full_range or hypothesis", *asked.subject]
    how = ["-qq", "--collect-only"] if asked.list else ["-q", "--durations=20"]
    how += ["--timeout=0", "--override-ini=faulthandler_timeout=0"]  # such a case may take hours
    return int(pytest.main([*how, *arguments]))


if __name__ == "__main__":
    sys.exit(main())
