"""What is to be said of the sessions behind a result's times, and their table."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from edgeprune.report.figures import time_text

_State = Mapping[str, Any]

NOT_READ = "-"

_READINGS: dict[str, Callable[[_State], str]] = {
    "temperature": lambda state: _from_to(
        state["temperature_before_c"], state["temperature_highest_c"], "{:.0f}", " C"
    ),
    "clock": lambda state: _one(state["frequency_hz"], lambda hz: f"{hz / 1e6:.0f} MHz"),
    "throttling bits": lambda state: _one(state["throttle_bits_seen"], lambda bits: f"{bits:#x}"),
    "thermal status": lambda state: _from_to(
        state["thermal_status_before"], state["thermal_status_highest"], "{:d}", ""
    ),
    "waited for a core": lambda state: _one(state["wait_share"], "{:.1%}".format),
    "others on the cores": lambda state: _one(state["other_share"], "{:.0%}".format),
    "taken by other guests": lambda state: _one(state["stolen_share"], "{:.1%}".format),
    "load": lambda state: _one(state["load_1min"], "{:.2f}".format),
    "battery": lambda state: _battery(state),
}


def session_remarks(result: Mapping[str, Any]) -> list[str]:
    """How the variants were timed, what was rejected, what was not read, and trends.

    Args:
        result: A valid result.
    """
    timed = result.get("timed")
    if timed is None:
        return []
    turns = " ".join(_letters(timed["order"])[:8])
    more = " ..." if len(timed["order"]) > 8 else ""
    lines = [
        f"effort {timed['effort']}: {timed['sessions']} fresh processes a variant, in the order "
        f"{turns}{more}"
    ]
    for variant in result["variants"]:
        lines += _rejected(variant) + _trend(variant)
    lines += timed["notes"]
    missing = _not_read(result)
    if missing:
        lines.append(f"not told by this device, so not checked: {', '.join(missing)}")
    return lines


def session_table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: a row a session, with the readings that any session has.

    Args:
        result: A valid result; without states there are no rows.
    """
    sessions = [
        (variant["name"], number, one)
        for variant in result["variants"]
        for number, one in enumerate(variant.get("sessions", ()), start=1)
    ]
    if not any(one.get("state") for _, _, one in sessions):
        return [], []
    columns = {
        heading: [read(one["state"]) if one.get("state") else NOT_READ for _, _, one in sessions]
        for heading, read in _READINGS.items()
    }
    columns = {key: cells for key, cells in columns.items() if set(cells) != {NOT_READ}}
    rows = [
        [
            f"{name} {number}",
            time_text(statistics.median(one["latency_ns"]) / 1000),
            f"{one.get('runs') or len(one['latency_ns']):,}",
            *cells,
            one.get("verdict", "valid") + (f": {one['reason']}" if one.get("reason") else ""),
        ]
        for (name, number, one), *cells in zip(sessions, *columns.values(), strict=True)
    ]
    return ["session", "median", "runs", *columns, "verdict"], rows


def _letters(order: list[str]) -> list[str]:
    """A, B, ... in place of the variants' names."""
    names = list(dict.fromkeys(order))
    return [chr(ord("A") + names.index(name)) if len(names) < 27 else name for name in order]


def _rejected(variant: Mapping[str, Any]) -> list[str]:
    sessions = variant.get("sessions", ())
    found = [one for one in sessions if one.get("verdict", "valid") != "valid"]
    if not found or variant["latency_us"] is None:
        return []
    kinds = Counter(one["verdict"] for one in found)
    said = ", ".join(f"{count} {verdict}" for verdict, count in kinds.items())
    line = f"{variant['name']}: {len(found)} of {len(sessions)} sessions were rejected ({said})"
    if variant["latency_us"].get("rejected", 0):  # the validity says why
        return [f"{line}; too few are valid, so the times shown are of all"]
    return [f"{line} and are left out of the figures; {found[0]['reason']}"]


def _trend(variant: Mapping[str, Any]) -> list[str]:
    return [
        f"{variant['name']}: over {one['end_s'] - one['begin_s']:.0f} s latency changed by "
        f"{one['trend'][0]:+.2f} % a minute (95 % confidence: {one['trend'][1]:+.2f} to "
        f"{one['trend'][2]:+.2f})"
        for one in variant.get("sessions", ())
        if one.get("trend") is not None
    ]


def _not_read(result: Mapping[str, Any]) -> list[str]:
    lines = [
        line
        for variant in result["variants"]
        for one in variant.get("sessions", ())
        for line in (one.get("state") or {}).get("not_read", ())
    ]
    return list(dict.fromkeys(line.partition(":")[0] for line in lines))


def _one(value: Any, text: Callable[[Any], str]) -> str:
    return NOT_READ if value is None else text(value)


def _from_to(first: Any, last: Any, form: str, unit: str) -> str:
    if first is None or last is None:
        return NOT_READ
    return f"{form.format(first)} to {form.format(last)}{unit}"


def _battery(state: _State) -> str:
    if state["battery_percent"] is None:
        return NOT_READ
    supply = {True: ", charging", False: ", not charging", None: ""}[state["on_mains"]]
    return f"{state['battery_percent']:.0f} %{supply}"
