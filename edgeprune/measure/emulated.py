"""What is measured on a core that this machine emulates, at once: counts, kernels, outputs, cycles.

Nothing there depends on time, so that the processes may share this machine's cores. Only those for
which no instruction is to be counted do more than one thing: a count is of a process that does
nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edgeprune.agents.crew import Crew, Job, run_side_by_side, usable_cores
from edgeprune.agents.session import AgentSession, Profile
from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.core_work import CycleEstimate, NoEstimate
from edgeprune.artifacts.measurement import TAKEN, LayerTiming
from edgeprune.data.memory import limit_bytes
from edgeprune.devices.transports.base import WorkCount
from edgeprune.errors import DeviceError
from edgeprune.measure.estimating import CountingStarter, Estimating
from edgeprune.measure.inference_meter import InferenceMeter
from edgeprune.measure.kept_runs import KeptRun
from edgeprune.measure.layers import layer_timings
from edgeprune.measure.shared_outputs import SharedOutputs
from edgeprune.measure.stages import doing
from edgeprune.measure.starter import Starter
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.state import has_state

COUNTED_RUNS = (1, 12)
"""Timed inferences of the two processes whose instruction counts are subtracted.

Two runs of one process differ by some 130 instructions, so that a long difference counts more
exactly. Source: ours, on MLPerf Tiny's models.
"""

COUNTED_RUNS_SLOW = (1, 2)
"""The same for a model whose one emulated inference takes longer than :data:`SLOW_S` seconds."""

SLOW_S = 0.5

COUNT_SOURCE = "QEMU user-mode plugin: difference of two run lengths, one thread"

_PROCESS_BYTES = 256 << 20
_OF_FILE = 4
"""Memory of one emulated process: some for emulator and runtime, and so often the model's file,
which is there as it is and packed for the kernels. Source: ours; MobileNetV1 took 145 MB."""


class EmulatedStarter(CountingStarter, Starter, Protocol):
    """Starts agents on an emulated core."""

    def agent(
        self, *, count_instructions: bool = False, work: WorkCount | None = None
    ) -> AgentSession:
        """A fresh agent."""

    def load(
        self, agent: AgentSession, name: str, *, profile: bool = False, path: str | None = None
    ) -> int:
        """Loads a variant, from another path if one is given; nanoseconds that it took."""


@dataclass(frozen=True)
class Network:
    """One variant, and what is wanted of it.

    Attributes:
        name: Of the variant.
        tflite: Its file, to name layers by.
        samples: Inputs whose outputs are brought back.
        before: What was computed of it before; None where nothing is taken and nothing kept.
    """

    name: str
    tflite: bytes
    samples: Samples
    before: KeptRun | None = None


@dataclass(frozen=True)
class Into:
    """Where figures go as soon as they are whole, by variant.

    Attributes:
        instructions: Per inference.
        layers: Kernels of one inference.
        outputs: Of all samples.
        estimates: Cycles of one inference.
    """

    instructions: dict[str, int | None]
    layers: dict[str, tuple[LayerTiming, ...]]
    outputs: dict[str, Samples]
    estimates: dict[str, CycleEstimate | NoEstimate] = field(default_factory=dict)


def measure_emulated(
    starter: EmulatedStarter,
    networks: Sequence[Network],
    into: Into,
    say: Callable[[str], None],
    workers: int | None = None,
) -> None:
    """Counts instructions of all networks, estimates their cycles, and brings their outputs back.

    Args:
        starter: Starts agents on the emulated core.
        networks: The variants.
        into: Gets every part as soon as it is whole.
        say: Takes a line of progress.
        workers: Processes at once; None for as many as this machine's cores and memory bear.

    Raises:
        DeviceError: A process failed; the message says at what, and the others were ended.
        KeyboardInterrupt: Likewise.
    """
    meter = InferenceMeter()
    runs = [_Run(starter, one, into, say, meter) for one in networks]
    if workers is None:
        workers = _workers(networks)
    for run in runs:
        run.take_what_was_before()
    counting = [
        Job(f"counting instructions of `{run.name}`", run.count)
        for run in runs
        if into.instructions.get(run.name) is None
    ]
    estimating = [job for run in runs for job in run.cycles.jobs()]
    first = [Job(run.comparing, run.infer_and_profile) for run in runs if run.has_more]
    free = [run for run in runs if not has_state(graph.view(run.tflite))]
    more = [Job(run.comparing, run.help_infer) for run in free for _ in range(workers - 1)]
    run_side_by_side([*counting, *estimating, *first, *more], workers)
    for run in runs:
        into.layers[run.name] = run.cycles.of_layers(into.layers.get(run.name, ()))
        into.outputs[run.name] = run.outputs.in_order()


def _workers(networks: Sequence[Network]) -> int:
    """Emulated processes that this machine bears at once."""
    needed = _PROCESS_BYTES + _OF_FILE * max(len(one.tflite) for one in networks)
    return max(1, min(usable_cores(), limit_bytes() // needed))


class _Run:
    """Measures one variant, in several processes."""

    def __init__(
        self,
        starter: EmulatedStarter,
        network: Network,
        into: Into,
        say: Callable[[str], None],
        meter: InferenceMeter,
    ) -> None:
        self.name, self.tflite = network.name, network.tflite
        self.outputs = SharedOutputs(network.samples)
        self._starter, self._network, self._into = starter, network, into
        self._say, self._meter = say, meter
        self.comparing = f"comparing outputs of `{network.name}`"
        self._has_kernels = starter.transport.board.agent.use == "native"
        self.cycles = Estimating(starter, network, into.estimates, say, meter)
        self._spare = COUNTED_RUNS[1] - COUNTED_RUNS_SLOW[1]

    @property
    def has_more(self) -> bool:
        """Whether kernels or outputs are still to be found out."""
        return self._has_kernels or not self.outputs.are_all

    def take_what_was_before(self) -> None:
        """Takes what was computed before, and says so; the rest is what there is to do."""
        before, name = self._network.before, self.name
        self.cycles.take_what_was_before()
        if before is not None:
            self._into.instructions[name] = before.count()
            if self._has_kernels and (events := before.kernels()) is not None:
                self._put_layers(events)
                self._has_kernels = False
            if (outputs := before.outputs(self._network.samples)) is not None:
                self.outputs.put_all(outputs)
            if before.taken:
                self._say(f"{name}: {' and '.join(sorted(before.taken))} {TAKEN}")
        if self._into.instructions.get(name) is None:
            self._meter.all += sum(1 + runs for runs in COUNTED_RUNS)
        missing = 0 if self.outputs.are_all else len(self._network.samples)
        self._meter.all += missing + self._has_kernels

    def count(self, crew: Crew) -> None:
        """Counts instructions per inference: the difference of two run lengths."""
        self._say(f"{self.name}: counting instructions")
        with doing(f"counting instructions of `{self.name}`"):
            short, took_s = self._total(crew, COUNTED_RUNS[0], 1)
            is_slow = took_s > SLOW_S
            if is_slow:
                self._meter.all -= self._spare
            shorter, longer = COUNTED_RUNS_SLOW if is_slow else COUNTED_RUNS
            total, _ = self._total(crew, longer, 2)
            if total <= short:
                raise DeviceError(
                    f"{short:,} instructions were counted in a short run and {total:,} in a longer "
                    "one, expected more: `edgeprune doctor` checks the counter"
                )
            count = round((total - short) / (longer - shorter))
            self._into.instructions[self.name] = count
            if self._network.before is not None:
                self._network.before.keep_count(count)

    def _total(self, crew: Crew, runs: int, number: int) -> tuple[int, float]:
        """Instructions of a whole process, and the seconds that its last inference took."""
        starter = self._starter
        text = f"{self.name}: counting instructions, run {number} of 2"
        with self._meter.at(text), crew.working(starter.agent(count_instructions=True)) as agent:
            starter.load(agent, self.name)
            timing = agent.time(warmup=1, runs=runs, max_s=0.0, timeout_s=starter.timeout_s)
            total = agent.close()
            self._meter.add(1 + runs)
        if total is None:
            raise DeviceError(
                "the emulator brought back no instruction count: `edgeprune doctor` says why"
            )
        return total, timing.latency_ns[-1] / 1e9

    def infer_and_profile(self, crew: Crew) -> None:
        """Brings outputs back, and names the kernels of the process that made them."""
        self._say(f"{self.name}: kernels and outputs")
        with doing(self.comparing):
            fresh = self._starter.agent()
        with crew.working(fresh) as agent:
            with doing(self.comparing):
                self._load_and_infer(agent, profile=self._has_kernels)
            if self._has_kernels:
                with doing(f"profiling `{self.name}`"):
                    self._profile(agent)

    def help_infer(self, crew: Crew) -> None:
        """Takes a part of the outputs that are still to be brought back, where that pays."""
        if self.outputs.need_help():
            with doing(self.comparing), crew.working(self._starter.agent()) as agent:
                self._load_and_infer(agent)

    def _load_and_infer(self, agent: AgentSession, *, profile: bool = False) -> None:
        begun_s = time.monotonic()
        with self._meter.at(f"{self.name}: loading"):
            self._starter.load(agent, self.name, profile=profile)
        self.outputs.load_s = time.monotonic() - begun_s
        total = len(self._network.samples)
        for k, sample in self.outputs.left():
            begun_s = time.monotonic()
            with self._meter.at(f"{self.name}: input {k + 1} of {total}"):
                (found,) = agent.infer([sample], timeout_s=self._starter.timeout_s)
            self.outputs.put(k, found, time.monotonic() - begun_s)
            self._meter.add(1)

    def _profile(self, agent: AgentSession) -> None:
        with self._meter.at(f"{self.name}: kernels"):
            events = agent.profile(1, timeout_s=self._starter.timeout_s)
        self._put_layers(events)
        self._meter.add(1)
        if self._network.before is not None:
            self._network.before.keep_kernels(events)

    def _put_layers(self, events: Profile) -> None:
        self._into.layers[self.name] = layer_timings(events, self.tflite, emulated=True)
