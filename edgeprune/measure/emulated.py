"""What is measured on a core that this machine emulates: counts, kernels and outputs, at once.

Nothing there depends on time, so that the processes may share this machine's cores. Only those for
which no instruction is to be counted do more than one thing: a count is of a process that does
nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from edgeprune.agents.session import AgentSession, Profile
from edgeprune.agents.side_by_side import Crew, Job, run_side_by_side, usable_cores
from edgeprune.artifacts.arrays import Array, Samples
from edgeprune.artifacts.measurement import TAKEN, LayerTiming
from edgeprune.data.memory import limit_bytes
from edgeprune.errors import DeviceError
from edgeprune.measure.kept_runs import KeptRun
from edgeprune.measure.layers import layer_timings
from edgeprune.measure.stages import doing
from edgeprune.measure.starter import Starter
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.state import has_state
from edgeprune.progress import counted

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

_WORTH = 2.0
"""A process more helps with a network's outputs where the others would need so many times as long
for what is left as it takes to load the network. Source: ours."""


class EmulatedStarter(Starter, Protocol):
    """Starts agents on an emulated core."""

    def agent(self, *, count_instructions: bool = False) -> AgentSession:
        """A fresh agent."""

    def load(self, agent: AgentSession, name: str, *, profile: bool = False) -> int:
        """Loads a variant; nanoseconds that it took."""


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
    """

    instructions: dict[str, int | None]
    layers: dict[str, tuple[LayerTiming, ...]]
    outputs: dict[str, Samples]


def measure_emulated(
    starter: EmulatedStarter,
    networks: Sequence[Network],
    into: Into,
    say: Callable[[str], None],
    workers: int | None = None,
) -> None:
    """Counts instructions of all networks, names their kernels, and brings their outputs back.

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
    meter = _Meter()
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
    first = [Job(run.comparing, run.infer_and_profile) for run in runs if run.has_more]
    free = [run for run in runs if not has_state(graph.view(run.tflite))]
    more = [Job(run.comparing, run.help_infer) for run in free for _ in range(workers - 1)]
    run_side_by_side([*counting, *first, *more], workers)
    for run in runs:
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
        meter: _Meter,
    ) -> None:
        self.name, self.tflite = network.name, network.tflite
        self.outputs = _Outputs(network.samples)
        self._starter, self._network, self._into = starter, network, into
        self._say, self._meter = say, meter
        self.comparing = f"comparing outputs of `{network.name}`"
        self._has_kernels = starter.transport.board.agent.use == "native"
        self._spare = COUNTED_RUNS[1] - COUNTED_RUNS_SLOW[1]

    @property
    def has_more(self) -> bool:
        """Whether kernels or outputs are still to be found out."""
        return self._has_kernels or not self.outputs.are_all

    def take_what_was_before(self) -> None:
        """Takes what was computed before, and says so; the rest is what there is to do."""
        before, name = self._network.before, self.name
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


class _Outputs:
    """The outputs of one variant, which several processes share; each input is inferred once.

    Attributes:
        load_s: What the last process needed to load the network.
    """

    def __init__(self, samples: Samples) -> None:
        self.load_s = 0.0
        self._samples = samples
        self._left = list(range(len(samples)))[::-1]
        self._found: dict[int, list[Array]] = {}
        self._infer_s = 0.0
        self._lock = threading.Lock()

    @property
    def are_all(self) -> bool:
        """Whether those of every sample are there."""
        return len(self._found) == len(self._samples)

    def put_all(self, outputs: Samples) -> None:
        """Takes those of every sample, in order."""
        self._found = dict(enumerate(outputs))
        self._left = []

    def left(self) -> Iterator[tuple[int, list[Array]]]:
        """Takes one sample after the other, with its number, while there are any."""
        while True:
            with self._lock:
                if not self._left:
                    return
                k = self._left.pop()
            yield k, self._samples[k]

    def put(self, k: int, found: list[Array], took_s: float) -> None:
        """Takes a sample's outputs, and the seconds that they took."""
        with self._lock:
            self._found[k] = found
            # The first one of a process prepares the network: the quickest tells what others take.
            self._infer_s = min(took_s, self._infer_s or took_s)

    def need_help(self) -> bool:
        """Whether a process more would soon have paid; with a first one that began long ago."""
        with self._lock:
            return len(self._left) * self._infer_s > _WORTH * self.load_s

    def in_order(self) -> Samples:
        """All outputs, as the samples are in order."""
        return [self._found[k] for k in range(len(self._samples))]


class _Meter:
    """How far all processes are, for whoever watches.

    Attributes:
        all: Inferences to make, at most.
    """

    def __init__(self) -> None:
        self.all = 0
        self._done = 0
        self._doing: list[str] = []
        self._lock = threading.Lock()

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Says what one of the processes is at in the block."""
        with self._lock:
            self._doing.append(what)
            self._show()
        try:
            yield
        finally:
            with self._lock:
                self._doing.remove(what)

    def add(self, inferences: int) -> None:
        """So many more have been made."""
        with self._lock:
            self._done += inferences

    def _show(self) -> None:
        counted(self._done, self.all, "; ".join(self._doing), is_most=True)
