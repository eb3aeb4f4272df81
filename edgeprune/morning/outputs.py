"""What a plan's table ``[morning]`` asks for: looked at before the night, written behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from edgeprune.errors import ConfigError, EdgepruneError
from edgeprune.farm.plan import MorningTable, Plan
from edgeprune.files.whole_file import Reserved, is_stream, shown, write_whole
from edgeprune.morning import webhook
from edgeprune.morning.data import Morning
from edgeprune.morning.junit import junit
from edgeprune.morning.markdown import markdown
from edgeprune.morning.night import morning
from edgeprune.morning.prometheus import prometheus
from edgeprune.morning.site import write_site
from edgeprune.morning.site.folder import SiteFolder


@dataclass(frozen=True)
class Written:
    """What became of a night's morning.

    Attributes:
        morning: What the night brought; None where it could not be read.
        troubles: What could not be written; empty if all was.
    """

    morning: Morning | None
    troubles: tuple[EdgepruneError, ...]


def json_text(told: Morning) -> str:
    """The morning as JSON, as ``edgeprune farm report --json`` prints it."""
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


FORMS: dict[str, Callable[[Morning], str]] = {
    "markdown": markdown,
    "junit": junit,
    "json": json_text,
    "prometheus": prometheus,
}
"""What makes a file's text, by its key in the table."""


def check(plan: Plan, table: MorningTable) -> None:
    """Looks whether all can be written, before a night begins.

    Raises:
        ConfigError: Something cannot; all of it is in one message.
    """
    files = list(_files(plan, table))
    faults = [line for key, path in files for line in _file_faults(key, path)]
    paths = [path.resolve() for _, path in files]
    faults += [
        f"morning.{key}: another key names the same file: {shown(path)}"
        for number, (key, path) in enumerate(files)
        if path.resolve() in paths[:number]
    ]
    try:
        if table.site is not None:
            with SiteFolder(plan.path_of(table.site), plan.name):
                pass
    except ConfigError as error:
        faults.append(f"morning.site: {error}")
    try:
        if (target := _target(plan, table)) is not None:
            _ = target.parts
    except ConfigError as error:
        faults.append(f"morning.webhook: {error}")
    if faults:
        raise ConfigError(f"{shown(plan.file)}: " + "; ".join(faults))


def write(plan: Plan, table: MorningTable, night: str, *, is_news: bool = True) -> Written:
    """Writes all that the table asks for; what cannot be written keeps nothing else from it.

    Args:
        plan: Whose night it was.
        table: Its table ``[morning]``.
        night: The night's name.
        is_news: Whether to call the webhook too.
    """
    troubles: list[EdgepruneError] = []
    told = None
    try:
        told = morning(night)
    except EdgepruneError as error:
        return Written(None, (error,))
    works = list(_works(plan, table, told))
    if is_news and (table.webhook or table.webhook_file is not None):
        works.append(partial(_post, plan, table, told))  # last, since it calls people to look
    for work in works:
        try:
            work()
        except EdgepruneError as error:
            troubles.append(error)
    return Written(told, tuple(troubles))


def _works(plan: Plan, table: MorningTable, told: Morning) -> Iterator[Callable[[], object]]:
    """What is to be written."""
    for key, path in _files(plan, table):
        yield partial(write_whole, path, FORMS[key](told), replace=True)
    if table.site is not None:
        yield partial(write_site, plan.path_of(table.site), told.night, table.keep_nights)


def _post(plan: Plan, table: MorningTable, told: Morning) -> None:
    if (target := _target(plan, table)) is not None:
        webhook.post(told, target)


def _target(plan: Plan, table: MorningTable) -> webhook.Target | None:
    if table.webhook_file is not None:
        return webhook.from_file(plan.path_of(table.webhook_file))
    return webhook.from_environment() if table.webhook else None


def _files(plan: Plan, table: MorningTable) -> Iterator[tuple[str, Path]]:
    for key in FORMS:
        if (name := getattr(table, key)) is not None:
            yield key, plan.path_of(name)


def _file_faults(key: str, path: Path) -> list[str]:
    """Why a file cannot be written; found by making it aside and removing that again."""
    try:
        if is_stream(path):
            return [f"morning.{key}: {shown(path)} is no file; name one"]
        with Reserved(path, replace=True, is_shared=True):
            return []
    except OSError as error:
        return [f"morning.{key}: {shown(path)}: {error.strerror or error}"]
    except ConfigError as error:
        return [f"morning.{key}: {error}"]
