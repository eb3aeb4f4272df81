"""The host half of edgeprune: from the user's file to a ``.tflite`` file for one kind of core.

load -> channels -> prune -> cluster -> qat -> convert -> rewrite -> quantize -> sparsify
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgeprune import verify
from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.clustered import Clustered, ClusterRecord, QuantizationTrained
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.artifacts.model import Loaded, LoadRecord
from edgeprune.artifacts.pruned import Pruned, PruneRecord
from edgeprune.artifacts.stored import Quantized, Rewritten, Sparsified
from edgeprune.data import load_data
from edgeprune.data.fit import misfit, some_of, views
from edgeprune.data.scale import parse_scale
from edgeprune.devices.boards import Cpu, load_board
from edgeprune.errors import ModelError
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe, with_channels
from edgeprune.tasks import Said, Task, check_limit, limit_text

if TYPE_CHECKING:
    from edgeprune.history import result as stored


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes:
        model: Model file, or folder of a SavedModel.
        board: Name of the board.
        recipe: What to do, checked.
        data: The user's ``--data``, or None.
        output: Folder to write, or None for one named after model and board.
        bench: Bench file, or None for the user's own.
        host: Device name or address, or None.
        allow_code: Load files that carry code.
        input_shape: Fills open dimensions of a Keras model's inputs, without the batch, or None.
        max_accuracy_drop: Largest accepted loss: 0.01 is a point of top-1 accuracy, or one percent
            of the dense model's own score by any other metric.
        meter: What measures energy, as ``--meter`` names it, or None for the device's own.
        grid_factor: Grams of CO2e per kilowatt-hour, or None for the bench's.
        scale: Onto which range inputs are mapped, as ``--scale`` says it, or None.
        allow_weak: Go on with data on which the model is no better than chance.
        augment: Which other views of images are trained on, as ``--augment`` says it.
        command: What the user started, for others who wait for its device or its folder.
        wait_s: How long to wait for a device that others use.
    """

    model: Path
    board: str
    recipe: Recipe
    data: str | None = None
    output: Path | None = None
    bench: Path | None = None
    host: str | None = None
    allow_code: bool = False
    input_shape: tuple[int, ...] | None = None
    max_accuracy_drop: float | None = None
    meter: str | None = None
    grid_factor: float | None = None
    scale: str | None = None
    allow_weak: bool = False
    augment: str = "auto"
    command: str = "edgeprune deploy"
    wait_s: float = 3600.0


@dataclass(frozen=True)
class Compressed:
    """The host half's work: bytes and figures, for it leaves the process that held the model.

    Attributes:
        recipe: The recipe in force.
        loaded: Where the user's model came from.
        dense: It, as float TFLite.
        control: The dense model trained as long as the pruned one, as float TFLite, or None.
        pruned: After the stages channels and prune.
        compressed_float: The pruned model as float TFLite, before it is rewritten.
        clustered: After the cluster stage.
        rewritten: After the rewrite stage.
        quantized: After the quantize stage.
        quantized_dense: The same with every weight stored dense: the reference for parity.
        sparsified: After the sparsify stage.
        is_trainable: Whether there was a Keras model, and data to train it on.
        task: What the model is for; None without data.
        samples: Samples to train with, and to score with.
        test_inputs: The first test samples, shape ``(n, *input_shape)``, as many as parity wants;
            None without data.
        scores: Accuracy of ``dense``, ``deployed`` and, where there is one, ``dense-fine-tuned`` on
            the test samples; empty where there is nothing to score.
        tensor_errors: What quantization changed in each weight tensor.
        notes: What the checks between the stages found.
    """

    recipe: Recipe
    loaded: LoadRecord
    dense: bytes
    control: bytes | None
    pruned: PruneRecord
    clustered: ClusterRecord
    compressed_float: bytes
    rewritten: Rewritten
    quantized: Quantized
    quantized_dense: bytes
    sparsified: Sparsified
    is_trainable: bool = False
    task: Task | None = None
    samples: tuple[int, int] = (0, 0)
    test_inputs: Array | None = None
    scores: Mapping[str, Accuracy] = field(default_factory=dict)
    tensor_errors: tuple[verify.TensorError, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def task_entry(self) -> stored.Task | None:
        """The task as ``result.json`` keeps it, or None."""
        from edgeprune.report.result import stored_task

        return None if self.task is None else stored_task(self.task, *self.samples)

    @property
    def profiling_only(self) -> bool:
        """Whether the deployed file is fit to be measured but not to be used."""
        return self.pruned.profiling_only or self.quantized.profiling_only


@dataclass(frozen=True)
class _Trained:
    """What stands before anything is done to the file; names as in :class:`Compressed`."""

    recipe: Recipe
    loaded: Loaded
    dense: bytes
    control: bytes | None
    pruned: Pruned
    clustered: Clustered
    qat_trained: QuantizationTrained
    compressed_float: bytes
    data: Dataset | None
    score: Accuracy | None
    task_lines: tuple[str, ...]


def compress(request: Request, cpu: Cpu, progress: Progress) -> Compressed:
    """The host half: from the user's file to a ``.tflite`` file for one kind of core.

    Raises:
        ModelError: The model or the data cannot be treated as asked.
        VerifyError: The converted model does not compute what the Keras model does, or a stage lost
            zeros, codebooks or blocks.
    """
    # Stages are imported here because they bring TensorFlow, which boards and tables do not need.
    from edgeprune.quantize import INTEGER_MODES
    from edgeprune.rewrite import rewrite
    from edgeprune.sparsify import sparsify, stored_dense

    trained = _trained(request, cpu, progress)
    recipe, data, compressed_float = trained.recipe, trained.data, trained.compressed_float
    x_test = None if data is None else data.x_test
    mode, has_codebooks = recipe.quantize.mode, bool(trained.clustered.tensors)
    with progress.stage("rewrite"):
        rewritten = Rewritten(compressed_float, (), "")
        if recipe.rewrite.enabled and mode not in INTEGER_MODES:
            rewritten = rewrite(compressed_float, cpu)
        if rewritten.notes:
            samples = verify.sample_inputs(compressed_float, x_test, recipe.verify.samples)
            verify.check_rewrite(compressed_float, rewritten.tflite, samples)
        lines = verify.check_kept(
            "rewrite", compressed_float, rewritten.tflite, codebooks=has_codebooks
        )
    with progress.stage("quantize"):
        recipe, quantized = _quantized(rewritten.tflite, recipe, data, request, progress)
        mode = recipe.quantize.mode
        # Integer layers have no sparse kernels, so it does not matter how their zeros lie.
        blocks = mode not in INTEGER_MODES
        lines += verify.check_kept(
            "quantize", rewritten.tflite, quantized.tflite, blocks=blocks, codebooks=has_codebooks
        )
    with progress.stage("sparsify"):
        sparsified = sparsify(quantized.tflite, cpu, encode=recipe.sparsify.encode)
        lines += verify.check_kept(
            "sparsify", quantized.tflite, sparsified.tflite, codebooks=has_codebooks
        )
    dense = stored_dense(trained.dense)
    with _stage_if(progress, "score", data is not None):
        scores = _scores(trained, sparsified.tflite)
    return Compressed(
        recipe=recipe,
        loaded=trained.loaded.record,
        dense=dense,
        control=trained.control,
        pruned=trained.pruned.record,
        compressed_float=trained.compressed_float,
        clustered=trained.clustered.record,
        rewritten=rewritten,
        quantized=quantized,
        quantized_dense=stored_dense(quantized.tflite),
        sparsified=sparsified,
        is_trainable=is_trainable(trained.loaded, data),
        task=None if data is None else data.task,
        samples=(0, 0) if data is None else sizes_of(data),
        test_inputs=None if x_test is None else x_test[: recipe.verify.samples],
        scores=scores,
        tensor_errors=tuple(verify.tensor_errors(rewritten.tflite, sparsified.tflite)),
        notes=(
            *_of_data(data),
            *trained.task_lines,
            *trained.clustered.notes,
            *trained.qat_trained.notes,
            *lines,
        ),
    )


def _trained(request: Request, cpu: Cpu, progress: Progress) -> _Trained:
    """From the user's file to a float ``.tflite`` file of the pruned and clustered model.

    Raises:
        ModelError: As :func:`compress`.
        VerifyError: As :func:`compress`.
    """
    from edgeprune.auto.choice import choose
    from edgeprune.channels.stage import remove_channels
    from edgeprune.clustering import cluster
    from edgeprune.convert import convert, keras_outputs
    from edgeprune.pruning import prune
    from edgeprune.qat import qat
    from edgeprune.quantize import check_mode
    from edgeprune.training.checkpoint import remove
    from edgeprune.training.context import StageContext

    loaded, dense, data = _loaded(request, progress)
    score = None if data is None else verify.accuracy(dense, data, dense)
    recipe, drop = with_channels(request.recipe), request.max_accuracy_drop
    task_lines = [] if data is None or data.task is None else [data.task.line(*sizes_of(data))]
    if drop is not None:
        task_lines += limit_lines(data, score, drop)
    _tell_once(request, progress, task_lines)
    context = StageContext(data, progress.say, recipe.prune.seed, cpu, drop, loaded)
    with _stage_if(progress, "channels", not recipe.channels.is_noop):
        channel_pruned = remove_channels(loaded, recipe.channels, context, recipe.prune.control)
        smaller = convert(channel_pruned.model) if channel_pruned.groups else dense
        recipe = choose(
            recipe,
            cpu,
            smaller,
            stored=loaded.stored,
            has_data=data is not None,
            is_trainable=is_trainable(loaded, data),
        )
    check_mode(smaller, recipe.quantize.mode)
    with progress.stage("prune"):
        pruned = prune(channel_pruned, recipe.prune, context, smaller)
        remove(channel_pruned.checkpoint)
    with _stage_if(progress, "cluster", not recipe.cluster.is_noop):
        clustered = cluster(pruned.model, recipe.cluster, context)
        verify.check_counts("cluster", pruned.tensors, clustered.tensors)
    with _stage_if(progress, "qat", not recipe.qat.is_noop):
        codebooks = {one.name: one.distinct for one in clustered.tensors}
        qat_trained = qat(clustered.model, recipe.qat, recipe.quantize.mode, context, codebooks)
    with progress.stage("convert pruned"):
        is_changed = qat_trained.model is not loaded
        compressed_float = convert(qat_trained.model) if is_changed else dense
        control = None if pruned.control is None else convert(pruned.control)
        if qat_trained.model.keras is not None:
            samples = verify.sample_inputs(
                compressed_float, None if data is None else data.x_test, count=4
            )
            verify.check_conversion(
                compressed_float, samples, keras_outputs(qat_trained.model, samples)
            )
        verify.check_converted("convert", pruned.tensors, clustered.tensors, compressed_float)
    return _Trained(
        recipe,
        loaded,
        dense,
        control,
        pruned,
        clustered,
        qat_trained,
        compressed_float,
        data,
        score,
        tuple(task_lines),
    )


def _quantized(
    tflite: bytes, recipe: Recipe, data: Dataset | None, request: Request, progress: Progress
) -> tuple[Recipe, Quantized]:
    """The file as the recipe stores it, or as ``auto`` does where that turns out to be impossible.

    Returns:
        The recipe in force, and the file.

    Raises:
        ModelError: The quantizer refuses the model, and the user asked for the mode.
    """
    from edgeprune.auto.choice import easier_storage
    from edgeprune.prediction.runnable import check_runnable
    from edgeprune.quantize import quantize

    board = load_board(request.board)
    while True:
        table = recipe.quantize
        calibration = _calibration(data, table.calibration_samples)
        try:
            quantized = quantize(tflite, table.mode, calibration, seed=recipe.prune.seed)
            check_runnable(quantized.tflite, board.runtime, board.name)
        except ModelError as error:
            easier = easier_storage(recipe, str(error))
            if easier is None:
                raise
            progress.say(f"{table.mode} is not possible: {error}")
            recipe = easier
        else:
            return recipe, quantized


def _tell_once(request: Request, progress: Progress, lines: Sequence[str]) -> None:
    """Shows lines, unless ``auto`` goes on with another recipe and they were shown before."""
    is_next = request.recipe.name == "auto" and request.recipe.why
    for line in () if is_next else lines:
        progress.note(line)


def is_trainable(loaded: Loaded, data: Dataset | None) -> bool:
    """Whether there is a Keras model, and data to train it on."""
    return loaded.keras is not None and data is not None and data.x_train is not None


def _stage_if(progress: Progress, name: str, has_work: bool) -> AbstractContextManager[None]:
    """Shows a stage where it has something to do; what does nothing is no news."""
    return progress.stage(name) if has_work else nullcontext()


def _loaded(request: Request, progress: Progress) -> tuple[Loaded, bytes, Dataset | None]:
    """The model, the model as float TFLite, and the data."""
    from edgeprune.convert import convert
    from edgeprune.load import load
    from edgeprune.prediction.runnable import check_runnable
    from edgeprune.sparsify import stored_dense

    with progress.stage("load"):
        loaded = load(request.model, allow_code=request.allow_code)
        loaded = dataclasses.replace(loaded, input_shape=request.input_shape)
        if loaded.tflite is not None and request.recipe.sparsify.encode:
            loaded = dataclasses.replace(loaded, tflite=stored_dense(loaded.tflite))
    with progress.stage("convert"):
        dense = convert(loaded)
        board = load_board(request.board)
        check_runnable(dense, board.runtime, board.name)
        if loaded.tflite is not None:  # every later stage sees its shapes as they are fixed now
            loaded = dataclasses.replace(loaded, tflite=dense, input_shape=None)
        data = None
        if request.data is not None:
            data = _data(request.data, request, loaded, dense, progress)
    return loaded, dense, data


def _of_data(data: Dataset | None) -> list[str]:
    """What the user should know about the data, for the report."""
    return [] if data is None else [f"data: {line}" for line in data.notes]


def _data(spec: str, request: Request, loaded: Loaded, dense: bytes, progress: Progress) -> Dataset:
    """The user's data with its task, which the recipe may say and the dense model helps to find.

    Raises:
        ModelError: As :func:`load_data`; or model and data hardly belong together.
    """
    table, compiled = request.recipe.task, loaded.compiled
    said = Said(table.kind, table.loss, table.metric, compiled.losses, compiled.metrics)

    def answers(x: Array) -> Sequence[Array]:
        return verify.answers_of(dense)(x)

    scale = None if request.scale is None else parse_scale(request.scale)
    data = load_data(spec, dense, say=progress.say, said=said, answers=answers, scale=scale)
    for line in _of_data(data):
        progress.note(line)
    progress.say("trying the dense model on the data")
    fault, lines = misfit(data, answers), []
    if fault and not request.allow_weak:
        raise ModelError(f"{fault}; --allow-weak uses the data all the same")
    if fault:
        lines.append(f"doubtful, but used because of --allow-weak: {fault}")
    if data.x_train is not None and loaded.keras is not None:
        kinds, said_of_them = views(data, answers, request.augment)
        data = dataclasses.replace(data, augment=kinds)
        lines += said_of_them
    for line in lines:
        progress.note(f"data: {line}")
    return dataclasses.replace(data, notes=(*data.notes, *lines))


def sizes_of(data: Dataset) -> tuple[int, int]:
    """Samples to train with, and samples to score with."""
    is_labelled = data.y_train is not None or data.is_reproduced
    count = 0 if data.x_train is None or not is_labelled else len(data.x_train)
    return count, len(data.x_test)


def limit_lines(data: Dataset | None, score: Accuracy | None, limit: float) -> list[str]:
    """What an accepted drop means beside the dense model's scores, a line a head.

    Raises:
        ModelError: It means nothing, because there is no score, or none of which a share is left.
    """
    if data is None or data.task is None or score is None:
        raise ModelError("--max-accuracy-drop: the data gives nothing to score the model with")
    scores = score.by_head(data.task)
    check_limit(data.task, scores)
    is_single = len(data.task.judged) == 1
    return [
        f"limit: {'' if is_single else head.name + ': '}"
        + limit_text(head, scores[head.name], limit)
        for head in data.task.judged
    ]


def _scores(trained: _Trained, deployed: bytes) -> dict[str, Accuracy]:
    if trained.data is None or trained.score is None:
        return {}
    files = {"deployed": deployed}
    if trained.control is not None:
        files["dense-fine-tuned"] = trained.control
    scores = {
        name: verify.accuracy(file, trained.data, trained.dense) for name, file in files.items()
    }
    known = {name: score for name, score in scores.items() if score is not None}
    return {"dense": trained.score, **known}


def _calibration(data: Dataset | None, count: int) -> list[list[Array]] | None:
    """Some training samples, or test samples where there are no others.

    They are spread over all, because files often hold one class after the other.
    """
    if data is None:
        return None
    source = data.x_test if data.x_train is None else data.x_train
    return [[source[i : i + 1]] for i in some_of(len(source), count)]
