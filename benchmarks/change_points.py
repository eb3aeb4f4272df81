"""How many true changes of 3 % and more are found over nights, how soon, and how many are false.

Series of 45 nights by kind of noise, every other one with a step of 3 to 10 % up or down, are gone
through night by night as a farm does (`edgeprune/farm/trends`); re-runs are drawn from the same
noise. The series are those of ``tests/farm_series.py``; a test follows a few of them.

    python benchmarks/change_points.py [--series 1000] [--seed 0]

Exit code 1: more than 2 % of the steps were not told within two nights, or more than 2 % of what
was told is none.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from farm_series import KINDS, NIGHTS, Score, series

MAX_MISSED = MAX_FALSE = 0.02


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    began_s = time.perf_counter()
    scores: dict[str, Score] = defaultdict(Score)
    for number in range(given.series):
        one = series(KINDS[number % len(KINDS)], number // len(KINDS) % 2 == 0, rng)
        scores[one.kind].add(one, rng)
    took_s = time.perf_counter() - began_s
    print(
        "| noise | series | steps | missed | told in one night | in two | later | told in all "
        "| false | re-runs a series and 100 nights |\n|" + " --- |" * 10
    )
    total = Score()
    for kind in KINDS:
        score = scores[kind]
        total.series += score.series
        total.steps += score.steps
        total.delays += score.delays
        total.false += score.false
        total.reruns += score.reruns
        print(row(kind, score))
    print(row("all", total))
    nights = total.series * NIGHTS
    print(f"\n{1e3 * took_s / nights:.2f} ms a night and series, re-runs' draws included")
    told = len(total.delays) + total.false
    is_kept = total.missed <= MAX_MISSED * total.steps and total.false <= MAX_FALSE * told
    return 0 if is_kept else 1


def row(kind: str, score: Score) -> str:
    """One line of the table."""
    told = len(score.delays) + score.false
    late = sum(delay > 2 for delay in score.delays)
    cells = [
        kind,
        str(score.series),
        str(score.steps),
        f"{score.missed} ({score.missed / max(score.steps, 1):.1%})",
        *(str(score.delays.count(nights)) for nights in (1, 2)),
        str(late),
        str(told),
        f"{score.false} ({score.false / max(told, 1):.1%})",
        f"{100 * score.reruns / (score.series * NIGHTS):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
