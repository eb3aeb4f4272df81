"""``result.json``: what a run left behind, in the shape that ``result.schema.json`` fixes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgeprune.artifacts.compression import ModelFile
from edgeprune.artifacts.measurement import Accuracy, Measured, Parity, RunResult, Session, Variant
from edgeprune.errors import ConfigError
from edgeprune.files.paths import real_path
from edgeprune.history.result_file import validate
from edgeprune.report import statistics
from edgeprune.report.energy import energy_entry
from edgeprune.report.pinning import pinning_entry
from edgeprune.report.start import start_entry
from edgeprune.report.validity import validity_of
from edgeprune.version import __version__

SCHEMA_VERSION = 1


def build_result(
    model: ModelFile,
    board: str,
    recipe: Mapping[str, Any],
    run: RunResult,
    variants: Sequence[Variant],
    accuracy: Mapping[str, Accuracy],
    folder: Path,
) -> dict[str, Any]:
    """Gathers what was measured into the object that is written as ``result.json``.

    Args:
        model: The user's model; its path is kept as given.
        board: The board's name.
        recipe: The recipe in force, as plain tables.
        run: What the device brought back.
        variants: All variants, measured or only scored; ``dense`` first, then ``deployed``.
        accuracy: Scores by variant's name; a variant without one gets null.
        folder: Where the result goes; variants' files are named relative to it.

    Returns:
        A valid result: see :func:`validate`.

    Raises:
        ConfigError: A variant's file is missing, or a value does not fit the schema.
        DeviceError: A timing or a count is impossible, as a run that took no time.
    """
    measured = {item.variant: item for item in run.measured}
    compared = _compare(run.emulated, measured.get("dense"), measured.get("deployed"))
    result = {
        "schema": SCHEMA_VERSION,
        "made": {
            "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "edgeprune_version": __version__,
        },
        "model": {"path": str(model.path), "sha256": model.sha256, "format": model.format},
        "board": board,
        "device": {
            key: getattr(run.device, key)
            for key in ("id", "cpu", "os", "agent_version", "runtime_version")
        },
        **pinning_entry(run),
        "recipe": recipe,
        "variants": [
            _variant(item, measured.get(item.name), accuracy.get(item.name), run.emulated, folder)
            for item in variants
        ],
        "comparison": compared,
        "validity": validity_of(run),
        "timed": run.timed,
    }
    plain: dict[str, Any] = _plain(result)
    validate(plain)
    return plain


def _variant(
    variant: Variant,
    measured: Measured | None,
    accuracy: Accuracy | None,
    emulated: bool,
    folder: Path,
) -> dict[str, Any]:
    """One entry of ``variants``; ``measured`` is None for a variant that was only scored."""
    layers = measured.layers if measured else ()
    sessions = measured.sessions if measured and not emulated else ()
    return {
        "name": variant.name,
        "file": _relative(variant.file, folder),
        "bytes": _size(variant.file),
        "sparsity": variant.sparsity,
        "profiling_only": variant.profiling_only,
        "accuracy": _accuracy(accuracy),
        "parity": _parity(measured.parity if measured else None),
        "latency_us": statistics.latency_summary(sessions),
        "sessions": [_session(one) for one in sessions],
        "instructions": _instructions(measured),
        **energy_entry(measured.energy if measured else None),
        "peak_memory_bytes": measured.peak_memory_bytes if measured else None,
        **start_entry(measured),
        "layers": layers,
        "sparse_layers_expected": len(variant.expected),
        "sparse_layers_run": sum(layer.sparse for layer in layers) if layers else None,
    }


def _accuracy(accuracy: Accuracy | None) -> dict[str, Any] | None:
    """A score; those of several outputs are beside the first one's."""
    if accuracy is None:
        return None
    keys = ("metric", "value", "samples", *(("heads",) if accuracy.heads else ()))
    return {key: getattr(accuracy, key) for key in keys}


def _session(session: Session) -> dict[str, Any]:
    """All but the times that :mod:`edgeprune.report.latencies` writes."""
    names = [field.name for field in dataclasses.fields(session) if field.name != "every_ns"]
    return {name: getattr(session, name) for name in names}


def _instructions(measured: Measured | None) -> dict[str, Any] | None:
    if measured is None or measured.instructions is None:
        return None
    return {"per_inference": measured.instructions, "source": measured.instructions_source}


def _parity(parity: Parity | None) -> dict[str, Any] | None:
    """The published part of a comparison; limit and outcome are in the validity."""
    if parity is None:
        return None
    keys = ("reference", "max_abs_diff", "argmax_agreement", "samples", "where")
    return {key: getattr(parity, key) for key in keys}


def _compare(
    emulated: bool, dense: Measured | None, deployed: Measured | None
) -> statistics.Comparison:
    """Compares by time on a real device, by instructions on an emulated one."""
    if emulated:
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


def _plain(value: Any) -> Any:
    """Dataclasses to objects, tuples to lists, paths and NumPy's scalars to JSON's types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(
            {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        )
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str | Path):  # a file's name may hold bytes that are no UTF-8
        return str(value).encode(errors="backslashreplace").decode()
    return value.item() if hasattr(value, "item") else value
