"""``edgeprune search`` on four works and four boards, beside the best that one named recipe brings.

    python benchmarks/four_works.py FOLDER [--nets keyword lenet mobilenet resnet8] [--seeds 0 1 2]
        [--boards rpi4-emulated rpi5-emulated local mps2-an386] [--budget 15m] [--limit 1%]

One search serves all boards of a network and seed; its seed is that of all trainings. Beside it
each recipe of 0.1.0 by itself is deployed to each board: ``int8`` (the quantizer's own full
integers), ``int8-weights`` (the quantizer's weights alone), ``fp16``, ``deep-compression``, and
80 % zeros in the board's pattern with the default training. Networks are those of ``searched.py``,
and MLPerf Tiny's trained ResNet-8.

Every file is scored on samples that no command was given. ``beside`` is what the dense network
loses or gains there when it is itself trained as long as one network of a search is, with other
views of the images (``tune``). A recipe counts as a rival where it loses at most the limit there.
``cheaper`` and ``smaller`` are ratios of time (instructions on emulated boards, measured time on
``local``) and of bytes to the best rival's, the dense network among them. Rows that are done are
kept in FOLDER and not run again.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import training_quality
from cifar10 import SHARED
from searched import prepared, split_apart, unseen

from edgeprune.artifacts.dataset import Dataset
from edgeprune.searching.front import read_front
from edgeprune.verify import accuracy

NETS = ("keyword", "lenet", "mobilenet", "resnet8")
BOARDS = ("rpi4-emulated", "rpi5-emulated", "local", "mps2-an386")
ZEROS = ("--sparsity", "0.8")
RECIPES = {
    "int8": ("--recipe", "int8"),
    "int8-weights": ("--recipe", "as-is", "--quantize", "int8-weights"),
    "fp16": ("--recipe", "fp16", "--sparsity", "0"),
    "80 % zeros": ZEROS,
    "deep-compression": ("--recipe", "deep-compression"),
}
ON_FIRMWARE = ("int8", "80 % zeros")
"""Of these, what firmware can run."""

UNTRAINED = ("int8", "int8-weights", "fp16")
"""Of these, what no seed changes: it is deployed once."""

SHORT = ("--sessions", "1", "--runs", "3")


@dataclasses.dataclass(frozen=True)
class File:
    """One file on one board.

    Attributes:
        what: How it was made.
        time: Of an inference.
        bytes: Of the file or the plan.
        lost: Beside the dense network, as a share of 1, on samples that no command was given.
    """

    what: str
    time: float | None
    bytes: int
    lost: float


def given(folder: Path, net: str) -> tuple[Path, Path, Dataset]:
    """A network's file, its data, and samples that no command is given."""
    if net != "resnet8":
        return prepared(folder, net)
    data, rest = folder / "resnet8.npz", folder / "resnet8-rest.npz"
    if not data.exists():
        split_apart(training_quality.samples(folder, net), data, rest)
    return SHARED / "models" / "pretrainedResnet.h5", data, unseen(rest)


class Work:
    """One network, one seed.

    Args:
        folder: Of everything.
        net: Which network.
        seed: Of trainings.
        options: Of the command line.
    """

    def __init__(self, folder: Path, net: str, seed: int, options: argparse.Namespace) -> None:
        self.model, self.data, self.rest = given(folder, net)
        self.net, self.seed, self.options = net, seed, options
        self.folder, self.shared = folder / f"{net}-{seed}", folder / net
        for one in (self.folder, self.shared):
            one.mkdir(exist_ok=True)

    def command(self, *words: str | Path) -> int:
        """Runs one command of edgeprune; its exit code."""
        line = [sys.executable, "-m", "edgeprune", *map(str, words)]
        home = {"EDGEPRUNE_HOME": str(self.folder / "home")}
        print("$", " ".join(line[2:]), file=sys.stderr, flush=True)
        return subprocess.run(line, check=False, env=os.environ | home).returncode

    def lost(self, file: Path, dense: Path) -> float:
        """What a file lost on samples that no command was given."""
        scores = [accuracy(one.read_bytes(), self.rest).value for one in (dense, file)]
        return scores[0] - scores[1]

    def searched(self) -> Path:
        """Where the search wrote."""
        out, options = self.folder / "search", self.options
        if not (out / "front.json").exists() or not read_front(out).is_complete:
            boards = [word for board in BOARDS for word in ("--board", board)]
            words = ["search", self.model, "--data", self.data, *boards, "--seed", str(self.seed)]
            words += ["--budget", options.budget, "--max-accuracy-drop", options.limit]
            code = self.command(*words, *SHORT, "-o", out)
            if code not in (0, 1):
                sys.exit(f"the search of {self.net} ended with {code}")
        return out

    def found(self, board: str) -> File:
        """What the search recommends for a board."""
        front = read_front(self.searched()).board(board)
        point, out = front.chosen, self.folder / "search"
        if point is None or point.file is None or front.dense is None:
            return File(front.sentence, 1.0, 0, 0.0)
        self.by_recipe(board, "int8")  # beside which lies the dense network
        dense = self.shared / f"{board}-int8" / "dense.tflite"
        time = 1 / point.speedup if point.speedup else None
        return File(point.what, time, point.figures.bytes, self.lost(out / point.file, dense))

    def by_recipe(self, board: str, name: str) -> File | None:
        """What one recipe brings on a board; None where it cannot be had."""
        whose = self.shared if name in UNTRAINED else self.folder
        out = whose / f"{board}-{name.replace(' % ', '-')}"
        kept = out.with_suffix(".json")
        if not kept.exists():
            words = ["deploy", self.model, "--data", self.data, "--board", board, *RECIPES[name]]
            code = self.command(*words, *SHORT, "-o", out)
            row: dict[str, Any] | None = None
            if code == 0:
                result = json.loads((out / "result.json").read_text())
                speedup = result["comparison"]["speedup"]
                row = dataclasses.asdict(
                    File(
                        name,
                        1 / speedup if speedup else None,
                        result["variants"][1]["bytes"],
                        self.lost(out / "deployed.tflite", out / "dense.tflite"),
                    )
                )
            kept.write_text(json.dumps(row))
        row = json.loads(kept.read_text())
        return None if row is None else File(**row)

    def row(self, board: str) -> str:
        """The table's row of a board."""
        limit = float(self.options.limit.rstrip("%")) / 100
        ours = self.found(board)
        names = ON_FIRMWARE if board.startswith("mps") else tuple(RECIPES)
        rivals = [one for name in names if (one := self.by_recipe(board, name)) is not None]
        equal = [one for one in rivals if one.lost <= limit]
        times = {one.what: one.time for one in equal if one.time} | {"dense": 1.0}
        sizes = {one.what: one.bytes for one in equal}
        fastest = min(times, key=times.__getitem__)
        smallest = min(sizes, key=sizes.__getitem__, default="")
        cheaper = f"{times[fastest] / ours.time:.2f}x ({fastest})" if ours.time else "-"
        smaller = f"{sizes[smallest] / ours.bytes:.2f}x ({smallest})" if smallest else "-"
        speed = f"{1 / ours.time:.2f}x" if ours.time else "-"
        cells = (self.net, board, str(self.seed), ours.what, speed, f"{100 * ours.lost:+.2f}")
        return f"| {' | '.join((*cells, cheaper, smaller))} |"


def beside(folder: Path, net: str, seed: int) -> str:
    """What the dense network gains when it is trained as long as one network of a search is."""
    if net == "keyword":
        return "-"
    steps_an_epoch = training_quality.TRAINED[net] / 64
    epochs = max(1, round(1900 / steps_an_epoch))
    lab = training_quality.Lab(folder, net, seed)
    chain = (f"tune::{epochs}:2e-3:0",)
    before = training_quality.outputs_at(lab.node(()).keras, lab.data.x_test)[0]
    after = training_quality.outputs_at(lab.node(chain).keras, lab.data.x_test)[0]
    scores = [float((one.argmax(-1) == lab.data.y_test).mean()) for one in (before, after)]
    return f"{net}, seed {seed}: {100 * scores[0]:.2f} % as it comes, {100 * scores[1]:.2f} % tuned"


def main() -> None:
    """Runs what is not done, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--budget", default="15m")
    parser.add_argument("--limit", default="1%")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows, tuned = [], []
    for seed in options.seeds:
        for net in options.nets:
            work = Work(folder, net, seed, options)
            for board in options.boards:
                rows.append(work.row(board))
                print(rows[-1], flush=True)
            tuned.append(beside(folder, net, seed))
    print("| network | board | seed | what | speed | lost, held out | cheaper | smaller |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))
    print("\n".join(line for line in tuned if line != "-"))


if __name__ == "__main__":
    main()
