"""The whole of a search on one page: look, search in portions, make in full, measure, write."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import msgspec

from edgeprune.auto.candidates import Candidate, Judged
from edgeprune.auto.goal import Cost
from edgeprune.auto.moves import Node
from edgeprune.auto.study import Record
from edgeprune.console import interrupts
from edgeprune.console.interrupts import uninterrupted
from edgeprune.devices.boards import MICROCONTROLLER, board_files, load_board, resolved_cpu
from edgeprune.errors import ConfigError, DeviceError, ModelError
from edgeprune.files.whole_file import shown
from edgeprune.load.digest import digest_of
from edgeprune.pipeline.chain import Chain
from edgeprune.pipeline.choosing import Counts
from edgeprune.pipeline.jobs import CompressJob, check_file, given_files, store_folders
from edgeprune.pipeline.preflight import look_at
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.sandbox.parent import ANSWER_BYTES, Reach, has_died
from edgeprune.searching.answer import write_answer
from edgeprune.searching.children import MAX_DEATHS, repeated
from edgeprune.searching.choices import choices
from edgeprune.searching.devices import connected
from edgeprune.searching.folder import SearchFolder
from edgeprune.searching.front import BoardFront, Front, Searched
from edgeprune.searching.jobs import (
    COUNTS,
    DENSE,
    METRIC,
    STATE,
    Choice,
    Portion,
    SearchJob,
    State,
    search_on,
)
from edgeprune.searching.making import BoardNetworks, made_for, names_of, network, of_board
from edgeprune.searching.points import board_front
from edgeprune.searching.request import SearchRequest
from edgeprune.text.duration import duration_text
from edgeprune.training.context import StageContext


class Interrupted(KeyboardInterrupt):
    """The user ended the search, whose best so far is written.

    Attributes:
        front: It; None where nothing was judged yet.
    """

    def __init__(self, line: str, front: Front | None) -> None:
        """``line``: what is left, in words."""
        super().__init__(line)
        self.front = front


def run_search(request: SearchRequest, progress: Progress) -> Front:
    """Searches the best networks for some boards, makes them in full, and measures them.

    Args:
        request: What is asked for.
        progress: Shows what is going on.

    Returns:
        What was found; the same is written into the request's folder.

    Raises:
        EdgepruneError: See :mod:`edgeprune.errors`; what was searched so far stays in the folder.
        Interrupted: The user ended it.
    """
    identity = look(request)
    with SearchFolder(request.folder, identity) as folder:
        session = _Session(request, folder, progress, str(identity["model"]))
        try:
            return session.run()
        except KeyboardInterrupt as interrupt:
            with uninterrupted():
                front = session.best_so_far("it was interrupted")
            where = shown(folder.path)
            line = f"nothing was judged yet; the same command goes on from {where}"
            if front is not None:
                line = f"the best so far is in {where}; the same command goes on from there"
            raise Interrupted(line, front) from interrupt


def look(request: SearchRequest) -> dict[str, object]:
    """Looks at everything that can be looked at before anything slow begins.

    Returns:
        What the search is of, as plain values; without the data, which only a child reads.

    Raises:
        ConfigError: A board, a limit or a host means nothing.
        ModelError: Model or data are missing, or no such thing.
    """
    each = request.each
    if not request.boards:
        raise ConfigError("--board: name at least one board")
    if each.data is None:
        raise ConfigError("--data: a search needs data, to train and to score networks with")
    boards = [look_at(each.model, name, each.data) for name in request.boards]
    names = [board.name for board in boards]
    if len(set(names)) != len(names):
        raise ConfigError(f"--board: each board once, got {', '.join(names)}")
    if not 0 < request.limit < 1:
        raise ConfigError(
            f"--max-accuracy-drop {100 * request.limit:g}%: must be above 0% and below 100%: no "
            "network that is trained anew answers exactly as before; 0.1% is little"
        )
    if each.max_memory is not None and not any(board.kind == MICROCONTROLLER for board in boards):
        raise ConfigError("--max-memory limits RAM of a microcontroller, and no --board is one")
    if unknown := [name for name in request.hosts if name not in request.boards]:
        raise ConfigError(f"--host {unknown[0]}=...: no --board is called so")
    for name in request.boards:
        check_file(dataclasses.replace(each, board=name, must_fit=False))
    options = (
        dataclasses.astuple(each.recipe.task),
        each.recipe.prune.seed,
        each.scale,
        each.augment,
        each.input_shape,
        each.max_size,
        each.max_memory,
    )
    return {
        "model": digest_of(each.model),
        "boards": list(request.boards),
        "limit": request.limit,
        "minimize": list(request.minimize),
        "options": repr(options),
    }


class _Session:
    """One run of the command in its folder."""

    def __init__(
        self, request: SearchRequest, folder: SearchFolder, progress: Progress, sha256: str
    ) -> None:
        self._request, self._folder, self._progress = request, folder, progress
        self._model = Searched(path=str(request.each.model), sha256=sha256)
        self._notes: list[str] = []
        self._done: dict[str, tuple[BoardFront, Recipe | None]] = {}

    def run(self) -> Front:
        """The search, and what comes after it."""
        for name in self._request.boards:
            self._look_for(name)
        with self._progress.stage("search"):
            portion = self._searched()
        self._notes += portion.failed
        with uninterrupted():
            self.best_so_far(portion.ended)  # what a kill leaves from now on
        for name in self._request.boards:
            if name in portion.unfit:
                self._notes.append(f"{load_board(name).name}: {portion.unfit[name]}")
            rows = portion.choices.get(name, ())
            found = made_for(self._request, name, rows, self._progress)
            self._notes += found.failed
            with uninterrupted():
                self._done[name] = self._board(name, found, self._folder.record())
                self.best_so_far(portion.ended)
        front = self.best_so_far(portion.ended, is_complete=True)
        if front is None:
            raise ModelError("nothing could be judged")
        return front

    def _look_for(self, board: str) -> None:
        """Connects to a board's device once, so that what is missing is known at the start."""
        try:
            connected(self._each(board), self._progress)
        except DeviceError as error:
            name = load_board(board).name
            line = f"{error}; its networks stay predicted unless it comes"
            self._progress.warn(of_board(name, line))

    def _each(self, board: str) -> Request:
        host = self._request.hosts.get(board)
        return dataclasses.replace(self._request.each, board=board, host=host)

    def _searched(self) -> Portion:
        """Portions, each in a process of its own, until the search is over.

        A process that dies costs what it was training; the next one goes on from the journal.

        Raises:
            EdgepruneError: What no other process would do better.
        """
        request, progress = self._request, self._progress
        begun_s, before = time.monotonic(), self._state().spent_s
        budget = duration_text(request.budget_s)
        gone = f", of which {duration_text(before)} are gone" if before else ""
        progress.note(f"searching for at most {budget} (--budget){gone}")
        interrupts.leaves(f"the same command goes on from {shown(self._folder.path)}")
        each, portions = request.each, 0
        given = given_files(CompressJob(each, load_board(each.board).cpu))
        files = [file for name in request.boards for file in board_files(name)]
        readable = None if given is None else (*given, *files)
        reach = Reach((*store_folders(each), self._folder.state), readable)

        def job() -> SearchJob:
            nonlocal portions
            portions += 1
            spent_s = before + time.monotonic() - begun_s
            return self._job(spent_s, is_first=portions == 1)

        while True:
            try:
                portion = repeated(
                    search_on, job, progress, reach, ANSWER_BYTES, lambda: len(self._judged())
                )
            except ModelError as error:
                if not has_died(error) or not self._judged():
                    raise
                return self._given_up(error)
            if portion.is_over:
                return portion

    def _judged(self) -> Sequence[Candidate]:
        return self._folder.record().candidates

    def _job(self, spent_s: float, *, is_first: bool) -> SearchJob:
        request = self._request
        return SearchJob(
            request=request.each,
            boards=tuple(request.boards),
            goal=request.goal,
            journal=self._folder.journal,
            identity=self._folder.identity,
            budget_s=request.budget_s,
            spent_s=spent_s,
            is_first=is_first,
        )

    def _given_up(self, error: ModelError) -> Portion:
        """What is left where processes die again and again."""
        ended = f"{MAX_DEATHS} processes in a row ended without a network: {error}"
        self._progress.warn(ended)
        record = self._folder.record()
        rows = {name: tuple(self._choices(name, record)) for name in self._request.boards}
        return Portion(ended, True, (), rows)

    def _state(self) -> State:
        return State.of(self._folder.record().notes.get(STATE))

    def best_so_far(self, ended: str, *, is_complete: bool = False) -> Front | None:
        """Writes what is known: of boards that are done all, of the others what was judged.

        Returns:
            The same; None where nothing is known, and nothing was written.
        """
        record = self._folder.record()
        if DENSE not in record.notes:
            return None
        boards = [
            self._done.get(name) or self._board(name, self._predicted(name, record), record)
            for name in self._request.boards
        ]
        state = State.of(record.notes.get(STATE))
        front = Front(
            model=self._model,
            data=str(self._request.each.data),
            limit=self._request.limit,
            minimize=tuple(self._request.minimize),
            budget_s=self._request.budget_s,
            spent_s=round(state.spent_s, 1),
            judged=len(record.candidates),
            trained=len({one.node for one in record.candidates if one.node.is_trained}),
            ended=ended,
            is_complete=is_complete,
            boards=tuple(front for front, _ in boards),
            notes=tuple(dict.fromkeys(self._notes)),
        )
        recipes = {front.board: recipe for front, recipe in boards}
        write_answer(front, recipes, self._folder.path)
        return front

    def _board(
        self, name: str, found: BoardNetworks, record: Record
    ) -> tuple[BoardFront, Recipe | None]:
        """A board's part of the answer, and the recipe of the network to take."""
        dense = _dense(record)[name]
        metric = record.notes.get(METRIC, "top1")
        front = board_front(self._request, name, dense, found, metric)
        for one in found.networks:
            if one.name == front.recommended:
                return front, one.recipe if one.compressed is None else one.compressed.recipe
        return front, None

    def _predicted(self, name: str, record: Record) -> BoardNetworks:
        rows = [one for one in self._choices(name, record) if not one.is_spare]
        names = names_of(rows)
        networks = [network(label, one) for label, one in zip(names, rows, strict=True)]
        return BoardNetworks(networks, "it is not measured yet")

    def _choices(self, name: str, record: Record) -> list[Choice]:
        """What would be made for a board, by the journal alone."""
        costs, cpu = _dense(record), resolved_cpu(load_board(name).cpu)
        chain = Chain(StageContext(), self._request.each.recipe, {cpu.core: cpu})
        judged = Judged(self._request.goal, costs, list(record.candidates))
        rows = choices(judged, name, cpu.core)
        if not costs[name].excess:
            mode = "int8" if cpu.is_microcontroller else "none"
            rows = [Candidate(Node(), mode, 0.0, 0.0, {name: costs[name]}), *rows]
        counts = msgspec.json.decode(record.notes.get(COUNTS, "{}"), type=Counts)
        return [
            Choice(
                one,
                chain.recipe_of(one.node, one.mode, one.text(), one.kept_layers),
                counts.allowed_loss(one, self._request.limit),
            )
            for one in rows
        ]


def _dense(record: Record) -> dict[str, Cost]:
    """What the user's model takes, by board."""
    return msgspec.json.decode(record.notes[DENSE], type=dict[str, Cost])
