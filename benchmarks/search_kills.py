"""Kills ``edgeprune search`` at random points: what is done twice, and what is lost?

    python benchmarks/search_kills.py --kills 20

A small network and two emulated boards; the kernel kills the parent or the child, in turns. After
each kill no training of the store may be another file, and no network may be judged twice. A search
that ends by itself has to come to an answer that was measured; another network's begins then, until
all kills hit a search at work.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from searching.command import BOARD, Command

from edgeprune.searching.front import read_front


class Kills:
    """Kills searches in turns, and counts what was done twice or lost."""

    def __init__(self, wanted: int, budget: str, seed: int) -> None:
        self.draw, self.wanted, self.budget = random.Random(seed), wanted, budget
        self.done = self.twice = self.wrong = 0

    def search(self, folder: Path, seed: int) -> None:
        """One network's search, killed until it ends by itself or enough was killed."""
        command = Command(folder, self.budget, boards=(BOARD, "mps2-an386"), seed=seed)
        before: dict[str, int] = {}
        while self.done < self.wanted:
            process = command.start()
            wanted = len(command.judged()) + self.draw.randrange(5)
            while process.poll() is None and len(command.judged()) < wanted:
                time.sleep(0.1)
            self._wait(process, self.draw.uniform(0, 15))
            which = "child" if self.done % 2 else "parent"
            if which == "child":
                command.kill_children(process)
                self._wait(process, self.draw.uniform(0, 5))
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            self.done += 1
            before = self._checked(command, before, f"{self.done:3} {which}")
        code = command.start().wait()
        self._checked(command, before, "to the end")
        front = read_front(folder / "out")
        self.wrong += code != 0 or not front.is_complete
        print(f"network {seed}: exit code {code}; {front.board(BOARD).sentence}", flush=True)

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)

    def _checked(self, command: Command, before: dict[str, int], what: str) -> dict[str, int]:
        now = command.trained()
        again = sum(now.get(name) != inode for name, inode in before.items())
        rows = command.rows()
        self.twice += again + len(rows) - len(set(rows))
        print(f"{what}: {len(now)} trained, {len(rows)} judged, {self.twice} twice", flush=True)
        return now


def main() -> None:
    """Prints a line a kill, and what came of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--budget", default="4m")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    kills, seed = Kills(given.kills, given.budget, given.seed), given.seed
    while kills.done < kills.wanted:
        with tempfile.TemporaryDirectory() as folder:
            kills.search(Path(folder), seed)
        seed += 1
    print(f"{kills.done} kills, {kills.twice} done twice or lost, {kills.wrong} ended wrong")
    sys.exit(1 if kills.twice or kills.wrong else 0)


if __name__ == "__main__":
    main()
