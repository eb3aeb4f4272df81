"""The samples that choose among networks, apart from those that the chosen one is scored on."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgeprune import verify
from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset
from edgeprune.auto.candidates import Candidate
from edgeprune.errors import ModelError
from edgeprune.tasks import ROUNDING, worst_drop

MIN_APART = 50
"""Test samples in each half from which halves are kept apart. Source: ours, 2 points each."""

MAX_CHOOSING = 2000
"""More choose hardly better: at 90 % accuracy the standard error is 0.7 points. Source: ours."""

PARTS = 20
"""Into which samples are split to see how far a loss scatters. Source: ours."""

_SEED = 16


def kept_apart(data: Dataset) -> tuple[Dataset, Dataset, str]:
    """Takes apart the samples that choose and those that are reported.

    Validation samples of the user's choose where there are some, and every test sample is reported.
    Else a half of the test samples chooses, and the other half is reported: samples that a network
    was trained on flatter the dense one.

    Returns:
        Two sets of data whose test samples are to be used so, and a line that says which they are.
    """
    count = len(data.x_test)
    if data.held_out and data.x_train is not None:
        chosen = np.arange(len(data.x_train) - data.held_out, len(data.x_train))
        chosen = _drawn(chosen, MAX_CHOOSING)
        x, y = data.x_train[chosen], None if data.y_train is None else data.y_train[chosen]
        line = (
            f"{len(chosen):,} of your validation samples choose among networks; what they choose "
            f"has to keep the limit on all {count:,} test samples too, which give its score"
        )
        return dataclasses.replace(data, x_test=x, y_test=y), data, line
    if count < 2 * MIN_APART:
        line = (
            f"the {count:,} test samples choose among networks and score the chosen one as well, "
            f"which flatters it: give at least {2 * MIN_APART} (or validation samples) for an "
            "honest score"
        )
        return data, data, line
    order = np.random.default_rng(_SEED).permutation(count)
    half = min(count // 2, MAX_CHOOSING)
    chosen, rest = np.sort(order[:half]), np.sort(order[half:])
    line = (
        f"{half:,} of the {count:,} test samples choose among networks; what they choose has to "
        f"keep the limit on the other {count - half:,} too, which give its score"
    )
    return _some(data, chosen), _some(data, rest), line


@dataclass(frozen=True)
class Counts:
    """How many samples a search has.

    Attributes:
        choosing: Those that choose among networks.
        scored: Others, which are reported; 0 where the same do both.
    """

    choosing: int = 0
    scored: int = 0

    @classmethod
    def of(cls, choosing: Dataset, reported: Dataset) -> Counts:
        """Of what :func:`kept_apart` took apart."""
        return cls(len(choosing.x_test), 0 if reported is choosing else len(reported.x_test))

    def allowed_loss(self, chosen: Candidate, limit: float) -> float:
        """What a network may lose on the reported samples: see :meth:`Candidate.may_lose`.

        The limit itself where the same samples choose and are reported.

        Args:
            chosen: The network, as the samples that choose judged it.
            limit: The limit.
        """
        if not self.scored:
            return limit
        return chosen.may_lose(limit, self.scored / (self.choosing + self.scored))


def keeps(chosen: Candidate, allowed: float, lost: float, limit: float) -> bool:
    """Whether a network keeps a limit on the samples that choose and on those that are reported.

    Args:
        chosen: The network, as the samples that choose judged it.
        allowed: What it may lose on the others: see :meth:`Counts.allowed_loss`.
        lost: What it lost on them.
        limit: The limit.
    """
    return chosen.seems_to_hold(limit) and lost <= allowed + ROUNDING


def looked_at_twice(choosing: Dataset, reported: Dataset) -> Dataset | None:
    """The reported samples that a search looks at what it would take with, :data:`MAX_CHOOSING`.

    None where those are reported that choose, since they would say the same again.
    """
    if reported is choosing:
        return None
    return _some(reported, _drawn(np.arange(len(reported.x_test)), MAX_CHOOSING))


def _some(data: Dataset, chosen: Array) -> Dataset:
    y = None if data.y_test is None else data.y_test[chosen]
    return dataclasses.replace(data, x_test=data.x_test[chosen], y_test=y)


def _drawn(numbers: Array, limit: int) -> Array:
    order = np.random.default_rng(_SEED).permutation(numbers)
    return np.sort(order[:limit])


@dataclass(frozen=True, eq=False)
class Judge:
    """Says what networks lose beside the user's model.

    Attributes:
        data: Whose test samples choose.
        dense: The user's model as float TFLite.
    """

    data: Dataset
    dense: bytes

    @property
    def samples(self) -> int:
        """How many choose."""
        return len(self.data.x_test)

    @cached_property
    def _dense_scores(self) -> list[dict[str, float]]:
        return verify.scores_by_part(self.dense, self.data, self._parts, self.dense)

    @property
    def _parts(self) -> int:
        return max(2, min(PARTS, len(self.data.x_test) // 5))

    def lost(self, tflite: bytes) -> tuple[float, float]:
        """What a network lost, in the unit of :func:`edgeprune.tasks.drop`.

        Returns:
            The loss by the head that lost most, and its standard error: that of the mean over
            parts of the samples, on each of which both networks are scored.

        Raises:
            ModelError: The host cannot run it, or there is nothing to score.
        """
        task = self.data.task
        if task is None:
            raise ModelError("the data gives nothing to score the model with")
        now = verify.scores_by_part(tflite, self.data, self._parts, self.dense)
        head, lost = worst_drop(task, self._dense_scores[0], now[0])
        parts = [
            worst_drop(task, {head.name: before[head.name]}, after)[1]
            for before, after in zip(self._dense_scores[1:], now[1:], strict=True)
            if head.name in before and math.isfinite(before[head.name])
        ]
        known = [one for one in parts if math.isfinite(one)]
        if len(known) < 2:
            return lost, 0.0
        return lost, float(np.std(known, ddof=1) / math.sqrt(len(known)))
