"""Kills ``edgeprune search`` at random points: what is done twice, and what is lost?

    python benchmarks/search_kills.py --kills 20

A small network and two emulated boards; the kernel kills the parent or the child, in turns. After
each kill no training of the store may be another file, and no network may be judged twice; at the
end the search has to come to an answer that was measured.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from searching.command import BOARD, Command

from edgeprune.searching.front import read_front


def main() -> None:
    """Prints a line a kill, and what came of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--budget", default="4m")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw, twice = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        command = Command(Path(folder), given.budget, boards=(BOARD, "mps2-an386"))
        before: dict[str, int] = {}
        for number in range(given.kills):
            process = command.start()
            wanted = len(command.judged()) + draw.randrange(5)
            while process.poll() is None and len(command.judged()) < wanted:
                time.sleep(0.1)
            time.sleep(draw.uniform(0, 15))
            which = "child" if number % 2 else "parent"
            if process.poll() is not None:
                which = f"none: it had ended with {process.returncode}"
            elif which == "child":
                command.kill_children(process)
                time.sleep(draw.uniform(0, 5))
            process.send_signal(signal.SIGKILL)
            process.wait()
            now = command.trained()
            again = sum(now.get(name) != number for name, number in before.items())
            rows = command.rows()
            twice += again + len(rows) - len(set(rows))
            before = now
            print(f"{number + 1:3} {which}: {len(now)} trained, {len(rows)} judged, {twice} twice")
        code = command.start().wait()
        front = read_front(Path(folder) / "out")
        print(f"the last run: exit code {code}; {front.board(BOARD).sentence}")
        print(f"{front.judged} judged, {front.trained} trained, {twice} done twice or lost")
    sys.exit(1 if twice or code else 0)


if __name__ == "__main__":
    main()
