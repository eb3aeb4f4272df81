"""How often verdicts on simulated sessions are right, beside what the product promises.

The functions are those of ``tests/significance`` and ``tests/report/test_statistics.py``, which run
few trials of each in the suite.

    python benchmarks/significance_trials.py [--trials 1000] [--resamples 500]

Exit code 1: a promise is not kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "significance"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "report"))

import test_enough
import test_shift
import test_statistics

from edgeprune.significance import shift
from edgeprune.significance.enough import TARGET_EFFECT

_FACTOR = 1 + TARGET_EFFECT


def shares(trials: int) -> list[tuple[str, float, float, float]]:
    """What is promised, the share that was found, and the lowest and highest that keep it."""
    rows = []
    for sessions in (5, 10):
        for least in (0.0, shift.MIN_EFFECT):
            found = test_shift.called_different(sessions, least, trials) / trials
            what = f"copies called different, {sessions} sessions, from {least:.0%} on"
            rows.append((what, found, 0.0 if least else 0.005, 0.05))
        held, _ = test_shift.intervals_that_hold(sessions, trials)
        rows.append((f"intervals that hold 1.05, {sessions} sessions", held / trials, 0.93, 1.0))
    both = test_shift.verdicts_both_ways(trials)
    right = both.count(("slower", "faster")) / trials
    rows.append(("5 % found both ways round, scatter 2 %, 10 sessions", right, 0.9, 1.0))
    outside, wrong = (count / trials for count in test_statistics.copies_compared(trials))
    right = test_statistics.twentieths_found(trials) / trials
    rows += [
        ("intervals of noisy copies that leave 1 outside", outside, 0.01, 0.07),
        ("noisy copies called different", wrong, 0.0, 0.05),
        ("5 % found both ways round, noisy sessions", right, 0.9, 1.0),
    ]
    called = test_enough.called
    rows += [
        ("5 % slower found, sessions added", called(_FACTOR, "slower", trials) / trials, 0.9, 1.0),
        ("5 % faster found, the same", called(1 / _FACTOR, "faster", trials) / trials, 0.9, 1.0),
        (
            "5 % slower found, none added",
            called(_FACTOR, "slower", trials, most=test_enough.STANDARD.sessions) / trials,
            0.0,
            0.85,
        ),
        (
            "copies called alike, sessions added",
            called(1.0, "no difference shown", trials) / trials,
            0.95,
            1.0,
        ),
    ]
    return rows


def main() -> int:
    """Prints a line a promise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=500, help="the product draws 5,000")
    given = parser.parse_args()
    shift.RESAMPLES = given.resamples
    broken = 0
    print(f"| {given.trials} trials | share | promised |\n| --- | --- | --- |")
    for what, share, low, high in shares(given.trials):
        is_kept = low <= share <= high
        broken += not is_kept
        print(f"| {what} | {share:.1%} | {low:.1%} to {high:.1%}{'' if is_kept else ': BROKEN'} |")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
