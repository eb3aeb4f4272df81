"""Estimates cycles of one network on an emulated core, from what that core does for it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from edgeprune.agents.crew import Crew, Job
from edgeprune.agents.session import AgentSession
from edgeprune.artifacts.core_work import CycleEstimate, NoEstimate
from edgeprune.artifacts.measurement import LayerTiming
from edgeprune.devices.toolchain.qemu_plugin import build_cycles_plugin
from edgeprune.devices.transports.base import CommandTransport, WorkCount
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.files.paths import digest_of
from edgeprune.measure.core_work import Counting, count_layers, count_work
from edgeprune.measure.inference_meter import InferenceMeter
from edgeprune.measure.kept_runs import KeptRun
from edgeprune.measure.kept_work import KernelWork, NetworkWork
from edgeprune.measure.stages import doing
from edgeprune.prediction.cycles import core_names, estimate, load_core

INFERENCES = 4
"""Of the two processes: one that warms caches, and one that is counted or profiled, each."""


class CountingStarter(Protocol):
    """Starts agents on an emulated core of which all is counted."""

    transport: CommandTransport
    timeout_s: float

    def agent(self, *, work: WorkCount | None = None) -> AgentSession:
        """A fresh agent."""

    def model(self, name: str) -> str:
        """Where a variant's file is."""

    def load(
        self, agent: AgentSession, name: str, *, profile: bool = False, path: str | None = None
    ) -> int:
        """Loads a variant, from another path if one is given; nanoseconds that it took."""


class Counted(Protocol):
    """A variant of which that is wanted."""

    @property
    def name(self) -> str:
        """Of the variant."""

    @property
    def before(self) -> KeptRun | None:
        """What was computed of it before; None where nothing is taken and nothing kept."""


class Estimating:
    """The cycles of one variant, as a whole and by kernel; what they lack never ends a run."""

    def __init__(
        self,
        starter: CountingStarter,
        variant: Counted,
        estimates: dict[str, CycleEstimate | NoEstimate],
        say: Callable[[str], None],
        meter: InferenceMeter,
    ) -> None:
        """Estimates go to ``estimates``, by variant, as soon as they are there."""
        self._starter, self._name, self._before = starter, variant.name, variant.before
        self._estimates, self._say, self._meter = estimates, say, meter
        self._work: NetworkWork | None = None
        core = starter.transport.board.cpu.core
        self._core = load_core(core)
        if self._core is None:
            self._estimates[self._name] = NoEstimate(
                f"nothing is known of the pipelines and caches of {core}, as it is of "
                f"{', '.join(core_names())}"
            )

    def take_what_was_before(self) -> None:
        """Takes the work that an earlier run counted: that needs no emulation."""
        if self._core is None:
            return
        if self._before is not None and (work := self._before.work(self._about())) is not None:
            self._take(work)
        else:
            self._meter.all += INFERENCES

    def jobs(self) -> Sequence[Job]:
        """What there is to do on the emulated core."""
        if self._core is None or self._work is not None:
            return ()
        return [Job(f"counting what the core does for `{self._name}`", self._count)]

    def of_layers(self, layers: tuple[LayerTiming, ...]) -> tuple[LayerTiming, ...]:
        """The kernels with what each executes, and its cycles, where the same ones ran."""
        work, core = self._work, self._core
        if core is None or work is None or isinstance(self._estimates[self._name], NoEstimate):
            return layers
        if [one.tag for one in work.kernels] != [layer.kernel for layer in layers]:
            return layers
        return tuple(
            layer
            if one.work is None
            else dataclasses.replace(
                layer,
                instructions=one.work.instructions,
                cycles=estimate(one.work, core).cycles,
            )
            for layer, one in zip(layers, work.kernels, strict=True)
        )

    def _count(self, crew: Crew) -> None:
        if self._core is None:
            return
        self._say(f"{self._name}: counting what the core does")
        starter, text = self._starter, f"{self._name}: counting what the core does"

        def load(agent: AgentSession, path: str, profile: bool) -> object:
            return starter.load(agent, self._name, profile=profile, path=path)

        counting = Counting(
            lambda wanted: crew.working(starter.agent(work=wanted)),
            load,
            Path(starter.model(self._name)),
            self._core.caches,
            starter.timeout_s,
        )
        try:
            with doing(f"counting what the core does for `{self._name}`"), self._meter.at(text):
                work = self._counted(counting)
        except DeviceError as error:
            if crew.is_over:
                raise
            self._estimates[self._name] = NoEstimate(str(error))
            return
        if self._before is not None:
            self._before.keep_work(self._about(), work)
        self._take(work)

    def _counted(self, counting: Counting) -> NetworkWork:
        whole = count_work(counting)
        self._meter.add(INFERENCES // 2)
        kernels = count_layers(counting)
        self._meter.add(INFERENCES // 2)
        return NetworkWork(whole, tuple(KernelWork(tag, work) for tag, work in kernels))

    def _take(self, work: NetworkWork) -> None:
        if self._core is None:
            return
        self._work = work
        try:
            self._estimates[self._name] = estimate(work.inference, self._core)
        except ConfigError as error:
            self._estimates[self._name] = NoEstimate(str(error))

    def _about(self) -> str:
        """What the work depends on beside the run: the counter, and the caches."""
        caches = () if self._core is None else self._core.caches
        about = f"{digest_of(build_cycles_plugin())} {caches}"
        return hashlib.sha256(about.encode()).hexdigest()[:32]
