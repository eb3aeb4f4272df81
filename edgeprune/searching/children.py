"""Child processes of a search: where one dies, another one does its work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edgeprune.errors import ModelError
from edgeprune.progress import Progress
from edgeprune.sandbox.parent import Reach, confined, has_died

MAX_DEATHS = 3
"""Processes in a row that end without having done anything. Source: ours."""

Request = TypeVar("Request")
Answer = TypeVar("Answer")


def repeated(
    job: Callable[[Request, Progress], Answer],
    request: Callable[[], Request],
    progress: Progress,
    reach: Reach,
    answer_bytes: int,
    done: Callable[[], int] = lambda: 0,
) -> Answer:
    """A job's answer, as of :func:`edgeprune.sandbox.parent.confined`, from as many as it takes.

    Args:
        job: What a child does.
        request: What it is asked for: anew for each child.
        progress: Shows what is going on, and takes a line a child that died.
        reach: What of the disk a child needs.
        answer_bytes: Largest answer that is taken.
        done: How much is done; a child that raised it did not die in vain.

    Raises:
        EdgepruneError: What another child would do no better; or the last of
            :data:`MAX_DEATHS` children in a row that died in vain.
    """
    deaths = 0
    while True:
        before = done()
        try:
            return confined(job, request(), progress, reach=reach, answer_bytes=answer_bytes)
        except ModelError as error:
            if not has_died(error):
                raise
            deaths = 1 if done() > before else deaths + 1
            if deaths >= MAX_DEATHS:
                raise
            progress.warn(f"{error}; another process goes on")
