"""The whole of edgeprune on one page: each stage, in order.

load -> prune -> convert -> quantize -> sparsify -> verify -> push -> run -> report
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from edgeprune import graph, recipe, verify
from edgeprune.agents import build, runtime
from edgeprune.artifacts import (
    Accuracy,
    Dataset,
    Loaded,
    Pruned,
    Quantized,
    RunResult,
    Sparsified,
    Variant,
)
from edgeprune.bench import choose_device, load_bench
from edgeprune.board import Cpu, load_board, resolved_cpu
from edgeprune.data import load_data
from edgeprune.errors import ConfigError
from edgeprune.explain import has_sparse_kernels
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.transports.base import TRANSPORTS, Transport


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
        max_accuracy_drop: Largest accepted difference of accuracy, dense minus deployed.
    """

    model: Path
    board: str
    recipe: Recipe
    data: str | None = None
    output: Path | None = None
    bench: Path | None = None
    host: str | None = None
    allow_code: bool = False
    max_accuracy_drop: float | None = None


@dataclass(frozen=True)
class Compressed:
    """The host half's work.

    Attributes:
        recipe: The recipe in force.
        loaded: The user's model.
        dense: It, as float TFLite.
        control: The dense model trained as long as the pruned one, as float TFLite, or None.
        pruned: After the prune stage.
        quantized: After the quantize stage.
        quantized_dense: The same with every weight stored dense: the reference for parity.
        sparsified: After the sparsify stage.
        data: The user's data, or None.
    """

    recipe: Recipe
    loaded: Loaded
    dense: bytes
    control: bytes | None
    pruned: Pruned
    quantized: Quantized
    quantized_dense: bytes
    sparsified: Sparsified
    data: Dataset | None

    @property
    def profiling_only(self) -> bool:
        """Whether the deployed file is fit to be measured but not to be used."""
        return self.pruned.profiling_only or self.quantized.profiling_only


def compress(request: Request, cpu: Cpu, progress: Progress) -> Compressed:
    """The host half: from the user's file to a ``.tflite`` file for one kind of core.

    Raises:
        ModelError: The model or the data cannot be treated as asked.
        VerifyError: The converted model does not compute what the Keras model does.
    """
    # Stages are imported here because they bring TensorFlow, which boards and tables do not need.
    from edgeprune.convert import convert, keras_outputs
    from edgeprune.load import is_quantized, load
    from edgeprune.prune import prune
    from edgeprune.quantize import quantize
    from edgeprune.sparsify import sparsify, stored_dense

    with progress.stage("load"):
        loaded = load(request.model, allow_code=request.allow_code)
        if loaded.tflite is not None and request.recipe.sparsify.encode:
            loaded = dataclasses.replace(loaded, tflite=stored_dense(loaded.tflite))
        in_force = recipe.choose(
            request.recipe,
            cpu,
            is_quantized=loaded.tflite is not None and is_quantized(loaded.tflite),
            has_sparse_kernels=has_sparse_kernels(cpu),
        )
    with progress.stage("convert"):
        dense = convert(loaded)
        data = None if request.data is None else load_data(request.data, dense)
    with progress.stage("prune"):
        pruned = prune(loaded, in_force.prune, data, progress.say)
    with progress.stage("convert pruned"):
        is_changed = bool(pruned.masks)
        lean = convert(pruned.model) if is_changed else dense
        control = None if pruned.control is None else convert(pruned.control)
        if pruned.model.keras is not None:
            samples = verify.sample_inputs(lean, data, count=4)
            verify.check_conversion(lean, samples, keras_outputs(pruned.model, samples))
    with progress.stage("quantize"):
        calibration = None
        if data is not None:
            source = data.x_test if data.x_train is None else data.x_train
            count = in_force.quantize.calibration_samples
            calibration = [[source[i : i + 1]] for i in range(min(count, len(source)))]
        quantized = quantize(lean, in_force.quantize.mode, calibration, seed=in_force.prune.seed)
    with progress.stage("sparsify"):
        sparsified = sparsify(quantized.tflite, cpu, encode=in_force.sparsify.encode)
    return Compressed(
        recipe=in_force,
        loaded=loaded,
        dense=stored_dense(dense),
        control=control,
        pruned=pruned,
        quantized=quantized,
        quantized_dense=stored_dense(quantized.tflite),
        sparsified=sparsified,
        data=data,
    )


@dataclass(frozen=True)
class Outcome:
    """What ``deploy`` did.

    Attributes:
        result: As in ``result.json``.
        folder: Where everything was written.
        notes: Lines that the tables do not say.
        reasons: Why layers do not run sparse.
        failure: What a limit of the user's was missed by, or empty.
    """

    result: dict[str, Any]
    folder: Path
    notes: tuple[str, ...]
    reasons: tuple[str, ...]
    failure: str = ""


def deploy(request: Request, progress: Progress) -> Outcome:
    """The main job: compress, push, run, and report.

    Raises:
        EdgepruneError: See :mod:`edgeprune.errors`; nothing is left behind.
    """
    from edgeprune.load.sniff import sniff
    from edgeprune.report import history
    from edgeprune.report.folder import output_folder

    board = load_board(request.board)
    device = choose_device(load_bench(request.bench), board, request.host)
    sniff(request.model)
    stem = f"{request.model.stem}-{request.board}"
    with output_folder(request.output, stem) as (folder, target):
        # What may fail for lack of a device, a network or a compiler fails before any training.
        with progress.stage("connect"), TRANSPORTS.get(board.transport.use)(board, device):
            agent = build.agent(board.agent.target)
            library = runtime.library(board.cpu.isa, board.runtime.version)
        done = compress(request, resolved_cpu(board.cpu), progress)
        variants = _write_variants(done, folder)
        with TRANSPORTS.get(board.transport.use)(board, device) as transport:
            found = _measure(transport, agent, library, done, variants, progress)
        with progress.stage("report"):
            outcome = _report(request, done, variants, found, folder)
    history.record(outcome.result)
    return dataclasses.replace(outcome, folder=target)


def _measure(
    transport: Transport,
    agent: Path,
    library: runtime.RuntimeLibrary,
    done: Compressed,
    variants: list[Variant],
    progress: Progress,
) -> RunResult:
    """The device half: verify, push, run.

    Raises:
        DeviceError: The device or the way to it failed.
        VerifyError: A variant's outputs are wrong on the device.
    """
    from edgeprune.push import push
    from edgeprune.run import Pushed, run

    measured = {variant.name: variant for variant in variants if variant.measured}
    with progress.stage("verify"):
        count = done.recipe.verify.samples
        samples = {
            name: verify.sample_inputs(variant.reference, done.data, count)
            for name, variant in measured.items()
        }
        expected = {
            name: verify.reference_outputs(variant.reference, samples[name])
            for name, variant in measured.items()
        }
    with progress.stage("push"):
        files = [agent, library.path, *(variant.file for variant in measured.values())]
        paths = [str(item.path) for item in push(transport, files)]
    with progress.stage("run"):
        pushed = Pushed(
            agent=paths[0],
            runtime=paths[1],
            runtime_version=f"LiteRT {library.version} (sha256 {library.sha256[:12]})",
            models=dict(zip(measured, paths[2:], strict=True)),
            cpus=transport.device.cpus,
        )
        originals = {name: variant.file.read_bytes() for name, variant in measured.items()}
        found, outputs = run(transport, pushed, done.recipe.run, samples, originals, progress.say)
    return verify.with_parity(found, list(measured.values()), expected, outputs)


def _report(
    request: Request,
    done: Compressed,
    variants: list[Variant],
    found: RunResult,
    folder: Path,
) -> Outcome:
    """Scores the variants and writes result, recipe and tables into ``folder``."""
    from edgeprune.report import result
    from edgeprune.report.notes import missed_limit, notes

    scores = _scores(variants, done.data)
    document = result.build_result(
        done.loaded.source,
        request.board,
        dataclasses.asdict(done.recipe),
        found,
        variants,
        scores,
        folder,
    )
    has_data = done.data is not None
    outcome = Outcome(
        document,
        folder,
        notes(done.recipe, done.loaded, done.pruned, done.quantized, has_data=has_data),
        done.sparsified.reasons,
        missed_limit(scores, request.max_accuracy_drop),
    )
    result.write_result(document, folder)
    recipe.write_recipe(done.recipe, folder / "recipe.toml")
    with (folder / "report.txt").open("w", encoding="utf-8") as text:
        print_outcome(outcome, Console(file=text, width=100))
    return outcome


def print_outcome(outcome: Outcome, console: Console | None = None) -> None:
    """Prints the tables of an outcome with its notes; on standard output if ``console`` is None."""
    from edgeprune.report.terminal import print_report

    print_report(outcome.result, console, reasons=outcome.reasons, notes=outcome.notes)


def compress_to_file(request: Request, progress: Progress) -> Compressed:
    """The host half alone: writes ``request.output``, a ``.tflite`` file, in one step.

    Raises:
        ConfigError: The file exists or cannot be written.
        ModelError: The model or the data cannot be treated as asked.
    """
    target = request.output
    if target is None or target.exists():
        raise ConfigError(f"{target}: exists already; choose another name")
    if not target.parent.is_dir():
        raise ConfigError(f"{target.parent}: no such folder")
    cpu = resolved_cpu(load_board(request.board).cpu)
    done = compress(request, cpu, progress)
    partial = target.with_name(target.name + ".part")
    try:
        partial.write_bytes(done.sparsified.tflite)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from error
    return done


def float_tflite(path: Path, allow_code: bool) -> bytes:
    """A model as TFLite: a ``.tflite`` file as it is, another one converted.

    Raises:
        ModelError: It cannot be loaded or converted.
    """
    from edgeprune.convert import convert
    from edgeprune.load import load

    return convert(load(path, allow_code=allow_code))


def _write_variants(done: Compressed, folder: Path) -> list[Variant]:
    """Writes each variant's file; ``dense`` first, unless it is what is deployed anyway."""

    def variant(name: str, tflite: bytes, reference: bytes, **rest: Any) -> Variant:
        file = folder / f"{name}.tflite"
        file.write_bytes(tflite)
        sparsity = graph.weight_sparsity(tflite)
        return Variant(name, file, reference, sparsity, **rest)

    deployed = variant(
        "deployed",
        done.sparsified.tflite,
        done.quantized_dense,
        profiling_only=done.profiling_only,
        expected=done.sparsified.expected,
    )
    if done.dense == done.sparsified.tflite:
        return [deployed]
    variants = [variant("dense", done.dense, done.dense, profiling_only=False), deployed]
    if done.control is not None:
        variants.append(
            variant(
                "dense-fine-tuned",
                done.control,
                done.control,
                profiling_only=False,
                measured=False,
            )
        )
    return variants


def _scores(variants: list[Variant], data: Dataset | None) -> dict[str, Accuracy]:
    if data is None:
        return {}
    scores = {v.name: verify.accuracy(v.file.read_bytes(), data) for v in variants}
    return {name: score for name, score in scores.items() if score is not None}
