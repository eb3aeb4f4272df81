"""Every architecture through the whole of ``edgeprune deploy`` at 90 %, with its outputs compared.

Random weights, Keras 2 and Keras 3, emulated Cortex-A72. A line a model: instructions, layers that
ran sparse, how far outputs on the board are from the host's, and what the report says of the
rewrite.

    python benchmarks/deploy_all.py FOLDER [ARCHITECTURE ...]
"""

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from prediction import FLAVOURS
from stock_models import ARCHITECTURES, application

BOARD = "rpi4-emulated"
OPTIONS = ("--sparsity", "0.9", "--pattern", "kernel", "--quantize", "none")


def deployed(model: Path, output: Path) -> tuple[dict[str, Any], str]:
    """Result of the command that a user would type, and the report's line on the rewrite."""
    argv = [sys.executable, "-m", "edgeprune", "deploy", str(model), "--board", BOARD, *OPTIONS]
    argv += ["--output", str(output), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=7200)
    if done.returncode:
        raise SystemExit(f"{model}: exit code {done.returncode}: {done.stderr.splitlines()[-1]}")
    report = (output / "report.txt").read_text()
    lines = [line for line in report.splitlines() if "rewrite:" in line]
    return json.loads(done.stdout), " ".join(lines).strip("- ")


def main() -> None:
    """Prints a line a model."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for flavour, suffix in FLAVOURS.items():
        keras = __import__(flavour)
        for name, size in ARCHITECTURES.items():
            if sys.argv[2:] and name not in sys.argv[2:]:
                continue
            saved, output = folder / f"{name}-{flavour}{suffix}", folder / f"{name}-{flavour}"
            if output.exists():
                continue
            application(keras, name, size).save(saved)
            keras.backend.clear_session()
            gc.collect()
            result, remark = deployed(saved, output)
            dense, last = result["variants"][0], result["variants"][-1]
            counts = [v["instructions"]["per_inference"] / 1e6 for v in (dense, last)]
            parity = last["parity"]
            print(
                f"{name:17} {flavour:8} {counts[0]:8.2f} M -> {counts[1]:8.2f} M "
                f"{counts[0] / counts[1]:5.2f}x, {last['sparse_layers_run']} sparse, outputs "
                f"within {parity['max_abs_diff']:.1e} on {parity['samples']} inputs, "
                f"{result['validity']['verdict']}; {remark}",
                flush=True,
            )


if __name__ == "__main__":
    main()
