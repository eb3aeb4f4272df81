"""A history with nights of a farm in it, written as the scheduler writes it."""

import math
from datetime import UTC, datetime, timedelta

from results import processes, result_of, variant
from sqlalchemy import insert

from edgeprune.history import database, queries
from edgeprune.history.farm_tables import DEVICES, JOBS, NIGHTS, RESULTS
from edgeprune.history.place import place

FIRST = datetime(2026, 11, 1, 22, tzinfo=UTC)


def timed(median_us, digest="a", **rest):
    """A result of one file on ``desk-pi``."""
    one = variant("deployed", processes(median_us), sha256=digest * 64)
    return result_of(one, model={"path": "nets/kws.tflite", "sha256": digest * 64,
                                 "format": "tflite"}, **rest)  # fmt: skip


def night(number, *results, failed=(), quarantine=None, recipes=("as-is",)):
    """Writes one night with its jobs, whose recipes follow each other; ids of its runs."""
    name = f"nightly {(FIRST + timedelta(days=number)).date()}"
    began = FIRST + timedelta(days=number)
    began_ms = round(began.timestamp() * 1000)
    runs = []
    with database.writing(place()) as connection:
        connection.execute(insert(NIGHTS).values(
            night=name, plan="nightly", plan_sha256="0" * 64, began_ms=began_ms,
            ended_ms=began_ms + 3_600_000,
        ))  # fmt: skip
        for index, result in enumerate([*results, *failed]):
            is_done = index < len(results)
            job = f"{number}-{index}"
            connection.execute(insert(JOBS).values(
                job=job, night=name, number=index, kind="measure",
                model_path=result.model.path if is_done else result[0],
                model_sha256="a" * 64, recipe=recipes[index % len(recipes)], board="rpi4",
                device="pi-1", tags="[]", priority=0, time_budget_s=600, options="{}", retries=0,
                not_before_ms=0,
                state="done" if is_done else "failed",
                error_kind=None if is_done else result[1],
                message=None if is_done else result[2],
            ))  # fmt: skip
            if is_done:
                time_utc = (began + timedelta(minutes=index)).isoformat(timespec="seconds")
                run = queries.inserted(connection, result, time_utc)
                runs.append(run)
                connection.execute(insert(RESULTS).values(
                    job=job, night=name, device="pi-1", epoch=100 * number + index + 1, run=run,
                ))  # fmt: skip
    if quarantine is not None or number == 0:
        with database.writing(place()) as connection:
            connection.execute(DEVICES.delete())
            connection.execute(insert(DEVICES).values(
                device="pi-1", board="rpi4", host="lab", epoch=1, clean_runs=0, troubles=1,
                state="online", quarantine_reason=quarantine,
            ))  # fmt: skip
    return name, runs


def quiet(number):
    """Medians of a quiet device, the same ones each time."""
    return 100 * math.exp(0.003 * math.sin(7.3 * number))
