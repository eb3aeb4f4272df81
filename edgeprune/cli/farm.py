"""``edgeprune farm``: many jobs on many devices, every night."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeprune.cli.farm_hosts import (
    DEFAULT_LISTEN,
    certificates,
    certificates_option,
    farm_address,
    tell,
    worker,
)
from edgeprune.cli.farm_install import install
from edgeprune.cli.farm_morning import check_morning, write_morning
from edgeprune.cli.farm_report import report
from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.device import duration_s
from edgeprune.cli.options.output import json_option
from edgeprune.cli.words import DURATION

if TYPE_CHECKING:
    from edgeprune.farm.expand import Expanded
    from edgeprune.farm.lines import Lines
    from edgeprune.farm.plan import Plan
    from edgeprune.farm.run import NightResult
    from edgeprune.farm.schedule import Slot


@click.group(epilog="Example: edgeprune farm run nightly.toml --dry-run")
def farm() -> None:
    """Measure many models on many devices, every night."""


for command in (report, install, worker, certificates):
    farm.add_command(command)


@farm.command(epilog="Example: edgeprune farm run nightly.toml --dry-run")
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--bench", type=click.Path(path_type=Path), help="Bench file to use.")
@click.option("--night", help="Name of the night; of tonight if not given.")
@click.option("--dry-run", is_flag=True, help="Show the schedule, and run nothing.")
@click.option(
    "--engine",
    type=click.Choice(["built-in", "dask"]),
    default="built-in",
    show_default=True,
    help="What runs the jobs: this host alone, or all hosts whose `farm worker` comes.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help=f"Where hosts come, with --engine dask; {DEFAULT_LISTEN} if not given.",
)
@certificates_option
@click.option(
    "--wait",
    "wait_s",
    type=DURATION,
    default="1m",
    show_default=True,
    callback=duration_s,
    metavar="DURATION",
    help="How long to wait for a host with each board, with --engine dask.",
)
@json_option
def run(
    plan: Path,
    bench: Path | None,
    night: str | None,
    dry_run: bool,
    engine: str,
    as_json: bool,
    **hosts: Any,
) -> int:
    """Run the jobs of PLAN, a TOML file, each once.

    Interrupted or killed, it goes on where it was when it is started again. When the night is over,
    the morning is written as the plan's table [morning] says. Exit code 1 where a
    change for the worse is confirmed, or a job failed or was not done by the deadline.
    """
    from edgeprune.devices.bench import load_bench
    from edgeprune.farm.expand import expand, wrong_plan
    from edgeprune.farm.night import check_night_name
    from edgeprune.farm.plan import read_plan
    from edgeprune.farm.run import run_night

    if night is not None:
        check_night_name(night)
    read = read_plan(plan)
    if engine == "dask":
        if bench is not None or dry_run:
            raise click.UsageError(
                "--engine dask has its devices from its hosts: leave out --bench and --dry-run."
            )
        check_morning(read)
        return _ended(read, _run_on_hosts(read, night, **hosts), as_json)
    if hosts["listen"] is not None or hosts["certificates"] is not None:
        raise click.UsageError("--listen and --certificates need --engine dask.")
    expanded = expand(read, load_bench(bench))
    if dry_run:
        if expanded.bad_models:
            raise wrong_plan(read, expanded.bad_models)
        return _show_schedule(expanded, as_json=as_json)
    check_morning(read)
    return _ended(read, run_night(expanded, bench, night, _lines()), as_json)


def _run_on_hosts(
    plan: Plan, night: str | None, listen: str | None, certificates: Path | None, wait_s: float
) -> NightResult:
    from edgeprune.farm.run import Listening, run_night_on_hosts

    listening = Listening(farm_address(listen or DEFAULT_LISTEN, certificates), wait_s)
    return run_night_on_hosts(plan, listening, night, _lines())


def _lines() -> Lines:
    """Takes what happens, a line each; says first what will not."""
    from edgeprune.farm.confirming import missing
    from edgeprune.farm.lines import Lines

    if why := missing():
        tell(why)
    return Lines(lambda line: click.echo(f"{datetime.datetime.now():%H:%M} {line}", err=True))


def _ended(plan: Plan, result: NightResult, as_json: bool) -> int:
    """Says how a night ended.

    Raises:
        KeyboardInterrupt: It was stopped.
    """
    from edgeprune.farm.job import State

    counts = {state.value: result.counts.get(state, 0) for state in State}
    if as_json:
        print_json(
            {
                "night": result.night,
                "is_over": result.is_over,
                "jobs": counts,
                "regressions": result.regressions,
            }
        )
    if not result.is_over:
        raise KeyboardInterrupt(f"`edgeprune farm run {plan.file}` goes on")
    if not as_json:
        told = ", ".join(f"{number:,} {state}" for state, number in counts.items() if number)
        worse = f"; {result.regressions} confirmed to be worse" if result.regressions else ""
        click.echo(f"{result.night}: {told}{worse}")
    code = 1 if counts["failed"] or counts["missed"] or result.regressions else 0
    return write_morning(plan, result.night, code, is_news=result.is_news)


def _show_schedule(expanded: Expanded, *, as_json: bool) -> int:
    """Prints what would run, and says whether it fits before the deadline."""
    from edgeprune.farm.night import night_name
    from edgeprune.farm.plan import deadline_after
    from edgeprune.farm.schedule import schedule
    from edgeprune.farm.schedule_table import print_schedule

    now = datetime.datetime.now(datetime.UTC)
    night, deadline = night_name(expanded.plan, now), deadline_after(expanded.plan, now)
    slots = schedule([*expanded.golden.values(), *expanded.jobs], expanded.devices)
    left_s = None if deadline is None else (deadline - now).total_seconds()
    late = [slot for slot in slots if left_s is not None and slot.ends_s > left_s]
    if as_json:
        print_json(
            {
                "night": night,
                "deadline_utc": deadline.astimezone(datetime.UTC).isoformat(timespec="seconds")
                if deadline
                else None,
                "jobs": [_slot_entry(slot, night) for slot in slots],
                "late": len(late),
            }
        )
    else:
        print_schedule(expanded, slots, night, now, deadline, len(late))
    return 0


def _slot_entry(slot: Slot, night: str) -> dict[str, Any]:
    job = slot.job
    return {
        "job": job.id_in(night),
        "kind": job.kind.value,
        "model": job.model_path,
        "model_sha256": job.model_sha256,
        "recipe": job.recipe,
        "board": job.board,
        "device": slot.device,
        "any_device": job.device is None,
        "tags": list(job.tags),
        "priority": job.priority,
        "time_budget_s": job.time_budget_s,
        "options": dict(job.options),
        "begins_s_at_the_latest": slot.begins_s,
    }
