"""The frame of every page of the site: its style, its navigation, where it lies."""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from edgeprune.morning.names import file_stem
from edgeprune.report.page import environment
from edgeprune.report.page import style as report_style


@dataclass(frozen=True)
class Place:
    """Where a page lies.

    Attributes:
        folder: Its folder, from the site's own on; empty for the site's own.
    """

    folder: str = ""

    @classmethod
    def of_night(cls, night: str) -> Place:
        """Where the pages of a night and of its jobs lie."""
        return cls(f"nights/{file_stem(night)}")

    @property
    def root(self) -> str:
        """The way from there to the site's own folder."""
        return "../" * len([part for part in self.folder.split("/") if part])


TOP = Place()


@functools.cache
def site_style() -> str:
    """What the site adds to the style sheet of reports."""
    return Path(__file__).with_name("site.css").read_text(encoding="utf-8")


def style() -> str:
    """The style sheet of the site."""
    return report_style() + site_style()


def rendered(template: str, title: str, at: Place, here: str, **values: Any) -> str:
    """A page's text.

    Args:
        template: Its file's name, without the ending.
        title: For the browser's tab.
        at: Where it will lie.
        here: Which entry of the navigation it is; empty for none.
        values: What the template shows.
    """
    text: str = (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(
            title=title, root=at.root, here=here, style=style(), style_hash=_style_hash(), **values
        )
    )
    return text


def part(template: str, **values: Any) -> Markup:
    """A piece of a page."""
    return Markup(_environment().get_template(f"{template}.html.j2").render(**values))


@functools.cache
def _style_hash() -> str:
    return base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()


@functools.cache
def _environment() -> Any:
    import jinja2  # only needed where a page is made

    made = environment(jinja2.FileSystemLoader(Path(__file__).with_name("templates")))
    made.filters["when"] = when
    return made


def when(time_utc: str | None) -> str:
    """An instant for people, in UTC to the minute.

    >>> when("2026-11-29T04:10:59+00:00"), when(None)
    ('2026-11-29 04:10', '-')
    """
    return "-" if time_utc is None else time_utc[:16].replace("T", " ")
