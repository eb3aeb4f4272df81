"""The parts of pruning that a recipe may name: one row each says what others must know of it.

A part is a file in a folder of ``edgeprune/pruning`` that registers what it does under its file's
name; a file without a row is refused, and a test asks for the file of every row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from edgeprune.text.near_names import did_you_mean

CHANNEL = "channel"
"""The pattern that removes whole channels: short for the table ``[channels]``."""


@dataclass(frozen=True)
class Criterion:
    """What tells which weights matter least.

    Attributes:
        name: As a recipe says it.
        looks_at: What of the user's training data it needs.
        while_training: Whether it can choose anew while a model is trained; if not, it prunes at
            once.
        in_order: Whether layers must be pruned in the order in which they run, because it looks at
            their inputs.
        moves_weights: Whether it changes the weights that stay, and so is no function that scores
            weights: it has no file among the criteria.
    """

    name: str
    looks_at: Literal["nothing", "samples", "labels"] = "nothing"
    while_training: bool = True
    in_order: bool = False
    moves_weights: bool = False


@dataclass(frozen=True)
class Allocation:
    """What decides how much of the sparsity each layer takes.

    Attributes:
        name: As a recipe says it.
        measures_loss: Whether it measures what pruning each layer costs, and so needs a Keras model
            and data to train it on.
        needs_board: Whether it counts a board's instructions.
    """

    name: str
    measures_loss: bool = False
    needs_board: bool = False


@dataclass(frozen=True)
class Schedule:
    """What happens to masks and weights during training.

    Attributes:
        name: As a recipe says it.
        at_once: Whether everything is pruned before the training: any criterion will do, and 0
            epochs of it.
        own_criterion: The criterion that is its own, in words; empty where the recipe's counts.
    """

    name: str
    at_once: bool = False
    own_criterion: str = ""


@dataclass(frozen=True)
class PatternKind:
    """A shape of what is left.

    Attributes:
        name: As a recipe says it, or the kind's where ``form`` is given.
        form: Regular expression of names that hold numbers, or empty.
        examples: Some of those names.
        is_shape: Whether it has a file among the patterns; the others choose one, or remove
            channels.
    """

    name: str
    form: str = ""
    examples: tuple[str, ...] = ()
    is_shape: bool = True


class _Row(Protocol):
    @property
    def name(self) -> str: ...


Row = TypeVar("Row", bound=_Row)


def _table(rows: Iterable[Row]) -> dict[str, Row]:
    return {row.name: row for row in rows}


CRITERIA = _table(
    [
        Criterion("magnitude"),
        Criterion("l2"),
        Criterion("random"),
        Criterion("taylor", looks_at="labels"),
        Criterion("wanda", looks_at="samples", while_training=False, in_order=True),
        Criterion("batch_norm_scale", while_training=False),
        Criterion(
            "second_order",
            looks_at="samples",
            while_training=False,
            in_order=True,
            moves_weights=True,
        ),
    ]
)

ALLOCATIONS = _table(
    [
        Allocation("uniform"),
        Allocation("global"),
        Allocation("erk"),
        Allocation("sensitivity", measures_loss=True),
        Allocation("cost_aware", measures_loss=True, needs_board=True),
    ]
)

SCHEDULES = _table(
    [
        Schedule("gradual"),
        Schedule("iterative"),
        Schedule("one_shot", at_once=True),
        Schedule("rigl", own_criterion="drops by magnitude and grows by gradient"),
    ]
)

_SIZE = r"([1-9][0-9]{0,3})"  # no layer is cut into larger blocks

# Of weights written (out_channels, in_channels), 2x1 removes two output channels' weights for one
# input channel at once, and 2:4 keeps two of four input channels' weights.
PATTERNS = _table(
    [
        PatternKind("unstructured"),
        PatternKind("kernel", is_shape=False),  # chooses for each layer, by the board's core
        PatternKind(CHANNEL, is_shape=False),
        PatternKind("blocks", f"{_SIZE}x{_SIZE}", ("2x1", "4x1", "1x4", "2x2")),
        PatternKind("n_of_m", f"{_SIZE}:{_SIZE}", ("2:4", "1:4")),
    ]
)

PATTERNS_HELP = "unstructured, kernel, channel, blocks such as 2x1 and 1x4, and N of M such as 2:4"

WHILE_TRAINING = tuple(name for name, row in CRITERIA.items() if row.while_training)
"""Criteria that can choose anew while a model is trained; the others prune at once."""


def is_pattern(name: str) -> bool:
    """Whether a pattern may be called so.

    >>> [is_pattern(name) for name in ("2x1", "blocks", "kernel", "0:4")]
    [True, False, True, False]
    """
    return any(
        re.fullmatch(kind.form, name) if kind.form else name == kind.name
        for kind in PATTERNS.values()
    )


def pattern_names() -> list[str]:
    """Names of patterns, and examples of those that have numbers in their names."""
    kinds = PATTERNS.values()
    return [name for kind in kinds for name in (kind.examples if kind.form else (kind.name,))]


def no_pattern(name: str) -> str:
    """What is wrong with a name that no pattern has."""
    hint = did_you_mean(name, pattern_names())
    return f"no pattern is called {name!r}; there are {PATTERNS_HELP}{hint}"
