"""One fresh process on the device, as ``result.json`` keeps it."""

from __future__ import annotations

import statistics
from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from edgeprune.history.result.kinds import (
    IS_NULL,
    Count,
    Entry,
    NotNegative,
    Positive,
    PositiveCount,
    Schema,
    Text,
    check_null,
    known,
    when,
)

SessionVerdict = Literal["valid", "throttled", "noisy", "contaminated"]


class SessionState(Entry, frozen=True, kw_only=True):
    """What the device said of itself around one session (docs/measuring.md); null is not said.

    Attributes:
        temperature_before_c: Hottest of its processors' thermal zones, before the session.
        temperature_highest_c: The same, over the session and the moment after it.
        temperature_after_c: The same, right after the session.
        frequency_hz: Median of the fastest used core's clock while inferences ran.
        frequency_lowest_hz: Lowest clock while inferences ran.
        pinned_hz: Clock that the governor holds; null where the clock floats.
        governor: cpufreq governor of the first used core.
        throttle_bits_before: Answer of vcgencmd get_throttled before the session.
        throttle_bits_seen: Bits that stood in any answer during the session or after it.
        thermal_status_before: Android's thermal status before it, 0 (none) to 6 (shutdown).
        thermal_status_highest: Android's highest thermal status during the session or after it.
        wait_share: Share of the session in which its process was ready and another had the core.
        other_share: CPU time of other processes on the used cores, per core, as a share.
        stolen_share: CPU time that other guests of the same machine took, per core, as a share.
        load_1min: Load average before the session.
        battery_percent: Charge before the session.
        on_mains: Whether it was charged, or needs no battery.
        readings: How often the device was read while inferences ran.
        not_read: What this device does not say, and so was not judged, each in a few words.
    """

    temperature_before_c: NotNegative | None
    temperature_highest_c: NotNegative | None
    temperature_after_c: NotNegative | None
    frequency_hz: NotNegative | None
    frequency_lowest_hz: NotNegative | None
    pinned_hz: NotNegative | None
    governor: Text | None
    throttle_bits_before: Count | None
    throttle_bits_seen: Count | None
    thermal_status_before: Count | None
    thermal_status_highest: Count | None
    wait_share: NotNegative | None
    other_share: NotNegative | None
    stolen_share: NotNegative | None
    load_1min: NotNegative | None
    battery_percent: NotNegative | None
    on_mains: bool | None
    readings: Count
    not_read: tuple[Text, ...]


class Session(Entry, frozen=True, kw_only=True):
    """One fresh process on the device.

    Attributes:
        latency_ns: One entry per timed inference, in order; of a long session every k-th.
        first_ns: The very first inference, before the warm-up.
        load_ns: From the start of loading to a compiled model.
        peak_memory_bytes: Largest resident memory of the process, or null.
        runs: Timed inferences; null where each has its entry in latency_ns.
        begin_s: The device's monotonic clock before the timed inferences; null if not recorded.
        end_s: The device's monotonic clock behind the timed inferences; null if not recorded.
        over_time: Of a long session, [seconds since begin_s, median latency in microseconds] of
            equal stretches.
        trend: Percent a minute by which latency rose, and the ends of its 95 % interval; null for a
            short session.
        state: What the device said around it; null if nothing was read.
        verdict: Whether its times may be used.
        reason: Why its times may not be used, in one sentence; null for a valid one.
    """

    RULES: ClassVar[Schema] = when({"verdict": {"const": "valid"}}, {"reason": IS_NULL}) | {
        "else": {"required": ["reason"], "properties": {"reason": {"type": "string"}}}
    }

    latency_ns: Annotated[tuple[PositiveCount, ...], Meta(min_length=1)]
    first_ns: Count
    load_ns: Count
    peak_memory_bytes: PositiveCount | None
    runs: PositiveCount | UnsetType | None = UNSET
    begin_s: NotNegative | UnsetType | None = UNSET
    end_s: NotNegative | UnsetType | None = UNSET
    over_time: tuple[tuple[Positive, Positive], ...] | UnsetType = UNSET
    trend: tuple[float, float, float] | UnsetType | None = UNSET
    state: SessionState | UnsetType | None = UNSET
    verdict: SessionVerdict | UnsetType = UNSET
    reason: Text | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        verdict = self.verdict or "valid"
        check_null("reason", known(self.reason), verdict != "valid", f"the verdict is {verdict}")

    @property
    def is_valid(self) -> bool:
        """Whether its times may be used; those of an edgeprune that did not ask may."""
        return (self.verdict or "valid") == "valid"

    @property
    def median_us(self) -> float:
        """Median of its times, microseconds."""
        return statistics.median(self.latency_ns) / 1000

    @property
    def timed_runs(self) -> int:
        """Timed inferences, those without an entry in ``latency_ns`` included."""
        return known(self.runs) or len(self.latency_ns)
