"""A conversation with one microcontroller: push a plan, run it, time it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

import numpy as np

from edgeprune.agents.firmware.answers import (
    PROTOCOL,
    FirmwareHello,
    PlanFacts,
    ProfiledOp,
    check_loaded,
    hello_of,
    profile_of,
    ticks_of,
)
from edgeprune.agents.firmware.talk import TRIES, Talk
from edgeprune.artifacts.arrays import Array
from edgeprune.devices.transports.base import Line
from edgeprune.errors import BadFrame, DeviceError, DeviceTimeout

PATIENCE_S = 5.0
"""For an answer that needs no work. Source: ours; firmware gives up a broken frame after 1 s."""

EMULATED_PATIENCE_S = 120.0
"""The same of an emulated board, whose machine may be busy with other things."""

ERASE_S = 60.0
"""For erasing a slot, or checking it whole. Source: ours; 128 KiB sectors of an STM32F4 take up to
4 s each (datasheet DS8626, table 46)."""

RUN_S = 120.0
"""For one inference. Source: ours; MLPerf Tiny's slowest result is 1.4 s."""

PIECE_BYTES = 32
"""What flash takes at once at most; pieces of a plan are multiples of it, but for the last. Source:
firmware/PROTOCOL.md, ``store``."""

_Made = TypeVar("_Made")


class FirmwareSession:
    """Talks to firmware over an open line; a context manager that closes it.

    Every method but :meth:`close` raises DeviceTimeout if no answer comes in time, BadFrame if
    answers keep arriving damaged, AgentRefusal if the firmware refuses, as where a newer lease has
    the board, and DeviceError if the line breaks or an answer cannot be right.
    """

    def __init__(
        self,
        line: Line,
        where: str,
        patience_s: float = PATIENCE_S,
        epoch: int | None = None,
    ) -> None:
        """Asks nothing yet.

        Args:
            line: To the firmware.
            where: The device's name, for messages.
            patience_s: How long firmware may take for an answer that needs no work.
            epoch: Of the farm's lease of the device; None for a run of a person's.

        Raises:
            DeviceError: Firmware cannot count to that epoch.
        """
        self._line = line
        self._talk = Talk(line, where, patience_s, epoch)
        self._hello: FirmwareHello | None = None
        self._plan: PlanFacts | None = None

    def __enter__(self) -> FirmwareSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def hello(self) -> FirmwareHello:
        """Asks who is there.

        Raises:
            DeviceError: The firmware speaks another version of the protocol.
        """
        answer, _ = self._talk.ask_again("hello")
        spoken = answer.integer("protocol", 0, 1 << 31)
        if spoken != PROTOCOL:
            raise self._talk.fault(
                f"the firmware speaks protocol {spoken}, expected {PROTOCOL}: flash it anew"
            )
        self._hello = hello_of(answer)
        return self._hello

    def store(self, plan: bytes, told: Callable[[int, int], None] | None = None) -> None:
        """Puts a plan into the slot that is not in use, and that into use; nothing is sent twice.

        Args:
            plan: Its bytes.
            told: Takes how many bytes are there, and how many there will be.

        Raises:
            AgentRefusal: The firmware does not take the plan; it goes on with the one that it had.
        """
        crc32 = zlib.crc32(plan)

        def once() -> None:
            hello = self.hello()
            if (hello.plan_crc32, hello.plan_bytes) != (crc32, len(plan)):
                self._upload(plan, crc32, hello.blob_bytes, told)

        self._tried(once)

    def _upload(
        self, plan: bytes, crc32: int, most: int, told: Callable[[int, int], None] | None
    ) -> None:
        """Sends what the slot lacks of a plan, and has it checked."""
        asked = {"bytes": len(plan), "crc32": crc32}
        answer, _ = self._talk.ask("store_begin", asked, work_s=ERASE_S)
        at = answer.integer("at", 0, len(plan))
        answer.end()
        most -= most % PIECE_BYTES
        while at < len(plan):
            piece = plan[at : at + most]
            answer, _ = self._talk.ask("store", {"at": at}, piece)
            at = answer.integer("at", at + len(piece), at + len(piece))
            answer.end()
            if told is not None:
                told(at, len(plan))
        answer, _ = self._talk.ask("store_end", work_s=ERASE_S)
        answer.integer("slot", 0, 1)
        answer.integer("sequence", 1, (1 << 32) - 1)
        answer.end()

    def load(self, plan: PlanFacts) -> int:
        """Makes the plan in use ready to run.

        Args:
            plan: What the firmware must say of it.

        Returns:
            Memory that the network runs in, in bytes, as the firmware says.
        """
        answer, _ = self._talk.ask_again("load")
        arena_bytes = check_loaded(answer, plan)
        self._plan = plan
        return arena_bytes

    def infer(self, sample: Sequence[Array]) -> list[Array]:
        """Runs the network once.

        Args:
            sample: One int8 array an input, of its shape.

        Returns:
            One int8 array an output, in its shape.

        Raises:
            DeviceError: The sample does not fit the plan.
        """
        plan = self._loaded()
        blobs = []
        for array, tensor in zip(sample, plan.inputs, strict=True):
            if array.dtype != np.int8 or array.size != tensor.bytes:
                raise self._talk.fault(
                    f"an input is int8{list(tensor.shape)}, the sample has "
                    f"{array.dtype}{list(array.shape)}"
                )
            blobs.append(np.ascontiguousarray(array).tobytes())
        return self._tried(lambda: self._inferred(blobs, plan))

    def _inferred(self, blobs: Sequence[bytes], plan: PlanFacts) -> list[Array]:
        """Inputs are written anew each time, for a run may have overwritten them."""
        self._write_inputs(blobs)
        answer, _ = self._talk.ask("infer", work_s=RUN_S)
        answer.integer("ticks", 0, (1 << 32) - 1)
        answer.end()
        return [
            np.frombuffer(self._read_output(number, tensor.bytes), np.int8).reshape(tensor.shape)
            for number, tensor in enumerate(plan.outputs)
        ]

    def _write_inputs(self, blobs: Sequence[bytes]) -> None:
        most = self._blob_bytes()
        for number, blob in enumerate(blobs):
            for at in range(0, len(blob), most):
                part = blob[at : at + most]
                answer, _ = self._talk.ask("input", {"tensor": number, "at": at}, part)
                answer.end()

    def _read_output(self, number: int, size: int) -> bytes:
        most = self._blob_bytes()
        data = bytearray()
        while len(data) < size:
            part = min(most, size - len(data))
            asked = {"tensor": number, "at": len(data), "bytes": part}
            answer, blob = self._talk.ask("output", asked, blob_bytes=part)
            answer.end()
            if len(blob) != part:
                raise self._talk.fault(f"output: {len(blob)} bytes came, {part} were asked for")
            data += blob
        return bytes(data)

    def time(self, warmup: int, runs: int) -> tuple[int, ...]:
        """Ticks of each of ``runs`` inferences, after ``warmup`` others.

        Args:
            warmup: Inferences that are not timed.
            runs: Timed inferences, at most as many as fit into an answer, 4 bytes each.
        """
        self._loaded()
        work_s = RUN_S * (warmup + runs)
        asked = {"warmup": warmup, "runs": runs}
        answer, blob = self._talk.ask_again("time", asked, blob_bytes=4 * runs, work_s=work_s)
        return ticks_of(answer, blob, runs)

    def loop(self, runs: int, work_s: float) -> int:
        """Runs the network over and over without a word, asked for once.

        Args:
            runs: 1 to one more than :attr:`most_runs`.
            work_s: How long that may take.

        Returns:
            Ticks of the last run.
        """
        self._loaded()
        asked = {"warmup": runs - 1, "runs": 1}
        answer, blob = self._talk.ask("time", asked, blob_bytes=4, work_s=work_s)
        (ticks,) = ticks_of(answer, blob, 1)
        return ticks

    @property
    def most_runs(self) -> int:
        """How many inferences one :meth:`time` may ask for."""
        return self._blob_bytes() // 4

    def profile(self) -> tuple[ProfiledOp, ...]:
        """What each operation of the plan took in one inference, and which kernel ran it."""
        plan = self._loaded()
        answer, blob = self._talk.ask_again("profile", blob_bytes=1 << 16, work_s=RUN_S)
        return profile_of(answer, blob, plan)

    def counts(self) -> tuple[Sequence[int], ...]:
        """As :meth:`edgeprune.devices.transports.base.Line.counts`."""
        return self._line.counts()

    def close(self) -> None:
        """Closes the line; may be called twice."""
        self._line.close()

    def _tried(self, once: Callable[[], _Made]) -> _Made:
        """Does several questions over again, as a whole, where an answer got lost."""
        for _ in range(TRIES - 1):
            try:
                return once()
            except (DeviceTimeout, BadFrame):
                continue
        return once()

    def _blob_bytes(self) -> int:
        if self._hello is None:
            raise DeviceError("nobody has asked the firmware for its limits")
        return self._hello.blob_bytes

    def _loaded(self) -> PlanFacts:
        if self._plan is None:
            raise DeviceError("no plan is loaded")
        return self._plan
