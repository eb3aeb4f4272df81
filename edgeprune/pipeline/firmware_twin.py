"""Comparing outputs for a microcontroller that is not at hand: on an emulated board."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgeprune.artifacts.measurement import Parity, Variant
from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.boards import MICROCONTROLLER, Board
from edgeprune.devices.device import Device
from edgeprune.errors import DeviceError, VerifyError
from edgeprune.firmware.board import isa_of_core
from edgeprune.models.tflite import graph
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.device_half import DeviceContext, Work
from edgeprune.pipeline.firmware_half import FirmwareHalf
from edgeprune.progress import Progress
from edgeprune.verify.off_board import emulated_boards


def firmware_twin(board: Board) -> Board | None:
    """The emulated microcontroller with the same core, else with one that runs its kernels."""
    found = [
        other
        for other in emulated_boards()
        if other.kind == MICROCONTROLLER and isa_of_core(other.cpu) == isa_of_core(board.cpu)
    ]
    return min(found, key=lambda other: other.cpu.core != board.cpu.core, default=None)


def compare_on_twin(
    compressed: Compressed, board: Board, progress: Progress
) -> tuple[Parity | None, str]:
    """Runs the file on an emulated board, whose outputs must equal the reference's bit for bit.

    Args:
        compressed: What was made; its test samples are the inputs.
        board: The board that it is for.
        progress: Shows what is going on.

    Returns:
        The parity and a remark on it that may be empty; or None and the reason in one line.

    Raises:
        VerifyError: The outputs are wrong.
        DeviceError: The emulated board started, and failed.
    """
    from edgeprune.measure import Claim

    twin = firmware_twin(board)
    reason = f"no emulated board runs the kernels of a {board.cpu.core}"
    half = None
    claim, no_energy = Claim("edgeprune compress", 0.0), EnergyPlan()
    if twin is not None:
        try:
            half = FirmwareHalf.ready(twin, Device(twin.name, twin.name), no_energy, claim)
        except DeviceError as error:
            reason = str(error)
    if half is None or twin is None:
        return None, (
            f"outputs were not compared on the board's kernels: {reason}; compare on the board "
            f"itself: edgeprune run FILE --board {board.name}"
        )
    tflite = compressed.sparsified.tflite
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        file = Path(folder) / "model.tflite"
        file.write_bytes(tflite)
        variant = Variant(
            "compressed",
            file,
            compressed.quantized_dense,
            graph.weight_sparsity(tflite),
            profiling_only=compressed.profiling_only,
        )
        found, wrong = half.measure([Work(compressed, [variant])], DeviceContext(progress, claim))
    if wrong:
        raise VerifyError(wrong)
    is_other = twin.cpu.core != board.cpu.core
    remark = f"its {twin.cpu.core} runs the same kernels as a {board.cpu.core}" if is_other else ""
    return found.measured[0].parity, remark
