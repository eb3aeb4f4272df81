"""``result.json``: what a run left behind, in the shape that ``result.schema.json`` fixes."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import edgeprune
from edgeprune.artifacts.compression import ModelFile
from edgeprune.artifacts.measurement import Accuracy, Measured, Parity, RunResult, Session, Variant
from edgeprune.errors import ConfigError
from edgeprune.files.paths import real_path
from edgeprune.files.read_file import read_json
from edgeprune.files.whole_file import shown, write_whole
from edgeprune.report import statistics
from edgeprune.report.energy import energy_entry
from edgeprune.report.pinning import pinning_entry
from edgeprune.report.start import start_entry
from edgeprune.report.validity import validity_of

SCHEMA_VERSION = 1
FILE_NAME = "result.json"


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
            "edgeprune_version": edgeprune.__version__,
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


def validate(result: Mapping[str, Any]) -> None:
    """Checks a result against the schema, and every number for being finite.

    Raises:
        ConfigError: A key is missing, unknown or null where a value is due, a value has the wrong
            type or range, or a number is NaN or infinite; the message has the fault's path.
    """
    import jsonschema

    for path, value in _numbers(result, "$"):
        if not math.isfinite(value):
            raise ConfigError(f"{FILE_NAME}: {path}: {value} is not a finite number")
    error = jsonschema.exceptions.best_match(_validator().iter_errors(result))
    if error is not None:
        raise ConfigError(f"{FILE_NAME}: {error.json_path}: {error.message[:300]}")


@functools.cache
def _validator() -> Any:
    import jsonschema  # slow to import, and only needed once a result exists

    schema = json.loads(Path(__file__).with_name("result.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def write_result(result: Mapping[str, Any], folder: Path) -> Path:
    """Writes a valid result to ``folder/result.json``, whole or not at all.

    Args:
        result: What :func:`build_result` returned.
        folder: Made if it does not exist.

    Returns:
        The file.

    Raises:
        ConfigError: The result is not valid, or the folder cannot be written to.
    """
    validate(result)
    target = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{shown(folder)}: cannot be written: {error.strerror}") from error
    write_whole(target, json_text(result), replace=True)
    return target


def read_result(path: Path) -> dict[str, Any]:
    """Reads and checks a ``result.json``, or the one in the folder ``path``.

    Raises:
        ConfigError: The file is missing, not JSON, or not a valid result.
    """
    file = path / FILE_NAME if path.is_dir() else path
    result = read_json(file)
    try:
        validate(result)
    except ConfigError as error:
        raise ConfigError(f"{file}: not a result of edgeprune: {error}") from error
    return dict(result)


def json_text(result: Mapping[str, Any]) -> str:
    """The file's text: indented, but a list of numbers on one line, since there may be thousands.

    >>> print(json_text({"latency_ns": [10, 11]}), end="")
    {
      "latency_ns": [10, 11]
    }
    """
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A string holds no line break of its own in JSON, so only the layout can match.
    return re.sub(r"\[\n[-+.\deE,\s]+\]", lambda found: _one_line(found.group()), text)


def _one_line(numbers: str) -> str:
    return "[" + " ".join(numbers[1:-1].split()) + "]"


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


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    """Every floating-point number below ``value`` with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")
    elif isinstance(value, float):
        yield path, value
