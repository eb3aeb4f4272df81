"""Stage ``run``: measures variants on a device and brings back times, kernels and outputs.

Variants are timed in fresh agent processes, interleaved, so that a drift of the device's speed
meets all of them alike. Kernel names and outputs come from passes of their own, because profiling
costs time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeprune.agents.interface import interface_of
from edgeprune.agents.session import AgentSession, Hello
from edgeprune.agents.start import start_agent
from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.measurement import (
    TAKEN,
    DeviceFacts,
    LayerTiming,
    RunResult,
)
from edgeprune.console import interrupts
from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.host_clock import HOST_CLOCK, HostClock
from edgeprune.devices.transports.base import CommandTransport, WorkCount
from edgeprune.errors import DeviceError
from edgeprune.measure.device_lock import WAIT_S, Claim, DeviceLock
from edgeprune.measure.emulated import (
    COUNT_SOURCE,
    COUNTED_RUNS,
    COUNTED_RUNS_SLOW,
    SLOW_S,
    Into,
    Network,
    measure_emulated,
)
from edgeprune.measure.energy import measure_energy
from edgeprune.measure.find_meter import check_meter_name, check_meters
from edgeprune.measure.found import Found
from edgeprune.measure.governor import HeldGovernor
from edgeprune.measure.guard import UsedCores
from edgeprune.measure.interleave import time_variants
from edgeprune.measure.kept_runs import KeptRun, identity
from edgeprune.measure.layers import layer_timings
from edgeprune.measure.line_lock import LineLock
from edgeprune.measure.stages import doing
from edgeprune.measure.start import measure_start
from edgeprune.progress import counted
from edgeprune.recipe.run_table import RunTable

PROFILED_RUNS = 5
"""Inferences in the profiling pass; each kernel's time is their mean."""

_EMULATED_TIMEOUT_S = 600.0

REMOTE_EMULATION = (
    "the agent says that the device is emulated: times on it mean nothing, and its instructions "
    "cannot be counted from here"
)
"""Why there are no figures from a device that is emulated behind its transport."""


@dataclass(frozen=True)
class DeviceFiles:
    """What lies on the device, and how it is to be run.

    Attributes:
        agent: Path of the agent.
        runtime: Path of ``libLiteRt.so``, or of a wheel for the agent in Python.
        runtime_version: Its version and digest, for the report.
        models: Path of each variant's file, ``dense`` first.
        cpus: Cores to pin to; empty leaves the agent free.
        packed_bytes: Sizes of the containers that brought variants, where they were packed.
    """

    agent: str
    runtime: str
    runtime_version: str
    models: Mapping[str, str]
    cpus: tuple[int, ...] = ()
    packed_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RunPlan:
    """What is measured of the models on a device, and how.

    Attributes:
        table: How often and how long.
        samples: Inputs by variant, whose outputs are brought back.
        originals: Each variant's file, to name layers by.
        say: Takes a line of progress.
        energy: What measures energy; None leaves it out.
        keep: Takes what there is after each session, once every variant has one.
        before: What was computed before by variant, on an emulated core; empty for nothing.
    """

    table: RunTable
    samples: Mapping[str, Samples]
    originals: Mapping[str, bytes]
    say: Callable[[str], None]
    energy: EnergyPlan | None = None
    keep: Callable[[RunResult], None] | None = None
    before: Mapping[str, KeptRun] = field(default_factory=dict)


def run(
    transport: CommandTransport, pushed: DeviceFiles, plan: RunPlan
) -> tuple[RunResult, dict[str, Samples]]:
    """Measures every variant, with the device's clock pinned meanwhile where that is possible.

    Args:
        transport: The open way to the device.
        pushed: What lies there.
        plan: What to measure, and how.

    Returns:
        What was measured, without parity, and the outputs by variant. Where the device or the way
        to it failed after something whole was measured, or the user interrupted after something of
        every variant was, that, with :attr:`RunResult.broken`. From then on an interrupt is held.

    Raises:
        DeviceError: It failed before; the message says at what.
        KeyboardInterrupt: Likewise.
    """
    if transport.emulated:
        return _run(transport, pushed, plan)
    governor_word, say = plan.table.governor, plan.say
    with HeldGovernor(transport, pushed.agent, governor_word, pushed.cpus, say) as governor:
        result, outputs = _run(transport, pushed, plan)
        if result.broken and not result.is_interrupted:
            governor.give_up()
    return dataclasses.replace(result, pinning=governor.pinning), outputs


def runs_before(
    transport: CommandTransport, pushed: DeviceFiles, table: RunTable, files: Mapping[str, bytes]
) -> dict[str, KeptRun]:
    """What was computed of files before on the same emulated core, and is kept from now on.

    Args:
        transport: The open way to it.
        pushed: What lies there.
        table: Says whether all is computed anew; a farm's jobs always are.
        files: By variant.

    Returns:
        By variant; empty for a device where nothing repeats exactly.

    Raises:
        DeviceError: A part of the emulator is missing.
    """
    depends = transport.ingredients()
    if depends is None:
        return {}
    about = {**depends, "counted": [COUNT_SOURCE, COUNTED_RUNS, COUNTED_RUNS_SLOW, SLOW_S]}
    programs = {"agent": Path(pushed.agent), "runtime": Path(pushed.runtime)}
    is_anew = table.again or transport.device.epoch is not None
    try:
        return {
            name: KeptRun(identity(tflite, programs, about), is_anew)
            for name, tflite in files.items()
        }
    except OSError as error:
        raise DeviceError(f"{error.filename} cannot be read: {error.strerror}") from error


def _run(
    transport: CommandTransport, pushed: DeviceFiles, plan: RunPlan
) -> tuple[RunResult, dict[str, Samples]]:
    """As :func:`run`, with the clock as it is."""
    bench = _Bench(transport, pushed, plan.table, plan.originals)
    plan.say("hello")
    with doing("asking the agent what it runs on"):
        facts = bench.facts()
    found = Found(dict.fromkeys(pushed.models))

    def counted_by(name: str) -> str | None:
        before = plan.before.get(name)
        is_taken = before is not None and "count" in before.taken
        source = f"{COUNT_SOURCE}; {TAKEN}" if is_taken else COUNT_SOURCE
        return source if transport.emulated else None

    def so_far(cause: str, is_interrupted: bool = False) -> RunResult:
        reasons = (REMOTE_EMULATION,) if bench.emulated and not transport.emulated else ()
        left = found.whole_text() if cause else ""
        return RunResult(
            facts,
            bench.emulated,
            tuple(
                found.measured(name, pushed.packed_bytes.get(name), counted_by(name))
                for name in pushed.models
            ),
            (*reasons, *([f"incomplete: {cause}; {left}"] if cause else [])),
            timed=found.kept.timed,
            cause=cause,
            left=left,
            is_interrupted=is_interrupted,
        )

    def kept_meanwhile() -> None:
        if plan.keep is not None and found.has_all():
            plan.keep(so_far("killed while it measured"))

    found.kept.is_put = kept_meanwhile
    cause, is_interrupted = "", False
    try:
        _measure(bench, facts, plan, found)
        interrupts.hold()
    except DeviceError as error:
        interrupts.hold()
        if not found.whole_text():
            raise
        cause = str(error)
    except KeyboardInterrupt as error:
        whole, is_interrupted = found.whole_text(), True
        if not found.has_all():
            few = f"{whole.replace('kept', 'dropped')}, since not every variant was measured"
            said = [str(error)] if str(error) else []
            error.args = ("; ".join([*said, few if whole else "nothing was measured"]),)
            raise
        cause = interrupts.line(error)
    return so_far(cause, is_interrupted), found.outputs


def _measure(
    bench: _Bench,
    facts: DeviceFacts,
    plan: RunPlan,
    found: Found,
) -> None:
    """Measures everything, and puts each part into ``found`` as soon as it is whole.

    Raises:
        DeviceError: The device or the way to it failed; the message says at what.
    """
    names, transport, say = list(bench.pushed.models), bench.transport, plan.say
    used = UsedCores(facts.cores, bench.table.threads, is_pinned=bool(bench.cpus))
    if transport.emulated:
        networks = [
            Network(name, plan.originals[name], plan.samples[name], plan.before.get(name))
            for name in names
        ]
        into = Into(found.instructions, found.layers, found.outputs, found.estimates)
        measure_emulated(bench, networks, into, say)
        return
    if not bench.emulated:
        time_variants(bench, names, used, bench.cpus, say, found.kept)
        if plan.energy is not None:
            found.energies = measure_energy(bench, plan.energy, names, used, say)
        found.starts = measure_start(bench, names, say)
    for k, name in enumerate(names):
        line = f"{name}: kernels and outputs"
        say(line)
        counted(k, len(names), line)
        if transport.board.agent.use == "native":
            with doing(f"profiling `{name}`"):
                found.layers[name] = bench.profile(name, plan.originals[name])
        with doing(f"comparing outputs of `{name}`"):
            found.outputs[name] = bench.infer(name, plan.samples[name])


class _Bench:
    """Starts one agent process after another on one device."""

    def __init__(
        self,
        transport: CommandTransport,
        pushed: DeviceFiles,
        table: RunTable,
        originals: Mapping[str, bytes],
    ) -> None:
        self.interfaces = {name: interface_of(tflite) for name, tflite in originals.items()}
        self.transport = transport
        self.pushed = pushed
        self.table = table
        self.cpus = pushed.cpus
        self.clock: HostClock = HOST_CLOCK
        self.emulated = transport.emulated
        # One emulated inference of MobileNetV1 takes seconds where this machine takes 11 ms.
        self.timeout_s = _EMULATED_TIMEOUT_S if self.emulated else 120.0

    def agent(
        self, *, count_instructions: bool = False, work: WorkCount | None = None
    ) -> AgentSession:
        """A fresh agent."""
        return start_agent(
            self.transport, self.pushed.agent, count_instructions=count_instructions, work=work
        )

    def model(self, name: str) -> str:
        """Where a variant's file is."""
        return self.pushed.models[name]

    def load(
        self, agent: AgentSession, name: str, *, profile: bool = False, path: str | None = None
    ) -> int:
        """Loads a variant, from another path if one is given; nanoseconds that it took."""
        loaded = agent.load(
            self.pushed.runtime,
            self.model(name) if path is None else path,
            threads=1 if self.emulated else self.table.threads,
            cpus=self.pushed.cpus,
            profile=profile,
            expected=self.interfaces[name],
            timeout_s=self.timeout_s,
        )
        return loaded.load_ns

    def facts(self) -> DeviceFacts:
        """What the agent says about its device; to be asked first."""
        with self.agent() as agent:
            hello: Hello = agent.hello()
        if hello.emulated:
            self.emulated, self.timeout_s = True, _EMULATED_TIMEOUT_S
        return DeviceFacts(
            id=self.transport.device.name,
            cpu=f"{hello.cpu} emulating {hello.machine}" if hello.emulated else hello.cpu,
            os=hello.os,
            agent_version=hello.agent_version,
            runtime_version=self.pushed.runtime_version,
            cores=hello.cores,
            features=hello.features,
        )

    def profile(self, name: str, tflite: bytes) -> tuple[LayerTiming, ...]:
        """Kernels of one inference, in a process of its own."""
        with self.agent() as agent:
            self.load(agent, name, profile=True)
            events = agent.profile(PROFILED_RUNS, timeout_s=self.timeout_s)
        return layer_timings(events, tflite, emulated=self.emulated)

    def infer(self, name: str, samples: Samples) -> Samples:
        """Outputs for the samples, in a process of its own."""
        with self.agent() as agent:
            self.load(agent, name)
            return agent.infer(samples, timeout_s=self.timeout_s)


__all__: Sequence[str] = [
    "WAIT_S",
    "Claim",
    "DeviceFiles",
    "DeviceLock",
    "KeptRun",
    "LineLock",
    "RunPlan",
    "check_meter_name",
    "check_meters",
    "run",
    "runs_before",
]
