"""``front.json``: what a search found, as a typed structure; its pages and tables show the same.

Schema version 1; ``python -m edgeprune.searching.schema`` writes the JSON Schema of these types.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgeprune.errors import ConfigError
from edgeprune.files.read_file import read_json
from edgeprune.files.whole_file import shown, write_whole
from edgeprune.history.result.kinds import Count, Entry, NotNegative, Positive, Sha256, Text
from edgeprune.history.result.variant import Accuracy
from edgeprune.history.result_file import indented

FILE_NAME = "front.json"

Relative = Annotated[str, Meta(pattern="^[^/]")]
"""A path from the search's folder on."""


class Figures(Entry, frozen=True, kw_only=True):
    """What a network takes on a board; what is not known is null.

    Attributes:
        bytes: Size of the file, or of the plan on a microcontroller.
        memory_bytes: Peak memory as measured; on a microcontroller, of the arena.
        latency_us: Median time of an inference, measured.
        instructions: Of an inference, counted on an emulated board.
        energy_uj: Of an inference, measured.
        predicted_time: Of an inference, in a unit that is the board's own: for ratios alone.
    """

    bytes: Count
    memory_bytes: Count | None = None
    latency_us: Positive | None = None
    instructions: Count | None = None
    energy_uj: NotNegative | None = None
    predicted_time: NotNegative | None = None

    @property
    def time(self) -> float | None:
        """What was measured of its time."""
        return self.latency_us if self.latency_us is not None else self.instructions


class Point(Entry, frozen=True, kw_only=True):
    """One network of a front.

    Attributes:
        name: One of a kind on its board; the name of its folder.
        what: What was done to the user's model, in words.
        lost: What it lost beside the user's model: points as a share of 1 for top-1 accuracy, else
            a share of its score; null where it lost all.
        lost_text: The same in words.
        scored_on: Samples kept apart (reported), or those that chose (choosing).
        accuracy: Its score on them; null for choosing.
        keeps_limit: Whether it lost no more than may be lost, on the samples that chose and on
            those that are reported; where they are few, so much less that it is not luck.
        figures: What it takes.
        speedup: How often faster than the user's model it is, or in how many fewer instructions.
        is_measured: Whether it was measured on the board; else speedup is predicted.
        is_slower: Whether it was measured to be slower than the user's model.
        recipe: Makes it again.
        file: The network; null where it was not made in full.
        report: Its page; null where it was not measured.
        remark: What else is to be said; may be empty.
    """

    name: Text
    what: Text
    lost: float | None
    lost_text: Text
    scored_on: Literal["reported", "choosing"]
    accuracy: Accuracy | None = None
    keeps_limit: bool
    figures: Figures
    speedup: Positive | None = None
    is_measured: bool = False
    is_slower: bool = False
    recipe: Relative | None = None
    file: Relative | None = None
    report: Relative | None = None
    remark: str = ""


class BoardFront(Entry, frozen=True, kw_only=True):
    """What was found for one board.

    Attributes:
        board: Its name.
        dense: What the user's model takes; null where the board cannot take it.
        dense_accuracy: Its score on the samples that are reported; null before that was found.
        points: The networks, the most accurate first.
        recommended: Name of the one to take; null where there is none.
        sentence: Which one to take and why, or why none.
        next_command: What to do next; empty where there is nothing.
        best: The recommended one's recipe; null where there is none.
        remark: Why nothing was measured; may be empty.
    """

    board: Text
    dense: Figures | None
    dense_accuracy: Accuracy | None = None
    points: tuple[Point, ...]
    recommended: Text | None = None
    sentence: Text
    next_command: str = ""
    best: Relative | None = None
    remark: str = ""

    @property
    def chosen(self) -> Point | None:
        """The recommended point."""
        return next((one for one in self.points if one.name == self.recommended), None)


class Searched(Entry, frozen=True, kw_only=True):
    """The network that was searched with.

    Attributes:
        path: As the user named it.
        sha256: Digest of its content.
    """

    path: Text
    sha256: Sha256


class Front(Entry, frozen=True, kw_only=True):
    """What a search found.

    Attributes:
        version: Of this schema.
        model: The user's model.
        data: The user's data, as they were named.
        limit: What may be lost, as ``lost`` counts.
        minimize: What is to be small.
        budget_s: Time that the search had.
        spent_s: Time that it took so far.
        judged: Networks that were judged, each way of storing for itself.
        trained: Networks that were trained.
        ended: Why it ended, or that it was interrupted.
        is_complete: Whether the search ended by itself, and everything was made in full.
        boards: What was found for each.
        notes: What could not be done or is not taken, a line each.
    """

    version: Literal[1] = 1
    model: Searched
    data: Text
    limit: Positive
    minimize: tuple[Text, ...]
    budget_s: NotNegative
    spent_s: NotNegative
    judged: Count
    trained: Count
    ended: Text
    is_complete: bool
    boards: tuple[BoardFront, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0; 1 where a board has no network to take, 3 where one could not be measured."""
        if any(one.recommended is None for one in self.boards):
            return 1
        return 3 if any(one.remark for one in self.boards) else 0

    def board(self, name: str) -> BoardFront:
        """What was found for a board.

        Raises:
            KeyError: The search was not for it.
        """
        for one in self.boards:
            if one.board == name:
                return one
        raise KeyError(name)


def write_front(front: Front, folder: Path) -> None:
    """Writes ``folder/front.json``.

    Raises:
        ConfigError: The folder cannot be written.
    """
    write_whole(folder / FILE_NAME, indented(msgspec.to_builtins(front)), replace=True)


def read_front(path: Path) -> Front:
    """Reads a ``front.json``, or the one in the folder ``path``.

    Raises:
        ConfigError: The file is missing, or not what a search wrote.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        return msgspec.convert(read_json(file), Front)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{shown(file)}: not what a search wrote: {error}") from error
