"""Results as ``result.json`` holds them, made by hand."""

import json

import msgspec

from edgeprune.artifacts.measurement import Session
from edgeprune.history.result import Variant
from edgeprune.history.result_file import json_text, parse_result
from edgeprune.report.compare import compare
from edgeprune.report.statistics import latency_summary
from edgeprune.significance.run_noise import RunNoise

QUIET = RunNoise(scale=1e-4, degrees=40, runs=41, files=1)
"""Of a device that hardly differs from run to run: what the sessions show decides."""


def compared(base, new, noise=QUIET, **rest):
    """What changed from one result to another, on a quiet device."""
    return compare(base, new, noise, **rest)


def layer(name, kernel="Fully Connected (NC, F32) GEMM", **rest):
    return {
        "name": name, "op": "CONV_2D", "kernel": kernel, "sparse": "SPMM" in kernel,
        "latency_us": None, "instructions": None,
    } | rest  # fmt: skip


GONE = object()
"""In place of a value: the key is not there."""


def document(result):
    """A result as JSON has it."""
    return json.loads(json_text(result))


def changed(result, changes):
    """A result with other values at some places, as ``{"variants.1.bytes": 7}``."""
    values = document(result)
    for path, value in changes.items():
        *keys, last = (int(key) if key.isdecimal() else key for key in path.split("."))
        holder = values
        for key in keys:
            holder = holder[key]
        if value is GONE:
            del holder[last]
        else:
            holder[last] = value
    return parse_result(values)


def typed(variant):
    """A variant as reports take it."""
    return msgspec.convert(variant, Variant)


def variant(name, sessions_us=(), **rest):
    """A variant; ``sessions_us`` holds one tuple of times per process."""
    sessions = [
        {
            "latency_ns": [round(us * 1000) for us in session],
            "first_ns": 900_000, "load_ns": 5_000_000, "peak_memory_bytes": 7_000_000,
        }
        for session in sessions_us
    ]  # fmt: skip
    summary = latency_summary([Session(**one) for one in sessions])
    latency = None if summary is None else dict(vars(summary))
    if latency is not None and latency["ci95"] is not None:
        latency["ci95"] = list(latency["ci95"])
    return {
        "name": name, "file": f"{name}.tflite", "bytes": 16_900_000, "sparsity": 0.0,
        "profiling_only": False, "accuracy": None, "parity": None, "latency_us": latency,
        "sessions": sessions, "instructions": None, "energy_uj": None, "peak_memory_bytes": None,
        "layers": [], "sparse_layers_expected": 0, "sparse_layers_run": None,
    } | rest  # fmt: skip


ESTIMATE = {
    "cycles": 3_600_000, "latency_us": 2000.0, "clock_hz": 1_800_000_000, "core": "cortex-a72",
    "error": None, "unknown_share": 0.0,
}  # fmt: skip


def counted(name, instructions, **rest):
    """A variant of an emulated board."""
    count = {"per_inference": instructions, "source": "QEMU plugin"}
    return variant(name, instructions=count, **rest)


def top1(value, samples=1000):
    return {"metric": "top1", "value": value, "samples": samples}


def result_of(*variants, verdict="no difference shown", speedup=1.0, validity=(), **rest):
    """A valid result; ``validity`` is its verdict and then reasons; valid if empty."""
    is_counted = any(one["instructions"] is not None for one in variants)
    is_compared = len(variants) > 1
    result = {
        "schema": 1,
        "made": {"time_utc": "2026-11-21T17:00:00+00:00", "edgeprune_version": "0.1.0"},
        "model": {"path": "models/net.h5", "sha256": "ab" * 32, "format": "keras2-h5"},
        "board": "rpi4",
        "device": {
            "id": "desk-pi", "cpu": "Cortex-A72", "os": "Linux 6.6", "agent_version": "1",
            "runtime_version": "LiteRT 2.3.0",
        },
        "recipe": {"name": "auto", "prune": {"sparsity": 0.8125}},
        "variants": list(variants),
        "comparison": {
            "metric": "instructions" if is_counted else "latency_us",
            "speedup": speedup if is_compared else None,
            "ci95": None if is_counted or not is_compared else [speedup * 0.98, speedup * 1.02],
            "verdict": verdict if is_compared else "not measurable",
        },
        "validity": {
            "verdict": validity[0] if validity else "valid", "reasons": list(validity[1:]),
        },
    } | rest  # fmt: skip
    return parse_result(result)


def processes(median_us, count=10, spread=0.01):
    """Times of ``count`` processes around a median, each of 5 runs."""
    centres = [median_us * (1 + spread * (k - count / 2) / count) for k in range(count)]
    return [tuple(centre * (1 + run / 1000) for run in range(5)) for centre in centres]
