"""A conversation with one agent process: what ``device_agents/PROTOCOL.md`` calls requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from edgeprune.agents import answers
from edgeprune.agents.answers import (
    Hello,
    LoadedModel,
    Profile,
    ProfileEvent,
    TensorInfo,
    Timing,
    input_blob,
    output_arrays,
)
from edgeprune.agents.conversation import Asked, Conversation, Limits
from edgeprune.agents.device_clock import MAX_MOMENT_NS, Moment, max_device_ns
from edgeprune.agents.interface import Interface
from edgeprune.agents.sampling import Sampling, samples_of
from edgeprune.artifacts.arrays import Array
from edgeprune.devices.transports.base import Channel
from edgeprune.errors import DeviceError
from edgeprune.meters.base import Row
from edgeprune.text.untrusted import one_line

__all__ = [
    "AgentSession",
    "Hello",
    "LoadedModel",
    "Profile",
    "ProfileEvent",
    "TensorInfo",
    "Timing",
]

PROTOCOL = 1
_INFER_BATCH_BYTES = 32 << 20
_ANSWER_SLACK_S = 60.0
_TIME_TRIES = 5
"""Source: ours; on a machine with 9 processes a core, one request of some thousand is paused too
long."""

_LOAD_BYTES = 4 << 20
_TAGS_BYTES = 1 << 20
_DIGITS_BYTES = 24
"""Of a number below 2^63 with a comma and a space, or of an event's three small ones."""

_HOLDER_CHARACTERS = 256
"""Source: device_agents/native/lock.h, in bytes."""


class AgentSession:
    """Talks to one agent process over a channel; a context manager that ends the agent.

    An agent holds one model at a time. Every method but :meth:`close` raises DeviceTimeout if the
    whole answer does not come in time, AgentRefusal if the agent answers with an error, and
    DeviceError if it ends or its answer is none that the question can have.
    """

    def __init__(self, channel: Channel, where: str = "", *, is_counted: bool = False) -> None:
        """Nothing is asked yet.

        Args:
            channel: To the agent that was just started.
            where: The device's name, for messages.
            is_counted: Its instructions are counted, so that its times are nobody's figures.
        """
        self._is_counted = is_counted
        self._channel = channel
        self._talk = Conversation(channel, where)
        self._model: LoadedModel | None = None
        self._load_sent_ns = 0
        self._peak_bytes = 0
        self._sampling: Sampling | None = None

    def __enter__(self) -> AgentSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An agent that left a request open would only be waited for in vain.
        self.close(timeout_s=5.0 if error is None else 0.5)

    def hello(self, timeout_s: float = 30.0) -> Hello:
        """Asks who is there.

        Raises:
            DeviceError: The agent speaks another version of the protocol.
        """
        answer = self._ask("hello", {}, timeout_s).answer
        spoken = answer.integer("protocol", 0, 1 << 31)
        if spoken != PROTOCOL:
            raise DeviceError(
                f"{answer.asked}: the agent speaks protocol {spoken}, expected {PROTOCOL}: "
                "remove it from the device, so that it is pushed anew"
            )
        return answers.hello_of(answer)

    def load(
        self,
        runtime: str,
        model: str,
        *,
        threads: int = 1,
        cpus: Sequence[int] = (),
        profile: bool = False,
        expected: Interface | None = None,
        timeout_s: float = 120.0,
    ) -> LoadedModel:
        """Loads the runtime library and a model in place of the former one.

        Both paths are the device's. The first load decides on the runtime of the process.

        Args:
            runtime: Path of ``libLiteRt.so``; for the agent in Python, of a wheel.
            model: Path of the ``.tflite`` file.
            threads: Threads of XNNPACK.
            cpus: Cores to pin the process to; empty leaves it free.
            profile: Load for :meth:`profile` instead of :meth:`time`.
            expected: Inputs and outputs of the file that was sent; others are refused.
            timeout_s: How long loading may take.
        """
        request = {
            "runtime": runtime,
            "model": model,
            "threads": threads,
            "cpus": list(cpus),
            "profile": profile,
        }
        self._model = None  # the agent frees it, also where the load fails
        asked = self._ask("load", request, timeout_s, limits=Limits(_LOAD_BYTES))
        self._model = answers.loaded_of(asked.answer, expected, asked.max_ns)
        self._load_sent_ns = asked.sent_ns
        return self._model

    def infer(
        self, samples: Sequence[Sequence[Array]], timeout_s: float = 600.0
    ) -> list[list[Array]]:
        """Runs the model on samples and brings its outputs back.

        Args:
            samples: Per sample one array per input, of the model's dtype and number of elements.
            timeout_s: Bounds each batch of samples, not the whole.

        Returns:
            Per sample one array per output, in the model's shapes.

        Raises:
            DeviceError: A sample does not fit the model.
        """
        model = self._loaded()
        blobs = [input_blob(sample, model.inputs) for sample in samples]
        sample_bytes = sum(t.bytes for t in model.inputs) + sum(t.bytes for t in model.outputs)
        batch = max(1, _INFER_BATCH_BYTES // max(1, sample_bytes))
        outputs: list[list[Array]] = []
        for start in range(0, len(blobs), batch):
            part = blobs[start : start + batch]
            limits = Limits(blob_bytes=len(part) * sum(t.bytes for t in model.outputs))
            asked = self._ask("infer", {"samples": len(part)}, timeout_s, b"".join(part), limits)
            asked.answer.end()
            outputs += output_arrays(asked.blob, len(part), model.outputs)
        return outputs

    def time(self, warmup: int, runs: int, max_s: float, timeout_s: float | None = None) -> Timing:
        """Times inferences, on the inputs of the last :meth:`infer` or on a fixed pattern.

        Where the times cannot be right, since the device or the link did something else meanwhile,
        it is asked again; but not where instructions are counted, to which that would add.

        Args:
            warmup: Inferences before the timed ones, after the first.
            runs: Timed inferences.
            max_s: Stop after this many seconds of timed inferences; 0 sets no limit.
            timeout_s: How long the answer may take; None allows ``max_s`` and a minute.
        """
        if timeout_s is None and max_s <= 0:
            raise DeviceError("timing without max_s needs a timeout_s")
        max_ns = round(max_s * 1e9)
        request = {"warmup": warmup, "runs": runs, "max_ns": max_ns}
        limits = Limits(_DIGITS_BYTES * runs)
        timeout_s = timeout_s or max_s + _ANSWER_SLACK_S
        tries = 0
        while True:
            asked = self._ask("time", request, timeout_s, limits=limits)
            since_load_ns = max_device_ns(asked.came_ns - self._load_sent_ns)
            timing = answers.timing_of(
                asked.answer, runs, max_ns, since_load_ns, asked.moments, self._least_peak()
            )
            self._peak_bytes = timing.peak_memory_bytes or self._peak_bytes
            tries += 1
            try:
                if not self._is_counted:
                    waited_ns = asked.came_ns - asked.sent_ns
                    answers.check_times(timing, warmup, waited_ns, asked.answer.asked)
                return timing
            except answers.WindowNotFilled:
                if tries == _TIME_TRIES:
                    raise

    def profile(self, runs: int = 1, timeout_s: float = 300.0) -> Profile:
        """Runs the model under the runtime's profiler; it must have been loaded for that."""
        limits = Limits(_TAGS_BYTES + runs * answers.MAX_EVENTS * _DIGITS_BYTES)
        asked = self._ask("profile", {"runs": runs}, timeout_s, limits=limits)
        return answers.profile_of(asked.answer, runs, max_us=asked.max_ns // 1000)

    def unpack(self, packed: str, target: str, max_bytes: int, timeout_s: float = 300.0) -> int:
        """Unpacks a ``.epz`` file of the device beside it; ``target`` appears whole or not at all.

        Args:
            packed: Path of the container.
            target: Path of the file to write.
            max_bytes: Most that its content may be.
            timeout_s: How long unpacking may take.

        Returns:
            The content's size in bytes.

        Raises:
            DeviceError: The container is damaged or too large, or a file cannot be written.
        """
        request = {"packed": packed, "target": target, "max_bytes": max_bytes}
        answer = self._ask("unpack", request, timeout_s).answer
        size = answer.integer("bytes", 0, max_bytes)
        answer.end()
        return size

    def clock_s(self, timeout_s: float = 30.0) -> float:
        """The device's monotonic clock, in seconds."""
        return self.moment(timeout_s).device_ns / 1e9

    def moment(self, timeout_s: float = 30.0) -> Moment:
        """The device's monotonic clock, with this machine's before and behind the question."""
        asked = self._ask("clock", {}, timeout_s)
        now_ns = asked.answer.integer("now_ns", 0, MAX_MOMENT_NS)
        asked.moments(now_ns, now_ns)
        asked.answer.end()
        return Moment(now_ns, asked.sent_ns, asked.came_ns)

    def sample_start(
        self, files: Sequence[str], command: str, period_s: float, timeout_s: float = 30.0
    ) -> None:
        """Begins to read files and a command's output every ``period_s`` seconds.

        Args:
            files: Paths on the device, none with a newline.
            command: For the device's shell, or empty.
            period_s: 0.001 to 10.
            timeout_s: How long the answer may take.
        """
        request = {
            "files": "\n".join(files),
            "command": command,
            "period_ns": round(period_s * 1e9),
        }
        after_ns = self._talk.clock.last_ns
        asked = self._ask("sample_start", request, timeout_s)
        asked.answer.end()
        self._sampling = Sampling(len(files) + bool(command), period_s, asked.sent_ns, after_ns)

    def sample_stop(self, timeout_s: float = 60.0) -> list[Row]:
        """Ends it; the samples, in their order."""
        sampling = self._sampling or Sampling(1, 1.0, self._talk.now_ns(), 0)
        limits = Limits(blob_bytes=sampling.max_bytes(self._talk.now_ns(), timeout_s))
        asked = self._ask("sample_stop", {}, timeout_s, limits=limits)
        self._sampling = None
        asked.answer.end()
        rows = samples_of(asked.blob, sampling.sources, asked.answer.asked)
        if len(rows) > sampling.max_samples(asked.came_ns):
            raise DeviceError(
                f"{asked.answer.asked}: the device's answer is wrong: {len(rows):,} samples, at "
                f"most {sampling.max_samples(asked.came_ns):,} fit into the time"
            )
        if rows:
            first_ns, last_ns = (round(row.time_s * 1e9) for row in (rows[0], rows[-1]))
            asked.moments(first_ns, last_ns, sampling.sent_ns, sampling.after_ns)
        return rows

    def peak_memory_bytes(self, timeout_s: float = 30.0) -> int | None:
        """Largest resident memory of the process so far (VmHWM), or None if unknown."""
        answer = self._ask("memory", {}, timeout_s).answer
        peak = answers.peak_of(answer, self._least_peak())
        answer.end()
        self._peak_bytes = peak or self._peak_bytes
        return peak

    def _least_peak(self) -> int:
        """A peak never falls, but for what the kernel counts apart on each core."""
        return max(answers.MIN_MEMORY_BYTES, self._peak_bytes // 2)

    def hold(self, settings: Mapping[str, str], timeout_s: float = 30.0) -> dict[str, str]:
        """Makes settings of the device, all or none, until :meth:`release` or the agent's end.

        Args:
            settings: Values by name (PROTOCOL.md, "Held settings").
            timeout_s: How long the answer may take.

        Returns:
            What they were before, by name.

        Raises:
            DeviceError: One cannot be set, or another agent holds settings; none is set then.
        """
        lines = "\n".join(f"{name}={value}" for name, value in settings.items())
        answer = self._ask("hold", {"settings": lines}, timeout_s).answer
        return dict(zip(settings, answers.settings_of(answer, len(settings)), strict=True))

    def release(self, timeout_s: float = 30.0) -> tuple[str, ...]:
        """Restores what :meth:`hold` changed.

        Returns:
            A line for each setting that is not as before, with the reason.
        """
        answer = self._ask("release", {}, timeout_s).answer
        text = answer.text("not_restored", 1 << 16)
        answer.end()
        return tuple(one_line(line) for line in text.splitlines())

    def lock(self, folder: str, holder: str, timeout_s: float = 30.0) -> str | None:
        """Tries once to take the device's lock, which ends with the agent.

        Args:
            folder: Where the lock's file lies on the device; empty for the device's own place.
            holder: A line for others.
            timeout_s: How long the answer may take.

        Returns:
            None where the agent has it now, else the line of the one that has, as that left it.

        Raises:
            AgentRefusal: The device has no place for a lock.
        """
        answer = self._ask("lock", {"folder": folder, "holder": holder}, timeout_s).answer
        held, others = answer.flag("held", default=False), answer.text("others", _HOLDER_CHARACTERS)
        answer.end()
        return None if held else others

    def lease(self, folder: str, epoch: int, timeout_s: float = 30.0) -> None:
        """Takes the device's lease; agents of older ones are ended there.

        Args:
            folder: Where its file lies on the device; empty for the device's own place.
            epoch: Counts the leases of the device.
            timeout_s: How long the answer may take.

        Raises:
            AgentRefusal: A newer lease has the device, and from now on whenever one comes.
        """
        self._ask("lease", {"folder": folder, "epoch": epoch}, timeout_s).answer.end()

    def close(self, timeout_s: float = 5.0) -> int | None:
        """Ends the agent by closing its input; may be called twice.

        Returns:
            Instructions that the process executed, or None where they were not counted.
        """
        return self._channel.close(timeout_s)

    def kill(self) -> None:
        """Ends an agent of this machine at once, from any thread; see :meth:`Channel.kill`."""
        self._channel.kill()

    def _loaded(self) -> LoadedModel:
        if self._model is None:
            raise DeviceError("no model is loaded")
        return self._model

    def _ask(
        self,
        command: str,
        arguments: Mapping[str, Any],
        timeout_s: float,
        blob: bytes = b"",
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> Asked:
        return self._talk.ask(command, arguments, timeout_s, blob, limits)
