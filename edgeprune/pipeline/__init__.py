"""The whole of edgeprune on one page: each stage, in order.

load -> channels -> prune -> cluster -> qat -> convert -> rewrite -> quantize -> sparsify ->
verify -> push -> run -> report
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeprune.artifacts.measurement import RunResult
from edgeprune.console.interrupts import uninterrupted
from edgeprune.devices.bench import choose_device, choose_meters, load_bench
from edgeprune.devices.boards import resolved_cpu
from edgeprune.errors import ConfigError, DeviceError, EdgepruneError
from edgeprune.files.whole_file import shown
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.device_half import DeviceContext, Work
from edgeprune.pipeline.halves import half_for
from edgeprune.pipeline.jobs import check_file, compress_in_child
from edgeprune.pipeline.outcome import Outcome, outcome_of, refused, save_outcome
from edgeprune.pipeline.preflight import check_limits, look_at
from edgeprune.pipeline.request import Instead, Request
from edgeprune.pipeline.taken_back import OnDevice, not_slower
from edgeprune.pipeline.variants import write_variants
from edgeprune.progress import Progress

if TYPE_CHECKING:
    from edgeprune.devices.boards import Cpu
    from edgeprune.pipeline.device_half import CommandHalf
    from edgeprune.pipeline.firmware_half import FirmwareHalf
    from edgeprune.report.folder import OutputFolder

KEPT_EVERY_S = 10.0
"""How much measuring a run that is killed at once may lose. Source: ours; writing takes 0.1 s."""

_REST = 20
"""Times as long as a writing took none follows, where it took long: a twentieth at most. Ours."""

WORTH_KEEPING_S = 60.0
"""Work on a model that is not thrown away where its device fails afterwards. Source: ours."""


def deploy(request: Request, progress: Progress) -> Outcome:
    """The main job: compress, push, run, and report.

    Raises:
        EdgepruneError: See :mod:`edgeprune.errors`; nothing is left behind.
    """
    from edgeprune import history
    from edgeprune.measure import Claim, check_meter_name
    from edgeprune.report.folder import output_folder
    from edgeprune.report.save import raw_kept

    board = look_at(request.model, request.board, request.data)
    check_limits(request, board)
    check_meter_name(request.meter)
    bench = load_bench(request.bench)
    device = replace(choose_device(bench, board, request.host), epoch=request.epoch)
    energy = choose_meters(bench, board, device, request.meter, request.grid_factor)
    check_file(request)
    stem = f"{request.model.stem}-{board.name}"
    with output_folder(request.output, stem, request.command, progress.warn) as folder:
        if request.epoch is None and (trouble := history.trouble()):
            progress.warn(f"{trouble}; the run goes on, and its result will be in {folder.path}")
        claim = Claim(request.command, request.wait_s)
        # What may fail for lack of a device, a network or a compiler fails before any training.
        with progress.stage("connect"):
            half = half_for(board).ready(board, device, energy, claim)
        claimed = DeviceContext(progress, claim, energy)
        found = _on_device(request, resolved_cpu(board.cpu), half, folder, claimed)
        compressed, run, wrong = found.compressed, found.run, found.wrong
        with uninterrupted(), progress.stage("report"):
            with raw_kept(run):
                outcome = outcome_of(request, compressed, found.variants, run, folder.path)
            if wrong:
                raise refused([outcome], wrong, records=request.epoch is None)
            records = request.epoch is None
            outcome = save_outcome(outcome, compressed, folder, progress, records=records)
    if run.broken:
        line = f"{run.broken}; what was measured before is in {shown(folder.path)}"
        if run.is_interrupted:
            raise KeyboardInterrupt(line)
        raise DeviceError(line)
    return outcome


def _on_device(
    request: Request,
    cpu: Cpu,
    half: CommandHalf | FirmwareHalf,
    folder: OutputFolder,
    context: DeviceContext,
) -> OnDevice:
    """Makes what is to be deployed, and measures it."""
    progress, begun_s = context.progress, time.monotonic()
    compressed = compress_in_child(request, cpu, progress)
    took_s = time.monotonic() - begun_s

    def measured(made: Compressed) -> OnDevice:
        variants = write_variants(made, folder)
        meanwhile = _Meanwhile(
            lambda so_far: outcome_of(request, made, variants, so_far, folder.path), folder
        )
        # Half a run of the farm is none: its job is run again.
        keep = meanwhile if request.epoch is None else None
        with _work_kept(made, took_s):
            run, wrong = half.measure([Work(made, variants)], replace(context, keep=keep))
        return OnDevice(made, variants, run, wrong)

    def made_again(instead: Instead) -> Compressed:
        made = compress_in_child(replace(request, instead=instead), cpu, progress)
        folder.clear()
        return made

    return not_slower(measured(compressed), made_again, measured, progress)


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
