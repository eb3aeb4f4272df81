"""One job in a process of its own: an assignment comes in, an ending goes out, both as JSON.

The process ends as soon as its input does, which is when its scheduler is gone: then the agents on
the device end too, since nobody speaks to them any more.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgeprune.errors import DeviceError, EdgepruneError, HostKeyError, ModelError, VerifyError
from edgeprune.farm.executor import Assignment, Ending, Run
from edgeprune.farm.job import ErrorKind, Kind

if TYPE_CHECKING:
    from edgeprune.history.result import Result, Variant

AS_IS = "as-is"
"""The recipe that changes nothing."""

EXIT_CODE_GONE = 4
"""The scheduler went away."""

_KINDS: tuple[tuple[type[EdgepruneError], ErrorKind], ...] = (
    (HostKeyError, ErrorKind.CONFIGURATION),
    (DeviceError, ErrorKind.INFRASTRUCTURE),
    (VerifyError, ErrorKind.TEST),
    (ModelError, ErrorKind.JOB),
    (EdgepruneError, ErrorKind.CONFIGURATION),
)
"""Which error is whose; the first that fits."""


class Order(msgspec.Struct, frozen=True):
    """What the scheduler sends.

    Attributes:
        assignment: The attempt.
        host: What ``--host`` must say to reach the device, or None.
        bench: Bench file, or None for the user's own.
        folder: Output folder to write.
    """

    assignment: Assignment
    host: str | None
    bench: str | None
    folder: str


def kind_of(error: EdgepruneError) -> ErrorKind:
    """Who must act on an error of ours."""
    return next(kind for of, kind in _KINDS if isinstance(error, of))


def ending_of(order: Order) -> Ending:
    """Runs a job; every failure of ours is an ending."""
    from edgeprune.pipeline.outcome import WrongOutputs
    from edgeprune.text.untrusted import one_line

    try:
        return _measured(order)
    except WrongOutputs as error:
        return Ending(_run_of(error.results[-1]), ErrorKind.TEST, one_line(error))
    except EdgepruneError as error:
        if is_disk_full(error):
            return of_host(one_line(error))
        return Ending(None, kind_of(error), one_line(error))
    except MemoryError:
        return of_host("this host has no memory left for it")
    except OSError as error:
        return of_host(one_line(error))


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error is, or comes from, a disk without room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def of_host(message: str) -> Ending:
    """The ending of an attempt that this host could not make."""
    return Ending(None, ErrorKind.INFRASTRUCTURE, message, warning=message, is_hosts=True)


SEARCH_SHARE = 0.5
"""Of a job's time, to search the best network where its recipe leaves that open. Source: ours."""


def _measured(order: Order) -> Ending:
    """The pipeline's run as a result for the history; its deployed file is kept.

    Raises:
        EdgepruneError: As of :func:`edgeprune.pipeline.deploy`; or the model has changed.
    """
    from edgeprune.farm.expand import recipe_with
    from edgeprune.farm.rerun import measured_again
    from edgeprune.load.digest import digest_of
    from edgeprune.pipeline import deploy
    from edgeprune.pipeline.preflight import check_model
    from edgeprune.pipeline.request import Request
    from edgeprune.progress import Progress
    from edgeprune.tasks import parse_limit

    job = order.assignment.job
    options: dict[str, Any] = dict(job.options)
    path = Path(job.model_path)
    is_again = job.kind is Kind.CONFIRM
    if not is_again:
        check_model(path)
        if digest_of(path) != job.model_sha256:
            raise ModelError(f"{path}: has changed since the night began: start the farm again")
    drop = options.get("max_accuracy_drop")
    searched_s = SEARCH_SHARE * job.time_budget_s
    request = Request(
        model=path,
        board=job.board,
        recipe=recipe_with(AS_IS if is_again else job.recipe, {} if is_again else options),
        data=options.get("data"),
        output=Path(order.folder),
        bench=None if order.bench is None else Path(order.bench),
        host=order.host,
        max_accuracy_drop=None if drop is None else parse_limit(drop),
        command="edgeprune farm",
        wait_s=order.assignment.timeout_s,
        epoch=order.assignment.lease.epoch,
        budget_s=searched_s,
    )
    if is_again:
        return measured_again(request, job)
    with Progress() as progress:
        outcome = deploy(request, progress)
    deployed = outcome.result.deployed
    trouble = outcome.unsaved or _kept(deployed, Path(order.folder))
    return Ending(_run_of(outcome.result), warning=trouble)


def _kept(deployed: Variant, folder: Path) -> str:
    """Keeps the deployed file for nights to come; why it could not be, or nothing."""
    from edgeprune.farm.kept import keep
    from edgeprune.history.result import known

    sha256 = known(deployed.sha256)
    return "" if sha256 is None else keep(folder / deployed.file, sha256)


def _run_of(result: Result) -> Run:
    """A result for the history; one with wrong outputs has no figures."""
    from edgeprune.history.figures import figures_of
    from edgeprune.history.result_file import json_text

    return Run(result.device.id, json_text(result), tuple(figures_of(result)))


def _end_with_input() -> None:
    """Waits for the end of standard input, and ends the process at once."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(EXIT_CODE_GONE)


def main() -> None:
    """Reads one line from standard input, and writes one to standard output."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints goes to the log
    threading.Thread(target=_end_with_input, daemon=True).start()
    answer.write(msgspec.json.encode(ending_of(order)) + b"\n")
    answer.flush()
    os._exit(0)  # nothing that a library left behind may keep the device waiting


if __name__ == "__main__":
    main()
