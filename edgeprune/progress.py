"""What is going on right now, on standard error: a line per stage, and a spinner for long ones."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from edgeprune.text.untrusted import printable

SPINNER_AFTER_S = 2.0


class Progress:
    """Shows stages while they run, and how long each took.

    On a terminal, a stage that takes longer than 2 s shows a spinner with its seconds. Elsewhere,
    as in a log, each stage has plain lines. Nothing goes to standard output, so ``--json`` and
    pipes stay clean.

    Attributes:
        seconds: Stage to the seconds it took, in order; a stage that ran twice has the sum.

    >>> import io
    >>> log = Console(file=io.StringIO(), width=80)
    >>> with Progress(log) as progress, progress.stage("convert"):
    ...     progress.say("to float32")
    >>> list(progress.seconds)
    ['convert']
    """

    def __init__(self, console: Console | None = None) -> None:
        """Prepares; nothing is shown before the first stage.

        Args:
            console: Where to show it; standard error if None.
        """
        self.seconds: dict[str, float] = {}
        self._console = console or Console(stderr=True, highlight=False)
        self._stages: list[_Running] = []
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Shows the block as a stage called ``name``; stages may be nested."""
        running = _Running(name)
        self._stages.append(running)
        self._show()
        done = False
        try:
            yield
            done = True
        finally:
            took_s = time.monotonic() - running.since_s
            self._stages.remove(running)
            if not self._stages:
                self._stop()
            self.seconds[name] = self.seconds.get(name, 0.0) + took_s
            self._print(f"{name:<16}{took_s:8.1f} s{'' if done else '  failed'}")

    def say(self, line: str) -> None:
        """Tells what the stage does now: beside the spinner, or as a line of its own in a log."""
        line = printable(line)  # names and reasons may be a device's
        if self._stages and self._console.is_terminal:
            self._stages[-1].doing = line
        else:
            prefix = f"{self._stages[-1].name}: " if self._stages else ""
            self._print(prefix + line)

    def note(self, line: str) -> None:
        """Tells what the user should see and keep: a line that stays, on a terminal as well."""
        self._print(line)

    def warn(self, line: str) -> None:
        """Prints a line that stays, about what did not work although the work goes on."""
        self._print(f"warning: {line}")

    def _show(self) -> None:
        if not self._console.is_terminal:
            self._print(f"{self._stages[-1].name} ...")
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

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _now(self) -> Text | Table:
        """The spinner's line, or nothing for the first seconds of a stage."""
        # One look: the list may change under this thread, which is the spinner's own.
        stages = list(self._stages)
        if not stages or time.monotonic() - stages[-1].since_s < SPINNER_AFTER_S:
            return Text()
        return stages[-1].line()

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class _Running:
    """A stage that has not ended.

    Attributes:
        name: The stage.
        since_s: When it began, on the monotonic clock.
        doing: What it said last.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.since_s = time.monotonic()
        self.doing = ""
        self._spinner = Spinner("line")

    def line(self) -> Table:
        """Spinner, name, seconds and what it said last, cut to one line."""
        elapsed_s = time.monotonic() - self.since_s
        grid = Table.grid(padding=(0, 1))
        grid.add_column()
        grid.add_column(no_wrap=True, overflow="ellipsis")
        text = f"{self.name:<14}{elapsed_s:8.0f} s  {self.doing}".rstrip()
        grid.add_row(self._spinner, Text(text))
        return grid
