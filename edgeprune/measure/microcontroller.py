"""Stage ``run`` on a microcontroller: pushes plans, runs them, and brings back what they took."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgeprune.agents.firmware.answers import FirmwareHello, ProfiledOp
from edgeprune.agents.firmware.session import (
    EMULATED_PATIENCE_S,
    PATIENCE_S,
    FirmwareSession,
)
from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.core_work import NoEstimate
from edgeprune.artifacts.measurement import (
    DeviceFacts,
    LayerTiming,
    Measured,
    RunResult,
    Session,
    Timed,
)
from edgeprune.console import interrupts
from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.boards import Board
from edgeprune.devices.transports.base import Firmware, LineTransport
from edgeprune.energy.net import Energy, NoEnergy
from edgeprune.errors import DeviceError
from edgeprune.firmware.encode import VERSION
from edgeprune.firmware.facts import Kernel, facts_of, kernel_of
from edgeprune.firmware.plan import Plan
from edgeprune.measure.microcontroller_energy import measure_energy
from edgeprune.measure.microcontroller_times import time_plans
from edgeprune.measure.stages import doing
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.layer_names import short_name
from edgeprune.prediction.cycles.microcontrollers import estimate_of, microcontroller_names
from edgeprune.progress import counted, each
from edgeprune.recipe.run_table import RunTable

REMOTE_EMULATION = (
    "the firmware says that its board is emulated: times on it mean nothing, and its instructions "
    "cannot be counted from here"
)
"""Why there are no figures from a board that is emulated at the other end of a serial port."""

COUNT_SOURCE = "QEMU system-mode plugin: from the first instruction of ep_run to its return"


@dataclass(frozen=True)
class PlannedVariant:
    """A variant, ready to be pushed.

    Attributes:
        name: The variant's.
        tflite: Its file.
        plan: What the firmware runs of it.
        samples: Inputs whose outputs are brought back.
    """

    name: str
    tflite: bytes
    plan: Plan
    samples: Samples


def run(
    transport: LineTransport,
    firmware: Firmware | None,
    variants: Sequence[PlannedVariant],
    table: RunTable,
    say: Callable[[str], None],
    energy: EnergyPlan | None = None,
) -> tuple[RunResult, dict[str, Samples]]:
    """Pushes and runs every variant, one after the other, and times them where that means anything.

    Args:
        transport: The open way to the device.
        firmware: What an emulated board runs; None for a real one.
        variants: ``dense`` first.
        table: How often and how long they are timed.
        say: Takes a line of progress.
        energy: What measures energy; None leaves it out.

    Returns:
        What was measured, without parity, and the outputs by variant; where the device failed or
        the user interrupted while times or energy were taken, what was there before
        (:attr:`RunResult.broken`).

    Raises:
        DeviceError: The device or the way to it failed before; the message says at what.
    """
    patience_s = EMULATED_PATIENCE_S if transport.emulated else PATIENCE_S

    def session() -> FirmwareSession:
        line = transport.line(firmware)
        return FirmwareSession(line, transport.where, patience_s, transport.device.epoch)

    measured: list[Measured] = []
    outputs = {}
    with session() as first, doing("asking the firmware what it runs on"):
        hello = first.hello()
        for variant in variants:
            check_firmware(hello, variant.plan, transport.board)
    for number, variant in enumerate(variants):
        say(f"{variant.name}: {len(variant.plan.data):,} bytes")
        counted(number, len(variants), f"{variant.name}: pushing")
        with session() as talk:
            item, outputs[variant.name] = _once(talk, variant, hello)
        measured.append(item)
    timed: Timed | None = None
    sessions: Mapping[str, tuple[Session, ...]] = {}
    energies: Mapping[str, Energy | NoEnergy] = {}
    cause, is_interrupted = "", False
    try:
        if hello.tick_hz:
            plans = {variant.name: variant.plan.data for variant in variants}
            with session() as talk:
                sessions, timed = time_plans(talk, plans, hello.tick_hz, table, say)
        energies = _energies(session, variants, hello, table, say, energy)
    except DeviceError as error:
        cause = str(error)
    except KeyboardInterrupt as interrupt:
        cause, is_interrupted = interrupts.line(interrupt), True
    interrupts.hold()
    left = (
        f"{'outputs, counts and times' if sessions else 'outputs and counts'} are kept"
        if cause
        else ""
    )
    is_remote = not (hello.tick_hz or transport.emulated)
    if transport.emulated:
        measured = [_with_cycles(one, transport.board.cpu.core) for one in measured]
    return RunResult(
        _facts(transport, hello),
        transport.emulated or is_remote,
        tuple(
            dataclasses.replace(
                one,
                sessions=sessions.get(one.variant, one.sessions),
                energy=energies.get(one.variant),
            )
            for one in measured
        ),
        (
            *((REMOTE_EMULATION,) if is_remote else ()),
            *((f"incomplete: {cause}; {left}",) if cause else ()),
        ),
        timed=timed,
        cause=cause,
        left=left,
        is_interrupted=is_interrupted,
    ), outputs


def _energies(
    session: Callable[[], FirmwareSession],
    variants: Sequence[PlannedVariant],
    hello: FirmwareHello,
    table: RunTable,
    say: Callable[[str], None],
    energy: EnergyPlan | None,
) -> Mapping[str, Energy | NoEnergy]:
    """Energy of every variant, or why it is not known."""
    if energy is None:
        return {}
    plans = {variant.name: variant.plan.data for variant in variants}
    if not hello.tick_hz:
        return dict.fromkeys(plans, NoEnergy(f"{hello.board} is emulated and draws no power"))
    with session() as talk:
        return measure_energy(talk, plans, hello.tick_hz, energy, table, say)


def _once(
    talk: FirmwareSession, variant: PlannedVariant, hello: FirmwareHello
) -> tuple[Measured, Samples]:
    """What one variant brings back but for its times."""
    talk.hello()
    with doing(f"pushing `{variant.name}`"):
        talk.store(variant.plan.data, _progress(variant.name))
        arena_bytes = talk.load(facts_of(variant.plan.data))
    with doing(f"running `{variant.name}`"):
        outputs = [talk.infer(sample) for sample in each(variant.samples, "input")]
        counts = talk.counts()
    with doing(f"profiling `{variant.name}`"):
        profile = talk.profile()
    return _measured(variant, arena_bytes, profile, counts, hello.tick_hz), outputs


def check_firmware(hello: FirmwareHello, plan: Plan, board: Board) -> None:
    """Holds firmware against the board and the plan that it is to run.

    Raises:
        DeviceError: It is another board's, or cannot run the plan.
    """
    facts = facts_of(plan.data)
    kernels = [kernel_of(kind, pattern, isa) for kind, pattern, isa, _ in facts.ops]
    lacking = sorted({kernel.isa for kernel in kernels if kernel} - set(hello.isas))
    wrong = ""
    if hello.board != board.agent.target:
        wrong = f"the firmware was built for {hello.board}, not for {board.agent.target}"
    elif hello.plan_version != VERSION:
        wrong = f"the firmware runs plans of version {hello.plan_version}, not {VERSION}"
    elif lacking:
        wrong = f"the firmware was built without {', '.join(lacking)} kernels"
    if wrong:
        raise DeviceError(f"{wrong}: flash it anew")
    for what, needed, there in (
        ("flash", len(plan.data), hello.slot_bytes),
        ("RAM", facts.arena_bytes, hello.arena_bytes),
    ):
        if needed > there:
            raise DeviceError(
                f"the plan takes {needed:,} bytes of {what}, and the firmware leaves {there:,}: "
                "use a smaller model, or firmware built with more room"
            )


def _progress(name: str) -> Callable[[int, int], None]:
    def told(done: int, all_: int) -> None:
        counted(done, all_, f"{name}: pushing")

    return told


def _facts(transport: LineTransport, hello: FirmwareHello) -> DeviceFacts:
    return DeviceFacts(
        id=transport.device.name,
        cpu=f"{hello.core} ({', '.join(hello.isas)})",
        os="no operating system",
        agent_version=hello.agent_version,
        runtime_version=f"edgeprune-firmware {hello.agent_version}, plans of version {VERSION}",
        cores=1,
        features=hello.isas,
    )


def _measured(
    variant: PlannedVariant,
    arena_bytes: int,
    profile: Sequence[ProfiledOp],
    counts: Sequence[Sequence[int]],
    tick_hz: int,
) -> Measured:
    runs = len(variant.samples)
    of_run = _means(counts, runs)
    return Measured(
        variant=variant.name,
        sessions=(),
        instructions=of_run[0] if of_run else None,
        instructions_source=f"{COUNT_SOURCE}, mean of {runs} inputs" if of_run else None,
        layers=_layers(variant.tflite, profile, of_run[1:], tick_hz),
        parity=None,
        peak_memory_bytes=arena_bytes,
        flash_bytes=len(variant.plan.data),
    )


def _with_cycles(measured: Measured, core: str) -> Measured:
    """What was counted on an emulated core with the cycles that it would take."""
    if measured.instructions is None:
        return measured
    found = estimate_of(measured.instructions, core)
    if found is None:
        known = ", ".join(microcontroller_names())
        reason = f"nothing is known of the cycles that {core} takes, as it is of {known}"
        return dataclasses.replace(measured, estimate=NoEstimate(reason))
    factor = found.cycles / measured.instructions
    layers = tuple(
        layer
        if layer.instructions is None
        else dataclasses.replace(layer, cycles=round(factor * layer.instructions))
        for layer in measured.layers
    )
    return dataclasses.replace(measured, estimate=found, layers=layers)


def _means(counts: Sequence[Sequence[int]], runs: int) -> list[int]:
    """Means over the last ``runs`` calls; empty where nothing was counted.

    Raises:
        DeviceError: A call is missing, or calls are not of equally many parts.
    """
    if not counts:
        return []
    last = counts[-runs:]
    if len(last) < runs or len({len(call) for call in last}) != 1:
        raise DeviceError(
            f"{len(counts)} inferences of {sorted({len(call) for call in counts})} parts were "
            f"counted, expected {runs} of one kind: `edgeprune doctor` checks the counter"
        )
    return [round(sum(parts) / runs) for parts in zip(*last, strict=True)]


def _layers(
    tflite: bytes,
    profile: Sequence[ProfiledOp],
    instructions: Sequence[int],
    tick_hz: int,
) -> tuple[LayerTiming, ...]:
    """Operations as the firmware tells them, under the names that the file has for them."""
    model = graph.view(tflite)
    subgraph = model.subgraphs[0]
    known = len(instructions) == len(profile)
    layers = []
    for number, op in enumerate(profile):
        kernel = _kernel(op)
        operator = subgraph.operators[op.layer]
        output = subgraph.tensors[int(operator.outputs[0])]
        layers.append(
            LayerTiming(
                name=short_name(graph.tensor_name(output)),
                op=graph.op_name(model, operator),
                kernel=kernel.name,
                sparse=kernel.is_sparse,
                latency_us=1e6 * op.ticks / tick_hz if tick_hz else None,
                instructions=instructions[number] if known else None,
            )
        )
    return tuple(layers)


def _kernel(op: ProfiledOp) -> Kernel:
    kernel = kernel_of(op.kind, op.pattern, op.isa)
    if kernel is None:
        raise DeviceError(f"the firmware ran a kernel that there is not: {op}")
    return kernel


__all__: Sequence[str] = ["COUNT_SOURCE", "PlannedVariant", "check_firmware", "run"]
