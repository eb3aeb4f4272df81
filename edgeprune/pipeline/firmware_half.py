"""The device half of edgeprune, on microcontrollers: plan -> verify -> push -> run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeprune import verify
from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.measurement import RunResult
from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.boards import Board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import Firmware, line_transport
from edgeprune.firmware.board import plan_for
from edgeprune.firmware.build import built
from edgeprune.firmware.ends import as_given, as_stored, conversions
from edgeprune.models.tflite import graph
from edgeprune.pipeline.device_half import DeviceContext, Work
from edgeprune.pipeline.jobs import exact_outputs
from edgeprune.progress import Progress

if TYPE_CHECKING:
    from edgeprune.measure import Claim

COUNTED, PARTS = "ep_run", r"ep_\w+__(scalar|dsp|mve)"
"""The function that runs a network, and its kernels (``firmware/src/engine.c``)."""


@dataclass(frozen=True)
class FirmwareHalf:
    """The half for one microcontroller, and what it is to run.

    Attributes:
        board: What it is.
        device: Which it is.
        firmware: What an emulated board runs; None for a real one.
    """

    board: Board
    device: Device
    firmware: Firmware | None

    @classmethod
    def ready(cls, board: Board, device: Device, energy: EnergyPlan, claim: Claim) -> FirmwareHalf:
        """Looks for what may be missing, before any training.

        Raises:
            DeviceError: The way to the device, or its firmware, is not there, or it is in use.
            ConfigError: The board is none with firmware, or a meter is named that there is not.
        """
        from edgeprune.measure import LineLock, check_meters

        check_meters(energy, None)
        with line_transport(board, device) as way:
            if not claim.wait_s:
                with LineLock(way, claim, Progress()):
                    pass
            firmware = Firmware(built(board.agent.target), COUNTED, PARTS) if way.emulated else None
        return cls(board, device, firmware)

    def measure(self, works: Sequence[Work], context: DeviceContext) -> tuple[RunResult, str]:
        """Makes plans, pushes and runs them, and compares every bit of their outputs.

        Returns:
            What was measured, and what is wrong with a variant's outputs; empty if all are right.

        Raises:
            ModelError: The firmware cannot run a variant; nothing was pushed.
            DeviceError: The device or the way to it failed.
        """
        from edgeprune.measure import LineLock
        from edgeprune.measure.microcontroller import PlannedVariant, run

        progress = context.progress
        recipe = works[0].compressed.recipe
        planned, expected = [], {}
        with progress.stage("verify"):
            for work in works:
                inputs = work.compressed.test_inputs
                for variant in work.measured:
                    tflite = graph.opened(variant.file.read_bytes())
                    plan = plan_for(tflite, self.board)
                    samples = verify.sample_inputs(
                        tflite, inputs, verify.compared(recipe.verify.samples)
                    )
                    stored = [as_stored(graph.view(tflite), sample) for sample in samples]
                    planned.append(PlannedVariant(variant.name, tflite, plan, stored))
                    expected[variant.name] = exact_outputs(tflite, samples)
            for line in _converted(one.tflite for one in planned):
                progress.note(line)
        with (
            line_transport(self.board, self.device) as transport,
            progress.stage("run"),
            LineLock(transport, context.claim, progress),
        ):
            found, outputs = run(
                transport, self.firmware, planned, recipe.run, progress.say, context.energy
            )
        with progress.stage("verify"):
            files = {one.name: one.tflite for one in planned}
            return _with_parity(found, files, expected, outputs)


def _converted(files: Iterable[bytes]) -> list[str]:
    """What the host converts at the ends of files, each line once."""
    lines = (conversions(graph.view(tflite)) for tflite in files)
    return list(dict.fromkeys(line for line in lines if line is not None))


def _with_parity(
    found: RunResult,
    files: Mapping[str, bytes],
    expected: Mapping[str, Samples],
    outputs: Mapping[str, Samples],
) -> tuple[RunResult, str]:
    """The run with each variant's parity, and what is wrong with one's outputs, or nothing."""
    where = f"{found.device.id}, {found.device.runtime_version}"
    measured, wrong = [], ""
    for item in found.measured:
        name = item.variant
        model = graph.view(files[name])
        given = [as_given(model, sample) for sample in outputs[name]]
        parity = verify.exact_parity(files[name], expected[name], given, where)
        if not (parity.passed or wrong):
            wrong = (
                f"{name}: outputs on {where} differ from {parity.reference} by "
                f"{parity.max_abs_diff:.3g}, and must be equal; nothing was written"
            )
        measured.append(dataclasses.replace(item, parity=parity))
    return dataclasses.replace(found, measured=tuple(measured)), wrong
