"""What a search is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeprune.auto.candidates import losses_around
from edgeprune.auto.goal import Goal, Objective
from edgeprune.pipeline.decision import DEFAULT_DROP
from edgeprune.pipeline.request import Request

DEFAULT_BUDGET_S = 3600.0
"""Time of a search where the user gives none. Source: ours, a lunch."""


@dataclass(frozen=True)
class SearchRequest:
    """What a search is asked for.

    Attributes:
        each: What is the same for every board; its board is the first one, and its output the
            search's folder.
        boards: Names of the boards, or their files; each once.
        limit: What may be lost, in the unit of :func:`edgeprune.tasks.drop`.
        minimize: What is to be small, all of it equally.
        budget_s: Time of the search; making and measuring what it found comes on top.
        hosts: Device or address by board, for those that the bench does not name.
    """

    each: Request
    boards: Sequence[str]
    limit: float = DEFAULT_DROP
    minimize: Sequence[Objective] = ("latency",)
    budget_s: float = DEFAULT_BUDGET_S
    hosts: Mapping[str, str] = field(default_factory=dict)

    @property
    def goal(self) -> Goal:
        """What counts, with losses around the limit for the front."""
        return Goal(self.limit, tuple(self.minimize), tuple(losses_around(self.limit)))

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        return self.each.output or Path("search")
