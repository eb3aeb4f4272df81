"""``edgeprune.deploy``, ``run`` and ``compress``: what the commands do, from Python."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from edgeprune import pipeline
from edgeprune.api import html
from edgeprune.api.keywords import with_options
from edgeprune.api.requests import (
    DataArgument,
    DataOptions,
    DeviceOptions,
    LimitOptions,
    LoadOptions,
    ModelArgument,
    RecipeOptions,
    progress_for,
    request_of,
)
from edgeprune.auto.effect import Effect
from edgeprune.devices.boards import load_board
from edgeprune.history.result import Result
from edgeprune.history.result_file import plain
from edgeprune.pipeline.written import Written, compress_to_file
from edgeprune.report.assessment import assess
from edgeprune.report.figures import NOT_MEASURED, bytes_text, count_text
from edgeprune.report.page.headline import headline
from edgeprune.report.summary import score_cell, table
from edgeprune.report.verdict import made_how

_DEFAULTS = {"augment": "auto", "wait_s": 3600.0, "allow_code": False, "allow_weak": False}


class DeployOptions(
    RecipeOptions, DataOptions, DeviceOptions, LimitOptions, LoadOptions, total=False
):
    """Keywords of ``edgeprune.deploy``."""


class RunOptions(DeviceOptions, total=False):
    """Keywords of ``edgeprune.run``.

    Attributes:
        input_shape: Fills what the model leaves open, without the batch, as (224, 224, 3).
        scale: Range that inputs are mapped onto, as ``-1..1``.
        allow_weak: Go on with data on which the model is no better than chance.
    """

    input_shape: tuple[int, ...] | None
    scale: str | None
    allow_weak: bool


class CompressOptions(RecipeOptions, DataOptions, LimitOptions, LoadOptions, total=False):
    """Keywords of ``edgeprune.compress``.

    Attributes:
        verify: Compare outputs on the emulated board of the same core, where there is one.
    """

    verify: bool


@dataclass(frozen=True, repr=False)
class Deployment:
    """What ``deploy`` or ``run`` measured; a notebook shows it as a table.

    Attributes:
        result: All that is known, as in ``result.json``.
        folder: Where everything was written, ``report.html`` included.
    """

    result: Result
    folder: Path

    @property
    def is_valid(self) -> bool:
        """Whether the figures may be relied on."""
        return self.result.validity.verdict == "valid"

    @property
    def speedup(self) -> float | None:
        """How often faster the deployed model is, or in how many fewer instructions.

        None where that was not measured.
        """
        return self.result.comparison.speedup

    def to_dict(self) -> dict[str, Any]:
        """The content of ``result.json``."""
        return dict(plain(self.result))

    def __repr__(self) -> str:
        return f"<edgeprune.Deployment on {self.result.board}: {assess(self.result).sentence}>"

    def _repr_html_(self) -> str:
        found = headline(self.result)
        names, rows = table(self.result)
        cells = [[heading, *values, change] for heading, values, change in rows]
        return str(
            html.heading(f"{Path(self.result.model.path).name} on {self.result.board}")
            + html.heading(found.sentence, found.mood)
            + html.table(["", *names, ""], cells)
            + html.lines([*found.facts, f"Everything is in {self.folder}."])
        )


@dataclass(frozen=True, repr=False)
class CompressedFile:
    """What ``compress`` wrote; a notebook shows it as a table.

    Attributes:
        path: The file.
        bytes: Its size.
        board: Name of the board that it was made for.
        profiling_only: Whether it is fit to be measured, but not to be used.
        effects: Sizes, scores and predicted instructions of the dense and of the compressed
            network; what is not known is None.
        written: All that is known.
    """

    path: Path
    bytes: int
    board: str
    profiling_only: bool
    effects: tuple[Effect, ...]
    written: Written

    def __repr__(self) -> str:
        only = ", for profiling only" if self.profiling_only else ""
        return (
            f"<edgeprune.CompressedFile {self.path} for {self.board}: {self.bytes:,} bytes{only}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            ["file", *(bytes_text(one.bytes) for one in self.effects)],
            ["accuracy", *(_score(one) for one in self.effects)],
            ["instructions (predicted)", *(_instructions(one) for one in self.effects)],
        ]
        compressed = self.written.done
        notes = [compressed.recipe.why] if compressed.recipe.why else []
        notes += [*compressed.pruned.notes, *compressed.notes]
        if self.profiling_only:
            made = made_how(is_scored="deployed" in compressed.scores)
            notes.insert(0, f"It was {made}: measure it, but do not use it.")
        return str(
            html.heading(f"{self.path.name} for {self.board}")
            + html.table(["", *(one.name for one in self.effects)], rows)
            + html.lines([note for note in notes if note])
        )


@with_options(
    DeployOptions,
    RecipeOptions,
    DataOptions,
    DeviceOptions,
    LimitOptions,
    LoadOptions,
    defaults=_DEFAULTS,
)
def deploy(
    model: ModelArgument,
    board: str,
    data: DataArgument = None,
    progress: Callable[[str], None] | None = None,
    **options: Unpack[DeployOptions],
) -> Deployment:
    """Prunes, quantizes, pushes and measures a model on a board, as `edgeprune deploy` does.

        edgeprune.deploy("model.h5", board="rpi4-emulated", data="digits.npz")

    Args:
        model: A file, the folder of a SavedModel, or a Keras model in memory.
        board: Name of a board, as ``edgeprune boards`` lists them, or its ``.toml`` file.
        data: An .npz file, a folder of images by class, ``package.module:function``, or arrays by
            name: ``x_train``, ``y_train``, ``x_test``, ``y_test``.
        progress: Told what is going on, line by line; None tells nobody.
        options: Further keywords, below.

    Returns:
        What was measured, dense beside deployed.

    Raises:
        EdgepruneError: See :mod:`edgeprune.errors`: what was found, what was expected, what to do.
    """
    with request_of(model, board, data, options, DeployOptions) as request:
        with progress_for(progress) as shown:
            outcome = pipeline.deploy(request, shown)
    return Deployment(outcome.result, outcome.folder)


@with_options(RunOptions, DeviceOptions, defaults=_DEFAULTS)
def run(
    model: ModelArgument,
    board: str,
    data: DataArgument = None,
    progress: Callable[[str], None] | None = None,
    **options: Unpack[RunOptions],
) -> Deployment:
    """Measures a .tflite file on a board as it is, as `edgeprune run` does.

        edgeprune.run("model.tflite", board="local")

    Args:
        model: The file.
        board: Name of a board, or its ``.toml`` file.
        data: To score the file with, as for :func:`deploy`.
        progress: Told what is going on, line by line; None tells nobody.
        options: Further keywords, below.

    Raises:
        EdgepruneError: See :mod:`edgeprune.errors`.
    """
    with request_of(model, board, data, options, RunOptions, recipe="as-is") as request:
        request = dataclasses.replace(request, command="edgeprune run")
        with progress_for(progress) as shown:
            outcome = pipeline.deploy(request, shown)
    return Deployment(outcome.result, outcome.folder)


@with_options(
    CompressOptions,
    RecipeOptions,
    DataOptions,
    LimitOptions,
    LoadOptions,
    defaults=_DEFAULTS | {"verify": True},
)
def compress(
    model: ModelArgument,
    output: str | os.PathLike[str],
    board: str = "rpi4",
    data: DataArgument = None,
    progress: Callable[[str], None] | None = None,
    **options: Unpack[CompressOptions],
) -> CompressedFile:
    """Turns a model into a .tflite file for a board, as `edgeprune compress` does.

        edgeprune.compress("model.h5", "out.tflite", board="rpi4", sparsity=0.9)

    Args:
        model: A file, the folder of a SavedModel, or a Keras model in memory.
        output: ``.tflite`` or ``.epz`` file to write; it must not exist.
        board: Name of a board, or its ``.toml`` file.
        data: As for :func:`deploy`.
        progress: Told what is going on, line by line; None tells nobody.
        options: Further keywords, below.

    Raises:
        EdgepruneError: See :mod:`edgeprune.errors`.
    """
    target = Path(output)
    asked: dict[str, Any] = {**options, "output": target}
    with request_of(model, board, data, asked, _WithOutput) as request:
        with progress_for(progress) as shown:
            written = compress_to_file(request, shown, compare=options.get("verify", True))
    name = load_board(board).name
    compressed = written.done
    return CompressedFile(
        target, written.file_bytes, name, compressed.profiling_only, written.effects, written
    )


class _WithOutput(CompressOptions, total=False):
    output: Path


def _score(effect: Effect) -> str:
    return NOT_MEASURED if effect.accuracy is None else score_cell(effect.accuracy)


def _instructions(effect: Effect) -> str:
    return "not known" if effect.instructions is None else count_text(effect.instructions)
