"""Predicted instructions per inference beside the exact count on the emulated core, worst first.

    python benchmarks/cost_accuracy.py CORE FILE.tflite...

Files run as they are: give a dense model and what ``edgeprune compress`` made of it.
"""

import sys
from pathlib import Path

from node_instructions import BOARDS, inference_instructions

from edgeprune.devices.boards import load_board
from edgeprune.prediction import explain

RUNS = 2  # inferences that are counted; two of them differ by some 100 instructions


def main() -> None:
    """Prints a line a file."""
    core, *files = sys.argv[1:]
    cpu = load_board(BOARDS[core]).cpu
    rows = []
    for file in map(Path, files):
        tflite = file.read_bytes()
        plan = explain(tflite, cpu)
        if plan.instructions is None:
            raise SystemExit(f"{file}: there is no prediction for it on {core}")
        measured = inference_instructions(tflite, core, RUNS)
        rows.append((plan.instructions / measured - 1, plan, measured, file.name))
    print("   error  predicted   measured  sparse layers  file")
    for error, plan, measured, name in sorted(rows, key=lambda row: -abs(row[0])):
        print(
            f"{error:+8.2%} {plan.instructions / 1e6:8.2f} M {measured / 1e6:8.2f} M "
            f"{len(plan.sparse):14}  {name}" + (f" (guessed: {plan.rough})" if plan.rough else "")
        )


if __name__ == "__main__":
    main()
