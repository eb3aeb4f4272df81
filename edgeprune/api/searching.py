"""``edgeprune.search``: what ``edgeprune search`` does, from Python."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import msgspec

from edgeprune.api import html
from edgeprune.api.keywords import with_options
from edgeprune.api.options import check_names
from edgeprune.api.requests import (
    DataArgument,
    DataOptions,
    LimitOptions,
    LoadOptions,
    ModelArgument,
    progress_for,
    request_of,
)
from edgeprune.auto.goal import OBJECTIVES
from edgeprune.errors import ConfigError
from edgeprune.report.figures import bytes_text
from edgeprune.searching.front import BoardFront, Figures, Front, Point
from edgeprune.searching.request import DEFAULT_BUDGET_S, SearchRequest
from edgeprune.searching.session import run_search
from edgeprune.searching.words import speed_cell, time_cell
from edgeprune.text.near_names import did_you_mean

_DEFAULTS: dict[str, Any] = {
    "augment": "auto",
    "wait_s": 3600.0,
    "allow_code": False,
    "allow_weak": False,
    "max_accuracy_drop": 0.01,
    "minimize": "latency",
    "budget_s": DEFAULT_BUDGET_S,
    "seed": 0,
}


class SearchOptions(DataOptions, LimitOptions, LoadOptions, total=False):
    """Keywords of ``edgeprune.search``.

    Attributes:
        budget_s: Seconds of the search; making and measuring what it found comes on top.
        minimize: What is to be small: latency, energy, size or memory, or several of them.
        seed: Random seed of trainings.
        hosts: Device name in the bench, address or alias, by board.
        bench: Bench file; None takes the user's own.
        meter: What measures energy; None takes the devices' own.
        wait_s: How long to wait for a device that another run uses.
        effort: How thoroughly to time: quick, standard, full or soak.
        sessions: Fresh processes a network, instead of the effort's.
        runs: Timed inferences in each, instead of the effort's.
        governor: What becomes of the devices' clocks: auto, performance or keep.
        again: Count and compute all anew on emulated boards.
    """

    minimize: str | Sequence[str]
    seed: int
    hosts: Mapping[str, str] | None
    bench: str | os.PathLike[str] | None
    meter: str | None
    wait_s: float
    effort: str | None
    sessions: int | None
    runs: int | None
    governor: str | None
    again: bool | None


class _Asked(SearchOptions, total=False):
    output: Path


@dataclass(frozen=True)
class FoundNetwork:
    """One network that a search found for a board.

    Attributes:
        name: One of a kind on its board.
        what: What was done to the model, in words.
        lost: What it lost: points as a share of 1 for top-1 accuracy, else a share of the model's
            score; None where it lost all.
        accuracy: Its score on the reported samples; None where it was not made in full.
        keeps_limit: Whether it lost no more than may be lost, chance by few samples allowed for.
        figures: What it takes on the board.
        speedup: How often faster than the model it is, or in how many fewer instructions.
        is_measured: Whether it was measured on the board; else ``speedup`` is predicted.
        recipe: Makes it again; None where it was not made in full.
        file: The ``.tflite`` file, likewise.
        report: Its page; None where it was not measured.
    """

    name: str
    what: str
    lost: float | None
    accuracy: float | None
    keeps_limit: bool
    figures: Figures
    speedup: float | None
    is_measured: bool
    recipe: Path | None
    file: Path | None
    report: Path | None


@dataclass(frozen=True, repr=False)
class SearchResult:
    """What ``search`` found; a notebook shows it as a table a board.

    Attributes:
        front: All that is known, as in ``front.json``.
        folder: Where everything was written, ``index.html`` included.
        fronts: The networks of each board, the most accurate first.
    """

    front: Front
    folder: Path
    fronts: Mapping[str, tuple[FoundNetwork, ...]]

    def best(self, board: str) -> FoundNetwork | None:
        """The network to take on a board; None where there is none.

        Raises:
            ConfigError: The search was not for that board.
        """
        if board not in self.fronts:
            known = did_you_mean(board, self.fronts)
            raise ConfigError(f"the search was for {', '.join(self.fronts)}, not {board!r}{known}")
        name = self.front.board(board).recommended
        return next((one for one in self.fronts[board] if one.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """The content of ``front.json``."""
        values: dict[str, Any] = msgspec.to_builtins(self.front)
        return values

    def __repr__(self) -> str:
        said = " ".join(one.sentence for one in self.front.boards)
        return f"<edgeprune.SearchResult in {self.folder}: {said}>"

    def _repr_html_(self) -> str:
        head = ["", "lost", "an inference", "faster", "size"]
        parts = []
        for one in self.front.boards:
            rows = [_row(point, one) for point in one.points]
            parts += [html.heading(one.sentence, "bad" if one.recommended is None else "good")]
            parts += [html.table(head, rows)] if rows else []
        return "".join(parts) + html.lines([f"Everything is in {self.folder}."])


def _row(point: Point, board: BoardFront) -> list[str]:
    mark = " (take this one)" if point.name == board.recommended else ""
    cells = [time_cell(point.figures), speed_cell(point), bytes_text(point.figures.bytes)]
    return [point.what + mark, point.lost_text, *cells]


@with_options(SearchOptions, DataOptions, LimitOptions, LoadOptions, defaults=_DEFAULTS)
def search(
    model: ModelArgument,
    data: DataArgument,
    boards: Sequence[str],
    output: str | os.PathLike[str],
    progress: Callable[[str], None] | None = None,
    **options: Unpack[SearchOptions],
) -> SearchResult:
    """Searches the best networks of a model for some boards, as `edgeprune search` does.

        edgeprune.search("model.h5", "digits.npz", boards=["rpi4-emulated"], output="best")

    Args:
        model: A file, the folder of a SavedModel, or a Keras model in memory.
        data: An .npz file, a folder of images by class, ``package.module:function``, or arrays by
            name: ``x_train``, ``y_train``, ``x_test``, ``y_test``.
        boards: Names of boards, or their ``.toml`` files.
        output: Folder to write; where it holds this search of the same files already, it goes on.
        progress: Told what is going on, line by line; None tells nobody.
        options: Further keywords, below.

    Returns:
        The networks of each board, and the one to take.

    Raises:
        EdgepruneError: See :mod:`edgeprune.errors`: what was found, what was expected, what to do.
    """
    names = [boards] if isinstance(boards, str) else list(boards)
    if not names:
        raise ConfigError("boards: name at least one board")
    check_names(options, SearchOptions)
    asked: dict[str, Any] = {**options, "output": Path(output)}
    own = {key: asked.pop(key, None) for key in ("minimize", "seed", "hosts")}
    limit, budget_s = asked.pop("max_accuracy_drop", None), asked.pop("budget_s", None)
    with request_of(model, names[0], data, asked, _Asked, recipe="auto") as each:
        prune = dataclasses.replace(each.recipe.prune, seed=own["seed"] or 0)
        each = dataclasses.replace(
            each,
            command="edgeprune search",
            recipe=dataclasses.replace(each.recipe, prune=prune),
        )
        request = SearchRequest(
            each,
            names,
            limit=_DEFAULTS["max_accuracy_drop"] if limit is None else limit,
            minimize=_objectives(own["minimize"]),
            budget_s=DEFAULT_BUDGET_S if budget_s is None else budget_s,
            hosts=own["hosts"] or {},
        )
        with progress_for(progress) as shown:
            front = run_search(request, shown)
    return _result(front, Path(output))


def _objectives(minimize: str | Sequence[str] | None) -> Any:
    """What is to be small.

    Raises:
        ConfigError: It is none of what can be.
    """
    words = [minimize] if isinstance(minimize, str) else list(minimize or ["latency"])
    for word in words:
        if word not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            raise ConfigError(
                f"minimize: {word!r} is not one of {known}{did_you_mean(word, OBJECTIVES)}"
            )
    return tuple(dict.fromkeys(words))


def _result(front: Front, folder: Path) -> SearchResult:
    fronts = {
        one.board: tuple(_network(point, folder) for point in one.points) for one in front.boards
    }
    return SearchResult(front, folder, fronts)


def _network(point: Point, folder: Path) -> FoundNetwork:
    def place(relative: str | None) -> Path | None:
        return None if relative is None else folder / relative

    return FoundNetwork(
        name=point.name,
        what=point.what,
        lost=point.lost,
        accuracy=None if point.accuracy is None else point.accuracy.value,
        keeps_limit=point.keeps_limit,
        figures=point.figures,
        speedup=point.speedup,
        is_measured=point.is_measured,
        recipe=place(point.recipe),
        file=place(point.file),
        report=place(point.report),
    )
