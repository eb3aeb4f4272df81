"""The morning as a static site: it opens from a disk and from any server, and needs no network.

The pages may do nothing but show themselves: no script, no request. Names, which others chose, are
escaped by the template engine. Every page is written whole, those that others lead to first and
``index.html`` last, so that at no moment a link leads nowhere.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from edgeprune.errors import ConfigError
from edgeprune.farm.plan import DEFAULT_KEEP_NIGHTS
from edgeprune.history import database
from edgeprune.history.place import place
from edgeprune.morning.data import Morning
from edgeprune.morning.names import file_stem
from edgeprune.morning.night import morning_in, newest_night
from edgeprune.morning.site import devices, jobs, night, nights, trends
from edgeprune.morning.site.folder import SiteFolder
from edgeprune.morning.site.page import TOP, Place
from edgeprune.morning.site.records import nights_of

INDEX = "index.html"


def write_site(
    folder: Path, of_night: str | None = None, keep_nights: int = DEFAULT_KEEP_NIGHTS
) -> Morning:
    """Writes the site of a plan's nights: what is new, and what has changed.

    Args:
        folder: A new or empty folder, or the site as it was written before.
        of_night: Name of a night whose pages to write too; the newest one if None.
        keep_nights: Pages of older nights are removed, 1 or more.

    Returns:
        What that night brought.

    Raises:
        ConfigError: There is no such night, the folder is something else or cannot be written, or
            the history cannot be read.
    """
    where = place()
    with database.reading(where) as connection:
        told = morning_in(connection, where, of_night)
        if connection is None:
            raise ConfigError(f"{where}: is not there any more")
        newest = newest_night(connection, told.plan)
        shown = told if newest == told.night else morning_in(connection, where, newest)
        with SiteFolder(folder, told.plan) as site:
            _write(connection, site, told, shown, keep_nights)
    return told


def _write(
    connection: Connection, site: SiteFolder, told: Morning, shown: Morning, keep_nights: int
) -> None:
    followed = trends.Trends.of(connection, shown)
    followed.write(site)
    devices.write(connection, site, (told, shown), followed.span)
    kept = nights_of(connection, shown.plan)
    for one in dict.fromkeys((told.night, shown.night)):
        _write_night(connection, site, told if one == told.night else shown, followed)
    stay = {file_stem(row.night) for row in kept[:keep_nights]} | {file_stem(told.night)}
    nights.write(site, shown, kept, stay)
    site.write(INDEX, night.page(shown, followed, TOP))
    site.remove_nights({file_stem(row.night) for row in kept} - stay)


def _write_night(
    connection: Connection, site: SiteFolder, told: Morning, followed: trends.Trends
) -> None:
    here = Place.of_night(told.night)
    jobs.write(connection, site, told, followed, here)
    site.write(f"{here.folder}/{INDEX}", night.page(told, followed, here))
