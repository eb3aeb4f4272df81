"""Several files on one device, timed in turns: what changed from the first to each other one.

Runs apart in time differ by more than their sessions show, since the device has changed meanwhile;
files that take turns meet the same device.
"""

from __future__ import annotations

import dataclasses
import itertools
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeprune.artifacts.measurement import RunResult
from edgeprune.console.interrupts import uninterrupted
from edgeprune.devices.bench import choose_device, choose_meters, load_bench
from edgeprune.devices.boards import Board, resolved_cpu
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.files.whole_file import shown
from edgeprune.history.result import Control, known
from edgeprune.pipeline.device_half import DeviceContext, Work
from edgeprune.pipeline.halves import half_for
from edgeprune.pipeline.jobs import check_file, compress_in_child
from edgeprune.pipeline.outcome import Outcome, outcome_of, refused, save_outcome
from edgeprune.pipeline.preflight import check_model, look_at
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.variants import write_variants
from edgeprune.progress import Progress

if TYPE_CHECKING:
    from edgeprune.report.folder import OutputFolder

_MEASURED = "deployed"
"""The variant of each file that is measured: the file as it is."""


@dataclass(frozen=True)
class _Side:
    """One file, with what becomes of it."""

    label: str
    request: Request
    folder: OutputFolder
    work: Work

    def outcome(self, run: RunResult) -> Outcome:
        """Its own part of a run of all, as a run of this file alone would be."""
        measured = [
            dataclasses.replace(item, variant=_MEASURED)
            for item in run.measured
            if item.variant == self.label
        ]
        timed = run.timed
        if timed is not None:
            order = tuple(_MEASURED if name == self.label else name for name in timed.order)
            timed = dataclasses.replace(timed, order=order)
        own = dataclasses.replace(run, measured=tuple(measured), timed=timed)
        variants = [dataclasses.replace(one, name=_MEASURED) for one in self.work.variants]
        compressed, path = self.work.compressed, self.folder.path
        return outcome_of(self.request, compressed, variants, own, path)


def run_side_by_side(
    requests: Sequence[Request], progress: Progress, control: Path | None = None
) -> list[Outcome]:
    """Measures files as they are, session by session in turns; each gets a result of its own.

    Args:
        requests: One a file, alike but for the model; of a named ``output``, each file's folder
            lies in it.
        progress: Shows what is going on.
        control: A file that is timed in turns with them and is no result of its own: each result
            holds its times, so that it can be compared with later ones beside the same file.

    Returns:
        The outcomes in the order of the requests; where they are several, their results share
        ``sitting``.

    Raises:
        EdgepruneError: As for :func:`edgeprune.pipeline.deploy`.
    """
    from edgeprune.measure import Claim, check_meter_name
    from edgeprune.report.save import raw_kept

    first = requests[0]
    for request in requests:
        board = look_at(request.model, request.board, request.data)
    check_meter_name(first.meter)
    bench = load_bench(first.bench)
    device = dataclasses.replace(choose_device(bench, board, first.host), epoch=first.epoch)
    energy = choose_meters(bench, board, device, first.meter, first.grid_factor)
    files = [*requests]
    if control is not None:
        _check_control(control, board)
        files.append(_control_request(first, control, len(requests)))
    for request in files:
        check_file(request)
    claim = Claim(first.command, first.wait_s)
    with ExitStack() as opened:
        folders = [opened.enter_context(one) for one in _folders(files, progress)]
        with progress.stage("connect"):
            half = half_for(board).ready(board, device, energy, claim)
        sides = [
            _side(label, request, folder, progress)
            for label, request, folder in zip(_labels(files), files, folders, strict=True)
        ]
        works = [side.work for side in sides]
        run, wrong = half.measure(works, DeviceContext(progress, claim, energy))
        with uninterrupted(), progress.stage("report"):
            with raw_kept(run):
                outcomes = _together([side.outcome(run) for side in sides], len(requests))
            if control is not None and known(outcomes[0].result.control) is None:
                progress.warn(f"{control}: no session of it is valid: the result has no control")
            if wrong:
                raise refused(outcomes, wrong, records=first.epoch is None)
            records = first.epoch is None
            outcomes = [
                save_outcome(outcome, side.work.compressed, side.folder, progress, records=records)
                for side, outcome in zip(sides[: len(requests)], outcomes, strict=True)
            ]
    if run.broken:
        where = " and ".join(shown(folder.path) for folder in folders)
        line = f"{run.broken}; what was measured before is in {where}"
        raise KeyboardInterrupt(line) if run.is_interrupted else DeviceError(line)
    return outcomes


def _side(label: str, request: Request, folder: OutputFolder, progress: Progress) -> _Side:
    cpu = resolved_cpu(look_at(request.model, request.board, request.data).cpu)
    compressed = compress_in_child(request, cpu, progress)
    files = [one for one in write_variants(compressed, folder.write) if one.name == _MEASURED]
    variants = [dataclasses.replace(one, name=label) for one in files]
    return _Side(label, request, folder, Work(compressed, variants))


def _check_control(control: Path, board: Board) -> None:
    """Checks what needs no device.

    Raises:
        ConfigError: It is no model that can run, or the board is not timed.
    """
    check_model(control)
    if TRANSPORTS.get(board.transport.use).emulated:
        raise ConfigError(
            f"{board.name} counts instructions, which do not change with its state: leave out "
            "--control"
        )


def _control_request(first: Request, control: Path, others: int) -> Request:
    """The control's, whose folder goes at the end."""
    output = first.output
    if output is not None and others == 1:
        output = output.with_name(f"{output.name}-control")
    return dataclasses.replace(first, model=control, data=None, output=output)


def _together(outcomes: Sequence[Outcome], count: int) -> list[Outcome]:
    """The first ``count`` outcomes, each of which says beside what it was measured."""
    together: dict[str, object] = {}
    if count > 1:
        together["sitting"] = uuid.uuid4().hex
    for control in outcomes[count:]:
        (timed,) = control.result.variants
        sessions_us = tuple(one.median_us for one in timed.processes if one.is_valid)
        sha256 = known(timed.sha256)
        if sessions_us and sha256 is not None:
            path = control.result.model.path
            together["control"] = Control(path=path, sha256=sha256, sessions_us=sessions_us)
    return [
        dataclasses.replace(one, result=msgspec.structs.replace(one.result, **together))
        for one in outcomes[:count]
    ]


def _folders(
    requests: Sequence[Request], progress: Progress
) -> Iterator[AbstractContextManager[OutputFolder]]:
    from edgeprune.report.folder import output_folder

    is_shared = len({request.output for request in requests}) == 1 < len(requests)
    for label, request in zip(_labels(requests), requests, strict=True):
        wanted = request.output
        if wanted is not None and is_shared:
            wanted /= label
        stem = f"{request.model.stem}-{Path(request.board).stem}"
        yield output_folder(wanted, stem, request.command, progress.warn)


def _labels(requests: Sequence[Request]) -> list[str]:
    """The files' names without suffixes, with numbers behind those that were there before.

    >>> from types import SimpleNamespace as Named
    >>> _labels([Named(model=Path(name)) for name in ("a/net.tflite", "b/net.tflite")])
    ['net', 'net-2']
    """
    labels: list[str] = []
    for request in requests:
        stem = request.model.stem
        names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        labels.append(next(name for name in names if name not in labels))
    return labels
