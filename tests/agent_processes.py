"""Agents that run as processes of this machine, to be ended in the middle of their work."""

import os
import signal
from pathlib import Path


def kill_agents():
    """Ends every agent that this process started, emulated ones too."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            rest = stat.read_text().rpartition(") ")[2]
            program = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if b"edgeprune-agent" in program and int(rest.split()[1]) == os.getpid():
            os.kill(int(stat.parent.name), signal.SIGKILL)
