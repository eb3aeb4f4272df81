"""``edgeprune search`` on a small network, as a user starts it, to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import searched_net

from edgeprune.auto.study import read_journal

CHECKOUT = Path(__file__).resolve().parents[2]
BOARD = "rpi4-emulated"


class Command:
    """``edgeprune search`` on a small network, as a user starts it."""

    def __init__(self, folder, budget="4s", boards=(BOARD,), seed=0):
        self.folder, self.log = folder, folder / "log"
        model, data = searched_net.write(folder, seed)
        self.argv = [sys.executable, "-m", "edgeprune", "search", str(model), "--data", str(data)]
        self.argv += [word for board in boards for word in ("--board", board)]
        self.argv += ["--budget", budget, "--sessions", "1", "--runs", "2"]
        self.argv += ["-o", str(folder / "out")]
        self.environment = os.environ | {
            "EDGEPRUNE_HOME": str(folder / "home"),
            "PYTHONPATH": str(CHECKOUT),
        }
        self.started = []

    def start(self):
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.argv, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(process)
        return process

    def judged(self):
        journal = self.folder / "out" / "state" / "search.journal"
        return read_journal(journal).candidates if journal.exists() else ()

    def trained(self):
        """What the store holds: a training that was done again would be another file."""
        results = (self.folder / "home" / "training").glob("*/trained.npz")
        return {file.parent.name: file.stat().st_ino for file in results}

    def rows(self):
        """Each network that was judged, in each way of storing."""
        return [(one.node, one.mode, bool(one.kept_layers)) for one in self.judged()]

    def kill_children(self, process):
        """Kills what works for a search."""
        for child in children_of(process.pid):
            for worker in (*children_of(child), child):
                try:
                    os.kill(worker, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def children_of(pid):
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []
