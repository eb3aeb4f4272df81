"""Is what ``edgeprune deploy`` decides ever worse than the network that it was given?

    python benchmarks/never_worse.py FOLDER [--rows lenet:rpi4-emulated ...] [--budget 2m]

Each row is one ``edgeprune deploy NET --board BOARD --data DATA --budget BUDGET`` without a recipe
and with an empty store of trainings, for a network of ``field_nets.py``. The answer is scored on
samples that the command never saw. Then the last line says

- how many answers lose more than the limit by more than chance: the loss less the limit is more
  than twice its standard error, which is that of the mean over 40 parts of the samples, on each of
  which both networks are scored. Of answers that lose exactly the limit one in 44 would;
- how many take more instructions than the user's network (``int8`` on microcontrollers, which run
  nothing else), by more than a thousandth. Emulated counts are exact.

Losses are points of top-1, and percent of the dense network's own score by other metrics. A row is
kept in FOLDER/rows and not run again, unless ``--again`` is given.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # twice as fast; sums differ by machine

import numpy as np
from cifar10 import SHARED
from field_nets import HELD_OUT, NETS, Net, trained

from edgeprune import verify
from edgeprune.artifacts.dataset import Dataset
from edgeprune.data import known
from edgeprune.tasks import worst_drop

PARTS = 40
SURE = 2.0
"""Standard errors beyond the limit from which chance is ruled out."""

SAME = 0.001
"""Share of instructions more that is none: other weights took 28 of 1.1 million."""

MICROCONTROLLER = "mps2-an386"
ROWS = (
    *(f"{net}:rpi4-emulated" for net in NETS),
    "keyword:rpi5-emulated",
    "windows:rpi5-emulated",
    "mobilenet-like:rpi5-emulated",
    "MobileNetV2:rpi5-emulated",
    f"keyword:{MICROCONTROLLER}",
    f"resnet8:{MICROCONTROLLER}",
    f"lenet:{MICROCONTROLLER}",
)


def prepared(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """A network's file, its data, and the samples that no command is given."""
    net = NETS[name]
    ending = ".h5" if net.flavour == "tf_keras" else ".keras"
    model = folder / f"{name}{ending}"
    data, rest = folder / f"{name}.npz", folder / f"{name}-rest.npz"
    if not rest.exists():
        x, y = net.data(folder)
        _split(net, x, y, data, rest)
    if net.build is None:
        return SHARED / "models" / "pretrainedResnet.h5", data, rest
    if not model.exists():
        arrays = np.load(data)
        trained(net, arrays["x_train"], arrays["y_train"], model)
    return model, data, rest


def _split(net: Net, x: np.ndarray, y: np.ndarray, data: Path, rest: Path) -> None:
    """Training samples come first, so that what was trained with before never scores."""
    if net.build is None:  # has seen all but the last 2,000
        end = len(x) - 2000
        order = np.concatenate([np.arange(net.trained), np.arange(end, len(x))])
        x, y = x[order], y[order]
    first, last = net.trained, net.trained + min(net.tested, (len(x) - net.trained) // 2)
    np.savez(data, x_train=x[:first], y_train=y[:first], x_test=x[first:last], y_test=y[first:last])
    np.savez(rest, x=x[last : last + HELD_OUT], y=y[last : last + HELD_OUT])


def deployed(folder: Path, row: str, options: argparse.Namespace) -> dict[str, Any]:
    """What came of a row's command; runs it where it was not."""
    kept = folder / "rows" / f"{row.replace(':', '-')}.json"
    if kept.exists() and not options.again:
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    name, _, board = row.partition(":")
    model, data, rest = prepared(folder, name)
    out, home = kept.with_suffix(""), kept.with_suffix(f".{int(time.time())}.home")
    command = [sys.executable, "-m", "edgeprune", "deploy", str(model), "--board", board]
    command += ["--data", str(data), "--budget", options.budget, "--output", str(out)]
    shutil.rmtree(out, ignore_errors=True)  # what a killed run left
    log, begun_s = kept.with_suffix(".log"), time.monotonic()
    with log.open("w") as lines:
        environment = {**os.environ, "EDGEPRUNE_HOME": str(home)}
        code = subprocess.run(
            command, stdout=lines, stderr=lines, env=environment, check=False
        ).returncode
    found = {"row": row, "seconds": time.monotonic() - begun_s}
    if code:
        said = log.read_text().strip().splitlines() or ["nothing was said"]
        found["failed"] = f"exit code {code}: {said[-1]}"
    else:
        found |= _figures(out, rest)
    kept.write_text(json.dumps(found))
    return found


def _figures(out: Path, rest: Path) -> dict[str, Any]:
    """Loss on samples that were never seen, and what the answer takes."""
    result = json.loads((out / "result.json").read_text())
    variants = {one["name"]: one for one in result["variants"]}
    answer = variants["deployed"]
    # Where nothing was changed, the answer is the dense network; microcontrollers run its int8.
    rival = variants.get("dense", answer)
    user = out / variants.get("float32", rival)["file"]
    raw = np.load(rest)
    dense, now = user.read_bytes(), (out / answer["file"]).read_bytes()
    data = known(Dataset(None, None, raw["x"], raw["y"], str(rest)), dense)
    if data.task is None:
        raise ValueError(f"{rest} says nothing of a task")
    scores = [verify.scores_by_part(one, data, PARTS) for one in (dense, now)]
    head, lost = worst_drop(data.task, scores[0][0], scores[1][0])
    parts = [
        worst_drop(data.task, {head.name: before[head.name]}, after)[1]
        for before, after in zip(scores[0][1:], scores[1][1:], strict=True)
    ]
    counts = [(one["instructions"] or {}).get("per_inference") for one in (rival, answer)]
    return {
        "metric": head.metric,
        "samples": len(raw["x"]),
        "dense": scores[0][0][head.name],
        "deployed": scores[1][0][head.name],
        "lost": lost,
        "error": float(np.std(parts, ddof=1) / math.sqrt(PARTS)),
        "instructions": counts,
        "bytes": [(out / user.name).stat().st_size, answer["bytes"]],
        "why": result["recipe"]["why"],
        "limit": 0.01,
    }


def line(found: dict[str, Any]) -> str:
    """A row of the table."""
    if "failed" in found:
        return f"| {found['row']} | FAILS | | | | | {found['seconds']:.0f} | {found['failed']} |"
    before, after = found["instructions"]
    speed = f"{before / after:.2f}x" if before and after else "not measured"
    is_share = found["metric"] != "mse"
    scores = [
        f"{100 * found[key]:.2f} %" if is_share else f"{found[key]:.5f}"
        for key in ("dense", "deployed")
    ]
    return (
        f"| {found['row']} | {found['metric']} {scores[0]} | {scores[1]} | "
        f"{100 * found['lost']:+.2f} ± {100 * found['error']:.2f} | {speed} | "
        f"{found['bytes'][0] / found['bytes'][1]:.2f}x | {found['seconds']:.0f} | {found['why']} |"
    )


def is_worse(found: dict[str, Any]) -> bool:
    """Whether an answer loses more than the limit by more than chance."""
    return bool(found["lost"] - found["limit"] > SURE * found["error"])


def is_slower(found: dict[str, Any]) -> bool:
    """Whether an answer takes more instructions than the user's network."""
    before, after = found["instructions"]
    return bool(before and after and after > (1 + SAME) * before)


def main() -> None:
    """Runs the rows that are not done, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", nargs="+", default=ROWS)
    parser.add_argument("--budget", default="2m")
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit("the images are not at hand: nothing measured")
    folder = options.folder.resolve()
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    print("| network, board | dense | answer | lost, held out | speed | size | s | what |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    rows = []
    for name in options.rows:
        rows.append(deployed(folder, name, options))
        print(line(rows[-1]), flush=True)
    done = [one for one in rows if "failed" not in one]
    beyond = [one for one in done if one["lost"] > one["limit"]]
    print(
        f"{len(done)} of {len(rows)} answered; more than the limit is lost by "
        f"{sum(map(is_worse, done))} beyond chance ({len(beyond)} at all); "
        f"{sum(map(is_slower, done))} are slower than dense"
    )


if __name__ == "__main__":
    main()
