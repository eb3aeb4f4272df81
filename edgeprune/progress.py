"""What is going on right now, on standard error: a line per stage, and how far long ones are."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import ClassVar, TypeVar

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from edgeprune.console import interrupts
from edgeprune.console.waits import Count, Wait
from edgeprune.text.untrusted import printable

Item = TypeVar("Item")

SPINNER_AFTER_S = 2.0

LINE_EVERY_S = 30.0
"""How often a log gets a line about a stage that takes long. Source: ours."""


def counted(
    done: int,
    total: int | None,
    text: str,
    *,
    is_most: bool = False,
    left_s: float | None = None,
) -> None:
    """Says how far the present stage is, to whoever shows it; nobody else is bothered.

    It costs nothing to say it after each batch.

    Args:
        done: Parts that are done.
        total: Of so many; None where nobody knows.
        text: What they are, as ``epoch 2 of 4, batch 120 of 469``.
        is_most: There may be fewer than ``total``.
        left_s: Seconds until all are done, where that is known without a pace.
    """
    if Progress.shown:
        Progress.shown[-1].count(Count(done, total, text, is_most, left_s))


def each(items: Iterable[Item], what: str) -> Iterator[Item]:
    """The items, one after the other, counted as ``layer 3 of 20``.

    >>> list(each(["a", "b"], "layer"))
    ['a', 'b']
    """
    rows = list(items)
    for k, item in enumerate(rows):
        counted(k, len(rows), f"{what} {k + 1:,} of {len(rows):,}")
        yield item


def pushed(name: str, sent_bytes: int, size_bytes: int) -> None:
    """Counts the bytes of a file that were sent to a device."""
    text = f"{name}: {sent_bytes / 1e6:.1f} of {size_bytes / 1e6:.1f} MB"
    counted(sent_bytes, size_bytes, text)


def kept(what: str) -> None:
    """Says what an interrupt from now on leaves behind, as :func:`interrupts.leaves` does.

    Unlike that, it is heard where a child process does the work. Empty: nothing.
    """
    if Progress.shown:
        Progress.shown[-1].keep(what)


class Progress:
    """Shows stages while they run, how far they are, and how long each took.

    On a terminal, a stage that takes longer than 2 s shows a spinner with how far it is and the
    time left, where that can be known. Elsewhere, as in a log, each stage has plain lines, and one
    each half minute that says the same. Nothing goes to standard output, so ``--json`` and pipes
    stay clean. A brief one leaves lines of long stages and warnings alone.

    Attributes:
        seconds: Stage to the seconds it took, in order; a stage that ran twice has the sum.
        shown: Those that are in use in this process, the one that :func:`counted` reaches last.

    >>> import io
    >>> log = Console(file=io.StringIO(), width=80)
    >>> with Progress(log) as progress, progress.stage("convert"):
    ...     progress.say("to float32")
    >>> list(progress.seconds)
    ['convert']
    """

    shown: ClassVar[list[Progress]] = []

    def __init__(
        self,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        brief: bool = False,
    ) -> None:
        """Prepares; nothing is shown before the first stage.

        Args:
            console: Where to show it; standard error if None.
            clock: Tells the time in seconds; only differences count.
            brief: Leave no lines of stages that take less than half a minute, nor of what they say.
        """
        self.seconds: dict[str, float] = {}
        self._console = console or Console(stderr=True, highlight=False)
        self._clock = clock
        self._is_brief = brief
        self._stages: list[Wait] = []
        self._live: Live | None = None
        self._spinner = Spinner("line")
        self._last_line_s = 0.0
        self._ended: threading.Event | None = None

    def __enter__(self) -> Progress:
        Progress.shown.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self in Progress.shown:
            Progress.shown.remove(self)
        self._stop()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Shows the block as a stage called ``name``; stages may be nested."""
        running = Wait(name, self._clock())
        self._stages.append(running)
        self._last_line_s = running.since_s
        self._show()
        done = False
        try:
            yield
            done = True
        finally:
            took_s = self._clock() - running.since_s
            self._stages.remove(running)
            if not self._stages:
                self._stop()
            self.seconds[name] = self.seconds.get(name, 0.0) + took_s
            if not self._is_brief or took_s >= LINE_EVERY_S:
                self._print(f"{name:<16}{took_s:8.1f} s{'' if done else '  failed'}")

    def say(self, line: str) -> None:
        """Tells what the stage does now: beside the spinner, or as a line of its own in a log."""
        line = printable(line)  # names and reasons may be a device's
        if self._stages:
            self._stages[-1].said(line)
        is_shown = self._stages and (self._console.is_terminal or self._is_brief)
        if not is_shown:
            prefix = f"{self._stages[-1].name}: " if self._stages else ""
            self._print(prefix + line)

    def count(self, count: Count) -> None:
        """Tells how far the stage is; see :func:`counted`."""
        if self._stages:
            self._stages[-1].counted(count, self._clock())

    def keep(self, what: str) -> None:
        """Tells what an interrupt leaves behind; see :func:`kept`."""
        interrupts.leaves(printable(what))

    def note(self, line: str) -> None:
        """Tells what the user should see and keep: a line that stays, on a terminal as well."""
        self._print(line)

    def warn(self, line: str) -> None:
        """Prints a line that stays, about what did not work although the work goes on."""
        self._print(f"warning: {line}")

    def beat(self) -> None:
        """Prints how far a long stage is, if a log has heard nothing of it for half a minute."""
        stages, now_s = list(self._stages), self._clock()  # one look: another thread changes them
        if not stages or now_s - self._last_line_s < LINE_EVERY_S:
            return
        self._last_line_s = now_s
        # What it said stands in the log already, unless the log is brief.
        how_far = stages[-1].how_far() or (stages[-1].doing if self._is_brief else "")
        parts = [part for part in (how_far, stages[-1].times(now_s)) if part]
        self._print(f"{stages[-1].name}: {printable('; '.join(parts))}")

    def _show(self) -> None:
        if not self._console.is_terminal:
            if not self._is_brief:
                self._print(f"{self._stages[-1].name} ...")
            if self._ended is None:
                self._ended = threading.Event()
                threading.Thread(target=self._beat_on, args=(self._ended,), daemon=True).start()
        elif self._live is None:
            # Standard output is left alone: it may be a pipe that takes JSON.
            self._live = Live(
                get_renderable=self._now,
                console=self._console,
                transient=True,
                refresh_per_second=8,
                redirect_stdout=False,
            )
            self._live.start()

    def _beat_on(self, ended: threading.Event) -> None:
        """Looks now and then, until all stages have ended; a second at most is too late."""
        while not ended.wait(1.0):
            self.beat()

    def _stop(self) -> None:
        if self._ended is not None:
            self._ended.set()
            self._ended = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _now(self) -> Text | Table:
        """The spinner's line, cut to the width, or nothing for the first seconds of a stage."""
        # One look: the list may change under this thread, which is the spinner's own.
        stages, now_s = list(self._stages), self._clock()
        if not stages or now_s - stages[-1].since_s < SPINNER_AFTER_S:
            return Text()
        grid = Table.grid(padding=(0, 1))
        grid.add_column()
        grid.add_column(no_wrap=True, overflow="ellipsis")
        # The times stand first: what is done may be longer than the line.
        stage = stages[-1]
        text = f"{stage.name:<14}{stage.times(now_s)}  {stage.how_far() or stage.doing}"
        grid.add_row(self._spinner, Text(printable(text.rstrip())))
        return grid

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)
