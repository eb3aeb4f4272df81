"""Starts a child, hands it a job, shows its progress, and takes nothing from it unchecked."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgeprune.errors import ModelError
from edgeprune.files.paths import HISTORY_VARIABLE, real_path
from edgeprune.progress import Progress
from edgeprune.sandbox import jobs, limits
from edgeprune.sandbox.blobs import put_back
from edgeprune.sandbox.child import SIGNALLED
from edgeprune.sandbox.folder import environment, own_folder
from edgeprune.sandbox.messages import (
    ANSWER,
    HEAD,
    MESSAGE,
    Closed,
    Failed,
    Fault,
    decoded,
    encoded,
    error_of,
)
from edgeprune.sandbox.pipe import Pipe
from edgeprune.sandbox.readable import readable
from edgeprune.sandbox.shown import Shown
from edgeprune.sandbox.switch import SANDBOX_SWITCH, is_on
from edgeprune.sandbox.walls import MATTERS, Wall

ANSWER_BYTES = 256 << 20
"""Largest answer that is taken, where a job names no other limit. Source: ours."""

SILENT_S = 1800.0
"""A child that sends nothing for as long is ended; it says every 5 s that it lives. Source: ours,
for libraries that hold Python's lock while they compute."""

_END_S = 10.0
_UNREADABLE = "the process that opens the model sent what cannot be read"
_PROGRAM = Path(__file__).with_name("child.py")

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Reach:
    """What of the disk a job needs, besides its own folder, the system and Python.

    Attributes:
        writable: Folders in which it may write.
        readable: Files and folders that it may read; None for all that the user may, as a function
            of the user's own needs.
    """

    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] | None = ()


_NOTHING = Reach()


def has_died(error: BaseException) -> bool:
    """Whether an error of :func:`confined` says that the child ended, hung or was killed.

    Another one may do better where a framework crashed or memory ended.
    """
    return isinstance(error.__cause__, (EOFError, TimeoutError))


class JobFault(RuntimeError):
    """A fault of ours inside the child; its traceback is a note of it."""


def confined(
    job: Callable[[Request, Progress], Answer],
    request: Request,
    progress: Progress | None = None,
    *,
    reach: Reach = _NOTHING,
    answer_bytes: int = ANSWER_BYTES,
    timeout_s: float | None = None,
    closed: Callable[[Sequence[Wall]], None] | None = None,
) -> Answer:
    """Does a job in a child process within walls, and waits for its answer.

    The child ends with this process, and with any exception that is raised here meanwhile.

    Args:
        job: One of :data:`edgeprune.sandbox.jobs.JOBS`.
        request: What it takes: plain values, paths, arrays and frozen dataclasses of them.
        progress: Shows its stages and lines; None shows nothing.
        reach: What of the disk it needs.
        answer_bytes: Largest answer that is taken.
        timeout_s: How long it may take at most; None sets a limit to single stages only.
        closed: Takes the child's walls when it has closed them; None warns where there are none.

    Returns:
        What it answers, of the type that the job declares.

    Raises:
        EdgepruneError: What the job raised.
        ModelError: The child crashed, hung, ran out of memory, or answered something else.
        JobFault: The job raised what nobody expected.
    """
    run = _Run(progress, answer_bytes, timeout_s, closed)
    answer = run.result(job, request, reach)
    try:
        result: Answer = put_back(decoded(answer, jobs.types_of(job)[1]), run.blobs)
    except ValueError as error:
        raise ModelError(f"{_UNREADABLE}: {error}") from error
    return result


class _Run:
    """One child.

    Attributes:
        blobs: Files that the answer speaks of, in order.
    """

    def __init__(
        self,
        progress: Progress | None,
        answer_bytes: int,
        timeout_s: float | None,
        closed: Callable[[Sequence[Wall]], None] | None,
    ) -> None:
        self._shown = Shown(progress)
        self._answer_bytes = answer_bytes
        self._timeout_s = timeout_s
        self._closed = closed or self._warn_once
        self._has_started = False
        self.blobs: list[bytes] = []
        self._memory_limit_bytes = limits.memory_bytes()

    def result(self, job: jobs.Job, request: object, reach: Reach) -> bytearray:
        """The answer, not yet decoded."""
        parts = [*_frame(jobs.name_of(job).encode()), *_frame(encoded(request))]
        with own_folder() as folder:
            env = {**os.environ, **environment(folder)}
            env.pop(HISTORY_VARIABLE, None)  # a password is none of a model's business
            plan = self._plan(folder, reach)
            process = _start(json.dumps(plan), env)
            # What libraries print about a model says nothing to the user, unless they crash.
            by_user = getattr(request, "runs_users_code", False)
            printed = self._shown.printed if by_user else _drop
            try:
                with self._shown:
                    return self._talk(Pipe(process, printed), parts)
            finally:
                _end(process)

    def _plan(self, folder: Path, reach: Reach) -> dict[str, object]:
        """What the child must know before it has closed its walls."""
        given = reach.readable
        return {
            "parent": os.getpid(),
            "import_from": [entry or os.getcwd() for entry in sys.path],
            "walls": is_on(),
            "writable": [str(real_path(path)) for path in (folder, *reach.writable)],
            "readable": None if given is None else [str(path) for path in readable(given)],
            "memory_limit_bytes": self._memory_limit_bytes,
        }

    def _talk(self, pipe: Pipe, request: Sequence[bytes]) -> bytearray:
        """Sends the request and takes messages until there is the answer.

        Raises:
            EdgepruneError: As :func:`confined`.
        """
        ends_s = math.inf if self._timeout_s is None else time.monotonic() + self._timeout_s
        pipe.send(request)
        while True:
            silent_s = time.monotonic() + SILENT_S
            deadline_s = min(silent_s, ends_s, self._shown.deadline_s)
            try:
                kind, content = pipe.frame(self._answer_bytes, deadline_s)
            except TimeoutError as error:
                if deadline_s == silent_s:
                    why = f"reported nothing for {SILENT_S:,.0f} s"
                elif deadline_s == ends_s:
                    why = f"did not end within {self._timeout_s:,.0f} s of its start"
                else:
                    why = f"took longer than {self._shown.limit_s:,.0f} s"
                raise ModelError(f"{self._shown.doing} {why}, and was stopped") from error
            except EOFError as error:
                raise ModelError(self._death(pipe)) from error
            except ValueError as error:
                raise ModelError(f"{_UNREADABLE}: {error}") from error
            if kind == MESSAGE:
                self._hear(content)
                continue
            self._answer_bytes -= len(content)
            if kind == ANSWER:
                return content
            self.blobs.append(bytes(content))

    def _hear(self, content: bytearray) -> None:
        """One message.

        Raises:
            EdgepruneError: It says so, or is none.
            JobFault: It says so.
        """
        try:
            message = self._shown.read(content)
            if isinstance(message, Failed):
                raise error_of(message)
        except ValueError as error:
            raise ModelError(f"{_UNREADABLE}: {error}") from error
        if isinstance(message, Fault):
            fault = JobFault(self._shown.text(message.text))
            fault.add_note(message.trace)
            raise fault
        if isinstance(message, Closed):
            self._has_started = True
            self._closed(message.walls)

    def _warn_once(self, walls: Sequence[Wall]) -> None:
        """Says it where nothing holds here although it should."""
        matters = [wall for wall in walls if wall.name in MATTERS]
        if is_on() and not any(wall.held_by for wall in matters) and not _warned:
            _warned.append(True)
            self._shown.warn(
                "this system has no walls for the process that opens the model: open only files "
                "that you trust (`edgeprune doctor` says why)"
            )

    def _death(self, pipe: Pipe) -> str:
        """What became of a child that ended without an answer."""
        code, doing = pipe.exit_code(_END_S), self._shown.doing
        words = self._shown.text(pipe.last_words())
        gigabytes = f"{self._memory_limit_bytes / 1e9:.1f} GB"
        if code == SIGNALLED + signal.SIGKILL:
            return (
                f"{doing}: the model's framework was killed, most likely for lack of memory; the "
                f"limit is {gigabytes}"
            )
        if any(word in words for word in ("bad_alloc", "annot allocate memory", "ut of memory")):
            return f"{doing}: the model needs more memory than the limit of {gigabytes}"
        how = f"exit code {code}"
        if code is not None and code > SIGNALLED:
            how = f"signal {_signal_name(code - SIGNALLED)}"
        said = f"; its last words: {words[-200:]}" if words else ""
        if not self._has_started:
            without = f"; {SANDBOX_SWITCH}=off starts it without walls" if is_on() else ""
            return f"the process that opens the model did not start ({how}){said}{without}"
        return f"{doing}: the model's framework crashed ({how}){said}"


def _start(plan: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """The child, at the head of a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-P", str(_PROGRAM), plan],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        bufsize=0,
        start_new_session=True,
    )


def _drop(line: str) -> None:
    """Takes a line that nobody reads."""


def _frame(content: bytes) -> tuple[bytes, bytes]:
    return HEAD.pack(b"R", len(content)), content


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


_warned: list[bool] = []


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the child with everything that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)  # its number is its own until it is waited for
    except (ProcessLookupError, PermissionError):
        pass
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait(_END_S)
