"""The devices of a search: one a board, looked for before the search and used after it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeprune.artifacts.measurement import RunResult, Variant
from edgeprune.console.interrupts import uninterrupted
from edgeprune.devices.bench import choose_device, choose_meters, load_bench
from edgeprune.devices.boards import load_board
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.device_half import CommandHalf, DeviceContext, Work
from edgeprune.pipeline.firmware_half import FirmwareHalf
from edgeprune.pipeline.halves import half_for
from edgeprune.pipeline.outcome import Outcome, outcome_of, refused, save_outcome
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.variants import write_variants
from edgeprune.progress import Progress

if TYPE_CHECKING:
    from edgeprune.report.folder import OutputFolder

_DENSE, _DEPLOYED = "dense", "deployed"


@dataclass(frozen=True)
class Whole:
    """A network that was made in full.

    Attributes:
        name: One of a kind on its board.
        request: What made it; its output is the network's folder.
        compressed: What the host half made.
    """

    name: str
    request: Request
    compressed: Compressed


def connected(request: Request, progress: Progress) -> CommandHalf | FirmwareHalf:
    """Connects once to the device of a request's board.

    Raises:
        DeviceError: It is not there, or something that it needs is not.
        ConfigError: Something is named that there is not.
    """
    from edgeprune.measure import Claim, check_meter_name

    board = load_board(request.board)
    check_meter_name(request.meter)
    bench = load_bench(request.bench)
    try:
        device = choose_device(bench, board, request.host)
    except ConfigError as error:
        if request.host is not None:
            raise
        raise DeviceError(str(error)) from error
    energy = choose_meters(bench, board, device, request.meter, request.grid_factor)
    claim = Claim(request.command, request.wait_s)
    with progress.stage(f"connect {board.name}"):
        return half_for(board).ready(board, device, energy, claim)


def measured(wholes: Sequence[Whole], progress: Progress) -> list[Outcome]:
    """Measures networks of one board in turns, with the dense one among them.

    Each gets a folder as ``deploy`` writes it, with the dense network's figures in it.

    Args:
        wholes: At least one.
        progress: Shows what is going on.

    Raises:
        DeviceError: The device or the way to it failed.
        VerifyError: A network's outputs are wrong there.
        ConfigError: A folder cannot be written.
    """
    from edgeprune.measure import Claim

    first = wholes[0].request
    half = connected(first, progress)
    bench = load_bench(first.bench)
    energy = choose_meters(bench, half.board, half.device, first.meter, first.grid_factor)
    claim = Claim(first.command, first.wait_s)
    with ExitStack() as opened:
        folders = [opened.enter_context(_folder(one, progress)) for one in wholes]
        files = [
            write_variants(one.compressed, folder.write)
            for one, folder in zip(wholes, folders, strict=True)
        ]
        run, wrong = half.measure(_works(wholes, files), DeviceContext(progress, claim, energy))
        with uninterrupted(), progress.stage("report"):
            outcomes = _outcomes(wholes, files, folders, run)
            if wrong:
                raise refused(outcomes, wrong, records=True)
            outcomes = [
                save_outcome(outcome, one.compressed, folder, progress)
                for outcome, one, folder in zip(outcomes, wholes, folders, strict=True)
            ]
    if run.broken:
        raise KeyboardInterrupt(run.broken) if run.is_interrupted else DeviceError(run.broken)
    return outcomes


def _folder(one: Whole, progress: Progress) -> AbstractContextManager[OutputFolder]:
    from edgeprune.report.folder import output_folder

    output = one.request.output or Path(one.name)
    return output_folder(output, one.name, one.request.command, progress.warn)


def _works(wholes: Sequence[Whole], files: Sequence[Sequence[Variant]]) -> list[Work]:
    """What is measured: each network by its name, and the dense one once."""
    works, has_dense = [], False
    for one, variants in zip(wholes, files, strict=True):
        own = []
        for variant in variants:
            if variant.name == _DEPLOYED:
                own.append(dataclasses.replace(variant, name=_label(one)))
            elif variant.name == _DENSE and variant.measured and not has_dense:
                own.append(variant)
                has_dense = True
        works.append(Work(one.compressed, own))
    return works


def _label(one: Whole) -> str:
    """A network's name among the variants, of which none is called as the dense one is."""
    return f"network {one.name}"


def _outcomes(
    wholes: Sequence[Whole],
    files: Sequence[Sequence[Variant]],
    folders: Sequence[OutputFolder],
    run: RunResult,
) -> list[Outcome]:
    """Each network's own part of a run of all, as a run of it beside the dense one would be."""
    sitting, outcomes = uuid.uuid4().hex, []
    for one, variants, folder in zip(wholes, files, folders, strict=True):
        names = {_label(one): _DEPLOYED}
        if any(variant.name == _DENSE for variant in variants):
            names[_DENSE] = _DENSE
        own = [
            dataclasses.replace(item, variant=names[item.variant])
            for item in run.measured
            if item.variant in names
        ]
        timed = run.timed
        if timed is not None:
            order = tuple(names.get(name, name) for name in timed.order)
            timed = dataclasses.replace(timed, order=order)
        part = dataclasses.replace(run, measured=tuple(own), timed=timed)
        outcome = outcome_of(one.request, one.compressed, list(variants), part, folder.path)
        result = msgspec.structs.replace(outcome.result, sitting=sitting)
        outcomes.append(dataclasses.replace(outcome, result=result))
    return outcomes
