"""The host half of edgeprune: from the user's file to a ``.tflite`` file for one kind of core.

load -> steps -> channels -> prune -> cluster -> qat -> convert -> rewrite -> quantize -> sparsify
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeprune import verify
from edgeprune.artifacts.clustered import Clustered, QuantizationTrained
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import ChannelPruned, Pruned
from edgeprune.artifacts.stored import Quantized, Rewritten
from edgeprune.devices.boards import MICROCONTROLLER, Cpu, load_board
from edgeprune.errors import ModelError
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.fragile_layers import advice
from edgeprune.pipeline.planned import check_int8, misfit, planned
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.users_data import (
    calibration_samples,
    data_lines,
    limit_lines,
    sizes_of,
    users_data,
)
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe, with_channels
from edgeprune.tasks import Head, worst_drop

if TYPE_CHECKING:
    from edgeprune.pipeline.grown import Unpruned
    from edgeprune.training.context import StageContext


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


@dataclass(frozen=True)
class Read:
    """The user's model and data, as they were read.

    Attributes:
        loaded: The model.
        dense: It, as float TFLite.
        data: The data, or None.
        score: The model's, on the test samples; None where there is nothing to score.
    """

    loaded: Loaded
    dense: bytes
    data: Dataset | None
    score: Accuracy | None


def read_model(request: Request, progress: Progress) -> Read:
    """Reads the user's model and data.

    Raises:
        ModelError: They cannot be read, or the board cannot run the model.
    """
    loaded, dense, data = _loaded(request, progress)
    score = None if data is None else verify.accuracy(dense, data, dense)
    return Read(loaded, dense, data, score)


def compress(request: Request, cpu: Cpu, progress: Progress, read: Read) -> Compressed:
    """The host half: from the user's file to a ``.tflite`` file for one kind of core.

    Args:
        request: What the user asked for.
        cpu: The board's cores.
        progress: Shows the stages.
        read: The model and its data.

    Raises:
        ModelError: The model or the data cannot be treated as asked.
        VerifyError: The converted model does not compute what the Keras model does, or a stage lost
            zeros, codebooks or blocks.
    """
    # Stages are imported here because they bring TensorFlow, which boards and tables do not need.
    from edgeprune.quantize import INTEGER_MODES
    from edgeprune.rewrite import rewrite
    from edgeprune.sparsify import sparsify, stored_dense

    trained = _trained(request, cpu, progress, read)
    recipe, data, compressed_float = trained.recipe, trained.data, trained.compressed_float
    board = load_board(request.board)
    is_firmware = board.kind == MICROCONTROLLER
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
        recipe, quantized = _quantized(
            rewritten.tflite, recipe, data, request, progress, named_in=compressed_float
        )
        mode = recipe.quantize.mode
        # Integer layers have no sparse kernels, so it does not matter how their zeros lie.
        blocks = recipe.quantize.modes.isdisjoint(INTEGER_MODES)
        lines += verify.check_kept(
            "quantize", rewritten.tflite, quantized.tflite, blocks=blocks, codebooks=has_codebooks
        )
    with progress.stage("sparsify"):
        sparsified = (
            planned(quantized.tflite, board, request)
            if is_firmware
            else sparsify(quantized.tflite, cpu, encode=recipe.sparsify.encode)
        )
        lines += verify.check_kept(
            "sparsify", quantized.tflite, sparsified.tflite, codebooks=has_codebooks
        )
    dense, dense_int8, too_large = stored_dense(trained.dense), None, ""
    is_pruned = trained.compressed_float is not trained.dense
    if is_firmware and is_pruned and mode in INTEGER_MODES:
        with progress.stage("quantize dense"):
            whatever = dataclasses.replace(request, must_fit=False)
            dense_int8 = _quantized(trained.dense, recipe, data, whatever, progress)[1].tflite
        too_large = misfit(dense_int8, board)
        lines += (f"dense: not measured, because {too_large}",) if too_large else ()
    with _stage_if(progress, "score", data is not None):
        scores = _scores(trained, sparsified.tflite, dense_int8)
    said = advice(request, recipe, rewritten.tflite, data, scores.get("deployed"), progress)
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
        dense_int8=dense_int8,
        fits_dense=not too_large,
        runs_float=not is_firmware,
        is_trainable=is_trainable(trained.loaded, data),
        task=None if data is None else data.task,
        samples=(0, 0) if data is None else sizes_of(data),
        test_inputs=None if x_test is None else x_test[: recipe.verify.samples],
        scores=scores,
        tensor_errors=tuple(verify.tensor_errors(rewritten.tflite, sparsified.tflite)),
        fragile_layers=said.layers,
        precision_remedy=said.remedy,
        notes=(
            *said.lines,
            *data_lines(data),
            *trained.task_lines,
            *trained.clustered.notes,
            *trained.qat_trained.notes,
            *lines,
        ),
    )


def _trained(request: Request, cpu: Cpu, progress: Progress, read: Read) -> _Trained:
    """From the user's file to a float ``.tflite`` file of the pruned and clustered model.

    Raises:
        ModelError: As :func:`compress`.
        VerifyError: As :func:`compress`.
    """
    from edgeprune.auto.choice import for_core
    from edgeprune.clustering import cluster
    from edgeprune.convert import convert, keras_outputs
    from edgeprune.pipeline.grown import Unpruned
    from edgeprune.qat import qat
    from edgeprune.training.context import StageContext

    loaded, dense, data, score = read.loaded, read.dense, read.data, read.score
    recipe = for_core(with_channels(request.recipe), cpu)
    drop = request.max_accuracy_drop
    task_lines = [] if data is None or data.task is None else [data.task.line(*sizes_of(data))]
    if drop is not None:
        task_lines += limit_lines(data, score, drop)
    _tell_once(request, progress, task_lines)
    context = StageContext(data, progress.say, recipe.prune.seed, cpu, drop, loaded)
    whole = Unpruned(ChannelPruned(loaded, loaded), dense, dense, score)
    recipe, context, pruned = _removed(request, recipe, whole, context, cpu, progress)
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


def _removed(
    request: Request,
    recipe: Recipe,
    whole: Unpruned,
    context: StageContext,
    cpu: Cpu,
    progress: Progress,
) -> tuple[Recipe, StageContext, Pruned]:
    """The recipe's steps, and the stages ``channels`` and ``prune``.

    Args:
        request: What the user asked for.
        recipe: As asked for, for the board's core.
        whole: The user's model.
        context: For the steps.
        cpu: The board's cores.
        progress: Shows the stages.

    Returns:
        The recipe in force, the context for later stages, and the pruned model.
    """
    from edgeprune.auto.choice import choose
    from edgeprune.channels.stage import remove_channels
    from edgeprune.convert import convert
    from edgeprune.pipeline.steps import after_steps

    loaded, data = whole.pruned.model, context.data
    stepped = after_steps(loaded, recipe, context, progress)
    context = dataclasses.replace(context, teacher=stepped.dense)
    with _stage_if(progress, "channels", not recipe.channels.is_noop):
        smaller = remove_channels(stepped.model, recipe.channels, context, recipe.prune.control)
        tflite = whole.dense if smaller.model is loaded else convert(smaller.model)
        recipe = choose(
            recipe,
            cpu,
            tflite,
            stored=loaded.stored,
            has_data=data is not None,
            is_trainable=is_trainable(loaded, data),
        )
    _check_storage(tflite, recipe, cpu, loaded)
    with progress.stage("prune"):
        whole = dataclasses.replace(whole, pruned=smaller, tflite=tflite)
        recipe, pruned = _pruned(request, recipe, whole, context, progress)
    return recipe, context, stepped.joined(pruned)


def _pruned(
    request: Request,
    recipe: Recipe,
    model: Unpruned,
    context: StageContext,
    progress: Progress,
) -> tuple[Recipe, Pruned]:
    """The stage ``prune``, whose sparsity ``auto`` finds by training for a microcontroller."""
    from edgeprune.pipeline.grown import check_size, chooses, grown, own_limit
    from edgeprune.pruning import prune

    if chooses(request, recipe, model, trains=is_trainable(model.pruned.model, context.data)):
        recipe, lines = own_limit(request, recipe, model, context)
        for line in lines:
            progress.note(line)
        pruned = None
        if lines or request.max_accuracy_drop is not None:
            recipe, pruned = grown(request, recipe, model, context, progress)
        if pruned is not None:
            return recipe, pruned
    else:
        check_size(request, recipe, model.tflite)
    return recipe, prune(model.pruned, recipe.prune, context, model.tflite)


def _check_storage(tflite: bytes, recipe: Recipe, cpu: Cpu, loaded: Loaded) -> None:
    """Refuses a way of storing weights that the model or the board does not take.

    Raises:
        ModelError: The model cannot be stored so.
        ConfigError: The board cannot compute on it.
    """
    from edgeprune.quantize import check_mode

    if cpu.is_microcontroller:
        check_int8(recipe, loaded)
    check_mode(tflite, recipe.quantize.mode, recipe.quantize.layers)


def _quantized(
    tflite: bytes,
    recipe: Recipe,
    data: Dataset | None,
    request: Request,
    progress: Progress,
    named_in: bytes | None = None,
) -> tuple[Recipe, Quantized]:
    """The file as the recipe stores it, or as ``auto`` does where that turns out to be impossible.

    Args:
        tflite: The float file.
        recipe: In force.
        data: To calibrate on.
        request: The user's.
        progress: Is told what is not possible.
        named_in: The file before it was rewritten, in which layers have their names.

    Returns:
        The recipe in force, and the file.

    Raises:
        ModelError: The quantizer refuses the model, and the user asked for the mode.
    """
    from edgeprune.auto.choice import easier_storage
    from edgeprune.pipeline.runnable import check_runnable
    from edgeprune.quantize import quantize

    board = load_board(request.board)
    while True:
        table = recipe.quantize
        calibration = calibration_samples(data, table.calibration_samples)
        try:
            quantized = quantize(
                tflite, table.mode, calibration, recipe.prune.seed, table.layers, named_in
            )
            check_runnable(quantized.tflite, board, must_fit=request.must_fit)
        except ModelError as error:
            is_firmware = board.kind == MICROCONTROLLER  # which runs nothing else
            easier = None if is_firmware else easier_storage(recipe, str(error))
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
    from edgeprune.pipeline.runnable import check_runnable
    from edgeprune.sparsify import stored_dense

    with progress.stage("load"):
        loaded = load(request.model, allow_code=request.allow_code)
        loaded = dataclasses.replace(loaded, input_shape=request.input_shape)
        if loaded.tflite is not None and request.recipe.sparsify.encode:
            loaded = dataclasses.replace(loaded, tflite=stored_dense(loaded.tflite))
    with progress.stage("convert"):
        dense = convert(loaded)
        board = load_board(request.board)
        check_runnable(dense, board, must_fit=request.must_fit)
        if loaded.tflite is not None:  # every later stage sees its shapes as they are fixed now
            loaded = dataclasses.replace(loaded, tflite=dense, input_shape=None)
        data = None
        if request.data is not None:
            data = users_data(request.data, request, loaded, dense, progress)
    return loaded, dense, data


def _scores(trained: _Trained, deployed: bytes, dense_int8: bytes | None) -> dict[str, Accuracy]:
    if trained.data is None or trained.score is None:
        return {}
    files, first = {"deployed": deployed}, "dense"
    if dense_int8 is not None:
        files["dense"], first = dense_int8, "float32"
    if trained.control is not None:
        files["dense-fine-tuned"] = trained.control
    scores = {
        name: verify.accuracy(file, trained.data, trained.dense) for name, file in files.items()
    }
    known = {name: score for name, score in scores.items() if score is not None}
    return {first: trained.score, **known}


def lost_most(compressed: Compressed) -> tuple[Head, float]:
    """The output whose score on the test samples suffered most, and by how much.

    Raises:
        ModelError: There is no score.
    """
    if compressed.task is None or "deployed" not in compressed.scores:
        raise ModelError("--max-accuracy-drop: the data gives nothing to score the model with")
    names = (compressed.first_score, "deployed")
    scores = [compressed.scores[name].by_head(compressed.task) for name in names]
    return worst_drop(compressed.task, scores[0], scores[1])
