"""What the agent's answers hold, each checked against what was asked; and the blobs of tensors.

This is the one place where a device's figures come in: what passes here can be true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from edgeprune.agents.decode import MAX_TEXT, Answer, Shown
from edgeprune.agents.device_clock import MAX_MOMENT_NS
from edgeprune.agents.interface import DTYPES, Interface, ModelTensor
from edgeprune.agents.wire import BLOB_LIMIT_BYTES
from edgeprune.artifacts.arrays import Array
from edgeprune.devices.cpuinfo import readable_cpu
from edgeprune.errors import DeviceError
from edgeprune.text.untrusted import one_line, printable

MAX_CORES = 4096
MAX_PID = 1 << 22
"""Source: Linux, include/linux/threads.h, PID_MAX_LIMIT."""

MAX_TENSORS, MAX_NAME = 4096, 1 << 14
MAX_RANK, MAX_SIZE = 32, (1 << 31) - 1
MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 1 << 16, 1 << 40
"""Of a process. Source: ours; our agent alone takes 600 kB, and a model's file at most 2 GiB."""

MAX_TAGS = 4096
"""Of a profile. Source: device_agents/native/profile.c, TAGS_LIMIT."""

MAX_EVENTS = 1 << 14
"""Of one profiled inference. Source: ours; the largest models that we know have 5,000 operators."""

DELEGATE = 2
"""The source of a delegate's kernels among a profile's events, the highest that there is. Source:
PROTOCOL.md, profile."""

MIN_RUN_NS = 100
"""No call of a runtime takes less. Source: ours; LiteRT's alone takes a microsecond."""

BETWEEN_NS, PAUSE_NS = 2_000, 5_000_000
"""What may lie between two timed inferences, and once because the device did something else; half
of the whole window on top. Source: ours; two readings of a clock take some 100 ns, on a kernel that
reads it by a call 1 us, and a process that waits longer for its next turn is asked again."""

LINK_NS, LINK_RUN_NS = 500_000_000, 400_000
"""What question and answer may take on their way, and each time in the answer on top. Source: ours;
8 bytes a time over a link of 20 kB/s."""

_SETTING = re.compile(r"[A-Za-z0-9_<> -]{0,63}")
_SETTING_BYTES = 64
"""Source: device_agents/native/setting.h; a clock's limit may read ``<unknown>``."""

Moments: TypeAlias = Callable[[int, int], None]
"""Takes the first and last moment of an answer; raises where the device's clock cannot be right."""


@dataclass(frozen=True)
class Hello:
    """What the agent says about itself and its device.

    Attributes:
        agent_version: Version of the agent.
        os: Kernel name and release.
        machine: The kernel's name of the architecture.
        cpu: Model name; Arm cores by their names.
        cores: Cores that are online.
        features: CPU features that the kernel reports.
        pid: The agent's process on the device.
        emulated: The agent knows that the device is emulated; the native one cannot tell.
    """

    agent_version: str
    os: str
    machine: str
    cpu: str
    cores: int
    features: tuple[str, ...]
    pid: int
    emulated: bool = False


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of the loaded model.

    Attributes:
        name: Name of the tensor in the model's graph.
        dtype: As numpy spells it.
        shape: With unknown dimensions set to 1.
        bytes: Size in the frame's blob.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class LoadedModel:
    """What the agent says about the model that it loaded.

    Attributes:
        load_ns: From the start of loading to a compiled model.
        inputs: In the order of the model's graph.
        outputs: In the order of the model's graph.
    """

    load_ns: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True)
class Timing:
    """Times of one process's inferences.

    Attributes:
        begin_ns: The device's monotonic clock before the timed inferences.
        end_ns: It behind them.
        first_ns: The first inference since the load, before the warm-up.
        latency_ns: One entry per timed inference.
        peak_memory_bytes: VmHWM of the process, or None where the kernel does not say.
    """

    begin_ns: int
    end_ns: int
    first_ns: int
    latency_ns: tuple[int, ...]
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class ProfileEvent:
    """One thing that the runtime's profiler saw.

    Attributes:
        tag: The runtime's name of it: a kernel's, for a delegate's event.
        source: 0 LiteRT, 1 interpreter, 2 delegate.
        elapsed_us: Its duration; means nothing on an emulated device.
    """

    tag: str
    source: int
    elapsed_us: int


@dataclass(frozen=True)
class Profile:
    """What the runtime's profiler saw.

    Attributes:
        tags: Every name that occurs, once each, by first appearance.
        events: One tuple of events per inference, in the runtime's order.
    """

    tags: tuple[str, ...]
    events: tuple[tuple[ProfileEvent, ...], ...]


def hello_of(answer: Answer) -> Hello:
    """What a ``hello`` brought back."""
    hello = Hello(
        agent_version=one_line(answer.text("agent_version", 100)),
        os=one_line(answer.text("os", 200)),
        machine=one_line(answer.text("machine", 100)),
        cpu=readable_cpu(one_line(answer.text("cpu", 1000), 1000)),
        cores=answer.integer("cores", 1, MAX_CORES),
        features=tuple(one_line(word) for word in answer.texts("features", 1000, 64)),
        pid=answer.integer("pid", 1, MAX_PID),
        emulated=answer.flag("emulated", default=False),
    )
    answer.end()
    return hello


def loaded_of(answer: Answer, expected: Interface | None, max_load_ns: int) -> LoadedModel:
    """What a ``load`` brought back.

    Args:
        answer: Of the agent.
        expected: The tensors of the file that was sent, where it is at hand.
        max_load_ns: How long the answer took.
    """
    loaded = LoadedModel(
        load_ns=answer.integer("load_ns", MIN_RUN_NS, max_load_ns),
        inputs=_tensors(answer, "inputs", expected.inputs if expected else None),
        outputs=_tensors(answer, "outputs", expected.outputs if expected else None),
    )
    answer.end()
    for tensors in (loaded.inputs, loaded.outputs):
        if sum(tensor.bytes for tensor in tensors) > BLOB_LIMIT_BYTES:
            raise DeviceError(
                f"{answer.asked}: one sample has more than the {BLOB_LIMIT_BYTES:,} bytes that a "
                "frame may carry: this model cannot be run there"
            )
    return loaded


def _tensors(
    answer: Answer, key: str, expected: tuple[ModelTensor, ...] | None
) -> tuple[TensorInfo, ...]:
    entries = answer.objects(key, MAX_TENSORS)
    if expected is not None and len(entries) != len(expected):
        raise answer.fault(key, entries and len(entries), f"the model's {len(expected)} tensors")
    tensors = tuple(_tensor(entry) for entry in entries)
    for k, (tensor, wanted) in enumerate(zip(tensors, expected or (), strict=False)):
        if not wanted.fits(tensor.name, tensor.dtype, tensor.shape):
            said = f"{tensor.name}: {tensor.dtype}{list(tensor.shape)}"
            raise answer.fault(f"{key}[{k}]", Shown(said), f"the model's own, {wanted}")
    return tensors


def _tensor(entry: Answer) -> TensorInfo:
    """An entry of ``inputs`` or ``outputs``."""
    name, dtype = entry.text("name", MAX_NAME), entry.text("type", 64)
    if dtype not in DTYPES:
        raise entry.fault("type", dtype, f"one of {', '.join(sorted(DTYPES))}")
    shape = entry.integers("shape", (0, MAX_RANK), 0, MAX_SIZE)
    whole = math.prod(shape) * np.dtype(dtype).itemsize
    size = entry.integer("bytes", 0, 1 << 50)
    if size != whole:
        raise entry.fault("bytes", size, f"{whole:,}, by its shape and type")
    entry.end()
    return TensorInfo(printable(name), dtype, shape, size)


class WindowNotFilled(DeviceError):
    """Times are far shorter than the window that holds them, or that than the wait for the answer.

    That is a lie, or the device or the link did something else in between: asking again tells.
    """


def timing_of(
    answer: Answer,
    runs: int,
    max_ns: int,
    max_first_ns: int,
    moments: Moments,
    least_peak_bytes: int = MIN_MEMORY_BYTES,
) -> Timing:
    """What a ``time`` brought back.

    Args:
        answer: Of the agent.
        runs: Timed inferences that were asked for.
        max_ns: Limit of their time that was asked for; 0 for none.
        max_first_ns: How long ago the model was asked to be loaded.
        moments: Holds the device's clock against this machine's.
        least_peak_bytes: What the peak of its memory cannot be below.
    """
    begin_ns = answer.integer("begin_ns", 0, MAX_MOMENT_NS)
    end_ns = answer.integer("end_ns", 0, MAX_MOMENT_NS)
    moments(begin_ns, end_ns)
    window_ns = end_ns - begin_ns
    fewest = runs if not max_ns or window_ns < max_ns else 1
    timing = Timing(
        begin_ns=begin_ns,
        end_ns=end_ns,
        first_ns=answer.integer("first_ns", MIN_RUN_NS, max_first_ns),
        latency_ns=answer.integers(
            "latency_ns", (fewest, runs), MIN_RUN_NS, max(window_ns, MIN_RUN_NS)
        ),
        peak_memory_bytes=peak_of(answer, least_peak_bytes),
    )
    answer.end()
    if sum(timing.latency_ns) > window_ns:  # which no pause explains
        raise DeviceError(_unfilled(answer.asked, timing))
    return timing


def check_times(timing: Timing, warmup: int, waited_ns: int, asked: str) -> None:
    """Holds times against the window that holds them, and that against the wait for the answer.

    Args:
        timing: What the answer told.
        warmup: Inferences before the timed ones that were asked for.
        waited_ns: From the question to the answer, on this machine's clock.
        asked: The device's name and what it was asked, for messages.

    Raises:
        WindowNotFilled: The device told far less time than it took.
    """
    window_ns, count = timing.end_ns - timing.begin_ns, len(timing.latency_ns)
    if sum(timing.latency_ns) < window_ns // 2 - BETWEEN_NS * count - PAUSE_NS:
        raise WindowNotFilled(_unfilled(asked, timing))
    before_ns = timing.first_ns + 10 * warmup * max(timing.latency_ns)
    if waited_ns > 2 * (window_ns + before_ns) + LINK_NS + LINK_RUN_NS * count:
        raise WindowNotFilled(
            f"{asked}: the device's answer is wrong: it says that {count:,} runs took "
            f"{window_ns / 1e9:,.3f} s, and this machine waited {waited_ns / 1e9:,.3f} s for them"
        )


def _unfilled(asked: str, timing: Timing) -> str:
    return (
        f"{asked}: the device's answer is wrong: its {len(timing.latency_ns):,} runs take "
        f"{sum(timing.latency_ns):,} ns together, expected about the "
        f"{timing.end_ns - timing.begin_ns:,} ns from begin_ns to end_ns"
    )


def peak_of(answer: Answer, least_bytes: int = MIN_MEMORY_BYTES) -> int | None:
    """The peak of a process's memory, in ``time`` and in ``memory``."""
    return answer.integer_or_none("peak_memory_bytes", least_bytes, MAX_MEMORY_BYTES)


def settings_of(answer: Answer, count: int) -> list[str]:
    """What ``count`` settings were before, in an answer to ``hold``."""
    text = answer.text("before", _SETTING_BYTES * count)
    before = text.split("\n")
    if len(before) != count or not all(map(_SETTING.fullmatch, before)):
        raise answer.fault("before", text, f"{count} values, one a line")
    answer.end()
    return before


def profile_of(answer: Answer, runs: int, max_us: int) -> Profile:
    """What a ``profile`` of ``runs`` inferences brought back, ``max_us`` after it was asked for."""
    tags = tuple(one_line(tag, MAX_TEXT) for tag in answer.texts("tags", MAX_TAGS))
    if "" in tags:
        raise answer.fault(f"tags[{tags.index('')}]", "", "a kernel's name")
    lists = answer.lists("events", (runs, runs), MAX_EVENTS)
    answer.end()
    limits = (len(tags) - 1, DELEGATE, max_us)
    for run, events in enumerate(lists):
        for k, event in enumerate(events):
            if not _is_event(event, limits):
                expected = f"[0 to {limits[0]}, 0 to 2, 0 to {max_us:,} us]"
                raise answer.fault(f"events[{run}][{k}]", event, expected)
    total_us = sum(us for run in lists for _, source, us in run if source == DELEGATE)
    if total_us > max_us:  # kernels run one after the other
        raise answer.fault("events", Shown(f"{total_us:,} us in all"), f"at most {max_us:,} us")
    events_by_run = (
        tuple(ProfileEvent(tags[t], source, us) for t, source, us in run) for run in lists
    )
    return Profile(tags, tuple(events_by_run))


def _is_event(event: object, limits: tuple[int, int, int]) -> bool:
    return (
        isinstance(event, list)
        and len(event) == len(limits)
        and all(type(v) is int and 0 <= v <= most for v, most in zip(event, limits, strict=True))
    )


def input_blob(sample: Sequence[Array], inputs: tuple[TensorInfo, ...]) -> bytes:
    """One sample's bytes.

    Raises:
        DeviceError: The sample does not fit the model's inputs.
    """
    if len(sample) != len(inputs):
        raise DeviceError(f"a sample has {len(sample)} arrays, the model {len(inputs)} inputs")
    for array, tensor in zip(sample, inputs, strict=True):
        if array.dtype != np.dtype(tensor.dtype) or array.nbytes != tensor.bytes:
            raise DeviceError(
                f"input {tensor.name} is {tensor.dtype}{list(tensor.shape)}, the sample has "
                f"{array.dtype}{list(array.shape)}"
            )
    return b"".join(np.ascontiguousarray(array).tobytes() for array in sample)


def output_arrays(blob: bytes, samples: int, outputs: tuple[TensorInfo, ...]) -> list[list[Array]]:
    """The arrays in the blob of an ``infer`` answer: per sample one per output.

    Raises:
        DeviceError: The blob has another size.
    """
    if len(blob) != samples * sum(tensor.bytes for tensor in outputs):
        raise DeviceError(f"the agent sent {len(blob)} bytes of outputs for {samples} samples")
    position = 0
    arrays: list[list[Array]] = []
    for _ in range(samples):
        row: list[Array] = []
        for tensor in outputs:
            data = np.frombuffer(blob[position : position + tensor.bytes], tensor.dtype)
            row.append(data.reshape(tensor.shape))
            position += tensor.bytes
        arrays.append(row)
    return arrays
