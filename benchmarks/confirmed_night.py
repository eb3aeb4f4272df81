"""Nights of a real farm: a file with 5 % more work is told in its first night, after a SIGKILL too.

Some nights measure one network, by its time on this machine and by its instructions on an emulated
Raspberry Pi 4; then a file of the same name has 21 equal layers in place of 20. In that night the
farm is killed while it measures old and new side by side, and started again. The nights before and
behind tell nothing. Everything stays in FOLDER.

    python benchmarks/confirmed_night.py FOLDER [--nights 7]

Beside other programs, give the runs the core: `chrt -f 1 python benchmarks/confirmed_night.py ...`.
Exit code 1: something was told that is not so, or was not told.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from session_trials import network

PLAN = """
[[jobs]]
models = ["net.tflite"]
boards = ["local", "rpi4-emulated"]
recipes = ["as-is"]
effort = "quick"
"""

BASE, SLOW = 20, 21
KILL_WAIT_S = 300.0
IS_CONFIRMING = """SELECT count(*) FROM farm_jobs j JOIN farm_attempts a ON a.job = j.job
WHERE j.kind = 'confirm' AND a.ended_ms IS NULL"""


def main() -> int:
    """Runs the nights, and says what was told."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nights", type=int, default=7, help="before the file changes")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["EDGEPRUNE_HOME"] = str(folder / "home")
    os.environ.setdefault("EDGEPRUNE_CACHE", str(folder / "cache"))
    (folder / "lock").mkdir(exist_ok=True)
    os.environ["EDGEPRUNE_LOCK_FOLDER"] = str(folder / "lock")  # other farms' leases are not ours
    (folder / "plan.toml").write_text(PLAN)
    kept = True
    for number in range(given.nights):
        kept &= quiet(folder, f"plan {number + 1}", BASE)
    kept &= slower(folder, f"plan {given.nights + 1}")
    return 0 if kept & quiet(folder, f"plan {given.nights + 2}", SLOW) else 1


def quiet(folder: Path, night: str, layers: int) -> bool:
    """A night in which nothing is to be told."""
    (folder / "net.tflite").write_bytes(network(layers))
    code = started(folder, night).wait(1800)
    changes = told(night)
    print(f"{night}: {layers} layers, exit code {code}, {shown(changes)}", flush=True)
    return code == 0 and not any(one["verdict"] in ("worse", "better") for one in changes)


def slower(folder: Path, night: str) -> bool:
    """The night in which the file is slower, and the farm is killed while it makes sure."""
    (folder / "net.tflite").write_bytes(network(SLOW))
    first = started(folder, night)
    end_s = time.monotonic() + KILL_WAIT_S
    while time.monotonic() < end_s and first.poll() is None and not asked(folder, IS_CONFIRMING):
        time.sleep(0.2)
    was_confirming = first.poll() is None
    time.sleep(3)
    first.send_signal(signal.SIGKILL)
    first.wait(30)
    code = started(folder, night).wait(1800)
    changes = told(night)
    killed = "killed while it measured again" if was_confirming else "not killed"
    print(f"{night}: {SLOW} layers, {killed}, exit code {code}, {shown(changes)}", flush=True)
    worse = {one["metric"] for one in changes if one["verdict"] == "worse"}
    return was_confirming and code == 1 and worse == {"latency_us", "instructions"}


def started(folder: Path, night: str) -> subprocess.Popen[bytes]:
    """A night that runs."""
    argv = [sys.executable, "-m", "edgeprune", "farm", "run", str(folder / "plan.toml")]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen([*argv, "--night", night], stdout=log, stderr=log)


def told(night: str) -> list[dict[str, Any]]:
    """What the morning says of changes."""
    argv = [sys.executable, "-m", "edgeprune", "farm", "report", "--night", night, "--json"]
    done = subprocess.run(argv, capture_output=True, timeout=120)
    changes: list[dict[str, Any]] = json.loads(done.stdout)["changes"]
    return changes


def shown(changes: list[dict[str, Any]]) -> str:
    """Changes in words."""
    words = [
        f"{one['metric']} {one['percent']:+.1f} % {one['verdict']}"
        + (f" ({one['open_reason']})" if one["open_reason"] else "")
        for one in changes
    ]
    return ", ".join(words) or "nothing told"


def asked(folder: Path, question: str) -> int:
    """A number out of the history."""
    with contextlib.suppress(sqlite3.OperationalError):
        file = folder / "home" / "history.sqlite"
        with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection:
            return int(connection.execute(question).fetchone()[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
