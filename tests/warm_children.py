"""Children for tests that need not wait for TensorFlow's import each time.

The product starts each child from nothing, and so do the tests of the sandbox and those that run
``edgeprune`` as a command. For the others a process imports the frameworks once, and forks: what it
forks is the product's own program from there on, with the same pipes, walls and answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

SIZE = struct.Struct("!Q")
PID = struct.Struct("!i")
START_S = 600.0  # two frameworks are imported, on a machine that may do much else


class Nursery:
    """The process that forks children for every worker of a run; it ends with this one.

    Attributes:
        path: Where it listens.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nursery-")
        self.path = f"{self._folder.name}/door"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(listener.fileno()), json.dumps(sys.path)],
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )

    def close(self) -> None:
        """Ends it, with what it forked."""
        self._process.kill()
        self._process.communicate(timeout=START_S)
        self._folder.cleanup()


class Door:
    """The way to a run's nursery."""

    def __init__(self, path: str) -> None:
        self._path = path

    def start(self, plan: str, env: dict[str, str]) -> WarmChild:
        """What ``edgeprune.sandbox.parent`` starts its children with."""
        return self._forked({"plan": plan, "env": env})

    def program(self, file: str, argument: str, env: dict[str, str]) -> WarmChild:
        """A Python file of the tests with one argument, as the main program."""
        return self._forked({"program": file, "argument": argument, "env": env})

    def _forked(self, what: dict[str, object]) -> WarmChild:
        ours, theirs = [], []
        for is_input in (True, False, False, False):
            reads, writes = os.pipe()
            ours.append(writes if is_input else reads)
            theirs.append(reads if is_input else writes)
        order = json.dumps({**what, "folder": os.getcwd()}).encode()
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(START_S)
            link.connect(self._path)
            socket.send_fds(link, [SIZE.pack(len(order))], theirs)
            link.sendall(order)
            (pid,) = PID.unpack(_exactly(link, PID.size))
        for handle in theirs:
            os.close(handle)
        return WarmChild(pid, ours)


class WarmChild:
    """What ``subprocess.Popen`` is for a child that was started."""

    def __init__(self, pid: int, handles: list[int]) -> None:
        self.pid = pid
        self.stdin = os.fdopen(handles[0], "wb", 0)
        self.stdout, self.stderr, self._ended = (os.fdopen(h, "rb", 0) for h in handles[1:])
        self.returncode: int | None = None

    def wait(self, timeout: float) -> int:
        """The exit code, negative for a signal, as ``Popen`` has it."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("child", timeout)
            self.returncode = PID.unpack(self._ended.read(PID.size))[0]
            self._ended.close()  # only now may its number become another process's
        return self.returncode

    def close(self) -> None:
        """Closes the pipes."""
        for handle in (self.stdin, self.stdout, self.stderr, self._ended):
            handle.close()


def _exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _serve(listener: socket.socket) -> None:
    """Forks a child for each order; what jobs import is imported when the first one comes."""
    is_warm = False
    while listener in select.select([listener, sys.stdin], [], [])[0]:  # else the run has ended
        link, _ = listener.accept()
        with link, contextlib.suppress(EOFError, OSError, struct.error):  # a worker that died
            is_warm = is_warm or _warm()
            link.settimeout(START_S)
            head, handles, _, _ = socket.recv_fds(link, SIZE.size, 4)
            order = json.loads(_exactly(link, SIZE.unpack(head)[0]))
            if os.fork() == 0:
                listener.close()
                _mind(link, order, handles)
            for handle in handles:
                os.close(handle)


def _warm() -> bool:
    from edgeprune.models.keras import flavours
    from edgeprune.pipeline import jobs  # noqa: F401  imported for those who are forked

    flavours.spare_plots()
    flavours.import_tensorflow()
    flavours.import_keras("keras")
    flavours.import_keras("tf_keras")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    return True


def _mind(link: socket.socket, order: dict[str, object], handles: list[int]) -> None:
    """Forks the child, waits for its end, and tells how it ended.

    The child's number stays its own until the test's process has heard of it.
    """
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        pid = os.fork()
        if pid == 0:
            _become(link, order, handles)
        for handle in handles[:3]:
            os.close(handle)
        link.sendall(PID.pack(pid))
        link.close()
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        by_signal = ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
        os.write(handles[3], PID.pack(-ended.si_status if by_signal else ended.si_status))
        hears = select.poll()
        hears.register(handles[3], 0)
        hears.poll()  # until the other end is closed
    finally:
        os._exit(0)


def _become(link: socket.socket, order: dict[str, object], handles: list[int]) -> None:
    """Is the product's child from here on, or a test's program."""
    try:
        minder = os.getppid()
        os.setsid()
        link.close()
        os.close(handles[3])
        for number, handle in enumerate(handles[:3]):
            os.dup2(handle, number)
            os.close(handle)
        os.environ.clear()
        os.environ.update(order["env"])
        os.chdir(order["folder"])
        tempfile.tempdir = None  # remembered from the imports
        if "program" in order:
            sys.argv = [order["program"], order["argument"]]
            runpy.run_path(order["program"], run_name="__main__")
            os._exit(0)
        sys.argv = ["child.py", json.dumps({**json.loads(order["plan"]), "parent": minder})]
        from edgeprune.sandbox import child

        child.main()
    finally:
        os._exit(1)


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[2])
    sys.path.append(str(Path(__file__).parent))
    _serve(socket.socket(fileno=int(sys.argv[1])))
