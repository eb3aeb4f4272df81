"""What is to be said of the sessions behind a result's times, and their table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from edgeprune.history.result import Result, SessionState, Variant, known
from edgeprune.report.figures import time_text

_T = TypeVar("_T", int, float)

NOT_READ = "-"

_READINGS: dict[str, Callable[[SessionState], str]] = {
    "temperature": lambda state: _from_to(
        state.temperature_before_c, state.temperature_highest_c, "{:.0f}", " C"
    ),
    "clock": lambda state: _text(state.frequency_hz, lambda hz: f"{hz / 1e6:.0f} MHz"),
    "throttling bits": lambda state: _text(state.throttle_bits_seen, lambda bits: f"{bits:#x}"),
    "thermal status": lambda state: _from_to(
        state.thermal_status_before, state.thermal_status_highest, "{:d}", ""
    ),
    "waited for a core": lambda state: _text(state.wait_share, "{:.1%}".format),
    "others on the cores": lambda state: _text(state.other_share, "{:.0%}".format),
    "taken by other guests": lambda state: _text(state.stolen_share, "{:.1%}".format),
    "load": lambda state: _text(state.load_1min, "{:.2f}".format),
    "battery": lambda state: _battery(state),
}


def session_remarks(result: Result) -> list[str]:
    """How the variants were timed, what was rejected, what was not read, and trends.

    Args:
        result: A valid result.
    """
    timed = known(result.timed)
    if timed is None:
        return []
    turns = " ".join(_letters(timed.order)[:8])
    more = " ..." if len(timed.order) > 8 else ""
    lines = [
        f"effort {timed.effort}: {timed.sessions} fresh processes a variant, in the order "
        f"{turns}{more}"
    ]
    for variant in result.variants:
        lines += _rejected(variant) + _trend(variant)
    lines += timed.notes
    missing = _not_read(result)
    if missing:
        lines.append(f"not told by this device, so not checked: {', '.join(missing)}")
    return lines


def session_table(result: Result) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: a row a session, with the readings that any session has.

    Args:
        result: A valid result; without states there are no rows.
    """
    sessions = [
        (variant.name, number, session)
        for variant in result.variants
        for number, session in enumerate(variant.processes, start=1)
    ]
    states = [known(session.state) for _, _, session in sessions]
    if not any(states):
        return [], []
    columns = {
        heading: [NOT_READ if state is None else read(state) for state in states]
        for heading, read in _READINGS.items()
    }
    columns = {key: cells for key, cells in columns.items() if set(cells) != {NOT_READ}}
    rows = [
        [
            f"{name} {number}",
            time_text(session.median_us),
            f"{session.timed_runs:,}",
            *cells,
            (session.verdict or "valid") + (f": {session.reason}" if session.reason else ""),
        ]
        for (name, number, session), *cells in zip(sessions, *columns.values(), strict=True)
    ]
    return ["session", "median", "runs", *columns, "verdict"], rows


def _letters(order: Sequence[str]) -> list[str]:
    """A, B, ... in place of the variants' names."""
    names = list(dict.fromkeys(order))
    return [chr(ord("A") + names.index(name)) if len(names) < 27 else name for name in order]


def _rejected(variant: Variant) -> list[str]:
    rejected = [session for session in variant.processes if not session.is_valid]
    if not rejected or variant.latency_us is None:
        return []
    kinds = Counter(session.verdict for session in rejected)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in kinds.items())
    line = (
        f"{variant.name}: {len(rejected)} of {len(variant.processes)} sessions were rejected "
        f"({counts})"
    )
    if variant.latency_us.rejected:  # the validity says why
        return [f"{line}; too few are valid, so the times shown are of all"]
    return [f"{line} and are left out of the figures; {rejected[0].reason}"]


def _trend(variant: Variant) -> list[str]:
    lines = []
    for session in variant.processes:
        trend, begin_s, end_s = known(session.trend), known(session.begin_s), known(session.end_s)
        if trend is None or begin_s is None or end_s is None:
            continue
        lines.append(
            f"{variant.name}: over {end_s - begin_s:.0f} s latency changed by {trend[0]:+.2f}% a "
            f"minute (95% confidence: {trend[1]:+.2f} to {trend[2]:+.2f})"
        )
    return lines


def _not_read(result: Result) -> list[str]:
    states = [known(session.state) for variant in result.variants for session in variant.processes]
    lines = [line for state in states if state is not None for line in state.not_read]
    return list(dict.fromkeys(line.partition(":")[0] for line in lines))


def _text(value: _T | None, text: Callable[[_T], str]) -> str:
    return NOT_READ if value is None else text(value)


def _from_to(first: float | None, last: float | None, form: str, unit: str) -> str:
    if first is None or last is None:
        return NOT_READ
    return f"{form.format(first)} to {form.format(last)}{unit}"


def _battery(state: SessionState) -> str:
    if state.battery_percent is None:
        return NOT_READ
    supply = {True: ", charging", False: ", not charging", None: ""}[state.on_mains]
    return f"{state.battery_percent:.0f} %{supply}"
