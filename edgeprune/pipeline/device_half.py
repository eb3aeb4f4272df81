"""The device half of edgeprune, on devices that run commands: verify -> push -> run."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeprune import verify
from edgeprune.agents import runtime
from edgeprune.agents.interface import interface_of
from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.measurement import TAKEN, RunResult, Variant
from edgeprune.console import interrupts
from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.boards import Board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import CommandTransport, command_transport
from edgeprune.errors import DeviceError
from edgeprune.files.paths import real_path
from edgeprune.models.tflite import graph
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.jobs import host_outputs, host_outputs_with_rounding
from edgeprune.progress import Progress
from edgeprune.recipe.run_table import RunTable

if TYPE_CHECKING:
    from edgeprune.measure import Claim, DeviceFiles, KeptRun


@dataclass(frozen=True)
class DeviceContext:
    """What the stages on the device are given beside the models.

    Attributes:
        progress: Shows what is going on.
        claim: For what the device is held, and how long to wait for it.
        energy: What measures energy; None leaves it out.
        keep: Takes what there is after each session, once every variant has one; or None.
    """

    progress: Progress
    claim: Claim
    energy: EnergyPlan | None = None
    keep: Callable[[RunResult], None] | None = None


@dataclass(frozen=True)
class Work:
    """A model's files for the device; those of several works are measured in turns.

    Attributes:
        compressed: What the host half made.
        variants: Its files; their names are different in all works.
    """

    compressed: Compressed
    variants: Sequence[Variant]

    @property
    def measured(self) -> list[Variant]:
        """The variants that are run, and not only scored."""
        return [variant for variant in self.variants if variant.measured]


@dataclass(frozen=True)
class CommandHalf:
    """The half for one device, which answered, and for which all is there that it is to run.

    Attributes:
        board: What it is.
        device: Which it is.
        programs: The agent and the runtime, on this machine.
    """

    board: Board
    device: Device
    programs: tuple[Path, runtime.RuntimeLibrary]

    @classmethod
    def ready(cls, board: Board, device: Device, energy: EnergyPlan, claim: Claim) -> CommandHalf:
        """Connects once: what may fail fails before any training.

        Raises:
            DeviceError: The device, a program for it, or a meter is not there, or it is in use.
            ConfigError: Something is named that there is not.
        """
        from edgeprune.measure import check_meters
        from edgeprune.push.programs import needed_programs

        with command_transport(board, device) as way:
            check_meters(energy, way)
            programs = needed_programs(way)
            check_free(way, programs, claim)
        return cls(board, device, programs)

    def measure(self, works: Sequence[Work], context: DeviceContext) -> tuple[RunResult, str]:
        """As :func:`measure`."""
        with command_transport(self.board, self.device) as transport:
            return measure(transport, self.programs, works, context)


def measure(
    transport: CommandTransport,
    programs: tuple[Path, runtime.RuntimeLibrary],
    works: Sequence[Work],
    context: DeviceContext,
) -> tuple[RunResult, str]:
    """The device half: verify, push, run, with the device to ourselves from the models on.

    Args:
        transport: The open way to the device.
        programs: The agent and the runtime, on this machine.
        works: What to measure, at least one; timed as the first one's recipe says.
        context: What the stages are given beside it.

    Returns:
        What was measured, as far as it goes (:attr:`RunResult.broken`), and what is wrong with a
        variant's outputs; empty if all are right or were not compared.

    Raises:
        DeviceError: The device or the way to it failed.
        VerifyError: The reference computes no numbers, so that nothing can be compared.
    """
    from edgeprune.measure import DeviceFiles, DeviceLock
    from edgeprune.push import clear_leftovers
    from edgeprune.push.packed import push_models
    from edgeprune.push.programs import push_programs

    agent, library = programs
    progress = context.progress
    measured = [(work.compressed, variant) for work in works for variant in work.measured]
    names = [variant.name for _, variant in measured]
    xnnpack = transport.board.runtime.has_xnnpack
    with progress.stage("verify"):
        wanted = {
            variant.name: comparison_of(
                variant.name,
                graph.opened(variant.file.read_bytes()),
                variant.reference,
                compressed,
                xnnpack,
                is_emulated=transport.board.kind == "emulated",
            )
            for compressed, variant in measured
        }
    with ExitStack() as held:
        with progress.stage("push"):
            agent_path, runtime_path = push_programs(transport, agent, library.path)
            held.enter_context(DeviceLock(transport, agent_path, context.claim, progress))
            clear_leftovers(transport)
            files = [variant.file for _, variant in measured]
            models = push_models(transport, agent_path, files, progress.say)
        pushed = DeviceFiles(
            agent=agent_path,
            runtime=runtime_path,
            runtime_version=library.label,
            models={name: item.path for name, item in zip(names, models, strict=True)},
            cpus=transport.device.cpus,
            packed_bytes={
                name: item.packed_bytes
                for name, item in zip(names, models, strict=True)
                if item.packed_bytes is not None
            },
        )
        return _measured(transport, pushed, works[0].compressed.recipe.run, wanted, context)


def check_free(
    transport: CommandTransport, programs: tuple[Path, runtime.RuntimeLibrary], claim: Claim
) -> None:
    """Where the user will not wait: that the device is free now, before any other work.

    A device that the agent was not pushed to yet is not asked.

    Raises:
        DeviceError: Another run uses it, or the way to it failed.
    """
    from edgeprune.measure import DeviceLock
    from edgeprune.push import find

    if claim.wait_s or transport.board.kind == "android":  # where the agent needs its launcher
        return
    agent, is_there = str(real_path(programs[0])), True
    if not transport.shares_files:
        found, is_there = find(transport, programs[0])
        agent = found.path
    if is_there:
        with Progress() as silent, DeviceLock(transport, agent, claim, silent):
            pass


def _measured(
    transport: CommandTransport,
    pushed: DeviceFiles,
    table: RunTable,
    wanted: Mapping[str, verify.Comparison],
    context: DeviceContext,
) -> tuple[RunResult, str]:
    """Runs what lies on the device, and compares its outputs."""
    from edgeprune.measure import RunPlan, run, runs_before
    from edgeprune.measure.stages import doing
    from edgeprune.report.save import raw_kept

    samples = {name: comparison.samples for name, comparison in wanted.items()}
    originals = {name: comparison.file for name, comparison in wanted.items()}
    progress = context.progress
    before = runs_before(transport, pushed, table, originals)
    plan = RunPlan(table, samples, originals, progress.say, context.energy, context.keep, before)
    with progress.stage("run"):
        found, outputs = run(transport, pushed, plan)
    if found.broken:
        return found, ""

    def infer(tflite: bytes, inputs: Samples) -> Samples:
        return infer_once(transport, pushed.agent, pushed.runtime, tflite, inputs)

    comparisons = list(wanted.values())
    with progress.stage("verify"), raw_kept(found):
        try:
            with doing("comparing outputs"), interrupts.interruptible():
                compared, wrong = verify.with_parity(
                    found, comparisons, outputs, infer, host_outputs
                )
                return _kept(compared, before, samples, outputs), wrong
        except DeviceError as error:
            return _ended_early(found, str(error)), ""
        except KeyboardInterrupt as interrupt:
            early = _ended_early(found, interrupts.line(interrupt))
            return dataclasses.replace(early, is_interrupted=True), ""


def _kept(
    run: RunResult,
    before: Mapping[str, KeptRun],
    samples: Mapping[str, Samples],
    outputs: Mapping[str, Samples],
) -> RunResult:
    """Keeps outputs that are right, and says of those from an earlier run that they are.

    Wrong ones are never kept, and those that were go: the next run computes them anew.
    """
    measured = []
    for item in run.measured:
        kept, parity = before.get(item.variant), item.parity
        if kept is not None and parity is not None:
            if not parity.passed:
                kept.forget_outputs(samples[item.variant])
            elif "outputs" not in kept.taken:
                kept.keep_outputs(samples[item.variant], outputs[item.variant])
            if "outputs" in kept.taken:
                parity = dataclasses.replace(parity, where=f"{parity.where}, {TAKEN}")
        measured.append(dataclasses.replace(item, parity=parity))
    return dataclasses.replace(run, measured=tuple(measured))


def _ended_early(run: RunResult, why: str) -> RunResult:
    """What was measured, whose outputs were not all compared."""
    broken = dataclasses.replace(run, cause=why, left="what was timed and counted is kept")
    return dataclasses.replace(broken, reasons=(*run.reasons, f"incomplete: {broken.broken}"))


def comparison_of(
    name: str,
    tflite: bytes,
    reference: bytes,
    compressed: Compressed,
    xnnpack: bool = True,
    *,
    is_emulated: bool,
) -> verify.Comparison:
    """What a variant's outputs must be.

    Args:
        name: Of the variant.
        tflite: Its file.
        reference: The same network with its weights stored dense.
        compressed: What it came of.
        xnnpack: Whether the board runs XNNPACK.
        is_emulated: Whether an emulator computes the outputs.
    """
    asked = compressed.recipe.verify.samples
    count = verify.compared(asked, reference if is_emulated else None)
    samples = verify.sample_inputs(reference, compressed.test_inputs, count)
    host = host_outputs_with_rounding(reference, samples, xnnpack)
    return verify.Comparison(name, tflite, reference, samples, host.outputs, host.rounding, xnnpack)


def infer_once(
    transport: CommandTransport, agent: str, library: str, tflite: bytes, inputs: Samples
) -> Samples:
    """Outputs of a file that is on the device for this alone."""
    from edgeprune.push import push

    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        file = Path(folder) / "probe.tflite"
        file.write_bytes(tflite)
        path = push(transport, [file])[0].path
        try:
            expected = interface_of(tflite)
            return verify.board_outputs(transport, agent, library, path, inputs, expected=expected)
        finally:
            if not transport.shares_files:  # else it lies in the folder that goes
                remove = 'rm -f "$1"; rmdir "${1%/*}"'
                with suppress(DeviceError):  # it would hide what went wrong
                    transport.run(["sh", "-c", remove, "sh", path], timeout_s=30.0)
