"""How the devices are: all in one table, and a page each with its golden model and its events."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from edgeprune.farm.health import REFERENCE_RUNS
from edgeprune.farm.trends.nightly import Key
from edgeprune.farm.trends.reasons import Night
from edgeprune.morning.data import Device, Morning
from edgeprune.morning.metrics import metric_of, percent_text
from edgeprune.morning.names import file_stem
from edgeprune.morning.site import records
from edgeprune.morning.site.chart import Span
from edgeprune.morning.site.folder import SiteFolder
from edgeprune.morning.site.marks import marks_of
from edgeprune.morning.site.page import TOP, Place, rendered
from edgeprune.morning.site.trends import SHOWN_DAYS, Followed, shown_series

RECENT_DAYS = 30
"""Over which attempts are counted. Source: ours."""


def page_of(device: str) -> str:
    """The page of a device, from the site's folder on."""
    return f"devices/{file_stem(device)}.html"


def write(
    connection: Connection, site: SiteFolder, mornings: Sequence[Morning], span: Span
) -> None:
    """Writes the pages of all devices of some nights' boards, the newest night's last."""
    began = datetime.fromisoformat(mornings[-1].began_utc)
    known = {device.device: device for morning in mornings for device in morning.devices}
    recent = began - timedelta(days=RECENT_DAYS)
    since = (began - timedelta(days=SHOWN_DAYS)).isoformat(timespec="seconds")
    outcomes = records.outcomes(connection, round(1000 * recent.timestamp()))
    golden = records.golden_figures(connection, known, since)
    rows = []
    for device in known.values():
        series = [
            Followed(key, nights, marks_of(key, nights, (), ()))
            for (name, metric), nights in golden.items()
            if name == device.device
            for key in [Key(device.board, name, "", "", "deployed", metric)]
        ]
        one = _row(device, outcomes.get(device.device, Counter()), series)
        title = f"the golden model on {device.device}"
        shown = [shown_series(at, each, title, span) for at, each in enumerate(series)]
        text = rendered(
            "device", device.device, Place("devices"), "devices", row=one, series=shown,
            usual=[_usual(each.nights, each.key.metric) for each in series],
            events=records.events_of(connection, device.device), days=RECENT_DAYS,
            reference=REFERENCE_RUNS,
        )  # fmt: skip
        site.write(page_of(device.device), text)
        rows.append(one)
    rows.sort(key=lambda row: (row["mood"] == "good", row["board"], row["device"]))
    text = rendered("devices", "Devices", TOP, "devices", rows=rows, days=RECENT_DAYS)
    site.write("devices.html", text)


def _row(device: Device, outcomes: Counter[str], series: Sequence[Followed]) -> dict[str, Any]:
    """A device in the table of all."""
    mood, word = mood_of(device)
    ended = sum(outcomes.values())
    return {
        "page": page_of(device.device),
        "device": device.device,
        "board": device.board,
        "host": device.host,
        "mood": mood,
        "word": word,
        "why": device.quarantine_reason or (device.message if device.state == "offline" else ""),
        "since": device.quarantined_utc,
        "seen": device.seen_utc,
        "done": device.done,
        "troubles": device.troubles,
        "attempts": ended,
        "infrastructure": outcomes["infrastructure"],
        "wrong": outcomes["test"],
        "golden": [
            f"{metric_of(one.key.metric).text(one.nights[-1].value)}, "
            f"{percent_text(_beside(one.nights))}"
            for one in series
        ],
    }


def mood_of(device: Device) -> tuple[str, str]:
    """How a device is, as a mood and in words."""
    if device.quarantine_reason is not None:
        return "bad", "quarantine"
    if device.state == "offline":
        return "warning", "not there"
    return ("good", "online") if device.state == "online" else ("plain", "not asked yet")


def _reference(nights: Sequence[Night]) -> float:
    """What is usual for the golden model: the median of its first runs."""
    return statistics.median(night.value for night in nights[:REFERENCE_RUNS])


def _beside(nights: Sequence[Night]) -> float | None:
    if len(nights) < 2:
        return None
    return 100 * (nights[-1].value / _reference(nights) - 1)


def _usual(nights: Sequence[Night], metric: str) -> str:
    return metric_of(metric).text(_reference(nights))
