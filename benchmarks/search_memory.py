"""Memory of a search's processes over many networks: does it grow?

    python benchmarks/search_memory.py --judged 200

A small network and four boards. Each child judges ten networks at most; printed are the largest
resident memory of each child and of the parent, and how many networks were judged by then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from searching.command import Command, children_of

WITH_FRAMEWORK_MB = 300.0
"""A process that takes less holds no framework."""


def _peak_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    lines = [line for line in text.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def _all_below(pid: int) -> list[int]:
    found = []
    for child in children_of(pid):
        found += [child, *_all_below(child)]
    return found


BOARDS = ("rpi4-emulated", "rpi5-emulated", "mps2-an386", "mps3-an547")


def _watched(command: Command, process: subprocess.Popen[bytes], before: int, wanted: int) -> None:
    """Prints a line a child until enough is judged, or the search ends."""
    peaks: dict[int, float] = {}
    shown: set[int] = set()
    while process.poll() is None and before + len(command.judged()) < wanted:
        alive = _all_below(process.pid)
        for pid in alive:
            peaks[pid] = max(peaks.get(pid, 0.0), _peak_mb(pid))
        for pid in set(peaks) - set(alive) - shown:
            shown.add(pid)
            if peaks[pid] > WITH_FRAMEWORK_MB:
                judged, parent = before + len(command.judged()), _peak_mb(process.pid)
                print(f"{judged:4} judged: child {peaks[pid]:6.0f} MB, parent {parent:5.0f} MB")
        time.sleep(0.2)


def main() -> None:
    """Prints a line a child; a search that ends early is followed by one of another network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judged", type=int, default=200)
    parser.add_argument("--budget", default="2h")
    given = parser.parse_args()
    total = 0
    while total < given.judged:
        with tempfile.TemporaryDirectory() as folder:
            command = Command(Path(folder), given.budget, BOARDS, seed=total)
            process = command.start()
            _watched(command, process, total, given.judged)
            total += len(command.judged())
            print(f"{total} judged; exit code {process.poll()}")
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
