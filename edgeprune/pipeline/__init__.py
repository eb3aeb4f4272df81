"""The whole of edgeprune on one page: each stage, in order.

load -> channels -> prune -> cluster -> qat -> convert -> rewrite -> quantize -> sparsify ->
verify -> push -> run -> report
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console

from edgeprune import recipe, verify
from edgeprune.artifacts.measurement import Measured, Parity, RunResult, Variant
from edgeprune.artifacts.pruned import LayerShare
from edgeprune.auto.effect import Effect, effect
from edgeprune.console import interrupts
from edgeprune.console.interrupts import uninterrupted
from edgeprune.devices.bench import choose_device, choose_meters, load_bench
from edgeprune.devices.boards import Cpu, load_board, resolved_cpu
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import ConfigError, DeviceError, EdgepruneError, VerifyError
from edgeprune.files.whole_file import Reserved, is_stream, shown, write_whole
from edgeprune.models.epz import pack
from edgeprune.models.tflite import graph
from edgeprune.pipeline.device_half import DeviceContext, check_free, comparison_of, measure
from edgeprune.pipeline.host_half import Compressed, Request, compress
from edgeprune.pipeline.jobs import check_file, compress_in_child, host_outputs, read_in_child
from edgeprune.pipeline.preflight import look_at
from edgeprune.progress import Progress

if TYPE_CHECKING:
    from edgeprune.history.result import Result
    from edgeprune.report.folder import OutputFolder

__all__ = [
    "Compressed",
    "Outcome",
    "Request",
    "Written",
    "compress",
    "compress_to_file",
    "deploy",
    "float_tflite",
    "print_outcome",
]

SENSITIVITY = "sensitivity.json"

KEPT_EVERY_S = 10.0
"""How much measuring a run that is killed at once may lose. Source: ours; writing takes 0.1 s."""

_REST = 20
"""Times as long as a writing took none follows, where it took long: a twentieth at most. Ours."""

WORTH_KEEPING_S = 60.0
"""Work on a model that is not thrown away where its device fails afterwards. Source: ours."""


@dataclass(frozen=True)
class Outcome:
    """What ``deploy`` did.

    Attributes:
        result: As in ``result.json``.
        folder: Where everything was written.
        notes: Lines that the tables do not say.
        reasons: Why layers do not run sparse.
        shares: What each layer got of the sparsity; empty where all got the same.
        measured: Where ``result`` comes from.
    """

    result: Result
    folder: Path
    notes: tuple[str, ...]
    reasons: tuple[str, ...]
    shares: tuple[LayerShare, ...] = ()
    measured: tuple[Measured, ...] = ()


def deploy(request: Request, progress: Progress) -> Outcome:
    """The main job: compress, push, run, and report.

    Raises:
        EdgepruneError: See :mod:`edgeprune.errors`; nothing is left behind.
    """
    from edgeprune import history
    from edgeprune.measure import Claim, check_meter_name, check_meters
    from edgeprune.push.programs import needed_programs
    from edgeprune.report.folder import output_folder
    from edgeprune.report.save import raw_kept

    board = look_at(request.model, request.board, request.data)
    check_meter_name(request.meter)
    bench = load_bench(request.bench)
    device = choose_device(bench, board, request.host)
    energy = choose_meters(bench, board, device, request.meter, request.grid_factor)
    check_file(request)
    stem = f"{request.model.stem}-{board.name}"
    with output_folder(request.output, stem, request.command, progress.warn) as folder:
        if trouble := history.trouble():
            progress.warn(f"{trouble}; the run goes on, and its result will be in {folder.path}")
        claim = Claim(request.command, request.wait_s)
        # What may fail for lack of a device, a network or a compiler fails before any training.
        with progress.stage("connect"), TRANSPORTS.get(board.transport.use)(board, device) as way:
            check_meters(energy, way)
            programs = needed_programs(way)
            check_free(way, programs, claim)
        begun_s = time.monotonic()
        compressed = compress_in_child(request, resolved_cpu(board.cpu), progress)
        took_s = time.monotonic() - begun_s
        variants = _write_variants(compressed, folder)
        transport = TRANSPORTS.get(board.transport.use)(board, device)
        with _work_kept(compressed, took_s), transport:
            meanwhile = _Meanwhile(
                lambda so_far: _outcome(request, compressed, variants, so_far, folder.path), folder
            )
            run, wrong = measure(
                transport,
                programs,
                compressed,
                variants,
                DeviceContext(progress, claim, energy, meanwhile),
            )
        with uninterrupted(), progress.stage("report"):
            with raw_kept(run):
                outcome = _outcome(request, compressed, variants, run, folder.path)
            if wrong:
                raise VerifyError(wrong + _recorded_as_wrong(outcome, wrong))
            _save(outcome, compressed, folder, progress)
    if run.broken:
        line = f"{run.broken}; what was measured before is in {shown(folder.path)}"
        if run.is_interrupted:
            raise KeyboardInterrupt(line)
        raise DeviceError(line)
    return outcome


class _Meanwhile:
    """Writes what is measured so far as a result, now and then, for a run that is killed."""

    def __init__(self, outcome: Callable[[RunResult], Outcome], folder: OutputFolder) -> None:
        """``outcome``: makes a result of it; ``folder``: takes it."""
        self._outcome, self._folder = outcome, folder
        self._next_s = time.monotonic() + KEPT_EVERY_S

    def __call__(self, run: RunResult) -> None:
        """Writes it, unless that was done a moment ago; what fails here costs no measurement."""
        from edgeprune.history.result_file import FILE_NAME, json_text

        begun_s = time.monotonic()
        if begun_s < self._next_s:
            return
        with contextlib.suppress(EdgepruneError):  # the result at the end says what is wrong
            self._folder.write(FILE_NAME, json_text(self._outcome(run).result))
        now_s = time.monotonic()
        self._next_s = now_s + max(KEPT_EVERY_S, _REST * (now_s - begun_s))


@contextlib.contextmanager
def _work_kept(compressed: Compressed, took_s: float) -> Iterator[None]:
    """Keeps the deployed file outside its folder where the device fails after long work on it."""
    from edgeprune.report.save import rescue

    try:
        yield
    except (DeviceError, KeyboardInterrupt) as error:
        if took_s >= WORTH_KEEPING_S:
            with uninterrupted(), contextlib.suppress(ConfigError):
                file = rescue("deployed.tflite", compressed.sparsified.tflite)
                said = f"{error}; " if str(error) else ""
                kept = f"{said}the compressed model is kept in {file}, not measured"
                error.args = (kept, *error.args[1:])
        raise


def _outcome(
    request: Request,
    compressed: Compressed,
    variants: list[Variant],
    run: RunResult,
    folder: Path,
) -> Outcome:
    """The result with its notes, not yet written."""
    from edgeprune.report.notes import board_notes, notes, rewrite_notes
    from edgeprune.report.result import build_result

    has_data = compressed.test_inputs is not None
    recipe_table = dataclasses.asdict(compressed.recipe)
    lines = notes(
        compressed.recipe,
        compressed.loaded,
        compressed.pruned,
        compressed.quantized,
        has_data=has_data,
    )
    board = load_board(request.board)
    lines += compressed.notes + rewrite_notes(compressed.rewritten) + board_notes(board)
    reasons = compressed.sparsified.reasons
    result = msgspec.structs.replace(
        build_result(
            compressed.loaded.source,
            board.name,
            recipe_table,
            run,
            variants,
            compressed.scores,
            folder,
        ),
        task=compressed.task_entry,
        notes=lines,
        reasons=reasons,
    )
    return Outcome(result, folder, lines, reasons, compressed.pruned.shares, run.measured)


def _recorded_as_wrong(outcome: Outcome, wrong: str) -> str:
    """Keeps a run with wrong outputs for its report alone; the files go with their folder."""
    from edgeprune import history
    from edgeprune.report.save import kept_elsewhere

    result = msgspec.structs.replace(outcome.result, notes=(wrong, *outcome.notes))
    try:
        number = history.record(result)
    except ConfigError as error:  # the wrong outputs are what must be said
        kept = kept_elsewhere(result, outcome.folder.name)
        return f"; the run was not recorded: {error}; {kept}"
    return f"; `edgeprune report {number}` shows the run"


def _save(outcome: Outcome, done: Compressed, folder: OutputFolder, progress: Progress) -> None:
    """Writes result, recipe and tables into the outcome's folder, and records the run."""
    from edgeprune.report.allocation import write_sensitivity
    from edgeprune.report.latencies import write_latencies
    from edgeprune.report.page import FILE_NAME, write_page_of
    from edgeprune.report.save import save
    from edgeprune.report.tensor_errors import FILE_NAME as TENSOR_ERRORS
    from edgeprune.report.tensor_errors import write_tensor_errors

    others: dict[str, Callable[[Path], None]] = {
        "recipe.toml": lambda file: recipe.write_recipe(done.recipe, file),
        "latencies.npz": lambda file: write_latencies(outcome.measured, file.parent),
        SENSITIVITY: lambda file: write_sensitivity(outcome.shares, file),
        TENSOR_ERRORS: lambda file: write_tensor_errors(done.tensor_errors, file),
        "report.txt": lambda file: write_whole(file, _report_text(outcome), replace=True),
        FILE_NAME: lambda file: write_page_of(outcome.result, file),
    }
    save(folder, outcome.result, others, progress.warn)


def _report_text(outcome: Outcome) -> str:
    from edgeprune.report.terminal import print_layers

    text = io.StringIO()
    console = Console(file=text, width=100)
    print_answer(outcome, console)
    print_outcome(outcome, console)
    print_layers(outcome.result, console)
    return text.getvalue()


def print_answer(outcome: Outcome, console: Console | None = None) -> None:
    """Prints an outcome in a few lines; on standard output if ``console`` is None."""
    from edgeprune.report.summary import print_summary

    where = shown(outcome.folder)
    files = "result.json, report.txt, report.html"
    print_summary(outcome.result, f"{where} ({files})", where, console)


def print_outcome(outcome: Outcome, console: Console | None = None) -> None:
    """Prints the tables of an outcome with its notes; on standard output if ``console`` is None."""
    from edgeprune.report.allocation import print_shares
    from edgeprune.report.terminal import print_report

    print_shares(outcome.shares, console)
    print_report(outcome.result, console, reasons=outcome.reasons, notes=outcome.notes)


@dataclass(frozen=True)
class Written:
    """What ``compress`` did.

    Attributes:
        done: The host half's work.
        parity: The comparison on what stood in for the board, or None.
        remark: Why there is no parity, or what it does not show; empty if there is nothing to say.
        effects: Before and after, with the dense network that was trained as long between them.
        file_bytes: Size of the file: of the container, where that is what was asked for.
    """

    done: Compressed
    parity: Parity | None
    remark: str
    effects: tuple[Effect, ...]
    file_bytes: int


def compress_to_file(request: Request, progress: Progress, *, compare: bool = True) -> Written:
    """The host half alone: writes ``request.output`` in one step.

    It is a ``.tflite`` file, or by its suffix a ``.epz`` container of one. What was measured of
    each layer, where anything was, is beside it, as ``<its name>.sensitivity.json``.

    Args:
        request: What the user asked for.
        progress: Shows what is going on.
        compare: Compare the outputs on what may stand in for the board.

    Raises:
        ConfigError: The file exists or cannot be written.
        ModelError: The model or the data cannot be treated as asked.
        VerifyError: The outputs are wrong on the board's kernels; nothing is written.
    """
    target = request.output
    if target is None:
        raise ConfigError("no file to write was named")
    if not target.name:
        raise ConfigError(f"{shown(target)}: is a folder; --output must name the file to write")
    if not target.parent.is_dir():
        raise ConfigError(f"{shown(target.parent)}: no such folder")
    look_at(request.model, request.board, request.data)
    table = sensitivity_file(target)
    if table is not None and table.exists():
        raise ConfigError(f"{shown(table)}: exists already; remove it, or choose another name")
    with Reserved(target) as reserved:
        written, content = _compressed(request, target, progress, compare=compare)
        with uninterrupted():
            try:
                reserved.write(content)
                interrupts.leaves(f"{shown(target)} is written")
            except ConfigError as error:  # the work is done, and may have taken hours
                from edgeprune.report.save import rescue

                file = rescue(target.name[-100:], content)
                raise ConfigError(f"{error}; what was made is in {file}") from error
            _write_table(written, table, progress)
    return written


def sensitivity_file(target: Path) -> Path | None:
    """Where what was measured of each layer goes; nowhere beside what is no file."""
    if is_stream(target):
        return None
    return target.with_name(f"{target.name}.{SENSITIVITY}")


def _write_table(written: Written, table: Path | None, progress: Progress) -> None:
    from edgeprune.report.allocation import write_sensitivity

    try:
        if table is not None:
            write_sensitivity(written.done.pruned.shares, table)
    except ConfigError as error:  # the model is there
        progress.warn(str(error))


def _compressed(
    request: Request, target: Path, progress: Progress, *, compare: bool
) -> tuple[Written, bytes]:
    """What ``compress`` did, and the file's content."""
    board = load_board(request.board)
    cpu = resolved_cpu(board.cpu)
    compressed = compress_in_child(request, cpu, progress)
    tflite, parity, remark = (
        compressed.sparsified.tflite,
        None,
        "outputs were not compared: --no-verify",
    )
    if compare:
        with progress.stage("verify"):

            def comparison() -> verify.Comparison:
                return comparison_of(target.name, tflite, compressed.quantized_dense, compressed)

            parity, remark = verify.verify_off_board(
                comparison, tflite, board, progress.say, host_outputs
            )
    effects = _effects(compressed, cpu)
    content = pack(tflite) if target.suffix == ".epz" else tflite
    return Written(compressed, parity, remark, effects, len(content)), content


def _effects(done: Compressed, cpu: Cpu) -> tuple[Effect, ...]:
    networks = [("dense", done.dense, done.dense, "dense")]
    if done.control is not None:
        networks.append(("dense-fine-tuned", done.control, done.control, "dense-fine-tuned"))
    networks.append(("compressed", done.compressed_float, done.sparsified.tflite, "deployed"))
    return tuple(
        effect(name, network, file, done.scores.get(score), cpu)
        for name, network, file, score in networks
    )


def float_tflite(
    path: Path,
    allow_code: bool,
    input_shape: tuple[int, ...] | None = None,
    board: str | None = None,
) -> bytes:
    """A model as TFLite: a ``.tflite`` file as it is, another one converted.

    Args:
        path: The model.
        allow_code: Load files that carry code.
        input_shape: As in :class:`Request`.
        board: Board whose runtime must be able to run it, or None.

    Raises:
        ModelError: It cannot be loaded or converted, or the board cannot run it.
    """
    return read_in_child(path, allow_code, input_shape, board)


def _write_variants(done: Compressed, folder: OutputFolder) -> list[Variant]:
    """Writes each variant's file; ``dense`` first, unless it is what is deployed anyway."""

    def variant(name: str, tflite: bytes, reference: bytes, **rest: Any) -> Variant:
        file = folder.write(f"{name}.tflite", tflite)
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
