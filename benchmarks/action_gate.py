"""How often the GitHub Action's gate finds a thousandth more instructions, and how often none.

    python benchmarks/action_gate.py [--times 10]

Runs the action's own steps (tests/action_runner.py) on the emulated Raspberry Pi 4, with its
defaults: a network against itself with one class more, and against itself. Exit code 1 where the
gate was wrong once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from action_runner import Runner, network

SIZE = 22
GIVEN = {"baseline": "base.tflite", "board": "rpi4-emulated", "comment": "false"}


def main() -> int:
    """0 where the gate was right each time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    times = parser.parse_args().times
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        runner = Runner(folder)
        for name, classes in (("base", 12), ("same", 12), ("more", 13)):
            (folder / f"{name}.tflite").write_bytes(network(classes, SIZE))
        for name, expected in (("more", 1), ("same", 0)):
            found, percents = 0, []
            for _ in range(times):
                code, printed = runner.run(model=f"{name}.tflite", **GIVEN)
                if code not in (0, 1):
                    raise SystemExit(printed)
                found += code
                percents.append(_percent(Path(runner.known["steps.measure.outputs.results"])))
            wrong += abs(found - expected * times)
            told = ", ".join(f"{percent:+.4f}%" for percent in sorted(set(percents)))
            print(f"{name}: found {found} of {times}; instructions {told}")
    return int(bool(wrong))


def _percent(results: Path) -> float:
    """How many more instructions the newer model took."""
    old, new = (
        json.loads((results / name / "result.json").read_text())["variants"][0]["instructions"]
        for name in ("base", "new")
    )
    return 100 * (new["per_inference"] / old["per_inference"] - 1)


if __name__ == "__main__":
    sys.exit(main())
