"""Questions to firmware over a line that may lose or damage bytes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from edgeprune.agents.conversation import answered
from edgeprune.agents.decode import Answer
from edgeprune.agents.wire import GREETING_LIMIT_BYTES, Frame, pack, read_frame
from edgeprune.devices.transports.base import Line
from edgeprune.errors import BadFrame, DeviceError, DeviceTimeout

TRIES = 3
"""How often a question is asked that brought no whole answer. Source: ours; a line that damages one
frame in ten fails once in a thousand questions."""

JSON_BYTES = 1 << 14
"""Most of any answer. Source: ours; ``firmware/src/line.h`` has 1,024."""

_SLOWEST_BYTES_S = 500
"""Source: ours; half of what a line of 9,600 baud carries."""

_PAUSE_SHARE = 0.2
"""Of the patience: how long a frame that has begun may stand still. Source: ours; of 5 s that is
the second after which firmware gives a frame up, firmware/PROTOCOL.md."""

_PIECE_BYTES = 64

_MAX_EPOCH = (1 << 32) - 1
"""Source: firmware/PROTOCOL.md, "A farm's lease". The farm counts on from the seconds since 1970,
which are more in 2106."""

_BEFORE_LEASES = "hello"
"""Asked without an epoch, so that firmware of another version of the protocol answers it too."""


class Talk:
    """Asks one question after the other; what answers an earlier one is passed over."""

    def __init__(self, line: Line, where: str, patience_s: float, epoch: int | None = None) -> None:
        """Asks nothing yet.

        Args:
            line: To the firmware.
            where: The device's name, for messages.
            patience_s: How long firmware may take for an answer that needs no work.
            epoch: Of the farm's lease of the device; None for a run of a person's.

        Raises:
            DeviceError: Firmware cannot count to that epoch.
        """
        self._line, self._where, self._patience_s = line, where, patience_s
        if epoch is not None and not 0 < epoch <= _MAX_EPOCH:
            raise self.fault(f"firmware counts leases from 1 to {_MAX_EPOCH:,}, not {epoch:,}")
        self._lease = {} if epoch is None else {"epoch": epoch}
        self._next_id = 1

    def ask(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        blob: bytes = b"",
        *,
        blob_bytes: int = 0,
        work_s: float = 0.0,
    ) -> tuple[Answer, bytes]:
        """Asks once.

        Args:
            command: Its ``cmd``.
            arguments: Its other keys.
            blob: Data behind the question.
            blob_bytes: Most data behind its answer.
            work_s: How long the work may take that is asked for.

        Returns:
            The answer without ``id`` and ``ok``, and the data behind it.

        Raises:
            DeviceTimeout: No answer came in time.
            BadFrame: It was damaged.
            AgentRefusal: The firmware answered with an error, as that a newer lease has the board.
            DeviceError: What came is no answer to that question, or the line broke.
        """
        number = self._next_id
        self._next_id += 1
        asked = f"{self._where}: {command}"
        lease = {} if command == _BEFORE_LEASES else self._lease
        request = pack(Frame({"id": number, "cmd": command, **(arguments or {}), **lease}, blob))
        timeout_s = self._patience_s + work_s + (len(request) + blob_bytes) / _SLOWEST_BYTES_S
        until_s = time.monotonic() + timeout_s

        def read(size: int) -> bytes:
            return self._line.read(size, max(0.0, until_s - time.monotonic()))

        def read_rest(size: int) -> bytes:
            return self._without_pauses(size, until_s)

        try:
            self._line.write(request, timeout_s)
            while True:
                frame = read_frame(read, GREETING_LIMIT_BYTES, JSON_BYTES, blob_bytes, read_rest)
                if not self._is_late(frame, number):
                    return answered(frame, number, asked), frame.blob
        except BadFrame as error:
            raise BadFrame(f"{asked}: {error}") from error
        except DeviceTimeout as error:
            raise DeviceTimeout(f"{asked}: no answer within {timeout_s:g} s") from error

    def _without_pauses(self, size: int, until_s: float) -> bytes:
        """Reads the rest of a frame, whose bytes follow one another.

        Raises:
            BadFrame: They do not: its length was damaged, or bytes were lost.
        """
        pause_s = _PAUSE_SHARE * self._patience_s
        data = b""
        while len(data) < size:
            piece = min(_PIECE_BYTES, size - len(data))
            left_s = min(until_s - time.monotonic(), pause_s + piece / _SLOWEST_BYTES_S)
            try:
                data += self._line.read(piece, max(0.0, left_s))
            except DeviceTimeout as error:
                raise BadFrame("a frame broke off in its middle: its length was damaged") from error
        return data

    def ask_again(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        blob_bytes: int = 0,
        work_s: float = 0.0,
    ) -> tuple[Answer, bytes]:
        """As :meth:`ask`, up to :data:`TRIES` times: for what may be asked twice without harm."""
        for _ in range(TRIES - 1):
            try:
                return self.ask(command, arguments, blob_bytes=blob_bytes, work_s=work_s)
            except (DeviceTimeout, BadFrame):
                continue
        return self.ask(command, arguments, blob_bytes=blob_bytes, work_s=work_s)

    def fault(self, words: str) -> DeviceError:
        """The error for an answer that cannot be right."""
        return DeviceError(f"{self._where}: {words}")

    @staticmethod
    def _is_late(frame: Frame, number: int) -> bool:
        """Whether it answers a question that was given up."""
        answers = frame.message.get("id")
        return type(answers) is int and answers < number
