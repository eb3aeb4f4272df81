"""The morning for the textfile collector of Prometheus' node exporter.

Source: Prometheus' text-based exposition format, version 0.0.4: values as Go reads them, labels
with backslash, quote and line feed escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from edgeprune.morning.data import Morning

_UNITS = {
    "latency_us": ("latency_seconds", 1e-6, "Median time of an inference."),
    "energy_uj": ("energy_joules", 1e-6, "Energy of an inference."),
    "instructions": ("instructions", 1.0, "Instructions of an inference on an emulated device."),
    "flash_bytes": ("flash_bytes", 1.0, "Flash that a network takes."),
}
"""Names in Prometheus' base units, factors and help by metric."""

_VERDICTS = ("worse", "better", "denied", "suspected")

Sample = tuple[Mapping[str, str], float]


def prometheus(morning: Morning) -> str:
    """The whole file, to be written whole: the collector may read at any time."""
    plan = {"plan": morning.plan}
    states = Counter(job.state for job in morning.jobs)
    lines = _metric(
        "jobs", "Jobs of the newest night by state.",
        [(plan | {"state": state}, count) for state, count in sorted(states.items())],
    )  # fmt: skip
    changes = Counter[str](change.verdict for change in morning.changes)
    lines += _metric(
        "changes", "Changes over nights by what a re-run showed.",
        [(plan | {"verdict": word}, changes[word]) for word in _VERDICTS],
    )  # fmt: skip
    lines += _metric("night_ok", "1 where nothing got worse and every job is done.",
                     [(plan, float(morning.is_ok))])  # fmt: skip
    lines += _metric("night_began_seconds", "When the newest night began, Unix time.",
                     [(plan, datetime.fromisoformat(morning.began_utc).timestamp())])  # fmt: skip
    lines += _metric(
        "device_quarantined", "1 where the device is in quarantine.",
        [({"device": one.device, "board": one.board}, float(one.quarantine_reason is not None))
         for one in morning.devices],
    )  # fmt: skip
    for metric, (name, factor, text) in _UNITS.items():
        lines += _metric(
            name, text,
            [({"model": one.model_path, "board": one.board, "device": one.device},
              one.value * factor) for one in morning.figures if one.metric == metric],
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def _metric(name: str, text: str, samples: Iterable[Sample]) -> list[str]:
    """One gauge with its samples, each set of labels once; nothing without samples."""
    values = {
        ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items()): value
        for labels, value in samples
    }
    if not values:
        return []
    full = f"edgeprune_{name}"
    head = [f"# HELP {full} {text}", f"# TYPE {full} gauge"]
    return head + [f"{full}{{{labels}}} {value:.12g}" for labels, value in values.items()]


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
