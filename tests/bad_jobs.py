"""Jobs that misbehave, for the tests of what becomes of them; a child imports this module."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeprune.errors import ModelError, VerifyError
from edgeprune.models.keras import flavours
from edgeprune.progress import Progress
from edgeprune.sandbox import watch


@dataclass(frozen=True)
class Order:
    """What to do, and a file to hold a lock on meanwhile."""

    lock: Path = Path()
    runs_users_code: bool = False
    runs_models_code: bool = False


def spares(request: Order, progress: Progress) -> int:
    return len(flavours._spares)


def crash(request: Order, progress: Progress) -> int:
    with progress.stage("convert"):
        ctypes.string_at(0)
    return 0


def abort(request: Order, progress: Progress) -> int:
    print("Check failed: \x1b[2J rank < 9", file=sys.stderr, flush=True)
    os.abort()


def out_of_native_memory(request: Order, progress: Progress) -> int:
    print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr)
    sys.stderr.flush()
    os.abort()


def killed(request: Order, progress: Progress) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def leave(request: Order, progress: Progress) -> int:
    os._exit(3)


def exit_by_python(request: Order, progress: Progress) -> int:
    sys.exit("enough")


def fill_memory(request: Order, progress: Progress) -> int:
    kept = [np.ones(1 << 24) for _ in range(8000)]
    return len(kept)


def wait_for_itself(request: Order, progress: Progress) -> int:
    held = _held(request)
    threading.Event().wait()
    return held


def hold(request: Order, progress: Progress) -> int:
    held = _held(request)
    while True:
        held += 1


def compute_for_ever(request: Order, progress: Progress) -> int:
    held = 0
    with watch.within("one inference", 0.5):
        while True:
            held += 1


def compute_in_a_stage(request: Order, progress: Progress) -> int:
    with progress.stage("load"):
        while True:
            sum(range(1000))


def wrong_type(request: Order, progress: Progress) -> int:
    return "seven"  # type: ignore[return-value]


def endless_answer(request: Order, progress: Progress) -> bytes:
    return bytes(64 << 20)


def no_answer_at_all(request: Order, progress: Progress) -> object:
    return object()


def refuse(request: Order, progress: Progress) -> int:
    with progress.stage("load"):
        progress.say("a line\x1b[2J")
        progress.note("a note")
        raise VerifyError("two\nlines \x1b[31mred")


def fault(request: Order, progress: Progress) -> int:
    raise ZeroDivisionError("a fault of ours")


def fetch(request: Order, progress: Progress) -> int:
    try:
        socket.create_connection(("127.0.0.1", 9), 5)
    except OSError as error:
        raise ModelError(f"the function failed: {error}") from error
    return 0


def talk(request: Order, progress: Progress) -> int:
    for _ in range(2000):
        print("x" * 1000)
        print("y" * 1000, file=sys.stderr)
    return 7


def nest(request: Order, progress: Progress) -> int:
    stages = [progress.stage("deeper") for _ in range(100)]
    for stage in stages:
        stage.__enter__()
    return len(stages)


def leave_somebody_behind(request: Order, progress: Progress) -> int:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            _held(request)
            time.sleep(600)
        os._exit(0)
    while not _is_held(request.lock):
        time.sleep(0.01)
    return 7


def environment(request: Order, progress: Progress) -> tuple[str, ...]:
    import tempfile

    own = Path(tempfile.gettempdir())
    (own / "scratch").write_text("x")
    return (str(own), os.environ["KERAS_HOME"], os.path.expanduser("~"))


def _held(request: Order) -> int:
    if request.lock != Path():
        fcntl.flock(os.open(request.lock, os.O_RDONLY), fcntl.LOCK_EX)
    return 0


def _is_held(path: Path) -> bool:
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
