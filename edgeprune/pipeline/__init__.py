"""The whole of edgeprune on one page: each stage, in order.

load -> channels -> prune -> cluster -> qat -> convert -> rewrite -> quantize -> sparsify ->
verify -> push -> run -> report
"""

from __future__ import annotations

from dataclasses import replace

from edgeprune.console.interrupts import uninterrupted
from edgeprune.devices.bench import choose_device, choose_meters, load_bench
from edgeprune.devices.boards import resolved_cpu
from edgeprune.errors import DeviceError
from edgeprune.files.whole_file import shown
from edgeprune.pipeline.device_half import DeviceContext
from edgeprune.pipeline.halves import half_for
from edgeprune.pipeline.jobs import check_file
from edgeprune.pipeline.on_device import Deployment
from edgeprune.pipeline.outcome import Outcome, refused, save_outcome
from edgeprune.pipeline.preflight import check_kernels, check_limits, look_at
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.taken_back import not_slower
from edgeprune.progress import Progress


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
    check_kernels(request, board)
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
        deployment = Deployment(request, resolved_cpu(board.cpu), half, folder, claimed)
        found = not_slower(deployment.first(), deployment, progress)
        run, records = found.run, request.epoch is None
        with uninterrupted(), progress.stage("report"):
            with raw_kept(run):
                outcome = found.outcome(request, folder)
            if found.wrong:
                raise refused([outcome], found.wrong, records=records)
            outcome = save_outcome(outcome, found.compressed, folder, progress, records=records)
    if run.broken:
        line = f"{run.broken}; what was measured before is in {shown(folder.path)}"
        if run.is_interrupted:
            raise KeyboardInterrupt(line)
        raise DeviceError(line)
    return outcome
