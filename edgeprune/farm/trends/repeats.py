"""Whether a file that did not change takes another time than it did, by repeating its run.

Side by side it would only be measured beside itself. So runs are compared that lie nights apart,
and what counts is how far runs of one file lie apart on that device, which its golden model tells.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, select

from edgeprune.farm.trends.confirmation import MAX_P, MIN_EFFECT, Rerun
from edgeprune.history.farm_tables import IS_GOLDEN, JOBS, RESULTS
from edgeprune.history.tables import FIGURES
from edgeprune.significance.run_noise import MIN_DEGREES, RunNoise, run_noise
from edgeprune.significance.student import student_p

MIN_NIGHTS = 3
"""Nights of the level before: of two, one wild one moves the median. Source: ours."""

GOLDEN_RUNS = 100
"""Newest runs of the golden model that tell the noise. Source: ours, a season."""


def golden_noise(connection: Connection, device: str, metric: str) -> RunNoise:
    """How far runs of the golden model lie apart on a device, in the same conditions.

    Args:
        connection: To the history.
        device: Its name with the farm.
        metric: Key of the figure.
    """
    figures = FIGURES.c
    statement = (
        select(figures.file_sha256, figures.conditions, figures.value)
        .join_from(RESULTS, JOBS, JOBS.c.job == RESULTS.c.job)
        .join(FIGURES, figures.run_id == RESULTS.c.run)
        .where(JOBS.c.device == device, IS_GOLDEN)
        .where(figures.variant == "deployed", figures.metric == metric, figures.value > 0)
        .order_by(RESULTS.c.epoch.desc())
        .limit(GOLDEN_RUNS)
    )
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for sha256, conditions, value in connection.execute(statement):
        groups[sha256, conditions].append(value)
    return run_noise(groups.values())


def why_unknown(noise: RunNoise) -> str:
    """Why a repetition cannot be judged; empty where it can."""
    if noise.is_known:
        return ""
    return (
        "the file did not change, so that only its run can be repeated, and the noise from run to "
        f"run of this device is not known: that takes {MIN_DEGREES + 1} nights with a golden model "
        f"([golden] in the plan), there are {noise.runs}"
    )


def judged_repeats(before: Sequence[float], repeats: Sequence[float], noise: RunNoise) -> Rerun:
    """Whether runs that were repeated lie away from the level before by more than runs do.

    The repetition that lies nearest the level before counts, and as one run: all of them share the
    device's state of that night, and one wild run is no level.

    Args:
        before: Figures of the nights before the change, above 0, newest last.
        repeats: Figures of the repeated runs, in the same unit.
        noise: Of the device, known.

    Source: Student's t; the median's variance is pi / 2 times that of a mean.
    """
    each = np.log(repeats) - np.median(np.log(before))
    nearest = float(each[np.argmin(np.abs(each))])
    away = nearest if bool((np.sign(each) == np.sign(nearest)).all()) else 0.0
    error = noise.scale * math.sqrt(1 + math.pi / 2 / len(before))
    if error:
        p_value = student_p(away / error, noise.degrees)
    else:
        p_value = 1.0 if away == 0 else 0.0
    is_large = abs(away) >= math.log1p(MIN_EFFECT)
    return Rerun(math.exp(away), p_value, is_large and p_value <= MAX_P)
