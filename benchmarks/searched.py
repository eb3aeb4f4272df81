"""What ``edgeprune deploy`` decides without a recipe, beside what was found by hand.

    python benchmarks/searched.py FOLDER [--rows mobilenet:rpi4-emulated keyword:rpi5-emulated ...]
        [--budget 10m] [--limit 1%]

Each row is one ``edgeprune deploy NET --board BOARD --data DATA --budget BUDGET``, with an empty
store of trainings. Networks are trained by Keras, as a user brings them:

- ``mobilenet``: a MobileNet-like network on 12,000 JPEG images of CIFAR-10;
- ``keyword``: MLPerf Tiny's keyword network, on digits in place of speech (see
  ``microcontroller_accuracy.py``);
- ``windows``: four convolutions in one dimension on synthetic windows of three sensors;
- ``lenet``: LeNet-5 on 20,000 digits.

``reported`` is the loss on the reported test samples, as ``deploy`` prints it;
``held out`` that on samples that the command never saw. By hand, the best
named recipe of 0.1.0 brought: ``keyword`` on rpi4-emulated 2.54x and on rpi5-emulated 3.98x, a
network like ``windows`` on rpi4-emulated 2.36x, each within a point.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import training_quality
from microcontroller_accuracy import images_of, model_of

from edgeprune.artifacts.dataset import Dataset
from edgeprune.verify import accuracy

ROWS = (
    "mobilenet:rpi4-emulated",
    "mobilenet:rpi5-emulated",
    "keyword:rpi4-emulated",
    "keyword:rpi5-emulated",
    "windows:rpi4-emulated",
    "windows:local",
)
TEST_SAMPLES = 4000
KEYWORD_SAMPLES = 12_000


def prepared(folder: Path, net: str) -> tuple[Path, Path, Dataset]:
    """A network's file, its data, and samples that no command is given."""
    model, data, rest = (folder / f"{net}{end}" for end in (".h5", ".npz", "-rest.npz"))
    if not model.exists():
        if net == "keyword":
            model.write_bytes(model_of(folder, "kws", 0, KEYWORD_SAMPLES).read_bytes())
            raw = np.load(images_of(folder, "kws", KEYWORD_SAMPLES))
            arrays = (raw[key] for key in ("x_train", "y_train", "x_test", "y_test"))
            whole = Dataset(*arrays, net)
        else:
            lab = training_quality.Lab(folder, net, 0)
            lab.node(())
            whole = lab.data
        split_apart(whole, data, rest)
    return model, data, unseen(rest)


def split_apart(whole: Dataset, data: Path, rest: Path) -> None:
    """Writes what a command is given, and samples that none is given."""
    x, y = whole.x_test, whole.y_test
    split = min(TEST_SAMPLES, len(x) // 2)
    np.savez(data, x_train=whole.x_train, y_train=whole.y_train, x_test=x[:split], y_test=y[:split])
    np.savez(rest, x_test=x[split:], y_test=y[split:])


def unseen(rest: Path) -> Dataset:
    """The samples that no command is given."""
    kept = np.load(rest)
    return Dataset(None, None, kept["x_test"], kept["y_test"], str(rest))


def row(folder: Path, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Deploys one network on one board."""
    net, _, board = name.partition(":")
    model, data, rest = prepared(folder, net)
    out = folder / f"{net}-{board}"
    if not (out / "result.json").exists():
        home = folder / f"home-{net}-{board}"
        command = [sys.executable, "-m", "edgeprune", "deploy", str(model), "--board", board]
        command += ["--data", str(data), "--budget", options.budget, "--output", str(out)]
        command += ["--max-accuracy-drop", options.limit]
        begun_s = time.monotonic()
        subprocess.run(command, check=True, env={**os.environ, "EDGEPRUNE_HOME": str(home)})
        (out / "seconds.txt").write_text(f"{time.monotonic() - begun_s:.0f}")
    result = json.loads((out / "result.json").read_text())
    scores = [
        accuracy((out / f"{name}.tflite").read_bytes(), rest) for name in ("dense", "deployed")
    ]
    dense, deployed = result["variants"][:2]
    return {
        "row": name,
        "speedup": result["comparison"]["speedup"],
        "size": dense["bytes"] / deployed["bytes"],
        "reported": dense["accuracy"]["value"] - deployed["accuracy"]["value"],
        "held out": scores[0].value - scores[1].value,
        "seconds": int((out / "seconds.txt").read_text()),
        "why": result["recipe"]["why"],
    }


def main() -> None:
    """Runs the rows that are not done, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", nargs="+", default=ROWS)
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--limit", default="1%")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found = [row(folder, name, options) for name in options.rows]
    print("| network, board | speed | size | lost, reported | lost, held out | s | what |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for one in found:
        speed = "-" if one["speedup"] is None else f"{one['speedup']:.2f}x"
        print(
            f"| {one['row']} | {speed} | {one['size']:.2f}x | {100 * one['reported']:+.2f} | "
            f"{100 * one['held out']:+.2f} | {one['seconds']} | {one['why']} |"
        )


if __name__ == "__main__":
    main()
