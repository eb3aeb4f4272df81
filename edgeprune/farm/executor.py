"""What runs one job on one device; the scheduler knows no more of it than this.

The built-in one starts a child process a job. A simulation and an engine for several hosts stand in
for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edgeprune.farm.job import ErrorKind, Job
from edgeprune.history.figures import Figure


@dataclass(frozen=True)
class Lease:
    """The right to use one device, which the agent on the device enforces.

    Attributes:
        device: Name of the device.
        epoch: Counts the leases of this device, from 1; a run of a lower epoch is ended by the
            agent, and its result refused.
        holder: The scheduler that has it.
    """

    device: str
    epoch: int
    holder: str


@dataclass(frozen=True)
class Assignment:
    """One attempt at a job.

    Attributes:
        id: The job's id.
        night: The night's name.
        job: What to do.
        lease: On which device, and by which right.
        timeout_s: After so many seconds it is ended, whatever it does.
    """

    id: str
    night: str
    job: Job
    lease: Lease
    timeout_s: float


@dataclass(frozen=True)
class Run:
    """A result, ready for the history's table of runs.

    Attributes:
        device_id: What the device calls itself.
        result: ``result.json``, valid.
        figures: What is followed over time, as :func:`edgeprune.history.figures.figures_of` says.
        sessions: Of a re-run, the median of each fresh process of the deployed file that is valid,
            by the figure's key and in its unit.
        model_sha256: Digest of what was measured where that is not the job's model; else empty.
    """

    device_id: str
    result: str
    figures: tuple[Figure, ...] = ()
    sessions: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    model_sha256: str = ""

    @property
    def deployed(self) -> float | None:
        """Median latency of the deployed variant in microseconds, or its instructions.

        None where neither was measured in a way that can be relied on.
        """
        figure = self.figure("latency_us")
        return self.figure("instructions") if figure is None else figure

    def figure(self, metric: str) -> float | None:
        """A figure of the deployed variant by its key, or None."""
        of_deployed = (one for one in self.figures if one.variant == "deployed")
        return next((one.value for one in of_deployed if one.metric == metric), None)


@dataclass(frozen=True)
class Ending:
    """How an attempt ended.

    Attributes:
        run: The result, or None. One with ``error_kind`` shows what was wrong, and nothing else.
        error_kind: Why there is none, or None where it was called off, by us or by its host.
        message: The error in one line, or empty.
        beside: Of a re-run, what else was measured: the old file in turns with ``run``, or the same
            file before it.
        warning: What is wrong with the host, or empty; it is told once a night.
        is_hosts: The host failed, and not the device.
    """

    run: Run | None = None
    error_kind: ErrorKind | None = None
    message: str = ""
    beside: tuple[Run, ...] = ()
    warning: str = ""
    is_hosts: bool = False

    @property
    def leaves_doubt(self) -> bool:
        """Whether the device is to be asked before it gets another job: it failed, or its host."""
        return self.run is None and self.error_kind in (None, ErrorKind.INFRASTRUCTURE)


class Executor(Protocol):
    """Runs jobs."""

    async def run(self, assignment: Assignment) -> Ending:
        """Runs one attempt to its end; every failure is an ending, and none is raised.

        Cancelled, it ends what it started before it returns.
        """


@dataclass(frozen=True)
class Sign:
    """What a device said when it was asked whether it is there.

    Attributes:
        is_online: It answered in time.
        message: Why not, in one line, or empty.
        is_miss: Whether no answer may be the device's own fault: after three its power is cycled.
    """

    is_online: bool
    message: str = ""
    is_miss: bool = True


class Prober(Protocol):
    """Asks devices whether they are there."""

    async def probe(self, device: str, timeout_s: float) -> Sign:
        """Asks once; the answer comes within ``timeout_s`` seconds."""

    async def power_cycle(self, device: str, timeout_s: float) -> str:
        """Runs the device's configured command, if it has one.

        Returns:
            What came of it in one line; empty where none is configured.
        """
