"""How sparse a network for a microcontroller may be: trained sparser while its accuracy holds.

What each sparsity would cost is predicted first, and those that do not fit, or that the core is not
faster at, are never trained. The others are halved, as a telephone book is: the sparsest that is
known to hold is the start of the next training, so that nothing is learned twice.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import ChannelPruned, Pruned
from edgeprune.firmware.planned import Forecast, Planned
from edgeprune.pruning import prune
from edgeprune.recipe import Recipe
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext

SPARSITIES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""What is tried: below, blocks of 4 weights save nothing; above, little is left to save.

Source: ours.
"""

FIRST = 0.75
"""Where to begin: what a small convolutional network can often be trained to. Source: ours."""

MIN_GAIN = 0.02
"""Share of the dense network's instructions that a step must save. Source: ours."""

MIN_STEPS = 300
"""Training steps at each sparsity, at least: data are few where four epochs are less. Ours."""

MAX_EPOCHS = 40
"""However few the data. Source: ours."""


@dataclass(frozen=True)
class Judged:
    """A trained model, as int8.

    Attributes:
        lost: What it lost beside the user's model on the test samples, as
            :func:`edgeprune.tasks.drop` measures it.
        planned: Its plan; training moves ranges, and with them what kernels can run a layer.
        holds: Whether it keeps the limit, fits, and is worth it.
    """

    lost: float
    planned: Planned
    holds: bool


@dataclass(frozen=True)
class Attempt:
    """A sparsity that was trained.

    Attributes:
        sparsity: Share of zeros in each pruned layer.
        judged: What came of it.
        pruned: The model.
    """

    sparsity: float
    judged: Judged
    pruned: Pruned

    @property
    def lost(self) -> float:
        """What it lost."""
        return self.judged.lost


@dataclass(frozen=True)
class Growth:
    """What came of it.

    Attributes:
        attempts: In the order in which they were trained.
        chosen: The sparsest of those that hold; None where none does.
    """

    attempts: tuple[Attempt, ...]
    chosen: Attempt | None

    def trainings(self, attempt: Attempt) -> int:
        """How many trainings an attempt's model went through, one after the other."""
        before = itertools.takewhile(lambda one: one is not attempt, self.attempts)
        return 1 + sum(one.judged.holds for one in before)

    @property
    def closest(self) -> Attempt | None:
        """The one that lost least."""
        return min(self.attempts, key=lambda attempt: attempt.lost, default=None)


def worthwhile(forecasts: Sequence[Forecast], dense: Forecast) -> tuple[Forecast, ...]:
    """Those that fit, and that save a step beside the one before; by rising sparsity.

    Where the dense network does not fit, the first that does is worth it whatever it saves.

    Args:
        forecasts: By rising sparsity.
        dense: The network with nothing pruned.
    """
    kept: list[Forecast] = []
    least = dense.planned.instructions
    step = MIN_GAIN * least
    for one in forecasts:
        is_first_to_fit = bool(dense.excess) and not kept
        saves = one.planned.instructions <= least - step
        if not one.excess and (saves or is_first_to_fit):
            kept.append(one)
            least = one.planned.instructions
    return tuple(kept)


def table_for(recipe: Recipe, samples: int) -> PruneTable:
    """How attempts are pruned and trained.

    Args:
        recipe: In force.
        samples: Training samples.
    """
    table = recipe.prune
    steps = max(1, samples // table.batch_size)
    epochs = min(MAX_EPOCHS, max(table.epochs, -(-MIN_STEPS // steps)))
    pattern = table.pattern if "pattern" in recipe.fixed else "kernel"
    return dataclasses.replace(table, pattern=pattern, layers="all", epochs=epochs, control=False)


def grow(
    model: ChannelPruned,
    forecasts: Sequence[Forecast],
    train: Callable[[ChannelPruned, float], Pruned],
    judge: Callable[[Loaded], Judged],
    say: Callable[[Attempt], None],
) -> Growth:
    """Trains at one sparsity after the other.

    Args:
        model: As it comes from the stage ``channels``.
        forecasts: What may be tried, by rising sparsity: see :func:`worthwhile`.
        train: Prunes a model to a sparsity; see :func:`trainer`.
        judge: Scores and plans a trained model.
        say: Is told each attempt.

    Returns:
        At most four attempts.
    """
    attempts: list[Attempt] = []
    best: Attempt | None = None
    low, high, number = -1, len(forecasts), _first(forecasts)
    while low < number < high:
        start = model if best is None else dataclasses.replace(model, model=best.pruned.model)
        pruned = train(start, forecasts[number].sparsity)
        attempt = Attempt(forecasts[number].sparsity, judge(pruned.model), pruned)
        attempts.append(attempt)
        say(attempt)
        if attempt.judged.holds:
            best, low = attempt, number
        else:
            high = number
        number = (low + high) // 2
    return Growth(tuple(attempts), best)


def trainer(table: PruneTable, context: StageContext) -> Callable[[ChannelPruned, float], Pruned]:
    """What prunes and trains in :func:`grow`.

    Args:
        table: How; its sparsity does not count.
        context: Data to train with, and so on. Its limit is not watched in the training: held-out
            samples are among those that the user's model was trained with, and flatter it.
    """
    unwatched = dataclasses.replace(context, max_accuracy_drop=None)

    def train(model: ChannelPruned, sparsity: float) -> Pruned:
        return prune(model, dataclasses.replace(table, sparsity=sparsity), unwatched)

    return train


def _first(forecasts: Sequence[Forecast]) -> int:
    near = [abs(one.sparsity - FIRST) for one in forecasts]
    return near.index(min(near)) if near else 0
