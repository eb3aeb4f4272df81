"""The list of nights; those whose pages are still there lead to them."""

from __future__ import annotations

from collections.abc import Sequence

from edgeprune.morning.data import Morning
from edgeprune.morning.headline import WORDS, Mood
from edgeprune.morning.site.folder import SiteFolder
from edgeprune.morning.site.page import TOP, Place, rendered
from edgeprune.morning.site.records import NightRow


def write(site: SiteFolder, morning: Morning, rows: Sequence[NightRow], kept: set[str]) -> None:
    """Writes the list.

    Args:
        site: Where.
        morning: The newest night.
        rows: The plan's nights, newest first.
        kept: Folders of nights whose pages stay.
    """
    there = kept & site.nights()
    shown = [
        {"row": row, "folder": at.folder if at.folder.rpartition("/")[2] in there else None,
         **dict(zip(("mood", "word"), _mood(row), strict=True))}
        for row in rows
        for at in [Place.of_night(row.night)]
    ]  # fmt: skip
    text = rendered("nights", f"Nights of {morning.plan}", TOP, "nights", rows=shown)
    site.write("nights.html", text)


def _mood(row: NightRow) -> tuple[Mood, str]:
    """What is known of a night without reading all of it."""
    is_over = row.ended_utc is not None
    lost = row.counts["failed"] + row.counts["missed"]
    if lost or row.worse:
        return "bad", WORDS["bad"]
    return ("good", "done") if is_over else ("warning", "not over")
