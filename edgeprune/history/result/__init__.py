"""``result.json``: one run of all variants of a model on one device, as a typed structure.

Schema version 1. The published JSON Schema, ``result.schema.json`` beside this package, is made of
these types (:mod:`edgeprune.history.schema`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from edgeprune.history.result.kinds import (
    IS_GIVEN,
    IS_NULL,
    Count,
    Entry,
    Interval,
    MetricName,
    NotNegative,
    Positive,
    PositiveCount,
    Schema,
    Sha256,
    Share,
    Text,
    all_of,
    check_metric,
    check_null,
    known,
    when,
)
from edgeprune.history.result.session import Session, SessionState
from edgeprune.history.result.variant import (
    Accuracy,
    Co2e,
    Energy,
    EnergyMeasurement,
    Estimate,
    HeadScore,
    Instructions,
    Latency,
    Layer,
    Parity,
    Start,
    StartProcess,
    Variant,
)

__all__ = [
    "UNSET",
    "Accuracy",
    "Co2e",
    "Comparison",
    "Control",
    "Device",
    "Energy",
    "EnergyMeasurement",
    "Entry",
    "Estimate",
    "HeadScore",
    "Instructions",
    "Latency",
    "Layer",
    "Made",
    "Model",
    "Parity",
    "Pinning",
    "Result",
    "Session",
    "SessionState",
    "Start",
    "StartProcess",
    "Task",
    "TaskHead",
    "Timed",
    "UnsetType",
    "Validity",
    "Variant",
    "known",
]


class Made(Entry, frozen=True, kw_only=True):
    """When and by what the result was made.

    Attributes:
        time_utc: ISO 8601 with +00:00.
        edgeprune_version: Version of edgeprune.
    """

    time_utc: Text
    edgeprune_version: Text


class Model(Entry, frozen=True, kw_only=True):
    """The user's model.

    Attributes:
        path: As the user named it.
        sha256: Digest of its content.
        format: What kind of file it is.
    """

    path: Text
    sha256: Sha256
    format: Literal[
        "keras2-h5", "keras2-keras", "keras3-h5", "keras3-keras", "saved-model", "tflite"
    ]


class Device(Entry, frozen=True, kw_only=True):
    """The device that ran it.

    Attributes:
        id: Its name in the bench, or the host's name.
        cpu: Model name and architecture.
        os: Kernel name, release and machine.
        agent_version: Version of the agent on it.
        runtime_version: Version of the inference runtime, with the library's digest.
    """

    id: Text
    cpu: Text
    os: Text
    agent_version: Text
    runtime_version: Text


class Pinning(Entry, frozen=True, kw_only=True):
    """What was held fixed on the device while it was measured.

    Attributes:
        cpus: Cores that the agent was pinned to; empty where it was free.
        asked: performance, or keep where the device was to stay as it is.
        governors: Distinct cpufreq governors while it was measured; empty where none can be read.
        governors_before: Distinct cpufreq governors before.
        fixed_performance_mode: Whether Android's was on.
        restored: Whether all is as before; null where nothing was changed.
        reason: Why the clock was not pinned, or not given back; null where there is nothing to
            explain.
    """

    cpus: tuple[Count, ...]
    asked: Literal["performance", "keep"]
    governors: tuple[Text, ...]
    governors_before: tuple[Text, ...]
    fixed_performance_mode: bool
    restored: bool | None
    reason: Text | None


class TaskHead(Entry, frozen=True, kw_only=True):
    """One output of the model and what it is for.

    Attributes:
        name: The output's name.
        task: What it does; none for an output without labels.
        labels: How its labels are written.
        gives: What its values are.
        classes: How many classes it tells apart; 0 for an output of plain values.
        loss: What it is trained with.
        metric: What it is scored by.
    """

    name: Text
    task: Literal["classification", "multilabel", "segmentation", "regression", "none"]
    labels: str
    gives: Literal["softmax", "sigmoid", "tanh", "logits", "values"]
    classes: Count
    loss: str
    metric: MetricName

    def __post_init__(self) -> None:
        check_metric(self.metric)


class Task(Entry, frozen=True, kw_only=True):
    """What the model is for, as data and model say, or the user.

    Attributes:
        line: The task in one line.
        train: Samples to train with.
        test: Samples to score with.
        heads: Every output.
    """

    line: Text
    train: Count
    test: PositiveCount
    heads: Annotated[tuple[TaskHead, ...], Meta(min_length=1)]


class Comparison(Entry, frozen=True, kw_only=True):
    """The deployed variant beside the dense one.

    Attributes:
        metric: What was compared.
        speedup: Dense divided by deployed; null if either was not measured.
        ci95: 95 % confidence interval of speedup; null for counts, which are exact, and for too few
            valid sessions.
        verdict: What the figures show.
        p_value: Of the Mann-Whitney test over session medians; null where there is none.
        least_effect: Smallest difference that counts, as a share; null where nothing is tested.
        noise: By what two halves of the dense variant's sessions differ, as a share; null where
            unknown.
    """

    RULES: ClassVar[Schema] = all_of(
        when({"verdict": {"const": "not measurable"}}, {"ci95": IS_NULL}, {"speedup": IS_GIVEN}),
        when(
            {
                "metric": {"const": "latency_us"},
                "verdict": {"enum": ["faster", "slower", "no difference shown"]},
            },
            {"ci95": IS_GIVEN},
        ),
        when({"metric": {"const": "instructions"}}, {"ci95": IS_NULL}),
    )

    metric: Literal["latency_us", "instructions"]
    speedup: Positive | None
    ci95: Interval | None
    verdict: Literal["faster", "slower", "no difference shown", "not measurable"]
    p_value: Share | UnsetType | None = UNSET
    least_effect: NotNegative | UnsetType | None = UNSET
    noise: NotNegative | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        is_measured = self.verdict != "not measurable"
        reason = f"the verdict is {self.verdict}, by {self.metric}"
        if is_measured:
            check_null("speedup", self.speedup, True, reason)
        check_null("ci95", self.ci95, is_measured and self.metric == "latency_us", reason)


class Validity(Entry, frozen=True, kw_only=True):
    """Whether the figures may be relied on.

    Attributes:
        verdict: The gravest of what speaks against them.
        reasons: A sentence for each; none for valid.
    """

    RULES: ClassVar[Schema] = when(
        {"verdict": {"const": "valid"}}, {"reasons": {"maxItems": 0}}, {"reasons": {"minItems": 1}}
    )

    verdict: Literal["valid", "insufficient", "noisy", "contaminated", "throttled", "invalid"]
    reasons: tuple[Text, ...]

    def __post_init__(self) -> None:
        if (self.verdict == "valid") != (not self.reasons):
            wanted = "be empty" if self.verdict == "valid" else "not be empty"
            raise ValueError(f".reasons: must {wanted}, since the verdict is {self.verdict}")


class Timed(Entry, frozen=True, kw_only=True):
    """How the variants were timed.

    Attributes:
        effort: Name of the effort.
        sessions: Sessions planned per variant.
        runs: Timed inferences planned per session, at least.
        timed_s: Seconds of timed inferences planned per session, at least.
        order: Variants in the order in which their sessions ran, as A B B A.
        repeats: How often sessions were made again.
        notes: What there is to know of the waits between them.
    """

    effort: Text
    sessions: PositiveCount
    runs: PositiveCount
    timed_s: NotNegative
    order: tuple[Text, ...]
    repeats: Count
    notes: tuple[Text, ...]


class Control(Entry, frozen=True, kw_only=True):
    """A file that never changes, timed in turns with the variants: it tells the device's part.

    Attributes:
        path: As the user named it.
        sha256: Digest of its content.
        sessions_us: Median of each valid session, in microseconds.
    """

    path: Text
    sha256: Sha256
    sessions_us: Annotated[tuple[Positive, ...], Meta(min_length=1)]


class Result(Entry, frozen=True, kw_only=True):
    """One run of all variants of a model on one device.

    A figure that was not measured is null, never 0.

    Attributes:
        schema: Version of this format.
        made: When and by what it was made; absent from results of older edgeprunes.
        sitting: Shared by results whose files were measured side by side, in turns; absent where a
            model was measured by itself.
        control: The file that was timed in turns with the variants; absent where there was none.
        model: The user's model.
        board: Name of the board.
        device: The device that ran it.
        pinning: What was held fixed on the device; absent where nothing could be.
        recipe: The recipe in force. The one open object: the recipe's own reader checks its keys.
        variants: dense, then deployed, then others; or a single one.
        comparison: The deployed variant beside the dense one.
        validity: Whether the figures may be relied on.
        timed: How the variants were timed; null where they were not.
        task: What the model is for; null where there is no data to say.
        notes: Lines of the stages that the figures do not say.
        reasons: Why layers do not run sparse.
    """

    RULES: ClassVar[Schema] = {
        "if": {"properties": {"variants": {"type": "array", "minItems": 2}}},
        "then": {
            "properties": {
                "variants": {
                    "prefixItems": [
                        {"properties": {"name": {"const": "dense"}}},
                        {"properties": {"name": {"const": "deployed"}}},
                    ]
                }
            }
        },
    }

    schema: Literal[1]
    made: Made | UnsetType = UNSET
    sitting: Text | UnsetType = UNSET
    control: Control | UnsetType = UNSET
    model: Model
    board: Text
    device: Device
    pinning: Pinning | UnsetType = UNSET
    recipe: dict[str, Any]
    variants: Annotated[tuple[Variant, ...], Meta(min_length=1)]
    comparison: Comparison
    validity: Validity
    timed: Timed | UnsetType | None = UNSET
    task: Task | UnsetType | None = UNSET
    notes: tuple[Text, ...] | UnsetType = UNSET
    reasons: tuple[Text, ...] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if len(self.variants) == 1:
            return
        for index, wanted in enumerate(("dense", "deployed")):
            name = self.variants[index].name
            if name != wanted:
                raise ValueError(f".variants[{index}].name: must be {wanted!r}, got {name!r:.80}")

    @property
    def is_emulated(self) -> bool:
        """Whether instructions were counted, where time means nothing."""
        return self.comparison.metric == "instructions"

    def variant(self, name: str) -> Variant | None:
        """The variant of a name, or None."""
        return next((variant for variant in self.variants if variant.name == name), None)

    @property
    def deployed(self) -> Variant:
        """The deployed variant, or the last one where none has that name."""
        return self.variant("deployed") or self.variants[-1]
