"""Figures over nights: a page for each model, recipe and board, and one that leads to them."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any

from sqlalchemy import Connection, select

from edgeprune.farm.trends.nightly import Key, decisions_of, recipe_in_words, series_of
from edgeprune.farm.trends.reasons import Night
from edgeprune.history.farm_tables import JOBS, NIGHTS
from edgeprune.morning.data import Morning
from edgeprune.morning.metrics import metric_of, percent_text
from edgeprune.morning.names import file_stem, short_names
from edgeprune.morning.night import USUAL_NIGHTS
from edgeprune.morning.site.chart import Span, chart
from edgeprune.morning.site.folder import SiteFolder
from edgeprune.morning.site.marks import SIGNS, Mark, marks_of
from edgeprune.morning.site.page import TOP, Place, rendered

SHOWN_DAYS = 400
"""How far back pictures go. Source: ours, a year and a month."""

METRICS = ("latency_us", "instructions", "energy_uj", "flash_bytes")
"""All figures that are followed, the one that matters most first."""

_LAST_FIGURES = 14
"""Figures in full in the table under a picture."""

Of = tuple[str, str, str]
"""Model, recipe and board: what a page is of."""


@dataclass(frozen=True)
class Followed:
    """A series with what is known of its changes.

    Attributes:
        key: What it is of.
        nights: Oldest first.
        marks: Where something changed, in order.
    """

    key: Key
    nights: list[Night]
    marks: list[Mark]

    @property
    def of(self) -> Of:
        """What its page is of."""
        return self.key.model_path, self.key.recipe, self.key.board

    @property
    def anchor(self) -> str:
        """Its place on its page."""
        return file_stem(self.key.device, self.key.metric)

    @property
    def usual(self) -> float | None:
        """Median of the figures before the last one; None where there are none."""
        before = [night.value for night in self.nights[-1 - USUAL_NIGHTS : -1]]
        return statistics.median(before) if before else None

    @property
    def percent(self) -> float | None:
        """By how much the last figure lies above what is usual."""
        return 100 * (self.nights[-1].value / self.usual - 1) if self.usual else None


@dataclass(frozen=True)
class Trends:
    """All series of a plan.

    Attributes:
        pages: The series of each page, by device and figure.
        models: Short names by path.
        span: All nights of the plan.
    """

    pages: dict[Of, list[Followed]]
    models: dict[str, str]
    span: Span

    @classmethod
    def of(cls, connection: Connection, morning: Morning) -> Trends:
        """Reads them."""
        since = datetime.fromisoformat(morning.began_utc) - timedelta(days=SHOWN_DAYS)
        planned = _planned(connection, morning.plan, since)
        series = {
            key: nights
            for key, nights in series_of(connection, since.isoformat(timespec="seconds")).items()
            if (key.model_path, key.recipe, key.board) in planned
        }
        decisions = decisions_of(connection, series)
        tonight = defaultdict(list)
        for change in morning.changes:
            tonight[change.run, change.metric].append(change)
        pages: dict[Of, list[Followed]] = defaultdict(list)
        for key, nights in series.items():
            told = tonight[nights[-1].run_id, key.metric]
            one = Followed(key, nights, marks_of(key, nights, decisions.get(key, ()), told))
            pages[one.of].append(one)
        for page in pages.values():
            page.sort(key=lambda one: (one.key.device, METRICS.index(one.key.metric)))
        models = short_names(
            [*(path for path, *_ in pages), *(job.model_path for job in morning.jobs)]
        )
        span = Span(_nights(connection, morning.plan, since))
        return cls(dict(sorted(pages.items())), models, span)

    def name(self, model_path: str) -> str:
        """A model's short name."""
        return self.models.get(model_path) or PurePath(model_path).name

    def link(self, model_path: str, recipe: str, board: str) -> str | None:
        """The page of a model with a recipe on a board, from the site's folder on, or None."""
        of = (model_path, recipe, board)
        return f"trends/{file_stem(*of)}.html" if of in self.pages else None

    def series(self, key_of: Any) -> Followed | None:
        """The series that a figure or a change is of."""
        for one in self.pages.get((key_of.model_path, key_of.recipe, key_of.board), ()):
            if (one.key.device, one.key.metric) == (key_of.device, key_of.metric):
                return one
        return None

    def write(self, site: SiteFolder) -> None:
        """Writes all pages."""
        at = Place("trends")
        rows = []
        for of, page in self.pages.items():
            name = f"{self.models[of[0]]}, {PurePath(of[1]).name}"
            shown = [_shown(number, one, name, self.span) for number, one in enumerate(page)]
            link = self.link(*of)
            text = rendered("trend", f"{name} on {of[2]}", at, "trends", model=self.models[of[0]],
                            path=of[0], recipe=PurePath(of[1]).name, board=of[2], series=shown,
                            signs=SIGNS)  # fmt: skip
            site.write(str(link), text)
            rows.append({"link": link, "model": self.models[of[0]], "of": of,
                         "recipe": PurePath(of[1]).name, **_summary(page)})  # fmt: skip
        site.write("trends.html", rendered("trends", "Trends", TOP, "trends", rows=rows))


def shown_series(number: int, one: Followed, title: str, span: Span) -> dict[str, Any]:
    """A series as the templates show it."""
    metric = metric_of(one.key.metric)
    last = [(night.time_utc, metric.text(night.value)) for night in one.nights[-_LAST_FIGURES:]]
    return {
        "device": one.key.device,
        "metric": metric,
        "anchor": one.anchor,
        "svg": chart(f"c{number}", title, metric, one.nights, one.marks, span),
        "now": metric.text(one.nights[-1].value),
        "beside": percent_text(one.percent),
        "marks": [
            {
                "number": at,
                "sign": SIGNS[mark.verdict],
                "verdict": mark.verdict,
                "night": one.nights[mark.index].time_utc[:10],
                "by": "-" if mark.percent is None else f"{mark.percent:+.1f}%",
                "why": "; ".join(mark.reasons) or "nothing known: the device",
            }
            for at, mark in enumerate(one.marks, start=1)
        ],
        "last": last[::-1],
        "missing": span.missing([_seconds(night) for night in one.nights]),
    }


def _shown(number: int, one: Followed, name: str, span: Span) -> dict[str, Any]:
    metric = metric_of(one.key.metric).name
    return shown_series(number, one, f"{name} on {one.key.device}, {metric}", span)


def _summary(page: Sequence[Followed]) -> dict[str, Any]:
    """A page in a row of the table of all."""
    main = min((one.key.metric for one in page), key=METRICS.index)
    rows = [one for one in page if one.key.metric == main]
    metric = metric_of(main)
    confirmed = [
        (one.nights[mark.index].time_utc[:10], mark, one)
        for one in page
        for mark in one.marks
        if mark.verdict in ("worse", "better")
    ]
    newest = max(confirmed, key=lambda each: each[0], default=None)
    return {
        "devices": len({one.key.device for one in page}),
        "figure": metric.name,
        "is_exact": metric.is_exact,
        "now": metric.text(statistics.median(one.nights[-1].value for one in rows)),
        "changes": len(confirmed),
        "newest": newest and {
            "night": newest[0],
            "verdict": newest[1].verdict,
            "by": f"{newest[1].percent or 0:+.1f}%",
            "device": newest[2].key.device,
        },
    }  # fmt: skip


def _planned(connection: Connection, plan: str, since: datetime) -> set[Of]:
    """What the plan's nights measured, golden models aside."""
    statement = (
        select(JOBS.c.model_path, JOBS.c.recipe, JOBS.c.options, JOBS.c.board)
        .distinct()
        .join_from(JOBS, NIGHTS, JOBS.c.night == NIGHTS.c.night)
        .where(NIGHTS.c.plan == plan, NIGHTS.c.began_ms >= round(1000 * since.timestamp()))
        .where(JOBS.c.kind == "measure")
    )
    return {
        (row.model_path, recipe_in_words(row.recipe, row.options), row.board)
        for row in connection.execute(statement)
    }


def _nights(connection: Connection, plan: str, since: datetime) -> list[float]:
    began = NIGHTS.c.began_ms
    statement = select(began).where(NIGHTS.c.plan == plan, began >= round(1000 * since.timestamp()))
    return [ms / 1000 for ms in connection.execute(statement.order_by(began)).scalars()]


def _seconds(night: Night) -> float:
    return datetime.fromisoformat(night.time_utc).timestamp()
