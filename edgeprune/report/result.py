"""What a run left behind, as :class:`edgeprune.history.result.Result` of the stages' artefacts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edgeprune.agents.pinned import sha256_of
from edgeprune.artifacts.measurement import Accuracy, Measured, RunResult, Variant
from edgeprune.artifacts.model import ModelFile
from edgeprune.energy.net import Energy, NoEnergy
from edgeprune.errors import ConfigError
from edgeprune.files.paths import real_path
from edgeprune.history import result as stored
from edgeprune.history.result import UNSET, Result
from edgeprune.history.result_fault import fault_line
from edgeprune.history.result_file import FILE_NAME, parse_result, plain
from edgeprune.report import statistics
from edgeprune.report.energy import stored_energy
from edgeprune.report.estimated import missing_estimate, stored_estimate
from edgeprune.report.start import stored_start
from edgeprune.report.stored_parts import plain_values, stored_part
from edgeprune.report.validity import validity_of
from edgeprune.tasks import Task
from edgeprune.version import __version__


def build_result(
    model: ModelFile,
    board: str,
    recipe: Mapping[str, object],
    run: RunResult,
    variants: Sequence[Variant],
    accuracy: Mapping[str, Accuracy],
    folder: Path,
) -> Result:
    """Gathers what was measured into what is written as ``result.json``.

    Args:
        model: The user's model; its path is kept as given.
        board: The board's name.
        recipe: The recipe in force, as plain tables.
        run: What the device brought back.
        variants: All variants, measured or only scored; ``dense`` first, then ``deployed``.
        accuracy: Scores by variant's name; a variant without one gets null.
        folder: Where the result goes; variants' files are named relative to it.

    Returns:
        A valid result, with neither task, notes nor reasons yet.

    Raises:
        ConfigError: A variant's file is missing, or a value does not fit the format.
        DeviceError: A timing or a count is impossible, as a run that took no time.
    """
    try:
        return _checked(_built(model, board, recipe, run, variants, accuracy, folder))
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigError(f"{FILE_NAME}: {fault_line(str(error))}") from error


def _checked(result: Result) -> Result:
    """The result with every value held against the format, for what is put together is not yet."""
    return parse_result(plain_values(plain(result)))


def _built(
    model: ModelFile,
    board: str,
    recipe: Mapping[str, object],
    run: RunResult,
    variants: Sequence[Variant],
    accuracy: Mapping[str, Accuracy],
    folder: Path,
) -> Result:
    measured = {item.variant: item for item in run.measured}
    compared = compared_in(run)
    return Result(
        schema=1,
        made=stored.Made(
            time_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            edgeprune_version=__version__,
        ),
        model=stored_part(stored.Model, model),
        board=board,
        device=stored_part(stored.Device, run.device),
        pinning=stored_part(stored.Pinning, run.pinning) if run.pinning else UNSET,
        recipe=plain_values(recipe),
        variants=tuple(
            _variant(item, measured.get(item.name), accuracy.get(item.name), run.emulated, folder)
            for item in variants
        ),
        comparison=stored_part(stored.Comparison, compared),
        validity=validity_of(run),
        timed=stored_part(stored.Timed, run.timed) if run.timed else None,
    )


def stored_task(task: Task, train: int, test: int) -> stored.Task:
    """A task as ``result.json`` keeps it.

    Args:
        task: What the model is for.
        train: Samples to train with.
        test: Samples to score with.
    """
    heads = tuple(stored_part(stored.TaskHead, head) for head in task.heads)
    return stored.Task(line=task.line(train, test), train=train, test=test, heads=heads)


def _variant(
    variant: Variant,
    measured: Measured | None,
    accuracy: Accuracy | None,
    emulated: bool,
    folder: Path,
) -> stored.Variant:
    """One entry of ``variants``; ``measured`` is None for a variant that was only scored."""
    layers = measured.layers if measured else ()
    sessions = measured.sessions if measured and not emulated else ()
    summary = statistics.latency_summary(sessions)
    parity = measured.parity if measured else None
    energy = measured.energy if measured else None
    return stored.Variant(
        name=variant.name,
        file=_relative(variant.file, folder),
        bytes=_size(variant.file),
        sha256=sha256_of(variant.file),
        sparsity=variant.sparsity,
        profiling_only=variant.profiling_only,
        accuracy=stored_accuracy(accuracy),
        parity=stored_part(stored.Parity, parity) if parity else None,
        latency_us=stored_part(stored.Latency, summary) if summary else None,
        sessions=tuple(stored_part(stored.Session, session) for session in sessions),
        instructions=_instructions(measured),
        estimated=stored_estimate(measured),
        estimated_reason=missing_estimate(measured),
        energy_uj=stored_energy(energy) if isinstance(energy, Energy) else None,
        energy_reason=energy.reason if isinstance(energy, NoEnergy) else UNSET,
        peak_memory_bytes=measured.peak_memory_bytes if measured else None,
        flash_bytes=measured.flash_bytes or UNSET if measured else UNSET,
        start=stored_start(measured) if measured and measured.starts else UNSET,
        layers=tuple(stored_part(stored.Layer, layer) for layer in layers),
        sparse_layers_expected=len(variant.expected),
        sparse_layers_run=sum(layer.sparse for layer in layers) if layers else None,
    )


def stored_accuracy(accuracy: Accuracy | None) -> stored.Accuracy | None:
    """A score; those of several outputs are beside the first one's."""
    if accuracy is None:
        return None
    heads = tuple(stored_part(stored.HeadScore, head) for head in accuracy.heads)
    return stored.Accuracy(
        metric=accuracy.metric,
        value=accuracy.value,
        samples=accuracy.samples,
        heads=heads or UNSET,
    )


def _instructions(measured: Measured | None) -> stored.Instructions | None:
    if measured is None or measured.instructions is None:
        return None
    source = measured.instructions_source or "not known"
    return stored.Instructions(per_inference=measured.instructions, source=source)


def compared_in(run: RunResult) -> statistics.Comparison:
    """What is deployed beside the dense network: by time, and by instructions where emulated.

    Raises:
        DeviceError: A timing or a count is impossible, as a run that took no time.
    """
    measured = {item.variant: item for item in run.measured}
    dense, deployed = measured.get("dense"), measured.get("deployed")
    if run.emulated:
        return statistics.compare_instructions(
            dense.instructions if dense else None, deployed.instructions if deployed else None
        )
    return statistics.compare_latency(
        dense.sessions if dense else (), deployed.sessions if deployed else ()
    )


def _relative(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(real_path(file), real_path(folder))).as_posix()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise ConfigError(f"{file}: the variant's file cannot be read: {error}") from error
