"""Two processes: one answers requests, the other ends it as soon as the input closes.

The runtime keeps Python's lock while it loads a model, which may take longer than the 2 seconds
that the protocol allows; a thread could not end the process then, another process can.
"""

from __future__ import annotations

import os
import select
import signal
import sys

from edgeprune_agent.serve import serve

IDLE_S = 300
"""Without a request for so long the agent ends. Source: PROTOCOL.md."""

_IDLE_LIMIT_S = 86400

_GRACE_MS = 500
"""For a worker that is about to end by itself, as it does at an end of input that it waits for."""

_INPUT = 0
_POLLRDHUP = 0x2000
"""The other side of a socket has closed. Source: Linux, include/uapi/asm-generic/poll.h."""


def main() -> None:
    """Its one argument, which may be left out, is another number of seconds for IDLE_S."""
    idle_s = _seconds_of(sys.argv[1]) if len(sys.argv) > 1 else IDLE_S
    if len(sys.argv) > 2 or idle_s == 0:
        sys.stderr.write("edgeprune-agent: takes one argument at most: a number of seconds ")
        sys.stderr.write(f"from 1 to {_IDLE_LIMIT_S}\n")
        sys.exit(3)
    # Frames get a descriptor of their own; what the runtime prints goes to standard error.
    output = os.dup(1)
    os.dup2(2, 1)
    ended, alive = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(ended)
        os._exit(serve(_INPUT, output, idle_s))
    os.close(alive)
    os.close(output)
    os._exit(_watch(worker, ended))


def _seconds_of(argument: str) -> int:
    """Digits alone, 1 to _IDLE_LIMIT_S; 0 for everything else."""
    digits = argument.lstrip("0") or "0"
    if not (argument.isascii() and argument.isdigit()) or len(digits) > len(str(_IDLE_LIMIT_S)):
        return 0
    return int(digits) if int(digits) <= _IDLE_LIMIT_S else 0


def _watch(worker: int, ended: int) -> int:
    """Waits for the end of the worker or of the input; the agent's exit status."""
    poll = select.poll()
    poll.register(_INPUT, _POLLRDHUP)
    poll.register(ended, 0)
    poll.poll()
    done, status = os.waitpid(worker, os.WNOHANG)
    if not done and _is_over(ended):
        done, status = os.waitpid(worker, 0)
    if not done:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        return 0
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        sys.stderr.write(f"edgeprune-agent: the runtime died of signal {number}\n")
        sys.stderr.flush()
        return 128 + number
    return os.WEXITSTATUS(status)


def _is_over(ended: int) -> bool:
    """Whether the worker's end of the pipe closes soon, which its death does."""
    poll = select.poll()
    poll.register(ended, 0)
    return bool(poll.poll(_GRACE_MS))


if __name__ == "__main__":
    main()
