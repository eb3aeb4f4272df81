"""A page a job, with its report where there is one, and the list of all jobs of a night."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection, select

from edgeprune.errors import ConfigError
from edgeprune.history.place import place
from edgeprune.history.queries import run_of
from edgeprune.history.tables import RUNS
from edgeprune.morning.data import Job, Morning
from edgeprune.morning.headline import WHO_ACTS
from edgeprune.morning.site import records
from edgeprune.morning.site.folder import SiteFolder
from edgeprune.morning.site.page import Place, part, rendered, site_style, style
from edgeprune.morning.site.trends import Trends
from edgeprune.report.page import Frame, render
from edgeprune.version import __version__

MAX_ROWS = 1000
"""Jobs in one page of the list: more are slow to read and to show."""

_ID = re.compile(r"[0-9a-z-]{1,64}")


def page_of(job: Job) -> str:
    """The file of a job's page, in its night's folder."""
    name = job.job if _ID.fullmatch(job.job) else hashlib.sha256(job.job.encode()).hexdigest()[:32]
    return f"job-{name}.html"


def list_page(number: int) -> str:
    """The file of a part of the list, from 0, in its night's folder."""
    return "jobs.html" if number == 0 else f"jobs-{number + 1}.html"


def write(
    connection: Connection, site: SiteFolder, morning: Morning, trends: Trends, at: Place
) -> None:
    """Writes the pages of a night's jobs that are not there yet, and the list of all."""
    attempts = records.attempts_of(connection, morning.night)
    for job in morning.jobs:
        _write_page(connection, site, morning, trends, at, (job, attempts.get(job.job, [])))
    pages = range(max(1, -(-len(morning.jobs) // MAX_ROWS)))
    for number in pages:
        rows = morning.jobs[number * MAX_ROWS : (number + 1) * MAX_ROWS]
        text = rendered(
            "jobs", f"Jobs of {morning.night}", at, "jobs", night=morning.night, number=number,
            pages=[list_page(one) for one in pages], total=len(morning.jobs),
            rows=[row(job, trends) for job in rows],
        )  # fmt: skip
        site.write(f"{at.folder}/{list_page(number)}", text)


def row(job: Job, trends: Trends) -> dict[str, Any]:
    """A job as tables show it."""
    return {
        "page": page_of(job),
        "kind": job.kind,
        "model": trends.name(job.model_path),
        "recipe": PurePath(job.recipe).name,
        "board": job.board,
        "device": job.device or "any",
        "state": job.state,
        "who": WHO_ACTS.get(job.error_kind or job.state, "") if job.state != "done" else "",
        "message": job.message or "",
    }


def _write_page(
    connection: Connection,
    site: SiteFolder,
    morning: Morning,
    trends: Trends,
    at: Place,
    of: tuple[Job, Sequence[records.Attempt]],
) -> None:
    job, attempts = of
    name = f"{at.folder}/{page_of(job)}"
    link = trends.link(job.model_path, job.recipe, job.board)
    source = _source(morning, link, *of)
    if site.is_made_of(name, source):
        return
    shown = row(job, trends)
    values = dict[str, Any](
        job=shown, path=job.model_path, night=morning.night, run=job.run, attempts=attempts,
        trend=link, root=at.root, here="jobs",
    )  # fmt: skip
    head = Markup('<meta name="edgeprune-source" content="{}">').format(source)
    report, remark = None, ""
    if job.run is not None:
        report, remark = _report(connection, job.run, head, values)
    title = f"{shown['model']} on {job.device or job.board}"
    site.write(name, report or _without_report(title, at, head, remark, values))


def _report(
    connection: Connection, run: int, head: Markup, values: dict[str, Any]
) -> tuple[str | None, str]:
    """The report of a run, or why there is none."""
    row = connection.execute(select(RUNS).where(RUNS.c.id == run)).mappings().first()
    if row is None:
        return None, f"run {run} is not in the history any more"
    try:
        result = run_of(row, place()).result
    except ConfigError as error:  # of a later edgeprune, or damaged
        return None, str(error)
    robots = Markup('<meta name="robots" content="noindex, nofollow">\n<style>{}</style>')
    frame = Frame(
        head + robots.format(Markup(site_style())),
        part("navigation", **values),
        part("job_section", **values, remark=""),
    )
    return render(result, frame=frame, has_copies=False), ""


def _without_report(
    title: str, at: Place, head: Markup, remark: str, values: dict[str, Any]
) -> str:
    rest = {key: value for key, value in values.items() if key not in ("root", "here")}
    return rendered("job", title, at, "jobs", head=head, remark=remark, **rest)


def _source(
    morning: Morning, link: str | None, job: Job, attempts: Sequence[records.Attempt]
) -> str:
    """Digest of all that a page is made of; a result never changes."""
    parts = [__version__, style(), morning.night, link, str(job), *map(str, attempts)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
