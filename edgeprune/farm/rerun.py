"""Measures again what a change over nights is suspected of, in a job of its own.

A file that changed is measured in turns with the older one. One that did not change would only be
measured beside itself: it is measured again by itself, in fresh processes, and what it took is
judged by how far runs lie apart on its device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgeprune.farm.executor import Ending, Run
from edgeprune.farm.job import How, Job
from edgeprune.farm.kept import lay_out
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe, load_recipe
from edgeprune.recipe.overrides import timed_by
from edgeprune.recipe.run_table import RunTable

if TYPE_CHECKING:
    from edgeprune.history.result import Result, Variant
    from edgeprune.pipeline.request import Request

REPEATS = 3
"""Runs of a file that did not change. Source: ours; where one run in 25 is wild, two in a row were
a tenth of what a simulated farm told (``benchmarks/farm_nights.py``)."""


def measured_again(request: Request, job: Job) -> Ending:
    """Measures what a job of the kind ``confirm`` asks for.

    Args:
        request: As for the job that is suspected; model and recipe are taken from ``job``.
        job: Its options say how, and which files.

    Raises:
        EdgepruneError: As of :func:`edgeprune.pipeline.deploy`; or a file is not kept any more.
    """
    files = _files(request, job)
    with Progress() as progress:
        if job.options["how"] == How.TURNS:
            return _in_turns(request, job, files, progress)
        return _repeated(request, job, files["new"], progress)


def _in_turns(request: Request, job: Job, files: Mapping[str, Path], progress: Progress) -> Ending:
    from edgeprune.farm.trends.confirmation import SESSIONS
    from edgeprune.pipeline.side_by_side import run_side_by_side

    recipe = _timed_as(job.options["timing"], SESSIONS)
    requests = [replace(request, model=file, recipe=recipe) for file in files.values()]
    old, new = (_run(one.result, job) for one in run_side_by_side(requests, progress))
    return Ending(new, beside=(old,))


def _repeated(request: Request, job: Job, file: Path, progress: Progress) -> Ending:
    from edgeprune.pipeline import deploy

    recipe = _timed_as(job.options["timing"], None)
    runs = []
    for number in range(REPEATS):
        output = None if request.output is None else request.output / f"run-{number + 1}"
        again = replace(request, model=file, recipe=recipe, output=output)
        runs.append(_run(deploy(again, progress).result, job))
    return Ending(runs[-1], beside=tuple(runs[:-1]))


def _files(request: Request, job: Job) -> dict[str, Path]:
    """The kept files under names that people know, in the attempt's own folder.

    Raises:
        ModelError: One of them is not kept any more.
    """
    folder = request.output or Path()
    folder.mkdir(parents=True, exist_ok=True)
    names = ("old", "new") if job.options["how"] == How.TURNS else ("new",)
    digests = dict(zip(("old", "new"), job.options["files"], strict=True))
    return {name: lay_out(digests[name], folder / f"{name}.tflite") for name in names}


def _timed_as(timing: Mapping[str, Any], sessions: int | None) -> Recipe:
    """A file as it is, timed as the suspected run was.

    Args:
        timing: That run's table ``[run]``.
        sessions: So many fresh processes, each as long as one of that run; None takes its own.
    """
    table = RunTable(**{key: value for key, value in timing.items() if key in _KEYS})
    values = {key: getattr(table, key) for key in _KEYS}
    if sessions is not None:
        amount = table.amount()
        values |= {"sessions": sessions, "runs": amount.runs, "max_s": amount.max_s}
        values["timed_s"] = amount.timed_s or None
    return timed_by(load_recipe("as-is"), values)


_KEYS = tuple(RunTable.__dataclass_fields__)


def _run(result: Result, job: Job) -> Run:
    """A result for the history, under the model's own name."""
    from edgeprune.history.figures import figures_of
    from edgeprune.history.result_file import json_text

    named = msgspec.structs.replace(
        result, model=msgspec.structs.replace(result.model, path=job.model_path)
    )
    return Run(
        result.device.id,
        json_text(named),
        tuple(figures_of(named)),
        _sessions(result.deployed) if result.validity.verdict == "valid" else {},
        result.model.sha256,
    )


def _sessions(variant: Variant) -> dict[str, tuple[float, ...]]:
    """Medians of the valid fresh processes, microseconds."""
    medians = tuple(one.median_us for one in variant.processes if one.is_valid)
    return {"latency_us": medians} if medians else {}
