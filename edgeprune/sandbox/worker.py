"""Inside the walls: reads the request, does the job, and sends the answer or the error."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

from edgeprune.console.waits import Count
from edgeprune.errors import EdgepruneError, ModelError
from edgeprune.models.keras.flavours import spare_plots
from edgeprune.progress import Progress
from edgeprune.sandbox import blobs, jobs, watch
from edgeprune.sandbox.messages import (
    ANSWER,
    BLOB,
    HEAD,
    MESSAGE,
    Alive,
    Began,
    Closed,
    Counted,
    Ended,
    Failed,
    Fault,
    Keeps,
    Message,
    Said,
    decoded,
    encoded,
)
from edgeprune.sandbox.walls import Wall

_CHUNK_BYTES = 1 << 20
_COUNT_EVERY_S = 0.5
_PACKAGE = Path(__file__).parents[1]
_WALLED_OFF = frozenset(
    {errno.EPERM, errno.EACCES, errno.EROFS, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH}
)
HINT = (
    "it ran without network and could write into its temporary folder alone: fetch and write "
    "beforehand, or give --no-sandbox"
)


def work(requests: int, answers: int, walls: tuple[Wall, ...], memory_limit_bytes: int) -> None:
    """Does one job.

    Args:
        requests: Where the request is read.
        answers: Where messages and the answer are written.
        walls: What holds.
        memory_limit_bytes: For the message where memory ends.
    """
    link = Link(answers)
    link.send(Closed(walls))
    spare_plots()
    runs_users_code, request = False, None
    try:
        name, content = _request(requests)
        job = jobs.find(name)
        request = decoded(content, jobs.types_of(job)[0])
        del content
        runs_users_code = bool(walls) and getattr(request, "runs_users_code", False)
        with watch.beating(lambda: link.send(Alive()), link.fail):
            with Relay(link) as relay:
                answer = job(request, relay)
        answer, files = blobs.taken_out(answer)
        content = encoded(answer)
        for file in files:
            link.blob(file)
        link.answer(content)
    except EdgepruneError as error:
        hint = f"; {HINT}" if runs_users_code and _is_walled_off(error) else ""
        link.send(Failed(type(error).__name__, f"{error}{hint}"))
    except MemoryError:
        limit = f" of {memory_limit_bytes / 1e9:.1f} GB" if walls else ""
        link.send(Failed("ModelError", f"the model needs more memory than the limit{limit}"))
    except BaseException as error:  # noqa: BLE001  whatever it is, the parent must hear of it
        if getattr(request, "runs_models_code", False) and _is_of_others(error):
            text = f"code that the model carries failed: {type(error).__name__}: {error}"
            link.send(Failed("ModelError", text))
            return
        link.send(Fault(f"{type(error).__name__}: {error}", traceback.format_exc()[-200_000:]))


def _is_of_others(error: BaseException) -> bool:
    """Whether an error was raised outside of this package."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and not Path(frames[-1].filename).is_relative_to(_PACKAGE)


def _request(handle: int) -> tuple[str, bytes]:
    """The job's name and its request: two frames."""
    with open(handle, "rb") as pipe:
        parts = []
        for _ in range(2):
            head = pipe.read(HEAD.size)
            parts.append(pipe.read(HEAD.unpack(head)[1]))
    return parts[0].decode(), parts[1]


def _is_walled_off(error: BaseException | None) -> bool:
    """Whether a wall may be what an error comes from."""
    while error is not None:
        if isinstance(error, (socket.gaierror, ConnectionError)):
            return True
        if isinstance(error, OSError) and error.errno in _WALLED_OFF:
            return True
        error = error.__cause__ or error.__context__
    return False


class Link:
    """The way to the parent; threads may share it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Sends a message."""
        self._write(MESSAGE, encoded(message))

    def blob(self, content: bytes) -> None:
        """Sends a file of the answer, before it."""
        self._write(BLOB, content)

    def answer(self, content: bytes) -> None:
        """Sends the answer."""
        self._write(ANSWER, content)

    def fail(self, reason: str) -> None:
        """Ends the process with an error that the model is to blame for."""
        self.send(Failed(ModelError.__name__, reason))
        os._exit(1)

    def _write(self, kind: bytes, content: bytes) -> None:
        with self._lock:
            for part in (HEAD.pack(kind, len(content)), content):
                left = memoryview(part)
                while left:
                    left = left[os.write(self._handle, left[:_CHUNK_BYTES]) :]


class Relay(Progress):
    """Progress that the parent shows."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self._counted_s = -_COUNT_EVERY_S

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Shows the block as a stage called ``name``."""
        self._link.send(Began(name))
        well = False
        try:
            yield
            well = True
        finally:
            self._link.send(Ended(well))

    def say(self, line: str) -> None:
        """Tells what the stage does now."""
        self._link.send(Said(line))

    def count(self, count: Count) -> None:
        """Tells how far the stage is, now and then: who trains on the host says it very often."""
        now_s = self._clock()
        is_last = count.done == count.total
        if now_s - self._counted_s >= _COUNT_EVERY_S or is_last:
            self._counted_s = now_s
            self._link.send(Counted(count.done, count.total, count.text, count.is_most))

    def keep(self, what: str) -> None:
        """Tells what an interrupt leaves behind."""
        self._link.send(Keeps(what))

    def note(self, line: str) -> None:
        """Tells what the user should see and keep."""
        self._link.send(Said(line, "note"))

    def warn(self, line: str) -> None:
        """Tells what did not work although the work goes on."""
        self._link.send(Said(line, "warn"))
