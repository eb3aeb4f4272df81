"""What a result is in the words of an experiment tracker: parameters, metrics and tags."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edgeprune.history.result import Accuracy, Result, Variant, known
from edgeprune.history.result_file import json_text
from edgeprune.report.assessment import accuracy_change
from edgeprune.report.estimated import estimated_cycles, estimated_us
from edgeprune.text.untrusted import one_line

MAX_VALUE = 500
"""Characters of a parameter's or tag's value. Source: MLflow 2.0; newer servers take 6000."""

SHA256_TAG = "edgeprune.result_sha256"


@dataclass(frozen=True)
class TrackedRun:
    """A result as a run of an experiment.

    Attributes:
        name: Of the run, as ``digits.h5 on rpi4``.
        sha256: Of the result: the same result is the same run.
        begun_ms: When it was measured, milliseconds since 1970; None where the result does not say.
        params: What was asked for.
        metrics: What was measured; a figure that was not is not there.
        tags: What is true of the run as a whole.
    """

    name: str
    sha256: str
    begun_ms: int | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def tracked(result: Result) -> TrackedRun:
    """A result in a tracker's words."""
    sha256 = hashlib.sha256(json_text(result).encode()).hexdigest()
    made = known(result.made)
    name = f"{Path(result.model.path).name} on {result.board}"
    begun_ms = None
    if made is not None:
        begun_ms = _milliseconds(made.time_utc)
    return TrackedRun(
        one_line(name, MAX_VALUE),
        sha256,
        begun_ms,
        {
            _key(key): one_line(value, MAX_VALUE)
            for key, value in _params(result)
            if value is not None
        },
        {_key(key): float(value) for key, value in _metrics(result) if value is not None},
        {key: one_line(value, MAX_VALUE) for key, value in _tags(result, sha256)},
    )


def _milliseconds(time_utc: str) -> int | None:
    try:
        return round(1000 * datetime.fromisoformat(time_utc).timestamp())
    except (ValueError, OverflowError):
        return None


def _params(result: Result) -> Iterator[tuple[str, object]]:
    yield "model", Path(result.model.path).name
    yield "board", result.board
    yield "device", result.device.id
    yield "device_cpu", result.device.cpu
    yield "device_os", result.device.os
    yield "runtime_version", result.device.runtime_version
    yield "agent_version", result.device.agent_version
    timed = known(result.timed)
    if timed is not None:
        yield "effort", timed.effort
    yield "recipe", result.recipe.get("name")
    if isinstance(prune := result.recipe.get("prune"), Mapping):
        yield "sparsity", prune.get("sparsity")
    yield from _flat("recipe", result.recipe)


def _flat(key: str, value: object) -> Iterator[tuple[str, object]]:
    """A recipe's tables as ``recipe.prune.sparsity``; what is empty says nothing."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}", inner)
    elif value not in (None, "", [], ()):
        yield key, value


def _tags(result: Result, sha256: str) -> Iterator[tuple[str, object]]:
    yield SHA256_TAG, sha256
    yield "edgeprune.verdict", result.comparison.verdict
    yield "edgeprune.validity", result.validity.verdict
    if result.validity.reasons:
        yield "edgeprune.validity_reasons", "; ".join(result.validity.reasons)
    yield "edgeprune.measured_on", "emulated board" if result.is_emulated else "device"
    yield "edgeprune.model_sha256", result.model.sha256
    made = known(result.made)
    if made is not None:
        yield "edgeprune.version", made.edgeprune_version


def _metrics(result: Result) -> Iterator[tuple[str, float | None]]:
    for variant in result.variants:
        for key, value in _of_variant(variant):
            yield f"{variant.name}/{key}", value
    yield from _comparison(result)
    dense, deployed = result.variant("dense"), result.variant("deployed")
    if dense is not None and deployed is not None:
        yield "size_dense_by_deployed", dense.bytes / deployed.bytes
        change = accuracy_change(dense.accuracy, deployed.accuracy)
        yield "accuracy_drop", None if change is None else change.drop


def _comparison(result: Result) -> Iterator[tuple[str, float | None]]:
    """How often cheaper; a speed that could not be measured is none, whatever the times gave."""
    found = result.comparison
    if result.is_emulated:
        yield "instructions_dense_by_deployed", found.speedup
    elif found.verdict != "not measurable":
        yield "speedup", found.speedup
        for end, value in _ends(found.ci95):
            yield f"speedup_ci95_{end}", value


def _of_variant(variant: Variant) -> Iterator[tuple[str, float | None]]:
    yield "size_bytes", variant.bytes
    yield "sparsity", variant.sparsity
    yield "instructions", variant.instruction_count
    yield "estimated_us", estimated_us(variant)
    yield "estimated_cycles", estimated_cycles(variant)
    yield "peak_memory_bytes", variant.peak_memory_bytes
    yield "sparse_layers", variant.sparse_layers_run
    yield from _scores(variant.accuracy)
    if latency := variant.latency_us:
        yield "latency_median_us", latency.median
        yield "latency_p90_us", latency.p90
        yield "latency_p99_us", latency.p99
        yield "latency_min_us", latency.min
        for end, value in _ends(latency.ci95):
            yield f"latency_ci95_{end}_us", value
    if energy := variant.energy_uj:
        yield "energy_uj", energy.per_inference
    if start := known(variant.start):
        yield "load_us", start.load_us
        yield "first_inference_us", start.first_us
    if parity := variant.parity:
        yield "largest_difference", parity.max_abs_diff
        yield "same_top_class", parity.argmax_agreement


def _scores(accuracy: Accuracy | None) -> Iterator[tuple[str, float | None]]:
    """Top-1 accuracy as ``accuracy``, another score by its metric's name; those of all outputs."""
    if accuracy is None:
        return
    yield _metric(accuracy.metric), accuracy.value
    for head in known(accuracy.heads) or ():
        yield f"{_metric(head.metric)}/{head.name}", head.value


def _metric(name: str) -> str:
    return "accuracy" if name == "top1" else name


def _ends(interval: tuple[float, float] | None) -> Iterator[tuple[str, float]]:
    return iter(()) if interval is None else zip(("low", "high"), interval, strict=True)


def _key(name: str) -> str:
    """A name that every tracking server takes: letters, digits and ``_-./ `` alone.

    >>> _key("deployed/mae/box[3]"), _key("a//../b")
    ('deployed/mae/box_3_', 'a/_/b')
    """
    plain = re.sub(r"[^\w\-./ ]", "_", name, flags=re.ASCII)[:250]
    parts = [part for part in plain.split("/") if part]
    return "/".join("_" if set(part) <= {"."} else part for part in parts) or "_"
