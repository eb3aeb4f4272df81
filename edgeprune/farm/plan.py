"""What a person wrote for the farm: ``plan.toml``, read and checked before anything runs."""

from __future__ import annotations

import dataclasses
import datetime
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from edgeprune.errors import ConfigError
from edgeprune.files.tables import read_table, read_toml
from edgeprune.text.duration import parse_duration
from edgeprune.text.share import SHARE

DEFAULT_BAND = 0.15
"""How far the golden model's figure may lie from the device's own median. Source: ours."""

DEFAULT_CONFIRM_SHARE = 0.25
"""Source: ours; most nights suspect nothing, and one with many changes still ends."""

MAX_CONFIRM_SHARE = 0.9

DEFAULT_KEEP_NIGHTS = 30
"""Source: ours, a month."""

_NAME = re.compile(r"[\w.-]{1,64}")
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_MAX_PRIORITY = 1000
MAX_WORKERS = 1000


@dataclass(frozen=True)
class GoldenTable:
    """The model that shows each night that a device can be trusted.

    Attributes:
        model: A ``.tflite`` file whose outputs are known: the host's own kernels say what is right.
        band: How far its latency, or its instructions on emulated devices, may lie from the median
            of its earlier runs on the same device, as a share.
    """

    model: str
    band: Annotated[float, SHARE] = DEFAULT_BAND


@dataclass(frozen=True)
class JobsTable:
    """Jobs that are alike: each model with each recipe on each board.

    Attributes:
        models: Model files, or folders of SavedModels; relative ones to the plan's folder.
        boards: Names of boards.
        recipes: Names of recipes, or ``.toml`` files; empty takes each board's own.
        devices: Names of devices in the bench file, or with their host as ``desk-pi@lab1``, each of
            which runs the job; empty lets any device of the board run it.
        each_device: Every device of the board runs the job.
        tags: Words for who reads the results.
        priority: Jobs of a higher one run first.
        time_budget: How long a job may have a device, as ``10m``; the plan's if not given.
        data: Data to train and score with, as for ``edgeprune deploy --data``.
        max_accuracy_drop: As for ``edgeprune deploy``; needs ``data``.
        sparsity: Share of zeros, in place of the recipe's.
        pattern: Pattern of the weights that stay, in place of the recipe's.
        quantize: How weights are stored, in place of the recipe's.
        effort: How thoroughly to time, in place of the recipe's.
        sessions: Fresh processes a variant, in place of the effort's.
        runs: Timed inferences in each process, in place of the effort's.
    """

    models: tuple[str, ...]
    boards: tuple[str, ...]
    recipes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    each_device: bool = False
    tags: tuple[str, ...] = ()
    priority: int = 0
    time_budget: str | None = None
    data: str | None = None
    max_accuracy_drop: str | None = None
    sparsity: Annotated[float, SHARE] | None = None
    pattern: str | None = None
    quantize: str | None = None
    effort: str | None = None
    sessions: int | None = None
    runs: int | None = None


@dataclass(frozen=True)
class MorningTable:
    """What is written at the end of each night; files lie in the plan's folder if not absolute.

    Attributes:
        site: Folder of the static site, a new or empty one or the site itself.
        keep_nights: Pages of so many nights stay in the site.
        markdown: File for the summary as Markdown.
        junit: File for JUnit XML.
        json: File for all of it as JSON.
        prometheus: File for the textfile collector.
        webhook: Post it to the URL in the variable EDGEPRUNE_WEBHOOK, with the token in
            EDGEPRUNE_WEBHOOK_TOKEN where there is one.
        webhook_file: In place of the variables, a file with the URL in its first line and the token
            in its second, where there is one.
    """

    site: str | None = None
    keep_nights: int = DEFAULT_KEEP_NIGHTS
    markdown: str | None = None
    junit: str | None = None
    json: str | None = None
    prometheus: str | None = None
    webhook: bool = False
    webhook_file: str | None = None


@dataclass(frozen=True)
class Plan:
    """A whole plan.

    Attributes:
        jobs: What to do.
        name: What its nights are called; the file's name if not given.
        deadline: Local time as ``07:00`` by which all must be done; None sets none.
        time_budget: How long a job may have a device, as ``10m``.
        workers: How many jobs may run at once on this host, or on all hosts of a farm together;
            0 leaves that to us.
        golden: The golden model; None trusts devices unchecked.
        confirm_share: Largest share of the night in which suspected changes are measured again; 0
            makes none.
        morning: What is written when a night is over; None writes nothing.
        file: Where it stands; filled in by :func:`read_plan`.
    """

    jobs: tuple[JobsTable, ...]
    name: str = ""
    deadline: str | None = None
    time_budget: str = "10m"
    workers: int = 0
    golden: GoldenTable | None = None
    confirm_share: Annotated[float, SHARE] = DEFAULT_CONFIRM_SHARE
    morning: MorningTable | None = None
    file: Path = field(default=Path(), metadata={"is_ours": True})

    def path_of(self, name: str) -> Path:
        """A file that the plan names, from the plan's own folder on; ``~`` is a letter like any."""
        return self.file.parent / name


def read_plan(file: Path) -> Plan:
    """Reads a plan, and checks whatever needs nothing beside it.

    Raises:
        ConfigError: It is missing or wrong; the message names file and keys, all of them at once.
    """
    raw = read_toml(file)
    faults = ["unknown key 'file'"] if "file" in raw else []
    raw.pop("file", None)
    plan = read_table(Plan, {"name": file.stem} | raw, str(file))
    faults += _faults(plan)
    for number, table in enumerate(plan.jobs):
        faults += [f"jobs[{number}].{line}" for line in _job_faults(table)]
    if faults:
        raise ConfigError(f"{file}: " + "; ".join(faults))
    return dataclasses.replace(plan, file=file.absolute())


def deadline_after(plan: Plan, now: datetime.datetime) -> datetime.datetime | None:
    """The next moment at which a clock on this wall shows the plan's deadline.

    Args:
        plan: Checked.
        now: With a time zone.
    """
    time = parse_time(plan.deadline or "")
    if time is None:
        return None
    local = now.astimezone()
    for days in (0, 1):
        day = local.date() + datetime.timedelta(days=days)
        moment = datetime.datetime.combine(
            day, time
        ).astimezone()  # which knows whether summer time ends in between
        if moment > now:
            return moment
    return None


def parse_time(text: str) -> datetime.time | None:
    """A time of the day as ``07:00``; None where it is none."""
    match = _TIME.fullmatch(text)
    return datetime.time(int(match[1]), int(match[2])) if match else None


def _faults(plan: Plan) -> list[str]:
    faults = []
    if not _NAME.fullmatch(plan.name):
        faults.append(f"name {plan.name!r} must be 1 to 64 letters, digits and _ . -")
    if plan.deadline is not None and parse_time(plan.deadline) is None:
        faults.append(f"deadline must be a local time as 07:00, got {plan.deadline!r}")
    if not 0 <= plan.workers <= MAX_WORKERS:
        faults.append(f"workers must be 0 to {MAX_WORKERS}, got {plan.workers}")
    if not plan.jobs:
        faults.append("jobs: there are none; write a table [[jobs]] with models and boards")
    if plan.golden is not None and not 0 < plan.golden.band < 1:
        faults.append(f"golden.band must be above 0 and below 1, got {plan.golden.band:g}")
    if not 0 <= plan.confirm_share <= MAX_CONFIRM_SHARE:
        faults.append(
            f"confirm_share must be 0 to {MAX_CONFIRM_SHARE:g}, got {plan.confirm_share:g}"
        )
    if plan.morning is not None and plan.morning.keep_nights < 1:
        faults.append(f"morning.keep_nights must be 1 or more, got {plan.morning.keep_nights}")
    return faults + _budget_faults("time_budget", plan.time_budget)


def _job_faults(table: JobsTable) -> list[str]:
    """What is wrong with a table by itself; each line begins with its key."""
    faults = [f"{key}: there are none" for key in ("models", "boards") if not getattr(table, key)]
    if table.devices and table.each_device:
        faults.append("each_device: leave it out where devices are named")
    if abs(table.priority) > _MAX_PRIORITY:
        faults.append(f"priority must be -{_MAX_PRIORITY} to {_MAX_PRIORITY}, got {table.priority}")
    if table.max_accuracy_drop is not None and table.data is None:
        faults.append("max_accuracy_drop needs data: without it accuracy is not measured")
    return faults + _budget_faults("time_budget", table.time_budget)


def _budget_faults(key: str, text: str | None) -> list[str]:
    try:
        if text is not None and parse_duration(text) < 1:
            return [f"{key} must be 1s or more, got {text!r}"]
    except ValueError as error:
        return [f"{key} {error}"]
    return []
