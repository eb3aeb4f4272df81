"""How often ``explain`` and ``sparsify`` are wrong, over random graphs on the emulated board.

Every graph runs on the emulated Cortex-A72 under each supported release of LiteRT, once with all
filters stored sparse (raw), once as ``sparsify`` stores it (emitted), and once after every pass of
the rewrite stage, whether or not it pays (rewritten). Outputs are compared with
the host's reference kernels, and the layers that ran sparse with those that ``explain`` names.

    python benchmarks/never_wrong.py --graphs 2000 --first-seed 0

A graph is made again from its seed, which is printed with every failure. A graph that a release
gets wrong with dense weights too is counted apart: no storage of weights can help it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import random_nets
import sweep

from edgeprune.prediction.xnnpack.releases import RELEASES

TABLE_EVERY = 100  # graphs

ROWS = (
    "graphs",
    "raw with sparse kernels",
    "emitted with sparse kernels",
    "raw wrong",
    "raw wrong, detected",
    "raw wrong, UNDETECTED",
    "raw right, called wrong",
    "emitted WRONG",
    "rewritten with sparse kernels",
    "rewritten WRONG",
    "wrong with dense weights too",
    "raw MISMATCHES",
    "emitted MISMATCHES",
    "rewritten MISMATCHES",
)


def count(verdict: sweep.Verdict) -> Counter[str]:
    """What one verdict adds to the table."""
    raw, emitted, rewritten = verdict.raw, verdict.emitted, verdict.rewritten
    is_hopeless = verdict.dense is not None and not verdict.blames_sparsity
    blamed = raw.is_wrong and verdict.blames_sparsity
    return Counter(
        {
            "graphs": 1,
            "raw with sparse kernels": bool(raw.sparse),
            "emitted with sparse kernels": bool(emitted.sparse),
            "raw wrong": blamed,
            "raw wrong, detected": blamed and bool(raw.wrong),
            "raw wrong, UNDETECTED": blamed and not raw.wrong,
            "raw right, called wrong": not raw.is_wrong and bool(raw.wrong),
            "emitted WRONG": emitted.is_wrong and verdict.blames_sparsity,
            "rewritten with sparse kernels": rewritten is not None and bool(rewritten.sparse),
            "rewritten WRONG": (
                rewritten is not None and rewritten.is_wrong and verdict.blames_sparsity
            ),
            "wrong with dense weights too": is_hopeless,
            "raw MISMATCHES": raw.mismatch,
            "emitted MISMATCHES": emitted.mismatch,
            "rewritten MISMATCHES": rewritten is not None and rewritten.mismatch,
        }
    )


def show(totals: dict[str, Counter[str]]) -> None:
    """Prints the table so far."""
    print(f"{'':30}" + "".join(f"{name:>9}" for name in totals))
    for row in ROWS:
        print(f"{row:30}" + "".join(f"{total[row]:9}" for total in totals.values()), flush=True)


def main() -> int:
    """Prints failures as they come, and tables; returns 1 if there was a failure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--graphs", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--releases", nargs="+", default=list(RELEASES), choices=list(RELEASES))
    arguments = parser.parse_args()
    totals = {name: Counter[str]() for name in arguments.releases}
    failed, start = 0, time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        boards = [
            stack.enter_context(sweep.board(name, RELEASES[name].first, folder))
            for name in arguments.releases
        ]
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.graphs):
            dense = random_nets.random_graph(random.Random(seed))
            for name, verdict in sweep.check(dense, boards, seed).items():
                totals[name] += count(verdict)
                for failure in verdict.failures():
                    failed += 1
                    print(f"seed {seed}, release {name}: {failure}", flush=True)
            if (seed + 1 - arguments.first_seed) % TABLE_EVERY == 0:
                show(totals)
    show(totals)
    print(f"{failed} failures; {time.monotonic() - start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
