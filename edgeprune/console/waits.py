"""What a wait shows: the stage, how far it is, how long it has taken, how long it may still take.

Nothing here looks at a clock or prints: who shows it hands in the time.
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_SEEN_S = 3.0
"""Shorter stretches tell nothing of the rest. Source: ours."""


@dataclass(frozen=True)
class Count:
    """How far a stage is.

    Attributes:
        done: Parts that are done.
        total: Of so many; None where nobody knows.
        text: What they are, as ``epoch 2 of 4, batch 120 of 469``.
        is_most: There may be fewer than ``total``, so that the time left is one at most.
        left_s: Seconds until all are done, where the work is cut to a time; None leaves that to
            the pace.
    """

    done: int
    total: int | None
    text: str
    is_most: bool = False
    left_s: float | None = None


class Wait:
    """A stage that has not ended.

    Attributes:
        name: The stage.
        since_s: When it began, on the clock of whoever shows it.
        doing: What it said last.
    """

    def __init__(self, name: str, now_s: float) -> None:
        self.name = name
        self.since_s = now_s
        self.doing = ""
        self._count: Count | None = None
        self._is_counting = False
        self._first: tuple[int, float] = (0, now_s)
        self._counted_s = now_s

    def counted(self, count: Count, now_s: float) -> None:
        """Takes in how far it is; a count that begins anew, or of other parts, forgets the last."""
        last = self._count
        if last is None or count.done < last.done or count.total != last.total:
            self._first = (count.done, now_s)
        self._count, self._is_counting, self._counted_s = count, True, now_s

    def said(self, line: str) -> None:
        """Takes in what it does now; what was counted before belongs to what it did before."""
        self.doing, self._is_counting = line, False

    def left_s(self, now_s: float) -> float | None:
        """Seconds until all parts are done, at the pace so far; None where that cannot be known.

        It goes down between two counts, but not below what the parts after the present one take.
        """
        count, (first, first_s) = self._count, self._first
        if count is None or not self._is_counting:
            return None
        since_s = now_s - self._counted_s
        if count.left_s is not None:
            return max(0.0, count.left_s - since_s)
        seen_s = self._counted_s - first_s
        if count.total is None or count.done <= first or seen_s < MIN_SEEN_S:
            return None
        part_s, parts = seen_s / (count.done - first), count.total - count.done
        return max(0.0, part_s * parts - since_s, part_s * (parts - 1))

    def how_far(self) -> str:
        """How far it is, in words; empty where it does not count."""
        return self._count.text if self._count is not None and self._is_counting else ""

    def times(self, now_s: float) -> str:
        """How long it has taken, and may still take, in words.

        >>> wait = Wait("prune", 0.0)
        >>> wait.times(30.0)
        '30 s so far'
        >>> wait.counted(Count(100, 900, "epoch 1 of 2, batch 100 of 450"), 10.0)
        >>> wait.counted(Count(200, 900, "epoch 1 of 2, batch 200 of 450"), 40.0)
        >>> wait.times(40.0)
        '40 s so far, about 3 min 30 s left'
        """
        text, left_s = f"{duration(now_s - self.since_s)} so far", self.left_s(now_s)
        if left_s is None or self._count is None:
            return text
        return f"{text}, {'at most' if self._count.is_most else 'about'} {duration(left_s)} left"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> [duration(s) for s in (0.4, 35, 95, 240, 3600, 45000)]
    ['0 s', '35 s', '1 min 35 s', '4 min', '1 h', '12 h 30 min']
    """
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    minutes, rest = divmod(total, 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
