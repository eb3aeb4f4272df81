"""Words on the command line: what each may be, and what a shell completes them to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from edgeprune.errors import EdgepruneError
from edgeprune.recipe.renamed import renamed_word
from edgeprune.text.near_names import did_you_mean


class Word(click.Choice[str]):
    """One of some words; a wrong one is answered with the one that is most like it."""

    def __init__(self, words: Sequence[str], key: str = "") -> None:
        """``key``: of the recipe, whose old words are answered with the new ones."""
        super().__init__(words)
        self._key = key

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Checks the word; click ends the command where it is none."""
        word = str(value)
        if word in self.choices:
            return word
        if new := renamed_word(self._key, word):
            self.fail(new, param, ctx)
        known = ", ".join(self.choices)
        self.fail(f"{word!r} is not one of {known}{did_you_mean(word, self.choices)}", param, ctx)


class Name(click.ParamType[str]):
    """The name of something that is looked up later; shells offer what there is.

    Names that a shell offers are found without importing anything of weight, and whatever is wrong
    with a file in which they stand is the command's business, not the shell's.
    """

    def __init__(
        self,
        kind: str,
        names: Callable[[click.Context], Iterable[str]],
        *,
        or_file: bool = False,
        check: Callable[[str], object] | None = None,
    ) -> None:
        """Prepares; nothing is looked up.

        Args:
            kind: What it names, for the help.
            names: Finds the names.
            or_file: A file may stand for it as well.
            check: Raises where it names nothing.
        """
        self.name = kind
        self._names, self._or_file, self._check = names, or_file, check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as it was given.

        Raises:
            EdgepruneError: It names nothing.
        """
        if self._check is not None and not (ctx is not None and ctx.resilient_parsing):
            self._check(str(value))
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin like this; files where none does."""
        matching: Sequence[str] = ()
        with contextlib.suppress(EdgepruneError, OSError):
            matching = [name for name in self._names(ctx) if name.startswith(incomplete)]
        if not matching and self._or_file:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in matching]


class ModelPath(click.Path):
    """MODEL: looked at before anything else, so that a typing error costs nobody a minute."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path of a model.

        Raises:
            ModelError: Nothing is there, or something that is no model.
        """
        path = Path(value)
        if not (ctx is not None and ctx.resilient_parsing):
            from edgeprune.pipeline.preflight import check_model

            check_model(path)
        return path


def _boards(context: click.Context) -> Iterable[str]:
    from edgeprune.devices.boards import board_names

    return board_names()


def _check_board(name: str) -> None:
    from edgeprune.pipeline.preflight import board_of

    board_of(name)


def _recipes(context: click.Context) -> Iterable[str]:
    from edgeprune.recipe import recipe_names

    return recipe_names()


def _patterns(context: click.Context) -> Iterable[str]:
    from edgeprune.recipe.prune_parts import pattern_names

    return pattern_names()


def _devices(context: click.Context) -> Iterable[str]:
    """Devices of the bench file that are of the board, where one was named."""
    from edgeprune.devices.bench import load_bench

    bench, board = context.params.get("bench"), context.params.get("board")
    devices = load_bench(Path(bench) if bench else None).devices.values()
    return [device.name for device in devices if board in (None, device.board)]


def _tasks(context: click.Context) -> Iterable[str]:
    from edgeprune.tasks.vocabulary import TASKS

    return TASKS


def _losses(context: click.Context) -> Iterable[str]:
    from edgeprune.tasks.vocabulary import LOSSES

    return dict.fromkeys(word for words in LOSSES.values() for word in words)


def _metrics(context: click.Context) -> Iterable[str]:
    from edgeprune.tasks.vocabulary import TASK_METRICS, TASKS

    return dict.fromkeys(word for task in TASKS for word in TASK_METRICS[task])


def _scales(context: click.Context) -> Iterable[str]:
    return ("-1..1", "0..1", "caffe", "torch", "bgr")


def _durations(context: click.Context) -> Iterable[str]:
    return ("0", "90s", "10m", "1h", "2h")


BOARD = Name("board", _boards, or_file=True, check=_check_board)
RECIPE = Name("recipe", _recipes, or_file=True)
PATTERN = Name("pattern", _patterns)
DEVICE = Name("device", _devices)
TASK, LOSS, METRIC = Name("task", _tasks), Name("loss", _losses), Name("metric", _metrics)
SCALE = Name("range", _scales)
DATA = Name("data", lambda context: (), or_file=True)
RESULT = Name("result", lambda context: (), or_file=True)
DURATION = Name("duration", _durations)
