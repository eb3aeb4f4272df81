"""One night of a small real farm, with the phone pulled in the middle of its second job.

    python benchmarks/farm_small.py FOLDER_WITH_MODELS [--away 100] [--keep FOLDER]

This machine, an emulated Raspberry Pi 4, a Pi behind a real sshd, a phone behind a real adb server,
and both emulated microcontrollers run the models of the folder (``*.tflite``, ``*.h5``); int8 files
run everywhere, the others on Linux and the phone. The phone's adbd is killed while it measures, and
comes back after ``--away`` seconds. Judged from what agents wrote down, and from the history. Needs
root.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from farm_rig import Farm, small_farm

from edgeprune.models.tflite import graph

LINUX = ("local", "rpi4-emulated", "lab-pi", "lab-phone")
MICROCONTROLLERS = ("mps2-an386", "mps3-an547")
PATIENCE_S = 3 * 3600.0


def main() -> int:
    """Runs the night and judges it; exit code 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("--away", type=float, default=100.0, help="seconds without the phone")
    parser.add_argument("--keep", type=Path, help="copy the farm's folder to there")
    given = parser.parse_args()
    with small_farm() as farm:
        plan = written_plan(farm.folder, given.models)
        begun_s = time.monotonic()
        code, pulled = night(farm, plan, given.away)
        took_s = time.monotonic() - begun_s
        print((farm.folder / "log").read_text())
        faults = farm.faults() + [f"left running: {line}" for line in farm.left_running()]
        report(farm, code, took_s, pulled)
        if given.keep is not None:
            shutil.copytree(farm.folder, given.keep, ignore=shutil.ignore_patterns("cache"))
    for line in faults:
        print(f"FAULT {line}")
    return 1 if faults or code not in (0, 1) else 0


def written_plan(folder: Path, models: Path) -> Path:
    """The night's plan: int8 files as they are everywhere, others as each board's recipe says."""
    small, others = [], []
    for file in sorted((*models.glob("*.tflite"), *models.glob("*.h5"))):
        (small if file.suffix == ".tflite" and _is_int8(file) else others).append(str(file))
    plan = folder / "night.toml"
    plan.write_text(
        f"""time_budget = "30m"
[golden]
model = {small[0]!r}
band = 0.5                 # this machine does much else
[[jobs]]
models = {small!r}
boards = {[*LINUX, *MICROCONTROLLERS]!r}
recipes = ["as-is"]
sessions = 1
[[jobs]]
models = {others!r}
boards = {[*LINUX]!r}
sessions = 1
"""
    )
    return plan


def _is_int8(file: Path) -> bool:
    subgraph = graph.view(graph.opened(file.read_bytes())).subgraphs[0]
    return all(subgraph.tensors[int(number)].type == 9 for number in subgraph.inputs)


def night(farm: Farm, plan: Path, away_s: float) -> tuple[int, list[tuple[str, str]]]:
    """Runs it, and pulls the phone: the farm's exit code, and job and model of what ran there."""
    process = farm.start(plan, log=farm.folder / "log")
    end_s = time.monotonic() + PATIENCE_S
    under_way = (
        "SELECT j.job, j.model_path FROM farm_attempts a JOIN farm_jobs j ON j.job = a.job "
        "WHERE a.device = 'phone' AND a.ended_ms IS NULL AND j.kind = 'measure' AND (SELECT "
        "count(*) FROM farm_attempts WHERE device = 'phone' AND outcome = 'done') > 1"
    )
    while not (pulled := farm.asked(under_way)) and process.poll() is None:
        time.sleep(0.2)
    time.sleep(5.0)
    farm.pull_phone()
    print(f"the phone is pulled in the middle of {Path(pulled[0][1]).name}", flush=True)
    time.sleep(away_s)
    farm.start_phone()
    print("the phone is plugged in", flush=True)
    return process.wait(max(1.0, end_s - time.monotonic())), pulled


def report(farm: Farm, code: int, took_s: float, pulled: list[tuple[str, str]]) -> None:
    """Prints what became of everything."""
    print(f"exit code {code} after {took_s:.0f} s")
    rows = farm.asked(
        "SELECT a.device, sum(a.outcome = 'done' AND j.kind = 'measure'), "
        "sum(a.outcome = 'done' AND j.kind = 'golden'), sum(a.outcome <> 'done'), "
        "sum(a.ended_ms - a.began_ms) / 1000 FROM farm_attempts a JOIN farm_jobs j "
        "ON j.job = a.job GROUP BY 1"
    )
    print("| device | jobs done | golden | attempts without result | busy, s |")
    print("| --- | --- | --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(farm.asked("SELECT kind, state, count(*) FROM farm_jobs GROUP BY 1, 2"))
    for job, model in pulled:
        print(f"what ran on the pulled phone, {Path(model).name}:")
        columns = "began_ms, ended_ms, outcome, message"
        asked = f"SELECT {columns} FROM farm_attempts WHERE job = '{job}' ORDER BY began_ms"
        for row in farm.asked(asked):
            print(f"  {row}")
    for row in farm.asked("SELECT device, kind, message FROM farm_events ORDER BY id"):
        print(f"event: {row}")
    served = {device: len(log) for device, log in farm.agents_logs().items()}
    print(f"entries in agents' logs: {served}")


if __name__ == "__main__":
    sys.exit(main())
