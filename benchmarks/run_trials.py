"""How often `compare` calls two runs of one file different, and how often it finds 5 %.

Runs of one network (``base``) and of the same with 5 % more work (``slow``: 21 equal layers in
place of 20) follow each other on this machine, with a pause between them, as `edgeprune run
--control` makes them; now and then both are measured side by side, and ``base`` beside a copy of
itself. Then pairs of runs that lie apart in time are compared as `edgeprune compare` does, with the
control and as if there were none. The noise from run to run comes from the runs before the later
one of each pair, as it would on that night. What is measured stays in FOLDER and is added to.

    python benchmarks/run_trials.py FOLDER --minutes 60 [--pause 12] [--apart 5] [--in-turns]

With ``--in-turns`` nothing but side by side is measured and judged.

Beside other programs, give the runs the core: `chrt -f 1 python benchmarks/run_trials.py ...`.
Exit code 1: a promise is not kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from session_trials import network

from edgeprune import history
from edgeprune.history.result import known
from edgeprune.history.run import Run
from edgeprune.report.compare import Change, compare
from edgeprune.report.run_noise import METRIC
from edgeprune.significance.run_noise import RunNoise, run_noise

LAYERS = {"base": 20, "slow": 21, "same": 20, "control": 8}
IN_TURNS = (("base", "slow"), ("base", "same"))
ROUND = (("base",), ("base",), ("slow",), *IN_TURNS)
"""What is measured one after the other, again and again."""

SAME_PAIRS, OTHER_PAIRS, SEED = 200, 50, 0


def measure(
    folder: Path,
    what: Sequence[Sequence[str]],
    minutes: float,
    pause_s: float,
    timing: Sequence[str],
) -> None:
    """Makes runs until the time is over."""
    for name, layers in LAYERS.items():
        (folder / f"{name}.tflite").write_bytes(network(layers))
    out, end_s = folder / "out", time.monotonic() + 60 * minutes
    for names in itertools.cycle(what):
        if time.monotonic() >= end_s:
            return
        files = [str(folder / f"{name}.tflite") for name in names]
        if len(files) == 1:
            files += ["--control", str(folder / "control.tflite")]
        command = [sys.executable, "-m", "edgeprune", "run", *files, "--board", "local", *timing]
        subprocess.run([*command, "--output", str(out)], capture_output=True, timeout=600)
        shutil.rmtree(out, ignore_errors=True)
        time.sleep(pause_s)


def recorded() -> tuple[dict[str, list[Run]], list[tuple[Run, Run]]]:
    """The valid runs by file, oldest first, without those side by side; and those in pairs."""
    alone: dict[str, list[Run]] = defaultdict(list)
    sittings: dict[str, list[Run]] = defaultdict(list)
    for run in reversed(history.runs(10**6)):
        name = Path(run.model_path).stem
        if (sitting := known(run.result.sitting)) is not None:
            sittings[sitting].append(run)
        elif run.result.validity.verdict == "valid":
            alone[name].append(run)
    pairs = [(runs[0], runs[1]) for runs in sittings.values() if len(runs) == 2]
    return alone, pairs


def noise_before(first: Run, second: Run, control: str) -> RunNoise:
    """What the device's history says of its noise at the later of two runs, without them."""
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    ids, place = {first.id, second.id}, (second.board, second.device)
    for repeat in history.ratios(*place) if control else history.repeats(*place, METRIC):
        if repeat.run_id < max(ids) and repeat.run_id not in ids:
            groups[repeat.file_sha256, repeat.conditions].append(repeat.value)
    return dataclasses.replace(run_noise(groups.values()), control=control)


def latency(first: Run, second: Run, noise: RunNoise | None) -> Change:
    """What became of the time of the measured file from one run to the other."""
    one = first.result.model.path
    model = second.result.model
    base = first.result
    if model.path != one:  # another file of the same model, as a retrained one is
        from msgspec.structs import replace

        base = replace(base, model=replace(base.model, path=model.path))
    changes = compare(base, second.result, noise)
    return next(change for change in changes if change.metric == METRIC)


def apart(runs: Sequence[Run], others: Sequence[Run], minutes: float) -> list[tuple[Run, Run]]:
    """All pairs of two lists whose runs lie that far apart, in a random order."""
    pairs = [
        (one, other)
        for one in runs
        for other in others
        if one.id != other.id and (runs is not others or one.id < other.id)
        if abs(_time_s(other) - _time_s(one)) >= 60 * minutes
    ]
    random.Random(SEED).shuffle(pairs)
    return pairs


def _time_s(run: Run) -> float:
    return datetime.fromisoformat(run.time_utc).timestamp()


def verdicts(
    pairs: Sequence[tuple[Run, Run]], count: int, control: str = "", *, in_turns: bool = False
) -> Counter:
    """Verdicts of the first pairs for which the noise is known."""
    found: Counter[str] = Counter()
    for pair in pairs:
        noise = None if in_turns else noise_before(*pair, control)
        if noise is not None and not noise.is_known:
            continue
        found[latency(*pair, noise).verdict] += 1
        if found.total() == count:
            break
    return found


def row(what: str, found: Counter, hit: Sequence[str], low: float, high: float) -> bool:
    """Prints a line of the table; whether the promise is kept."""
    judged = found.total()
    share = sum(found[verdict] for verdict in hit) / judged if judged else float("nan")
    is_kept = judged > 0 and low <= share <= high
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(found.items()))
    mark = "" if is_kept else ": BROKEN"
    print(f"| {what} | {judged} | {said} | {share:.1%} | {low:.0%} to {high:.0%}{mark} |")
    return is_kept


def main() -> int:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--pause", type=float, default=12.0, help="seconds between runs")
    parser.add_argument("--apart", type=float, default=5.0, help="minutes between compared runs")
    parser.add_argument("--effort", default="quick")
    parser.add_argument("--sessions", default="", help="fresh processes a file, not the effort's")
    parser.add_argument("--in-turns", action="store_true", help="nothing but side by side")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    os.environ["EDGEPRUNE_HOME"] = str(given.folder.resolve() / "home")
    timing = ["--effort", given.effort]
    timing += ["--sessions", given.sessions] if given.sessions else []
    what = IN_TURNS if given.in_turns else ROUND
    measure(given.folder, what, given.minutes, given.pause, timing)
    alone, in_turns = recorded()
    by_other = {
        name: [pair for pair in in_turns if Path(pair[1].model_path).stem == name]
        for name in ("slow", "same")
    }
    for name, runs in sorted(alone.items()):
        noise = run_noise([[run.result.deployed.median_us or 0.0 for run in runs]])
        print(f"{name}: {len(runs)} valid runs, scatter {noise.scale:.2%}")
    found = ("better", "worse")
    print("| pairs of runs | judged | verdicts | share found different | promised |")
    print("| --- | --- | --- | --- | --- |")
    kept = []
    if not given.in_turns:
        same = apart(alone["base"], alone["base"], given.apart)
        other = apart(alone["base"], alone["slow"], given.apart)
        kept = [
            row(f"{what}, apart in time, {beside}", verdicts(pairs, count, control), hit, *promise)
            for control, beside in (("", "no control"), ("control.tflite", "beside a control"))
            for what, pairs, count, hit, promise in (
                ("of one file", same, SAME_PAIRS, found, (0.0, 0.02)),
                ("5 % more work", other, OTHER_PAIRS, ("worse",), (0.8, 1.0)),
            )
        ]
    slower, copies = (
        verdicts(pairs, max(1, len(pairs)), in_turns=True) for pairs in by_other.values()
    )
    kept += [
        row("5 % more work, side by side", slower, ("worse",), 0.95, 1.0),
        row("of one file, side by side", copies, found, 0.0, 0.02),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
