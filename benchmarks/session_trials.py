"""How often sessions call two copies of one model different, and how often they find 5 %.

A trial is a set of interleaved fresh processes on this machine, timed and compared as `deploy`
does. ``--aa N``: N trials of a model against itself; each one called faster or slower is wrong.
``--slower N``: N trials of a network of 20 equal layers against one of 21, which is 5 % more work,
in turns as the first and as the second variant. Beside each stands what Mann-Whitney says of the
single inferences, pooled over the same processes, as if they were independent.

A trial that is done is kept in FOLDER/trials.json and not run again.

    python benchmarks/session_trials.py FOLDER [--aa 200] [--slower 100] [--effort standard]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import nets

from edgeprune import verify
from edgeprune.agents import build, runtime
from edgeprune.artifacts.measurement import Session
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.measure import DeviceFiles, RunPlan, run
from edgeprune.recipe.efforts import EFFORTS
from edgeprune.recipe.run_table import RunTable
from edgeprune.report.statistics import compare_latency
from edgeprune.significance.rank_test import CONFIDENCE
from edgeprune.significance.shift import latency_shift

LAYERS, SIDE, CHANNELS = 20, 16, 64
TRUE_FACTOR = (LAYERS + 1) / LAYERS


def network(layers: int) -> bytes:
    """Equal pointwise convolutions, one behind the other; weights and activations fit a cache."""
    net = nets.Net()
    last = net.input(1, SIDE, SIDE, CHANNELS)
    for _ in range(layers):
        last = net.conv(last, CHANNELS)
    return bytes(net.build(last))


def measured(files: dict[str, bytes], table: RunTable, folder: Path) -> list[tuple[Session, ...]]:
    """One run of the product's stage: the sessions of each variant."""
    board = load_board("local")
    for name, tflite in files.items():
        (folder / f"{name}.tflite").write_bytes(tflite)
    pushed = DeviceFiles(
        str(build.agent(board.agent.target)),
        str(runtime.library(board.cpu.isa, board.runtime.version).path),
        board.runtime.version,
        {name: str(folder / f"{name}.tflite") for name in files},
    )
    samples = {name: verify.sample_inputs(tflite, None, 1) for name, tflite in files.items()}
    with TRANSPORTS.get("local")(board, Device("local", "local")) as transport:
        result, _ = run(transport, pushed, RunPlan(table, samples, files, lambda line: None))
    return [item.sessions for item in result.measured]


def naive_p(sides: Sequence[Sequence[Session]]) -> float:
    """Mann-Whitney over single inferences, by the normal distribution: there are thousands."""
    first, second = (
        np.array([ns for one in side for ns in one.latency_ns], dtype=float) for side in sides
    )
    ranks = np.argsort(np.argsort(np.concatenate([first, second]), kind="stable")) + 1.0
    n, m = len(first), len(second)
    score = ranks[:n].sum() - n * (n + 1) / 2 - n * m / 2
    deviation = np.sqrt(n * m * (n + m + 1) / 12)
    return 2 * (1 - statistics.NormalDist().cdf(abs(float(score / deviation))))


def trial(kind: str, number: int, table: RunTable, folder: Path) -> dict[str, Any]:
    """Runs one trial and says what it found."""
    one, other = network(LAYERS), network(LAYERS + (kind == "slower"))
    is_turned = number % 2 == 1
    files = {"dense": other, "deployed": one} if is_turned else {"dense": one, "deployed": other}
    began = time.time()
    sides = measured(files, table, folder)
    found = compare_latency(*sides)
    medians_us = [[statistics.median(s.latency_ns) / 1000 for s in side] for side in sides]
    factor = None if found.speedup is None else 1 / found.speedup
    in_turn = list(reversed(sides)) if is_turned else sides
    pooled = [statistics.median(ns for s in side for ns in s.latency_ns) for side in in_turn]
    return {
        "kind": kind,
        "effort": table.effort,
        "verdict": found.verdict,
        "should": "faster" if is_turned else "slower",
        # Of the longer network over the shorter one, whichever was which.
        "factor": factor if factor is None or not is_turned else 1 / factor,
        "ci95": None if found.ci95 is None else sorted(_turned(e, is_turned) for e in found.ci95),
        "p_value": found.p_value,
        "least_effect": found.least_effect,
        "p_value_all": latency_shift(*medians_us).p_value,
        "naive_p": naive_p(sides),
        "naive_factor": pooled[1] / pooled[0],
        "verdicts": [[s.verdict for s in side] for side in sides],
        "medians_us": [[round(m, 3) for m in side] for side in medians_us],
        "took_s": round(time.time() - began, 1),
    }


def _turned(speedup: float, is_turned: bool) -> float:
    return speedup if is_turned else 1 / speedup


def table_row(trials: Sequence[dict[str, Any]]) -> str:
    """One line of the table."""
    kind, effort = trials[0]["kind"], trials[0]["effort"]
    judged = [one for one in trials if one["verdict"] != "not measurable"]
    called = [one for one in judged if one["verdict"] != "no difference shown"]
    naive = sum(one["naive_p"] <= 1 - CONFIDENCE for one in trials)
    alone = sum(one["p_value"] <= 1 - CONFIDENCE for one in judged)
    cells = [kind, effort, f"{len(trials)}", f"{len(judged)}", f"{len(called)}", f"{alone}"]
    if kind == "slower":
        right = sum(one["verdict"] == one["should"] for one in called)
        inside = sum(one["ci95"][0] <= TRUE_FACTOR <= one["ci95"][1] for one in judged)
        factors = [one["factor"] for one in judged] or [float("nan")]
        cells += [f"{right}", f"{statistics.median(factors):.3f}", f"{inside}"]
    else:
        cells += ["-", "-", f"{sum(one['ci95'][0] <= 1 <= one['ci95'][1] for one in judged)}"]
    rejected = [v != "valid" for one in trials for side in one["verdicts"] for v in side]
    cells += [f"{naive}", f"{np.mean(rejected):.0%}"]
    return "| " + " | ".join(cells) + " |"


def print_table(kept: dict[str, dict[str, Any]]) -> None:
    """Prints a line a kind and effort."""
    print(
        "| trials of | effort | trials | judged | called different | p <= 0.05 alone "
        "| sign right | factor (median) | interval holds the truth | single runs: p <= 0.05 "
        "| sessions rejected |\n|" + " --- |" * 11
    )
    rows = sorted({(one["kind"], one["effort"]) for one in kept.values()})
    for row in rows:
        print(table_row([one for one in kept.values() if (one["kind"], one["effort"]) == row]))


def main() -> None:
    """Runs the trials that are missing, and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--aa", type=int, default=0)
    parser.add_argument("--slower", type=int, default=0)
    parser.add_argument("--effort", choices=list(EFFORTS), default="standard")
    parser.add_argument("--repeats", type=int)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    file = given.folder / "trials.json"
    kept = json.loads(file.read_text()) if file.is_file() else {}
    table = dataclasses.replace(RunTable(), effort=given.effort, repeats=given.repeats)
    for kind, count in (("aa", given.aa), ("slower", given.slower)):
        for number in range(count):
            key = f"{kind}-{given.effort}-{number:03d}"
            if key in kept:
                continue
            kept[key] = trial(kind, number, table, given.folder)
            partial = file.with_suffix(".part")
            partial.write_text(json.dumps(kept, indent=1))
            partial.replace(file)
            print(key, kept[key]["verdict"], f"{kept[key]['took_s']} s", flush=True)
    if kept:
        print_table(kept)


if __name__ == "__main__":
    main()
