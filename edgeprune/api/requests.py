"""What is asked for from Python, turned into what the command line's pipeline takes."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from rich.console import Console

from edgeprune.api.options import check_names
from edgeprune.api.pruning import flavour_of
from edgeprune.console.quiet import quiet
from edgeprune.devices.boards import load_board
from edgeprune.errors import ConfigError, ModelError
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.recipe.overrides import recipe_of, timed_by, with_task
from edgeprune.tasks import check_share

ModelArgument = str | os.PathLike[str] | Any
"""A file, the folder of a SavedModel, or a Keras model in memory."""

DataArgument = str | os.PathLike[str] | Mapping[str, Any] | None
"""As ``--data`` names it, or arrays by name: ``x_train``, ``y_train``, ``x_test``, ``y_test``."""

PathArgument = str | os.PathLike[str] | None


class RecipeOptions(TypedDict, total=False):
    """What is to be done to a model.

    Attributes:
        recipe: Name of a recipe, or a ``.toml`` file; None takes the board's own.
        sparsity: Share of zeros in each pruned tensor, as 0.9; with the pattern channel, of
            channels. None takes the recipe's.
        pattern: Pattern of the weights that stay: unstructured, kernel, channel, ``2x1``, ``2:4``.
        quantize: How weights are stored and computed with: none, fp16, int8, int8-weights or
            int16x8.
        criterion: How to tell which weights matter least.
        layers: Which are pruned: ``accelerated``, those that sparse kernels can run, or ``all``.
        kernels: What runs int8 layers with zeros in blocks of 1x4: ``runtime``, ``edgeprune`` or
            ``auto``.
    """

    recipe: str | None
    sparsity: float | None
    pattern: str | None
    quantize: str | None
    criterion: str | None
    layers: str | None
    kernels: str | None


class LoadOptions(TypedDict, total=False):
    """How a model is read.

    Attributes:
        allow_code: Load models that carry code, as Lambda layers do.
        input_shape: Sizes for dimensions that the model leaves open, without the batch, as
            (224, 224, 3).
    """

    allow_code: bool
    input_shape: tuple[int, ...] | None


class DataOptions(TypedDict, total=False):
    """What the data are for.

    Attributes:
        max_accuracy_drop: Largest accepted loss on the test samples, as 0.01: a point of top-1
            accuracy, or one percent of the dense model's own score by any other metric.
        budget_s: Seconds in which the best network is searched where no recipe is named; 600 if
            not given.
        task: What the model is for; found out if not given.
        loss: Loss to train with.
        metric: Metric to score with.
        scale: Range that inputs are mapped onto, as ``-1..1``.
        allow_weak: Use the data even if the model is no better than chance on them.
        augment: Which other views of images are trained on: auto, none, flips, shifts.
    """

    max_accuracy_drop: float | None
    budget_s: float | None
    task: str | None
    loss: str | None
    metric: str | None
    scale: str | None
    allow_weak: bool
    augment: str


class LimitOptions(TypedDict, total=False):
    """What a network may take on a microcontroller.

    Attributes:
        max_size: Most bytes of the deployed file, as a number or as ``100kB``; None allows any.
            On a microcontroller, flash for its plan; None allows a whole slot.
        max_memory: Most RAM for its arena, likewise; None allows what the firmware leaves.
    """

    max_size: int | str | None
    max_memory: int | str | None


class DeviceOptions(TypedDict, total=False):
    """Where and how a model is measured.

    Attributes:
        output: Folder to write, which must not exist; None names one after model and board.
        bench: Bench file; None takes the user's own.
        host: Device name in the bench, address, or OpenSSH alias.
        meter: What measures energy; None takes the device's own.
        grid_factor: Grams of CO2e per kWh; None takes the bench's.
        wait_s: How long to wait for a device that another run uses.
        effort: How thoroughly to time: quick, standard, full or soak.
        sessions: Fresh processes a variant, instead of the effort's.
        runs: Timed inferences in each, instead of the effort's.
        governor: What becomes of the device's clock: auto, performance or keep.
        again: Count and compute all anew on an emulated board.
    """

    output: str | os.PathLike[str] | None
    bench: str | os.PathLike[str] | None
    host: str | None
    meter: str | None
    grid_factor: float | None
    wait_s: float
    effort: str | None
    sessions: int | None
    runs: int | None
    governor: str | None
    again: bool | None


_TIMING = ("effort", "sessions", "runs", "governor", "again")
_TASK = ("task", "loss", "metric")
_NEED_DATA = ("max_accuracy_drop", "budget_s", *_TASK, "scale", "allow_weak")


def recipe_for(board: str, options: Mapping[str, Any], default: str | None = None) -> Recipe:
    """The recipe that options ask for, checked.

    Args:
        board: Whose own recipe is taken where none is named.
        options: Keys of :class:`RecipeOptions`; and timing and task, where they are asked for.
        default: The recipe where none is named, instead of the board's own.

    Raises:
        ConfigError: There is no such recipe, or a value lies outside its range.
    """
    name = options.get("recipe") or default or load_board(board).recipe.default
    keys = ("sparsity", "pattern", "quantize", "criterion", "layers", "kernels")
    recipe = recipe_of(str(name), **{key: options.get(key) for key in keys})
    timing = {key: options[key] for key in _TIMING if options.get(key) is not None}
    said = {key: options[key] for key in _TASK if options.get(key) is not None}
    return with_task(timed_by(recipe, timing), said)


@contextlib.contextmanager
def request_of(
    model: ModelArgument,
    board: str,
    data: DataArgument,
    options: Mapping[str, Any],
    keys: type,
    recipe: str | None = None,
) -> Iterator[Request]:
    """A request for the pipeline; what is in memory lies in files meanwhile.

    Args:
        model: See :data:`ModelArgument`.
        board: Name of the board, or its file.
        data: See :data:`DataArgument`.
        options: What else was asked for.
        keys: The TypedDict that has all keys that may be.
        recipe: The recipe where none is named.

    Raises:
        ConfigError: An option is wrong, or needs data.
        ModelError: The model is none.
    """
    check_names(options, keys)
    if data is None and (asked := [key for key in _NEED_DATA if options.get(key)]):
        raise ConfigError(f"{asked[0]} needs data: without it accuracy is not measured")
    if (drop := options.get("max_accuracy_drop")) is not None:
        check_share(drop)
    if (scale := options.get("scale")) is not None:
        from edgeprune.data.scale import parse_scale

        parse_scale(scale)
    fields = {field.name for field in dataclasses.fields(Request)}
    rest = {key: value for key, value in options.items() if key in fields - {"recipe"}}
    for key in ("output", "bench"):
        if rest.get(key) is not None:
            rest[key] = Path(rest[key])
    for key in ("max_size", "max_memory"):
        if rest.get(key) is not None:
            rest[key] = _size(key, rest[key])
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        path = _model_file(model, Path(folder))
        # The model goes first: a typing error in its name costs nobody anything else.
        from edgeprune.pipeline.preflight import check_model

        check_model(path)
        chosen = recipe_for(board, options, recipe)
        yield Request(path, board, chosen, data=_data_file(data, Path(folder)), **rest)


def _size(key: str, value: int | str) -> int:
    """Bytes of a limit.

    Raises:
        ConfigError: It is none.
    """
    from edgeprune.text.size import parse_size

    try:
        return parse_size(str(value))
    except ValueError as error:
        raise ConfigError(f"{key} {value!r}: {error}") from error


def _model_file(model: ModelArgument, folder: Path) -> Path:
    if isinstance(model, (str, os.PathLike)):
        return Path(model)
    flavour = flavour_of(model)
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in str(model.name)) or "model"
    path = folder / f"{name}.{'h5' if flavour == 'tf_keras' else 'keras'}"
    with quiet():
        model.save(path)
    return path


def _data_file(data: DataArgument, folder: Path) -> str | None:
    if data is None:
        return None
    if not isinstance(data, Mapping):
        return os.fspath(data)
    try:
        arrays = {str(name): np.asarray(value) for name, value in data.items()}
    except ValueError as error:
        raise ModelError(f"data: expected arrays by name, got {error}") from error
    np.savez(folder / "memory.npz", **arrays)  # type: ignore[arg-type]
    return str(folder / "memory.npz")


def progress_for(progress: Callable[[str], None] | None) -> Progress:
    """What shows stages and lines: a function of the user's, or nobody."""
    if progress is None:
        return Progress(Console(file=io.StringIO(), quiet=True))
    return Progress(Console(file=_Lines(progress), width=1000, force_terminal=False))


class _Lines(io.StringIO):
    """A file whose lines go to a function."""

    def __init__(self, told: Callable[[str], None]) -> None:
        super().__init__()
        self._told, self._rest = told, ""

    def write(self, text: str) -> int:
        """Hands on every whole line."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._told(line)
        return len(text)
