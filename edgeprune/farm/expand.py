"""A plan becomes jobs, once everything that it names was looked at."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeprune.data.early import check_data
from edgeprune.devices.bench import Bench
from edgeprune.errors import ConfigError, EdgepruneError
from edgeprune.farm.inventory import FarmDevice, inventory
from edgeprune.farm.job import Job, Kind
from edgeprune.farm.plan import JobsTable, Plan
from edgeprune.load.digest import digest_of
from edgeprune.pipeline.preflight import board_of, check_model
from edgeprune.recipe import Recipe
from edgeprune.recipe.overrides import recipe_of, timed_by
from edgeprune.tasks import parse_limit
from edgeprune.text.duration import parse_duration
from edgeprune.text.near_names import did_you_mean

GOLDEN_PRIORITY = 1_000_000
"""Above every priority of a plan."""

GOLDEN_RECIPE = "as-is"

_TIMING = ("effort", "sessions", "runs")
_STORAGE = ("sparsity", "pattern", "quantize")


@dataclasses.dataclass(frozen=True)
class Expanded:
    """What a plan comes to.

    Attributes:
        plan: As it was written.
        jobs: In the plan's order.
        devices: All devices of the plan's boards, by name.
        golden: The golden job of each device; empty where the plan has no golden model.
        bad_models: What is wrong with models, a line each: their jobs will fail, which is no
            reason to lose a night of the others.
    """

    plan: Plan
    jobs: list[Job]
    devices: dict[str, FarmDevice]
    golden: dict[str, Job]
    bad_models: tuple[str, ...] = ()


NOT_ON_THIS_DESK = (
    "no device on this desk is a {board}: add one with `edgeprune devices add NAME --board {board}`"
)


def expand(plan: Plan, bench: Bench) -> Expanded:
    """Makes the jobs of a plan for the devices of this desk; see :func:`expand_for`."""
    return expand_for(plan, lambda boards: inventory(bench, boards), NOT_ON_THIS_DESK)


def expand_for(
    plan: Plan, find: Callable[[list[str]], dict[str, FarmDevice]], lacking: str
) -> Expanded:
    """Makes the jobs of a plan.

    Args:
        plan: The plan.
        find: Given names of boards, has their devices by name.
        lacking: What is wrong where no device is of a ``{board}``.

    Raises:
        ConfigError: A board, recipe or device does not exist or is wrong, a job stands twice in the
            plan, or no model can be used; all faults are in one message.
    """
    looking = _Looking(plan, lacking)
    devices = find(looking.boards())
    jobs: dict[str, Job] = {}
    golden = dict(_golden(looking, devices))
    for job in _planned(looking, devices):
        key = job.id_in("")
        if key in jobs:
            where = f" on {job.device}" if job.device else ""
            looking.faults.append(
                f"{job.model_path} with {job.recipe} for {job.board}{where} stands twice in the "
                "plan: leave one out"
            )
        jobs[key] = dataclasses.replace(job, number=len(jobs))
    bad_models = tuple(looking.bad_models.values())
    is_all_bad = all(Path(job.model_path) in looking.bad_models for job in jobs.values())
    if looking.faults or is_all_bad:
        raise wrong_plan(plan, [*looking.faults, *bad_models])
    return Expanded(plan, list(jobs.values()), devices, golden, bad_models)


def wrong_plan(plan: Plan, faults: Iterable[str]) -> ConfigError:
    """The error that names all that is wrong with a plan."""
    return ConfigError(f"{plan.file}: " + "; ".join(dict.fromkeys(faults)))


class _Looking:
    """Looks at what a plan names, each thing once, and collects what is wrong.

    Attributes:
        plan: The plan.
        lacking: What is wrong where no device is of a ``{board}``.
        faults: What is wrong so far.
        wrong_boards: Names that are no board.
        bad_models: What is wrong with a model, by its path.
    """

    def __init__(self, plan: Plan, lacking: str) -> None:
        self.plan, self.lacking = plan, lacking
        self.faults: list[str] = []
        self.wrong_boards: set[str] = set()
        self.bad_models: dict[Path, str] = {}
        self._digests: dict[Path, str] = {}

    def boards(self) -> list[str]:
        """The plan's boards, but for those that are wrong."""
        names = dict.fromkeys(name for table in self.plan.jobs for name in table.boards)
        self.wrong_boards = {name for name in names if not self.at(board_of, name)}
        return [name for name in names if name not in self.wrong_boards]

    def at(self, look: Callable[..., object], *arguments: object) -> bool:
        """Whether ``look`` raises nothing."""
        try:
            look(*arguments)
        except EdgepruneError as error:
            self.faults.append(str(error))
            return False
        return True

    def digest(self, path: Path) -> str:
        """SHA-256 of a model; of its path where it is bad, to tell its jobs from others'."""
        if path not in self._digests:
            self._digests[path] = self._digest(path)
        return self._digests[path]

    def _digest(self, path: Path) -> str:
        try:
            check_model(path)
            return digest_of(path)
        except EdgepruneError as error:
            self.bad_models[path] = str(error)
        except OSError as error:
            self.bad_models[path] = f"{path}: cannot be read: {error.strerror or error}"
        return hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()


def _golden(looking: _Looking, devices: Mapping[str, FarmDevice]) -> Iterator[tuple[str, Job]]:
    """The golden job of each device, by its name."""
    table = looking.plan.golden
    if table is None:
        return
    path = looking.plan.path_of(table.model)
    sha256 = looking.digest(path)
    if path in looking.bad_models:
        looking.faults.append(looking.bad_models[path])
    budget_s = round(parse_duration(looking.plan.time_budget))
    for name, device in devices.items():
        job = Job(
            0, Kind.GOLDEN, str(path), sha256, GOLDEN_RECIPE, device.board.name, name, (),
            GOLDEN_PRIORITY, budget_s,
        )  # fmt: skip
        yield name, job


def _planned(looking: _Looking, devices: Mapping[str, FarmDevice]) -> Iterator[Job]:
    for table in looking.plan.jobs:
        options = _options(looking, table)
        budget_s = round(parse_duration(table.time_budget or looking.plan.time_budget))
        digests = {model: looking.digest(looking.plan.path_of(model)) for model in table.models}
        for board, recipe, device in _places(looking, table, options, devices):
            for model, sha256 in digests.items():
                path = str(looking.plan.path_of(model))
                yield Job(
                    0, Kind.MEASURE, path, sha256, recipe, board, device, table.tags,
                    table.priority, budget_s, options,
                )  # fmt: skip


def _places(
    looking: _Looking,
    table: JobsTable,
    options: Mapping[str, Any],
    devices: Mapping[str, FarmDevice],
) -> Iterator[tuple[str, str, str | None]]:
    """Board, recipe, and device or None, of each job of a model; what is wrong is collected."""
    _check_names(looking, table, devices)
    for board in table.boards:
        fitting = [one for one in devices.values() if one.board.name == board]
        if not fitting:
            continue
        names: list[str | None] = [None]
        if table.each_device:
            names = [one.name for one in fitting]
        elif table.devices:
            names = [one.name for one in fitting if {one.plain, one.name} & {*table.devices}]
        for word in table.recipes or (fitting[0].board.recipe.default,):
            recipe = str(looking.plan.path_of(word)) if word.endswith(".toml") else word
            if looking.at(recipe_with, recipe, options):
                yield from ((board, recipe, name) for name in names)


def _check_names(looking: _Looking, table: JobsTable, devices: Mapping[str, FarmDevice]) -> None:
    """Each board has a device, and each device is one of a board of the table."""
    of_boards = [one for one in devices.values() if one.board.name in table.boards]
    for board in table.boards:
        if board not in looking.wrong_boards and board not in {one.board.name for one in of_boards}:
            looking.faults.append(looking.lacking.format(board=board))
    known = sorted({word for one in of_boards for word in (one.plain, one.name)})
    for name in table.devices:
        if name not in known:
            boards = ", ".join(table.boards)
            looking.faults.append(
                f"no device of {boards} is called {name!r}{did_you_mean(name, known)}"
            )


def _options(looking: _Looking, table: JobsTable) -> dict[str, Any]:
    """The options of a table that are given, as a run takes them."""
    keys = (*_STORAGE, *_TIMING)
    options = {key: value for key in keys if (value := getattr(table, key)) is not None}
    if table.data is not None:
        file = looking.plan.path_of(table.data)
        options["data"] = str(file) if file.exists() else table.data
        looking.at(check_data, options["data"])
    if table.max_accuracy_drop is not None:
        looking.at(parse_limit, table.max_accuracy_drop)
        options["max_accuracy_drop"] = table.max_accuracy_drop
    return options


def recipe_with(name: str, options: Mapping[str, Any]) -> Recipe:
    """A recipe with a job's own values in place.

    Raises:
        ConfigError: There is no such recipe, or a value lies outside its range.
    """
    recipe = recipe_of(name, **{key: options.get(key) for key in _STORAGE})
    return timed_by(recipe, {key: options[key] for key in _TIMING if key in options})
