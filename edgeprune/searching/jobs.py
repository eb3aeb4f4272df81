"""What a search has done in child processes: a portion of the search, and networks made in full."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from edgeprune.artifacts.dataset import Dataset
from edgeprune.auto.candidates import Candidate, Judged
from edgeprune.auto.engine import Clock, Outcome, Search
from edgeprune.auto.goal import Goal
from edgeprune.auto.moves import Node
from edgeprune.auto.study import Journal, Study
from edgeprune.devices.boards import Cpu, load_board, resolved_cpu
from edgeprune.errors import EdgepruneError, ModelError
from edgeprune.pipeline.choosing import Counts, kept_apart, looked_at_twice
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.ground import Ground, Prepared
from edgeprune.pipeline.host_half import compress
from edgeprune.pipeline.jobs import CompressJob
from edgeprune.pipeline.read import Read, read_model, scored_apart
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.runnable import check_runnable
from edgeprune.pipeline.users_data import limit_lines
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.searching.choices import choices, further
from edgeprune.training.context import StageContext

AT_ONCE = 10
"""Networks that one process judges: TensorFlow keeps memory of each, and may crash. Ours."""

FURTHER = 3
"""Networks whose recipes are at hand where none of the chosen ones keeps the limit. Ours."""

DENSE, METRIC, COUNTS, STATE, TIMED = "dense", "metric", "counts", "state", "timed"
"""Notes of the journal: what the user's model takes, by board; what losses are of; how many samples
choose and are reported; how far it is; what was timed on this machine.
"""


@dataclass(frozen=True)
class State:
    """How far a search is.

    Attributes:
        epochs: Passes over the data of one training; 0 where nothing can be trained.
        tune_epochs: The same of the network as it is, before all others.
        epoch_s: Seconds of one.
        spent_s: Time that was searched, in all runs.
    """

    epochs: int = 0
    tune_epochs: int = 0
    epoch_s: float = 1.0
    spent_s: float = 0.0

    @classmethod
    def of(cls, told: str | None) -> State:
        """As a journal's note says it, if there is one."""
        return cls() if told is None else msgspec.json.decode(told, type=cls)


@dataclass(frozen=True)
class SearchJob:
    """A portion of a search.

    Attributes:
        request: What is the same for every board; its board is the first one.
        boards: All of them.
        goal: What counts.
        journal: What was judged before; grows.
        identity: What the search is of, but for the data: a JSON object.
        budget_s: Time of the whole search.
        spent_s: Time that was searched before this process began.
        is_first: Whether the user was not told yet what the data are.
    """

    request: Request
    boards: tuple[str, ...]
    goal: Goal
    journal: Path
    identity: str
    budget_s: float
    spent_s: float
    is_first: bool

    @property
    def runs_users_code(self) -> bool:
        """Whether the data are a function of the user's."""
        return CompressJob(self.request, _cpu(self.boards[0])).runs_users_code

    @property
    def runs_models_code(self) -> bool:
        """Whether the model may bring code of its own."""
        return self.request.allow_code


@dataclass(frozen=True)
class Choice:
    """A network that is to be made in full for a board.

    Attributes:
        candidate: It, as it was judged.
        recipe: Makes it.
        allowed: What it may lose on the reported samples: see :meth:`Counts.allowed_loss`.
        is_spare: Whether it is made only where nothing else keeps the limit.
    """

    candidate: Candidate
    recipe: Recipe
    allowed: float
    is_spare: bool = False


@dataclass(frozen=True)
class Portion:
    """What came of a portion of a search.

    Attributes:
        ended: Why it ended, in words.
        is_over: Whether the whole search is.
        failed: What could not be done or is not taken, a line each.
        choices: What is to be made for each board, the dense network first; empty where the search
            goes on, and without a board that can take nothing of what was judged.
        unfit: Why, by board, for those.
    """

    ended: str
    is_over: bool
    failed: tuple[str, ...] = ()
    choices: Mapping[str, tuple[Choice, ...]] = field(default_factory=dict)
    unfit: Mapping[str, str] = field(default_factory=dict)


def search_on(request: SearchJob, progress: Progress) -> Portion:
    """Goes on with a search until enough was judged for one process, or nothing is left to do.

    Raises:
        ModelError: Model and data cannot be searched with.
        ConfigError: The journal is another search's, or damaged.
    """
    begun_s = time.monotonic()
    asked, boards = dataclasses.replace(request.request, must_fit=False), request.boards
    read = read_model(asked, progress if request.is_first else _Repeated(progress))
    data = read.data
    if data is None or data.task is None or read.score is None:
        raise ModelError("--data gives nothing to score the model with: give labels")
    for name in boards[1:]:
        check_runnable(read.dense, load_board(name), must_fit=False)
    identity = json.dumps(json.loads(request.identity) | {"data": _digest(data)})
    journal = Journal(request.journal, identity, len(boards))
    state = State.of(journal.noted(STATE))
    choosing, reported, which = kept_apart(data)
    counts = Counts.of(choosing, reported)
    own = scored_apart(read)
    for line in [*limit_lines(own.data, own.score, request.goal.limit), which]:
        if request.is_first:
            progress.note(line)
    recipe, cpus = asked.recipe, {name: _cpu(name) for name in boards}
    context = StageContext(data, progress.say, recipe.prune.seed, None, None, read.loaded)
    prepared = Prepared(
        read.loaded, read.dense, choosing, cpus, looked_at_twice(choosing, reported)
    )
    pace = (state.epochs, state.tune_epochs, state.epoch_s) if state.epochs else None
    timed = msgspec.json.decode(journal.noted(TIMED) or "{}", type=dict[str, float])
    ground = Ground(asked, recipe, prepared, context, request.budget_s, pace, timed)
    for line in ground.int8_lines() if request.is_first else ():
        progress.note(line)
    journal.note(METRIC, data.task.judged[0].metric)
    journal.note(COUNTS, msgspec.json.encode(counts).decode())
    journal.note(DENSE, msgspec.json.encode(ground.dense_costs).decode())

    def spent_s() -> float:
        return request.spent_s + time.monotonic() - begun_s

    def keep(one: Candidate) -> None:
        now = State(*ground.pace[:2], ground.lab.epoch_s, spent_s())
        journal.note(STATE, msgspec.json.encode(now).decode())
        journal.note(TIMED, msgspec.json.encode(ground.timed).decode())
        progress.note(f"tried: {ground.text(one)}")

    study = Study(journal, ground.options, request.goal, ground.dense_costs, keep)
    clock = Clock(request.budget_s, spent_s, 0.0)
    search = Search(
        ground.lab, request.goal, ground.options, ground.dense_costs, clock, study, AT_ONCE
    )
    outcome = search.run()
    if not outcome.is_over:
        return Portion(outcome.ended, False, outcome.failed)
    better = ground.better(outcome)
    for line in better:
        progress.note(line)
    ended = _ended(outcome, ground, boards, counts)
    return dataclasses.replace(ended, failed=(*better, *ended.failed))


def _ended(outcome: Outcome, ground: Ground, boards: Sequence[str], counts: Counts) -> Portion:
    chosen, unfit = {}, {}
    for name in boards:
        rows = _choices(outcome.judged, ground, name, counts)
        if rows:
            chosen[name] = tuple(rows)
        else:
            unfit[name] = str(ground.too_large(name))
    return Portion(outcome.ended, True, outcome.failed, chosen, unfit)


def _choices(judged: Judged, ground: Ground, board: str, counts: Counts) -> list[Choice]:
    limit, core = judged.goal.limit, ground.options.cores[board]
    rows = choices(judged, board, core)
    spare = further(judged, board, core, rows)[:FURTHER]

    def choice(one: Candidate, why: str) -> Choice:
        recipe, allowed = ground.recipe_for(board, one, limit, why), counts.allowed_loss(one, limit)
        return Choice(one, recipe, allowed, one in spare)

    made = [choice(one, one.text()) for one in [*rows, *spare]]
    dense = Candidate(Node(), "none", 0.0, 0.0, {board: ground.dense_costs[board]})
    if ground.dense_costs[board].excess:
        return made
    return [choice(dense, "the user's model as it is"), *made]


@dataclass(frozen=True)
class MakeJob:
    """Networks to make in full for one board.

    Attributes:
        requests: One a network; they differ in their recipes alone.
    """

    requests: tuple[Request, ...]

    @property
    def runs_users_code(self) -> bool:
        """Whether the data are a function of the user's."""
        return CompressJob(self.requests[0], _cpu(self.requests[0].board)).runs_users_code

    @property
    def runs_models_code(self) -> bool:
        """Whether the model may bring code of its own."""
        return self.requests[0].allow_code


@dataclass(frozen=True)
class MakeAnswer:
    """What became of one.

    Attributes:
        compressed: The network; None where it could not be made.
        why: Why not.
    """

    compressed: Compressed | None
    why: str = ""


@dataclass(frozen=True)
class MakeAnswers:
    """What became of all, in the order of the requests."""

    rows: tuple[MakeAnswer, ...]


def make_networks(request: MakeJob, progress: Progress) -> MakeAnswers:
    """Makes networks by the ordinary pipeline, and scores them on the reported samples.

    Raises:
        ModelError: Model or data cannot be read.
    """
    first, repeated = request.requests[0], _Repeated(progress)
    read = scored_apart(read_model(dataclasses.replace(first, must_fit=False), repeated))
    return MakeAnswers(tuple(_made(one, read, repeated) for one in request.requests))


def _made(request: Request, read: Read, progress: Progress) -> MakeAnswer:
    try:
        compressed = compress(request, _cpu(request.board), progress, read)
    except EdgepruneError as error:
        return MakeAnswer(None, str(error))
    # Files between the stages are nobody's business out there, and may be large.
    return MakeAnswer(
        dataclasses.replace(
            compressed,
            rewritten=dataclasses.replace(compressed.rewritten, tflite=b""),
            quantized=dataclasses.replace(compressed.quantized, tflite=b""),
        )
    )


class _Repeated(Progress):
    """Shows stages, and leaves out what the user was told before."""

    def __init__(self, shown: Progress) -> None:
        super().__init__()
        self._shown = shown

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Shows the block as a stage."""
        with self._shown.stage(name):
            yield

    def say(self, line: str) -> None:
        """Tells what the stage does now."""
        self._shown.say(line)

    def note(self, line: str) -> None:
        """Was told before."""


def _cpu(board: str) -> Cpu:
    return resolved_cpu(load_board(board).cpu)


def _digest(data: Dataset) -> str:
    """Of the samples, as they were read."""
    digest = hashlib.sha256()
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        if array is not None:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()
