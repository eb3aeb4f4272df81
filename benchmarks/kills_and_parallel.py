"""Whether anything that was measured is ever lost: runs killed at random moments, and many at once.

    python benchmarks/kills_and_parallel.py [--kills 30] [--parallel 20] [--seed 0]

Kills: `edgeprune run` (every third time `deploy`) of a small model on this machine, ended by
SIGKILL, SIGTERM, SIGINT or SIGHUP to the process alone at a random moment of its life, of every
second one of the 0.4 s after its result is there, one after the other in one folder; then one more
run, which is left alone. Lost is a folder whose result is missing or damaged, a result that is not
in the history exactly once, a row whose folder is missing. Left behind are hidden
files, temporary files and processes, a held lock among them.

Parallel: as many runs at once in one folder without --output, half of them a second later.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import nets

from edgeprune import history
from edgeprune.errors import ConfigError
from edgeprune.history.result_file import json_text, read_result

RUN = ("run", "m.tflite", "--board", "local", "--sessions", "3", "--runs", "20")
DEPLOY = ("deploy", "m.tflite", "--board", "local", "--sessions", "3", "--runs", "20")
END_S = 300.0
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ENDS = (0, 130, *(-number for number in SIGNALS))
"""By SIGINT, which a shell calls 130 too, Python ends where an interrupt came inside exec()."""


def main() -> None:
    """Runs both trials and exits with 1 if anything was lost or left behind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--parallel", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        faults = kills(Trial(Path(folder) / "kills"), asked.kills, random.Random(asked.seed))
        faults += parallel(Trial(Path(folder) / "parallel"), asked.parallel)
    for fault in faults:
        print(f"FAULT {fault}")
    sys.exit(1 if faults else 0)


class Trial:
    """A folder to run in, with a home, temporary files and a lock of its own."""

    def __init__(self, folder: Path) -> None:
        self.work, self.home, self.tmp = (folder / name for name in ("work", "home", "tmp"))
        for each in (self.work, self.home, self.tmp):
            each.mkdir(parents=True)
        (self.work / "m.tflite").write_bytes(nets.eligible())
        own = {"EDGEPRUNE_HOME": self.home, "TMPDIR": self.tmp, "EDGEPRUNE_LOCK_FOLDER": self.home}
        self.env = os.environ | {name: str(path) for name, path in own.items()}
        self.env.setdefault("EDGEPRUNE_CACHE", str(Path(tempfile.gettempdir()) / "edgeprune-cache"))

    def start(self, argv: tuple[str, ...]) -> subprocess.Popen[str]:
        """A run of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "edgeprune", *argv],
            cwd=self.work,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def folders(self) -> list[Path]:
        """Of runs, finished or not."""
        return sorted(one for one in self.work.iterdir() if one.is_dir())

    def results(self) -> int:
        """How many runs have a result."""
        return sum((folder / "result.json").exists() for folder in self.folders())

    def wait_for_result(self, process: subprocess.Popen[str], before: int) -> None:
        """Until there is one more than before, or the run has ended."""
        end_s = time.monotonic() + END_S
        while self.results() == before and process.poll() is None and time.monotonic() < end_s:
            time.sleep(0.002)

    def faults(self) -> list[str]:
        """What is lost, and what is left behind, now that no run is going on."""
        os.environ["EDGEPRUNE_HOME"] = str(self.home)
        rows = [json_text(run.result) for run in history.runs(10_000)]
        found = []
        results = []
        for folder in self.folders():
            try:
                results.append(json_text(read_result(folder)))
            except ConfigError as error:
                found.append(f"{folder.name}: no result: {error}")
        found += [f"{count} rows of one result" for r in results if (count := rows.count(r)) != 1]
        found += [f"a row without its folder: {row[:80]}" for row in rows if row not in results]
        hidden = [p for p in self.work.rglob(".*")] + list(self.tmp.iterdir())
        found += [f"left behind: {path}" for path in hidden]
        return found + self._processes()

    def _processes(self) -> list[str]:
        end_s = time.monotonic() + 10  # an agent may take 2 s to see that its input has closed
        while left := [pid for pid in os.listdir("/proc") if pid.isdigit() and self._is_ours(pid)]:
            if time.monotonic() > end_s:
                return [f"left running: process {pid}" for pid in left]
            time.sleep(0.1)
        return []

    def _is_ours(self, pid: str) -> bool:
        try:
            return f"EDGEPRUNE_HOME={self.home}\0".encode() in (
                Path("/proc", pid, "environ").read_bytes()
            )
        except OSError:
            return False


def kills(trial: Trial, count: int, dice: random.Random) -> list[str]:
    """Kills runs one after the other; what was lost or left behind after one more."""
    usual_s, faults, outcomes = 0.0, [], {"killed": 0, "ended before": 0, "finished and killed": 0}
    for number in range(-2, count):  # two that are left alone: the first also fills caches
        argv = DEPLOY if number % 3 == 2 else RUN
        before = trial.results()
        begun_s = time.monotonic()
        process = trial.start(argv)
        if number >= 0:
            if number % 2:
                trial.wait_for_result(process, before)
            after_s = dice.uniform(0.0, 0.4 if number % 2 else 1.1 * usual_s)
            try:
                process.wait(after_s)
            except subprocess.TimeoutExpired:
                process.send_signal(dice.choice(SIGNALS))
        words = process.communicate(timeout=END_S)[1]
        usual_s = max(usual_s, time.monotonic() - begun_s) if number < 0 else usual_s
        after = trial.results()
        code = process.returncode
        if code == 0 and after != before + 1:
            faults.append(f"run {number} ended well and left {after - before} results")
        if code not in ENDS:
            faults.append(f"run {number} exited with {code}: {words.splitlines()[-1:]}")
        if " kept; what was measured before is in " in words and after != before + 1:
            faults.append(f"run {number} said that it kept sessions, and left no result")
        if "nothing was left behind" in words and after != before:
            faults.append(f"run {number} said that nothing was left behind, and left a result")
        if number >= 0:
            outcome = "killed" if after == before else "finished and killed"
            outcomes["ended before" if code == 0 else outcome] += 1
    last = trial.start(RUN)
    words = last.communicate(timeout=END_S)[1]
    faults += [f"the last run exited with {last.returncode}: {words}"] if last.returncode else []
    faults += trial.faults()
    told = ", ".join(f"{number} {name}" for name, number in outcomes.items())
    print(
        f"kills: {count} runs ({told}): {len(trial.folders())} folders with results, "
        f"{len(faults)} faults",
        flush=True,
    )
    return faults


def parallel(trial: Trial, count: int) -> list[str]:
    """Starts runs at once; what was lost or left behind when all have ended."""
    begun_s, runs = time.monotonic(), []
    for number in range(count):
        runs.append(trial.start(RUN))
        if number == count // 2:
            time.sleep(1.0)
    ends = [(run.communicate(timeout=END_S + 20 * count)[1], run.returncode) for run in runs]
    faults = [
        f"run {k} exited with {code}: {words}" for k, (words, code) in enumerate(ends) if code
    ]
    faults += trial.faults()
    found = len(trial.folders())
    if found != count:
        faults.append(f"{found} folders of {count} runs")
    print(
        f"parallel: {count} runs at once in {time.monotonic() - begun_s:.0f} s: {found} folders "
        f"and as many rows, {len(faults)} faults",
        flush=True,
    )
    return faults


if __name__ == "__main__":
    main()
