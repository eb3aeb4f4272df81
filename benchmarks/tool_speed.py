"""What the tool itself takes: ``--help``, and deploy's stages beyond conversion and measuring.

Usage: python benchmarks/tool_speed.py MODEL [BOARD]
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5
IMPORTS = "from edgeprune.models.keras.flavours import import_keras as i; i('keras'); i('tf_keras')"
NOT_THE_TOOL = ("convert", "convert pruned", "run")


def seconds(argv: list[str], folder: Path) -> tuple[float, str]:
    """Wall time of a command and what it wrote to stderr."""
    start = time.monotonic()
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, timeout=600)
    return time.monotonic() - start, done.stderr


def main() -> None:
    """Prints medians over five runs."""
    model, board = Path(sys.argv[1]).resolve(), (sys.argv[2:] or ["local"])[0]
    python = [sys.executable]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        helps = [seconds([*python, "-m", "edgeprune", "--help"], folder)[0] for _ in range(RUNS)]
        empty = [seconds([*python, "-c", "import numpy"], folder)[0] for _ in range(RUNS)]
        imports = [seconds([*python, "-c", IMPORTS], folder)[0] for _ in range(RUNS)]
        deploy = [*python, "-m", "edgeprune", "deploy", str(model), "--board", board]
        totals, others = [], []
        for k in range(RUNS):
            total, log = seconds([*deploy, "--output", str(folder / str(k))], folder)
            stages = {
                match[1].strip(): float(match[2])
                for match in re.finditer(r"^([a-z ]+?) +([0-9.]+) s$", log, re.MULTILINE)
            }
            totals.append(total)
            others.append(total - sum(stages[stage] for stage in NOT_THE_TOOL))
    middle = statistics.median
    print(f"edgeprune --help                             {middle(helps):6.2f} s")
    print(f"python importing numpy                       {middle(empty):6.2f} s")
    print(f"python importing both Kerases                {middle(imports):6.2f} s")
    print(f"deploy {model.name} to {board}, whole        {middle(totals):6.2f} s")
    print(f"  without conversion and measuring           {middle(others):6.2f} s")
    print(f"  and without the imports                    {middle(others) - middle(imports):6.2f} s")


if __name__ == "__main__":
    main()
