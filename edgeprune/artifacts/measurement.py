"""What the stages ``run`` and ``verify`` hand on: what ran where, and what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.core_work import CycleEstimate, NoEstimate
from edgeprune.energy.net import Energy, NoEnergy
from edgeprune.tasks import Task

SessionVerdict = Literal["valid", "throttled", "noisy", "contaminated"]

TAKEN = "taken from an earlier run of the same file, runtime, agent and emulator"
"""Said of every figure that was not made anew."""


@dataclass(frozen=True)
class DeviceFacts:
    """What the agent says about the device that it runs on.

    Attributes:
        id: The device's name in the bench, or the host's name.
        cpu: Model name and architecture.
        os: Kernel name, release and machine.
        agent_version: Version of our agent.
        runtime_version: Version of the inference runtime, with the library's SHA-256.
        cores: Online CPU cores.
        features: CPU features that the kernel reports.
    """

    id: str
    cpu: str
    os: str
    agent_version: str
    runtime_version: str
    cores: int | None = None
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pinning:
    """What was held fixed on the device while it was measured, and what became of it.

    Attributes:
        cpus: Cores that the agent was pinned to; empty where it was free.
        asked: ``performance``, or ``keep`` where the device was to stay as it is.
        governors: Distinct cpufreq governors while it was measured, in order of their cores; empty
            where the device has none to read.
        governors_before: The same, before.
        fixed_performance_mode: Whether Android's was on.
        restored: Whether all is as before; None where nothing was changed.
        reason: Why the governor could not be set or was not restored, in one line; None where there
            is nothing to explain.
    """

    cpus: tuple[int, ...]
    asked: str
    governors: tuple[str, ...]
    governors_before: tuple[str, ...]
    fixed_performance_mode: bool = False
    restored: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class StartSample:
    """One fresh process that loaded a variant and made its first inference.

    Attributes:
        load_ns: From the start of loading to a compiled model.
        first_ns: The very first inference.
        peak_memory_bytes: VmHWM of the process behind it, or None.
        agent_memory_bytes: The same before loading, without a model and without the runtime.
    """

    load_ns: int
    first_ns: int
    peak_memory_bytes: int | None
    agent_memory_bytes: int | None

    @property
    def model_memory_bytes(self) -> int | None:
        """What runtime and model added to the agent's memory; None where that does not show."""
        if self.peak_memory_bytes is None or self.agent_memory_bytes is None:
            return None
        added_bytes = self.peak_memory_bytes - self.agent_memory_bytes
        return added_bytes if added_bytes > 0 else None


@dataclass(frozen=True)
class LayerTiming:
    """One kernel run by the runtime, from a profiling pass of its own.

    Attributes:
        name: The model's layer (name of the operator's output tensor), or the kernel's own name
            where the runtime does not let the two be matched.
        op: TFLite operator, or ``UNKNOWN``.
        kernel: The name that the runtime gave.
        sparse: Whether that name is a sparse kernel's.
        latency_us: Mean time in microseconds, or None on an emulated device.
        instructions: Instructions, or None where they were not counted per layer.
        cycles: Estimated cycles on the emulated core, or None where they were not estimated.
    """

    name: str
    op: str
    kernel: str
    sparse: bool
    latency_us: float | None
    instructions: int | None = None
    cycles: int | None = None


@dataclass(frozen=True)
class Variant:
    """One model file to be run on the device.

    Attributes:
        name: ``dense`` or ``deployed``, or a further one.
        file: The ``.tflite`` file on the host.
        reference: The same network stored dense, for the host's reference kernels.
        sparsity: Share of zeros over all weights of convolution and dense kernels.
        profiling_only: Not fit for use: weights or ranges were not made with data.
        expected: Outputs of operators that are expected to run sparse.
        measured: False for a variant that is only scored, not run for time.
    """

    name: str
    file: Path
    reference: bytes
    sparsity: float
    profiling_only: bool
    expected: tuple[str, ...] = ()
    measured: bool = True


@dataclass(frozen=True)
class HeadScore:
    """Score of one output.

    Attributes:
        name: The output's name.
        metric: As in :class:`Accuracy`.
        value: The score.
    """

    name: str
    metric: str
    value: float


@dataclass(frozen=True)
class Accuracy:
    """Score of a variant, computed on the host with the file that is deployed.

    Attributes:
        metric: A word of :data:`edgeprune.tasks.METRICS`, as ``top1`` (share of right labels).
        value: The score, of the first output that has labels.
        samples: Test samples used.
        heads: Scores of all outputs in order, and of single values of unlike size; empty where
            there is only one.
    """

    metric: str
    value: float
    samples: int
    heads: tuple[HeadScore, ...] = ()

    def by_head(self, task: Task) -> dict[str, float]:
        """Scores by the names of a task's heads."""
        if not self.heads:
            return {task.main.name: self.value}
        return {head.name: head.value for head in self.heads}


@dataclass(frozen=True)
class Parity:
    """Outputs on the board beside those of the reference kernels on the host.

    Attributes:
        reference: What the outputs were compared with.
        max_abs_diff: Largest absolute difference over all outputs and samples.
        argmax_agreement: Share of samples whose largest output is the same; None without classes.
        samples: Inputs compared.
        where: Device and runtime that made the outputs.
        limit: The largest ``max_abs_diff`` that passes.
        passed: Whether the board's outputs are right.
    """

    reference: str
    max_abs_diff: float
    argmax_agreement: float | None
    samples: int
    where: str
    limit: float
    passed: bool


@dataclass(frozen=True)
class SessionState:
    """What the device said of itself around one session; None is what it does not say.

    Attributes:
        temperature_before_c: Hottest of its processors' thermal zones.
        temperature_highest_c: Likewise, over the session and the moment after it.
        temperature_after_c: Likewise, right after it.
        frequency_hz: Median of the fastest used core's clock while inferences ran.
        frequency_lowest_hz: Its lowest.
        pinned_hz: The clock that the governor ``performance`` holds; None where the clock floats.
        governor: Of the first used core.
        throttle_bits_before: ``vcgencmd get_throttled``.
        throttle_bits_seen: Bits that stood in any reading during the session or after it.
        thermal_status_before: Android's, 0 (none) to 6 (shutdown).
        thermal_status_highest: Likewise, during the session or after it.
        wait_share: Share of the session in which its process was ready and another had the core.
        other_share: CPU time of other processes on the used cores, per core, as a share.
        stolen_share: The same of what other guests of the same machine took.
        load_1min: Load average before it.
        battery_percent: Charge before it.
        on_mains: Whether it was charged, or needs no battery.
        readings: How often the device was read while inferences ran.
        not_read: What this device does not say, and so was not judged, each in a few words.
    """

    temperature_before_c: float | None = None
    temperature_highest_c: float | None = None
    temperature_after_c: float | None = None
    frequency_hz: float | None = None
    frequency_lowest_hz: float | None = None
    pinned_hz: float | None = None
    governor: str | None = None
    throttle_bits_before: int | None = None
    throttle_bits_seen: int | None = None
    thermal_status_before: int | None = None
    thermal_status_highest: int | None = None
    wait_share: float | None = None
    other_share: float | None = None
    stolen_share: float | None = None
    load_1min: float | None = None
    battery_percent: float | None = None
    on_mains: bool | None = None
    readings: int = 0
    not_read: tuple[str, ...] = ()


@dataclass(frozen=True)
class Session:
    """One fresh agent process that timed one variant.

    Attributes:
        latency_ns: One entry per timed inference, in order; of a long session every k-th.
        first_ns: The very first inference, before the warm-up.
        load_ns: From the start of loading to a compiled model.
        peak_memory_bytes: VmHWM of the process, or None.
        runs: Timed inferences; None where each has its entry in ``latency_ns``.
        begin_s: The device's monotonic clock before the timed inferences; None if not recorded.
        end_s: It behind them.
        over_time: Of a long session, [seconds since ``begin_s``, median latency in microseconds]
            of equal stretches of it.
        trend: Percent a minute by which latency rose in it, and both ends of the 95 % interval;
            None for a short one.
        state: What the device said around it; None if nothing was read.
        verdict: Whether its times may be used.
        reason: Why not, in one sentence; None for a valid one.
        every_ns: Each timed inference, in order, shape ``(runs,)``; None where ``latency_ns`` has
            all of them.
    """

    latency_ns: tuple[int, ...]
    first_ns: int
    load_ns: int
    peak_memory_bytes: int | None
    runs: int | None = None
    begin_s: float | None = None
    end_s: float | None = None
    over_time: tuple[tuple[float, float], ...] = ()
    trend: tuple[float, float, float] | None = None
    state: SessionState | None = None
    verdict: SessionVerdict = "valid"
    reason: str | None = None
    every_ns: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)

    @property
    def timed_runs(self) -> int:
        """Timed inferences, those without an entry included."""
        return len(self.latency_ns) if self.runs is None else self.runs


@dataclass(frozen=True)
class Timed:
    """How the variants were timed.

    Attributes:
        effort: Name of the effort.
        sessions: Sessions planned per variant.
        runs: Timed inferences planned per session, at least.
        timed_s: Seconds of them planned per session, at least.
        order: Variants in the order in which their sessions ran, repeats included.
        repeats: How often sessions were made again.
        notes: What there is to know of the waits between them.
    """

    effort: str
    sessions: int
    runs: int
    timed_s: float
    order: tuple[str, ...]
    repeats: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """Everything that one variant's runs on one device brought back.

    Attributes:
        variant: Name of the variant.
        sessions: Fresh processes, in the order in which they ran; empty on an emulated device.
        instructions: Instructions per inference, or None where they cannot be counted.
        instructions_source: How they were counted, or None.
        layers: Kernels of one inference in execution order.
        parity: Comparison with the reference.
        peak_memory_bytes: Largest VmHWM over ``starts``; of a microcontroller, the arena, as its
            firmware says; or None.
        energy: Measured in a pass of its own, or why not; None where there is none to speak of, as
            on an emulated device.
        starts: Fresh processes that loaded it, in a pass of their own; empty on an emulated device.
        packed_bytes: Size of the container that brought the file to the device; None where the file
            was sent as it is, or lay there.
        flash_bytes: Size of the plan in a microcontroller's flash; None elsewhere.
        estimate: Cycles of one inference on the emulated core, or why there are none; None on a
            device that is timed.
    """

    variant: str
    sessions: tuple[Session, ...]
    instructions: int | None
    instructions_source: str | None
    layers: tuple[LayerTiming, ...]
    parity: Parity | None
    peak_memory_bytes: int | None
    energy: Energy | NoEnergy | None = None
    starts: tuple[StartSample, ...] = ()
    packed_bytes: int | None = None
    flash_bytes: int | None = None
    estimate: CycleEstimate | NoEstimate | None = None


@dataclass(frozen=True)
class RunResult:
    """One run of all variants on one device.

    Attributes:
        device: What ran it.
        emulated: True where time means nothing and instructions were counted instead.
        measured: One entry per measured variant, ``dense`` first.
        reasons: What the figures lack to be valid; empty if nothing.
        pinning: What was held fixed meanwhile; None on an emulated device.
        timed: How the variants were timed; None where they were not.
        cause: Why the run ended early, with what it was doing then; empty for a whole one.
        left: What it leaves all the same, as ``3 whole sessions are kept``; empty for a whole one.
        is_interrupted: Whether it did because the user interrupted it.
    """

    device: DeviceFacts
    emulated: bool
    measured: tuple[Measured, ...]
    reasons: tuple[str, ...] = field(default=())
    pinning: Pinning | None = None
    timed: Timed | None = None
    cause: str = ""
    left: str = ""
    is_interrupted: bool = False

    @property
    def broken(self) -> str:
        """Why the run ended early, and what it leaves; empty for a whole one."""
        return f"{self.cause}; {self.left}" if self.cause else ""
