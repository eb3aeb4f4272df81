"""The host half of edgeprune: from the user's file to a ``.tflite`` file for one kind of core.

load -> steps -> channels -> prune -> cluster -> qat -> convert -> rewrite -> quantize -> sparsify
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from edgeprune import verify
from edgeprune.artifacts.clustered import Clustered, QuantizationTrained
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import Pruned
from edgeprune.artifacts.stored import Quantized, Rewritten, Sparsified
from edgeprune.devices.boards import MICROCONTROLLER, Cpu, load_board
from edgeprune.errors import ModelError
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.file_size import check_file_size
from edgeprune.pipeline.fragile_layers import advice
from edgeprune.pipeline.planned import misfit, planned
from edgeprune.pipeline.preflight import brings_kernels
from edgeprune.pipeline.read import Read, is_trainable
from edgeprune.pipeline.removed import removed, stage_if
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.users_data import (
    calibration_samples,
    data_lines,
    limit_lines,
    sizes_of,
)
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe, with_channels


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


def compress(request: Request, cpu: Cpu, progress: Progress, read: Read) -> Compressed:
    """The host half: from the user's file to a ``.tflite`` file for one kind of core.

    Args:
        request: What the user asked for.
        cpu: The board's cores.
        progress: Shows the stages.
        read: The model and its data.

    Raises:
        ModelError: The model or the data cannot be treated as asked.
        VerifyError: The converted model does not compute what the Keras model does, a stage lost
            zeros, codebooks or blocks, or the result takes more than the user allows.
    """
    try:
        return _compressed(request, cpu, progress, read)
    except _BlocksInVain as error:
        progress.say(f"nothing is pruned for edgeprune's own kernels: {error}")
        own = dataclasses.replace(request.recipe.sparsify, kernels="runtime")
        recipe = dataclasses.replace(request.recipe, sparsify=own)
        return _compressed(dataclasses.replace(request, recipe=recipe), cpu, progress, read)


class _BlocksInVain(Exception):
    """``auto`` pruned for edgeprune's own kernels, and the model cannot be stored for them."""


def _compressed(request: Request, cpu: Cpu, progress: Progress, read: Read) -> Compressed:
    # Stages are imported here because they bring TensorFlow, which boards and tables do not need.
    from edgeprune.quantize import INTEGER_MODES
    from edgeprune.rewrite import rewrite
    from edgeprune.sparsify import stored_dense

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
            samples = verify.sample_inputs(
                compressed_float, x_test, verify.compared(recipe.verify.samples)
            )
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
        sparsified = _sparsified(quantized.tflite, cpu, request, recipe, trained.loaded.with_own)
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
    with stage_if(progress, "score", data is not None):
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
        test_inputs=None if x_test is None else x_test[: verify.compared(recipe.verify.samples)],
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
    from edgeprune.auto.for_core import for_core
    from edgeprune.clustering import cluster
    from edgeprune.convert import convert, keras_outputs
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
    recipe, context, pruned = removed(request, recipe, read, context, cpu, progress)
    with stage_if(progress, "cluster", not recipe.cluster.is_noop):
        clustered = cluster(pruned.model, recipe.cluster, context)
        verify.check_counts("cluster", pruned.tensors, clustered.tensors)
    with stage_if(progress, "qat", not recipe.qat.is_noop):
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
        _BlocksInVain: It refuses a model that was pruned for the mode's sake.
    """
    from edgeprune.auto.choice import blocks_are_in_vain, easier_storage
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
            if blocks_are_in_vain(recipe):
                raise _BlocksInVain(str(error)) from error
            progress.say(f"{table.mode} is not possible: {error}")
            recipe = easier
        else:
            return recipe, quantized


def _sparsified(
    tflite: bytes, cpu: Cpu, request: Request, recipe: Recipe, with_own: bytes | None
) -> Sparsified:
    """The file as the board is given it.

    Args:
        tflite: The file that any runtime takes.
        cpu: The board's cores.
        request: The user's.
        recipe: In force.
        with_own: The user's file, where layers stand in it for edgeprune's own kernels.

    Raises:
        ModelError: The firmware cannot run the file, or it does not fit into the board.
        VerifyError: It takes more than the user allows.
    """
    from edgeprune.sparsify import sparsify
    from edgeprune.sparsify.own_kernels import sparsified_as_it_came, sparsified_for_agent

    board = load_board(request.board)
    if board.kind == MICROCONTROLLER:
        return planned(tflite, board, request)
    sparsified = sparsify(tflite, cpu, encode=recipe.sparsify.encode)
    kernels = recipe.sparsify.kernels
    if kernels == "runtime" and with_own is not None and not recipe.sparsify.encode:
        sparsified = sparsified_as_it_came(sparsified, with_own)
    if kernels != "runtime" and brings_kernels(board):
        sparsified = sparsified_for_agent(sparsified, cpu, kernels, encode=recipe.sparsify.encode)
    check_file_size(sparsified.deployed, request)
    return sparsified


def _tell_once(request: Request, progress: Progress, lines: Sequence[str]) -> None:
    """Shows lines, unless ``auto`` goes on with another recipe and they were shown before."""
    is_next = request.recipe.name == "auto" and request.recipe.why
    for line in () if is_next else lines:
        progress.note(line)


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
