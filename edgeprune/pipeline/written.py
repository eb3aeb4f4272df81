"""The host half alone, whose file is written where the user wants it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from edgeprune import verify
from edgeprune.artifacts.measurement import Parity
from edgeprune.auto.effect import Effect, effect
from edgeprune.console import interrupts
from edgeprune.console.interrupts import uninterrupted
from edgeprune.devices.boards import MICROCONTROLLER, Board, Cpu, load_board, resolved_cpu
from edgeprune.errors import ConfigError
from edgeprune.files.whole_file import Reserved, is_stream, shown, write_whole
from edgeprune.firmware.planned import planned_on
from edgeprune.models.epz import pack
from edgeprune.models.tflm.encode import EncodedTensor, encoded
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.device_half import comparison_of
from edgeprune.pipeline.firmware_twin import compare_on_twin
from edgeprune.pipeline.jobs import compress_in_child, host_outputs
from edgeprune.pipeline.preflight import brings_kernels, check_kernels, check_limits, look_at
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress


@dataclass(frozen=True)
class Written:
    """What ``compress`` did.

    Attributes:
        done: The host half's work.
        parity: The comparison on what stood in for the board, or None.
        remark: Why there is no parity, or what it does not show; empty if there is nothing to say.
        effects: Before and after, with the dense network that was trained as long between them.
        file_bytes: Size of the file: of the container, where that is what was asked for.
        tflm: What was encoded for TensorFlow Lite Micro; None where that was not asked for.
    """

    done: Compressed
    parity: Parity | None
    remark: str
    effects: tuple[Effect, ...]
    file_bytes: int
    tflm: tuple[EncodedTensor, ...] | None = None


def compress_to_file(
    request: Request, progress: Progress, *, compare: bool = True, for_tflm: bool = False
) -> Written:
    """The host half alone: writes ``request.output`` in one step.

    It is a ``.tflite`` file, or by its suffix a ``.epz`` container of one. Where layers of it run
    in edgeprune's own kernels, a file that any runtime takes is beside it
    (:func:`portable_file`). What was measured of
    each layer, where anything was, is beside it, as ``<its name>.sensitivity.json``.

    Args:
        request: What the user asked for.
        progress: Shows what is going on.
        compare: Compare the outputs on what may stand in for the board.
        for_tflm: Store pruned weights as TensorFlow Lite Micro's DECODE reads them.

    Raises:
        ConfigError: The file exists or cannot be written; a limit means nothing on the board; for
            TensorFlow Lite Micro, the board is no microcontroller, or the file is to be a
            container.
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
    if for_tflm:
        _check_for_tflm(request.board, target)
    board = look_at(request.model, request.board, request.data)
    check_limits(request, board)
    check_kernels(request, board)
    table = sensitivity_file(target)
    if table is not None and table.exists():
        raise ConfigError(f"{shown(table)}: exists already; remove it, or choose another name")
    if is_stream(target):
        request = _without_choice(request)
    portable = portable_file(target) if may_be_own(request, board) else None
    if portable is not None and portable.exists():
        raise ConfigError(f"{shown(portable)}: exists already; remove it, or choose another name")
    with Reserved(target) as reserved:
        written, content = _compressed(
            request, target, progress, compare=compare, for_tflm=for_tflm
        )
        with uninterrupted():
            try:
                reserved.write(content)
                interrupts.leaves(f"{shown(target)} is written")
            except ConfigError as error:  # the work is done, and may have taken hours
                from edgeprune.report.save import rescue

                file = rescue(target.name[-100:], content)
                raise ConfigError(f"{error}; what was made is in {file}") from error
            _write_table(written, table, progress)
            if portable is not None and written.done.sparsified.own is not None:
                write_whole(portable, written.done.sparsified.tflite)
    return written


def portable_file(target: Path) -> Path | None:
    """Where the file without edgeprune's own kernels goes; nowhere beside what is no file."""
    return None if is_stream(target) else target.with_name(f"{target.stem}-portable.tflite")


def may_be_own(request: Request, board: Board) -> bool:
    """Whether layers may run in edgeprune's own kernels."""
    return request.recipe.sparsify.kernels != "runtime" and brings_kernels(board)


def _without_choice(request: Request) -> Request:
    """The same where ``auto`` leaves layers to the runtime: no second file can be beside it."""
    table = request.recipe.sparsify
    if table.kernels != "auto":
        return request
    sparsify = dataclasses.replace(table, kernels="runtime")
    return dataclasses.replace(
        request, recipe=dataclasses.replace(request.recipe, sparsify=sparsify)
    )


def _check_for_tflm(board: str, target: Path) -> None:
    if not load_board(board).cpu.is_microcontroller:
        raise ConfigError(
            f"--for tflm: TensorFlow Lite Micro runs on microcontrollers, and {board} is none: "
            "leave --board out, or name one of `edgeprune boards`"
        )
    if target.suffix == ".epz":
        raise ConfigError(
            "--for tflm: writes a .tflite file, and --output names a container (.epz)"
        )


def sensitivity_file(target: Path) -> Path | None:
    """Where what was measured of each layer goes; nowhere beside what is no file."""
    from edgeprune.report.allocation import SENSITIVITY

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
    request: Request, target: Path, progress: Progress, *, compare: bool, for_tflm: bool
) -> tuple[Written, bytes]:
    """What ``compress`` did, and the file's content."""
    board = load_board(request.board)
    cpu = resolved_cpu(board.cpu)
    compressed = compress_in_child(request, cpu, progress)
    tflite, parity, remark = (
        compressed.sparsified.deployed,
        None,
        "outputs were not compared: --no-verify",
    )
    if compare and board.kind == MICROCONTROLLER:
        parity, remark = compare_on_twin(compressed, board, progress)
    elif compare:
        with progress.stage("verify"):

            def comparison() -> verify.Comparison:
                return comparison_of(
                    target.name,
                    tflite,
                    compressed.quantized_dense,
                    compressed,
                    is_emulated=board.kind != "host",
                )

            parity, remark = verify.verify_off_board(
                comparison, tflite, board, progress.say, host_outputs
            )
    effects = _effects(compressed, cpu)
    if board.kind == MICROCONTROLLER:
        effects = tuple(_on_firmware(one, compressed, board) for one in effects)
    tensors = None
    content = pack(tflite) if target.suffix == ".epz" else tflite
    if for_tflm:
        made = encoded(tflite)
        content, tensors = made.tflite, made.tensors
    return Written(compressed, parity, remark, effects, len(content), tensors), content


def _on_firmware(effect: Effect, done: Compressed, board: Board) -> Effect:
    """The same with what firmware takes for the int8 network, as predicted."""
    files = {"dense": done.dense_int8, "compressed": done.sparsified.tflite}
    tflite = files.get(effect.name)
    instructions = None if tflite is None else float(planned_on(tflite, board).instructions)
    return dataclasses.replace(effect, instructions=instructions)


def _effects(done: Compressed, cpu: Cpu) -> tuple[Effect, ...]:
    networks = [("dense", done.dense, done.dense, "dense")]
    if done.control is not None:
        networks.append(("dense-fine-tuned", done.control, done.control, "dense-fine-tuned"))
    networks.append(("compressed", done.compressed_float, done.sparsified.tflite, "deployed"))
    effects = [
        effect(name, network, file, done.scores.get(score), cpu)
        for name, network, file, score in networks
    ]
    if (own := done.sparsified.own) is not None:  # whose kernels no cost model knows yet
        effects[-1] = dataclasses.replace(
            effects[-1], bytes=len(own.tflite), instructions=None, cycles=None
        )
    return tuple(effects)
