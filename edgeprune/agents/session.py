"""A conversation with one agent process: what ``device_agents/PROTOCOL.md`` calls requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from edgeprune.agents.answers import (
    Hello,
    LoadedModel,
    Profile,
    ProfileEvent,
    TensorInfo,
    Timing,
    complete,
    input_blob,
    output_arrays,
    tensor_info,
)
from edgeprune.artifacts import Array
from edgeprune.cpuinfo import readable_cpu
from edgeprune.errors import DeviceError
from edgeprune.transports.base import Channel, Transport
from edgeprune.wire import GREETING_LIMIT_BYTES, Frame, pack, read_frame

__all__ = [
    "AgentSession",
    "Hello",
    "LoadedModel",
    "Profile",
    "ProfileEvent",
    "TensorInfo",
    "Timing",
    "start_agent",
]

PROTOCOL = 1
_INFER_BATCH_BYTES = 32 << 20
_ANSWER_SLACK_S = 60.0


class AgentSession:
    """Talks to one agent process over a channel; a context manager that ends the agent.

    An agent holds one model at a time. Every method but :meth:`close` raises DeviceTimeout if the
    answer does not come in time, and DeviceError if the agent ends or answers with an error.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._next_id = 1
        self._model: LoadedModel | None = None

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
        answer = self._ask("hello", {}, timeout_s).message
        if answer.get("protocol") != PROTOCOL:
            raise DeviceError(
                f"the agent speaks protocol {answer.get('protocol')}, not {PROTOCOL}: push it anew"
            )
        with complete(answer, "hello"):
            return Hello(
                agent_version=str(answer["agent_version"]),
                os=str(answer["os"]),
                machine=str(answer["machine"]),
                cpu=readable_cpu(str(answer["cpu"])),
                cores=int(answer["cores"]),
                features=tuple(answer["features"]),
                pid=int(answer["pid"]),
                emulated=answer.get("emulated") is True,
            )

    def load(
        self,
        runtime: str,
        model: str,
        *,
        threads: int = 1,
        cpus: Sequence[int] = (),
        profile: bool = False,
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
        answer = self._ask("load", request, timeout_s).message
        with complete(answer, "load"):
            self._model = LoadedModel(
                load_ns=int(answer["load_ns"]),
                inputs=tuple(tensor_info(entry) for entry in answer["inputs"]),
                outputs=tuple(tensor_info(entry) for entry in answer["outputs"]),
            )
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
            answer = self._ask("infer", {"samples": len(part)}, timeout_s, b"".join(part))
            outputs += output_arrays(answer.blob, len(part), model.outputs)
        return outputs

    def time(self, warmup: int, runs: int, max_s: float, timeout_s: float | None = None) -> Timing:
        """Times inferences, on the inputs of the last :meth:`infer` or on a fixed pattern.

        Args:
            warmup: Inferences before the timed ones, after the first.
            runs: Timed inferences.
            max_s: Stop after this many seconds of timed inferences; 0 sets no limit.
            timeout_s: How long the answer may take; None allows ``max_s`` and a minute.
        """
        if timeout_s is None and max_s <= 0:
            raise DeviceError("timing without max_s needs a timeout_s")
        request = {"warmup": warmup, "runs": runs, "max_ns": round(max_s * 1e9)}
        answer = self._ask("time", request, timeout_s or max_s + _ANSWER_SLACK_S).message
        with complete(answer, "time"):
            peak = answer["peak_memory_bytes"]
            return Timing(
                begin_ns=int(answer["begin_ns"]),
                end_ns=int(answer["end_ns"]),
                first_ns=int(answer["first_ns"]),
                latency_ns=tuple(int(value) for value in answer["latency_ns"]),
                peak_memory_bytes=None if peak is None else int(peak),
            )

    def profile(self, runs: int = 1, timeout_s: float = 300.0) -> Profile:
        """Runs the model under the runtime's profiler; it must have been loaded for that."""
        answer = self._ask("profile", {"runs": runs}, timeout_s).message
        with complete(answer, "profile"):
            tags = tuple(str(tag) for tag in answer["tags"])
            events = tuple(
                tuple(ProfileEvent(tags[tag], int(source), int(us)) for tag, source, us in run)
                for run in answer["events"]
            )
        return Profile(tags, events)

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
        answer = self._ask("unpack", request, timeout_s).message
        with complete(answer, "unpack"):
            return int(answer["bytes"])

    def clock_s(self, timeout_s: float = 30.0) -> float:
        """The device's monotonic clock, in seconds."""
        answer = self._ask("clock", {}, timeout_s).message
        with complete(answer, "clock"):
            return int(answer["now_ns"]) / 1e9

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
        self._ask("sample_start", request, timeout_s)

    def sample_stop(self, timeout_s: float = 60.0) -> bytes:
        """Ends it; the samples as PROTOCOL.md describes them."""
        return self._ask("sample_stop", {}, timeout_s).blob

    def peak_memory_bytes(self, timeout_s: float = 30.0) -> int | None:
        """Largest resident memory of the process so far (VmHWM), or None if unknown."""
        answer = self._ask("memory", {}, timeout_s).message
        with complete(answer, "memory"):
            peak = answer["peak_memory_bytes"]
            return None if peak is None else int(peak)

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
        answer = self._ask("hold", {"settings": lines}, timeout_s).message
        with complete(answer, "hold"):
            return dict(zip(settings, str(answer["before"]).split("\n"), strict=True))

    def release(self, timeout_s: float = 30.0) -> tuple[str, ...]:
        """Restores what :meth:`hold` changed.

        Returns:
            A line for each setting that is not as before, with the reason.
        """
        answer = self._ask("release", {}, timeout_s).message
        with complete(answer, "release"):
            return tuple(str(answer["not_restored"]).splitlines())

    def close(self, timeout_s: float = 5.0) -> int | None:
        """Ends the agent by closing its input; may be called twice.

        Returns:
            Instructions that the process executed, or None where they were not counted.
        """
        return self._channel.close(timeout_s)

    def _loaded(self) -> LoadedModel:
        if self._model is None:
            raise DeviceError("no model is loaded")
        return self._model

    def _ask(
        self, command: str, arguments: Mapping[str, Any], timeout_s: float, blob: bytes = b""
    ) -> Frame:
        number = self._next_id
        self._next_id += 1
        request = {"id": number, "cmd": command, **arguments}
        self._channel.write(pack(Frame(request, blob)), timeout_s)
        greeting_limit_bytes = GREETING_LIMIT_BYTES if number == 1 else 0
        answer = read_frame(lambda size: self._channel.read(size, timeout_s), greeting_limit_bytes)
        if answer.message.get("id") not in (number, None):
            raise DeviceError(f"the agent answered request {answer.message['id']}, not {number}")
        if answer.message.get("ok") is not True:
            raise DeviceError(f"{command}: {answer.message.get('error', 'refused without reason')}")
        return answer


def start_agent(
    transport: Transport,
    agent_path: str,
    *,
    loader: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    count_instructions: bool = False,
    idle_s: int | None = None,
) -> AgentSession:
    """Starts the agent on a device.

    Args:
        transport: An open transport.
        agent_path: The agent's path on the device.
        loader: Program and arguments to start it through, where the device has no glibc.
        env: Variables to set for it.
        count_instructions: Count instructions, where the transport can.
        idle_s: It ends after that many seconds without a request, 1 to 86400; None leaves that to
            it.

    Raises:
        DeviceError: It could not be started.
    """
    argv = [*loader, agent_path, *([] if idle_s is None else [str(idle_s)])]
    return AgentSession(transport.start(argv, env or {}, count_instructions=count_instructions))
