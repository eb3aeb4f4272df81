"""A child's progress, shown by the parent as its own, bounded and clean."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager
from types import TracebackType

import click

from edgeprune.progress import Progress, counted, kept
from edgeprune.sandbox.messages import Began, Counted, Ended, Keeps, Message, Said, clean, decoded

STAGE_LIMITS_S = {"load": 900.0, "convert": 3600.0, "convert pruned": 3600.0}
"""Longest that stages may take whose time does not depend on the user's data. Source: ours; a
VGG16 of 550 MB loads in 10 s and converts in 60 s here."""

_MAX_MESSAGES = 1_000_000
_MAX_PRINTED = 200
_MAX_DEPTH = 8
_STAGE_TEXT = 40
_COUNT_TEXT = 200


class Shown:
    """What a child says it does; on leaving, stages that it left open have failed."""

    def __init__(self, progress: Progress | None) -> None:
        self._since_s = 0.0
        self._progress = progress
        self._open: list[tuple[str, AbstractContextManager[None] | None]] = []
        self._count = 0
        self._printed = 0

    def __enter__(self) -> Shown:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._open:
            self._end(well=False)

    @property
    def doing(self) -> str:
        """What the child does, as the subject of a message."""
        return f"the stage {self._open[-1][0]!r}" if self._open else "reading the model"

    @property
    def limit_s(self) -> float:
        """How long the present stage may take."""
        return STAGE_LIMITS_S.get(self._open[-1][0], math.inf) if self._open else math.inf

    @property
    def deadline_s(self) -> float:
        """When the present stage must have ended, on the monotonic clock."""
        return self._since_s + self.limit_s

    def read(self, content: bytearray) -> Message:
        """Decodes a message, and shows it if it is there to be shown.

        Raises:
            ValueError: It is none, or one too many.
        """
        message: Message = decoded(content, Message)
        self._count += 1
        if self._count > _MAX_MESSAGES:
            raise ValueError(f"more than {_MAX_MESSAGES:,} messages")
        if isinstance(message, Began):
            self._begin(clean(message.stage)[:_STAGE_TEXT])
        elif isinstance(message, Ended) and self._open:
            self._end(well=message.well)
        elif isinstance(message, Said) and self._progress is not None:
            getattr(self._progress, message.how)(clean(message.line))
        elif isinstance(message, Counted):
            text = clean(message.text)[:_COUNT_TEXT]
            counted(message.done, message.total, text, is_most=message.is_most)
        elif isinstance(message, Keeps):
            kept(clean(message.what))
        return message

    def printed(self, line: str) -> None:
        """A line that the user's own function printed, of which the first ones are shown."""
        self._printed += 1
        if self._progress is not None and line.strip() and self._printed <= _MAX_PRINTED:
            self._progress.note(f"printed: {clean(line)}")

    def text(self, text: str) -> str:
        """The child's text, on one line that can be printed."""
        return clean(text)

    def warn(self, line: str) -> None:
        """Says something of our own."""
        if self._progress is None:
            click.echo(line, err=True)
        else:
            self._progress.warn(line)

    def _begin(self, name: str) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} stages in each other")
        shown = None if self._progress is None else self._progress.stage(name)
        if shown is not None:
            shown.__enter__()
        self._open.append((name, shown))
        self._since_s = time.monotonic()

    def _end(self, *, well: bool) -> None:
        _, shown = self._open.pop()
        self._since_s = time.monotonic()
        if shown is None:
            return
        if well:
            shown.__exit__(None, None, None)
            return
        ended = _EndedBadly()
        shown.__exit__(type(ended), ended, None)


class _EndedBadly(Exception):
    """Tells a stage that it has failed."""
