"""What a deployment brought: made into a result, written, recorded and printed."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from edgeprune import recipe
from edgeprune.artifacts.measurement import Measured, RunResult, Variant
from edgeprune.artifacts.pruned import LayerShare
from edgeprune.devices.boards import load_board
from edgeprune.errors import ConfigError, VerifyError
from edgeprune.files.whole_file import shown, write_whole
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress

if TYPE_CHECKING:
    from edgeprune.history.result import Result
    from edgeprune.report.folder import OutputFolder


NEEDS_KERNELS = (
    "{} needs edgeprune's agent, or in apps the library of `edgeprune kernels`; {} runs anywhere"
)
"""What a user has to know of two files, of which one has layers in edgeprune's own kernels."""


@dataclass(frozen=True)
class Outcome:
    """What ``deploy`` did.

    Attributes:
        result: As in ``result.json``.
        folder: Where everything was written.
        notes: Lines that the tables do not say.
        reasons: Why layers do not run sparse.
        shares: What each layer got of the sparsity; empty where all got the same.
        measured: Where ``result`` comes from.
        unsaved: Why nothing is in ``folder``, of a run whose result its caller keeps; else empty.
    """

    result: Result
    folder: Path
    notes: tuple[str, ...]
    reasons: tuple[str, ...]
    shares: tuple[LayerShare, ...] = ()
    measured: tuple[Measured, ...] = ()
    unsaved: str = ""


class WrongOutputs(VerifyError):
    """What a device computed is wrong.

    Attributes:
        results: Of each file that was measured, marked ``invalid``; who asked for the run keeps
            them. Empty where they are in the history.
    """

    def __init__(self, message: str, results: Sequence[Result] = ()) -> None:
        """``message``: which layer is at fault; ``results``: as above."""
        super().__init__(message)
        self.results = tuple(results)


def outcome_of(
    request: Request,
    compressed: Compressed,
    variants: list[Variant],
    run: RunResult,
    folder: Path,
) -> Outcome:
    """The result with its notes, not yet written."""
    from edgeprune.report.notes import board_notes, notes, rewrite_notes
    from edgeprune.report.result import build_result

    has_data = compressed.test_inputs is not None
    lines = notes(
        compressed.recipe,
        compressed.loaded,
        compressed.pruned,
        compressed.quantized,
        has_data=has_data,
    )
    board = load_board(request.board)
    lines += compressed.notes + rewrite_notes(compressed.rewritten) + board_notes(board)
    reasons = compressed.sparsified.reasons
    result = msgspec.structs.replace(
        build_result(
            compressed.loaded.source,
            board.name,
            recipe.recipe_table(compressed.recipe),
            run,
            variants,
            compressed.scores,
            folder,
        ),
        task=compressed.task_entry,
        notes=lines,
        reasons=reasons,
    )
    return Outcome(result, folder, lines, reasons, compressed.pruned.shares, run.measured)


def refused(outcomes: Sequence[Outcome], wrong: str, *, records: bool) -> WrongOutputs:
    """The error that ends a run with wrong outputs; the files go with their folder.

    Args:
        outcomes: Of each file that was measured.
        wrong: Which layer is at fault.
        records: Keep those at fault in the history, for their reports alone; else the error has
            all of them.
    """
    if records:
        at_fault = [one for one in outcomes if one.result.validity.verdict == "invalid"]
        return WrongOutputs(wrong + "".join(_recorded_as_wrong(one, wrong) for one in at_fault))
    return WrongOutputs(wrong, [_with_note(one, wrong) for one in outcomes])


def _with_note(outcome: Outcome, wrong: str) -> Result:
    return msgspec.structs.replace(outcome.result, notes=(wrong, *outcome.notes))


def _recorded_as_wrong(outcome: Outcome, wrong: str) -> str:
    """Puts a run with wrong outputs into the history; says where."""
    from edgeprune import history
    from edgeprune.report.save import kept_elsewhere

    result = _with_note(outcome, wrong)
    try:
        number = history.record(result)
    except ConfigError as error:  # the wrong outputs are what must be said
        kept = kept_elsewhere(result, outcome.folder.name)
        return f"; the run was not recorded: {error}; {kept}"
    return f"; `edgeprune report {number}` shows the run"


def save_outcome(
    outcome: Outcome,
    done: Compressed,
    folder: OutputFolder,
    progress: Progress,
    *,
    records: bool = True,
) -> Outcome:
    """Writes result, recipe and tables into the outcome's folder, and records the run.

    Args:
        outcome: The run's.
        done: What was compressed.
        folder: Where to.
        progress: Takes warnings.
        records: False leaves recording it to who asked for the run, and who has the result even
            where the folder does not take it.

    Returns:
        The outcome, with what became of the folder.
    """
    from edgeprune.report.allocation import SENSITIVITY, write_sensitivity
    from edgeprune.report.latencies import write_latencies
    from edgeprune.report.page import FILE_NAME, write_page_of
    from edgeprune.report.save import save
    from edgeprune.report.tensor_errors import FILE_NAME as TENSOR_ERRORS
    from edgeprune.report.tensor_errors import write_tensor_errors

    others: dict[str, Callable[[Path], None]] = {
        "recipe.toml": lambda file: recipe.write_recipe(done.recipe, file),
        "latencies.npz": lambda file: write_latencies(outcome.measured, file.parent),
        SENSITIVITY: lambda file: write_sensitivity(outcome.shares, file),
        TENSOR_ERRORS: lambda file: write_tensor_errors(done.tensor_errors, file),
        "report.txt": lambda file: write_whole(file, _report_text(outcome), replace=True),
        FILE_NAME: lambda file: write_page_of(outcome.result, file),
    }
    try:
        save(folder, outcome.result, others, progress.warn, records=records)
    except ConfigError as error:
        if records:
            raise
        return dataclasses.replace(outcome, unsaved=str(error))
    return outcome


def _report_text(outcome: Outcome) -> str:
    from edgeprune.report.terminal import print_layers

    text = io.StringIO()
    console = Console(file=text, width=100)
    print_answer(outcome, console)
    print_outcome(outcome, console)
    print_layers(outcome.result, console)
    return text.getvalue()


def print_answer(outcome: Outcome, console: Console | None = None) -> None:
    """Prints an outcome in a few lines; on standard output if ``console`` is None."""
    from edgeprune.report.summary import print_summary
    from edgeprune.report.treatment import own_layers

    where = shown(outcome.folder)
    saved = f"{where} (result.json, report.txt, report.html)"
    if own_layers(outcome.result.deployed):
        saved += f"; {NEEDS_KERNELS.format('deployed.tflite', 'deployed-portable.tflite')}"
    print_summary(outcome.result, saved, where, console)


def print_outcome(outcome: Outcome, console: Console | None = None) -> None:
    """Prints the tables of an outcome with its notes; on standard output if ``console`` is None."""
    from edgeprune.report.allocation import print_shares
    from edgeprune.report.terminal import print_report

    print_shares(outcome.shares, console)
    print_report(outcome.result, console, reasons=outcome.reasons, notes=outcome.notes)
