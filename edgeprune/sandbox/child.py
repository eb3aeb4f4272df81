"""The child: closes the walls around itself before it imports anything of weight.

Run as a program by :mod:`edgeprune.sandbox.parent`, with a plan as JSON and the request on standard
input. Standard output carries answers alone; what anyone prints goes to standard error.

Three processes: this one watches over the job from outside of the walls, holds nothing of the
model, and takes the job with it when the parent goes; the first of the two that it starts stays
idle, so that the kernel ends all that a job may leave behind; the second one does the job.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import Any

_LOOK_MS = 1000

SIGNALLED = 128
"""Added to a signal's number in the exit code, as shells do."""


def main() -> None:
    """Starts the job's process and ends as it ends."""
    plan = json.loads(sys.argv[1])
    sys.path[:] = plan["import_from"]
    from edgeprune.sandbox import linux
    from edgeprune.sandbox.walls import Walls

    walls = None
    if plan["walls"]:
        walls = Walls(plan["writable"], plan["memory_limit_bytes"], plan["readable"])
    if walls is not None:
        walls.before_fork()
    linux.die_with_parent()  # after the namespaces: a change of user clears it
    if os.getppid() != plan["parent"]:
        os._exit(1)
    _fork(_idle)
    job = _fork(lambda: _do(walls, plan))
    os.close(1)
    _watch(job)


def _fork(act: Any) -> int:
    """Starts a process that does this and nothing else.

    Returns:
        Its number.
    """
    number = os.fork()
    if number:
        return number
    from edgeprune.sandbox import linux

    status = 1
    try:
        linux.die_with_parent()
        act()
        status = 0
    finally:  # what is raised in the job has been sent to the parent
        os._exit(status)


def _idle() -> None:
    """The first process of a PID namespace: the kernel ends the others when it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.close(1)
    while True:
        signal.pause()


def _do(walls: Any, plan: dict[str, Any]) -> None:
    """Closes the walls, then imports and does the job."""
    answers = os.dup(1)
    os.dup2(2, 1)
    requests = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    held = walls.in_child() if walls is not None else ()
    from edgeprune.sandbox.worker import work

    work(requests, answers, held, plan["memory_limit_bytes"])


def _watch(job: int) -> None:
    """Waits for the job's end, or for the parent's, which closes the input, and ends likewise."""
    hangs_up = select.poll()
    hangs_up.register(0, 0)
    if hasattr(os, "pidfd_open"):
        hangs_up.register(os.pidfd_open(job), select.POLLIN)
    while True:
        events = hangs_up.poll(_LOOK_MS)
        ended, status = os.waitpid(job, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else SIGNALLED - code)
        if any(handle == 0 for handle, _ in events):
            os.killpg(0, signal.SIGKILL)  # this process included


if __name__ == "__main__":
    main()
