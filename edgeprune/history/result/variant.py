"""One variant of a model in ``result.json``: its file, its scores and what it took to run."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from edgeprune.history.result.kinds import (
    IS_GIVEN,
    IS_NULL,
    SCORE_RULES,
    Count,
    Entry,
    Interval,
    MetricName,
    NotNegative,
    Positive,
    PositiveCount,
    RelativePath,
    Schema,
    Sha256,
    Share,
    Text,
    all_of,
    check_null,
    check_score,
    known,
    when,
)
from edgeprune.history.result.session import Session
from edgeprune.significance.shift import MIN_SESSIONS


class HeadScore(Entry, frozen=True, kw_only=True):
    """Score of one output.

    Attributes:
        name: The output's name.
        metric: What the score counts.
        value: The score.
    """

    RULES: ClassVar[Schema] = SCORE_RULES

    name: Text
    metric: MetricName
    value: float

    def __post_init__(self) -> None:
        check_score(self.metric, self.value)


class Accuracy(Entry, frozen=True, kw_only=True):
    """Score of a variant, computed on the host with the file that is deployed.

    Attributes:
        metric: What the score counts.
        value: The score, of the first output that has labels.
        samples: Test samples used.
        heads: Scores of all outputs in order, the first labelled one's again, and of single values
            as NAME[k] where an output's are of unlike size; absent where there is only one score.
    """

    RULES: ClassVar[Schema] = SCORE_RULES

    metric: MetricName
    value: float
    samples: PositiveCount
    heads: Annotated[tuple[HeadScore, ...], Meta(min_length=1)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_score(self.metric, self.value)


class Parity(Entry, frozen=True, kw_only=True):
    """Outputs on the board beside those of the reference.

    Attributes:
        reference: What the outputs were compared with.
        max_abs_diff: Largest absolute difference over all outputs and samples.
        argmax_agreement: Share of samples whose largest output is the same; null without classes.
        samples: Inputs compared.
        where: Device and runtime that made the outputs.
    """

    reference: Text
    max_abs_diff: NotNegative
    argmax_agreement: Share | None
    samples: PositiveCount
    where: Text


class Latency(Entry, frozen=True, kw_only=True):
    """Times of one variant over all of its sessions, in microseconds.

    Attributes:
        median: Median of the sessions' medians.
        p90: 90th percentile of all runs; null below 64 runs (MLPerf LoadGen, early stopping, d = 0,
            c = 0.99).
        p99: 99th percentile of all runs; null below 662 runs (the same source).
        min: Fastest run.
        runs: Timed inferences in all sessions.
        sessions: Fresh processes.
        ci95: 95 % confidence interval of the median; null below 5 valid sessions.
        rejected: Counted sessions that are not valid: 0, unless the valid ones were too few.
    """

    MIN_RUNS_P90: ClassVar[int] = 64
    MIN_RUNS_P99: ClassVar[int] = 662
    RULES: ClassVar[Schema] = all_of(
        when({"runs": {"minimum": MIN_RUNS_P90}}, {"p90": IS_GIVEN}, {"p90": IS_NULL}),
        when({"runs": {"minimum": MIN_RUNS_P99}}, {"p99": IS_GIVEN}, {"p99": IS_NULL}),
        when(
            {"sessions": {"minimum": MIN_SESSIONS}, "rejected": {"maximum": 0}},
            {"ci95": IS_GIVEN},
            {"ci95": IS_NULL},
        ),
    )

    median: Positive
    p90: Positive | None
    p99: Positive | None
    min: Positive
    runs: PositiveCount
    sessions: PositiveCount
    ci95: Interval | None
    rejected: Count | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_null("p90", self.p90, self.runs >= self.MIN_RUNS_P90, f"there are {self.runs} runs")
        check_null("p99", self.p99, self.runs >= self.MIN_RUNS_P99, f"there are {self.runs} runs")
        rejected = self.rejected or 0
        has_interval = self.sessions >= MIN_SESSIONS and not rejected
        reason = f"there are {self.sessions} sessions, of which {rejected} are rejected"
        check_null("ci95", self.ci95, has_interval, reason)


class Instructions(Entry, frozen=True, kw_only=True):
    """Instructions on an emulated device, which are no times.

    Attributes:
        per_inference: Instructions of one inference, exact.
        source: How they were counted.
    """

    per_inference: PositiveCount
    source: Text


class Estimate(Entry, frozen=True, kw_only=True):
    """Estimated time of one inference on the core that a device emulates; none of it is measured.

    Attributes:
        cycles: Cycles of the core.
        latency_us: Microseconds at the clock.
        clock_hz: The clock.
        core: The core.
        error: Share by which nine of ten estimates for this class of cores were wrong at most; null
            where none have been compared with measurements.
        unknown_share: Share of the instructions in code whose cycles nobody knows; they are taken
            at the mean of the others.
    """

    cycles: PositiveCount
    latency_us: Positive
    clock_hz: PositiveCount
    core: Text
    error: Positive | None
    unknown_share: Share


class EnergyMeasurement(Entry, frozen=True, kw_only=True):
    """How the energy came about; per_inference is gross less idle, or gross where idle is no rest.

    Attributes:
        gross: Microjoules per inference, idle power included.
        idle: Microjoules per inference that the idle device would have taken meanwhile.
        idle_before_w: Idle power before, watts.
        idle_after_w: Idle power after, watts.
        stable: Whether idle power before and after differ by at most 5 %.
        inferences: Inferences in the window.
        window_s: Seconds that the inferences took.
        samples: Samples of the meter in the window.
        updates: Samples of the meter with a new value.
        largest_gap_s: Longest time without a sample, the windows of idle power included.
        tier: Whether the meter stands outside of the device or is part of it.
        notes: What the figures leave out, one line each.
    """

    gross: Positive
    idle: float
    idle_before_w: float
    idle_after_w: float
    stable: bool
    inferences: PositiveCount
    window_s: Positive
    samples: PositiveCount
    updates: PositiveCount
    largest_gap_s: Positive
    tier: Literal["measured-external", "measured-onboard"]
    notes: tuple[Text, ...]


class Co2e(Entry, frozen=True, kw_only=True):
    """What the energy means in greenhouse gases.

    Attributes:
        g_per_million_inferences: Grams of CO2 equivalents.
        grid_g_per_kwh: Factor of the grid.
        grid_source: Where the factor comes from.
    """

    g_per_million_inferences: Positive
    grid_g_per_kwh: Positive
    grid_source: Text


class Energy(Entry, frozen=True, kw_only=True):
    """Energy of one inference.

    Attributes:
        per_inference: Microjoules.
        idle_subtracted: Whether idle power is left out.
        source: The meter.
        measurement: How it was measured; absent from results of older edgeprunes.
        co2e: What it means in greenhouse gases; absent from results of older edgeprunes.
    """

    per_inference: Positive
    idle_subtracted: bool
    source: Text
    measurement: EnergyMeasurement | UnsetType = UNSET
    co2e: Co2e | UnsetType = UNSET


class StartProcess(Entry, frozen=True, kw_only=True):
    """One fresh process that loaded the variant and made its first inference.

    Attributes:
        load_ns: From the start of loading to a compiled model.
        first_ns: The very first inference.
        peak_memory_bytes: Largest resident memory behind it, or null.
        agent_memory_bytes: The same before loading, without model and runtime, or null.
    """

    load_ns: PositiveCount
    first_ns: PositiveCount
    peak_memory_bytes: PositiveCount | None
    agent_memory_bytes: PositiveCount | None


class Start(Entry, frozen=True, kw_only=True):
    """Start and memory, in a pass of fresh processes of their own; medians and all raw values.

    Attributes:
        load_us: Median time to load.
        first_us: Median time of the first inference.
        model_memory_bytes: Peak memory above that of the agent without a model: runtime and model.
        packed_bytes: Size of the container that brought the file to the device; null where it was
            sent as it is, or lay there.
        processes: Every process.
    """

    load_us: Positive
    first_us: Positive
    model_memory_bytes: Count | None
    packed_bytes: PositiveCount | None
    processes: Annotated[tuple[StartProcess, ...], Meta(min_length=1)]


UNKNOWN_OP = "UNKNOWN"
"""The operator of a kernel that could not be matched with a layer."""


def op_words(op: str) -> str:
    """An operator as it is shown."""
    return "not known" if op == UNKNOWN_OP else op


class Layer(Entry, frozen=True, kw_only=True):
    """One kernel run by the runtime.

    Attributes:
        name: The model's layer, or the kernel's own name where the two could not be matched.
        op: TFLite operator, or UNKNOWN.
        kernel: The name that the runtime gave.
        sparse: Whether that is a sparse kernel.
        latency_us: Mean time; null on an emulated device.
        instructions: Instructions; null where they are not counted layer by layer.
        cycles: Estimated cycles on the core that the device emulates; null where they are not
            estimated, absent from results of older edgeprunes.
    """

    name: Text
    op: Text
    kernel: Text
    sparse: bool
    latency_us: NotNegative | None
    instructions: Count | None
    cycles: Count | UnsetType | None = UNSET


class Variant(Entry, frozen=True, kw_only=True):
    """One model file and what was measured of it.

    Attributes:
        name: dense, deployed, or a further one.
        file: Relative to the folder of this result.json, with forward slashes.
        bytes: Size of the file.
        sha256: Digest of the file; absent from results of older edgeprunes.
        sparsity: Share of zeros over all weights of convolution and dense kernels.
        profiling_only: Fit to be measured, not to be used.
        accuracy: Its score; null where it was not measured.
        parity: Its outputs beside the reference's; null where they were not compared.
        latency_us: Its times; null where they were not measured.
        sessions: Every raw sample. Empty where nothing was timed; absent from results of edgeprunes
            that did not keep them.
        instructions: Instructions on an emulated device; else null.
        estimated: Estimated time on the core that the device emulates; null where it cannot be
            estimated, absent where the device is timed.
        estimated_reason: Why estimated is null; absent where it is not.
        energy_uj: Its energy; null where it was not measured.
        energy_reason: Why energy_uj is null; absent where it is not, or where nobody would ask.
        peak_memory_bytes: Largest over the processes of the pass for start and memory; of a
            microcontroller, the arena in which the network runs; or null.
        flash_bytes: What the network takes in a microcontroller's flash; absent elsewhere.
        start: Start and memory; absent where it was not started for them.
        layers: Kernels of one inference in execution order; empty where they were not profiled.
        sparse_layers_expected: Layers that should run sparse.
        sparse_layers_run: Layers that did; null for a variant whose kernels were not profiled.
    """

    name: Text
    file: RelativePath
    bytes: PositiveCount
    sha256: Sha256 | UnsetType = UNSET
    sparsity: Share
    profiling_only: bool
    accuracy: Accuracy | None
    parity: Parity | None
    latency_us: Latency | None
    sessions: tuple[Session, ...] | UnsetType = UNSET
    instructions: Instructions | None
    estimated: Estimate | UnsetType | None = UNSET
    estimated_reason: Text | UnsetType = UNSET
    energy_uj: Energy | None
    energy_reason: Text | UnsetType = UNSET
    peak_memory_bytes: PositiveCount | None
    flash_bytes: PositiveCount | UnsetType = UNSET
    start: Start | UnsetType = UNSET
    layers: tuple[Layer, ...]
    sparse_layers_expected: Count
    sparse_layers_run: Count | None

    @property
    def median_us(self) -> float | None:
        """Median time of an inference, microseconds; None where it was not measured."""
        return None if self.latency_us is None else self.latency_us.median

    @property
    def instruction_count(self) -> int | None:
        """Instructions of an inference; None where they were not counted."""
        return None if self.instructions is None else self.instructions.per_inference

    @property
    def processes(self) -> tuple[Session, ...]:
        """Its sessions; none where they were not kept."""
        return known(self.sessions) or ()
