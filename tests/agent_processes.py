"""Agents that run as processes of this machine, to be ended in the middle of their work."""

import collections
import os
import signal
from pathlib import Path

from edgeprune.agents.conversation import Conversation


def questions(monkeypatch):
    """Counts every question to an agent from now on, by its kind."""
    ask, kinds = Conversation.ask, collections.Counter()

    def counting(self, name, *rest):
        kinds[name] += 1
        return ask(self, name, *rest)

    monkeypatch.setattr(Conversation, "ask", counting)
    return kinds


def agents():
    """Process numbers of the agents that this process started and that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            rest = stat.read_text().rpartition(") ")[2]
            program = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if b"edgeprune-agent" in program and int(rest.split()[1]) == os.getpid():
            found.append(int(stat.parent.name))
    return found


def kill_agents():
    """Ends every agent that this process started, emulated ones too."""
    for number in agents():
        os.kill(number, signal.SIGKILL)
