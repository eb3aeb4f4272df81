"""Questions and answers with one agent process, each bounded in size and in time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgeprune.agents.decode import Answer
from edgeprune.agents.device_clock import DeviceClock, max_device_ns
from edgeprune.agents.wire import GREETING_LIMIT_BYTES, Frame, pack, read_frame
from edgeprune.devices.transports.base import Channel
from edgeprune.errors import AgentRefusal, BadFrame, DeviceError, DeviceTimeout
from edgeprune.text.untrusted import device_says

MIN_JSON_BYTES = 1 << 16
"""Every answer may have as much JSON: an error in words, or a list of processor features."""


@dataclass(frozen=True)
class Limits:
    """How long an answer can be.

    Attributes:
        json_bytes: Beside :data:`MIN_JSON_BYTES`.
        blob_bytes: Data behind it.
    """

    json_bytes: int = 0
    blob_bytes: int = 0


@dataclass(frozen=True)
class Asked:
    """A question that was answered with ``ok``.

    Attributes:
        answer: The answer without its ``id`` and ``ok``.
        blob: The data behind it.
        sent_ns: When the question went off, on this machine's monotonic clock.
        came_ns: When the whole answer was there.
        clock: The device's clock as far as it is known.
    """

    answer: Answer
    blob: bytes
    sent_ns: int
    came_ns: int
    clock: DeviceClock

    @property
    def max_ns(self) -> int:
        """What may have passed between the two on the device's clock."""
        return max_device_ns(self.came_ns - self.sent_ns)

    def moments(
        self, first_ns: int, last_ns: int, sent_ns: int | None = None, after_ns: int | None = None
    ) -> None:
        """Holds moments of the answer against this machine's clock.

        Args:
            first_ns: The first one, on the device's clock.
            last_ns: The last one.
            sent_ns: When what they are of was asked for, where that was an earlier question.
            after_ns: A moment before that one, on the device's clock.

        Raises:
            DeviceError: They cannot be.
        """
        sent_ns = self.sent_ns if sent_ns is None else sent_ns
        wrong = self.clock.wrong(first_ns, last_ns, sent_ns, self.came_ns, after_ns)
        if wrong:
            raise DeviceError(f"{self.answer.asked}: {wrong}")


class Conversation:
    """Asks one question after the other.

    Attributes:
        clock: The device's clock as far as it is known.
    """

    def __init__(self, channel: Channel, where: str) -> None:
        """``where``: the device's name, for messages; may be empty."""
        self.clock = DeviceClock()
        self._channel = channel
        self._where = where
        self._next_id = 1

    @staticmethod
    def now_ns() -> int:
        """This machine's monotonic clock."""
        return time.monotonic_ns()

    def ask(
        self,
        command: str,
        arguments: Mapping[str, Any],
        timeout_s: float,
        blob: bytes,
        limits: Limits,
    ) -> Asked:
        """Asks one question.

        Args:
            command: Its ``cmd``.
            arguments: Its other keys.
            timeout_s: When the whole answer has to be there, however it trickles in.
            blob: Data behind the question.
            limits: How long its answer can be.

        Raises:
            DeviceTimeout: It was not.
            AgentRefusal: The agent answered with an error.
            DeviceError: The agent ended, or what it sent is no answer to that question.
        """
        number = self._next_id
        self._next_id += 1
        asked = f"{self._where}: {command}" if self._where else command
        request = pack(Frame({"id": number, "cmd": command, **arguments}, blob))
        sent_ns = self.now_ns()
        until_s = time.monotonic() + timeout_s
        with self._named(asked):
            self._channel.write(request, timeout_s)

        def read(size: int) -> bytes:
            with self._named(asked):
                return self._channel.read(size, max(0.0, until_s - time.monotonic()))

        greeting_bytes = GREETING_LIMIT_BYTES if number == 1 else 0
        json_bytes = MIN_JSON_BYTES + limits.json_bytes
        try:
            frame = read_frame(read, greeting_bytes, json_bytes, limits.blob_bytes)
        except BadFrame as error:
            raise BadFrame(f"{asked}: {error}") from error
        except DeviceTimeout as error:
            raise DeviceTimeout(f"{asked}: no answer within {timeout_s:g} s: {error}") from error
        came_ns = self.now_ns()
        return Asked(answered(frame, number, asked), frame.blob, sent_ns, came_ns, self.clock)

    @contextmanager
    def _named(self, asked: str) -> Iterator[None]:
        """Adds the device's name and the question to a channel's error that lacks the name."""
        try:
            yield
        except DeviceTimeout:
            raise
        except DeviceError as error:
            if self._where not in str(error):
                error.args = (f"{asked}: {error}", *error.args[1:])
            raise


def answered(frame: Frame, number: int, asked: str) -> Answer:
    """The answer without what every answer has.

    Raises:
        AgentRefusal: It says that it is an error.
        DeviceError: It is one to another question.
    """
    answer = Answer(asked, frame.message)
    if frame.message.get("ok") is not True:
        answer.flag("ok", default=True)
        answer.integer_or_none("id", number, number)
        words = answer.text("error", MIN_JSON_BYTES)
        raise AgentRefusal(f"{asked}: {device_says(words)}", words)
    answer.flag("ok", default=True)
    answer.integer("id", number, number)
    return answer
