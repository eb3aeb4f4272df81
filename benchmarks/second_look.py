"""What a search with few samples answers, with and without a second look while it goes on.

    python benchmarks/second_look.py [--searches 60]

Searches are simulated (``tests/auto/simulated.py``): networks are formulas, and what they lose is
seen on so many samples that choose and on as many that are reported. An answer is the first of the
five cheapest that hold which keeps the limit of one point on the reported samples too, else the
dense network. *Wrong* are answers that truly lose over 1.5 points; *flattered* is by how many
points the reported loss of an answer is too low, in the mean.
"""

import argparse
import dataclasses
import math
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from auto.simulated import SimulatedLab, searched

from edgeprune.pipeline.choosing import Counts, keeps

LIMIT, WRONG, BUDGET_S = 0.01, 0.015, 600.0


def row(samples: int, searches: int, *, looks_again: bool) -> str:
    """One row of the table."""
    savings, gaps, wrong = [], [], 0
    for seed in range(searches):
        reported = samples if looks_again else 0
        lab = SimulatedLab(seed=seed, samples=samples, reported=reported, int8_cost=1.5)
        judged = searched(lab, BUDGET_S).judged
        last = dataclasses.replace(lab, reported=samples)
        saving = 0.0
        for one in judged.holders("board", LIMIT)[:5]:
            look, true = last.look_again(one), lab.true_loss(one.node, one.mode)
            allowed = Counts(samples, samples).allowed_loss(one, LIMIT)
            if look is not None and keeps(one, allowed, look.lost, LIMIT):
                saving = judged.saving(one, "board") or 0.0
                gaps.append(true - look.lost)
                wrong += true > WRONG
                break
        savings.append(saving)
    speed, dense = math.exp(statistics.mean(savings)), searches - len(gaps)
    how = "with a second look" if looks_again else "without"
    flattered = 100 * statistics.mean(gaps)
    return f"| {samples:,} | {how} | {wrong} | {dense} | {speed:.2f}x | {flattered:.2f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=60)
    searches = parser.parse_args().searches
    print("| samples in each half | | wrong | dense | saved | flattered, points |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for samples in (100, 200, 500, 2000):
        for looks_again in (False, True):
            print(row(samples, searches, looks_again=looks_again), flush=True)


if __name__ == "__main__":
    main()
